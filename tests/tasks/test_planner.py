"""The planner: who is asked for, when, how often at most, and never again."""

from __future__ import annotations

import math
import tracemalloc
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async import Following
from lipsync_async.tasks.durations import Durations
from lipsync_async.tasks.freshness import Freshness
from lipsync_async.tasks.planner import COLD, EARLY, LONGEST_BACKOFF, PRICE, Planner


def planner(**values: float) -> Planner:
    """One that has learned nothing."""
    return Planner(Following(**values), Durations(), Freshness())


def learned(median: float, freshness: float = 0.0) -> Planner:
    """One that has learned durations around a median, and how late the gateway is."""
    durations, fresh = Durations(), Freshness()
    for number in range(101):
        durations.ended(median * (0.5 + number / 100))
        fresh.told(before=freshness, seen=freshness, ended=0.0)
    return Planner(Following(), durations, fresh)


def looks(it: Planner, until: float, now: float = 0.0) -> list[tuple[float, str]]:
    """All looks up to a moment; every task goes on running."""
    seen = []
    while now <= until:
        task = it.take(now)
        if task is None:
            now += max(EARLY, it.wait(now))
            continue
        seen.append((now, task.task_id))
        it.again(task, now, running=True)
    return seen


def test_a_cold_first_look_comes_after_thirty_seconds() -> None:
    """Spread over one closest pause, by the id."""
    for name in ("a", "b", "c"):
        it = planner()
        it.follow(name, 0.0, born=0.0)
        assert COLD <= it.wait(0.0) <= COLD + 10.0
        assert it.take(COLD - 1) is None


def test_a_first_look_comes_when_the_first_tasks_end() -> None:
    """At the learned 8 % quantile: of 50 to 150 s, at 58."""
    it = learned(100.0)
    it.follow("a", 0.0, born=0.0)
    assert 58.0 - EARLY <= it.wait(0.0) <= 63.0 + EARLY


def test_a_first_look_can_be_told() -> None:
    """The user's word goes before what is learned."""
    it = planner(first_look=5.0)
    it.follow("a", 0.0, born=0.0)
    assert 5.0 <= it.wait(0.0) <= 15.0


def test_a_task_of_unknown_age_is_looked_at_soon() -> None:
    """It may have ended long ago."""
    it = planner()
    it.follow("a", 100.0)
    assert it.wait(100.0) <= 10.0


def test_an_old_task_is_looked_at_at_once() -> None:
    """But for the spread."""
    it = planner()
    it.follow("a", 1000.0, born=0.0)
    assert it.wait(1000.0) <= 10.0


def test_pauses_grow_with_the_age() -> None:
    """8 % of it, from 10 to 60 s."""
    it = planner()
    it.follow("a", 0.0, born=0.0)
    moments = [at for at, _ in looks(it, 3000.0)]
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert pauses == sorted(pauses, key=round)
    assert pauses[0] == pytest.approx(10.0)
    assert pauses[-1] == pytest.approx(60.0)


@given(median=st.floats(0.1, 1000.0), freshness=st.floats(0.0, 600.0), age=st.floats(0.0, 1e5))
def test_pauses_keep_within_their_bounds(median: float, freshness: float, age: float) -> None:
    """max(min(10 s, 5 % of the median), 40 % of F) to 60 s, whatever was learned."""
    it = learned(median, freshness)
    task = it.follow("a", age, born=0.0)
    least = min(60.0, max(min(10.0, 0.05 * median), 0.4 * freshness))
    assert it.closest() == pytest.approx(least)
    assert least <= it.pause(task, age) <= 60.0 + 1e-9
    if age > 1.51 * median:  # older than all that were seen to end
        assert it.pause(task, age) == pytest.approx(max(least, min(60.0, 0.08 * age)))


def test_pauses_are_as_the_root_of_how_likely_an_end_is() -> None:
    """Of 50 to 150 s: of those that last 60 s one in 82 ends in a second, of those that last 110, one in 32."""
    it = learned(100.0)
    task = it.follow("a", 0.0, born=0.0)
    early, late = it.pause(task, 60.0), it.pause(task, 110.0)
    assert early / late == pytest.approx(math.sqrt(82 / 32), rel=0.1)
    assert early == pytest.approx(math.sqrt(2 * PRICE * 100.0 * 82), rel=0.1)


