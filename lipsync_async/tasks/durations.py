"""How long tasks take, learned: quantiles by the seconds of their sound (contract, section 5a).

Nobody has measured it: 60 to 180 s is hearsay, one client's built-in mean is 455 s.
So nothing is assumed before `ENOUGH` tasks were seen to end, and old news is forgotten.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque

ENOUGH = 8
"""Ends from which on a quantile means something."""
KEPT = 200
"""Ends that are kept a class of sounds; the oldest is forgotten for the newest."""
CLASSES = (5.0, 10.0, 20.0, 40.0)
"""Seconds of sound up to which tasks are counted together; the last class is open."""


class Sample:
    """The last `KEPT` figures, in order of size as well."""

    __slots__ = ("_by_age", "_by_size")

    def __init__(self) -> None:
        self._by_age: deque[float] = deque()
        self._by_size: list[float] = []

    def __len__(self) -> int:
        return len(self._by_size)

    def add(self, figure: float) -> None:
        """Adds a figure; the oldest of too many is forgotten."""
        self._by_age.append(figure)
        insort(self._by_size, figure)
        if len(self._by_age) > KEPT:
            oldest = self._by_age.popleft()
            del self._by_size[bisect_left(self._by_size, oldest)]

    def quantile(self, share: float) -> float | None:
        """The figure below which this share (0 to 1) of the others lies; None: too few were seen."""
        count = len(self._by_size)
        if count < ENOUGH:
            return None
        place = share * (count - 1)
        low = min(int(place), count - 2)
        below, above = self._by_size[low], self._by_size[low + 1]
        return below + (above - below) * (place - low)

    def rate(self, age: float, span: float) -> float | None:
        """The figures a second that lie within `span` above an age, as a share of all above it; None: too few do."""
        above = len(self._by_size) - bisect_right(self._by_size, age)
        if len(self._by_size) < ENOUGH or above < 1:
            return None
        beyond = len(self._by_size) - bisect_right(self._by_size, age + span)
        # A quarter of one is the least, for none that was seen does not mean that none comes.
        return (above - beyond + 0.25) / (span * max(1.0, (above + beyond) / 2))


class Durations:
    """What one client has learned of a gateway's tasks; seconds from the create to the end."""

    __slots__ = ("_all", "_by_class")

    def __init__(self) -> None:
        self._all = Sample()
        self._by_class: dict[int, Sample] = {}

    def __repr__(self) -> str:
        median = self.quantile(0.5)
        return f"<Durations of {len(self._all)} tasks, median {'not known' if median is None else f'{median:.0f} s'}>"

    @property
    def seen(self) -> int:
        """How many ends are remembered."""
        return len(self._all)

    def ended(self, seconds: float, sound: float | None = None) -> None:
        """A task ended so many seconds after its create; `sound` is its seconds of sound, None where unknown."""
        seconds = max(0.0, seconds)
        self._all.add(seconds)
        if sound is not None:
            self._by_class.setdefault(_class_of(sound), Sample()).add(seconds)

    def quantile(self, share: float, sound: float | None = None) -> float | None:
        """Seconds within which this share of the tasks ended: of those with such a sound, else of all.

        None as long as too few were seen.
        """
        own = None if sound is None else self._by_class.get(_class_of(sound))
        found = None if own is None else own.quantile(share)
        return self._all.quantile(share) if found is None else found

    def rate(self, age: float, span: float, sound: float | None = None) -> float | None:
        """How likely a task that has run for `age` seconds ends in the next second, counted over `span` seconds.

        None: too few were seen, or none was that old.
        """
        own = None if sound is None else self._by_class.get(_class_of(sound))
        return (self._all if own is None or len(own) < ENOUGH else own).rate(age, span)


def _class_of(sound: float) -> int:
    return bisect_left(CLASSES, sound)
