"""Many processes at one account, in virtual time: real pacers and doors, a store in memory, a small gateway."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable

import attrs

from lipsync_async.config import Limits
from lipsync_async.dispatch.admission import Admission
from lipsync_async.dispatch.pacing import Pacer, Pacing
from lipsync_async.dispatch.pacing.book import Book
from lipsync_async.dispatch.pacing.exchange import Grant, Report, Turn
from lipsync_async.sharing.protocol import StoreAwayError
from lipsync_async.sharing.turns import SharedPacer
from lipsync_async.terms import Kind
from tests.simulation.virtual import VirtualLoop


@attrs.define
class Shelf:
    """The state of a store that lies in memory, and what was seen of it.

    It is frozen and thawed every tenth time: that it changes nothing is another test's.
    """

    clock: Callable[[], float]
    dice: Callable[[], float]
    book: Book | None = None
    away: bool = False
    granted: list[Turn] = attrs.field(factory=list)
    exchanges: int = 0

    def exchange(self, report: Report) -> Grant:
        """Has a report applied."""
        self.exchanges += 1
        book = self.book or Book(report.rules, dice=self.dice)
        repeated = report.member in book.members and report.number <= book.members[report.member].number
        grant = book.exchange(report, self.clock())
        if not repeated:
            self.granted += grant.turns
        if self.exchanges % 10 == 0:
            book = Book.thaw(book.freeze(), report.rules, self.clock(), dice=self.dice)
        self.book = book
        return grant


@attrs.define
class MemoryStore:
    """One process's way to the shelf: answers take `latency` there and back, and may be lost at either end."""

    shelf: Shelf
    latency: float
    lost: Callable[[], float] = lambda: 1.0
    loss: float = 0.0

    async def exchange(self, report: Report) -> Grant:
        """Has a report applied."""
        await asyncio.sleep(self.latency / 2)
        if self.shelf.away or self.lost() < self.loss:
            raise StoreAwayError("away")
        grant = self.shelf.exchange(report)
        await asyncio.sleep(self.latency / 2)
        if self.lost() < self.loss:
            raise StoreAwayError("the answer was lost")
        return grant

    async def aclose(self) -> None:
        """Nothing to close."""

    def __str__(self) -> str:
        return "memory"


class Bucket:
    """A limiter as nginx has it: `rate` a second, `burst` saved; refuses with a Retry-After where one is given."""

    def __init__(self, rate: float, burst: float, hint: float | None = 1.0) -> None:
        self.rate, self.burst, self.hint = rate, burst, hint
        self._excess, self._at = 0.0, -math.inf

    def ask(self, now: float) -> tuple[Kind | None, float | None] | None:
        """None where a request is taken, else why it is refused and a Retry-After."""
        excess = max(0.0, self._excess - (now - self._at) * self.rate)
        if self._at == -math.inf:
            excess = 0.0
        elif excess + 1 > self.burst + 1:
            return None, self.hint
        self._excess, self._at = excess + 1 if self._at > -math.inf else 1.0, now
        return None


class Slots:
    """A limit of running tasks, of lengths that are drawn."""

    def __init__(self, slots: int, low: float, high: float, dice: random.Random) -> None:
        self.slots, self._low, self._high, self._dice = slots, low, high, dice
        self.ends: list[float] = []
        self.used = 0.0
        self.length = 0.0

    def ask(self, now: float) -> tuple[Kind | None, float | None] | None:
        """None where a request is taken, else why it is refused and a Retry-After."""
        self.ends = [end for end in self.ends if end > now]
        if len(self.ends) >= self.slots:
            return Kind.CAPACITY, None
        self.length = self._dice.uniform(self._low, self._high)
        self.ends.append(now + self.length)
        return None


@attrs.define
class Seat:
    """One process: its pacer and its door, and what came of its requests."""

    pacer: Pacing
    door: Admission
    accepted: int = 0
    refused: int = 0
    at: list[float] = attrs.field(factory=list)
    dead: bool = False


