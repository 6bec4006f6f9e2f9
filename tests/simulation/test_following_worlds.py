"""Worlds of tasks: a gateway that is late, fails, forgets and refuses; waits that come, go and lose patience.

Whatever happens: every wait ends once; no ending contradicts the gateway's book; no task is asked for after its end
was told, or while nobody waits; looks keep to their rate; and no look makes a create.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from attrs import define, field
from multidict import CIMultiDict
from yarl import URL

from lipsync_async import CHAINHUB, Following, Limits, RetryPolicy
from lipsync_async.dispatch.account import Account
from lipsync_async.dispatch.pacing import Pacer
from lipsync_async.endings import Ending, StillRunning, Succeeded, TaskFailed, TaskLost
from lipsync_async.tasks.fates import Sign
from lipsync_async.tasks.follower import Follower
from lipsync_async.tasks.planner import Planner
from lipsync_async.tasks.waiting import Waiting
from lipsync_async.tasks.wanted import Wanted
from lipsync_async.terms import Failure, Kind, Phase
from lipsync_async.wire import TaskReply, read_task
from lipsync_async.wire.credential import Credential
from tests.amounts import how_many
from tests.simulation import virtual
from tests.simulation.replies import EPOCH

WORLDS = how_many(120)


@define
class Task:
    """A task in the gateway's book."""

    task_id: str
    born: float
    ends: float
    fails: bool
    forgotten_at: float = math.inf
    told_at: float = math.inf
    """When its end was told first."""
    waits: int = 0


@define
class Late:
    """A gateway, as a wire: its statuses become visible on a grid."""

    dice: Random
    freshness: float
    trouble: float
    tells_times: bool
    tasks: dict[str, Task] = field(factory=dict)
    asked: list[float] = field(factory=list)
    faults: list[str] = field(factory=list)

    def watching(self, _: Any) -> AbstractContextManager[None]:
        """No deadlines here."""
        return nullcontext()

    async def post(self, *_: Any) -> Any:
        """No look makes a create."""
        self.faults.append("a create was sent")

    async def has_video(self, *_: Any) -> bool:
        """None is there."""
        return False

    async def list_tasks(self, *_: Any) -> None:
        """There is none."""

    async def get_task(self, url: URL, _headers: CIMultiDict[str], _flight: Any) -> TaskReply | Failure:
        """One look."""
        loop = asyncio.get_running_loop()
        task, now = self.tasks[url.name], loop.time()
        self.asked.append(now)
        answer = self._answer(task, now)
        await asyncio.sleep(self.dice.choice((0.01, 0.3, 3.0)))
        if isinstance(answer, TaskReply) and answer.reply.task_status in {"succeed", "failed"}:
            task.told_at = min(task.told_at, loop.time())
        return answer

    def _answer(self, task: Task, now: float) -> TaskReply | Failure:
        if self.dice.random() < self.trouble:
            return self._trouble()
        if now >= task.forgotten_at:
            return read_task(404, {}, b'{"code": 1203, "message": "task not exist"}')
        shown = math.ceil(task.ends / self.freshness) * self.freshness if self.freshness else task.ends
        status = "processing" if now < shown else "failed" if task.fails else "succeed"
        times = ""
        if self.tells_times:
            updated = task.ends if now >= shown else task.born
            times = f', "created_at": {1000 * (EPOCH + task.born):.0f}, "updated_at": {1000 * (EPOCH + updated):.0f}'
        data = f'{{"task_id": "{task.task_id}", "task_status": "{status}"{times}}}'
        return read_task(200, {}, f'{{"code": 0, "message": "SUCCEED", "data": {data}}}'.encode())

    def _trouble(self) -> TaskReply | Failure:
        status = self.dice.choice((0, 401, 402, 403, 429, 500, 502, 200))
        if not status:
            return Failure(kind=Kind.TIMEOUT, phase=Phase.SENT)
        return read_task(status, {}, b"<html>a page</html>")


