"""How late a gateway tells that a task has ended, learned (contract, section 5a).

A gateway that looks at its running tasks one after the other tells an end seconds or minutes late.
Where it tells when the task ended, every end is a measure: it was over before a look that still called it running.
Where it does not, ends that are seen come in bunches: `fewest_moments` counts the moments that explain them all.
Both say at least how late it is, so what is learned never slows the looks down without need.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from .durations import ENOUGH, Sample

MOSTLY = 0.9
"""The share of ends that are told within the freshness."""
BUNCHES = 64
"""Ends that are looked through for bunches."""
A_BUNCH = 3.0
"""Ends a moment from which on bunches are no chance."""
LATEST = 3600.0
"""Seconds; what is told later than that is a clock that is wrong."""


def fewest_moments(spans: Iterable[tuple[float, float]]) -> list[float]:
    """The fewest moments such that each span (from exclusive, to inclusive) holds one."""
    moments: list[float] = []
    for begin, end in sorted(spans, key=lambda span: span[1]):
        if not moments or moments[-1] <= begin:
            moments.append(end)
    return moments


class Freshness:
    """What one client has learned of it; times in seconds."""

    __slots__ = ("_cached", "_spans", "_told")

    def __init__(self) -> None:
        self._told = Sample()
        self._spans: deque[tuple[float, float]] = deque(maxlen=BUNCHES)
        self._cached: float | None = None

    def __repr__(self) -> str:
        return f"<Freshness {self.seconds:.0f} s>"

    def told(self, before: float, seen: float, ended: float) -> None:
        """A task ended at `ended`, was still called running at `before`, and was seen ended at `seen`.

        All three by one clock; `before` is the create where there was no look before.
        """
        if seen >= ended and before - ended <= LATEST:
            self._told.add(max(0.0, before - ended))
            self._cached = None

    def seen(self, before: float, seen: float) -> None:
        """The same of a task whose gateway does not tell when it ended."""
        if seen > before:
            self._spans.append((before, seen))
            self._cached = None

    @property
    def seconds(self) -> float:
        """Seconds within which this gateway tells nine ends of ten, at least; 0.0 as long as nothing is known."""
        seconds = self._cached
        if seconds is None:
            told = self._told.quantile(MOSTLY)
            self._cached = seconds = self._from_bunches() if told is None else told
        return seconds

    def _from_bunches(self) -> float:
        """The pause between two moments, less the looks' own: it is no measure of the gateway."""
        spans = tuple(self._spans)  # another thread may ask, and a deque that changes meanwhile raises
        if len(spans) < ENOUGH:
            return 0.0
        moments = fewest_moments(spans)
        if len(moments) < 2 or len(spans) < A_BUNCH * len(moments):
            return 0.0
        widths = sorted(seen - before for before, seen in spans)
        pause = (moments[-1] - moments[0]) / (len(moments) - 1)
        return min(LATEST, max(0.0, pause - widths[len(widths) // 2]))
