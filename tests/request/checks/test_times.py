"""The three times, and what is known of the video and of the face."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pytest

from lipsync_async.request.checks import Facts, check
from tests.makers import REQUEST, clip, request
from tests.request.checks.told import told


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
    assert told(check(request(sound_start_time=start, sound_end_time=end))) == rules


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
    assert told(check(request(sound_file=clip(5.0), sound_end_time=end))) == [
        ("sound_end_time", rule) for rule in rules
    ]


def test_end_of_a_long_clip() -> None:
    """A clip of 60.05 s can be cut to its very end."""
    found = check(request(sound_file=clip(60.05), sound_start_time=1000, sound_end_time=60_050))
    assert told(found) == [("sound_file", "sound_length_borderline?")]


@pytest.mark.parametrize(
    ("insert", "rules"), [(0, []), (-1, ["negative_time"]), (2**63 - 1, []), (2**63, ["time_too_large"])]
)
def test_insert(insert: int, rules: list[str]) -> None:
    """The sound is inserted at 0 or later, in 64 bits."""
    assert told(check(request(sound_insert_time=insert))) == [("sound_insert_time", rule) for rule in rules]


@pytest.mark.parametrize("name", ["sound_start_time", "sound_end_time", "sound_insert_time"])
@pytest.mark.parametrize("value", [None, "0", 0.5, float("nan"), float("inf"), True, [0]])
def test_times_are_integers(name: str, value: Any) -> None:
    """Only a whole number will do; True is none."""
    assert (name, "not_an_integer") in told(check(request(**{name: value})))


def test_a_whole_float_is_the_whole_number() -> None:
    """2000.0 goes out as 2000, for gateways refuse the other."""
    made = request(sound_insert_time=2000.0)
    assert check(made) == []
    assert type(made.face_choose[0].sound_insert_time) is int


def test_huge_times_are_told_without_being_printed() -> None:
    """A number too long for str() is a violation like any other."""
    rules = told(check(request(sound_start_time=10**5000, sound_end_time=10**5000 + 2000)))
    assert rules == [("sound_start_time", "time_too_large"), ("sound_end_time", "time_too_large")]


def test_int_subclasses_are_integers() -> None:
    """An IntEnum is as good as an int."""

    class Cut(IntEnum):
        END = 5000

    assert check(request(sound_end_time=Cut.END)) == []


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
    found = check(request(**{name: "x"}), facts=Facts(video_length=1, face_interval=(0, 1)))
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
