"""Whole runs in virtual time: lenient figures that a broken rule would miss (the bars are in benchmarks/pacing.py)."""

import math
import random
from statistics import median

import attrs
import pytest

from benchmarks._clients import FAR, NEAR, Build, Learned, Network, simulate
from benchmarks._limiters import Alternating, AtRandom, FixedWindow, HAProxy, Nginx, Schedule, Slots, TokenBucket
from benchmarks.slots import measured, ways
from benchmarks.slots import simulate as simulate_slots
from lipsync_async.dispatch.pacing import Pacer
from lipsync_async.terms import Kind


@pytest.mark.parametrize("hints", [False, True])
def test_a_token_bucket_is_used_to_the_full(hints: bool) -> None:
    """10/s with a second of burst, for ten minutes."""
    run = simulate(lambda _w, _d: TokenBucket([(0, 10)], hints=hints), Learned, 1, seconds=600)
    assert run.goodput > 97
    assert run.waste < 1.5


def test_a_slow_limit_with_hints_is_found() -> None:
    """2/s, hints of whole seconds."""
    run = simulate(lambda _w, _d: TokenBucket([(0, 2)], hints=True), Learned, 1, seconds=600)
    assert run.goodput > 93
    assert run.waste < 4


def test_a_strict_limiter_does_not_cascade() -> None:
    """0.1 s of burst, and a network that shuffles requests."""
    run = simulate(lambda _w, _d: TokenBucket([(0, 10)], burst=0.1), Learned, 1, seconds=600)
    assert run.goodput > 46
    assert run.waste < 2.5


def test_a_moving_limit_is_followed() -> None:
    """10, then 5, then 20 a second."""
    moving = [(0, 10), (200, 5), (400, 20)]
    run = simulate(lambda _w, _d: TokenBucket(moving), Learned, 1, seconds=600)
    assert run.goodput > 89
    assert run.waste < 2


@pytest.mark.parametrize(("network", "time"), [(NEAR, 1.12), (FAR, 1.25)])
def test_a_list_at_nginx(network: Network, time: float) -> None:
    """800 jobs at 20/s, burst 10, with and without a hint."""
    for hint in (None, 1.0):
        run = simulate(lambda _w, _d, hint=hint: Nginx(20, 10, hint), Learned, 1, jobs=800, network=network)  # type: ignore[misc]
        assert run.elapsed < 40 * time
        assert run.requests_per_job < 1.03


SAME_HOST = Network(0.0003, 0.0001, 0.001, 0.001)


@pytest.mark.parametrize("network", [SAME_HOST, NEAR])
@pytest.mark.parametrize("count_all", [False, True])
def test_a_list_at_haproxy(count_all: bool, network: Network) -> None:
    """800 jobs at 200 in ten seconds: a burst of ten seconds' worth, then nothing, then twenty a second."""
    runs = [
        simulate(lambda _w, _d: HAProxy(20, 10, count_all), Learned, seed, jobs=800, network=network)
        for seed in range(1, 8)
    ]
    assert median(run.elapsed for run in runs) < 40 * 1.1
    assert median(run.requests_per_job for run in runs) < 1.0225


@pytest.mark.parametrize("named", [True, False])
def test_running_tasks_are_followed_by_sight(named: bool) -> None:
    """20 slots, completions polled every ten seconds, the code given or hidden."""
    run = simulate(lambda w, d: Slots(w, d, [(0, 20)], named), Learned, 1, seconds=3600, poll=10)
    assert run.goodput > 90
    assert run.waste < 9


def test_running_tasks_that_move_are_followed() -> None:
    """20, 10, 30 slots."""
    moving = [(0, 20), (1200, 10), (2400, 30)]
    run = simulate(lambda w, d: Slots(w, d, moving), Learned, 2, seconds=3600, poll=10)
    assert run.goodput > 78
    assert run.waste < 10


FRESHNESS = (0.0, 15.0, 120.0, 600.0)


def filled(
    name: str, freshness: float, *, sight: str | None = "planner", until: float = math.inf
) -> tuple[float, float]:
    """Percent of the slots used, and of the creates refused: medians of three seeds."""
    case = attrs.evolve(ways(name)["Pacer and Planner"], freshness=freshness, sight=sight, until=until)
    used, waste, _, _ = measured(case, 3)
    return used, waste


