"""How many tasks run: those that were not seen to end, each with the chance that it runs by its age (`survival`).

Tasks that began nearly together are counted together, so the work depends on time and not on their number.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right

from .survival import Ends

SHARE_OF_MEAN = 1 / 64
"""Tasks that began within this share of the mean duration are counted together."""
NEAR = 3.0
"""Seconds by which a task's age may be known wrongly; clocks tell whole seconds."""
MOST = 1024
"""Groups of tasks; more are joined two by two."""
OVER = 0.004
"""A task with a chance below this has ended."""


class Running:
    """The tasks of one account that were not seen to end."""

    __slots__ = ("_born", "_joined_until", "_overdue_until", "_tasks", "_variance", "count", "ends")

    def __init__(self) -> None:
        self.ends = Ends()
        self.count = 0
        """Tasks that were not seen to end, and may run."""
        self._born: list[float] = []  # of each group, in ascending order
        self._tasks: list[int] = []
        self._joined_until = -math.inf  # tasks that begin before this belong to the last group
        self._variance = 0.0  # at the last estimate
        self._overdue_until = -math.inf  # tasks that began before this were counted as overdue

    def begin(self, now: float, tasks: int = 1) -> None:
        """Tasks began."""
        self.count += tasks
        if now < self._joined_until and self._tasks:  # on the way of every job
            self._tasks[-1] += tasks
            return
        self._joined_until = now + SHARE_OF_MEAN * self.ends.mean
        self._born.append(now)
        self._tasks.append(tasks)
        if len(self._born) > MOST:
            self._tasks = [sum(self._tasks[i : i + 2]) for i in range(0, len(self._tasks), 2)]
            self._born = self._born[::2]

    def end(self, now: float, age: float, took: float) -> float:
        """A task of that age was seen to have ended, after so many seconds; returns its share of the variance."""
        chance = self.ends.chance(age)
        doubt = chance * (1.0 - chance)
        self.ends.add(now, took, age)
        born = now - age
        place = bisect_left(self._born, born)
        if place and (place == len(self._born) or born - self._born[place - 1] < self._born[place] - born):
            place -= 1
        if place < len(self._born) and abs(born - self._born[place]) <= NEAR + SHARE_OF_MEAN * self.ends.mean:
            self._remove(place)
        return doubt / max(doubt, self._variance, 1e-9)

    def end_oldest(self, tasks: int) -> None:
        """So many tasks have ended, and nobody told which."""
        for _ in range(min(tasks, self.count)):
            self._remove(0)

    def estimate(self, now: float) -> tuple[float, float]:
        """How many tasks run: the mean and the variance."""
        ends = self.ends
        if ends.is_stale(now):
            self._forget_the_ended(now)
            ends.renew(now, self._by_age(now, self._overdue(now)))
        mean = variance = 0.0
        for born, tasks in zip(self._born, self._tasks, strict=True):
            chance = ends.chance(now - born)
            mean += tasks * chance
            variance += tasks * chance * (1.0 - chance)
        self._variance = variance
        return mean, variance

    def _by_age(self, now: float, since: int) -> list[tuple[float, float]]:
        ages = [(max(0.0, now - self._born[i]), float(self._tasks[i])) for i in range(since, len(self._born))]
        ages.reverse()
        return ages

    def _overdue(self, now: float) -> int:
        """How many groups are overdue; those that have become so count as never seen."""
        before, until = self._overdue_until, now - self.ends.overdue
        groups = bisect_right(self._born, until)
        if until > before > -math.inf:
            self.ends.miss(sum(self._tasks[bisect_right(self._born, before) : groups]))
        self._overdue_until = until
        return groups

    def _forget_the_ended(self, now: float) -> None:
        while self._born and self.ends.chance(now - self._born[0]) < OVER:
            self.count -= self._tasks[0]
            del self._born[0], self._tasks[0]

    def _remove(self, place: int) -> None:
        self.count -= 1
        self._tasks[place] -= 1
        if not self._tasks[place]:
            del self._born[place], self._tasks[place]
