"""What to ask about a job that may have been acted upon, when, and what an answer proves (contract, section 5).

Pure: the dispatcher asks, this plans.  An `Inquiry` is the state of one ambiguous job.

*Found* is adopted when the task is ours.  *Not found* proves nothing until look-ups by external id are trusted for this
gateway; trusted, three not-founds of which the last comes after the settle time prove absence.  Untrusted, three
not-founds within about 15 s leave the job unknown.  A failing look-up proves nothing, and is tried again.
"""

from __future__ import annotations

from enum import Enum

from attrs import define, field, frozen

from lipsync_async.terms import Kind, Phase
from lipsync_async.wire import TaskReply

NOT_FOUNDS = 3
UNTRUSTED_DELAYS = (1.0, 4.0, 10.0)
"""Seconds before each look-up while not-found proves nothing."""
TRUSTED_SHARES = (1 / 30, 1 / 2, 1.0)
"""Moments of the look-ups that can prove absence, as shares of the settle time."""
FAILURE_DELAY = 2.0
"""Seconds after a look-up that failed; doubles to a minute."""
MAX_FAILURES = 8
UNPROVABLE = frozenset({"insert_task_failed"})
"""The gateway says that it did not store what was made upstream: that it cannot find it proves nothing."""


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

    @property
    def exists(self) -> bool:
        """The gateway refused it because the id exists."""
        return self.kind is Kind.DUPLICATE_ID


class Next(Enum):
    """What follows a look-up."""

    ASK = "ask"
    ADOPT = "adopt"
    ABSENT = "absent"
    """Proven: it may be sent again."""
    GIVE_UP = "give up"
    """Unknown it stays."""


@define
class Inquiry:
    """The look-ups of one ambiguous job; times are the loop's."""

    ambiguity: Ambiguity
    since: float
    """When it became ambiguous."""
    owned: bool = True
    """Its id was derived by us, or an intent of ours is on record: a task that carries it is ours."""
    derived: bool = False
    """Its id was derived by us: a task that is said to exist is this very job, however old."""
    first_intent_at: float | None = None
    """Unix seconds: no task of ours is older, but for a derived id's."""
    not_founds: int = 0
    failures: int = 0
    found_task_id: str | None = field(default=None)
    """A task of this id that is not known to be ours."""

    def due(self, now: float, *, trusted: bool, settle_time: float) -> float:
        """When to ask next."""
        planned = self._planned(trusted, settle_time)
        if not self.failures:
            return planned
        return max(planned, now + min(60.0, FAILURE_DELAY * 2.0 ** (self.failures - 1)))

    def _planned(self, trusted: bool, settle_time: float) -> float:
        asked = min(self.not_founds, NOT_FOUNDS - 1)
        if trusted:
            return self.since + TRUSTED_SHARES[asked] * settle_time
        return self.since + sum(UNTRUSTED_DELAYS[: asked + 1])

    def failed(self) -> Next:
        """A look-up brought no answer."""
        self.failures += 1
        return Next.GIVE_UP if self.failures >= MAX_FAILURES else Next.ASK

    def missing(self, now: float, *, trusted: bool, settle_time: float) -> Next:
        """A look-up answered: no such task."""
        self.failures = 0
        if not self.not_founds:  # who came late to ask must not ask three times at once
            self.since += max(0.0, now - self._planned(trusted, settle_time))
        self.not_founds += 1
        if self.not_founds < NOT_FOUNDS:
            return Next.ASK
        if not trusted or self.ambiguity.exists or self.ambiguity.code in UNPROVABLE:
            return Next.GIVE_UP
        return Next.ABSENT if now >= self.since + settle_time else Next.ASK

    def found(self, task: TaskReply, external_task_id: str, clock_skew: float) -> Next:
        """A look-up answered with a task: is it ours?"""
        reply = task.reply
        if reply.external_task_id not in {None, "", external_task_id}:
            return self.failed()  # it answered with another task: that says nothing of ours
        too_old = (
            reply.created_at is not None
            and self.first_intent_at is not None
            and reply.created_at < self.first_intent_at - clock_skew
        )
        if not too_old and (self.owned or not self.ambiguity.exists):
            return Next.ADOPT
        if self.derived and self.ambiguity.exists:
            return Next.ADOPT
        self.found_task_id = reply.task_id
        return Next.GIVE_UP
