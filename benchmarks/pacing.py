"""The pacer against limiters, in virtual time: seconds of CPU stand for hours.

Measured: `Pacer`, told nothing, driven by 64 workers, against models of limiters (`_limiters`),
beside three algorithms that people use.
Goodput: accepted requests as a share of what the limiter would have admitted; waste: the share that was refused.
Lists: 800 jobs at 20/s; their time over the ideal 40 s, and requests a job.
Refusals at random: a share p of all requests is refused whatever the pace, with and without a limit behind it.
Their time is over n / (1 - p) at 20 a second (or at the limit), their requests over n / (1 - p).
The start: the share of the first 600 requests that is refused by a limit of 60/s, of which news comes 0.5 s late.
The network: `far` is another continent (30 ms and an exponential of 20 ms one way, so neighbours change places;
replies after 0.35 s), `near` the same building (1 ms + 0.5 ms; 50 ms).
Medians over seeds; the fail line and the goal are those of the project's bars, and stand where a bar names the case.

    python benchmarks/pacing.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random

import attrs

if __name__ == "__main__":  # run as a script: the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._clients import (
    AIMD,
    FAR,
    NEAR,
    Algorithm,
    Build,
    Learned,
    Network,
    PauseAll,
    PerJobBackoff,
    Run,
    simulate,
)
from benchmarks._limiters import (
    Alternating,
    AtRandom,
    Envoy,
    FixedWindow,
    HAProxy,
    Limiter,
    Nginx,
    Refusal,
    Schedule,
    Slots,
    TokenBucket,
    World,
)
from lipsync_async.terms import Kind

Figures = tuple[float, float]
Make = Callable[[Random], Algorithm]
MOVING_RATE = ((0.0, 10.0), (200.0, 5.0), (400.0, 20.0))
MOVING_SLOTS = ((0.0, 20.0), (1200.0, 10.0), (2400.0, 30.0))
ALGORITHMS: Mapping[str, Make] = {
    "Pacer": Learned,
    "per-job backoff": PerJobBackoff,
    "pause all": PauseAll,
    "AIMD": AIMD,
}


@attrs.frozen
class Case:
    """A limiter, the bar's two lines, how long it runs, and how often completions are polled for (s; None: never)."""

    name: str
    build: Build
    fail: Figures | None = None
    goal: Figures | None = None
    seconds: float = 600.0
    poll: float | None = None


def _bucket(*schedule: tuple[float, float], burst: float = 1.0, hints: bool = False) -> Build:
    def build(world: World, dice: Random) -> Limiter:  # noqa: ARG001
        return TokenBucket(schedule, burst, hints)

    return build


def _slots(*schedule: tuple[float, float], named: bool = True) -> Build:
    return lambda world, dice: Slots(world, dice, schedule, named)


