"""Running tasks: how many more may be asked for, and when.

| what is known                       | a request goes                                                           |
|-------------------------------------|--------------------------------------------------------------------------|
| nothing                             | always                                                                   |
| the user's number                   | while by their age fewer tasks run, more likely than not                 |
| a refusal: the account is full      | when a task is seen to end; else sends *drip*                            |
| how long tasks take, and how late   | while it is unlikely enough to be refused (`_is_bearable`), or to find   |
| their ends are seen: *sight*        | out whether more may run, now and then (`_is_worth_a_try`)               |

*Drip*: the interval between sends grows by a fifth with every refusal and shrinks by 3 % with every success.
That comes to rest at about one refusal in seven.
Where more tasks began since the first refusal than can have ended, it was no limit of tasks (`outrun`).

*With sight*, `running` says how many tasks run, and `allowance` how many may; both are rough, and every reply to a
request at the limit corrects both.
A place that stays empty costs the time until its end would be seen, a refusal costs a request.
So the later ends are seen, the more likely a refusal may be; where they are seen at once, hardly any is risked.
The number that the user told is never learned to be greater; what the account allows may be less.
"""

from __future__ import annotations

import math

from .allowance import DOUBT, FIRST, SURE, Allowance, below
from .rate import EARLY
from .running import Running

LEAST_RISK, MORE_RISK = 0.04, 0.08
"""Chances of a refusal that are borne: where ends are seen at once, and how many more where they never are."""
RISK_UNSEEN = 0.5
"""The same before any end was seen, at the number that the user told: tasks may have ended that nobody looks at."""
YOUNG = 45.0
"""Seconds; where no task is older, a refusal says exactly how many may run."""
NEARLY = 0.8
"""A refusal at this share of the user's number says that the account keeps to it by itself."""
UNLIKELY, TOO_OFTEN = 0.02, 7
"""So many refusals in a row that were so unlikely disprove what is believed."""
BAN = 300.0
"""Seconds for which a ceiling that was disproved is not inferred from refusals that hide their reason."""
SPAN = 0.3
"""The share of a task's duration after which other tasks are in doubt."""
TURNS, SELDOM = 1.5, 20
"""A request finds out whether more may run after so many accepted jobs: this times all tasks, and at least so many."""
LIKELY, PAUSE = 0.6, 0.05
"""It does so as well where that is so likely, this share of a task's duration after the last refusal."""
SOONEST, LATEST = 0.25, 10.0
"""Seconds until the chances are looked at again."""
SHORTEST_TASK, LONGEST_TASK = 60.0, 180.0
"""Seconds that a task is said to run (contract, section 4): a first guess, for the first interval and `outrun`."""
DRIP = 3.0
"""Seconds between sends after the first refusal, at most: of so many tasks one ends every `LONGEST_TASK` / live."""
CHANCE = 2
"""Tasks that may have ended sooner than is likely."""
SLOWER, MUCH, FASTER = 1.2, 1.6, 0.97
"""Factors of the interval; it becomes much slower where ends are seen, for those free places as well."""
SLOWEST, DRY = 30.0, 0.02
"""Seconds: the longest interval, and the one at which dripping ends."""


