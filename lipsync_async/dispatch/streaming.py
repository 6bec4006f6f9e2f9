"""A run as its caller sees it: outcomes as they come, a journal for as long as it takes, an end with grace."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from inspect import isawaitable
from types import TracebackType
from typing import Any, Self, cast

import anyio
from attrs import frozen

from lipsync_async.config import RunOptions
from lipsync_async.errors import ClientClosedError, WrongArgumentError
from lipsync_async.gateways import Gateway
from lipsync_async.given import expect_callable, shown
from lipsync_async.jobs import JobList
from lipsync_async.jobs.handing import requests_in
from lipsync_async.journal import AnyJournal, Journal
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Outcome
from lipsync_async.terms import Kind

from .account import Account, Stoppable, callers_error, is_cancelled
from .brake import Stop
from .job import Job
from .jobbook import Jobbook
from .missing import Maker
from .run import Run

LAST_WORDS = 5.0
"""Seconds for what was broken off to be written down and told."""
CANCELLED = Stop(Kind.CANCELLED, "the batch was cancelled")
STOPPED = Stop(Kind.CANCELLED, "the client was stopped")


@frozen
class Progress:
    """What `on_progress` is told, once an outcome."""

    done: int
    total: int | None
    """None where the length is not known."""
    outcome: Outcome


OnProgress = Callable[[Progress], Awaitable[None] | None]
"""Called once an outcome; where it is async, the jobs go on meanwhile, until a window of outcomes is unheard.

