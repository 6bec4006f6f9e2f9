"""Every rule of the pre-flight, from both sides of its edge."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from attrs import evolve

from lipsync_async.errors import Violation
from lipsync_async.gateways import ANYAPI, CHAINHUB, KLING
from lipsync_async.models import FaceChoice, LipSyncRequest
from lipsync_async.request.audio import AudioBytes, AudioInfo, Container
from lipsync_async.request.checks import Facts, billed_units, check, clip_length, errors_of, url_faults, warnings_of

FACE = FaceChoice(
    face_id="-1",
    audio_id="825451760499568680",
    sound_start_time=0,
    sound_end_time=5000,
    sound_insert_time=1000,
    sound_volume=1,
    original_audio_volume=1,
)
REQUEST = LipSyncRequest(session_id="825465778199224380", face_choose=[FACE])
HALF = "\ud800"
"""Half a surrogate pair."""


def request(**changes: Any) -> LipSyncRequest:
    """The seeds' example, changed."""
    return evolve(REQUEST, **changes)


def faced(**changes: Any) -> LipSyncRequest:
    """The seeds' example with another face."""
    return request(face_choose=[evolve(FACE, **changes)])


def sounding(sound: Any, **changes: Any) -> LipSyncRequest:
    """The seeds' example with a sound in place of the audio id."""
    return faced(audio_id=None, sound_file=sound, **changes)


def clip(
    duration: float | None = 5.0, *, container: Container = Container.WAV, size: int = 80_044, note: str = ""
) -> AudioBytes:
    """A clip that says of itself what it is told to."""
    sound = AudioBytes(b"")
    object.__setattr__(sound, "info", AudioInfo(container, duration, size, note))
    return sound


def told(found: list[Violation]) -> list[tuple[str, str]]:
    """What was found, short: path and rule, the face's path left out, a warning marked."""
    return [(v.path.removeprefix("face_choose[0]."), v.rule + "?" * (v.severity == "warning")) for v in found]


# ---- the whole -------------------------------------------------------------------------------------------------------


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
        sound_end_time=0.0,  # type: ignore[arg-type]
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
    found = check(faced(face_id="", sound_volume=0))
    assert [v.rule for v in errors_of(found)] == ["empty"]
    assert [v.rule for v in warnings_of(found)] == ["volume_zero_dropped"]


# ---- ids -------------------------------------------------------------------------------------------------------------

TEXTS: list[tuple[Any, list[str]]] = [
    ("x", []),
    ("-1", []),
    ("面孔", []),
    ("", ["empty"]),
    (" \n", ["empty"]),
    ("a b", ["stray_blank?"]),
    ("a\n", ["stray_blank?"]),
    (HALF, ["not_unicode"]),
    (None, ["not_a_string"]),
    (123, ["not_a_string"]),
    (b"x", ["not_a_string"]),
]


@pytest.mark.parametrize(("value", "rules"), TEXTS)
def test_session_id_and_face_id(value: Any, rules: list[str]) -> None:
    """The platform's ids are texts that are not empty."""
    assert told(check(request(session_id=value))) == [("session_id", rule) for rule in rules]
    assert told(check(faced(face_id=value))) == [("face_id", rule) for rule in rules]


@pytest.mark.parametrize(("value", "rules"), [case for case in TEXTS if case[0] not in {None, ""}])
def test_audio_id(value: Any, rules: list[str]) -> None:
    """An audio id that is given keeps the rules of the other ids."""
    assert told(check(faced(audio_id=value))) == [("audio_id", rule) for rule in rules]


@pytest.mark.parametrize("faces", [[], [FACE, FACE]])
def test_one_face_only(faces: list[FaceChoice]) -> None:
    """One person is taken at a time: no face and two faces are refused."""
    assert told(check(request(face_choose=faces))) == [("face_choose", "one_face_only")]


