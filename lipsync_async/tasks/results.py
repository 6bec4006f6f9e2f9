"""Results as they come: of every job its task's ending, or its outcome where it has no task.

Jobs are submitted and tasks are waited for at the same time; a reader that is slow holds up the submitting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from inspect import isawaitable
from types import TracebackType
from typing import Self

import anyio

from lipsync_async.dispatch.account import callers_error
from lipsync_async.dispatch.job import Job
from lipsync_async.dispatch.jobbook import accepted_of
from lipsync_async.dispatch.streaming import Opened, OutcomeStream
from lipsync_async.downloads.crew import DownloadStatistics
from lipsync_async.endings import Ending, Result, Succeeded
from lipsync_async.errors import ClientClosedError
from lipsync_async.journal import AnyJournal
from lipsync_async.outcomes import Accepted, Outcome

from .again import Resubmission
from .fetching import Fetching
from .follower import Follower
from .taskbook import Taskbook
from .telling import OnTaskProgress, TaskProgress
from .ties import Ties
from .waiting import Waiting
from .wanted import wanted_of_job, wanted_of_record

Watch = Callable[[Job, Outcome], None]


class ResultStream:
    """`async with` begins, `async for` gives each result once, and ends when all are told.

    `outcomes` makes the stream of the jobs' outcomes, with the open journal and a hook that hears each at once.
    `timeout`: seconds that tasks are waited for after the last job came out; None: as long as it takes.
    `whole_journal`: the tasks of all accepted jobs of the journal are waited for as well.
    Raises what the stream of outcomes raises, and `ClientClosedError`.
    """

    def __init__(
        self,
        follow: Callable[[], Follower],
        outcomes: Callable[[AnyJournal | None, Watch], OutcomeStream],
        journal: Opened,
        *,
        wall_clock: Callable[[], float],
        timeout: float | None,
        resubmission: Callable[[AnyJournal | None], Resubmission | None] = lambda _: None,
        fetching: Callable[[Callable[[Succeeded], None], Taskbook | None], Fetching] | None = None,
        whole_journal: bool = False,
        room: int = 1_000,
    ) -> None:
        self._follow = follow
        self._make_outcomes = outcomes
        self._opened = journal
        self._wall_clock = wall_clock
        self._timeout = timeout
        self._make_resubmission = resubmission
        self._make_fetching = fetching
        self._fetching: Fetching | None = None
        self._whole_journal = whole_journal
        self._most = room
        self._ready: deque[Result] = deque()
        self._news = asyncio.Event()
        self._read = asyncio.Event()
        self._pumping: asyncio.Task[None] | None = None
        self._outcomes: OutcomeStream | None = None
        self._waiting: Waiting | None = None
        self._follower: Follower | None = None
        self._taskbook: Taskbook | None = None
        self._looked_up: set[str] = set()
        """Tasks of jobs that were open when it began: once they are accepted, the journal tells of them as well."""
        self._ties = Ties()
        """Second submissions of earlier runs, which are told with their jobs."""
        self._stopped = False
        self.on_progress: OnTaskProgress | None = None
        """Hears of each result before it is given out; what it raises, the reader gets."""
        self._told = 0
        self._heard: Result | None = None
        """One that it has heard of, and the reader has not got."""
        self.rest: list[Result] = []
        """Results that nobody read; tasks that were still waited for are in it as `StillRunning`."""

    async def __aenter__(self) -> Self:
        follower = self._follower = self._follow()
        journal = await self._opened.__aenter__()
        try:
            self._taskbook = None if journal is None else Taskbook(journal)
            if self._taskbook is not None:
                follower.learn(self._taskbook.lessons())
                self._ties = self._taskbook.ties() if self._whole_journal else Ties()
            self._waiting = Waiting(
                follower,
                self._put,
                taskbook=self._taskbook,
                resubmission=self._make_resubmission(journal),
                looks_up=self._whole_journal,
            )
            if self._make_fetching is not None:
                self._fetching = await self._make_fetching(self._ready_one, self._taskbook).__aenter__()
            self._outcomes = self._make_outcomes(journal, self._hear)
            await self._outcomes.__aenter__()
        except BaseException:
            if self._fetching is not None:
                await self._fetching.__aexit__(None, None, None)
            await self._opened.__aexit__(None, None, None)
            raise
        self._pumping = asyncio.get_running_loop().create_task(self._pump(), name="lipsync-results")
        self._pumping.add_done_callback(lambda _: self._news.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._outcomes is not None
        assert self._waiting is not None
        assert self._pumping is not None
        self._most = 1 << 62
        self._pumping.cancel()
        try:  # the first that is awaited here: a cancel scope that has ended cancels whatever it does not shield
            await self._outcomes.__aexit__(kind, error, trace)
        finally:
            with anyio.CancelScope(shield=True):
                await self._end(self._waiting)

    async def _end(self, waiting: Waiting) -> None:
        """What is waited for is told as still running; what was learned is kept."""
        assert self._outcomes is not None
        assert self._follower is not None
        assert self._pumping is not None
        waiting.stop()
        left = (it for it in self._outcomes.rest if it.external_task_id not in self._ties.jobs)
        self._ready.extend(it for it in left if not isinstance(it, Accepted))
        try:
            await asyncio.wait([self._pumping])
            await waiting.give_up()
            if self._fetching is not None:
                await self._fetching.__aexit__(None, None, None)
            if self._taskbook is not None:
                self._taskbook.remember(self._follower.lessons)
        finally:
            waiting.leave()
            self.rest.extend(self._ready)
            self._ready.clear()
            await self._opened.__aexit__(None, None, None)

    def __aiter__(self) -> AsyncIterator[Result]:
        return self

    async def __anext__(self) -> Result:
        pumping = self._pumping
        if pumping is None:
            raise ClientClosedError("a stream is entered first: `async with client.stream(...) as results:`")
        while not self._ready:
            if pumping.done():
                if not pumping.cancelled():
                    pumping.result()
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        self._read.set()
        result = self._ready.popleft()
        if self.on_progress is not None and result is not self._heard:
            await self._tell(self.on_progress, result)
        return result

    async def _tell(self, hook: OnTaskProgress, result: Result) -> None:
        """Where that fails, or is cancelled, the reader still gets the result, next or in `rest`."""
        self._told += 1
        try:
            waiting = hook(TaskProgress(self._told, None, result))
            if isawaitable(waiting):
                await waiting
        except BaseException as error:
            self._heard = result
            self._ready.appendleft(result)
            if isinstance(error, StopAsyncIteration):  # it would end the stream as if all were told
                raise callers_error(error, "on_progress") from error
            raise

    @property
    def downloads(self) -> DownloadStatistics | None:
        """How far the downloads are; None: none were asked for."""
        return None if self._fetching is None else self._fetching.statistics

    def stop(self) -> None:
        """Ends intake and patience: requests in flight finish, and tasks that did not end are told as running."""
        self._stopped = True
        if self._outcomes is not None and self._waiting is not None:
            self._outcomes.stop()
            self._waiting.stop()
        if self._fetching is not None:
            self._fetching.stop()

    def abort(self) -> None:
        """Ends it at once: requests in flight are broken off, and may have been acted upon."""
        self.stop()
        if self._outcomes is not None and self._waiting is not None:
            self._outcomes.abort()
            self._waiting.abort()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _hear(self, job: Job, outcome: Outcome) -> None:
        """A job came out: its task is waited for from this moment on."""
        assert self._waiting is not None
        if outcome.external_task_id in self._ties.jobs:
            self._waiting.came_out(outcome)
        elif isinstance(outcome, Accepted):
            wanted = wanted_of_job(job, outcome, self._wall_clock())
            self._waiting.add(wanted, outcome, job.request)
            if self._whole_journal:
                self._looked_up.add(outcome.task_id)

    async def _pump(self) -> None:
        assert self._outcomes is not None
        assert self._waiting is not None
        if self._whole_journal:
            await self._take_up()
        async for outcome in self._outcomes:
            if not isinstance(outcome, Accepted) and outcome.external_task_id not in self._ties.jobs:
                self._put(outcome)
            await self._room()
        await self._waiting.finish(self._timeout)
        if self._fetching is not None:
            await self._fetching.finish()

    async def _take_up(self) -> None:
        """The tasks of earlier runs."""
        assert self._taskbook is not None
        assert self._waiting is not None
        async for record in self._taskbook.accepted():
            if record.task_id not in self._looked_up and record.external_task_id not in self._ties.jobs:
                self._waiting.add(wanted_of_record(record), accepted_of(record, record.line))
                await self._room()

    def _put(self, result: Outcome | Ending) -> None:
        if isinstance(result, Accepted):
            return
        if self._fetching is not None and not self._stopped and isinstance(result, Succeeded) and result.videos:
            self._fetching.begin(result)
        else:
            self._ready_one(result)

    def _ready_one(self, result: Result) -> None:
        self._ready.append(result)
        self._news.set()

    async def _room(self) -> None:
        """The reader is slower than the gateway."""
        while len(self._ready) > self._most:
            self._read.clear()
            await self._read.wait()
