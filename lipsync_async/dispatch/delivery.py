"""How outcomes leave a run: durable first, then told; workers go on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

from lipsync_async.errors import ClaimLostError, JournalError
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Unknown
from lipsync_async.terms import Kind

from .account import LOG, callers_error
from .batch import Batch
from .brake import Stop
from .job import Job

Deliver: TypeAlias = Callable[[Job, Outcome], Awaitable[Any] | None]
"""Takes an outcome; what it returns is awaited while the jobs go on, until a window of outcomes is unheard."""


class Delivery:
    """The outcomes of one batch on their way to the disk and to the caller.

    `stop` ends the batch, `fail` ends it with an error of the caller's.
    """

    def __init__(
        self,
        batch: Batch,
        deliver: Deliver,
        window: int,
        *,
        stop: Callable[[Stop], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._batch = batch
        self._account = batch.account
        self._deliver = deliver
        self._stop = stop
        self._fail = fail
        self._most = window if batch.jobbook is None else window + 1
        self._unheard: dict[Job, asyncio.Future[Any] | None] = {}
        """Jobs whose outcome is on its way to the disk, or to a hook of the caller's that takes its time."""
        self._heard: asyncio.Event | None = None
        """Set when the next outcome was heard; there while somebody waits for that."""
        self._finished = False
        self.told = 0
        """Jobs that came out."""

    def has(self, job: Job) -> bool:
        """Whether the job has come out, or is about to."""
        return job.ended or job in self._unheard

    def deliver(self, job: Job, outcome: Outcome) -> None:
        """Writes the outcome, then tells it; the worker goes on meanwhile, and the next intent shares the commit."""
        job.outcome = outcome
        if type(outcome) is Unknown:
            LOG.warning("%r may have been charged, and its fate is not known (%s)", job, outcome.kind)
        jobbook = self._batch.jobbook
        if jobbook is None:
            self.tell(job, outcome)
            return
        jobbook.settle(job, outcome, partial(self._settled, job, outcome))
        if not job.ended:
            self._unheard[job] = None

    def tell(self, job: Job, outcome: Outcome) -> None:
        """Tells the outcome to the observer and to the caller."""
        account = self._account
        self.told += not job.ended
        job.ended = True
        if job.outcome is not outcome:
            job.outcome = outcome
        if job.body is not None:
            job.body = None  # it was not sent: a list of a million of them is kept to its end
        if job.claimed:
            self._batch.release(job)
            if self._batch.jobbook is not None:
                self._batch.jobbook.let_go(job)
        if account.accepted is not None and isinstance(outcome, Accepted) and not outcome.replayed:
            account.accepted(job, outcome)
        if account.observer is not None:
            account.observe(
                "outcome",
                external_task_id=job.id,
                attempt=job.attempts,
                action=outcome.name,
                kind=None if isinstance(outcome, Accepted) else outcome.kind,
                task_id=outcome.task_id if isinstance(outcome, Accepted) else None,
            )
        try:
            waiting = self._deliver(job, outcome)
        except (Exception, asyncio.CancelledError, GeneratorExit) as error:  # noqa: BLE001 - the caller's own
            self._fail(callers_error(error, "on_progress"))
            waiting = None
        if waiting is not None:
            hook = self._unheard[job] = asyncio.ensure_future(waiting)
            hook.add_done_callback(partial(self._hook_done, job))
        elif self._unheard:
            self._pass_on(job)

    def cut_off(self, job: Job, outcome: Outcome) -> None:
        """Tells a job whose worker is taken away.

        What its intent left open in the journal is cleared where nothing was sent: the next run need not look.
        """
        jobbook = self._batch.jobbook
        if jobbook is not None and isinstance(outcome, NotSent) and job.first_sent_at is not None:
            jobbook.cleared(job)
        self.tell(job, outcome)

    @property
    def full(self) -> bool:
        """A window of outcomes is unheard: nothing more is to be delivered."""
        return len(self._unheard) >= self._most

    async def room(self) -> None:
        """Waits while it is full."""
        while self.full:
            await self._next_heard()

    async def drained(self) -> None:
        """Waits until every outcome was heard."""
        while self._unheard:
            await self._next_heard()

    async def _next_heard(self) -> None:
        self._heard = self._heard or asyncio.Event()
        await self._heard.wait()

    def finish(self) -> None:
        """Tells what still waits for the disk, and cancels hooks of the caller's that are not done."""
        if self._batch.stopped is not None:
            for job, hook in tuple(self._unheard.items()):
                if hook is None and job.outcome is not None:  # the disk hangs
                    self.tell(job, job.outcome)
        self._finished = True
        for hook in self._unheard.values():
            if hook is not None:
                hook.cancel()

    def _settled(self, job: Job, outcome: Outcome, error: JournalError | None) -> None:
        if error is not None and not isinstance(error, ClaimLostError):  # that is the fate of one job
            self._stop(Stop(Kind.STORAGE, str(error)))  # the intent is on record: the next run looks it up
        if not job.ended:
            self.tell(job, outcome)

    def _hook_done(self, job: Job, hook: asyncio.Future[Any]) -> None:
        error = asyncio.CancelledError() if hook.cancelled() else hook.exception()
        if not self._finished and isinstance(error, Exception | asyncio.CancelledError | GeneratorExit):
            self._fail(callers_error(error, "on_progress"))
        self._pass_on(job)

    def _pass_on(self, job: Job) -> None:
        """It was heard: workers that waited for that look again."""
        self._unheard.pop(job, None)
        heard, self._heard = self._heard, None
        if heard is not None:
            heard.set()
