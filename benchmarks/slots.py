"""Filling the slots of an account, in virtual time (work in progress)."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import attrs

if __name__ == "__main__":  # run as a script: the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._limiters import FAR, NEAR, Algorithm, Network, Refusal, Schedule, World, _at, _sum
from lipsync_async import Following
from lipsync_async.tasks.durations import Durations
from lipsync_async.tasks.freshness import Freshness
from lipsync_async.tasks.learning import Learning
from lipsync_async.tasks.planner import Planner
from lipsync_async.terms import Kind

Draw = Callable[[Random], float]


@attrs.define
class Run:
    accepted: int = 0
    refused: int = 0
    queries: int = 0
    seen: int = 0
    lags: float = 0.0
    allowed: float = 0.0
    most: int = 0
    busy: float = 0.0
    slots: float = 0.0

    @property
    def used(self) -> float:
        return 100 * self.busy / self.slots

    @property
    def waste(self) -> float:
        return 100 * self.refused / max(1, self.accepted + self.refused)


@attrs.define(eq=False)
class Task:
    name: str
    born: float
    ends: float
    phase: float = 0.0


class Account:
    """So many tasks at once; every status becomes visible on a grid of `freshness` seconds."""

    def __init__(self, world: World, dice: Random, schedule: Schedule, freshness: float, draw: Draw, apart: bool = False) -> None:
        self.apart = apart
        self.world, self.dice, self.schedule, self.freshness, self.draw = world, dice, schedule, freshness, draw
        self.phase = dice.uniform(0, freshness)
        self.running = 0
        self.most = 0
        self.busy = self.last = 0.0
        for since, _ in schedule:
            self.world.at(max(0.0, since - 1e-9), self._clock)

    def create(self) -> Task | None:
        now = self.world.now
        if self.running >= _at(self.schedule, now):
            return None
        self._clock()
        self.running += 1
        self.most = max(self.most, self.running)
        task = Task(f"{self.dice.getrandbits(60):018}", now, now + self.draw(self.dice))
        task.phase = self.dice.uniform(0, self.freshness) if self.apart else self.phase
        self.world.at(task.ends, self._end)
        return task

    def _end(self) -> None:
        self._clock()
        self.running -= 1

    def _clock(self) -> None:
        now, last = self.world.now, self.last
        self.busy += min(self.running, _at(self.schedule, last)) * (now - last)
        self.last = now

    def shows_end(self, task: Task) -> bool:
        seen = self.world.now
        if self.freshness:
            seen = math.floor((seen - task.phase) / self.freshness) * self.freshness + task.phase
        return task.ends <= seen


class Client:
    """Workers on a list without end; every task is looked at until its end is seen."""

    def __init__(self, world: World, account: Account, algorithm: Algorithm, dice: Random, network: Network,
                 follow: Callable[[Random], float] | str | None, told_ends: bool, workers: int = 64) -> None:
        self.run = Run()
        self.world, self.account, self.algorithm, self.dice = world, account, algorithm, dice
        self.network, self.follow, self.told_ends = network, follow, told_ends
        self.free = workers
        self.again: list[int] = []
        self.wake_at = math.inf
        self.durations, self.freshness = Durations(), Freshness()
        self.planner = Planner(Following(max_queries_per_second=1000.0), self.durations, self.freshness)
        self.learning = Learning(self.durations, self.freshness)
        self.tasks: dict[str, Task] = {}
        self.look_at = math.inf

    def pump(self) -> None:
        while self.free:
            wait = self.algorithm.admit(self.world.now)
            if wait:
                self.wake(self.world.now + wait)
                return
            self.send(self.again.pop() if self.again else 1)

    def wake(self, when: float) -> None:
        if self.world.now < self.wake_at <= when or when == math.inf:
            return
        self.wake_at = when
        self.world.at(when, lambda: self.woken(when))

    def woken(self, when: float) -> None:
        if self.wake_at == when:
            self.wake_at = math.inf
            self.pump()

    def send(self, attempt: int) -> None:
        self.free -= 1
        sent_at = self.world.now
        self.world.at(sent_at + self.network.out(self.dice), lambda: self.arrive(sent_at, attempt))

    def arrive(self, sent_at: float, attempt: int) -> None:
        task = self.account.create()
        if task is None:
            self.run.refused += 1
        else:
            self.run.accepted += 1
        back = self.network.back(self.dice, task is not None)
        self.world.at(self.world.now + back, lambda: self.reply(sent_at, attempt, task))

    def reply(self, sent_at: float, attempt: int, task: Task | None) -> None:
        now = self.world.now
        if task is not None:
            self.free += 1
            self.algorithm.accepted(now, sent_at)
            self.begin(task)
        else:
            self.algorithm.refused(now, sent_at, Kind.CAPACITY, None)
            pause = self.algorithm.backoff(attempt, None)
            if pause:
                self.world.at(now + pause, lambda: self.release(attempt + 1))
            else:
                self.release(attempt + 1)
        self.pump()

    def release(self, attempt: int) -> None:
        self.free += 1
        self.again.append(attempt)
        self.pump()

    # -- looks
    def begin(self, task: Task) -> None:
        if self.follow is None:
            return
        if callable(self.follow):
            self.world.at(self.world.now + self.follow(self.dice), lambda: self.ask(task))
            return
        self.tasks[task.name] = task
        self.planner.follow(task.name, self.world.now, born=self.world.now)
        self.plan()

    def plan(self) -> None:
        when = self.world.now + self.planner.wait(self.world.now)
        if when < self.look_at or self.look_at <= self.world.now:
            if when < math.inf:
                self.look_at = when
                self.world.at(when, self.look)

    def look(self) -> None:
        while (due := self.planner.take(self.world.now)) is not None:
            self.ask(self.tasks[due.task_id])
        self.look_at = math.inf
        self.plan()

    def ask(self, task: Task) -> None:
        self.run.queries += 1
        self.world.at(self.world.now + self.network.out(self.dice), lambda: self.asked(task))

    def asked(self, task: Task) -> None:
        ended = self.account.shows_end(task)
        self.world.at(self.world.now + self.network.back(self.dice, False), lambda: self.answered(task, ended))

    def answered(self, task: Task, ended: bool) -> None:
        now = self.world.now
        if callable(self.follow):
            if not ended:
                self.world.at(now + self.follow(self.dice), lambda: self.ask(task))
                return
            self.seen(task, None)
            return
        followed = self.planner.get(task.name)
        if not ended:
            self.planner.again(followed, now, running=True)
            self.plan()
            return
        self.learning.ended(followed, now, age_told=task.ends - task.born if self.told_ends else None); took=self.learning.lessons[-1].lasted
        self.planner.drop(task.name)
        del self.tasks[task.name]
        self.seen(task, (now - followed.born, took))
        self.plan()

    def seen(self, task: Task, told) -> None:
        now = self.world.now
        self.run.seen += 1
        self.run.lags += now - task.ends
        if told is not None and told[1] is not None and getattr(self.algorithm, "takes_ages", False):
            self.algorithm.completed(now, 1, age=told[0], took=told[1])
        else:
            self.algorithm.completed(now, 1)
        self.pump()


def simulate(schedule: Schedule, freshness: float, algorithm, seed: int, *, network: Network = FAR,
             follow="planner", told_ends: bool = True, seconds: float = 3600.0, workers: int = 64,
             draw: Draw = lambda dice: dice.uniform(60, 180), mean: float = 120.0, trace=None, apart: bool = False) -> Run:
    world, dice, own = World(), Random(seed), Random(seed * 7)
    account = Account(world, dice, schedule, freshness, draw, apart)
    algo = algorithm(own)
    client = Client(world, account, algo, own, network, follow, told_ends, workers)
    if trace:
        def sample():
            trace(world.now, account, algo)
            world.at(world.now + 10, sample)
        world.at(1, sample)
    client.pump()
    world.run(seconds)
    client.run.allowed = schedule[0][1] + _sum(schedule, seconds) / mean
    client.run.most = account.most
    world.now = seconds
    account._clock()
    client.run.busy, client.run.slots = account.busy, _sum(schedule, seconds)
    return client.run
