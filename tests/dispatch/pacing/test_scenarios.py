"""Whole runs in virtual time: lenient figures that a broken rule would miss (the bars are in benchmarks/pacing.py)."""

from statistics import median

import pytest

from benchmarks._limiters import FAR, NEAR, HAProxy, Learned, Network, Nginx, Slots, TokenBucket, simulate


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


@pytest.mark.parametrize(("slots", "waste"), [(1, 85), (5, 35), (20, 20)])
def test_running_tasks_are_used_blind(slots: int, waste: float) -> None:
    """Nobody tells of completions; a refusal names its reason."""
    run = simulate(lambda w, d: Slots(w, d, [(0, slots)]), Learned, 1, seconds=3600)
    assert run.goodput > 70
    assert run.waste < waste
