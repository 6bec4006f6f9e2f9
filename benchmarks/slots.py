"""Filling the slots of an account, in virtual time: creates and queries together, beside the loops of others.

Measured: `Pacer` and `Planner`, as the client uses them, at an account that runs 20 tasks of 60 to 180 s for an hour.
A gateway shows an end on a grid of F seconds: each task on its own (it looks at one after the other), or all on one.
*Learned*: nothing is told; *told*: `max_running_tasks=20`; *moving*: the account allows 20, then 10, then 30.
*At random*: no looks; each end is seen at random within F seconds (10 for F = 0), as the bars were first measured.
*Blind*: no end is ever seen.
The loops: a worker a task creates, sleeps 1 s (openai), 6 s +- 1.5 s (runway) or 10 s, asks, and so on to the end.
Told, there are 20 such workers; else 64, and a refused job backs off by itself, as `per-job backoff` does.
Slots used: of the seconds of all slots, those in which a task ran.
Bars: slots used, and the share of creates that is refused; the fail line and the goal are the project's.

    python benchmarks/slots.py [--quick]
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import attrs

if __name__ == "__main__":  # run as a script: the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._clients import FAR, NEAR, Algorithm, Learned, Network, PerJobBackoff
from benchmarks._limiters import Alarm, Schedule, World, _at, _sum
from benchmarks.following import LOOPS
from lipsync_async import Following
from lipsync_async.config import Limits
from lipsync_async.tasks.durations import Durations
from lipsync_async.tasks.freshness import Freshness
from lipsync_async.tasks.learning import Learning
from lipsync_async.tasks.planner import Planner
from lipsync_async.terms import Kind

SECONDS = 3600.0
STEADY: Schedule = ((0.0, 20.0),)
MOVING: Schedule = ((0.0, 20.0), (1200.0, 10.0), (2400.0, 30.0))
FRESHNESS = (0.0, 15.0, 120.0, 600.0)
SLOTS = 20
SEEDS = 11
BARS = {
    "learned": (((94, 6), (92, 7), (84, 12), (82, 15)), ((96, 3), (95, 4), (90, 8), (88, 12))),
    "told": (((94, 2), (92, 3), (84, 10), (82, 15)), ((97, 1), (95, 2), (90, 5), (88, 8))),
    "moving": (((87, 7),), ((91, 5),)),
}
"""Slots used and creates refused, in percent: the fail lines and the goals, by freshness."""

Make = Callable[[Random], Algorithm]
Pause = Callable[[Random], float]


@attrs.frozen(kw_only=True)
class Case:
    """An account, who asks, and how ends come to be seen."""

    schedule: Schedule = STEADY
    freshness: float = 0.0
    together: bool = False
    """All tasks become visible on one grid."""
    make: Make
    workers: int = 64
    sight: str | Pause | None = "planner"
    """By the planner, "at random", by a loop a task with such pauses, or not at all."""
    network: Network = FAR
    seconds: float = SECONDS
    until: float = math.inf
    """Nobody waits for tasks that begin later."""


@attrs.define
class Run:
    """What came of it."""

    created: int = 0
    refused: int = 0
    queries: int = 0
    seen: int = 0
    lag: float = 0.0
    busy: float = 0.0
    most: int = 0
    """Tasks that ran at once."""
    all: float = 1.0

    @property
    def figures(self) -> tuple[float, float, float, float]:
        """Slots used and creates refused, in percent; queries a task; mean lag in seconds."""
        seen = max(1, self.seen)
        waste = 100 * self.refused / max(1, self.created + self.refused)
        return 100 * self.busy / self.all, waste, self.queries / max(1, self.created), self.lag / seen


@attrs.define(eq=False)
class Task:
    """A task at the account."""

    name: str
    born: float
    ends: float
    phase: float


class Account:
    """Admits while a slot is free; knows what it shows of a task."""

    def __init__(self, world: World, dice: Random, case: Case, run: Run) -> None:
        self._world, self._dice, self._case, self._run = world, dice, case, run
        self._phase = dice.uniform(0, case.freshness)
        self._running, self._since = 0, 0.0
        for since, _ in case.schedule[1:]:
            world.at(since, self.count)

    def create(self) -> Task | None:
        """A task, or None where all slots are taken."""
        now = self._world.now
        if self._running >= _at(self._case.schedule, now):
            return None
        self.count()
        self._running += 1
        self._run.most = max(self._run.most, self._running)
        phase = self._phase if self._case.together else self._dice.uniform(0, self._case.freshness)
        task = Task(f"{self._dice.getrandbits(60):018}", now, now + self._dice.uniform(60, 180), phase)
        self._world.at(task.ends, self._end)
        return task

    def _end(self) -> None:
        self.count()
        self._running -= 1

    def count(self) -> None:
        """Adds the seconds of slots since the last count."""
        now = self._world.now
        most = _at(self._case.schedule, self._since)
        self._run.busy += min(self._running, most) * (now - self._since)
        self._since = now

    def shows_end(self, task: Task) -> bool:
        """Whether a look now tells that the task has ended."""
        grid, now = self._case.freshness, self._world.now
        return task.ends <= (math.floor((now - task.phase) / grid) * grid + task.phase if grid else now)


class Client:
    """Workers on a list without end; every task is looked at until its end is seen."""

    def __init__(self, world: World, account: Account, case: Case, dice: Random, run: Run) -> None:
        self._world, self._account, self._case, self._dice, self._run = world, account, case, dice, run
        self._algorithm = case.make(dice)
        self._free = case.workers
        self._again: list[int] = []
        self._look_at = math.inf
        self._alarm = Alarm(world, self.pump)
        durations, freshness = Durations(), Freshness()
        self._planner = Planner(Following(max_queries_per_second=1000.0), durations, freshness)
        self._learning = Learning(durations, freshness)
        self._tasks: dict[str, Task] = {}

    # -- creates ----------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Sends what may be sent."""
        while self._free:
            wait = self._algorithm.admit(self._world.now)
            if wait:
                self._alarm.set(self._world.now + wait)
                return
            self._free -= 1
            self._send(self._again.pop() if self._again else 1)

    def _send(self, attempt: int) -> None:
        sent_at = self._world.now
        self._world.at(sent_at + self._case.network.out(self._dice), lambda: self._arrive(sent_at, attempt))

    def _arrive(self, sent_at: float, attempt: int) -> None:
        task = self._account.create()
        self._run.created += task is not None
        self._run.refused += task is None
        back = self._case.network.back(self._dice, task is not None)
        self._world.at(self._world.now + back, lambda: self._reply(sent_at, attempt, task))

    def _reply(self, sent_at: float, attempt: int, task: Task | None) -> None:
        now = self._world.now
        if task is None:
            self._algorithm.refused(now, sent_at, Kind.CAPACITY, None)
            self._world.at(now + self._algorithm.backoff(attempt, None), lambda: self._release(attempt + 1))
        else:
            self._algorithm.accepted(now, sent_at)
            self._free += not callable(self._case.sight)  # else its worker waits for the end
            self._follow(task)
        self.pump()

    def _release(self, attempt: int) -> None:
        self._free += 1
        self._again.append(attempt)
        self.pump()

    # -- looks ------------------------------------------------------------------------------------------------------

    def _follow(self, task: Task) -> None:
        now, sight = self._world.now, self._case.sight
        if now > self._case.until:
            return
        if callable(sight):
            self._world.at(now + sight(self._dice), lambda: self._ask(task))
        elif sight == "planner":
            self._tasks[task.name] = task
            self._planner.follow(task.name, now, born=now)
            self._plan()
        elif sight == "at random":
            when = task.ends + self._dice.uniform(0, self._case.freshness or 10.0)
            self._world.at(max(now, when), lambda: self._seen(task, now, task.ends - task.born))

    def _plan(self) -> None:
        when = self._world.now + self._planner.wait(self._world.now)
        if when < self._look_at:
            self._look_at = when
            self._world.at(when, lambda: self._look(when))

    def _look(self, when: float) -> None:
        if self._look_at == when:
            self._look_at = math.inf
        while (due := self._planner.take(self._world.now)) is not None:
            self._ask(self._tasks[due.task_id])
        self._plan()

    def _ask(self, task: Task) -> None:
        self._run.queries += 1
        self._world.at(self._world.now + self._case.network.out(self._dice), lambda: self._asked(task))

    def _asked(self, task: Task) -> None:
        ended = self._account.shows_end(task)
        back = self._case.network.back(self._dice, admitted=False)
        self._world.at(self._world.now + back, lambda: self._answered(task, ended))

    def _answered(self, task: Task, ended: bool) -> None:
        now, sight = self._world.now, self._case.sight
        if callable(sight):
            if ended:
                self._free += 1
                self._seen(task, task.born, task.ends - task.born)
            else:
                self._world.at(now + sight(self._dice), lambda: self._ask(task))
            return
        followed = self._planner.get(task.name)
        assert followed is not None
        if ended:
            took = self._learning.ended(followed, now, age_told=task.ends - task.born)
            self._planner.drop(task.name)
            del self._tasks[task.name]
            self._seen(task, followed.born, took)
        else:
            self._planner.again(followed, now, running=True)
        self._plan()

    def _seen(self, task: Task, born: float, took: float | None) -> None:
        now = self._world.now
        self._run.seen += 1
        self._run.lag += now - task.ends
        self._algorithm.completed(now, age=now - born, took=took)
        self.pump()


