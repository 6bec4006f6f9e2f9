"""When tasks end, and when their ends are seen: learned from the ends that were seen.

Of each end two figures are known: how long the task took, and how old it was when its end was seen.
The gateway tells an end late, and a look comes later still, so the second is the greater one.
Two curves say which share of tasks runs beyond an age, and which share is unseen beyond it.
Of a task of that age whose end was not seen, their ratio is the chance that it runs.

Tasks that were not seen to end count as well: they took longer than they are old (Kaplan and Meier).
Without them the first ends, which are the short ones, would speak for all.
Little is assumed before: `PRIOR` weighs less than one task.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from functools import cache

Weighted = Sequence[tuple[float, float]]
"""Ages in seconds in ascending order, and how many tasks each stands for."""

KEPT = 200
"""Ends that are kept; the oldest is forgotten for the newest."""
ENOUGH = 8
"""Ends from which on the curves mean something."""
LEAST = 0.001
"""Seconds that a task takes at least: a gateway whose clock tells whole seconds may tell of none."""
UNKNOWN = 0.15
"""They are known when at most this share of tasks is unseen at the highest age at which an end was seen."""
PRIOR = ((45.0, 0.0), (90.0, 0.15), (180.0, 0.15), (360.0, 0.15), (720.0, 0.15), (1440.0, 0.15))
"""Tasks that are made up, for what nobody knows yet (contract, section 5a): none ends within 45 s, half after 180 s."""
NEVER, MEMORY = 0.02, 0.05
"""The least share of tasks whose end is never seen, as nobody waits for them; the weight of one task in it."""
OVERDUE = 0.05
"""A task is overdue at the age at which this share of those that are waited for is unseen."""
CELLS, BEYOND = 256, 1.5
"""Steps of the table of chances, and how far it reaches beyond the highest age at which an end was seen."""
STALE = 10.0
"""Seconds after which the table is made anew, for the tasks that are not seen to end have aged."""


def survival(events: Weighted, censored: Weighted) -> list[tuple[float, float]]:
    """The share of tasks that is left after each event, by the age at which it came: the estimate of Kaplan and Meier.

    `censored` are ages that were reached without an event. The list begins with (0.0, 1.0).
    """
    at_risk = sum(weight for _, weight in events) + sum(weight for _, weight in censored)
    steps, left, passed = [(0.0, 1.0)], 1.0, 0
    for age, weight in events:
        while passed < len(censored) and censored[passed][0] < age:
            at_risk -= censored[passed][1]
            passed += 1
        left *= max(0.0, 1.0 - weight / at_risk) if at_risk > 0.0 else 0.0
        at_risk -= weight
        if left < 1e-9:  # the curve goes on beyond its last step, so it must not end at nothing
            steps.append((age, steps[-1][1] / 4))
            break
        steps.append((age, left))
    return steps


class Curve:
    """The share that is left at an age: straight between the steps, falling with the age's square behind the last."""

    __slots__ = ("_ages", "_left")

    def __init__(self, events: Weighted, censored: Weighted) -> None:
        steps = survival(events, censored)
        self._ages = [age for age, _ in steps]
        self._left = [left for _, left in steps]

    @property
    def end(self) -> float:
        """The age of the last step, in seconds."""
        return self._ages[-1]

    def age_of(self, share: float) -> float:
        """The age in seconds at which no more than this share is left."""
        for age, left in zip(self._ages, self._left, strict=True):
            if left <= share:
                return age
        return self._ages[-1] * math.sqrt(self._left[-1] / share)

    def __call__(self, age: float) -> float:
        """The share, from 0 to 1, at an age in seconds."""
        ages, left = self._ages, self._left
        place = bisect_right(ages, age) - 1
        if place >= len(ages) - 1:
            return left[-1] * (ages[-1] / age) ** 2 if age > ages[-1] > 0.0 else left[-1]
        before, after = ages[place], ages[place + 1]
        return left[place] + (left[place + 1] - left[place]) * (age - before) / (after - before)


