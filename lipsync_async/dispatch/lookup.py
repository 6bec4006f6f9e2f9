"""When to look a job up that may have been acted upon, and what an answer proves (contract, section 5).

Pure: `asking` asks, this plans.  An `Inquiry` is the state of one such job.

*Found* is adopted when the task is ours.
*Not found* proves nothing until look-ups by external id are trusted at this gateway, and as long as the gateway may
still be working on the request (`Gateway.hold_time`).
Trusted: three not-founds that count prove absence; the last comes after the settle time.
Not trusted: three not-founds within about 15 s leave the job unknown.
A look-up that fails proves nothing, and is tried again.
"""

from __future__ import annotations

import math
from enum import Enum

from attrs import define, evolve, field, frozen

from lipsync_async.terms import Failure, Kind, Phase, Reply
from lipsync_async.wire import TaskReply

from .brake import Doubt

NOT_FOUNDS = 3
UNTRUSTED_DELAYS = (1.0, 4.0, 10.0)
"""Seconds before each look-up while not-found proves nothing."""
TRUSTED_SHARES = (1 / 30, 1 / 2, 1.0)
"""Moments of the look-ups that can prove absence, as shares of the settle time."""
AFTER_HOLD = 1 / 6
"""Between look-ups that count after the hold time, as a share of the settle time."""
FAILURE_DELAY = 2.0
"""Seconds after a look-up that failed; doubles to a minute."""
MAX_FAILURES = 8
UNPROVABLE = frozenset({"insert_task_failed"})
"""The gateway says that it did not store what was made upstream: that it cannot find it proves nothing."""
STILL_WORKING = frozenset({408, 499, 504, 524})
"""Statuses by which a gateway says that it gave up waiting for what stands behind it."""


@frozen(kw_only=True)
class Ambiguity:
    """An attempt that may have been acted upon: what a person needs to find out."""

    attempt: int
    sent_at: float | None
    """Unix seconds."""
    phase: Phase
    kind: Kind
    message: str = ""
    http_status: int | None = None
    code: int | str | None = None
    request_id: str | None = None
    error: Exception | None = field(default=None, eq=False, repr=False)
    """What was raised, as in `Failure`."""

    @property
    def exists(self) -> bool:
        """The gateway refused it because the id exists."""
        return self.kind is Kind.DUPLICATE_ID


def longest(settle_time: float, hold_time: float, *, may_go_on: bool) -> float:
    """Seconds until absence is proven, or not, where every look-up gets its answer.

    `may_go_on`: the gateway may still be working on the request.
    """
    return max(settle_time, hold_time + (NOT_FOUNDS - 1) * AFTER_HOLD * settle_time) if may_go_on else settle_time


def may_go_on(result: Reply | Failure) -> bool:
    """Whether the gateway may still be working on a request that ended so: we, or it, stopped waiting."""
    if isinstance(result, Failure):
        return result.kind in {Kind.TIMEOUT, Kind.CANCELLED}
    return result.status in STILL_WORKING


class Conclusion(Enum):
    """What a look-up comes to."""

    ASK = "ask"
    ADOPT = "adopt"
    ABSENT = "absent"
    """Proven: it may be sent again."""
    GIVE_UP = "give up"
    """Unknown it stays."""


@define
class Inquiry:
    """The look-ups of one job; times are the loop's."""

    ambiguity: Ambiguity
    since: float
    """When it became ambiguous."""
    owned: bool = True
    """A task of this id is ours: the id was derived from the content, or an attempt of ours may have made it."""
    derived: bool = False
    """The id was derived from the content: a task that is said to exist is this very job, however old."""
    first_intent_at: float | None = None
    """Unix seconds: no task of ours is older, but for a derived id's."""
    mark: bytes = b""
    """Of the key that the attempt was made with."""
    held_until: float = -math.inf
    """Before it the gateway may still be working on the request, and a not-found proves nothing."""
    doubt: Doubt | None = None
    """The brake's count of it: a task that was found is in doubt no longer."""
    asked_plainly: bool = False
    """It was asked for at its plain address; from then on at one that no cache has seen."""
    asked: int = 0
    """Answers that said *not found*, whether they counted or not."""
    not_founds: int = 0
    """Answers that said *not found*, and count."""
    failures: int = 0
    found_task_id: str | None = field(default=None)
    """A task of this id that is not known to be ours."""

    @property
    def naming(self) -> bool:
        """The gateway refused the job because the id exists, and no attempt of ours can have made that task.

        It is looked up only to name the task that has the id.
        """
        return self.ambiguity.exists and not self.owned

    def again(self) -> Inquiry:
        """The same question, asked from the beginning."""
        return evolve(self, asked=0, not_founds=0, failures=0)

    def due(self, now: float, *, trusted: bool, settle_time: float) -> float:
        """When to ask next."""
        planned = self._planned(now, trusted and not self.naming, settle_time)
        if not self.failures:
            return planned
        return max(planned, now + min(60.0, FAILURE_DELAY * 2.0 ** (self.failures - 1)))

    def _planned(self, now: float, trusted: bool, settle_time: float) -> float:
        if not trusted:
            return self.since + sum(UNTRUSTED_DELAYS[: min(self.asked, NOT_FOUNDS - 1) + 1])
        counted = min(self.not_founds, NOT_FOUNDS - 1)
        counting = max(
            self.since + TRUSTED_SHARES[counted] * settle_time, self.held_until + counted * AFTER_HOLD * settle_time
        )
        early = self.since + TRUSTED_SHARES[min(self.asked, NOT_FOUNDS - 1)] * settle_time
        return early if now < early < self.held_until else counting

    def failed(self) -> Conclusion:
        """A look-up brought no answer, or one that proves nothing."""
        self.failures += 1
        return Conclusion.GIVE_UP if self.failures >= MAX_FAILURES else Conclusion.ASK

    def missing(self, now: float, *, trusted: bool, counts: bool, settle_time: float, fresh: bool = True) -> Conclusion:
        """A look-up answered: no such task.

        `counts`: the gateway was shown to find what is there, at the same moment and with the same account's key.
        `fresh`: no cache can have answered.
        """
        if trusted and not counts and not self.naming:
            return self.failed()
        self.failures = 0
        planned = self._planned(now, trusted, settle_time)
        self.asked += 1
        if not trusted or self.naming:
            return Conclusion.GIVE_UP if self.asked >= NOT_FOUNDS else Conclusion.ASK
        if not fresh or now < self.held_until:
            return Conclusion.ASK
        if not self.not_founds:  # who came late to ask must not ask three times at once
            self.since += max(0.0, now - max(planned, self.since))
        self.not_founds += 1
        if self.not_founds < NOT_FOUNDS:
            return Conclusion.ASK
        if self.ambiguity.exists or self.ambiguity.code in UNPROVABLE:
            return Conclusion.GIVE_UP
        return Conclusion.ABSENT if now >= self.since + settle_time else Conclusion.ASK

    def found(self, task: TaskReply, external_task_id: str, clock_skew: float) -> Conclusion:
        """A look-up answered with a task: is it ours?"""
        reply = task.reply
        if reply.external_task_id not in {None, "", external_task_id}:
            return self.failed()  # it answered with another task: that says nothing of ours
        too_old = (
            reply.created_at is not None
            and self.first_intent_at is not None
            and reply.created_at < self.first_intent_at - clock_skew
        )
        if not self.naming and (not too_old or (self.derived and self.ambiguity.exists)):
            return Conclusion.ADOPT
        self.found_task_id = reply.task_id
        return Conclusion.GIVE_UP
