"""What the pacer has learned while runs go on: a history of bounded length, to be looked at later. Pure.

A run of a second and one of a month take the same room: where it is used up, every second sample goes, and from then on
samples are taken half as often.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from typing import Annotated

import msgspec

from .pacing import PacerStatistics

MOST = 240
"""Samples that are kept."""
STEP = 1.0
"""Seconds between two samples at first."""
APART = 10.0
"""Seconds without a sample after which a run is another one: nothing is known of the time between."""
FASTEST, MOST_TASKS = 1e6, 1_000_000_000
"""Requests a second, and running tasks: what is more is no limit."""
LANES = 12
"""Processes that are told apart where they ran at the same time."""
HELD = ("", "rate", "running tasks", "gate", "canary", "requests in flight")
"""What may hold the next request back, by its number in the journal; a later version may add some at the end."""


class PaceSample(msgspec.Struct, frozen=True):
    """What a pacer knew at a moment."""

    at: float
    """Unix seconds, in tenths."""
    pace: float | None = None
    """Requests a second, in three figures; None: they were not spaced."""
    ceiling: int | None = None
    """Tasks that may run at once; None: no limit was known."""
    held: str = ""
    """What held the next request back, one of `HELD`; "" for nothing."""
    found: bool = False
    """The pace is an answer to a refusal; else it was not refused yet."""
    first: bool = False
    """A run begins with it."""


def sample_of(at: float, known: PacerStatistics, held: str, *, first: bool = False) -> PaceSample:
    """What is kept of a pacer's statistics; `at` in Unix seconds."""
    return PaceSample(
        round(at, 1),
        None if known.pace > FASTEST else float(f"{known.pace:.3g}"),
        None if known.ceiling > MOST_TASKS else round(known.ceiling),
        held if held in HELD else "",
        known.lo > 0.0,
        first,
    )


class PaceHistory:
    """Samples in the order of their time, never more than `MOST`; the first and the last are always among them."""

    def __init__(self, samples: Iterable[PaceSample] = (), step: float = STEP) -> None:
        self.samples = list(samples)
        self.step = step
        """Seconds between two samples."""

    def __repr__(self) -> str:
        return f"<PaceHistory of {len(self.samples)} samples, one in {self.step:.0f} s>"

    @property
    def span(self) -> float:
        """Seconds from the first sample to the last."""
        return self.samples[-1].at - self.samples[0].at if self.samples else 0.0

    def is_apart(self, at: float) -> bool:
        """Whether a run that begins at that moment does not go on from the last sample."""
        return not self.samples or at - self.samples[-1].at > max(APART, self.step)

    def add(self, sample: PaceSample) -> None:
        """Adds the newest sample.

        It takes the place of the last one where that came too soon, or where the three last ones say the same.
        Samples of a clock that was ahead are dropped.
        """
        samples, first = self.samples, sample.first
        while samples and samples[-1].at > sample.at:
            first |= samples.pop().first
        if self._is_passed_over(sample, first=first):
            samples.pop()
        samples.append(msgspec.structs.replace(sample, first=first or not samples))
        if len(samples) > MOST:
            self._thin()

    def _is_passed_over(self, sample: PaceSample, *, first: bool) -> bool:
        """Whether the last sample makes room for this one."""
        if first or len(self.samples) < 2 or self.samples[-1].first:
            return False
        before, last = self.samples[-2:]
        return last.at - before.at < self.step or _said(before) == _said(last) == _said(sample)

    def _thin(self) -> None:
        samples, kept, first = self.samples, list[PaceSample](), False
        for place, sample in enumerate(samples):
            first |= sample.first
            if not place % 2:  # one is too many, so the last one is among them
                kept.append(msgspec.structs.replace(sample, first=first))
                first = False
        self.samples = kept
        # Many short runs with long pauses are no reason to take samples more seldom than the room allows.
        self.step = min(2 * self.step, max(self.step, 2 * self.span / MOST))

    # -- in the journal ---------------------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """The history as a journal keeps it: some kilobytes at most."""
        ticks = [round(sample.at * 10) for sample in self.samples]
        begun = ticks[0] if ticks else 0
        afters = (later - earlier for earlier, later in pairwise([begun, *ticks]))
        rows = [_row(after, sample) for after, sample in zip(afters, self.samples, strict=True)]
        return msgspec.json.encode(_Kept(step=self.step, begun=begun, rows=rows))


def read_history(value: bytes | None) -> PaceHistory:
    """What a journal kept of a history; an empty one where there is none, or none that can be read."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        if value is not None:
            kept = _decode(value)
            return PaceHistory(_samples(kept), kept.step)
    return PaceHistory()


def lanes_of(histories: Iterable[PaceHistory]) -> tuple[list[list[PaceSample]], int]:
    """The samples of several processes, those that ran one after the other put together, and how many are left out.

    At most `LANES` lanes of at most `MOST` samples, however many processes there were.
    """
    lanes, left_out = list[PaceHistory](), 0
    for history in histories:
        samples = history.samples
        if not samples:
            continue
        lane = next((one for one in lanes if one.samples[-1].at < samples[0].at), None)
        if lane is None:
            if len(lanes) == LANES:
                left_out += 1
                continue
            lane = PaceHistory()
            lanes.append(lane)
        for sample in samples:
            lane.add(sample)
    return [lane.samples for lane in lanes], left_out


def _said(sample: PaceSample) -> tuple[float | None, int | None, str, bool]:
    return sample.pace, sample.ceiling, sample.held, sample.found


# --- as it is written ------------------------------------------------------------------------------------------------

_LATEST = 41_024_448_000
"""Tenths of a second: the year 2100."""
_FOUND, _FIRST = 1, 2
_Ticks = Annotated[int, msgspec.Meta(ge=0, le=_LATEST)]


class _Row(msgspec.Struct, array_like=True):
    """A sample; a later version may add fields at the end."""

    after: _Ticks
    """Tenths of a second after the one before."""
    pace: Annotated[float, msgspec.Meta(gt=0, le=FASTEST)] | None
    ceiling: Annotated[int, msgspec.Meta(ge=0, le=MOST_TASKS)] | None
    held: int
    marks: int


class _Kept(msgspec.Struct):
    step: Annotated[float, msgspec.Meta(ge=STEP, le=1e9)]
    begun: _Ticks
    rows: Annotated[list[_Row], msgspec.Meta(max_length=MOST)]


_decode = msgspec.json.Decoder(_Kept).decode


def _row(after: int, sample: PaceSample) -> _Row:
    marks = sample.found * _FOUND | sample.first * _FIRST
    return _Row(after, sample.pace, sample.ceiling, HELD.index(sample.held), marks)


def _samples(kept: _Kept) -> Iterable[PaceSample]:
    ticks = kept.begun
    for row in kept.rows:
        ticks += row.after
        held = HELD[row.held] if 0 <= row.held < len(HELD) else ""
        yield PaceSample(ticks / 10, row.pace, row.ceiling, held, bool(row.marks & _FOUND), bool(row.marks & _FIRST))
