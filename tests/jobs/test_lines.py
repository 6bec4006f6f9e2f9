"""A job line to a request: both forms, strictly read, with what may be left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import RequestBuilder, cli
from lipsync_async.jobs.lines import read_request
from lipsync_async.request.audio import AudioBytes, AudioFile

HERE = Path(__file__).parents[1]
CLIP = AudioBytes((Path(cli.__file__).parent / "demo_clips" / "speech_5.mp3").read_bytes())
SCHEMAS = {
    path.stem: json.loads(path.read_text("utf-8"))["paths"]["/kling/v1/videos/advanced-lip-sync"]["post"]
    for path in sorted((HERE / "openapi").glob("*.json"))
}

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


@pytest.mark.parametrize("name", ["session_id", "face_id"])
def test_ids_have_no_default(name: str) -> None:
    """Without them there is no job."""
    place = name if name == "session_id" else f"face_choose[0].{name}"
    assert faults({key: value for key, value in FLAT.items() if key != name}) == {place: "missing"}


def test_what_is_left_out_is_as_the_builder_has_it(tmp_path: Path) -> None:
    """Start and insert 0, volumes 1, and the end the sound's own; in either form."""
    (tmp_path / "a.mp3").write_bytes(CLIP.data)
    built = RequestBuilder().session("s").face("0").audio_file(tmp_path / "a.mp3").build()
    local = {"face_id": "0", "sound_path": "a.mp3"}
    for it in ({"session_id": "s", **local}, line([local])):
        read, found = read_request(it, tmp_path)
        assert (read, found) == (built, [])


@pytest.mark.parametrize("sound", [{"audio_id": "a"}, {"sound_file": "https://e.example.com/a.mp3"}])
def test_an_end_is_asked_for_where_the_sound_tells_none(sound: dict[str, str]) -> None:
    """Of an id or a URL nobody knows how long it is."""
    assert faults({"session_id": "s", "face_id": "0", **sound}) == {
        "face_choose[0].sound_end_time": "window_end_unknown"
    }


def test_a_cause_is_one_fault(tmp_path: Path) -> None:
    """Without a sound, or with one that cannot be read, nothing is said of its end."""
    assert faults({"session_id": "s", "face_id": "0", "sound_path": "none.mp3"}, tmp_path) == {
        "face_choose[0].sound_path": "unreadable_file"
    }
    read, found = read_request({"session_id": "s", "face_id": "0"})
    assert found == []
    assert read is not None


def test_all_faults_at_once() -> None:
    """One reading tells everything, so that a list is mended in one go."""
    broken = {**FACE, "sound_end_time": "5", "sound_volume": None}
    del broken["face_id"]
    assert faults(line([broken], session_id=5, callback_url=7)) == {
        "session_id": "wrong_type",
        "callback_url": "wrong_type",
        "face_choose[0].face_id": "missing",
        "face_choose[0].sound_end_time": "wrong_type",
        "face_choose[0].sound_volume": "wrong_type",
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("5", "must be whole milliseconds, not the text '5': a number stands without quotes"),
        ("soon", "must be whole milliseconds, not the text 'soon'"),
        (0.5, "must be whole milliseconds, not 0.5: 0.5 s are 500"),
        ("5,5", "'5,5' has a decimal comma: write whole milliseconds, 5.5 s are 5500"),
        ("0:05", "must be whole milliseconds, not '0:05': 5 s are 5000"),
        ("5 s", "must be whole milliseconds, not '5 s': 5 s are 5000"),
        ("nan", "is 'nan', which programs write for an empty cell: leave it out, or write the number"),
    ],
)
def test_messages_say_what_would_be_right(value: object, message: str) -> None:
    """A violation names what was found and what is wanted."""
    _, found = read_request({**FLAT, "sound_end_time": value})
    assert [str(it) for it in found] == [f"face_choose[0].sound_end_time: {message}"]