STEADY = [
    Case("10/s, 1 s of burst", _bucket((0, 10)), (98, 1.5), (99, 0.5)),
    Case("10/s, whole-second hints", _bucket((0, 10), hints=True), (98, 1.5), (99, 0.5)),
    Case("50/s, 1 s of burst", _bucket((0, 50)), (98, 1.5), (99, 0.5)),
    Case("2/s, whole-second hints", _bucket((0, 2), hints=True), (94, 4), (97, 2)),
    Case("10/s strict (0.1 s of burst)", _bucket((0, 10), burst=0.1), (52, 2.5), (60, 2)),
    Case("10 -> 5 -> 20/s", _bucket(*MOVING_RATE), (93, 2), (96, 1)),
    Case("fixed window 600 a minute", lambda _w, _d: FixedWindow(600, 60)),
    Case("fixed window, hints", lambda _w, _d: FixedWindow(600, 60, hints=True)),
    Case("20 running tasks, seen", _slots((0, 20)), (93, 7), (96, 3), 3600, 10),
    Case("20 running tasks, seen, code hidden", _slots((0, 20), named=False), (93, 7), (96, 3), 3600, 10),
    Case("5 running tasks, seen", _slots((0, 5)), None, None, 3600, 10),
    Case("20 -> 10 -> 30 tasks, seen", _slots(*MOVING_SLOTS), (83, 8), (91, 7), 3600, 10),
    Case("20 running tasks, blind", _slots((0, 20)), (81, 23), None, 3600),
    Case("5 running tasks, blind", _slots((0, 5)), None, None, 3600),
    Case("20 -> 10 -> 30 tasks, blind", _slots(*MOVING_SLOTS), None, None, 3600),
    Case("20 running tasks, blind, code hidden", _slots((0, 20), named=False), None, None, 3600),
]
LISTS = [
    Case("nginx burst 10, Retry-After 1", lambda _w, _d: Nginx(20, 10, 1.0), (1.25, 1.03), (1.12, 1.01)),
    Case("nginx burst 10, no hint", lambda _w, _d: Nginx(20, 10), (1.12, 1.03), (1.05, 1.01)),
    Case("nginx without burst", lambda _w, _d: Nginx(20, 0), (1.50, 1.03), (1.25, 1.01)),
    Case("HAProxy 1 s, admitted count", lambda _w, d: HAProxy(20, 1, False, d.random()), (1.30, 1.03), (1.15, 1.01)),
    Case("HAProxy 10 s, admitted count", lambda _w, d: HAProxy(20, 10, False, d.random()), (1.30, 1.03), (1.15, 1.01)),
    Case("HAProxy 1 s, refused also", lambda _w, d: HAProxy(20, 1, True, d.random()), (1.35, 1.03), (1.18, 1.01)),
    Case("HAProxy 10 s, refused also", lambda _w, d: HAProxy(20, 10, True, d.random()), (1.35, 1.03), (1.18, 1.01)),
    Case("Envoy, 20 every second", lambda _w, d: Envoy(20, 20, 1.0, d.random()), (1.15, 1.03), (1.07, 1.01)),
    Case("Envoy, 2 every 0.1 s", lambda _w, d: Envoy(20, 2, 0.1, d.random()), (1.15, 1.03), (1.07, 1.01)),
]


@attrs.frozen
class AtChance:
    """Refusals at random: so many `jobs`, the time and the requests that would do, and the bar's lines for the time."""

    name: str
    build: Build
    jobs: int
    seconds: float
    requests: float
    fail: float | None = None
    goal: float | None = None


KINDS = {"named": Kind.RATE, "empty": None, "1303": Kind.CAPACITY}
RANDOM_BAR = (1.5, 1.1)
LATE = Network(0.02, 0.005, 0.48, 0.48)


def _at_random(schedule: Schedule, kind: Kind | None, limit: float | None = None, since: float = 0.0) -> Build:
    def build(world: World, dice: Random) -> Limiter:  # noqa: ARG001
        limits = ((0.0, limit),) if not since else ((0.0, 1000.0), (since, limit))
        return AtRandom(dice, schedule, kind, TokenBucket(limits) if limit else None)

    return build


def _chance(name: str, kind: Kind | None) -> Iterator[AtChance]:
    for share in (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5):
        build = _at_random([(0, share)], kind)
        yield AtChance(f"{share:.0%}, {name}", build, 1000, 50 / (1 - share), 1000 / (1 - share), *RANDOM_BAR)
    yield AtChance(f"every second one, {name}", lambda _w, _d: Alternating(kind), 1000, 100, 2000, 3, 1.5)


def _mixed() -> Iterator[AtChance]:
    for share in (0.1, 0.2, 0.5):
        build = _at_random([(0, share)], None, 20)
        yield AtChance(f"{share:.0%}, empty, before 20/s", build, 1000, 50, 1000 / (1 - share))
    yield AtChance("20%, named, before 0.2/s", _at_random([(0, 0.2)], Kind.RATE, 0.2), 200, 1000, 250)
    yield AtChance("20%, empty, before 0.2/s", _at_random([(0, 0.2)], None, 0.2), 200, 1000, 250)
    yield AtChance("20% until 30 s, before 20/s", _at_random([(0, 0.2), (30, 0)], None, 20), 2000, 100, 2120)
    yield AtChance("20% from 30 s, before 20/s", _at_random([(0, 0), (30, 0.2)], None, 20), 2000, 100, 2350)
    yield AtChance("20%, and 20/s from 10 s", _at_random([(0, 0.2)], None, 20, since=10), 2000, 100, 2500)


AT_RANDOM = [random for name, kind in KINDS.items() for random in _chance(name, kind)] + list(_mixed())


