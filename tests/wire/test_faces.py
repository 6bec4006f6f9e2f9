"""What identify-face and text to speech answer, in every dialect, and in none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.request.faces import Face
from lipsync_async.terms import TaskStatus
from lipsync_async.wire.faces import FacesReply, read_faces, session_is_gone
from lipsync_async.wire.speech import SpeechReply, read_speech

SAMPLES = Path(__file__).parent.parent / "wire-samples"
DATA = [{"face_id": "0", "face_image": "https://c.example/0.jpg", "start_time": 0, "end_time": 5200}]
ANNA = Face(face_id="0", interval=(0, 5200), picture="https://c.example/0.jpg")


def faces(body: Any, status: int = 200, **options: Any) -> FacesReply:
    """A reply with that body."""
    return read_faces(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode(), **options)


def speech(body: Any, status: int = 200, **options: Any) -> SpeechReply:
    """A reply with that body."""
    return read_speech(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode(), **options)


def sample(name: str) -> tuple[int, bytes]:
    """Status and body of a wire sample."""
    (path,) = SAMPLES.glob(f"{name}_*.json")
    told = json.loads(path.read_text("utf-8"))
    return told["status"], json.dumps(told["body"]).encode()


# --- faces ----------------------------------------------------------------------------------------------------------


def test_the_platforms_own_answer() -> None:
    """Session, faces, intervals, pictures, and what it cost."""
    status, body = sample("f01")
    found = faces(body, status)
    assert found.made
    assert found.session_id == "860000000000009001"
    assert found.units == "0.05"
    assert found.faces == (
        Face(face_id="0", interval=(0, 5200), picture="https://cdn.example.test/f0.jpg"),
        Face(face_id="1", interval=(3100, 9800), picture="https://cdn.example.test/f1.jpg"),
    )


@pytest.mark.parametrize(
    "body",
    [
        {"code": 0, "data": {"session_id": "86", "face_data": DATA}},
        {"code": "success", "data": {"task_id": "8", "status": "SUCCESS", "data": {"session_id": 86, "faces": DATA}}},
        {
            "code": 0,
            "data": {"task_id": "8", "task_status": "succeed", "task_result": {"session_id": "86", "face_data": DATA}},
        },
        {"code": 200, "msg": "ok", "data": {"sessionId": "86", "faceData": DATA}},
        {"session_id": "86", "face_data": DATA[0]},
        {"code": 0, "data": json.dumps({"session_id": "86", "face_data": DATA})},
        b"<br />Warning: foo\n" + json.dumps({"code": 0, "data": {"session_id": "86", "face_data": DATA}}).encode(),
    ],
)
def test_every_dialect_is_read(body: Any) -> None:
    """Envelopes, tasks, camel, flat, a list of one that is none, and a page before the JSON."""
    found = faces(body)
    assert (found.session_id, found.faces) == ("86", (ANNA,))
    assert found.made
    assert not found.nothing


@pytest.mark.parametrize(
    ("item", "face"),
    [
        ({"face_id": 3, "start_time": "0", "end_time": "900"}, Face(face_id="3", interval=(0, 900))),
        ({"faceId": "a", "startTime": 0.0, "endTime": 900.0}, Face(face_id="a", interval=(0, 900))),
        ({"face_id": "a"}, Face(face_id="a")),
        ({"face_id": "a", "start_time": 5, "end_time": 5}, Face(face_id="a")),
        ({"face_id": "a", "start_time": -1, "end_time": 5}, Face(face_id="a")),
        ({"face_id": "a", "start_time": True, "end_time": 5}, Face(face_id="a")),
        ({"face_id": "a", "start_time": 0, "end_time": 1e12}, Face(face_id="a")),
        ({"face_id": "a", "face_image": "javascript:x"}, Face(face_id="a")),
        (
            {"face_id": "a", "face_image": "data:image/png;base64,QQ=="},
            Face(face_id="a", picture="data:image/png;base64,QQ=="),
        ),
        ({"face_id": "a", "face_image": "https://c.example/a b.jpg"}, Face(face_id="a")),
    ],
)
def test_a_face_is_what_can_be_read_of_it(item: dict[str, Any], face: Face) -> None:
    """An interval that is none is not told."""
    assert faces({"code": 0, "data": {"session_id": "86", "face_data": [item]}}).faces == (face,)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": 0, "data": {"session_id": "86", "face_data": []}}, 200),
        ({"code": 0, "data": {"session_id": "86", "face_data": None}}, 200),
        ({"code": 0, "data": {"face_data": []}}, 200),
        ({"code": 1201, "message": "No face detected in the video"}, 400),
        ({"code": "identify_face_failed", "message": "face not found"}, 400),
        ({"code": 1201, "message": "can not detect any valid face"}, 400),
        ({"code": 1201, "message": "未检测到人脸"}, 400),
        ({"code": 1201, "message": "视频中没有人脸"}, 200),
        ({"code": 0, "data": {"task_id": "8", "task_status": "failed", "task_status_msg": "no face in video"}}, 200),
    ],
)
def test_no_face_is_told_in_a_list_or_in_words(body: Any, status: int) -> None:
    """An outcome of its own."""
    found = faces(body, status)
    assert found.nothing
    assert not found.made


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": 0, "data": {"session_id": "86"}}, 200),
        ({"code": 0, "data": {"session_id": "86", "face_data": ["odd", {"x": 1}]}}, 200),
        ({"code": 0, "data": {"session_id": "86", "face_data": "odd"}}, 200),
        ({"code": 0, "data": {"face_data": DATA}}, 200),
        ({"code": 0, "data": {"face_data": None}}, 200),
        ({"code": 1102, "data": {"session_id": "86", "face_data": DATA}}, 429),
        ({"code": 0, "data": {"session_id": "86", "face_data": DATA}}, 502),
        ({"code": 5000, "message": "no face service available"}, 500),
        ({"code": 1201, "message": "face_id is not valid"}, 400),
        ({"code": 1201, "message": "the video must show one face"}, 400),
        ({"code": 0, "data": {"task_id": "8", "task_status": "submitted"}}, 200),
        (b"", 200),
        (b"<html>no face</html>", 200),
        (b"[]", 200),
    ],
)
def test_what_says_neither_is_neither(body: Any, status: int) -> None:
    """A list that cannot be read is no empty one, and trouble is no word about the video."""
    found = faces(body, status)
    assert not found.made
    assert not found.nothing


def test_a_broken_answer_says_nothing() -> None:
    """However well it begins."""
    body = {"code": 0, "data": {"session_id": "86", "face_data": []}}
    assert not faces(body, broken=True).nothing
    assert faces(body, broken=True).session_id is None


def test_a_refusal_says_why() -> None:
    """In the words of the gateway."""
    status, body = sample("f03")
    found = faces(body, status)
    assert (found.made, found.nothing, found.reply.message) == (False, False, "Video duration is invalid")


def test_a_task_tells_its_id_and_state() -> None:
    """It is asked for until it has ended."""
    found = faces({"code": 0, "data": {"task_id": "8", "task_status": "processing"}})
    assert (found.reply.task_id, found.reply.task_status) == ("8", TaskStatus.PROCESSING)


@pytest.mark.parametrize(
    ("message", "gone"),
    [
        ("session not found", True),
        ("session_id 86 does not exist", True),
        ("The session 86 has expired", True),
        ("session id is invalid", True),
        ("Invalid session", True),
        ("会话已过期", True),
        ("找不到会话", True),
        ("face_id is invalid", False),
        ("the session's face does not speak", False),
        ("session opened; audio not found", False),
        ("audio not found", False),
        ("", False),
    ],
)
def test_a_session_that_died_is_told_from_a_bad_job(message: str, gone: bool) -> None:
    """The job is good for a new session."""
    assert session_is_gone(message) is gone


# --- speech ---------------------------------------------------------------------------------------------------------


def test_the_platforms_own_speech() -> None:
    """Audio id, length, a URL to listen to, and what it cost; the task's id is no audio's."""
    status, body = sample("f04")
    found = speech(body, status)
    assert found.made
    assert (found.audio_id, found.seconds) == ("860000000000008002", 4.212)
    assert (found.url, found.units) == ("https://cdn.example.test/a.mp3", "0.05")


@pytest.mark.parametrize(
    "body",
    [
        {"code": 0, "data": {"audio_id": "86", "duration": "4.5"}},
        {
            "code": 200,
            "data": {"taskId": "8", "state": "completed", "result": {"audios": [{"id": 86, "duration": 4.5}]}},
        },
        {
            "code": "success",
            "data": {
                "task_id": "8",
                "status": "SUCCESS",
                "data": {"task_result": {"audios": [{}, {"audio_id": "86", "duration": 4.5}]}},
            },
        },
    ],
)
def test_every_dialect_speaks(body: Any) -> None:
    """At once, or as a task that has ended."""
    found = speech(body)
    assert (found.audio_id, found.seconds, found.url) == ("86", 4.5, None)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": 0, "data": {"task_id": "8", "task_status": "submitted"}}, 200),
        ({"code": 0, "data": {"task_id": "8", "task_status": "succeed", "task_result": {"audios": []}}}, 200),
        ({"code": 0, "data": {"task_id": "8", "task_status": "failed", "task_status_msg": "no", "audio_id": "9"}}, 200),
        ({"code": 1102, "data": {"audio_id": "86"}}, 429),
        ({"code": 0, "data": {"task_result": {"audios": "odd"}}}, 200),
        (b"\xff", 200),
    ],
)
def test_what_holds_no_audio_holds_none(body: Any, status: int) -> None:
    """A task's id is never taken for one."""
    assert not speech(body, status).made


def test_a_failed_speech_says_why() -> None:
    """By the task's own words."""
    found = speech({"code": 0, "message": "SUCCEED", "data": {"task_status": "failed", "task_status_msg": "risk"}})
    assert found.reason == "risk"


# --- whatever comes -------------------------------------------------------------------------------------------------

names = st.sampled_from(
    ["code", "data", "session_id", "face_data", "face_id", "task_result", "audios", "id", "start_time"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(names, values, max_size=5) | values, st.sampled_from([200, 400, 429, 500]), st.booleans())
def test_no_json_makes_it_fail(body: Any, status: int, broken: bool) -> None:
    """Nor is a face made of nothing."""
    found = faces(body, status, broken=broken)
    assert not (found.made and (found.nothing or not found.faces))
    assert speech(body, status, broken=broken).made in {True, False}


@given(st.binary(max_size=80))
def test_no_bytes_make_it_fail(body: bytes) -> None:
    """Whatever they are."""
    assert not faces(body, 500).made
    assert not speech(body, 500).made
