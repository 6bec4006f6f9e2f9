"""The rules for the three times, and what is known of the video and the face (contract, section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from attrs import field, frozen, validators

from lipsync_async.errors import Violation
from lipsync_async.given import shown
from lipsync_async.models import FaceChoice
from lipsync_async.request.faces import Face

from .limits import INTERVAL_SLACK, MAX_CUT, MAX_INTEGER, MIN_CUT, SLACK
from .values import warning

_TIMES = ("sound_start_time", "sound_end_time", "sound_insert_time")

_milliseconds = validators.and_(validators.instance_of(int), validators.ge(0), validators.le(MAX_INTEGER))
_interval = validators.and_(
    validators.deep_iterable(_milliseconds, validators.instance_of(tuple)),
    validators.min_len(2),
    validators.max_len(2),
)


@frozen(kw_only=True)
class Facts:
    """What identify-face reported of the video, in milliseconds; None: not known.

    Raises `TypeError` or `ValueError` for a value that is not in milliseconds.
    """

    video_length: int | None = field(default=None, validator=validators.optional(_milliseconds))
    face_interval: tuple[int, int] | None = field(default=None, validator=validators.optional(_interval))
    """When the face is first and last visible."""
    face: Face | None = field(default=None, validator=validators.optional(validators.instance_of(Face)))
    """The face itself: its interval is taken where no other is given, and violations show it."""

    @property
    def seen(self) -> tuple[int, int] | None:
        """When the face is first and last visible, from whichever tells it."""
        return self.face_interval or (None if self.face is None else self.face.interval)


def insert_window(length: int, facts: Facts) -> tuple[int, int] | None:
    """The first and the last `sound_insert_time` that fits a cut of `length` ms, or None: there is none.

    The cut must end before the video does, and overlap the visible face by 2000 ms (contract, section 2).
    """
    first, last = 0, MAX_INTEGER
    if facts.seen is not None:
        first = max(0, facts.seen[0] + MIN_CUT - length)
        last = facts.seen[1] - MIN_CUT if facts.seen[1] - facts.seen[0] >= MIN_CUT else -1
    if facts.video_length is not None:
        last = min(last, facts.video_length - length)
    return (first, last) if length >= MIN_CUT and first <= last else None


def is_timely(face: FaceChoice, latest: int) -> bool:
    """Whether all three times are plainly right; anything else goes to `timing_faults`."""
    start, end, insert = face.sound_start_time, face.sound_end_time, face.sound_insert_time
    return (
        type(start) is int
        and type(end) is int
        and type(insert) is int
        and start >= 0
        and MIN_CUT <= end - start <= MAX_CUT
        and end <= latest
        and 0 <= insert <= MAX_INTEGER
    )


def timing_faults(path: str, face: FaceChoice, length: int | None) -> Iterator[Violation]:
    """The faults of the three times; `length` is the clip's in milliseconds, or None if it is not known."""
    for name in _TIMES:
        yield from _time_faults(f"{path}.{name}", getattr(face, name))
    start, end = face.sound_start_time, face.sound_end_time
    if _is_time(start) and _is_time(end):
        yield from _window_faults(f"{path}.sound_end_time", start, end)
    if _is_time(end):
        yield from _end_faults(f"{path}.sound_end_time", end, length)


_SECONDS = 60
"""A cut of so few milliseconds is one in seconds, it seems."""


def _is_time(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and -MAX_INTEGER <= value <= MAX_INTEGER


def _time_faults(path: str, time: object) -> Iterator[Violation]:
    if isinstance(time, bool) or not isinstance(time, int):
        yield Violation(path, "not_an_integer", f"must be whole milliseconds, not {shown(time)}")
    elif time < 0:
        yield Violation(path, "negative_time", "must be 0 ms or more")
    elif time > MAX_INTEGER:
        yield Violation(path, "time_too_large", "must be milliseconds that fit 64 bits")


def _window_faults(path: str, start: int, end: int) -> Iterator[Violation]:
    if end - start < MIN_CUT:
        told = f"must be at least 2000 ms after sound_start_time: {start + MIN_CUT} or more, not {end}"
        told += " (times are in milliseconds)" if 0 < end - start <= _SECONDS else ""
        yield Violation(path, "window_too_short", told)
    elif end - start > MAX_CUT:
        told = f"must be at most 60000 ms after sound_start_time: {start + MAX_CUT} or less, not {end}"
        yield Violation(path, "window_too_long", told)


def _end_faults(path: str, end: int, length: int | None) -> Iterator[Violation]:
    if length is None:
        if end > MAX_CUT:
            told = f"no sound is longer than 60000 ms, so this can hardly be {end}"
            yield warning(path, "end_past_longest_sound", told)
    elif end > length + SLACK:
        yield Violation(path, "end_past_sound", f"must be at most the sound's length, {length} ms, not {end}")
    elif end > length:
        told = f"{end} is just past the sound's end at {length} ms: the gateway may refuse it"
        yield warning(path, "end_past_sound_borderline", told)


# ---- the video and the face ------------------------------------------------------------------------------------------


def fact_faults(path: str, face: FaceChoice, facts: Facts) -> Iterator[Violation]:
    """The sound must end before the video does, and overlap the visible face by 2000 ms."""
    start, end, insert = face.sound_start_time, face.sound_end_time, face.sound_insert_time
    if not (_is_time(start) and _is_time(end) and _is_time(insert)):
        return  # `timing_faults` reports it
    path, stop = f"{path}.sound_insert_time", insert + end - start
    window = _in_words(insert_window(end - start, facts))
    if facts.video_length is not None and stop > facts.video_length:
        told = f"the sound would play until {stop} ms: the video ends at {facts.video_length} ms{window}"
        yield Violation(path, "past_video_end", told)
    if facts.seen is not None:
        yield from _overlap_faults(path, (insert, stop), facts, window)


def _in_words(window: tuple[int, int] | None) -> str:
    return "" if window is None else f"; from {window[0]} to {window[1]} ms would do"


def _overlap_faults(path: str, played: tuple[int, int], facts: Facts, window: str) -> Iterator[Violation]:
    seen = facts.seen
    assert seen is not None
    first, last = max(played[0], seen[0]), min(played[1], seen[1])
    told = f"{list(played)} must overlap the face's {list(seen)} by 2000 ms or more, not {max(0, last - first)}"
    told += "" if facts.face is None else f" (face {facts.face})"
    if last - first < MIN_CUT:
        yield Violation(path, "face_overlap_too_short", told + window)
    elif min(played[1], seen[1] - INTERVAL_SLACK) - first < MIN_CUT:
        told += ": the face may be gone a few ms before its reported end"
        yield warning(path, "face_overlap_borderline", told)
