"""Owners that die, freeze and come back, a server that loses answers and acts late, and a gateway that bills all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

from attrs import define, field

from lipsync_async.errors import ClaimLostError
from lipsync_async.journal.claims import Away, Claim, Elsewhere, Fate, Lease, Line, Settled, Taken
from lipsync_async.journal.record import Record, State
from lipsync_async.journal.shared import SharedJournal
from tests.journal.memory_table import MemoryTable, NoReader
from tests.simulation.virtual import VirtualLoop

LEASE, HOLD, SETTLE = 3.0, 5.0, 4.0
T = TypeVar("T")


@define
class Trouble:
    """Something that happens to one owner at its so-manieth await, or to the server at one moment."""

    what: str
    """`die`, `freeze`, `outage`."""
    whom: int
    at: int
    """The await; of an outage tenths of a second."""
    seconds: float


@define
class World:
    """A table at a server, and a gateway where every create that arrives makes a task and is billed."""

    dice: Random
    faults: float
    jobs: int
    table: MemoryTable = field(init=False)
    down: bool = False
    tasks: dict[str, list[str]] = field(factory=dict)
    owners: list[Owner] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.table = MemoryTable(now=lambda: asyncio.get_running_loop().time())

    async def ask(self, owner: Owner, call: Callable[[], Awaitable[T]]) -> T:
        """One question to the server, as it may go."""
        await owner.thaw()
        await asyncio.sleep(self.dice.uniform(0.0, 0.01))
        await owner.thaw()
        way = self.dice.random()
        if self.down or way < self.faults / 3:
            raise Away("it did not arrive")
        if way < self.faults * 2 / 3:
            self._act_late(call)
            raise Away("it arrives late, and its answer never")
        answer = await call()
        await asyncio.sleep(self.dice.uniform(0.0, 0.01))
        await owner.thaw()
        if way < self.faults:
            raise Away("its answer is lost")
        return answer

    def _act_late(self, call: Callable[[], Awaitable[T]]) -> None:
        async def later() -> None:
            await asyncio.sleep(self.dice.uniform(0.0, 2 * LEASE))
            await call()

        self.owners[0].background(later())

    async def create(self, name: str) -> str | None:
        """A create whose first byte leaves now; None where the reply is lost."""
        lost = self.dice.random() < self.faults
        task = f"task-{name}-{self.dice.random()}"
        # It arrives even if who sent it dies meanwhile.
        self.owners[0].background(self._arrive(name, task, self.dice.uniform(0.0, HOLD)))
        await asyncio.sleep(self.dice.uniform(0.0, HOLD))
        return None if lost else task

    async def _arrive(self, name: str, task: str, after: float) -> None:
        await asyncio.sleep(after)
        self.tasks.setdefault(name, []).append(task)


@define
class OwnersTable(MemoryTable):
    """The table as one owner reaches it."""

    world: World = field(kw_only=True)
    owner: Owner = field(kw_only=True)

    async def beat(self, owner: str, lease: float, held: tuple[str, ...], step: int) -> None:  # noqa: D102 - told by the base
        try:
            await self.world.ask(self.owner, lambda: self.world.table.beat(owner, lease, held, step))
        except asyncio.CancelledError:
            if self.world.dice.random() < self.world.faults:
                raise Away("the cancellation was taken for an error of the connection") from None
            raise

    async def claim(self, owner: str, ids: tuple[str, ...], step: int) -> dict[str, Claim]:  # noqa: D102 - told by the base
        return await self.world.ask(self.owner, lambda: self.world.table.claim(owner, ids, step))

    async def write(self, owner: str, lines: tuple[Line, ...]) -> list[Fate]:  # noqa: D102 - told by the base
        return await self.world.ask(self.owner, lambda: self.world.table.write(owner, lines))


@define
class Owner:
    """One process that works through the whole list, in an order of its own."""

    world: World
    troubles: dict[int, Trouble]
    journal: SharedJournal = field(init=False)
    awaits: int = 0
    frozen_until: float = 0.0
    dead: bool = False
    done: set[str] = field(factory=set)
    task: asyncio.Task[None] | None = None
    kept: set[asyncio.Task[None]] = field(factory=set)

    def background(self, work: Awaitable[None]) -> None:
        """Goes on whatever becomes of anybody."""

        async def run() -> None:
            await work

        task = asyncio.get_running_loop().create_task(run())
        self.kept.add(task)

    async def thaw(self) -> None:
        """Waits while it is frozen; for ever when it is dead."""
        loop = asyncio.get_running_loop()
        self.awaits += 1
        trouble = self.troubles.get(self.awaits)
        if trouble is not None and trouble.what == "die":
            self.dead = True
        elif trouble is not None:
            self.frozen_until = loop.time() + trouble.seconds
        while (left := self.frozen_until - loop.time()) > 0:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(left)
        if self.dead:
            await loop.create_future()

    async def start(self) -> None:
        """Opens the journal; its clock may show anything, and runs a little wrong."""
        loop, dice = asyncio.get_running_loop(), self.world.dice
        offset, rate = dice.uniform(-1e9, 1e9), 1.0 + dice.uniform(-1e-3, 1e-3)
        self.journal = SharedJournal(
            OwnersTable(now=loop.time, world=self.world, owner=self),
            NoReader(),
            salt=b"",
            name="memory",
            lease=Lease(LEASE, clock=lambda: loop.time() * rate + offset),
        )
        self.task = loop.create_task(self._work())

    async def _work(self) -> None:
        while True:
            try:
                await self.journal.begin()
                break
            except Away:
                await asyncio.sleep(0.1)
        names = [f"job-{number}" for number in range(self.world.jobs)]
        self.world.dice.shuffle(names)
        await asyncio.gather(*map(self._see_to, names))
        await self.journal.aclose()

    async def _see_to(self, name: str) -> None:
        while not await self._try(name):
            await self.thaw()
        self.done.add(name)

    async def _try(self, name: str) -> bool:
        claim = await self.journal.take(name)
        await self.thaw()
        if isinstance(claim, Settled):
            return True
        if isinstance(claim, Elsewhere):
            await asyncio.sleep(1.0)
            return False
        assert isinstance(claim, Taken)
        if claim.record is not None and claim.record.state in {State.OPEN, State.UNKNOWN}:
            found = await self._look_up(name)
            if found is not None:
                return await self._write(name, State.ACCEPTED, found)
        # Surely refused by the gateway now and then, and tried again under the same claim.
        while await self._may_send(name):
            if self.world.dice.random() >= self.world.faults:
                return await self._send(name)
            if not await self._write(name, State.CLEARED):
                break
        return False

    async def _look_up(self, name: str) -> str | None:
        loop = asyncio.get_running_loop()
        until = loop.time() + HOLD + SETTLE
        while not (found := self.world.tasks.get(name)) and loop.time() < until:
            await asyncio.sleep(0.5)
            await self.thaw()
        return found[0] if found else None

    async def _may_send(self, name: str) -> bool:
        if not await self._write(name, State.OPEN):
            return False
        await self.thaw()
        if self.journal.may_send():
            return True
        await self._write(name, State.CLEARED)
        self.journal.let_go(name)
        return False

    async def _send(self, name: str) -> bool:
        task = await self.world.create(name)
        await self.thaw()
        if task is not None:
            return await self._write(name, State.ACCEPTED, task)
        self.journal.let_go(name)  # nobody knows: left open, and given back
        return False

    async def _write(self, name: str, state: State, task_id: str | None = None) -> bool:
        try:
            await self.journal.write(Record(name, b"", state, task_id=task_id))
        except ClaimLostError:
            return False
        return True


async def _befall(world: World, outage: Trouble) -> None:
    await asyncio.sleep(outage.at / 10)
    world.down = True
    await asyncio.sleep(outage.seconds)
    world.down = False
    world.table.up_since = asyncio.get_running_loop().time()


def _will_die(owner: Owner) -> bool:
    return any(trouble.what == "die" for trouble in owner.troubles.values())


async def _play(world: World, owners: int, troubles: list[Trouble]) -> None:
    for number in range(owners):
        mine = {one.at: one for one in troubles if one.whom == number and (one.what == "freeze" or number)}
        world.owners.append(Owner(world, mine))  # the first one does not die
    for owner in world.owners:
        await owner.start()
    last = sum(trouble.seconds + trouble.at / 10 for trouble in troubles)
    befalling = [asyncio.ensure_future(_befall(world, one)) for one in troubles if one.what == "outage"]
    if befalling:
        await asyncio.wait(befalling)
    living = [owner.task for owner in world.owners if owner.task is not None and not _will_die(owner)]
    _, stuck = await asyncio.wait(living, timeout=120.0 + last)
    assert not stuck, f"stuck two minutes after the last trouble: {[owner.done for owner in world.owners]}"
    for task in living:
        task.result()
    await asyncio.sleep(2 * LEASE + HOLD)  # what is on its way arrives
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


def play(seed: int, faults: float, jobs: int, owners: int, troubles: list[Trouble]) -> dict[str, list[str]]:
    """Lets it all happen; returns the tasks that the gateway billed for each job."""
    world = World(Random(seed), faults, jobs)
    VirtualLoop().run_to_end(_play(world, owners, troubles))
    return world.tasks
