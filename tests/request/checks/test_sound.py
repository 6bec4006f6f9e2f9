"""Which sound there is, and what a text, a file or bytes may be."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from lipsync_async.gateways import KLING
from lipsync_async.request.audio import AudioBytes, Container
from lipsync_async.request.checks import check, clip_length
from tests.makers import clip, request
from tests.request.checks.told import HALF, told


@pytest.mark.parametrize("audio_id", [None, ""])
@pytest.mark.parametrize("sound", [None, ""])
def test_no_sound(audio_id: Any, sound: Any) -> None:
    """An empty string means not given, so that neither is a fault."""
    assert told(check(request(audio_id=audio_id, sound_file=sound))) == [("face_choose[0]", "no_sound")]


def test_two_sounds() -> None:
    """Both are one too many."""
    assert told(check(request(audio_id="a", sound_file="https://example.com/a.mp3"))) == [
        ("face_choose[0]", "two_sounds")
    ]


def test_empty_audio_id_beside_a_url() -> None:
    """The seeds' example the other way round: an empty audio id beside a sound is not given."""
    assert check(request(audio_id="", sound_file="https://example.com/a.mp3")) == []


@pytest.mark.parametrize("sound", [5, b"RIFF", [], object()])
def test_not_a_sound(sound: Any) -> None:
    """What is neither text nor clip is refused with what would do."""
    assert told(check(request(sound_file=sound))) == [("sound_file", "not_a_sound")]


@pytest.mark.parametrize("text", ["data:audio/mpeg;base64,AAAA", "DATA:,x", " data:x"])
def test_data_prefix(text: str) -> None:
    """A data URL is refused with the advice to leave its prefix out."""
    (violation,) = check(request(sound_file=text))
    assert violation.rule == "data_prefix"
    assert "Base64 alone" in violation.message


@pytest.mark.parametrize(
    "path",
    ["/tmp/a b.mp3", "./clip", "../clip", "~/clip", "C:\\sounds\\clip", "c:/x.y", "\\\\host\\x", "clip.MP3", "my.m4a"],
)
def test_local_path(path: str) -> None:
    """A path given as text is told how to give a file."""
    (violation,) = check(request(sound_file=path))
    assert violation.rule == "local_path"
    assert "audio_file(path)" in violation.message


@pytest.mark.parametrize("text", ["not base64!", "AAA", "AAAA\nAAAA", "example.com/x", HALF, "https:/example"])
def test_not_base64(text: str) -> None:
    """Any other text must be Base64 in its standard form."""
    assert told(check(request(sound_file=text))) == [("sound_file", "not_base64")]


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
    assert told(check(request(sound_file=base64.b64encode(bytes(size)).decode()))) == [
        ("sound_file", rule) for rule in rules
    ]


def test_bytes_of_nothing() -> None:
    """No bytes at all are told as such, beside their looks."""
    sound = AudioBytes(b"")
    assert ("sound_file", "sound_empty") in told(check(request(sound_file=sound)))


def test_no_base64_in_a_message() -> None:
    """Whatever is wrong with a text, the text itself is not repeated."""
    secret = "QUJDREVGR0hJSktMTU5P"
    for text in (secret, secret + "!", "data:" + secret, secret + ".mp3", "ftp://" + secret):
        assert all(secret not in v.message for v in check(request(sound_file=text)))


@pytest.mark.parametrize("container", [Container.MP3, Container.WAV, Container.M4A])
def test_containers_that_all_take(container: Container) -> None:
    """mp3, wav and m4a pass everywhere."""
    assert check(request(sound_file=clip(container=container))) == []


@pytest.mark.parametrize("container", [Container.AAC, Container.VIDEO, Container.THREE_GP, Container.OTHER])
@pytest.mark.parametrize("note", ["", "it looks like FLAC"])
def test_containers_that_are_refused(container: Container, note: str) -> None:
    """The rest is refused with what it looks like."""
    (violation,) = check(request(sound_file=clip(container=container, note=note)))
    assert (violation.rule, note in violation.message) == ("sound_format", True)


def test_aac_is_for_the_profile_to_take() -> None:
    """Bare AAC passes where the profile says so; a video does not pass there either."""
    assert check(request(sound_file=clip(container=Container.AAC)), KLING) == []
    (violation,) = check(request(sound_file=clip(container=Container.VIDEO)), KLING)
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
    assert told(check(request(sound_file=clip(size=size)))) == [("sound_file", rule) for rule in rules]


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
    found = told(check(request(sound_file=clip(seconds), sound_end_time=2000)))
    assert [one for one in found if one[0] == "sound_file"] == ([("sound_file", rule)] if rule else [])


@pytest.mark.parametrize("note", ["", "it is cut short"])
def test_unknown_length_is_a_warning(note: str) -> None:
    """A clip whose length can't be trusted passes with a warning that says why."""
    (violation,) = check(request(sound_file=clip(None, note=note)))
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