def simulate(case: Case, seed: int) -> Run:
    """One account and one client."""
    world, run = World(), Run(all=_sum(case.schedule, case.seconds))
    account = Account(world, Random(seed), case, run)
    Client(world, account, case, Random(seed * 7), run).pump()
    world.run(case.seconds)
    world.now = case.seconds
    account.count()
    return run


# -------------------------------------------------------------------------------------------------- the tables

Figures = tuple[float, ...]


def learned(dice: Random) -> Learned:
    """The pacer, told nothing."""
    return Learned(dice)


def told(dice: Random) -> Learned:
    """The pacer, told how many tasks may run."""
    return Learned(dice, Limits(max_running_tasks=SLOTS))


def measured(case: Case, seeds: int) -> Figures:
    """Medians over seeds."""
    runs = [simulate(case, seed).figures for seed in range(1, seeds + 1)]
    return tuple(statistics.median(it[figure] for it in runs) for figure in range(4))


def ways(name: str) -> dict[str, Case]:
    """The rows of a table."""
    schedule, make = MOVING if name == "moving" else STEADY, told if name == "told" else learned
    first = Case(schedule=schedule, make=make)
    rows = {
        "Pacer and Planner": first,
        "the same, near": attrs.evolve(first, network=NEAR),
        "the same, one grid": attrs.evolve(first, together=True),
        "Pacer, at random": attrs.evolve(first, sight="at random"),
        "Pacer, blind": attrs.evolve(first, sight=None),
    }
    workers = SLOTS if name == "told" else 64
    for word, pause in LOOPS.items():
        rows[word] = attrs.evolve(first, make=PerJobBackoff, sight=pause, workers=workers)
    return rows