BLIND = filled("learned", 0.0, sight=None)


@pytest.mark.parametrize("freshness", FRESHNESS)
@pytest.mark.parametrize("name", ["learned", "told"])
def test_with_sight_it_is_never_worse_than_without(name: str, freshness: float) -> None:
    """In neither slots nor refusals, however late ends are told, but for the seeds' spread."""
    used, waste = filled(name, freshness)
    assert used > BLIND[0] - 2.5
    assert waste < BLIND[1] + 1.5


@pytest.mark.parametrize(
    ("freshness", "used", "waste"), [(0.0, 93, 3), (15.0, 88, 5), (120.0, 83, 11), (600.0, 82, 15)]
)
def test_the_user_s_number_means_tasks_that_run(freshness: float, used: float, waste: float) -> None:
    """Counting ends that are seen uses 95, 90, 60 and 22 % of the slots."""
    found = filled("told", freshness)
    assert found[0] > used
    assert found[1] < waste


def test_the_user_s_number_is_kept_where_the_account_allows_more() -> None:
    """Twenty are told and sixty may run: hardly more run where ends are told at once, and a few for a moment else."""
    for freshness, most in ((0.0, 22), (120.0, 27)):
        case = attrs.evolve(ways("told")["Pacer and Planner"], freshness=freshness, schedule=((0.0, 60.0),))
        run = simulate_slots(case, 1)
        assert run.most <= most
        assert run.refused == 0
        assert run.busy / (20 * case.seconds) > 0.8


@pytest.mark.parametrize("name", ["learned", "told"])
@pytest.mark.parametrize("freshness", [0.0, 120.0])
def test_sight_that_is_lost_is_noticed(name: str, freshness: float) -> None:
    """After twenty minutes nobody waits any more; tasks count by their age, for none is seen to end."""
    used, waste = filled(name, freshness, until=1200.0)
    assert used > 80
    assert waste < 17


@pytest.mark.parametrize(("slots", "waste"), [(1, 85), (5, 35), (20, 20)])
def test_running_tasks_are_used_blind(slots: int, waste: float) -> None:
    """Nobody tells of completions; a refusal names its reason."""
    run = simulate(lambda w, d: Slots(w, d, [(0, slots)]), Learned, 1, seconds=3600)
    assert run.goodput > 70
    assert run.waste < waste


def chance(schedule: Schedule, kind: Kind | None = None, limit: Schedule = ()) -> Build:
    """A share of all requests is refused whatever the pace, before a limit if there is one."""
    return lambda _w, dice: AtRandom(dice, schedule, kind, TokenBucket(limit) if limit else None)


@pytest.mark.parametrize("network", [NEAR, FAR])
@pytest.mark.parametrize("kind", [Kind.RATE, None, Kind.CAPACITY])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_refusals_at_random_do_not_stop_the_run(share: float, kind: Kind | None, network: Network) -> None:
    """1,000 jobs, no limit: within twice what twenty a second would take, and without needless requests."""
    build, ideal = chance([(0, share)], kind), 50 / (1 - share)
    runs = [simulate(build, Learned, seed, jobs=1000, network=network, seconds=60 * ideal) for seed in range(1, 6)]
    assert median(run.accepted for run in runs) == 1000
    assert median(run.elapsed for run in runs) < 2 * ideal
    assert median(run.requests_per_job for run in runs) * (1 - share) < 1.05


@pytest.mark.parametrize("network", [NEAR, FAR])
@pytest.mark.parametrize("share", [0.01, 0.02, 0.03, 0.05, 0.07])
def test_a_small_share_at_random_costs_little_time(share: float, network: Network) -> None:
    """When less than one of twenty was not looked for, 2 % took 1.9 times what would do, and 5 % 2.6 times."""
    build, ideal = chance([(0, share)]), 50 / (1 - share)
    runs = [simulate(build, Learned, seed, jobs=1000, network=network, seconds=10 * ideal) for seed in range(1, 10)]
    assert median(run.elapsed for run in runs) < 1.6 * ideal
    assert median(run.requests_per_job for run in runs) * (1 - share) < 1.02