@pytest.mark.parametrize("face", [None, {"face_id": "-1"}, 5])
def test_not_a_face(face: Any) -> None:
    """An item that is no FaceChoice is told as such."""
    assert told(check(request(face_choose=[face]))) == [("face_choose[0]", "not_a_face")]


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        (None, []),
        ("", []),
        ("job_0-A", []),
        ("a" * 64, []),
        ("a" * 65, ["id_too_long"]),
        ("a b", ["id_characters"]),
        ("ä", ["id_characters"]),
        ("job\n", ["id_characters"]),
        ("ä" * 65, ["id_characters", "id_too_long"]),
        (5, ["not_a_string"]),
    ],
)
def test_external_task_id(value: Any, rules: list[str]) -> None:
    """Letters, digits, - and _, as many as the gateway takes."""
    assert told(check(request(external_task_id=value))) == [("external_task_id", rule) for rule in rules]


def test_external_task_id_length_is_the_gateways() -> None:
    """A profile with shorter or longer ids is heeded."""
    assert told(check(request(external_task_id="a" * 33), evolve(KLING, max_id_length=32))) == [
        ("external_task_id", "id_too_long")
    ]
    assert check(request(external_task_id="a" * 128), evolve(KLING, max_id_length=128)) == []


# ---- which sound -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audio_id", [None, ""])
@pytest.mark.parametrize("sound", [None, ""])
def test_no_sound(audio_id: Any, sound: Any) -> None:
    """An empty string means not given, so that neither is a fault."""
    assert told(check(faced(audio_id=audio_id, sound_file=sound))) == [("face_choose[0]", "no_sound")]


def test_two_sounds() -> None:
    """Both are one too many."""
    assert told(check(faced(sound_file="https://example.com/a.mp3"))) == [("face_choose[0]", "two_sounds")]


def test_empty_audio_id_beside_a_url() -> None:
    """The seeds' example the other way round: an empty audio id beside a sound is not given."""
    assert check(faced(audio_id="", sound_file="https://example.com/a.mp3")) == []


@pytest.mark.parametrize("sound", [5, b"RIFF", [], object()])
def test_not_a_sound(sound: Any) -> None:
    """What is neither text nor clip is refused with what would do."""
    assert told(check(sounding(sound))) == [("sound_file", "not_a_sound")]


URLS: list[tuple[str, list[str]]] = [
    ("http://example.com", []),
    ("https://example.com/a.mp3?sign=x%20y#t", []),
    ("HTTPS://EXAMPLE.COM/a.mp3", []),
    ("https://user:secret@example.com:65535/a", []),
    ("https://[::1]/a.mp3", []),
    ("https://例え.jp/音.mp3", []),
    ("https://example.com/a b.mp3", ["url_blank"]),
    ("https://example.com/a.mp3\n", ["url_blank"]),
    (" https://example.com/a.mp3", ["url_blank"]),
    ("https://example.com/\x00", ["url_blank"]),
    ("https://example.com/" + HALF, ["not_unicode"]),
    ("ftp://example.com/a.mp3", ["url_scheme"]),
    ("file:///home/me/a.mp3", ["url_scheme"]),
    ("https://", ["url_host"]),
    ("https:///a.mp3", ["url_host"]),
    ("https://:80/a.mp3", ["url_host"]),
    ("https://[::1/a.mp3", ["url_host"]),
    ("https://example.com:65536/", ["url_host"]),
    ("https://example.com:0/", ["url_host"]),
    ("https://example.com:http/", ["url_host"]),
]


@pytest.mark.parametrize(("url", "rules"), URLS)
def test_urls(url: str, rules: list[str]) -> None:
    """A sound's and a callback's URL are http or https, with a host and without blanks."""
    assert told(check(sounding(url))) == [("sound_file", rule) for rule in rules]
    assert told(check(request(callback_url=url))) == [("callback_url", rule) for rule in rules]
    assert [v.rule for v in url_faults("x", url)] == rules


@pytest.mark.parametrize(
    ("url", "rule"), [("example.com/hook", "url_scheme"), (5, "not_a_string"), (HALF, "not_unicode")]
)
def test_callback_that_is_no_url(url: Any, rule: str) -> None:
    """A callback is a URL and nothing else."""
    assert told(check(request(callback_url=url))) == [("callback_url", rule)]


@pytest.mark.parametrize("text", ["data:audio/mpeg;base64,AAAA", "DATA:,x", " data:x"])
def test_data_prefix(text: str) -> None:
    """A data URL is refused with the advice to leave its prefix out."""
    (violation,) = check(sounding(text))
    assert violation.rule == "data_prefix"
    assert "Base64 alone" in violation.message