@attrs.define(kw_only=True)
class Fleet:
    """`seats` processes with `workers` requests each at the door, at one gateway."""

    seats: int
    gateway: Bucket | Slots
    seed: int = 1
    latency: float = 0.001
    trip: float = 0.05
    workers: int = 8
    jobs: int = 0
    """Of each process; 0: more than enough."""
    shared: bool = True
    sight: float | None = None
    """Seconds after its end in which a task's end is seen; None: never."""
    loss: float = 0.0
    limits: Limits = attrs.field(factory=Limits)
    loop: VirtualLoop = attrs.field(factory=VirtualLoop)
    dice: random.Random = attrs.field(init=False)
    shelf: Shelf = attrs.field(init=False)
    crew: list[Seat] = attrs.field(factory=list)
    tasks: list[asyncio.Task[None]] = attrs.field(factory=list)
    done_at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.shelf = Shelf(self.loop.time, self.dice.random)

    def store(self) -> MemoryStore:
        """A process's way to the shelf."""
        return MemoryStore(self.shelf, self.latency, self.dice.random, self.loss)

    async def seat(self, number: int) -> Seat:
        """A process that begins."""
        if not self.shared:
            pacer: Pacing = Pacer(self.limits, dice=self.dice.random)
            return Seat(pacer, Admission(pacer, self.loop))
        shared = SharedPacer(self.store(), self.limits, f"m{number}", dice=self.dice.random)
        seat = Seat(shared, Admission(shared, self.loop))
        shared.bind(door=lambda: seat.door.rows, poke=seat.door.poke, stop=lambda _: None)
        try:
            await shared.start()
        except StoreAwayError as error:
            shared.alone(error)
        return seat

    async def work(self, seat: Seat, left: list[int]) -> None:
        """Sends jobs one after another, each until it is accepted."""
        while left[0] > 0 and not seat.dead:
            left[0] -= 1
            while True:
                sent_at = await seat.door.admit(seat)
                assert sent_at is not None
                await asyncio.sleep(self.trip * (0.4 + 0.2 * self.dice.random()))
                now = self.loop.time()
                answer = self.gateway.ask(now)
                length = getattr(self.gateway, "length", 0.0)
                await asyncio.sleep(self.trip * (0.4 + 0.2 * self.dice.random()))
                if seat.dead:
                    await asyncio.Event().wait()
                if answer is None:
                    seat.accepted += 1
                    seat.at.append(now)
                    seat.pacer.accepted(self.loop.time(), sent_at)
                    if self.sight is not None:
                        self.loop.call_later(length + self.sight, self.end, seat, length)
                    seat.door.poke()
                    break
                seat.refused += 1
                seat.pacer.refused(self.loop.time(), sent_at, *answer)
                seat.door.poke()
        self.done_at = self.loop.time()

    def end(self, seat: Seat, length: float) -> None:
        """A task was seen to end."""
        if not seat.dead:
            assert self.sight is not None
            seat.pacer.completed(self.loop.time(), age=length + self.sight, took=length)
            seat.door.poke()

    def kill(self, number: int) -> None:
        """The process is gone: it sends nothing and says nothing any more."""
        seat = self.crew[number]
        seat.dead = True
        for task in self.tasks[number * self.workers : (number + 1) * self.workers]:
            task.cancel()
        if isinstance(seat.pacer, SharedPacer) and seat.pacer._task is not None:
            seat.pacer._task.cancel()

    async def sail(self, seconds: float | None = None) -> None:
        """Begins all processes, and waits for their jobs."""
        self.crew = [await self.seat(number) for number in range(self.seats)]
        for seat in self.crew:
            left = [self.jobs or 10**9]
            self.tasks += [self.loop.create_task(self.work(seat, left)) for _ in range(self.workers)]
        await asyncio.wait(self.tasks, timeout=seconds)

    def run(self, seconds: float | None = None) -> Fleet:
        """Until all jobs are done, or for so many seconds."""
        self.loop.run_to_end(self.sail(seconds))
        return self

    def book(self) -> Book:
        """The book as it lies in the store."""
        assert self.shelf.book is not None
        return self.shelf.book

    # -- what came of it ------------------------------------------------------------------------------------------

    @property
    def accepted(self) -> int:
        """Jobs of all processes."""
        return sum(seat.accepted for seat in self.crew)

    @property
    def refused(self) -> float:
        """The share of requests."""
        refused = sum(seat.refused for seat in self.crew)
        return refused / max(1, refused + self.accepted)

    @property
    def jain(self) -> float:
        """Jain's index of fairness, over what each was accepted for: 1.0 is fair."""
        got = [float(seat.accepted) for seat in self.crew if not seat.dead]
        return sum(got) ** 2 / (len(got) * sum(one * one for one in got))

    def __str__(self) -> str:
        return (
            f"{self.accepted} accepted, {self.refused:.1%} refused, Jain {self.jain:.4f}, "
            f"{self.shelf.exchanges / max(1, self.accepted):.2f} exchanges a job"
        )
