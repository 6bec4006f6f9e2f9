"""What is believed about the number of tasks that may run at once: a weight for every number.

A refusal says that as many run as may, an acceptance that fewer do.
How many run is known only roughly (`running`), so each reply weighs a number by how likely it makes that reply (Bayes).
A limit may change: with every reply a small share of all weight is spread anew around what is believed.
So there is always some weight on a greater number, and it grows until it is worth a request to find out.
Where the user told a number, a limit that changes becomes that one again, nine times in ten: a refusal that came of a
task more than was thought must not lower it for long, for a place fewer is lost until a request finds it again.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise

CHANGES = 0.004
"""The share of limits that change from one reply to the next."""
A_LITTLE, A_LOT = 0.05, 0.5
"""How far, as a logarithm: one half of them, and the other."""
FIRST = 0.15
"""How far at most the limit is off, as a logarithm, when it is first inferred; SURE where all tasks were young."""
SURE = 0.03
HELD = 0.9
"""The weight of the number that the user told, among all that a limit may be or become."""
LEAST = 1e-9
"""The likelihood of a reply is never less: what is believed may be wrong."""
UNSURE = 0.25
"""The weight of smaller numbers at most, where a number is taken for the limit."""
DOUBT = 0.02
"""The least variance of the number of running tasks: nothing is quite certain."""
FAR_OFF = 5.0
"""Deviations from which on a tail is taken for its asymptote."""


GREATEST = 100_000
"""Tasks; a limit above it is none."""


def _numbers() -> list[int]:
    """Every number up to 25, then one in 4 %."""
    found = [1]
    while found[-1] < GREATEST:
        found.append(max(found[-1] + 1, round(found[-1] * 1.04)))
    return found


NUMBERS = _numbers()
LOGARITHMS = [math.log(number) for number in NUMBERS]
WIDTHS = [after - before for before, after in pairwise([*LOGARITHMS, LOGARITHMS[-1] + 0.04])]


def below(deviations: float) -> float:
    """The share of a normal distribution below so many deviations from its mean."""
    return 0.5 * math.erfc(-deviations / math.sqrt(2.0))


def mean_above(deviations: float) -> float:
    """The mean of the part of a normal distribution above so many deviations, in deviations."""
    if deviations > FAR_OFF:
        return deviations
    return math.exp(-0.5 * deviations * deviations) / math.sqrt(2.0 * math.pi) / below(-deviations)


def _spread(around: float, spread: float) -> list[float]:
    """Weights that fall with the distance from a number, on the scale of logarithms."""
    middle = math.log(around)
    weights = [width * math.exp(-abs(place - middle) / spread) for place, width in zip(LOGARITHMS, WIDTHS, strict=True)]
    total = sum(weights)
    return [weight / total for weight in weights]


class Allowance:
    """The weights, all together 1.0; and for each number, what replies say of the tasks that run if it is the limit."""

    __slots__ = ("_kept", "_learned_at", "_moved", "_place", "_sure", "_told", "_weights", "accepted", "span")

    def __init__(self, around: float, spread: float, told: float = math.inf) -> None:
        """About so many may run, off by a `spread` (a logarithm); `told`: the user's number, infinity where none is."""
        self._told = bisect_left(NUMBERS, told)
        self._weights = self._held(_spread(max(1.0, around), spread))
        self._moved = [0.0] * len(NUMBERS)  # by how many tasks the number that runs is moved
        self._sure = [0.0] * len(NUMBERS)  # the part of its variance that is taken away
        self._learned_at = -math.inf
        self._kept = 1.0  # of what replies said of running tasks, the part that still holds
        self.span = 1.0
        """Seconds after which a third is left of what a reply said of running tasks: then others are in doubt."""
        self.accepted = 0
        """Requests that were accepted since a reply taught something: they were safe."""
        self._place = 0
        self._settle()

    @property
    def tasks(self) -> int:
        """So many may run, three to one."""
        return NUMBERS[self._place]

    @property
    def more(self) -> float:
        """The weight of greater numbers."""
        return sum(self._weights[self._place + 1 :])

    def _held(self, weights: list[float]) -> list[float]:
        """The same with the greater part on the number that the user told."""
        if self._told >= len(NUMBERS):
            return weights
        weights = [(1.0 - HELD) * weight for weight in weights]
        weights[self._told] += HELD
        return weights

    def _fade(self, now: float) -> float:
        return self._kept * math.exp((self._learned_at - now) / self.span)

    def ended(self, share: float) -> None:
        """A task was seen to end that made up this share of the variance: of it, replies say nothing more."""
        self._kept *= 1.0 - share

    def running(self, now: float, mean: float, variance: float) -> tuple[float, float]:
        """How many tasks run, mean and variance, after what replies said of it."""
        place, fade = self._place, self._fade(now)
        return mean + fade * self._moved[place], variance * (1.0 - fade * self._sure[place]) + DOUBT

    def _changed(self) -> float:
        """The chance that the limit has changed since a reply taught something."""
        return 1.0 - (1.0 - CHANGES) ** self.accepted

    def learn(self, now: float, mean: float, variance: float, *, refused: bool) -> None:
        """A reply came while so many tasks ran, about."""
        self._drift()
        fade, self._learned_at, self._kept = self._fade(now), now, 1.0
        side = 1.0 if refused else -1.0
        for place, weight in enumerate(self._weights):
            moved, sure = fade * self._moved[place], fade * self._sure[place]
            rest = variance * (1.0 - sure) + DOUBT
            deviation = math.sqrt(rest)
            short = side * (NUMBERS[place] - mean - moved - 0.5) / deviation
            beyond = mean_above(short)
            self._weights[place] = weight * max(LEAST, below(-short))
            self._moved[place] = moved + side * beyond * (rest - DOUBT) / deviation
            self._sure[place] = sure + (1.0 - sure) * (rest - DOUBT) / rest * min(1.0, beyond * (beyond - short))
        total = sum(self._weights)
        self._weights = [weight / total for weight in self._weights]
        self._settle()

    def _drift(self) -> None:
        """The limit may have changed with every reply; of what was not believed, replies have said nothing."""
        self.accepted += 1
        changed, self.accepted = self._changed(), 0
        middle, stays = self._mean(), 1.0 - changed
        little, lot = _spread(middle, A_LITTLE), _spread(middle, A_LOT)
        becomes = self._held([(near + far) / 2.0 for near, far in zip(little, lot, strict=True)])
        for place, weight in enumerate(self._weights):
            new = stays * weight + changed * becomes[place]
            kept = stays * weight / new
            self._weights[place] = new
            self._moved[place] *= kept
            self._sure[place] *= kept

    def _mean(self) -> float:
        return sum(number * weight for number, weight in zip(NUMBERS, self._weights, strict=True))

    def _settle(self) -> None:
        total = 0.0
        for place, weight in enumerate(self._weights):
            total += weight
            if total > UNSURE:
                self._place = place
                return
