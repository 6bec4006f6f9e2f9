"""Job lines to requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lipsync_async.jobs.lines import read_request
from lipsync_async.request.audio import AudioFile
from tests.wire.helpers import (
    CLIP,
    SCHEMAS,
)

FLAT = {
    "session_id": "s",
    "face_id": "0",
    "audio_id": "a",
    "sound_start_time": 0,
    "sound_end_time": 5000,
    "sound_insert_time": 1000,
    "sound_volume": 1,
    "original_audio_volume": 1,
}
FACE = {name: value for name, value in FLAT.items() if name != "session_id"}


def line(face_choose: object = None, **values: Any) -> dict[str, Any]:
    """A job line in the create call's own form."""
    return {"session_id": "s", "face_choose": [FACE] if face_choose is None else face_choose, **values}


def faults(it: dict[str, Any], base: Path | None = None) -> dict[str, str]:
    """Path and rule of all that is wrong with a line."""
    read, found = read_request(it, base)
    assert read is None
    return {violation.path: violation.rule for violation in found if violation.severity == "error"}


def test_both_forms_are_one_request() -> None:
    """The create call's own body and its flat form stand for the same."""
    read, found = read_request(line())
    assert found == []
    assert read is not None
    assert read == read_request(FLAT)[0]
    assert read.face_choose[0].sound_end_time == 5000


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_the_seeds_example_is_readable(name: str) -> None:
    """The seeds' own example, empty texts and all, is a job line."""
    example = SCHEMAS[name]["requestBody"]["content"]["application/json"]["example"]
    read, found = read_request(example)
    assert found == []
    assert read is not None
    assert read.external_task_id is read.callback_url is read.face_choose[0].sound_file is None
    assert read.face_choose[0].audio_id == "825451760499568680"


def test_everything_optional_is_read() -> None:
    """Optional fields come through as they are, null as not given."""
    values = {"external_task_id": "x", "callback_url": None, "watermark_info": {"enabled": True}}
    read, found = read_request(line([{**FACE, "sound_file": None}], **values, extra_body={"model": "m"}))
    assert found == []
    assert read is not None
    assert (read.external_task_id, read.callback_url) == ("x", None)
    assert (read.watermark_info, read.extra_body) == ({"enabled": True}, {"model": "m"})


@pytest.mark.parametrize(("given", "read_as"), [(0.0, "0"), (5000.0, "5000"), (7, "7")])
def test_whole_floats_are_integers(given: float, read_as: str) -> None:
    """The one conversion there is: 0.0 is 0."""
    read, _ = read_request({**FLAT, "sound_insert_time": given, "sound_volume": given})
    assert read is not None
    assert repr(read.face_choose[0].sound_insert_time) == repr(read.face_choose[0].sound_volume) == read_as


def test_a_fraction_of_a_volume_is_read() -> None:
    """Whether a gateway takes fractions is not for the reader to say."""
    read, _ = read_request({**FLAT, "sound_volume": 0.5})
    assert read is not None
    assert read.face_choose[0].sound_volume == 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("sound_end_time", wrong) for wrong in ["5", True, None, 0.5, float("nan"), float("inf"), [5], {}]),
        *(("sound_volume", wrong) for wrong in ["1", True, None, float("nan"), float("inf"), [1]]),
        *(("face_id", wrong) for wrong in [5, None, True, ["0"], "\ud800"]),
        *((name, wrong) for name in ("audio_id", "sound_file") for wrong in [5, False, []]),
    ],
)
def test_nothing_else_is_converted(name: str, value: object) -> None:
    """A text is no number, true is no 1, and null is not 0."""
    assert faults({**FLAT, name: value}) == {f"face_choose[0].{name}": "wrong_type"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("session_id", 5),
        ("session_id", None),
        ("external_task_id", 5),
        ("callback_url", []),
        ("watermark_info", "on"),
        ("watermark_info", [True]),
        ("extra_body", "x"),
        ("face_choose", {}),
        ("face_choose", "0"),
        ("face_choose", None),
    ],
)
def test_wrong_types_at_top_level(name: str, value: object) -> None:
    """The request's own fields are read as strictly."""
    it = line()
    it[name] = value
    assert faults(it) == {name: "wrong_type"}


def test_a_face_is_an_object() -> None:
    """What is no object in `face_choose` is told by its place."""
    assert faults(line([FACE, 5])) == {"face_choose[1]": "wrong_type"}


