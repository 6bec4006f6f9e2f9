"""One batch: workers that take a job and carry out what comes next for it, until it has come out.

    intake -> entry -> sending -> asking -> delivery

Every decision is made elsewhere: the rooms on the way return what comes next (`steps`), and here it is done.
On the way of a job that is accepted there is no task, no queue, no cancel scope and no timer;
a caller's hook that is async is a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterable, Iterable
from functools import partial

from lipsync_async.config import RunOptions
from lipsync_async.errors import LipSyncError
from lipsync_async.given import expect
from lipsync_async.models import LipSyncRequest
from lipsync_async.terms import Kind
from lipsync_async.wire.flight import Flight

from .account import LOG, Account, callers_error, is_cancelled
from .asking import Asking
from .batch import Batch
from .brake import Stop
from .delivery import Deliver, Delivery
from .endings import interrupted, unfinished
from .entry import Entry
from .intake import NOT_NOW, Intake, Nothing
from .job import Job
from .jobbook import Jobbook
from .making import Making
from .missing import Maker
from .pacebook import Pacebook, watch
from .sending import Sending
from .steps import ASK, SEND, End, Join, Next, Park, Shelve

_LAST = frozenset({End, Park, Shelve, Join})
"""Steps after which a worker takes another job."""
YIELD_EVERY = 64
"""Jobs that one worker may end without waiting for anything before others get their turn."""


class Run:
    """One batch: from a source of jobs to an outcome each."""

    def __init__(
        self,
        account: Account,
        source: Iterable[LipSyncRequest | Job] | AsyncIterable[LipSyncRequest | Job],
        deliver: Deliver,
        *,
        window: int,
        options: RunOptions | None = None,
        jobbook: Jobbook | None = None,
        maker: Maker | None = None,
    ) -> None:
        expect("options", options, RunOptions)
        self._account = account
        self._batch = batch = Batch(account, options or RunOptions(), jobbook, maker)
        self._intake: Intake[LipSyncRequest | Job, Job] = Intake(source, window)
        self._entry = Entry(batch)
        self._making = Making(batch, self._intake.unshelve)
        self._sending = Sending(batch)
        self._asking = Asking(batch)
        self._delivery = Delivery(batch, deliver, window, stop=self.stop, fail=self.fail)
        self._flights: list[Flight] = []
        self._turns = 0
        self._pacebook: Pacebook | None = None
        self._finite = False
        """All that is in the source was handed in, pulled or not."""
        self.window = window
        self.workers: list[asyncio.Task[None]] = []
        self.failure: BaseException | None = None
        """What the caller's source or hook raised: the run ends, and raises it."""

    @property
    def stopped(self) -> Stop | None:
        """Why the batch was stopped, if it was."""
        return self._batch.stopped

    def start(self, jobs: int | None = None) -> list[asyncio.Task[None]]:
        """One task a worker; `jobs`, where it is known, spares idle ones."""
        workers = self.window + self._intake.extra_workers
        if jobs is not None:
            workers, self._finite = min(workers, jobs), True
        self._account.runs.add(self)
        if self._batch.jobbook is not None:
            self._pacebook = watch(self._batch.jobbook.journal, self._account)
        create_task = self._account.loop.create_task
        self.workers = [create_task(self._work(), name=f"lipsync-{number}") for number in range(workers)]
        return self.workers

    def finish(self) -> None:
        """It takes no part in stops any more; what workers that were taken away left behind comes out now."""
        self._account.runs.discard(self)
        if self.stopped is not None:
            for item in self._intake.rest(whole=self._finite):
                job = item if isinstance(item, Job) else Job(item)
                self._delivery.tell(job, self._entry.sweep(job))
        self._delivery.finish()
        if self._pacebook is not None:
            self._pacebook.end()
            self._pacebook = None

    def check(self, jobs: int | None = None) -> None:
        """Raises `LipSyncError` where not every job came out; after `finish`. `jobs` is how many were handed in."""
        handed_in = max(self._entry.taken, jobs or 0)
        if self._delivery.told < handed_in:
            raise LipSyncError(f"only {self._delivery.told} of {handed_in} jobs came out: a fault of this library's")

    def stop(self, stop: Stop, *, leave_source: bool = False) -> None:
        """Intake ends; requests in flight may finish; all else comes out as not sent.

        `leave_source`: what was not pulled yet was never handed in.
        """
        if self.stopped is None:
            self._batch.stopped = stop
            level = logging.INFO if stop.kind is Kind.CANCELLED else logging.WARNING
            LOG.log(level, "the batch stops (%s): %s", stop.kind, stop.message)
            self._intake.stop(leave_source=leave_source)
            self._account.admission.dismiss(self._batch)
            if self._batch.maker is not None:
                self._batch.maker.stop()

    async def aclose(self, grace: float) -> None:
        """Ends what is still being made for jobs that have come out without it."""
        if self._batch.maker is not None:
            await self._batch.maker.aclose(grace)

    def abort(self) -> None:
        """Breaks off what is in flight: what may have been acted upon becomes Unknown."""
        for flight in self._flights:
            flight.abort(Kind.CANCELLED)

    def break_off(self) -> None:
        """The same, and what is being made for jobs is broken off as well."""
        self.abort()
        if self._batch.maker is not None:
            self._batch.maker.abort()

    def fail(self, error: Exception) -> None:
        """An error of the caller's ends the batch; it is raised when all has come out."""
        self.failure = self.failure or error
        self.stop(Stop(Kind.CANCELLED, f"the run failed: {type(error).__name__}"))

    async def _work(self) -> None:
        flight = Flight()
        self._flights.append(flight)
        with self._account.wire.watching(flight):
            while True:
                item = self._at_hand()
                if item is NOT_NOW:
                    item = await self._next()
                if type(item) is Nothing:
                    break
                job = item if isinstance(item, Job) else Job(item)
                try:
                    await self._walk(job, flight)
                except (Exception, asyncio.CancelledError) as error:
                    if is_cancelled(error):  # its grace is over: nothing is waited for any more
                        if not self._delivery.has(job):
                            self._delivery.cut_off(job, interrupted(job, flight.phase, "the batch was cancelled"))
                        raise
                    self.fail(callers_error(error, "the caller's code"))
                    if not self._delivery.has(job):
                        self._delivery.deliver(job, interrupted(job, flight.phase, "the run failed"))
                self._turns += 1
                if not self._turns % YIELD_EVERY:
                    await asyncio.sleep(0)
                if self._delivery.full:
                    await self._delivery.room()
            await self._delivery.drained()

    def _at_hand(self) -> LipSyncRequest | Job | Nothing:
        """A job for which nobody has to wait."""
        try:
            return self._intake.take()
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                raise
            self.fail(callers_error(error, "the source of the jobs"))
            return NOT_NOW

    async def _next(self) -> LipSyncRequest | Job | Nothing:
        while True:
            try:
                return await self._intake.next()
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelled(error):
                    raise
                self.fail(callers_error(error, "the source of the jobs"))

    async def _walk(self, job: Job, flight: Flight) -> None:
        """Carries out what comes next for a job, until it waits or has come out."""
        batch = self._batch
        step: Next
        if not job.begun:
            step = self._entry.at_once(job) or await self._entry.look_over(job)
        elif job.waits_for is not None or job.elsewhere:
            step = await self._entry.claim_again(job)
        else:
            step = SEND if job.inquiry is None else ASK
        while type(step) not in _LAST:
            if type(step) is Stop:
                self.stop(step)
            if batch.stopped is not None:
                step = End(unfinished(job, batch.stopped.kind, batch.stopped.message))
            elif step is SEND:
                step = self._making.prepare(job) or await self._sending.send(job, flight)
            else:
                step = await self._asking.ask(job, flight)
        if type(step) is End:
            self._end(job, step)
        else:
            self._put_aside(job, step)

    def _put_aside(self, job: Job, step: Next) -> None:
        match step:
            case Park():
                self._intake.park(job, step.due)
            case Shelve():
                self._intake.shelve(job)
            case Join():
                self._join(job, step.first)

    def _join(self, job: Job, first: Job) -> None:
        self._intake.park(job, math.inf)
        for registry in self._batch.registries:
            if registry.has(first):
                registry.when_released(first, partial(self._intake.hasten, job))
                return

    def _end(self, job: Job, end: End) -> None:
        if end.write:
            self._delivery.deliver(job, end.outcome)
        else:
            self._delivery.tell(job, end.outcome)
        if end.stop is not None:
            self.stop(end.stop)
