"""What the pacer had learned, at the end of each span of the timeline. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, zip_longest

from attrs import frozen

from lipsync_async.dispatch.paces import PaceHistory, PaceSample, lanes_of

from .texts import believable, number
from .timeline import Timeline

_MOMENT = 0.1
"""Seconds for which the last sample of a run counts."""
Level = float | None
"""None: nothing was known, or there was no limit."""


@frozen
class Paces:
    """The samples of all processes, in lanes: those of one lane ran one after the other."""

    lanes: tuple[tuple[PaceSample, ...], ...] = ()
    left_out: int = 0
    """Processes that ran beside too many others."""

    def __bool__(self) -> bool:
        return bool(self.lanes)

    @property
    def found(self) -> float | None:
        """Requests a second that refusals showed, as of late; None: no refusal spoke of the pace."""
        return self._lately(_found)

    @property
    def ceiling(self) -> int | None:
        """Running tasks that are allowed, as of late; None: no limit was met."""
        found = self._lately(lambda sample: sample.ceiling)
        return None if found is None else round(found)

    def cover(self, timeline: Timeline) -> None:
        """Makes the timeline reach from the first sample to the last."""
        for lane in self.lanes:
            timeline.cover(lane[0].at)
            timeline.cover(lane[-1].at)

    def pace_over(self, timeline: Timeline) -> list[Level]:
        """Requests a second that refusals had shown by the end of each span; of several processes the greatest."""
        return self._over(timeline, _found)

    def ceiling_over(self, timeline: Timeline) -> list[Level]:
        """The same of the running tasks that are allowed."""
        return self._over(timeline, lambda sample: sample.ceiling)

    def held(self) -> list[tuple[str, float]]:
        """What held the next request back, and for which share of the time (0 to 1), the longest first."""
        seconds: dict[str, float] = {}
        for lane in self.lanes:
            for sample, lasted in _lasting(lane):
                seconds[sample.held] = seconds.get(sample.held, 0.0) + lasted
        total = sum(seconds.values())
        shares = ((held, some / total) for held, some in seconds.items() if held and some)
        return sorted(shares, key=lambda it: -it[1])

    def _lately(self, level: Callable[[PaceSample], Level]) -> Level:
        """The middle of what was known in the later half of the time, of the lane where that is greatest."""
        told = ([(level(one), lasted) for one, lasted in _lasting(lane)] for lane in self.lanes)
        known = ([(it, lasted) for it, lasted in some if it is not None] for some in told)
        return max((_middle(some) for some in known if some), default=None)

    def _over(self, timeline: Timeline, level: Callable[[PaceSample], Level]) -> list[Level]:
        levels: list[Level] = [None] * timeline.spans
        for lane in self.lanes:
            for span, sample in _spread(lane, timeline):
                here, before = level(sample), levels[span]
                levels[span] = here if before is None or (here is not None and here > before) else before
        return levels


def paces_of(histories: Iterable[PaceHistory]) -> Paces:
    """What is told of them; bounded, however many there are."""
    lanes, left_out = lanes_of(histories)
    believed = (tuple(one for one in lane if believable(one.at) is not None) for lane in lanes)
    return Paces(tuple(filter(None, believed)), left_out)


def in_words(paces: Paces) -> str:
    """What was found out, as a sentence without its end; "" where nothing was sampled."""
    if not paces:
        return ""
    found, ceiling = paces.found, paces.ceiling
    told = "no limit of the pace was met" if found is None else f"the pace was found at {per_second(found)}"
    if ceiling is None:
        return f"{told}; no limit of running tasks was met"
    return f"{told}; at most {number(ceiling)} task{'' if ceiling == 1 else 's'} may run at once"


def per_second(pace: float) -> str:
    """A pace in three figures."""
    return f"{number(float(f'{pace:.3g}'))} a second"


def _found(sample: PaceSample) -> Level:
    """The pace; what was not refused yet is a guess, and may never have been used."""
    return sample.pace if sample.found else None


def _lasting(lane: Sequence[PaceSample]) -> Iterator[tuple[PaceSample, float]]:
    """Each sample, and for how many seconds it held; the last one of a run for a moment."""
    for sample, later in zip_longest(lane, lane[1:]):
        yield sample, _MOMENT if later is None or later.first else later.at - sample.at


def _middle(found: Sequence[tuple[float, float]]) -> float:
    """Of levels and the seconds for which they held: the median of the later half of the time."""
    half, late = sum(lasted for _, lasted in found) / 2, list[tuple[float, float]]()
    for level, lasted in reversed(found):
        late.append((level, min(lasted, half)))
        half -= lasted
        if half <= 0:
            break
    late.sort()
    ends = list(accumulate(lasted for _, lasted in late))
    return late[bisect_left(ends, ends[-1] / 2)][0]


def _spread(lane: Sequence[PaceSample], timeline: Timeline) -> Iterator[tuple[int, PaceSample]]:
    """For each span the sample that held at its end: the last one in it, or before it in the same run."""
    places = [int((sample.at - timeline.begin) // timeline.step) for sample in lane]
    for sample, later, span, next_span in zip(lane, (*lane[1:], None), places, (*places[1:], None), strict=True):
        if next_span is None or later is None or (later.first and next_span > span):
            yield span, sample
            continue
        for held in range(span, next_span):
            yield held, sample