@pytest.mark.parametrize(
    "path",
    ["/tmp/a b.mp3", "./clip", "../clip", "~/clip", "C:\\sounds\\clip", "c:/x.y", "\\\\host\\x", "clip.MP3", "my.m4a"],
)
def test_local_path(path: str) -> None:
    """A path given as text is told how to give a file."""
    (violation,) = check(sounding(path))
    assert violation.rule == "local_path"
    assert "audio_file(path)" in violation.message


@pytest.mark.parametrize("text", ["not base64!", "AAA", "AAAA\nAAAA", "example.com/x", HALF, "https:/example"])
def test_not_base64(text: str) -> None:
    """Any other text must be Base64 in its standard form."""
    assert told(check(sounding(text))) == [("sound_file", "not_base64")]


@pytest.mark.parametrize(
    ("size", "rules"),
    [
        (999, ["sound_tiny?"]),
        (1_000, []),
        (5_000_000, []),
        (5_000_001, ["sound_large?"]),
        (5_242_880, ["sound_large?"]),
        (5_242_881, ["sound_too_large"]),
    ],
)
def test_base64_is_measured(size: int, rules: list[str]) -> None:
    """The bytes that a Base64 text holds count, not its characters; what they are does not."""
    assert told(check(sounding(base64.b64encode(bytes(size)).decode()))) == [("sound_file", rule) for rule in rules]


def test_bytes_of_nothing() -> None:
    """No bytes at all are told as such, beside their looks."""
    sound = AudioBytes(b"")
    assert ("sound_file", "sound_empty") in told(check(sounding(sound)))


def test_no_base64_in_a_message() -> None:
    """Whatever is wrong with a text, the text itself is not repeated."""
    secret = "QUJDREVGR0hJSktMTU5P"
    for text in (secret, secret + "!", "data:" + secret, secret + ".mp3", "ftp://" + secret):
        assert all(secret not in v.message for v in check(sounding(text)))


# ---- a clip ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", [Container.MP3, Container.WAV, Container.M4A])
def test_containers_that_all_take(container: Container) -> None:
    """mp3, wav and m4a pass everywhere."""
    assert check(sounding(clip(container=container))) == []


@pytest.mark.parametrize("container", [Container.AAC, Container.VIDEO, Container.THREE_GP, Container.OTHER])
@pytest.mark.parametrize("note", ["", "it looks like FLAC"])
def test_containers_that_are_refused(container: Container, note: str) -> None:
    """The rest is refused with what it looks like."""
    (violation,) = check(sounding(clip(container=container, note=note)))
    assert (violation.rule, note in violation.message) == ("sound_format", True)


def test_aac_is_for_the_profile_to_take() -> None:
    """Bare AAC passes where the profile says so; a video does not pass there either."""
    assert check(sounding(clip(container=Container.AAC)), KLING) == []
    (violation,) = check(sounding(clip(container=Container.VIDEO)), KLING)
    assert "m4a or aac" in violation.message


@pytest.mark.parametrize(
    ("size", "rules"),
    [
        (0, ["sound_empty"]),
        (1, []),
        (5_000_000, []),
        (5_000_001, ["sound_large?"]),
        (5_242_880, ["sound_large?"]),
        (5_242_881, ["sound_too_large"]),
    ],
)
def test_file_size(size: int, rules: list[str]) -> None:
    """5 MiB of the file is the limit, and 5 MB is where the doubt begins."""
    assert told(check(sounding(clip(size=size)))) == [("sound_file", rule) for rule in rules]


@pytest.mark.parametrize(
    ("seconds", "rule"),
    [
        (1.899, "sound_too_short"),
        (1.9, "sound_length_borderline?"),
        (2.0, "sound_length_borderline?"),
        (2.1, "sound_length_borderline?"),
        (2.101, None),
        (59.899, None),
        (59.9, "sound_length_borderline?"),
        (60.0, "sound_length_borderline?"),
        (60.1, "sound_length_borderline?"),
        (60.101, "sound_too_long"),
    ],
)
def test_clip_length(seconds: float, rule: str | None) -> None:
    """2 to 60 s are taken; within 0.1 s of either limit is a warning."""
    found = told(check(sounding(clip(seconds), sound_end_time=2000)))
    assert [one for one in found if one[0] == "sound_file"] == ([("sound_file", rule)] if rule else [])