@given(
    births=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=60),
    rate=st.sampled_from([0.5, 2.0, 10.0]),
    seed=st.integers(0, 9),
)
def test_no_task_is_forgotten_and_none_comes_after_its_end(births: list[float], rate: float, seed: int) -> None:
    """Every task is asked for until it has ended, and never again; never more than the cap."""
    dice = Random(seed)
    it = planner(max_queries_per_second=rate)
    ends = {f"task-{number}": born + dice.uniform(0.0, 300.0) for number, born in enumerate(births)}
    begins = sorted((born, f"task-{number}") for number, born in enumerate(births))
    ended: set[str] = set()
    moments: list[float] = []
    now = 0.0
    while len(ended) < len(births):
        while begins and begins[0][0] <= now:
            born, name = begins.pop(0)
            it.follow(name, now, born=born)
        task = it.take(now)
        if task is None:
            wait = it.wait(now)
            assert wait < math.inf or begins
            now += max(EARLY, min(wait, begins[0][0] - now if begins else math.inf))
            continue
        assert task.task_id not in ended
        moments.append(now)
        if now >= ends[task.task_id]:
            ended.add(task.task_id)
            it.drop(task.task_id)
            it.again(task, now, running=True)  # a late word changes nothing
        else:
            it.again(task, now, running=dice.random() < 0.8)
        assert now < 10_000.0
    assert len(it) == 0
    assert it.take(now + 1e6) is None
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert all(gap >= 1.0 / rate - 2 * EARLY for gap in gaps)


def test_one_task_is_followed_once() -> None:
    """Whoever else follows it gets the same; out for an answer it is not asked for by another."""
    it = planner()
    first = it.follow("a", 0.0, born=0.0)
    assert it.follow("a", 5.0, born=5.0) is first
    assert it.take(50.0) is first
    assert it.take(500.0) is None
    assert it.wait(500.0) == math.inf
    assert len(it) == 1
    assert "a" in it


def test_a_task_that_is_followed_anew_is_another() -> None:
    """The answer to a look of before moves nothing."""
    it = planner()
    it.follow("a", 0.0, born=0.0)
    old = it.take(50.0)
    assert old is not None
    it.drop("a")
    it.follow("a", 60.0, born=0.0)
    it.again(old, 61.0, running=True)
    assert len(looks(it, 71.0, 60.0)) == 1


def test_refusals_slow_all_looks_and_never_for_long() -> None:
    """2, 4 ... 60 s; a hint is never undercut; refusals of looks that were out together are one."""
    it = planner()
    it.follow("a", 0.0)
    pauses = []
    now = 100.0
    for _ in range(8):
        it.refused(now)
        it.refused(now)
        pauses.append(it.wait(now))
        now += pauses[-1]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    it.refused(now, hint=600.0)
    assert it.wait(now) == 600.0
    assert it.take(now + 599.0) is None
    assert it.take(now + 600.0) is not None
    for _ in range(10):
        it.answered()
    it.refused(now + 700.0)
    it.follow("b", 0.0)
    assert it.wait(now + 700.0) == 2.0
    assert LONGEST_BACKOFF == 60.0


def test_all_looks_can_be_held() -> None:
    """For a key that is refused; the longer of two holds."""
    it = planner()
    it.follow("a", 0.0)
    it.hold(50.0, 60.0)
    it.hold(50.0, 5.0)
    assert it.wait(50.0) == 60.0
    assert it.take(109.0) is None
    assert it.take(110.0) is not None


def test_dropped_tasks_leave_no_memory() -> None:
    """Ten times as many come and go as stay."""
    it = planner()
    for number in range(2000):
        it.follow(f"{number}", 0.0, born=0.0)
        if number % 10:
            it.drop(f"{number}")
    assert len(it) == 200
    assert len(it._heap) < 500
    assert "200 tasks" in repr(it)


def test_a_hundred_thousand_tasks_take_45_megabytes() -> None:
    """With their ids."""
    tracemalloc.start()
    it = planner()
    for number in range(100_000):
        it.follow(str(860_000_000_000_000_000 + number), 0.0, born=0.0)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(it) == 100_000
    assert size < 45e6