# --- names that are no fields -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("it", [FLAT, line()])
@pytest.mark.parametrize(
    "name", ["model", "notes", "Unnamed: 0", "index", "id", "", "speaker", "duration", "audio_url", "source", "speech"]
)
def test_what_is_no_field_is_not_sent(it: dict[str, Any], name: str) -> None:
    """It is told, and is neither in the request nor in its id."""
    read, found = read_request({**it, name: "m", "extra_body": {"a": 1}})
    assert [(v.path, v.rule, v.severity) for v in found] == [(name or "(no name)", "ignored_field", "warning")]
    assert read == read_request({**it, "extra_body": {"a": 1}})[0]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("calback_url", "callback_url"),
        ("Session ID", "session_id"),
        ("sessionId", "session_id"),
        ("SESSION_ID", "session_id"),
        ("session-id", "session_id"),
        ("\ufeffsession_id", "session_id"),
        ("session", "session_id"),
        ("extenal_task_id", "external_task_id"),
        ("external_task_ID ", "external_task_id"),
        ("sound_strat_time", "sound_start_time"),
        ("orginal_audio_volume", "original_audio_volume"),
        ("watermarkinfo", "watermark_info"),
        ("extra_bodi", "extra_body"),
        ("start_time", "sound_start_time"),
        ("volume", "sound_volume"),
        ("webhook", "callback_url"),
    ],
)
def test_what_is_nearly_a_field_is_a_fault(name: str, meant: str) -> None:
    """It names the field, and that one is not told as missing as well."""
    it = {key: value for key, value in FLAT.items() if key != meant}
    read, found = read_request({**it, name: "x"})
    assert read is None
    assert [v.rule for v in found] == ["misnamed_field"]
    assert f"{meant} is meant" in found[0].message


def test_another_word_for_a_field_is_a_fault_only_in_its_place() -> None:
    """Beside `sound_start_time` a `start` is a note of the writer's own."""
    beside = {"start": "0:12", "volume": "loud", "file": "a.wav", "url": "x", "session": "one", "face_id2": "1"}
    read, found = read_request({**FLAT, **beside})
    assert read == read_request(FLAT)[0]
    assert {v.severity for v in found} == {"warning"}
    assert faults({**FLAT, "Session ID": "another"}) == {"Session ID": "misnamed_field"}


@pytest.mark.parametrize("it", [FLAT, line()])
def test_a_note_is_the_writers_own(it: dict[str, Any]) -> None:
    """Neither sent, nor told, nor a part of the id."""
    read, found = read_request({**it, "note": "take 2"})
    assert found == []
    assert read == read_request(it)[0]


def test_a_face_has_no_other_fields_either() -> None:
    """What stands in a face and is none of its fields is not sent; what is nearly one is a fault."""
    read, found = read_request(line([{**FACE, "note": "x"}]))
    assert read == read_request(line())[0]
    assert [(v.path, v.rule) for v in found] == [("face_choose[0].note", "ignored_field")]
    assert faults(line([{**FACE, "face-id": "1"}])) == {"face_choose[0].face-id": "misnamed_field"}


def test_what_is_to_be_sent_stands_under_extra_body() -> None:
    """As an object, or name by name; both together are one."""
    read, found = read_request({**FLAT, "extra_body": {"a": 1}, "extra_body.model": "m"})
    assert read is not None
    assert (read.extra_body, found) == ({"a": 1, "model": "m"}, [])
    for name in ("extra_body.", "extra_body.a.b"):
        assert faults({**FLAT, name: 1}) == {name: "extra_name"}