class Ends:
    """The ends that were seen lately, and what follows for tasks that were not."""

    __slots__ = (
        "_cell", "_chances", "_made_at", "_never", "_new", "_seen", "_took", "known", "late", "mean", "overdue",
    )  # fmt: skip

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float, float]] = deque(maxlen=KEPT)  # took, age, and when it had ended
        self._took = took = Curve(PRIOR, ())
        self.known = False
        """The curves rest on ends that were seen, and reach as far as ends are seen."""
        self.mean = 180.0
        """Seconds that a task takes."""
        self.late = 0.0
        """Seconds from an end to the moment when it is seen."""
        self.overdue = math.inf
        """The age in seconds at which a task should have been seen to end."""
        self._never = 0.0
        self._new = 1
        self._made_at = -math.inf
        self._cell = CELLS / took.end
        self._chances = _chances_at_first()

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, now: float, took: float, age: float) -> None:
        """A task that took so many seconds was seen ended when it was `age` seconds old."""
        took = max(0.0, took)
        age = max(took, age)
        self._seen.append((took, age, now - age + took))
        self._new += 1
        self._never -= MEMORY * self._never

    def miss(self, tasks: int) -> None:
        """So many tasks have become overdue."""
        self._never = 1.0 - (1.0 - self._never) * (1.0 - MEMORY) ** tasks

    def chance(self, age: float) -> float:
        """The chance, from 0 to 1, that a task of that age in seconds runs, whose end was not seen."""
        cell = int(age * self._cell)
        if cell < CELLS:
            return self._chances[cell] if cell > 0 else 1.0
        return self._chances[-1] * (CELLS / (age * self._cell)) ** 2

    def is_stale(self, now: float) -> bool:
        """`renew` is to be called: ends were added, or time has passed."""
        return self._new > len(self._seen) // 16 or now - self._made_at > STALE

    def renew(self, now: float, unseen: Weighted) -> None:
        """Makes the curves anew; `unseen`: the tasks that were not seen to end, by their age."""
        self._made_at, self._new = now, 0
        count = len(self._seen)
        lags = sorted(age - took for took, age, _ in self._seen)
        if count:
            self.mean = max(LEAST, sum(took for took, _, _ in self._seen) / count)
            self.late = sum(lags) / count
        seen = sorted((age, 1.0) for _, age, _ in self._seen)
        if not self.known and count >= ENOUGH:
            self.known = survival(seen, unseen)[-1][1] <= UNKNOWN
        # In the long run, ends that were seen speak for all; tasks that nobody waits for are never seen.
        waiting = [(age, (1.0 - count / KEPT) * tasks) for age, tasks in unseen]
        if self.known:
            self._took = self._curve_of_durations(now, lags[int(0.9 * (count - 1))], waiting)
        # How late ends are seen is not guessed: before it is known, what was not seen says nothing.
        prior = [(age + self.late, tasks) for age, tasks in PRIOR] if count >= ENOUGH else []
        self._tabulate(Curve(sorted(seen + prior), waiting))

    def _curve_of_durations(self, now: float, late: float, unseen: Weighted) -> Curve:
        """How many last beyond an age, as it stood `late` seconds ago: what has ended since is known only in part."""
        events, running = list(PRIOR), [(max(0.0, age - late), tasks) for age, tasks in unseen]
        for took, _, ended_at in self._seen:
            since = ended_at - (now - late)
            if since <= 0.0:
                events.append((took, 1.0))
            else:
                running.append((max(0.0, took - since), 1.0))
        return Curve(sorted(events), sorted(running))

    def _tabulate(self, unseen: Curve) -> None:
        oldest = max((age for _, age, _ in self._seen), default=0.0) or 1.0
        never = max(NEVER, self._never)
        self._cell = CELLS / (BEYOND * oldest if len(self._seen) >= ENOUGH else self._took.end)
        self._chances = _chances(self._took, unseen, never, self._cell)
        if self.known:
            self.overdue = unseen.age_of(OVERDUE)


def _chances(took: Curve, unseen: Curve, never: float, cells: float) -> list[float]:
    """The chance that a task runs, for each cell of its age; `cells` is how many of them are a second."""
    chances = []
    for cell in range(CELLS):
        age = (cell + 0.5) / cells
        runs = took(age)
        chances.append(runs / max(runs, (1.0 - never) * unseen(age) + never))
    return chances


@cache
def _chances_at_first() -> list[float]:
    """The same before any end was seen: it costs a millisecond, and every client begins with it."""
    took = Curve(PRIOR, ())
    return _chances(took, Curve((), ()), NEVER, CELLS / took.end)
