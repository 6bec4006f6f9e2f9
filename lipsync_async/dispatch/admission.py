"""The door of the pacer: who may send next, in order of arrival, without a task or a timer a job.

`Pacer` is arithmetic; here it meets the event loop.  While nothing is held back, `admit` is a call and no wait.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

from .pacing import Pacing


class Waiter:
    """One job at the door; `party` is whose job it is, so that a batch that ends can call its own away."""

    __slots__ = ("admitted", "first", "party")

    def __init__(self, admitted: asyncio.Future[float | None], party: object, *, first: bool) -> None:
        self.admitted = admitted
        self.party = party
        self.first = first


class Admission:
    """One a client: rate, requests in flight and running tasks are the account's, whoever asks."""

    def __init__(self, pacer: Pacing, loop: asyncio.AbstractEventLoop) -> None:
        self._pacer = pacer
        self._loop = loop
        self._waiters: deque[Waiter] = deque()
        self._asides: deque[Waiter] = deque()
        """Requests that make no task: what holds the others back for running tasks does not hold these."""
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Admission {self.waiting} waiting at {self._pacer!r}>"

    @property
    def waiting(self) -> int:
        """How many requests stand at the door."""
        return len(self._waiters) + len(self._asides)

    @property
    def rows(self) -> tuple[int, int]:
        """How many requests stand at the door, and how many of those that make no task."""
        return len(self._waiters), len(self._asides)

    def try_admit(self) -> float | None:
        """The time of admission where one may pass at once, else None."""
        if self._waiters or self._asides:
            return None
        now = self._loop.time()
        return now if self._pacer.admit(now) == 0.0 else None

    async def admit(self, party: object, *, first: bool = False) -> float | None:
        """Waits until one request may be sent; the loop's time of its admission, or None where its party was dismissed.

        `first` goes before those that are not: a job that was refused before is older than the new ones.
        """
        waiter = Waiter(self._loop.create_future(), party, first=first)
        if first:
            older = sum(waiting.first for waiting in self._waiters)
            self._waiters.insert(older, waiter)
        else:
            self._waiters.append(waiter)
        self.poke()
        try:
            return await waiter.admitted
        except asyncio.CancelledError:
            self._give_back(waiter)
            raise

    async def admit_aside(self) -> None:
        """Waits until one request that makes no task may be sent; `leave_aside` is to be called when it has ended."""
        waiter = Waiter(self._loop.create_future(), None, first=False)
        self._asides.append(waiter)
        self.poke()
        try:
            await waiter.admitted
        except asyncio.CancelledError:
            if waiter in self._asides:
                self._asides.remove(waiter)
            elif not waiter.admitted.cancelled():
                self.leave_aside()
            raise

    def leave_aside(self) -> None:
        """A request that makes no task has ended."""
        self._pacer.ended_aside()
        self.poke()

    def poke(self) -> None:
        """Something was learned or freed: let in whoever may pass now, and set the clock for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._let_in(self._asides, self._pacer.admit_aside) if self._asides else math.inf
        if self._waiters:
            due = min(due, self._let_in(self._waiters, self._pacer.admit))
        if due < math.inf:
            self._timer = self._loop.call_at(due, self._ring)

    def _let_in(self, row: deque[Waiter], admit: Callable[[float], float]) -> float:
        """Lets in whoever may pass; when the next may, by the loop's clock; infinity: when something is learned."""
        while row:
            if row[0].admitted.done():  # cancelled, and not yet run to take itself away
                row.popleft()
                continue
            now = self._loop.time()
            delay = admit(now)
            if delay > 0.0:
                return now + delay
            row.popleft().admitted.set_result(now)
        return math.inf

    def dismiss(self, party: object) -> None:
        """Sends away all that wait for one party: their `admit` returns None."""
        kept = deque(waiter for waiter in self._waiters if waiter.party is not party)
        gone = [waiter for waiter in self._waiters if waiter.party is party]
        self._waiters = kept
        for waiter in gone:
            if not waiter.admitted.done():
                waiter.admitted.set_result(None)
        self.poke()

    def _ring(self) -> None:
        self._timer = None
        self.poke()

    def _give_back(self, waiter: Waiter) -> None:
        """A waiter that was cancelled leaves the row; one that had just been let in returns its place."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif not waiter.admitted.cancelled() and (sent_at := waiter.admitted.result()) is not None:
            self._pacer.ended(self._loop.time(), sent_at)
            self.poke()
