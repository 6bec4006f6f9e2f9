"""What happened when, counted in a bounded number of equal spans, whatever time it covers. Pure.

The first and the last moment are not known before all are counted: the spans are made wider as it is needed.
"""

from __future__ import annotations

from .texts import believable

MOST = 120
"""Spans; there are at least a fifth as many once they were made wider."""
STEPS = (1, 2, 10, 30, 60, 120, 600, 1_800, 3_600, 7_200, 21_600, 86_400, 432_000, 2_592_000, 12_960_000, 64_800_000)
"""Seconds of a span; each is a multiple of the one before, so that spans can be put together."""


class Timeline:
    """Counts of several series over the same spans."""

    def __init__(self, series: int) -> None:
        self._series = series
        self._step = 0
        self._counts: dict[float, list[int]] = {}
        self._first = self._last = 0

    def __bool__(self) -> bool:
        return bool(self._counts)

    @property
    def step(self) -> int:
        """Seconds of a span."""
        return STEPS[self._step]

    @property
    def begin(self) -> int:
        """Unix seconds at which the first span begins."""
        return self._first * self.step

    @property
    def spans(self) -> int:
        """How many there are between the first moment and the last."""
        return self._last - self._first + 1 if self._counts else 0

    def add(self, series: int, moment: float | None) -> None:
        """One more of that series; a moment that no calendar has is left out."""
        if moment is None:
            return
        counts = self._counts.get(moment // STEPS[self._step])  # only what is believed has made a span
        if counts is None:
            if believable(moment) is None:
                return
            place = self._fit(moment)
            counts = self._counts[place]
        counts[series] += 1

    def cover(self, moment: float) -> None:
        """Makes the spans reach that moment, and counts nothing."""
        if believable(moment) is not None:
            self._fit(moment)

    def counts(self, series: int) -> list[int]:
        """Of every span in turn."""
        nothing = [0] * self._series
        return [self._counts.get(self._first + span, nothing)[series] for span in range(self.spans)]

    def _fit(self, moment: float) -> int:
        """Makes a span for that moment, and gives its number."""
        place = int(moment // STEPS[self._step])
        first, last = (min(self._first, place), max(self._last, place)) if self._counts else (place, place)
        while last - first >= MOST:
            first, last = self._widen(first, last)
            place = int(moment // STEPS[self._step])
        self._first, self._last = first, last
        self._counts.setdefault(place, [0] * self._series)
        return place

    def _widen(self, first: int, last: int) -> tuple[int, int]:
        times = STEPS[self._step + 1] // STEPS[self._step]
        self._step += 1
        wide: dict[float, list[int]] = {}
        for place, counts in self._counts.items():
            into = wide.setdefault(place // times, [0] * self._series)
            for series, count in enumerate(counts):
                into[series] += count
        self._counts = wide
        return first // times, last // times