@pytest.mark.parametrize("note", ["", "it is cut short"])
def test_unknown_length_is_a_warning(note: str) -> None:
    """A clip whose length can't be trusted passes with a warning that says why."""
    (violation,) = check(sounding(clip(None, note=note)))
    assert (violation.rule, violation.severity, note in violation.message) == ("sound_length_unknown", "warning", True)


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(4.1, 4100), (1.1, 1100), (2.0005, 2001), (5.0, 5000), (None, None)]
)
def test_clip_length_is_rounded_up(seconds: float | None, milliseconds: int | None) -> None:
    """The clip gets the benefit of the rounding, but not of the binary noise."""
    assert clip_length(clip(seconds)) == milliseconds


def test_clip_length_of_what_is_no_clip() -> None:
    """A URL's length is not known here."""
    assert clip_length("https://example.com/a.mp3") is None


# ---- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "rules"),
    [
        (0, 1999, [("sound_end_time", "window_too_short")]),
        (0, 2000, []),
        (0, 60_000, []),
        (0, 60_001, [("sound_end_time", "window_too_long"), ("sound_end_time", "end_past_longest_sound?")]),
        (1000, 60_000, []),
        (1000, 60_001, [("sound_end_time", "end_past_longest_sound?")]),
        (5000, 0, [("sound_end_time", "window_too_short")]),
        (-1, 5000, [("sound_start_time", "negative_time")]),
    ],
)
def test_window(start: int, end: int, rules: list[tuple[str, str]]) -> None:
    """The cut is 2000 to 60000 ms long and begins at 0 or later."""
    assert told(check(faced(sound_start_time=start, sound_end_time=end))) == rules


@pytest.mark.parametrize(
    ("end", "rules"),
    [
        (1999, ["window_too_short"]),
        (5000, []),
        (5001, ["end_past_sound_borderline?"]),
        (5100, ["end_past_sound_borderline?"]),
        (5101, ["end_past_sound"]),
    ],
)
def test_end_of_a_clip(end: int, rules: list[str]) -> None:
    """The cut ends with the clip at the latest; a tenth of a second more is a warning."""
    assert told(check(sounding(clip(5.0), sound_end_time=end))) == [("sound_end_time", rule) for rule in rules]


def test_end_of_a_long_clip() -> None:
    """A clip of 60.05 s can be cut to its very end."""
    found = check(sounding(clip(60.05), sound_start_time=1000, sound_end_time=60_050))
    assert told(found) == [("sound_file", "sound_length_borderline?")]


@pytest.mark.parametrize(
    ("insert", "rules"), [(0, []), (-1, ["negative_time"]), (2**63 - 1, []), (2**63, ["time_too_large"])]
)
def test_insert(insert: int, rules: list[str]) -> None:
    """The sound is inserted at 0 or later, in 64 bits."""
    assert told(check(faced(sound_insert_time=insert))) == [("sound_insert_time", rule) for rule in rules]


@pytest.mark.parametrize("name", ["sound_start_time", "sound_end_time", "sound_insert_time"])
@pytest.mark.parametrize("value", [None, "0", 0.5, 3000.0, float("nan"), float("inf"), True, [0]])
def test_times_are_integers(name: str, value: Any) -> None:
    """Only an int will do; neither True nor 3000.0 is one."""
    assert (name, "not_an_integer") in told(check(faced(**{name: value})))


def test_whole_float_is_told_how_to_be_an_integer() -> None:
    """2000.0 is refused with 2000 as the cure."""
    (violation,) = check(faced(sound_insert_time=2000.0))
    assert "write 2000" in violation.message


def test_huge_times_are_told_without_being_printed() -> None:
    """A number too long for str() is a violation like any other."""
    rules = told(check(faced(sound_start_time=10**5000, sound_end_time=10**5000 + 2000)))
    assert rules == [("sound_start_time", "time_too_large"), ("sound_end_time", "time_too_large")]


def test_int_subclasses_are_integers() -> None:
    """An IntEnum is as good as an int."""

    class Cut(IntEnum):
        END = 5000

    assert check(faced(sound_end_time=Cut.END)) == []


