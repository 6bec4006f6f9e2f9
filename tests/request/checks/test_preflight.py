"""The whole of the pre-flight: everything that is wrong, told at once."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from lipsync_async.gateways import ANYAPI, CHAINHUB, KLING
from lipsync_async.models import FaceChoice, LipSyncRequest
from lipsync_async.request.checks import check, errors_of, warnings_of
from tests.makers import FACE, request
from tests.request.checks.told import told


@pytest.mark.parametrize("gateway", [None, CHAINHUB, ANYAPI, KLING])
def test_seed_example(gateway: Any) -> None:
    """The seeds' own example, empty strings and all, breaks no rule of any gateway."""
    assert (
        check(request(face_choose=[evolve(FACE, sound_file="")], external_task_id="", callback_url=""), gateway) == []
    )


def test_everything_at_once() -> None:
    """A request that is wrong everywhere is told so everywhere."""
    wrong = FaceChoice(
        face_id="",
        audio_id="a",
        sound_file="data:audio/mp3;base64,AAAA",
        sound_start_time=-1,
        sound_end_time=0.0,
        sound_insert_time=True,
        sound_volume=3,
        original_audio_volume=0.5,
    )
    broken = LipSyncRequest(
        session_id="",
        face_choose=[wrong, wrong],
        external_task_id="a b",
        callback_url="ftp://example.com",
        watermark_info={},
        extra_body={"x": {1}},
    )
    found = check(broken)
    assert {v.path for v in found} == {
        "session_id",
        "external_task_id",
        "callback_url",
        "watermark_info",
        "extra_body.x",
    } | {"face_choose"} | {
        f"face_choose[{index}]{name}"
        for index in (0, 1)
        for name in (
            "",
            ".face_id",
            ".sound_file",
            ".sound_start_time",
            ".sound_end_time",
            ".sound_insert_time",
            ".sound_volume",
            ".original_audio_volume",
        )
    }
    assert all(v.message for v in found)


def test_not_a_request() -> None:
    """What is no request at all is told in one violation, not in an exception."""
    things: list[Any] = [None, {}, "x"]
    assert [told(check(thing)) for thing in things] == [[("", "not_a_request")]] * 3


def test_errors_and_warnings_are_told_apart() -> None:
    """`errors_of` and `warnings_of` share out what was found."""
    found = check(request(face_id="", sound_volume=0))
    assert [v.rule for v in errors_of(found)] == ["empty"]
    assert [v.rule for v in warnings_of(found)] == ["volume_zero_dropped"]


@pytest.mark.parametrize("faces", [[], [FACE, FACE]])
def test_one_face_only(faces: list[FaceChoice]) -> None:
    """One person is taken at a time: no face and two faces are refused."""
    assert told(check(request(face_choose=faces))) == [("face_choose", "one_face_only")]


@pytest.mark.parametrize("face", [None, {"face_id": "-1"}, 5])
def test_not_a_face(face: Any) -> None:
    """An item that is no FaceChoice is told as such."""
    assert told(check(request(face_choose=[face]))) == [("face_choose[0]", "not_a_face")]