def table_of(name: str, seeds: int) -> dict[str, list[Figures]]:
    """By way, the figures for each freshness."""
    return {
        word: [measured(attrs.evolve(case, freshness=freshness), seeds) for freshness in FRESHNESS]
        for word, case in ways(name).items()
    }


def _cell(name: str, word: str, place: int, it: Figures) -> str:
    told_so = f"{it[0]:.1f}; {it[1]:.1f}; {it[2]:.1f}; {it[3]:.0f}"
    fails, goals = BARS[name]
    if ("Planner" not in word and "same" not in word and "random" not in word) or place >= len(fails):
        return told_so
    fail, goal = fails[place], goals[place]
    if it[0] < fail[0] or it[1] > fail[1]:
        return f"{told_so} **FAIL**"
    return f"{told_so} (goal)" if it[0] >= goal[0] and it[1] <= goal[1] else f"{told_so} (passes)"


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def render(found: dict[str, dict[str, list[Figures]]], seeds: int) -> str:
    """All tables, as Markdown."""
    head = "Slots used, %; creates refused, %; queries a task; mean lag, s"
    lines = [f"{head} (medians of {seeds} seeds, network far but where it says near).", ""]
    for name, table in found.items():
        lines += [f"### {name.capitalize()}", "", _row("way", *(f"F = {it:g} s" for it in FRESHNESS))]
        lines.append(_row(*["---"] * (1 + len(FRESHNESS))))
        for word, figures in table.items():
            lines.append(_row(word, *(_cell(name, word, place, it) for place, it in enumerate(figures))))
        bars = [f"{fail[0]}; {fail[1]}, goal {goal[0]}; {goal[1]}" for fail, goal in zip(*BARS[name], strict=True)]
        lines += [_row("*bar*", *bars, *["-"] * (len(FRESHNESS) - len(bars))), ""]
    return "\n".join(lines)


def measure(quick: bool = False) -> dict[str, dict[str, list[Figures]]]:
    """By table, by way, by freshness."""
    return {name: table_of(name, 1 if quick else SEEDS) for name in BARS}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="one seed")
    quick = parser.parse_args().quick
    print(render(measure(quick), 1 if quick else SEEDS))


if __name__ == "__main__":
    main()
