"""Running tasks: how many there are, and how many there may be.

*Sighted*: completions are told, so the tasks that live are known.
A refusal for capacity makes their number the ceiling; from then on a request waits for a completion, not for a clock.

| event                          | ceiling                                                                             |
|--------------------------------|-------------------------------------------------------------------------------------|
| 12 accepted at the ceiling     | climb: one more, and one more with every success                                    |
| refused while climbing         | stays where it got to; the next climb after 24, 40 accepted, or 12 if it gained     |
| refused after a climb of a few | back to where it was: the gain was tasks that had ended unseen                      |
| refused otherwise              | live tasks + 1 - (1, 2, 4, 8): the limit fell; seven times: it was no such limit    |

*Blind*: nobody tells.
Sends drip: their interval grows by a fifth with every refusal and shrinks by 3 % with every success.
That comes to rest at about one refusal in seven.
Where more tasks began since the first refusal than can have ended, it was no limit of tasks (`outrun`).

After 300 s without progress at the ceiling, tasks are presumed to have ended: one when sighted, all of them when blind.
Without that, a completion that nobody told would hold everything up for ever.
"""

from __future__ import annotations

import math

from .rate import EARLY

PATIENCE = 300.0
"""Seconds; a task runs 60 to 180 (contract, section 4), and at 60 a one-slot account wasted half its requests."""
SOON, SELDOM = 12, 40
"""Accepted jobs from one climb to the next: at least and at most."""
TOO_OFTEN = 7
"""Unexpected refusals in a row that disprove a ceiling."""
BAN = 300.0
"""Seconds for which a disproved ceiling is not inferred again."""
SHORTEST_TASK, LONGEST_TASK = 60.0, 180.0
"""Seconds that a task runs (contract, section 4)."""
DRIP = 3.0
"""Seconds between sends after the first refusal, at most: of so many tasks one ends every `LONGEST_TASK` / live."""
CHANCE = 2
"""Tasks that may have ended sooner than is likely."""
SLOWER, FASTER = 1.2, 0.97
SLOWEST, DRY = 30.0, 0.02
"""Seconds: the longest interval, and the one at which dripping ends."""