What it raises ends the run, which raises it when what was in flight has come out.
"""
Requests = Iterable[LipSyncRequest] | AsyncIterable[LipSyncRequest] | JobList
"""Requests; or a list in a file, of which a broken line comes out as rejected."""
Jobs = Iterable[LipSyncRequest | Job] | AsyncIterable[LipSyncRequest | Job] | JobList
"""The same; or jobs, where a line of a list is to reach the outcome."""
JournalLike = str | os.PathLike[str] | AnyJournal
"""A path, a URL such as `postgresql://user@host/database`, or a journal that is open."""


MakeMaker = Callable[[AnyJournal | None, RunOptions | None], Maker]
"""Makes the maker of a run, with its open journal."""


def tell_progress(hook: OnProgress, progress: Progress) -> Awaitable[None] | None:
    """Calls the hook; returns what is to be awaited, if anything."""
    told = hook(progress)
    return told if isawaitable(told) else None


async def drain(runs: Collection[Stoppable], grace: float) -> None:
    """Runs that were stopped end within the grace, then are broken off.

    Shielded from cancel scopes; a second native cancellation ends the grace at once.
    """
    workers = [worker for run in runs for worker in run.workers]
    if not workers:
        return
    with anyio.CancelScope(shield=True):
        try:
            await asyncio.wait(workers, timeout=grace)
        finally:
            for run in runs:
                run.abort()
            try:
                await asyncio.wait(workers, timeout=LAST_WORDS)
            finally:  # also where another cancellation cuts the last words short
                stuck = [worker for worker in workers if not worker.done()]
                for worker in stuck:  # in the caller's own hook or source, or at a disk that hangs
                    worker.cancel()
                if stuck:
                    await asyncio.wait(stuck)


def jobs_in(jobs: JobList) -> Iterator[Job]:
    """A job a line, whose number reaches the outcome."""
    return (Job(cast("LipSyncRequest", request), line=line) for line, request in requests_in(jobs))


async def each(jobs: Iterable[LipSyncRequest] | AsyncIterable[LipSyncRequest]) -> AsyncIterator[LipSyncRequest]:
    """The requests, however they are given."""
    try:
        if isinstance(jobs, AsyncIterable):
            async for request in jobs:
                yield request
        else:
            for request in jobs:
                yield request
    except (asyncio.CancelledError, StopAsyncIteration) as error:
        if is_cancelled(error):
            raise
        raise callers_error(error, "the source of the jobs") from error


async def finish(run: Run, grace: float, jobs: int | None = None) -> None:
    """Waits for a run; when cancelled, it gives requests in flight `grace` seconds, then breaks them off."""
    workers = run.start(jobs)
    try:
        if workers:
            await asyncio.wait(workers)
    except asyncio.CancelledError:
        run.stop(CANCELLED)
        await drain((run,), grace)
        raise
    finally:
        run.finish()
        await run.aclose(grace)
    for worker in workers:
        if not worker.cancelled():  # by `aclose`, whose grace was over: its job has come out
            worker.result()
    if run.failure is not None:
        raise run.failure
    run.check(jobs)


class OutcomeStream:
    """Outcomes as they come; `async for` ends when every job came out. Raises what the caller's source raised.

    `watch` is called with each job and its outcome at once, before anybody reads it.
    """

    def __init__(
        self,
        ready: Callable[[], Account],
        jobs: Jobs | None,
        on_progress: OnProgress | None,
        journal: Opened,
        options: RunOptions | None,
        *,
        window: int,
        grace: float,
        watch: Callable[[Job, Outcome], None] | None = None,
        make_maker: MakeMaker | None = None,
    ) -> None:
        expect_callable("on_progress", on_progress)
        self._ready_account = ready
        self._watch = watch
        self._make_maker = make_maker
        self._jobs = jobs_in(jobs) if isinstance(jobs, JobList) else jobs
        self._on_progress = on_progress
        self._journal = journal
        self._options = options
        self._ready: deque[Outcome] = deque()
        self._window = self._bound = window
        self._grace = grace
        self._room: deque[asyncio.Future[None]] = deque()
        self._readers: deque[asyncio.Future[None]] = deque()
        self._workers: list[asyncio.Task[None]] = []
        self._open = 0
        self._done = 0
        self._run: Run | None = None
        self.rest: list[Outcome] = []
        """Outcomes that came when nobody asked any more."""

    async def __aenter__(self) -> Self:
        self._ready_account()
        journal = await self._journal.__aenter__()
        jobbook = book_of(journal)
        try:
            account = self._ready_account()  # it may have been closed since
            jobs = self._jobs
            if jobbook is not None:
                jobs = jobbook.unresolved() if jobs is None else jobs
            self._run = Run(
                account,
                jobs or (),
                self._deliver,
                window=self._window,
                options=self._options,
                jobbook=jobbook,
                maker=self._make_maker and self._make_maker(journal, self._options),
            )
        except BaseException:
            await self._journal.__aexit__(None, None, None)
            raise
        self._workers = self._run.start()
        self._open = len(self._workers)
        for worker in self._workers:
            worker.add_done_callback(self._worker_done)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run = self._run
        assert run is not None
        try:
            run.stop(CANCELLED, leave_source=True)
            self._bound = 1 << 62
            self._make_room()
            await drain((run,), self._grace)
        finally:
            run.finish()
            self.rest.extend(self._ready)
            self._ready.clear()
            with anyio.CancelScope(shield=True):
                await run.aclose(self._grace)
                await self._journal.__aexit__(kind, error, trace)
        if error is None:
            run.check()

    def __aiter__(self) -> AsyncIterator[Outcome]:
        return self

    async def __anext__(self) -> Outcome:
        if self._run is None:
            raise ClientClosedError("a stream is entered first: `async with client.stream(jobs) as outcomes:`")
        while not self._ready:
            if not self._open:
                if self._run.failure is not None:
                    raise self._run.failure
                raise StopAsyncIteration
            news = asyncio.get_running_loop().create_future()
            self._readers.append(news)
            await news
        outcome = self._ready.popleft()
        if self._room:
            self._make_room()
        return outcome

    def stop(self) -> None:
        """Ends intake; requests in flight finish, and all comes out."""
        if self._run is not None:
            self._run.stop(STOPPED)

    def abort(self) -> None:
        """Ends it at once: requests in flight are broken off, and may have been acted upon."""
        if self._run is not None:
            self._run.stop(STOPPED)
            self._run.break_off()

    def _deliver(self, job: Job, outcome: Outcome) -> Awaitable[Any] | None:
        self._done += 1
        if self._watch is not None:
            self._watch(job, outcome)
        self._ready.append(outcome)
        self._tell_news()
        waiting: Awaitable[None] | None = None
        if self._on_progress is not None and self._run is not None and self._run.failure is None:
            waiting = tell_progress(self._on_progress, Progress(self._done, None, outcome))
        if len(self._ready) <= self._bound:
            return waiting
        room = asyncio.ensure_future(self._wait_for_room())
        return room if waiting is None else asyncio.gather(waiting, room)

    async def _wait_for_room(self) -> None:
        """The reader is slower than the gateway."""
        while len(self._ready) > self._bound:
            room = asyncio.get_running_loop().create_future()
            self._room.append(room)
            await room

    def _worker_done(self, worker: asyncio.Task[None]) -> None:
        self._open -= 1
        if not worker.cancelled() and (error := worker.exception()) is not None and self._run is not None:
            self._run.failure = self._run.failure or error
        self._tell_news()

    def _tell_news(self) -> None:
        while self._readers:  # all of them: one that was told may be gone before it runs
            reader = self._readers.popleft()
            if not reader.done():
                reader.set_result(None)

    def _make_room(self) -> None:
        while self._room and len(self._ready) <= self._bound:
            room = self._room.popleft()
            if not room.done():
                room.set_result(None)


def book_of(journal: AnyJournal | None) -> Jobbook | None:
    """The journal as a run uses it."""
    return None if journal is None else Jobbook(journal)


class Opened:
    """A journal for as long as a run takes.

    Where a path is given it is opened, once for all runs of this process that use it at the same time;
    a journal that the caller opened is left open.
    """

    def __init__(self, journal: JournalLike | AnyJournal | None, gateway: Gateway, account: str) -> None:
        if journal is not None and not isinstance(journal, str | os.PathLike) and not hasattr(journal, "recall"):
            raise WrongArgumentError(f"journal must be a path or an open Journal, not {shown(journal)}")
        self._given = journal
        self._gateway = gateway
        self._account = account
        self._shared: AbstractAsyncContextManager[AnyJournal] | None = None

    def again(self, journal: AnyJournal | None) -> Opened:
        """The same, of which the journal is open already."""
        return Opened(journal, self._gateway, self._account)

    async def __aenter__(self) -> AnyJournal | None:
        if self._given is None or not isinstance(self._given, str | os.PathLike):
            return self._given
        shared = Journal.shared(self._given, gateway=self._gateway.base_url, account=self._account)
        journal = await shared.__aenter__()
        self._shared = shared
        return journal

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shared is not None:
            await self._shared.__aexit__(None, None, None)