# ---- the video and the face ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "rules"), [(6000, []), (5999, ["past_video_end"]), (None, [])])
def test_video_length(length: int | None, rules: list[str]) -> None:
    """The cut, inserted, ends with the video at the latest."""
    assert told(check(REQUEST, facts=Facts(video_length=length))) == [("sound_insert_time", rule) for rule in rules]


@pytest.mark.parametrize(
    ("interval", "rules"),
    [
        ((0, 10_000), []),
        ((4000, 10_000), []),
        ((4001, 10_000), ["face_overlap_too_short"]),
        ((0, 3050), []),
        ((0, 3049), ["face_overlap_borderline?"]),
        ((0, 3000), ["face_overlap_borderline?"]),
        ((0, 2999), ["face_overlap_too_short"]),
        ((7000, 9000), ["face_overlap_too_short"]),
        ((9000, 7000), ["face_overlap_too_short"]),
    ],
)
def test_face_interval(interval: tuple[int, int], rules: list[str]) -> None:
    """2000 ms of the sound meet the face; the interval's end is not trusted to the millisecond."""
    assert told(check(REQUEST, facts=Facts(face_interval=interval))) == [("sound_insert_time", rule) for rule in rules]


def test_no_overlap_is_told_as_zero() -> None:
    """A face that is gone before the sound begins overlaps it by 0 ms, not by less."""
    (violation,) = check(REQUEST, facts=Facts(face_interval=(0, 500)))
    assert violation.message.endswith("not 0")


@pytest.mark.parametrize("name", ["sound_start_time", "sound_end_time", "sound_insert_time"])
def test_facts_and_broken_times(name: str) -> None:
    """Where a time is none, nothing is said about the video."""
    found = check(faced(**{name: "x"}), facts=Facts(video_length=1, face_interval=(0, 1)))
    assert told(found) == [(name, "not_an_integer")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"video_length": 1.5},
        {"video_length": -1},
        {"video_length": 2**63},
        {"face_interval": (0,)},
        {"face_interval": (0, 1, 2)},
        {"face_interval": [0, 1]},
        {"face_interval": (0, "1")},
    ],
)
def test_facts_are_milliseconds(wrong: dict[str, Any]) -> None:
    """Facts come from a program, and are refused at once when they are none."""
    with pytest.raises((TypeError, ValueError)):
        Facts(**wrong)


# ---- volumes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sound_volume", "original_audio_volume"])
@pytest.mark.parametrize(
    ("value", "strictest", "kling"),
    [
        (0, ["volume_zero_dropped?"], []),
        (0.0, ["volume_zero_dropped?"], []),
        (1, [], []),
        (1.0, [], []),
        (2, [], []),
        (0.5, ["volume_fractional"], []),
        (1.99, ["volume_fractional"], []),
        (-0.01, ["volume_out_of_range"], ["volume_out_of_range"]),
        (2.01, ["volume_out_of_range"], ["volume_out_of_range"]),
        (-1, ["volume_out_of_range"], ["volume_out_of_range"]),
        (3, ["volume_out_of_range"], ["volume_out_of_range"]),
        pytest.param(10**5000, ["volume_out_of_range"], ["volume_out_of_range"], id="huge"),
        (float("inf"), ["volume_out_of_range"], ["volume_out_of_range"]),
        (float("nan"), ["not_a_number"], ["not_a_number"]),
        (True, ["not_a_number"], ["not_a_number"]),
        ("1", ["not_a_number"], ["not_a_number"]),
        (None, ["not_a_number"], ["not_a_number"]),
    ],
)
def test_volumes(name: str, value: Any, strictest: list[str], kling: list[str]) -> None:
    """0 to 2; fractions and zeros as the gateway takes them."""
    assert told(check(faced(**{name: value}))) == [(name, rule) for rule in strictest]
    assert told(check(faced(**{name: value}), KLING)) == [(name, rule) for rule in kling]


# ---- watermark and extra ---------------------------------------------------------------------------------------------


