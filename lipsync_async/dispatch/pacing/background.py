"""Refusals that no pace avoids: a share of all requests, found by a test.

A refusal is taken for one that speaks of the pace until a test has shown otherwise.
The share that is left at a pace that was safe is the *background*; from then on only what exceeds it teaches.

| phase    | what happens                                   | what ends it                                             |
|----------|------------------------------------------------|----------------------------------------------------------|
| CALM     | nothing, or no more than the background        | a refusal that speaks of the pace                        |
| WATCHING | what passes is measured, refusal to refusal    | no refusal for long: CALM; again and again: TESTING      |
| TESTING  | sends go at a pace well below that             | hardly any refusals: it was the pace; as many: TRIAL     |
| TRIAL    | sends go at twice the test's pace, then faster | the share stayed: it is the background; it rose: it is 0 |

Both decisions are sequential probability ratio tests (Wald): each reply adds the logarithm of how much likelier it is
if chance refuses than if a limit does, until the sum is beyond doubt.
A background is looked at again from below every few hundred replies, more seldom each time it is confirmed.
"""

from __future__ import annotations

import math
from enum import Enum

from lipsync_async.terms import Kind

ENOUGH, RUNS = 8, 3
"""What a window needs: accepted jobs, and refusals with an accepted job in between."""
CALM = 60
"""Accepted jobs for each of a window's runs of refusals, and one more: with so many, refusals are rare."""
AGAIN = 3
"""Refusals, each after an accepted job, that are no coincidence."""
LOW, HIGHEST = 0.6, 0.92
"""A pace that is safe, as a share of what passed: low enough for jitter, and for how roughly that is known.

The fewer are refused, the nearer to it a pace may be, but for the second.
"""
NOISE, PART = 0.02, 0.2
"""The share that a limit refuses at such a pace all the same: the first, or this part of what is suspected."""
SUSPECTED = 0.02
"""The least share that a test looks for."""
FEW, MANY, MOST = 0.12, 0.3, 0.75
"""Shares of refusals: with few, a test waits for one more window; with many, a slow one is worth it; more is closed."""
SURE, UNSURE = 4.0, -3.5
"""Sums of logarithms that decide: one error in fifty, and in thirty."""
WINDOWS = 2
"""Windows before the first test; twice as many before each further one."""
SHORT = 60.0
"""Seconds; a longer test costs more, so it waits for more windows, and begins later: tasks that run end slowly."""
SLOW_WINDOWS = {Kind.RATE: 2, None: 4, Kind.CAPACITY: 4}
"""Windows before the first such test; a hidden reason may be the running tasks, whose refusals come in tides."""
EARLY_REFUSALS = 12
"""A refusal is told sooner than an acceptance, so so many do not count before a trial's first acceptance."""
EXCESS = 0.25
"""The share of what else would be accepted that a limit refuses, when it is beside the background."""
LOOK, PRIOR, LONGEST = 40, 20, 200
"""Replies that measure a background anew; for how many the old one counts when it is in doubt, and at most."""
BLOCK = 100
"""Replies after which a known background is corrected."""
SELDOM = 16
"""Blocks at most from one look from below to the next."""
LEAST = 0.01
"""A background below this is none."""


class Phase(Enum):
    """What is being done about refusals."""

    CALM = "calm"
    WATCHING = "watching"
    TESTING = "testing"
    TRIAL = "trial"


class Advice(Enum):
    """What a reply means for the pace."""

    NOTHING = "nothing"
    LEARN = "learn"
    """The refusal speaks of the pace, as far as is known."""
    TEST = "test"
    """Go at `test_pace` until told otherwise."""
    RETURN = "return"
    """The test is over and it was the pace: back to what was known."""
    RAISE = "raise"
    """It was not the pace: forget what these refusals taught, and go faster."""


