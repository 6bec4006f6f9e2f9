"""Several downloads at a time, with a bound of their own: they begin with the first task that is finished.

Each is handed in with what asks its task for an address, and its result is told as soon as it is there.
A crew that is left early stops, and leaves nothing half done in the store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from lipsync_async.endings import Download, Downloaded, DownloadFailed, DownloadKind

from .fetcher import Fetcher
from .names import Names
from .store import Store
from .stream import Renew, is_cancelled

AT_A_TIME = 8


class _Wish(NamedTuple):
    """A video that is to be fetched."""

    external_task_id: str | None
    task_id: str
    renew: Renew
    name: str


class DownloadStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How far the downloads of a crew are."""

    waiting: int
    running: int
    done: int
    failed: int
    bytes_kept: int
    """Of the videos that are whole and in their place."""
    bytes_received: int
    """Of all that came, what was cut and came again included."""
    bytes_per_second: float
    """Received, over the last ten seconds."""


class Crew:
    """Downloads into one store; an async context manager, and an async iterator over the results.

    `add` hands in, `close` says that nothing more comes, iteration ends when all is told.
    `fetch` is for one download, by the same bound, and its result is told to its caller alone.
    """

    def __init__(
        self, fetcher: Fetcher, store: Store, *, names: Names | None = None, at_a_time: int = AT_A_TIME
    ) -> None:
        """`names` knows the ids whose videos the store has or gets, where they are known before."""
        if at_a_time < 1:
            raise ValueError("at least one download at a time")
        self._fetcher = fetcher
        self._store = store
        self._names = names or Names()
        self._at_a_time = at_a_time
        self._places = asyncio.Semaphore(at_a_time)
        self._queue: deque[_Wish] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._alone: set[asyncio.Task[Download]] = set()
        self._told: asyncio.Queue[Download | None] = asyncio.Queue()
        self._closed = False
        self._waiting = self._running = self._done = self._failed = self._kept = 0

    def __repr__(self) -> str:
        waiting = self._waiting + len(self._queue)
        return f"<Crew, {self._running} running, {waiting} waiting, {self._done} done, {self._failed} failed>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def statistics(self) -> DownloadStatistics:
        """How far it is."""
        meter = self._fetcher.meter
        return DownloadStatistics(
            waiting=self._waiting + len(self._queue),
            running=self._running,
            done=self._done,
            failed=self._failed,
            bytes_kept=self._kept,
            bytes_received=meter.total,
            bytes_per_second=meter.rate(asyncio.get_running_loop().time()),
        )

    async def fetch(self, external_task_id: str | None, task_id: str, renew: Renew) -> Download:
        """Fetches one video as soon as a place is free; cancelled, it leaves nothing."""
        task = asyncio.create_task(self._fetch(self._wish(external_task_id, task_id, renew)))
        self._alone.add(task)
        task.add_done_callback(self._alone.discard)
        try:
            return await task
        except asyncio.CancelledError:
            if is_cancelled():
                raise
        words = "the downloads were stopped"
        return DownloadFailed(
            external_task_id=external_task_id, task_id=task_id, kind=DownloadKind.REFUSED, message=words
        )

    def _wish(self, external_task_id: str | None, task_id: str, renew: Renew) -> _Wish:
        # The name is taken now, so that the order of handing in decides which of two that fold has the plain one.
        return _Wish(external_task_id, task_id, renew, self._names.of(external_task_id or task_id))

    async def _fetch(self, wish: _Wish) -> Download:
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        self._running += 1
        try:
            found = await self._fetcher.fetch(wish.external_task_id, wish.task_id, wish.renew, self._store, wish.name)
        finally:
            self._running -= 1
            self._places.release()
        if isinstance(found, Downloaded):
            self._done += 1
            self._kept += found.size
        else:
            self._failed += 1
        return found

    # -- many -------------------------------------------------------------------------------------------------------

    def add(self, external_task_id: str | None, task_id: str, renew: Renew) -> None:
        """Hands in one video; it never waits. Raises RuntimeError after `close`."""
        if self._closed:
            raise RuntimeError("a crew that is closed takes nothing more")
        self._queue.append(self._wish(external_task_id, task_id, renew))
        self._hire()

    def _hire(self) -> None:
        if self._queue and len(self._workers) < self._at_a_time:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._leave)

    async def _work(self) -> None:
        while self._queue:
            self._told.put_nowait(await self._fetch(self._queue.popleft()))

    def _leave(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._hire()  # what was handed in after it had seen that nothing waits
        self._end_if_over()

    def close(self) -> None:
        """Nothing more comes: iteration ends when what was handed in is told."""
        self._closed = True
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._closed and not self._workers:
            self._told.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[Download]:
        """The results, as they come; one reader at a time."""
        while (found := await self._told.get()) is not None:
            yield found
        self._told.put_nowait(None)  # for who asks again

    async def stop(self) -> None:
        """Breaks off what is under way, and waits until nothing is left of it; a second call does nothing."""
        self._queue.clear()
        tasks = {*self._workers, *self._alone}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.close()