class Ceiling:
    """Tasks that live, and the most that may."""

    __slots__ = (
        "_banned_until", "_base", "_before", "_begun", "_cap", "_climbing", "_count", "_cut_at", "_down", "_eldest_at",
        "_every", "_first_at", "_full_at", "_gained", "_held_since", "_last_accept", "_last_cut_at", "_sighted",
        "_spared", "_wrong", "drip", "limit", "live", "not_before",
    )  # fmt: skip

    def __init__(self, cap: int | None) -> None:
        self._cap: float = math.inf if cap is None else cap
        self._base: float = math.inf  # the ceiling that was learned
        self._before: float = math.inf  # the same before a climb that gained little
        self.limit: float = self._cap
        self.live = 0
        self.drip = 0.0  # seconds between sends; blind only
        self.not_before = -math.inf
        self._sighted = False
        self._full_at = 0  # live tasks at the last refusal for capacity
        self._held_since: float | None = None
        self._cut_at = self._last_cut_at = self._last_accept = self._banned_until = -math.inf
        self._eldest_at = -math.inf  # when the first of the tasks that live began, if it is known
        self._first_at = -math.inf  # when sends began to drip
        self._begun = 0  # tasks that were asked for since, and began
        self._spared = 0.0  # the drip, while a test is on
        self._climbing, self._gained, self._count = False, 0, 0
        self._every, self._down, self._wrong = SOON, 1, 0

    @property
    def known(self) -> bool:
        """A ceiling was learned."""
        return self._base != math.inf

    def wait(self, now: float, in_flight: int) -> float:
        """Seconds until another task may be asked for; infinity: after news of the requests in flight."""
        if self.live + in_flight >= self.limit:
            if in_flight:
                return math.inf
            if self._held_since is None:
                self._held_since = now
            left = self._held_since + PATIENCE - now
            if left > EARLY:
                return left
            self._presume()
        return max(0.0, self.not_before - now)

    def _presume(self) -> None:
        self._held_since = None
        self.live = min(self.live, int(self.limit)) - 1 if self._sighted else 0

    # ------------------------------------------------------------------------------------------------- events

    def sent(self, now: float) -> None:
        """A request leaves while sends drip."""
        self.not_before = now + self.drip

    def accepted(self, now: float, sent_at: float = math.inf) -> None:
        """A task began, which was asked for at `sent_at`."""
        if not self.live:
            self._eldest_at = now
        self.live += 1
        self._last_accept = now
        self._held_since = None
        if self.drip:
            self._begun += sent_at > self._first_at
            self._quicken()
        if self._base != math.inf:
            self._progress()

    def refused(self, now: float, sent_at: float, drip: float = DRIP) -> None:
        """A request was refused for capacity; those sent before the last such refusal tell nothing new.

        `drip`: seconds between sends at most, if they begin to drip.
        """
        if sent_at <= self._cut_at:
            return
        self._last_cut_at, self._cut_at = self._cut_at, now
        self._full_at = self.live
        if not self._sighted:
            self._slow_down(now, drip)
        elif self._base == math.inf:
            self._settle(self.live)
        elif self._climbing:
            self._end_climb()
        else:
            self._fall(now)

    def outrun(self, now: float) -> bool:
        """More tasks began since the first refusal than can have ended: told once, blind only."""
        before = self.live - self._begun
        ended = before * max(0.0, now - max(self._first_at, self._eldest_at + SHORTEST_TASK)) / SHORTEST_TASK
        if self._sighted or not self.drip or self._begun <= CHANCE + ended:
            return False
        self._begun = -self._begun
        return True

    def spare(self) -> None:
        """A test is on, and its pace is slow enough."""
        self._spared, self.drip, self.not_before = self.drip, 0.0, -math.inf

    def resume(self) -> None:
        """The test is over."""
        self.drip = self._spared

    def disregard(self) -> None:
        """The refusals so far were no limit's."""
        self.drip, self.not_before, self._before = 0.0, -math.inf, math.inf
        self._down, self._wrong = 1, 0
        self._base = math.inf
        self._climbing, self._gained, self._count = False, 0, 0
        self._apply()

    def suspect(self, now: float) -> bool:
        """Refusals without a reason add up: is it capacity? True: they are taken for it."""
        if not self.live or now - self._last_accept <= 2 or now <= self._banned_until:
            return False
        self._full_at = self.live
        if self._sighted:
            self._settle(self.live)
        return self._sighted

    def completed(self, tasks: int) -> None:
        """Tasks were seen to end."""
        self.live = max(0, self.live - tasks)
        self._held_since = None
        if not self._sighted:
            self._sighted = True
            self.drip, self.not_before = 0.0, -math.inf
            if self._full_at:
                self._settle(self._full_at)

    # -------------------------------------------------------------------------------------------- transitions

    def _slow_down(self, now: float, drip: float) -> None:
        if not self.drip:
            self._first_at, self._begun = now, 0
            self.drip = min(drip, LONGEST_TASK / max(1, self.live))
        else:
            unheard = self._last_accept < self._last_cut_at
            self.drip = min(SLOWEST, max(self.drip * SLOWER, min(DRIP, 2 * self.drip) if unheard else 0.0))
        self.not_before = now + self.drip

    def _quicken(self) -> None:
        self.drip *= FASTER
        if self.drip < DRY:
            self.drip, self.not_before = 0.0, -math.inf

    def _progress(self) -> None:
        self._down, self._wrong = 1, 0
        if self.live > self._base:
            self._base = self.live
            self._gained += 1
        else:
            self._count += 1
        # A ceiling that is not reached holds nothing back, so a climb would prove nothing.
        if self._count >= self._every and self.live + 1 >= self._base:
            self._climbing = True
        self._apply()

    def _end_climb(self) -> None:
        rose = self._gained > 2 + 0.1 * self._base
        self._every = SOON if rose else min(SELDOM, 2 * self._every)
        self._before = math.inf if rose else self._base - self._gained
        self._settle(self._base)

    def _fall(self, now: float) -> None:
        self._wrong += 1
        if self._wrong >= TOO_OFTEN:
            self._base, self._banned_until, self._wrong, self._down = math.inf, now + BAN, 0, 1
            self._apply()
            return
        self._settle(min(self.live + 1 - self._down, self._before))
        self._before = math.inf
        self._down = min(8, 2 * self._down)

    def _settle(self, base: float) -> None:
        self._base = max(1, base)
        self._climbing, self._gained, self._count = False, 0, 0
        self._apply()

    def _apply(self) -> None:
        self.limit = min(self._cap, self._base + self._climbing)
