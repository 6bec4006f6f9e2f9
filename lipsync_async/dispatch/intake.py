"""Where jobs come from: the caller's source, pulled by whichever worker is free, and the heap of parked jobs.

A job that waits, backs off or is being looked up holds no slot: it is parked here.  Due jobs go before new ones;
a full heap pauses the source.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from itertools import count
from typing import Generic, Protocol, TypeVar, final

from lipsync_async.errors import HookError

WINDOWS = 4
"""How many windows of parked jobs pause the source."""
SHELVES = 64
"""How many windows of jobs that lack something do: what they lack is asked for that far ahead."""
EARLY = 1e-6
"""Seconds by which a timer may fire early and still be on time; else it would be set again and again at one moment."""


class Parked(Protocol):
    """What can be parked."""


@final
class Nothing:
    """There is nothing left for a worker to do."""


NOTHING_LEFT, NOT_NOW = Nothing(), Nothing()
New = TypeVar("New")
Old = TypeVar("Old", bound=Parked)


class Intake(Generic[New, Old]):
    """The one owner of what is yet to be done in a run; `next` is called by all its workers."""

    def __init__(self, source: Iterable[New] | AsyncIterable[New], window: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._async: AsyncIterator[New] | None = None
        self._sync: Iterator[New] = iter(())
        if isinstance(source, AsyncIterable):
            self._async = aiter(source)
        else:
            self._sync = iter(source)
        self._room = WINDOWS * window
        self._shelf: dict[Old, None] = {}
        self._shelf_room = SHELVES * window
        self._heap: list[tuple[float, int, Old]] = []
        self._order = count()
        self._exhausted = False
        self._stopped = False
        self._puller: asyncio.Task[object] | None = None
        self._idle: dict[asyncio.Future[None], None] = {}

    def __repr__(self) -> str:
        return f"<Intake {self.parked} parked, source {'exhausted' if self._exhausted else 'open'}>"

    @property
    def parked(self) -> int:
        """How many jobs wait for their time."""
        return len(self._heap) + len(self._shelf)

    @property
    def extra_workers(self) -> int:
        """An async source may take one worker for as long as it likes: parked jobs must not wait for it."""
        return 0 if self._async is None else 1

    def park(self, job: Old, due: float) -> None:
        """A job comes back at `due`, the loop's time; jobs of one time in the order of parking."""
        heapq.heappush(self._heap, (due, next(self._order), job))

    def shelve(self, job: Old) -> None:
        """A job waits for what it lacks, until it is taken off the shelf."""
        if self._stopped:
            self.park(job, self._loop.time())
        else:
            self._shelf[job] = None

    def unshelve(self, job: Old) -> None:
        """Something was made: the job is handed out again; nothing, where it is not on the shelf."""
        if job in self._shelf:
            del self._shelf[job]
            self.park(job, self._loop.time())
            self._wake_one()

    def hasten(self, job: Old) -> None:
        """A parked job need not wait any longer."""
        for place, (_, number, parked) in enumerate(self._heap):
            if parked is job:
                self._heap[place] = (self._loop.time(), number, job)
                heapq.heapify(self._heap)
                self._wake_one()
                return

    def stop(self, *, leave_source: bool = False) -> None:
        """Parked jobs are handed out at once; an async source is left, a sync one drained, unless it is to be left."""
        self._stopped = True
        for job in tuple(self._shelf):
            self.unshelve(job)
        if leave_source or self._async is not None:
            self._exhausted = True
        if self._puller is not None and self._puller is not asyncio.current_task(self._loop):
            self._puller.cancel()  # but a source that ends its own run is not waiting
        for waiter in self._idle:
            if not waiter.done():
                waiter.set_result(None)

    def rest(self, *, whole: bool) -> Iterator[New | Old]:
        """What nobody took: the parked jobs; with `whole` what is left of a sync source too."""
        while self._heap:
            yield heapq.heappop(self._heap)[2]
        if whole and not self._exhausted:
            yield from self._sync

    def take(self) -> New | Old | Nothing:
        """A parked job that is due, else a new one of a sync source; `NOT_NOW`: `next` waits, or knows the end.

        Raises what the source raises; it counts as exhausted then.
        """
        if self._heap and (self._stopped or self._heap[0][0] <= self._loop.time() + EARLY):
            return heapq.heappop(self._heap)[2]
        if self._exhausted or self._async is not None:
            return NOT_NOW
        if (self._heap or self._shelf) and not self._has_room():
            return NOT_NOW
        try:
            return next(self._sync)
        except StopIteration:
            self._end()
        except GeneratorExit as error:  # it would end the worker as if nobody wanted it any more
            self._end()
            raise HookError("the source of the jobs raised GeneratorExit") from error
        except BaseException:
            self._end()
            raise
        return NOT_NOW

    async def next(self) -> New | Old | Nothing:
        """The same, waited for; `Nothing`: there is nothing left for this worker to do."""
        while True:
            item = self.take()
            if item is not NOT_NOW:
                return item
            if self._async is not None and not self._exhausted and self._puller is None and self._has_room():
                try:
                    return await self._pull(self._async)
                except StopAsyncIteration:
                    self._end()
                except BaseException:
                    self._end()
                    raise
            elif self._exhausted and self.parked <= len(self._idle) and self._puller is None:
                return NOTHING_LEFT  # those who idle are enough for what is parked
            else:
                await self._rest()

    def _end(self) -> None:
        """The source has no more."""
        self._exhausted = True
        self._wake_all()

    def _has_room(self) -> bool:
        return self._stopped or (len(self._heap) < self._room and len(self._shelf) < self._shelf_room)

    async def _pull(self, source: AsyncIterator[New]) -> New:
        self._puller = asyncio.current_task()
        try:
            return await anext(source)
        except asyncio.CancelledError:
            task = self._puller
            if self._stopped and task is not None and task.uncancel() == 0:
                raise StopAsyncIteration from None
            raise
        finally:
            self._puller = None
            if self._stopped:  # nobody takes its place
                self._wake_all()
            else:
                self._wake_one()

    async def _rest(self) -> None:
        """Until the next parked job is due, or something changes."""
        waiter = self._loop.create_future()
        self._idle[waiter] = None
        due = self._heap[0][0] if self._heap else math.inf
        timer = None if due == math.inf else self._loop.call_at(due, _finish, waiter)
        try:
            await waiter
        finally:
            del self._idle[waiter]
            if timer is not None:
                timer.cancel()

    def _wake_one(self) -> None:
        for waiter in self._idle:
            if not waiter.done():
                waiter.set_result(None)
                return

    def _wake_all(self) -> None:
        for waiter in self._idle:
            _finish(waiter)


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