class Ceiling:
    """Tasks that live, and the most that may."""

    __slots__ = (
        "_allowance", "_banned_until", "_begun", "_calm", "_cap", "_cut_at", "_eldest_at", "_enforced", "_first_at",
        "_full", "_last_accept", "_last_cut_at", "_running", "_spared", "_told", "_wrong", "drip", "limit", "live",
        "not_before", "sighted",
    )  # fmt: skip

    def __init__(self, cap: int | None) -> None:
        self._cap: float = math.inf if cap is None else cap
        self._running = Running()
        self._allowance: Allowance | None = None
        self.limit: float = self._cap
        """So many tasks may live without a thought."""
        self.live = 0
        """Tasks that were not seen to end, and may run."""
        self.drip = 0.0  # seconds between sends
        self.not_before = -math.inf
        self.sighted = False
        """Enough is known of ends."""
        self._told = False  # an end was seen
        self._enforced = False  # the account refuses by itself what is above the user's number
        self._full = 0  # tasks that lived at a refusal, when all of them still ran
        self._cut_at = self._last_cut_at = self._last_accept = self._banned_until = -math.inf
        self._eldest_at = -math.inf  # when the first of the tasks that live began, if it is known
        self._first_at = -math.inf  # when sends began to drip
        self._begun = 0  # tasks that were asked for since, and began
        self._spared = 0.0  # the drip, while a test is on
        self._calm = 0  # accepted since the last refusal
        self._wrong = 0  # unlikely refusals in a row

    @property
    def known(self) -> bool:
        """Refusals are expected here, so one that hides its reason is for capacity."""
        return self._allowance is not None or (self._told and self._full > 0)

    @property
    def cut_at(self) -> float:
        """When a refusal for capacity last taught something."""
        return self._cut_at

    @property
    def believed(self) -> float:
        """How many tasks may run, as far as is known; infinity: no limit is known."""
        if self._allowance is not None:
            return min(self._cap, self._allowance.tasks)
        return min(self._cap, self._full if self._told and self._full else math.inf)

    # ------------------------------------------------------------------------------------------------- waiting

    def wait(self, now: float, in_flight: int) -> float:
        """Seconds until another task may be asked for, or until that is to be asked again."""
        if not self.sighted and self.live + in_flight < self._full:
            return 0.0  # a place was seen to become free
        drip = max(0.0, self.not_before - now)
        if self.live + in_flight < self.limit:
            return drip
        mean, variance = self._running.estimate(now)
        if not self.sighted and self._running.ends.known:
            self._see(now)
        if self._may(now, mean + in_flight, variance, in_flight):
            return drip
        falls = mean - self._running.estimate(now + 1.0)[0]
        return max(drip, min(LATEST, max(SOONEST, 0.2 * math.sqrt(variance + DOUBT) / max(falls, EARLY))))

    def _may(self, now: float, mean: float, variance: float, in_flight: int) -> bool:
        if self._chance_of_refusal(now, mean, variance) <= self._is_bearable():
            return True
        return not in_flight and mean < self._cap - 0.5 and self._is_worth_a_try(now)

    def _is_worth_a_try(self, now: float) -> bool:
        """One request finds out whether more tasks may run than is believed."""
        allowance = self._allowance
        if allowance is None or allowance.tasks >= self._cap:
            return False
        if self._calm >= max(SELDOM, TURNS * allowance.tasks):
            return True
        return allowance.more > LIKELY and now - self._cut_at > PAUSE * self._running.ends.mean

    def _chance_of_refusal(self, now: float, mean: float, variance: float) -> float:
        allowance, most = self._allowance, self.believed
        running, doubt = (mean, variance + DOUBT) if allowance is None else allowance.running(now, mean, variance)
        return below((running + 0.5 - most) / math.sqrt(doubt))

    def _is_bearable(self) -> float:
        """The chance of a refusal at which a request is sent."""
        if not self.sighted:
            return RISK_UNSEEN
        ends = self._running.ends
        return LEAST_RISK + MORE_RISK * ends.late / (ends.late + ends.mean / 4)

    # ------------------------------------------------------------------------------------------------- events

    def sent(self, now: float) -> None:
        """A request leaves while sends drip."""
        self.not_before = now + self.drip

    def accepted(self, now: float, sent_at: float = math.inf, in_flight: int = 0) -> None:
        """A task began, which was asked for at `sent_at`; so many other requests are in flight."""
        if not self.live:
            self._eldest_at = now
        self._running.begin(now)
        self.live += 1
        self._last_accept = now
        if self._allowance is not None:
            self._calm += 1
            self._wrong = 0
            if self.live + in_flight <= self.limit:
                self._allowance.accepted += 1
            else:
                self._learn(now, in_flight - 1, refused=False)
        if self.drip:
            if sent_at > self._first_at:
                if not self._begun:
                    self.drip = min(self.drip, max(DRIP, LONGEST_TASK / (2 * self.live)))
                self._begun += 1
            self._quicken()

    def refused(self, now: float, sent_at: float, in_flight: int = 0, drip: float = DRIP) -> None:
        """A request was refused for capacity; those sent before the last such refusal tell nothing new.

        `in_flight`: other requests; `drip`: seconds between sends at most, if they begin to drip.
        """
        if sent_at <= self._cut_at:
            return
        self._last_cut_at, self._cut_at = self._cut_at, now
        if not self.sighted:
            self._fill(now)
            self._slow_down(now, drip)
        elif self._allowance is None:
            self._infer(now)
        else:
            self._learn(now, in_flight, refused=True)

    def _fill(self, now: float) -> None:
        """It is full, and how old its tasks may become is not known."""
        if now - self._eldest_at <= YOUNG:
            self._full = self.live
        if self.live >= NEARLY * self._cap:
            self._enforced = True
            self._apply()

    def _infer(self, now: float) -> None:
        mean, _ = self._running.estimate(now)
        if self._full:
            self._allowance = Allowance(min(self._cap, self._full), SURE, self._cap)
        else:
            self._allowance = Allowance(min(self._cap, mean), FIRST, self._cap)
        self._apply()

    def _learn(self, now: float, in_flight: int, *, refused: bool) -> None:
        assert self._allowance is not None
        mean, variance = self._running.estimate(now)
        allowance, mean = self._allowance, mean + in_flight
        if refused and self._chance_of_refusal(now, mean, variance) < UNLIKELY:
            self._wrong += 1
            if self._wrong >= TOO_OFTEN:
                self.disregard()
                self._banned_until, self._wrong = now + BAN, 0
                return
        if refused:
            self._calm = 0
        ends = self._running.ends
        allowance.span = 1.0 / (1.0 / (SPAN * ends.mean) + 1.0 / max(1.0, ends.late))
        allowance.learn(now, mean, variance, refused=refused)
        self._apply()

    def outrun(self, now: float) -> bool:
        """More tasks began since the first refusal than can have ended: told once, without sight only."""
        before = self.live - self._begun
        ended = before * max(0.0, now - max(self._first_at, self._eldest_at + SHORTEST_TASK)) / SHORTEST_TASK
        if self._told or not self.drip or self._begun <= CHANCE + ended:
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
        self.drip, self.not_before = 0.0, -math.inf
        self._allowance, self._full, self._enforced, self._wrong = None, 0, False, 0
        self._apply()

    def suspect(self, now: float) -> bool:
        """Refusals without a reason add up: is it capacity? True: they are taken for it."""
        if not self.live or now - self._last_accept <= 2 or now <= self._banned_until:
            return False
        if self.sighted:
            self._infer(now)
        else:
            self._fill(now)
        return self._told

    def completed(self, now: float, tasks: int, age: float | None, took: float | None) -> None:
        """Tasks were seen to end: of this age, and after so many seconds, where that is known."""
        self._told = True
        running = self._running
        if age is None or took is None:
            running.end_oldest(tasks)
        else:
            share = running.end(now, age, took)
            if self._allowance is not None:
                self._allowance.ended(share)
        self.live = running.count
        if not self.sighted and running.ends.is_stale(now):
            running.estimate(now)
            if running.ends.known:
                self._see(now)

    def recall(self, took: float, age: float) -> None:
        """An end that an earlier run saw."""
        self._running.ends.add(-math.inf, took, age)

    def _see(self, now: float) -> None:
        self.sighted = True
        self.drip, self.not_before = 0.0, -math.inf
        if self._full:
            self._infer(now)
        self._apply()

    def restore(self, now: float, tasks: int) -> None:
        """So many tasks are known to run from before."""
        if tasks:
            self._running.begin(now, tasks)
            self.live = self._running.count

    # -------------------------------------------------------------------------------------------- transitions

    def _slow_down(self, now: float, drip: float) -> None:
        worth = LONGEST_TASK / max(1, self.live)  # seconds from one end to the next, where it is full
        if not self.drip:
            self._first_at, self._begun = now, 0
            self.drip = min(drip, worth)
        else:
            slower = self.drip * (MUCH if self._told else SLOWER)
            if self._last_accept < self._last_cut_at:  # none began in between
                slower = max(slower, min(2 * self.drip, DRIP if self._begun else max(DRIP, worth)))
            self.drip = min(SLOWEST, slower)
        self.not_before = now + self.drip

    def _quicken(self) -> None:
        self.drip *= FASTER
        if self.drip < DRY:
            self.drip, self.not_before = 0.0, -math.inf

    def _apply(self) -> None:
        cap = self._cap if self.sighted or not self._enforced else math.inf
        self.limit = cap if self._allowance is None else min(cap, self._allowance.tasks)