class World:
    """One seed's gateway and the waits at it."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = Random(f"following-{seed}")
        self.gateway = Late(
            Random(f"gateway-{seed}"),
            freshness=dice.choice((0.0, 15.0, 120.0)),
            trouble=dice.choice((0.0, 0.05, 0.3)),
            tells_times=dice.random() < 0.5,
        )
        self.rate = dice.choice((0.5, 3.0, 20.0))
        self.count = dice.choice((1, 5, 40))
        self.heard: list[tuple[Task, Ending, float]] = []
        self.cancelled = 0
        self.faults = self.gateway.faults

    async def live(self) -> World:
        """All waits to their end."""
        loop = asyncio.get_running_loop()
        account = Account(
            CHAINHUB, self.gateway, Credential("key"), Pacer(Limits()), RetryPolicy(),
            wall_clock=lambda: EPOCH + loop.time(),
        )  # fmt: skip
        follower = Follower(account, Following(max_queries_per_second=self.rate))
        waits = [loop.create_task(self._wait(follower, number)) for number in range(self.count)]
        for wait in waits:
            if self.dice.random() < 0.15:
                loop.call_later(self.dice.uniform(0.0, 400.0), wait.cancel)
        done = await asyncio.gather(*waits, return_exceptions=True)
        self.cancelled = sum(isinstance(it, asyncio.CancelledError) for it in done)
        self.faults += [repr(it) for it in done if isinstance(it, Exception)]
        asked = len(self.gateway.asked)
        await asyncio.sleep(1000.0)
        if len(self.gateway.asked) != asked:
            self.faults.append("a task was asked for that nobody waits for")
        if len(follower):
            self.faults.append(f"{follower!r} is left")
        await follower.aclose()
        self._check()
        return self

    async def _wait(self, follower: Follower, number: int) -> None:
        dice, loop = Random(f"{number}-{self.count}-{self.rate}"), asyncio.get_running_loop()
        await asyncio.sleep(dice.uniform(0.0, 100.0))
        known = list(self.gateway.tasks.values())
        task = dice.choice(known) if known and dice.random() < 0.3 else self._make(number, loop.time(), dice)
        wanted = Wanted(task_id=task.task_id, created_at=dice.choice((None, EPOCH + task.born)))
        told: list[Ending] = []
        waiting = Waiting(follower, told.append)
        waiting.add(wanted)
        try:
            await waiting.finish(dice.choice((None, None, 100.0, 5000.0)))
        finally:
            waiting.leave()
        if len(told) != 1:
            self.faults.append(f"{task.task_id} ended {len(told)} times for one wait")
        self.heard.append((task, told[0], loop.time()))

    def _make(self, number: int, now: float, dice: Random) -> Task:
        task = Task(f"task-{number}", now, now + dice.uniform(0.0, 400.0), fails=dice.random() < 0.2)
        if dice.random() < 0.1 and number:
            task.forgotten_at = now + 100.0
            task.ends = math.inf if not self.gateway.freshness else 1e9
        self.gateway.tasks[task.task_id] = task
        return task

    def _check(self) -> None:
        if len(self.heard) + self.cancelled != self.count:
            self.faults.append(f"{self.count} waits, {len(self.heard)} ended")
        for task, ending, at in self.heard:
            self._check_ending(task, ending, at)
        for earlier, later in pairwise(sorted(self.gateway.asked)):
            if later - earlier < 1.0 / self.rate - 1e-5 and not any(it.forgotten_at < later for it in self._all):
                self.faults.append(f"looks {later - earlier} s apart at {self.rate}/s")

    @property
    def _all(self) -> list[Task]:
        return list(self.gateway.tasks.values())

    def _check_ending(self, task: Task, ending: Ending, at: float) -> None:
        match ending:
            case Succeeded() | TaskFailed():
                if task.told_at > at or isinstance(ending, TaskFailed) != task.fails:
                    self.faults.append(f"{task} came out {ending}")
            case TaskLost():
                if at < task.forgotten_at + CHAINHUB.settle_time:
                    self.faults.append(f"{task} was lost at {at}")
            case StillRunning():
                if task.told_at < at - 1e-6 and task.told_at > at - ending.waited:
                    self.faults.append(f"{task} came out {ending} although its end was told")


def lived(seed: int) -> World:
    """A world after its end; a wait for a forgotten task without a witness has no end, so it may have to be cut off."""

    async def main() -> World:
        world = World(seed)
        await asyncio.wait_for(world.live(), 50_000.0)
        return world

    try:
        return virtual.run(main())
    except TimeoutError:
        pytest.fail(f"world {seed} has no end")


@pytest.mark.parametrize("seed", range(0, WORLDS, 10))
def test_worlds(seed: int) -> None:
    """Ten worlds each."""
    for one in range(seed, seed + 10):
        world = lived(one)
        assert not world.faults, (one, world.faults[:3])


# -- planted bugs: what the worlds must notice -------------------------------------------------------------------------


def broken_worlds() -> int:
    """How many of some worlds notice something."""
    found = 0
    for seed in range(30):
        try:
            found += bool(lived(seed).faults)
        except (AssertionError, pytest.fail.Exception):
            found += 1
    return found


def test_a_planner_that_forgets_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task whose look failed is not planned again."""
    again = Planner.again

    def forgetful(self: Planner, task: Any, now: float, *, running: bool) -> None:
        if running:
            again(self, task, now, running=True)

    monkeypatch.setattr(Planner, "again", forgetful)
    assert broken_worlds()


def test_a_planner_without_a_rate_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks as soon as a task is due."""
    take = Planner.take

    def hasty(self: Planner, now: float) -> Any:
        self._next_look = -math.inf
        return take(self, now)

    monkeypatch.setattr(Planner, "take", hasty)
    assert broken_worlds()


def test_a_table_that_is_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that runs is taken for one that failed."""
    monkeypatch.setattr("lipsync_async.tasks.fates.SIGNS", {"processing": Sign.FAILED, "failed": Sign.FAILED})
    assert broken_worlds()


def test_a_task_that_is_lost_too_soon_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one not-found."""
    monkeypatch.setattr("lipsync_async.tasks.fates.Absence.heard", lambda *_, **__: True)
    assert broken_worlds()


def test_a_wait_that_leaves_its_task_behind_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits, and the task is asked for all the same."""
    monkeypatch.setattr(Follower, "leave", lambda *_: None)
    assert broken_worlds()