class Replies:
    """A stretch of replies, to requests sent after it began."""

    __slots__ = ("_again", "accepted", "refused", "runs", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.accepted = self.refused = self.runs = 0
        self._again = False

    @property
    def total(self) -> int:
        """All of them."""
        return self.accepted + self.refused

    def accept(self) -> None:
        """One was accepted."""
        self.accepted += 1
        self._again = False

    def refuse(self) -> bool:
        """One was refused; True: the one before it was not."""
        first = not self._again
        self.refused += 1
        self.runs += first
        self._again = True
        return first


class Evidence:
    """How much likelier the replies are if chance refuses a share than if a limit refuses another: a logarithm."""

    __slots__ = ("_accepted", "_refused", "sum")

    def __init__(self, if_chance: float, if_limit: float) -> None:
        self.sum = 0.0
        self._refused = math.log(if_chance / if_limit)
        self._accepted = math.log((1 - if_chance) / (1 - if_limit))

    def add(self, refused: bool) -> None:
        """One more reply."""
        self.sum += self._refused if refused else self._accepted


class Background:
    """The share of requests that is refused whatever the pace."""

    __slots__ = (
        "_alarms", "_basis", "_block", "_blocks", "_blocks_to_look", "_due", "_evidence", "_excess", "_passed",
        "_replies", "_span", "_tally", "_windows", "active", "phase", "share", "test_pace",
    )  # fmt: skip

    def __init__(self) -> None:
        self.share = 0.0
        self.test_pace = 0.0
        """Requests a second."""
        self._evidence = Evidence(0.5, 0.5)
        self._basis = PRIOR  # replies that the background rests on
        self._excess = 0.0  # evidence that more is refused than the background
        self._block, self._blocks, self._blocks_to_look = Replies(math.inf), 0, 2
        self._calm()

    @property
    def comes_again(self) -> bool:
        """Refusals have come again and again lately, and nothing is known about them yet."""
        return self.phase is Phase.WATCHING and self._windows * RUNS + self._replies.runs >= AGAIN

    @property
    def passed(self) -> float:
        """Jobs a second that were accepted lately, from refusal to refusal."""
        return self._passed

    def _calm(self) -> None:
        self.phase = Phase.CALM
        self.active = self.share > 0
        """Accepted jobs matter now: `accepted` is to be called."""
        self._passed, self._span = 0.0, 0.0
        self._tally = (0, 0)  # refused, and all, in the windows so far
        self._windows, self._alarms, self._due = 0, 0, WINDOWS
        self._replies = Replies(math.inf)

    # ------------------------------------------------------------------------------------------------- events

    def accepted(self, now: float, sent_at: float, unbounded: bool) -> Advice:
        """A request was accepted; `unbounded`: no pace above this one is known to be refused."""
        if self.share:
            self._excess = max(0.0, self._excess + math.log(1 - EXCESS))
            if self._count(False, unbounded, now):
                return self._look(now)
        replies = self._replies
        if sent_at <= replies.since:
            return Advice.NOTHING
        replies.accept()
        if self.phase is Phase.WATCHING:
            if not self.share and replies.accepted > CALM * (replies.runs + 1):
                self._calm()
            return Advice.NOTHING
        self._evidence.add(refused=False)
        return self._judge(now)

    def refused(self, now: float, sent_at: float, kind: Kind | None, pace: float, unbounded: bool) -> Advice:
        """A request was refused while sends went at `pace`."""
        speaks = not self.share or self._exceeds(now, unbounded)
        if self.phase is Phase.CALM and speaks:
            self.phase, self.active = Phase.WATCHING, True
            self._replies = Replies(now)
        if self.phase is Phase.CALM or self.phase is Phase.WATCHING:
            return self._watch(now, sent_at, kind, pace, speaks)
        replies = self._replies
        if sent_at <= replies.since:
            return Advice.NOTHING
        first = replies.refuse()
        if self.phase is Phase.TRIAL:
            if replies.accepted or replies.refused > EARLY_REFUSALS:
                self._evidence.add(refused=True)
        elif first:  # a limiter that is closed for a while refuses in a row
            self._evidence.add(refused=True)
        return self._judge(now)

    def disprove(self, now: float) -> Advice:
        """It is known otherwise that these refusals are no limit's; the share so far is put to the trial."""
        refused, total = self._tally[0] + self._replies.refused, self._tally[1] + self._replies.total
        self._tally = (refused, total)
        return self._try(now, (refused + 2) / (total + 4))  # few replies say little, so the share leans to a half

    # ------------------------------------------------------------------------------------------------ watching

    def _watch(self, now: float, sent_at: float, kind: Kind | None, pace: float, speaks: bool) -> Advice:
        replies = self._replies
        if sent_at > replies.since:
            replies.refuse()
            if replies.accepted >= ENOUGH and replies.runs >= RUNS:
                self._close_window(now)
                if not self.share and self._is_due(kind):
                    return self._test(now + SHORT if self._is_slow() else now, self._suspected())
        if not speaks:
            return Advice.NOTHING
        self._alarms += 1
        # Beside a background, a limit explains a refusal only at a pace that it does not let through.
        if self.share and self._alarms >= WINDOWS and pace * (1 - self.share) <= self._passed:
            self.test_pace, self._basis = LOW * self._passed, PRIOR
            return self._test(now, self.share)
        return Advice.LEARN

    def _close_window(self, now: float) -> None:
        # It began and ends with a refusal: at both the limiter was empty, so it let through what its limit is.
        replies, span = self._replies, now - self._replies.since
        self._tally = (self._tally[0] + replies.refused, self._tally[1] + replies.total)
        self._span += span
        self._passed = max(self._passed, replies.accepted / span)
        self._windows += 1
        self._replies = Replies(now)

    def _is_due(self, kind: Kind | None) -> bool:
        refused, total = self._tally
        share = refused / total
        if share > MOST or self._windows < self._due + (share < FEW):
            return False
        if self._is_slow():
            if self._windows < SLOW_WINDOWS[kind] or (kind is Kind.CAPACITY and share < MANY):
                return False
            self.test_pace = LOW * self._mean()
        else:  # the fewer are refused, the less must the pace fall for a limit to refuse none
            self.test_pace = self._passed * max(LOW, min(HIGHEST, 1 - 3 * self._suspected()))
        self._due = 2 * self._windows
        return True

    def _suspected(self) -> float:
        """The share that a test looks for: windows end with a refusal, so they show too many."""
        return max(SUSPECTED, 0.75 * self._tally[0] / self._tally[1])

    def _is_slow(self) -> bool:
        return max(ENOUGH, 2.5 / self._suspected()) > SHORT * LOW * self._mean()

    def _mean(self) -> float:
        """Jobs a second that were accepted, over all windows so far."""
        return (self._tally[1] - self._tally[0]) / self._span

    # ----------------------------------------------------------------------------------------- test and trial

    def _test(self, since: float, share: float) -> Advice:
        self.phase = Phase.TESTING
        self._evidence, self._excess = Evidence(share, min(NOISE, PART * share)), 0.0
        self._replies = Replies(since)
        return Advice.TEST

    def _try(self, now: float, share: float) -> Advice:
        self.phase, self.share, self.active = Phase.TRIAL, share, True
        # A limit lets through what it did before: of twice as many, half of those at least are refused in addition.
        self._evidence, self._excess = Evidence(share, (1 + share) / 2), 0.0
        self._replies, self._block = Replies(now), Replies(math.inf)
        return Advice.RAISE

    def _judge(self, now: float) -> Advice:
        if self.phase is Phase.TRIAL:
            return self._judge_trial(now)
        return self._judge_look(now) if self.share else self._judge_test(now)

    def _judge_test(self, now: float) -> Advice:
        replies = self._replies
        if self._evidence.sum >= SURE:
            self._tally = (self._tally[0] + replies.refused, self._tally[1] + replies.total)
            return self._try(now, self._tally[0] / self._tally[1])
        if self._evidence.sum <= UNSURE or (replies.total >= 2 * ENOUGH and replies.refused > MOST * replies.total):
            self.phase, self._replies = Phase.WATCHING, Replies(now)
            return Advice.RETURN
        return Advice.NOTHING

    def _judge_look(self, now: float) -> Advice:
        """The same test of a background that is known: what is refused at a safe pace is it."""
        replies = self._replies
        if self._evidence.sum <= UNSURE:
            self.share = 0.0
        elif replies.total < LOOK:
            return Advice.NOTHING
        else:
            total = replies.total + self._basis
            refused = replies.refused + self._basis * self.share
            self._basis = min(LONGEST, total)
            if refused / total > self.share:
                self._tally = (round(refused), total)
                return self._try(now, refused / total)
            self.share = refused / total
        self._calm()
        return Advice.RETURN

    def _judge_trial(self, now: float) -> Advice:
        replies = self._replies
        if self._evidence.sum >= SURE:
            self._basis = self._tally[1] + replies.total
            self.share = (self._tally[0] + replies.refused) / self._basis
            self._calm()
        elif self._evidence.sum <= -SURE:
            self.share = 0.0
            self.phase, self._replies = Phase.WATCHING, Replies(now)
            return Advice.LEARN
        return Advice.NOTHING

    # ------------------------------------------------------------------------------- a background that is known

    def _exceeds(self, now: float, unbounded: bool) -> bool:
        """More is refused than the background: a cumulative sum, as in Page's test."""
        self._excess += math.log((1 - (1 - EXCESS) * (1 - self.share)) / self.share)
        self._count(True, unbounded, now)
        if self._excess < SURE or self.phase is Phase.TESTING or self.phase is Phase.TRIAL:
            return False
        self._excess = 0.0
        return True

    def _count(self, refused: bool, unbounded: bool, now: float) -> bool:
        """One more reply; True: it is time to look from below."""
        block = self._block
        if block.since == math.inf:
            block.since = now
        if refused:
            block.refuse()
        else:
            block.accept()
        # It ends with an accepted job, for a refusal has its own advice.
        if refused or block.total < BLOCK or self.phase is Phase.TESTING or self.phase is Phase.TRIAL:
            return False
        self._block = Replies(math.inf)
        self._correct(block.refused / block.total)
        self._blocks += not unbounded
        if not self.share or self._blocks < self._blocks_to_look:
            return False
        self.test_pace = LOW * block.accepted / max(0.001, now - block.since)
        return True

    def _correct(self, share: float) -> None:
        # A limit may have refused some of them, so more than the background proves nothing; clearly less does.
        noise = math.sqrt(self.share * (1 - self.share) / BLOCK)
        if share == 0.0 or share < self.share - 2 * noise:
            self.share = (self.share + share) / 2
        if self.share < LEAST:
            self.share = 0.0
        self._calm()

    def _look(self, now: float) -> Advice:
        self._blocks, self._blocks_to_look = 0, min(SELDOM, 2 * self._blocks_to_look)
        return self._test(now, self.share)