def at_random(case: AtChance, make: Make, seeds: int, network: Network = FAR) -> Figures:
    """Time (infinity: not done after sixty times as long) and requests, over those that would do."""
    most = 60 * case.seconds
    runs = [
        simulate(case.build, make, seed + 1, jobs=case.jobs, network=network, seconds=most) for seed in range(seeds)
    ]
    time, requests = _median(
        runs,
        lambda run: run.elapsed / case.seconds if run.accepted == case.jobs else float("inf"),
        lambda run: run.requests_per_job * case.jobs / case.requests,
    )
    return time, requests


class _First:
    """What a limiter did with the first so many requests."""

    def __init__(self, limiter: Limiter, most: int) -> None:
        self._limiter, self._most, self.seen, self.refused = limiter, most, 0, 0
        self.allowed, self.limit = limiter.allowed, limiter.limit

    def submit(self, now: float) -> Refusal | None:
        refusal = self._limiter.submit(now)
        self.seen += 1
        self.refused += refusal is not None and self.seen <= self._most
        return refusal


def started(limiter: Callable[[], Limiter], make: Make, seeds: int) -> float:
    """The percentage of the first 600 requests that was refused."""
    refused = []
    for seed in range(seeds):
        first = _First(limiter(), 600)
        simulate(lambda _w, _d, first=first: first, make, seed + 1, jobs=600, network=LATE, seconds=300)  # type: ignore[misc]
        refused.append(100 * first.refused / min(600, max(1, first.seen)))
    return statistics.median(refused)


STARTS: Mapping[str, Callable[[], Limiter]] = {
    "60/s, 1 s of burst": lambda: TokenBucket([(0, 60)]),
    "60/s strict (0.1 s of burst)": lambda: TokenBucket([(0, 60)], burst=0.1),
    "nginx 60/s, burst 30": lambda: Nginx(60, 30),
    "HAProxy 60 a second": lambda: HAProxy(60, 1, False),
}


def _median(runs: list[Run], *of: Callable[[Run], float]) -> Iterator[float]:
    return (statistics.median(figure(run) for run in runs) for figure in of)


def steady(case: Case, make: Make, seeds: int) -> Figures:
    """Goodput and waste, in percent."""
    runs = [simulate(case.build, make, seed + 1, seconds=case.seconds, poll=case.poll) for seed in range(seeds)]
    goodput, waste = _median(runs, lambda run: run.goodput, lambda run: run.waste)
    return goodput, waste


def listed(case: Case, make: Make, seeds: int, network: Network = NEAR, jobs: int = 800) -> Figures:
    """Time over the ideal (infinity: not done after ten times as long), and requests a job."""
    ideal = jobs / 20
    runs = [
        simulate(case.build, make, seed + 1, jobs=jobs, network=network, seconds=10 * ideal) for seed in range(seeds)
    ]
    time, requests = _median(
        runs,
        lambda run: run.elapsed / ideal if run.accepted == jobs else float("inf"),
        lambda run: run.requests_per_job,
    )
    return time, requests


def _within(figures: Figures, bar: Figures | None, more_is_better: bool) -> bool:
    sign = -1 if more_is_better else 1
    return bar is None or (sign * figures[0] <= sign * bar[0] and figures[1] <= bar[1])


def _verdict(figures: Figures, case: Case, more_is_better: bool) -> str:
    if case.fail is None:
        return ""
    if not _within(figures, case.fail, more_is_better):
        return "**FAIL**"
    return "goal" if case.goal and _within(figures, case.goal, more_is_better) else "passes"


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _table(head: str, lines: Iterator[str] | list[str]) -> list[str]:
    names = head.split(" | ")
    return [_row(*names), _row(*("---" for _ in names)), *lines, ""]


def _steady_line(case: Case, seeds: int) -> str:
    figures = steady(case, Learned, seeds)
    bars = [f"{bar[0]:g}; {bar[1]:g}" if bar else "-" for bar in (case.fail, case.goal)]
    verdict = _verdict(figures, case, more_is_better=True)
    return _row(case.name, f"{figures[0]:.1f}", f"{figures[1]:.2f}", *bars, verdict)