@pytest.mark.parametrize("name", [name for name in FLAT if name != "audio_id"])
def test_nothing_has_a_default(name: str) -> None:
    """A missing field of the wire is a violation, times and volumes too."""
    place = name if name == "session_id" else f"face_choose[0].{name}"
    assert faults({key: value for key, value in FLAT.items() if key != name}) == {place: "missing"}


def test_all_faults_at_once() -> None:
    """One reading tells everything, so that a list is mended in one go."""
    broken = {**FACE, "sound_end_time": "5", "sound_volume": None, "volume": 1}
    del broken["face_id"]
    assert faults(line([broken], session_id=5, callback_url=7)) == {
        "session_id": "wrong_type",
        "callback_url": "wrong_type",
        "face_choose[0].face_id": "missing",
        "face_choose[0].sound_end_time": "wrong_type",
        "face_choose[0].sound_volume": "wrong_type",
        "face_choose[0].volume": "unknown_field",
    }


def test_messages_say_what_would_be_right() -> None:
    """A violation names what was found and what is wanted."""
    _, found = read_request({**FLAT, "sound_end_time": "5", "sound_insert_time": 0.5})
    assert [str(it) for it in found] == [
        "face_choose[0].sound_end_time: must be a whole number, not text",
        "face_choose[0].sound_insert_time: must be a whole number, not 0.5",
    ]


@pytest.mark.parametrize("it", [FLAT, line()])
def test_unknown_fields_are_sent_with_a_warning(it: dict[str, Any]) -> None:
    """What the contract does not know goes to `extra_body`, and is told."""
    read, found = read_request({**it, "model": "m", "extra_body": {"a": 1}})
    assert read is not None
    assert read.extra_body == {"a": 1, "model": "m"}
    assert [(v.path, v.rule, v.severity) for v in found] == [("model", "unknown_field", "warning")]
    alone, _ = read_request({**it, "model": "m"})
    assert alone is not None
    assert alone.extra_body == {"model": "m"}


def test_a_null_extra_body_is_not_given() -> None:
    """An `extra_body` of null leaves room for what is unknown."""
    read, _ = read_request({**FLAT, "extra_body": None, "model": "m"})
    assert read is not None
    assert read.extra_body == {"model": "m"}


def test_face_fields_beside_face_choose_are_misplaced() -> None:
    """A face's field beside `face_choose` would be sent to nowhere, a local path even told to the gateway."""
    it = line(sound_path="a.mp3", sound_volume=1)
    assert faults(it) == {"sound_path": "misplaced_field", "sound_volume": "misplaced_field"}


@pytest.mark.parametrize("form", ["flat", "body"])
def test_sound_path_starts_from_the_base(form: str, tmp_path: Path) -> None:
    """A local file is named beside `face_id`, relative to the list."""
    (tmp_path / "a.mp3").write_bytes(CLIP.data)
    local = {name: value for name, value in FACE.items() if name != "audio_id"} | {"sound_path": "a.mp3"}
    read, found = read_request({"session_id": "s", **local} if form == "flat" else line([local]), tmp_path)
    assert found == []
    assert read is not None
    sound = read.face_choose[0].sound_file
    assert isinstance(sound, AudioFile)
    assert sound.digest() == CLIP.digest()


def test_sound_path_without_a_base_starts_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a base the working directory is where a path starts."""
    (tmp_path / "a.mp3").write_bytes(CLIP.data)
    monkeypatch.chdir(tmp_path)
    assert read_request({**FLAT, "audio_id": "", "sound_path": "a.mp3"})[0] is not None


@pytest.mark.parametrize(
    ("path", "rule"),
    [("none.mp3", "unreadable_file"), (".", "unreadable_file"), ("\x00", "unreadable_file"), (5, "wrong_type")],
)
def test_unreadable_sound_paths(path: object, rule: str, tmp_path: Path) -> None:
    """A file that can't be read is the line's fault, told by `sound_path`."""
    assert faults({**FLAT, "audio_id": "", "sound_path": path}, tmp_path) == {"face_choose[0].sound_path": rule}


def test_an_empty_sound_path_is_not_given() -> None:
    """An empty or null path is none."""
    for nothing in ("", None):
        assert read_request({**FLAT, "sound_path": nothing})[0] == read_request(FLAT)[0]


def test_two_sounds_are_a_fault(tmp_path: Path) -> None:
    """A path beside a `sound_file` leaves open which of them is meant."""
    both = {**FLAT, "sound_path": "a.mp3", "sound_file": "https://example.test/a.mp3"}
    assert faults(both, tmp_path) == {"face_choose[0].sound_path": "two_sounds"}