def test_a_flood_of_names_is_cut() -> None:
    """A hundred are told, the rest is counted, and a long name is shown in part."""
    _, found = read_request({**FLAT, **{f"n{number}{'x' * 99}": 1 for number in range(20_000)}})
    assert len(found) == 101
    assert max(len(v.path) for v in found) <= 67
    assert "19900 more" in found[-1].message


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("session_id", "8.25E+17", "mangled_id"),
        ("session_id", "8,25466E+17", "mangled_id"),
        ("audio_id", "825465778199224380.0", "mangled_id"),
        ("audio_id", '="825465778199224380"', "mangled_id"),
        ("session_id", "825465778199224000", "mangled_id"),
        ("external_task_id", "8.25E+17", "mangled_id"),
        ("session_id", "825,465,778,199", "mangled_id"),
        ("session_id", "'825465778199224380", "mangled_id"),
        ("face_id", "nan", "placeholder"),
        ("face_id", "None", "placeholder"),
        ("audio_id", "NULL", "placeholder"),
        ("external_task_id", "N/A", "placeholder"),
        ("external_task_id", "#REF!", "placeholder"),
        ("sound_file", "#VALUE!", "placeholder"),
        ("callback_url", "nan", "placeholder"),
        ("session_id", "8254\u200b65", "invisible_character"),
        ("external_task_id", "\u202ea", "invisible_character"),
    ],
)
def test_texts_that_are_no_ids_are_faults(name: str, value: str, rule: str) -> None:
    """One fault each, by the field that holds it."""
    it = {**FLAT, name: value}
    if name == "sound_file":
        del it["audio_id"]
    of_face = name in FACE
    assert faults(it) == {f"face_choose[0].{name}" if of_face or name == "sound_file" else name: rule}


@pytest.mark.parametrize(
    "value",
    ["825465778199224380", "825465778199224300", "ep1-1", "-1", "0", "1e5", "nancy", "none-1", "null0", "2026000", "é"],
)
def test_texts_that_may_be_ids_are_left_alone(value: str) -> None:
    """Two zeros at the end are a number's right, and so is a name that begins like a placeholder."""
    for name in ("session_id", "face_id", "audio_id"):
        assert read_request({**FLAT, name: value})[1] == []


def test_a_line_of_results_is_no_job() -> None:
    """One fault, and not one for every field."""
    it = {"external_task_id": "a", "outcome": "accepted", "task_id": "1", "attempts": 1, "refusals": 0, "line": 1}
    assert faults(it) == {"outcome": "result_line"}


# --- sound_path -------------------------------------------------------------------------------------------------------


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


def test_without_a_folder_no_path_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line may be a stranger's: it names no file of ours unless told where files may lie."""
    (tmp_path / "a.mp3").write_bytes(CLIP.data)
    monkeypatch.chdir(tmp_path)
    for path in ("a.mp3", str(tmp_path / "a.mp3"), "/etc/passwd", "none"):
        it = {**FLAT, "audio_id": "", "sound_path": path}
        assert faults(it) == {"face_choose[0].sound_path": "no_paths"}


def test_a_path_stays_under_its_folder(tmp_path: Path) -> None:
    """Dots, links and absolute paths lead nowhere else, and the fault does not tell what lies there."""
    inside = tmp_path / "in"
    inside.mkdir()
    for place in (tmp_path, inside):
        (place / "a.mp3").write_bytes(CLIP.data)
    (inside / "link.mp3").symlink_to(tmp_path / "a.mp3")
    (inside / "own.mp3").symlink_to(inside / "a.mp3")
    (inside / "up").symlink_to(tmp_path)
    base = {name: value for name, value in FLAT.items() if name != "audio_id"}
    for path in ("../a.mp3", "link.mp3", "up/a.mp3", str(tmp_path / "a.mp3"), "../none.mp3", "../in2/a.mp3"):
        assert faults({**base, "sound_path": path}, inside) == {"face_choose[0].sound_path": "outside_folder"}
        if "none" not in path and "in2" not in path:
            assert read_request({**base, "sound_path": path}, inside, anywhere=True)[0] is not None
    for path in ("a.mp3", "own.mp3", "./../in/a.mp3", str(inside / "a.mp3")):
        assert read_request({**base, "sound_path": path}, inside)[0] is not None


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