def _list_line(case: Case, seeds: int) -> str:
    near, far = listed(case, Learned, seeds), listed(case, Learned, seeds, FAR)
    bars = [f"{bar[0]:.2f}; {bar[1]:.2f}" if bar else "-" for bar in (case.fail, case.goal)]
    verdict = _verdict(near, case, more_is_better=False)
    return _row(case.name, f"{near[0]:.2f}", f"{near[1]:.3f}", *bars, verdict, f"{far[0]:.2f}; {far[1]:.3f}")


def _random_line(case: AtChance, seeds: int, few: int) -> str:
    time, requests = at_random(case, Learned, seeds)
    near = at_random(case, Learned, seeds, NEAR)
    bars = [f"{bar:g}" if bar else "-" for bar in (case.fail, case.goal)]
    verdict = ""
    if case.fail and case.goal:
        verdict = "**FAIL**" if time > case.fail else "goal" if time <= case.goal else "passes"
    peers = ("{:.2f}; {:.2f}".format(*at_random(case, make, few)) for make in list(ALGORITHMS.values())[1:])
    return _row(case.name, f"{time:.2f}", f"{requests:.3f}", *bars, verdict, "{:.2f}; {:.3f}".format(*near), *peers)


def _start_line(name: str, limiter: Callable[[], Limiter], seeds: int) -> str:
    return _row(name, *(f"{started(limiter, make, seeds):.1f}" for make in ALGORITHMS.values()), "8", "4")


def _peer_line(measure: Callable[[Case, Make, int], Figures], case: Case, seeds: int, form: str) -> str:
    return _row(case.name, *(form.format(*measure(case, make, seeds)) for make in ALGORITHMS.values()))


def run(quick: bool = False) -> str:
    """All tables, as Markdown."""
    seeds = 3 if quick else 11
    few = 1 if quick else 3
    compared = [STEADY[i] for i in (0, 1, 3, 4, 5, 8, 12)]
    peers = "scenario | " + " | ".join(ALGORITHMS)
    return "\n".join([
        f"### Pacing in virtual time (medians of {seeds} seeds, network far)",
        "",
        *_table(
            "scenario | goodput % | waste % | fail | goal | verdict",
            [_steady_line(case, seeds) for case in STEADY],
        ),
        f"### 800 jobs at 20/s, models of real limiters (medians of {seeds} seeds; time over ideal, requests a job)",
        "",
        *_table(
            "limiter | time | requests | fail | goal | verdict | the same from far (no bar)",
            [_list_line(case, seeds) for case in LISTS],
        ),
        f"### Refusals at random (medians of {seeds} seeds, peers {few}; time and requests over what would do)",
        "",
        *_table(
            "refused | time | requests | fail | goal | verdict | the same from near | "
            + " | ".join(list(ALGORITHMS)[1:]),
            [_random_line(case, seeds, few) for case in AT_RANDOM],
        ),
        f"### The start: percent refused of the first 600 requests, told 0.5 s late (medians of {seeds} seeds)",
        "",
        *_table(
            "limiter | " + " | ".join(ALGORITHMS) + " | fail | goal",
            [_start_line(name, limiter, seeds) for name, limiter in STARTS.items()],
        ),
        f"### Beside what people use (goodput %; waste %; medians of {few} seeds)",
        "",
        *_table(peers, [_peer_line(steady, case, few, "{:.1f}; {:.1f}") for case in compared]),
        f"### The same for 800 jobs at 20/s, near (time over ideal; requests a job; medians of {few} seeds)",
        "",
        *_table(peers, [_peer_line(listed, case, few, "{:.2f}; {:.2f}") for case in LISTS]),
    ])  # fmt: skip


def _pace(algorithm: Algorithm) -> float:
    assert isinstance(algorithm, Learned)
    return algorithm.pacer.pace


def curves(seed: int = 1) -> dict[str, list[tuple[float, float, float]]]:
    """For a plot: by case, (second, learned requests a second, true limit)."""
    cases = [(case.name, case.build, case.seconds) for case in (STEADY[i] for i in (0, 1, 4, 5))]
    cases.append(("20/s, and 20 % refused at random before it", _at_random([(0, 0.2)], None, 20), 300.0))
    one = partial(simulate, algorithm=Learned, seed=seed, curve=_pace)
    return {name: one(build, seconds=seconds).curve for name, build, seconds in cases}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="fewer seeds")
    print(run(parser.parse_args().quick))


if __name__ == "__main__":
    main()