class Hostile(Mapping[str, Any]):
    """A mapping that can't be read."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


@pytest.mark.parametrize("value", [{"enabled": True}, {"enabled": False}, MappingProxyType({"enabled": True}), None])
def test_watermark(value: Any) -> None:
    """The one shape that is known passes."""
    assert check(request(watermark_info=value)) == []


@pytest.mark.parametrize("value", [{}, {"enabled": 1}, {"enable": True}, {"enabled": True, "x": 1}, True, Hostile()])
def test_watermark_shape(value: Any) -> None:
    """Any other shape does not."""
    assert told(check(request(watermark_info=value))) == [("watermark_info", "watermark_shape")]


def nested(depth: int) -> dict[str, Any]:
    """A mapping `depth` levels deep."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"model": "kling-v1", "n": 2**63 - 1, "f": 0.5, "x": None, "b": True, "l": [1, ("a", {})]},
        MappingProxyType({"model": "音"}),
        nested(32),
        {"l": [0] * 9_999},
    ],
)
def test_extra_body(value: Any) -> None:
    """Whatever JSON has may be added."""
    assert check(request(extra_body=value)) == []


@pytest.mark.parametrize(
    ("value", "path", "rule"),
    [
        ([], "", "not_a_mapping"),
        ("x", "", "not_a_mapping"),
        (Hostile(), "", "not_a_mapping"),
        ({1: 2}, "", "key_not_a_string"),
        ({"a": {None: 2}}, ".a", "key_not_a_string"),
        ({HALF: 2}, "", "not_unicode"),
        ({HALF: {3}}, ".?", "not_json"),
        ({"a": [HALF]}, ".a[0]", "not_unicode"),
        ({"a": [0, float("nan")]}, ".a[1]", "not_json"),
        ({"a": float("inf")}, ".a", "not_json"),
        ({"a": {1, 2}}, ".a", "not_json"),
        ({"a": b"x"}, ".a", "not_json"),
        ({"a": {2**70: object()}}, ".a.?", "not_json"),
        pytest.param({"a": {-(10**5000): object()}}, ".a.?", "not_json", id="huge"),
        ({"a": 2**63}, ".a", "not_json"),
        ({"a": -(2**63)}, ".a", "not_json"),
        (nested(33), "", "extra_too_large"),
        ({"l": [0] * 10_000}, "", "extra_too_large"),
        ({"a" * 60: {1}}, "." + "a" * 40, "not_json"),
    ],
)
def test_extra_body_that_is_no_json(value: Any, path: str, rule: str) -> None:
    """What JSON has not is refused, with its place."""
    assert (f"extra_body{path}", rule) in told(check(request(extra_body=value)))


def test_extra_body_that_holds_itself() -> None:
    """A value that holds itself, many times over, is refused in bounded time."""
    deep: list[Any] = []
    deep.append(deep)
    wide: list[Any] = []
    wide += [wide] * 100
    for value in (deep, wide):
        assert told(check(request(extra_body={"a": value}))) == [("extra_body", "extra_too_large")]


@pytest.mark.parametrize("name", ["session_id", "face_choose", "callback_url", "watermark_info"])
def test_extra_body_overrides(name: str) -> None:
    """A field of ours in `extra_body` is a warning: it goes out unchecked."""
    assert told(check(request(extra_body={name: "x"}))) == [(f"extra_body.{name}", "extra_overrides?")]


@pytest.mark.parametrize(("own", "extra"), [(None, "a"), ("a", "b"), ("a", ""), ("a", None), ("1", 1)])
def test_extra_body_may_not_change_the_id(own: Any, extra: Any) -> None:
    """The id that we follow the job by must be the one that goes out."""
    found = check(request(external_task_id=own, extra_body={"external_task_id": extra}))
    assert told(found) == [("extra_body.external_task_id", "extra_changes_id")]


def test_extra_body_may_repeat_the_id() -> None:
    """The same id again changes nothing, and is worth a warning only."""
    found = check(request(external_task_id="a", extra_body={"external_task_id": "a"}))
    assert told(found) == [("extra_body.external_task_id", "extra_overrides?")]


# ---- money -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cut", "units"), [(2000, 0.5), (5000, 0.5), (5001, 1.0), (10_000, 1.0), (60_000, 6.0)])
def test_billed_units(cut: int, units: float) -> None:
    """Half a unit per started 5 s of the cut, wherever it begins."""
    assert billed_units(faced(sound_start_time=700, sound_end_time=700 + cut)) == units


def test_billed_units_have_a_least_step() -> None:
    """Nothing is billed at less than one step."""
    assert billed_units(request(face_choose=[])) == 0.5
