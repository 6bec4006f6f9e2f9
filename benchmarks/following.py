"""Following tasks in virtual time: queries a task, and how late an end is seen, beside the loops of others.

Measured: `Planner`, as the client uses it, against models of gateways; replies come after 0.2 s.
Tasks are created every 6 s, so that some 20 of 60 to 180 s run at once.
Their durations are drawn, and every status becomes visible on a grid of F seconds: the gateway's freshness.
The gateway tells when a task ended (*told*), or does not (*not told*).
Lag: from the task's end at the platform to the moment when it is seen.
The loops: a sleep of 1 s (openai), 6 s +- 1.5 s (runway), 10 s (what documents propose), one loop a task.
Fail line and goal are the project's bars, for tasks of 60 to 180 s.

    python benchmarks/following.py [--quick]
"""

from __future__ import annotations

import argparse
import heapq
import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import attrs

if __name__ == "__main__":  # run as a script: the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lipsync_async import Following
from lipsync_async.tasks.durations import Durations
from lipsync_async.tasks.freshness import Freshness
from lipsync_async.tasks.learning import Learning
from lipsync_async.tasks.planner import Followed, Planner

ANSWER = 0.2
"""Seconds until a look is answered."""
EVERY = 6.0
"""Seconds from one create to the next."""
FRESHNESS = (0.0, 15.0, 120.0)
BARS = {0.0: ((10.0, 8.0), (6.0, 5.0)), 15.0: ((10.0, 19.25), (6.0, 12.0)), 120.0: ((10.0, 98.0), (6.0, 80.0))}
"""Queries a task and mean lag: the fail line and the goal."""

Draw = Callable[[Random], float]


def _tailed(dice: Random) -> float:
    return dice.lognormvariate(math.log(400.0), 0.3) * (6.0 if dice.random() < 0.03 else 1.0)


DURATIONS: dict[str, Draw] = {
    "60 to 180 s": lambda dice: dice.uniform(60.0, 180.0),
    "median 150 s": lambda dice: dice.lognormvariate(math.log(150.0), 0.4),
    "median 400 s, 3 % six times that": _tailed,
}
LOOPS: dict[str, Callable[[Random], float]] = {
    "a loop of 1 s": lambda _: 1.0,
    "a loop of 6 s": lambda dice: dice.uniform(4.5, 7.5),
    "a loop of 10 s": lambda _: 10.0,
}


@attrs.frozen
class Task:
    """One task: when it began and ended, and when the gateway shows that."""

    name: str
    born: float
    ended: float
    shown: float


@attrs.frozen
class Figures:
    """What a way of following costs, and what it gives."""

    queries: float
    """A task."""
    mean: float
    p95: float
    """Seconds of lag."""


def tasks_of(draw: Draw, freshness: float, seed: int, count: int) -> list[Task]:
    """A batch; the grid begins anywhere."""
    dice = Random(seed)
    phase = dice.uniform(0.0, freshness)
    found = []
    for number in range(count):
        born = number * EVERY
        ended = born + draw(dice)
        shown = ended
        if freshness:
            shown = math.ceil((ended - phase) / freshness) * freshness + phase
        found.append(Task(f"{dice.getrandbits(60):018}", born, ended, shown))
    return found


def _figures(queries: int, lags: list[float]) -> Figures:
    lags.sort()
    return Figures(queries / len(lags), statistics.fmean(lags), lags[int(0.95 * len(lags))])