@pytest.mark.parametrize("kind", [Kind.RATE, None, Kind.CAPACITY])
def test_every_second_request_refused_does_not_stop_the_run(kind: Kind | None) -> None:
    """Whatever the reason that is given."""
    run = simulate(lambda _w, _d: Alternating(kind), Learned, 1, jobs=1000, seconds=6000)
    assert run.accepted == 1000
    assert run.elapsed < 150


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_a_limit_beside_refusals_at_random_is_used_and_kept(share: float) -> None:
    """Twenty minutes at 20/s: most of it is used, and little more is refused than chance does."""
    runs = [simulate(chance([(0, share)], None, [(0, 20)]), Learned, seed, seconds=1200) for seed in range(1, 6)]
    assert median(run.goodput for run in runs) > 85
    assert median(run.waste for run in runs) < 100 * share + 6


def test_refusals_at_random_that_end_leave_the_limit() -> None:
    """Twenty percent for a minute, then none: after ten minutes as little is wasted as without them."""
    runs = [simulate(chance([(0, 0.2), (60, 0)], None, [(0, 20)]), Learned, seed, seconds=900) for seed in range(1, 6)]
    assert median(run.goodput for run in runs) > 90
    assert median(run.waste for run in runs) < 4


def test_refusals_at_random_that_begin_late_are_borne() -> None:
    """From the thirtieth second on, at a limit that was found."""
    build = chance([(0, 0), (30, 0.2)], None, [(0, 20)])
    runs = [simulate(build, Learned, seed, jobs=2000, seconds=4000) for seed in range(1, 6)]
    assert median(run.elapsed for run in runs) < 150


def share_found(learned: Learned) -> float:
    """What the pacer believes is refused whatever its pace."""
    pacer = learned.pacer
    assert isinstance(pacer, Pacer)
    return pacer._background.share


LIMITS: dict[str, tuple[Build, float, float | None]] = {
    "token bucket": (lambda _w, _d: TokenBucket([(0, 10)]), 600, None),
    "strict": (lambda _w, _d: TokenBucket([(0, 10)], burst=0.1), 600, None),
    "whole-second hints": (lambda _w, _d: TokenBucket([(0, 2)], hints=True), 600, None),
    "moving": (lambda _w, _d: TokenBucket([(0, 10), (200, 5), (400, 20)]), 600, None),
    "far down": (lambda _w, _d: TokenBucket([(0, 20), (200, 1), (400, 20)]), 600, None),
    "fixed window": (lambda _w, _d: FixedWindow(60, 60), 600, None),
    "nginx": (lambda _w, _d: Nginx(20, 0), 300, None),
    "HAProxy": (lambda _w, dice: HAProxy(20, 10, True, dice.random()), 300, None),
    "running tasks, blind": (lambda world, dice: Slots(world, dice, [(0, 20)]), 3600, None),
    "running tasks, seen": (lambda world, dice: Slots(world, dice, [(0, 20), (1200, 10), (2400, 30)]), 3600, 10.0),
    "running tasks, code hidden": (lambda world, dice: Slots(world, dice, [(0, 20)], named=False), 3600, None),
}


@pytest.mark.parametrize("name", LIMITS)
def test_no_limit_is_taken_for_chance(name: str) -> None:
    """Whatever is refused by a limit, at the end nothing is believed to be unavoidable."""
    build, seconds, poll = LIMITS[name]
    found = []

    def learned(dice: random.Random) -> Learned:
        found.append(Learned(dice))
        return found[-1]

    for seed in range(1, 6):
        simulate(build, learned, seed, seconds=seconds, poll=poll)
    assert [share_found(one) for one in found] == [0.0] * 5


def test_a_late_refusal_overshoots_little() -> None:
    """60/s, told half a second late: of the first 600 requests one in fourteen at most is refused."""
    late = Network(0.02, 0.005, 0.48, 0.48)
    runs = [
        simulate(lambda _w, _d: TokenBucket([(0, 60)]), Learned, seed, jobs=540, network=late) for seed in range(1, 8)
    ]
    assert median(run.waste for run in runs) < 7