def planned(tasks: list[Task], *, told: bool) -> Figures:
    """The planner, from cold; it is told that a task ended at once, as the client tells it."""
    durations, freshness = Durations(), Freshness()
    planner = Planner(Following(max_queries_per_second=1000.0), durations, freshness)
    learning = Learning(durations, freshness)
    by_name = {task.name: task for task in tasks}
    begins = list(reversed(tasks))
    answers: list[tuple[float, float, str]] = []
    out: dict[str, Followed] = {}
    now, queries, lags = 0.0, 0, list[float]()
    while len(lags) < len(tasks):
        while begins and begins[-1].born <= now:
            planner.follow(begins[-1].name, now, born=begins.pop().born)
        while answers and answers[0][0] <= now:
            _, asked, name = heapq.heappop(answers)
            task, followed = by_name[name], out.pop(name)
            if task.shown > asked:
                planner.again(followed, now, running=True)
                continue
            learning.ended(followed, now, age_told=task.ended - task.born if told else None)
            planner.drop(name)
            lags.append(now - task.ended)
        while (due := planner.take(now)) is not None:
            queries += 1
            out[due.task_id] = due
            heapq.heappush(answers, (now + ANSWER, now, due.task_id))
        coming = min(
            now + planner.wait(now), begins[-1].born if begins else math.inf, answers[0][0] if answers else math.inf
        )
        now = max(now + 1e-6, coming)
    return _figures(queries, lags)


def looped(tasks: list[Task], pause: Callable[[Random], float], seed: int) -> Figures:
    """One loop a task, with a sleep before each look."""
    dice, queries, lags = Random(seed), 0, list[float]()
    for task in tasks:
        asked = task.born
        while True:
            asked += pause(dice)
            queries += 1
            if task.shown <= asked:
                break
            asked += ANSWER
        lags.append(asked + ANSWER - task.ended)
    return _figures(queries, lags)


def _median(found: list[Figures]) -> Figures:
    queries, mean, p95 = (statistics.median(getattr(it, name) for it in found) for name in ("queries", "mean", "p95"))
    return Figures(queries, mean, p95)


def _cell(it: Figures) -> str:
    return f"{it.queries:.1f}; {it.mean:.1f}; {it.p95:.0f}"


def _verdict(it: Figures, freshness: float) -> str:
    fail, goal = BARS[freshness]
    if it.queries > fail[0] or it.mean > fail[1]:
        return "**FAIL**"
    return "goal" if it.queries <= goal[0] and it.mean <= goal[1] else "passes"


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _bars() -> str:
    cells = []
    for freshness in FRESHNESS:
        fail, goal = BARS[freshness]
        cells.append(f"fail {fail[0]:g}; {fail[1]:g}, goal {goal[0]:g}; {goal[1]:g}")
    return _row("*bar, 60 to 180 s*", *cells)


def _table(name: str, draw: Draw, seeds: int, count: int) -> list[str]:
    batches = {it: [tasks_of(draw, it, seed, count) for seed in range(seeds)] for it in FRESHNESS}
    lines = [f"### Tasks of {name}", "", _row("way", *(f"F = {it:g} s" for it in FRESHNESS)), _row(*["---"] * 4)]
    for word, told in (("Planner, ends told", True), ("Planner, ends not told", False)):
        cells = []
        for freshness, found in batches.items():
            it = _median([planned(tasks, told=told) for tasks in found])
            verdict = f" ({_verdict(it, freshness)})" if draw is DURATIONS["60 to 180 s"] else ""
            cells.append(_cell(it) + verdict)
        lines.append(_row(word, *cells))
    for word, pause in LOOPS.items():
        cells = [_cell(_median([looped(tasks, pause, 1) for tasks in found])) for found in batches.values()]
        lines.append(_row(word, *cells))
    if draw is DURATIONS["60 to 180 s"]:
        lines.append(_bars())
    return [*lines, ""]


def run(quick: bool = False) -> str:
    """All tables, as Markdown."""
    seeds, count = (1, 300) if quick else (5, 1500)
    lines = [f"Queries a task; mean lag; 95 % of the lags, in s (medians of {seeds} seeds, {count} tasks).", ""]
    for name, draw in DURATIONS.items():
        lines += _table(name, draw, seeds, count)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="fewer seeds and tasks")
    print(run(parser.parse_args().quick))


if __name__ == "__main__":
    main()
