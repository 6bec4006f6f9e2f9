"""Hints: each brings a look forward, seldom; a flood of them costs no more than the cap, and changes nothing."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.tasks.planner import EARLY, Followed, Planner
from tests.tasks.test_planner import learned, looks, planner


def asked(it: Planner, until: float, hints: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """All looks up to a moment, with hints as they come; every task goes on running."""
    seen, now, left = [], 0.0, sorted(hints)
    while now <= until:
        while left and left[0][0] <= now:
            it.hint(left.pop(0)[1], now)
        task = it.take(now)
        if task is not None:
            seen.append((now, task.task_id))
            it.again(task, now, running=True)
            continue
        nearest = left[0][0] - now if left else math.inf
        now += max(EARLY, min(it.wait(now), nearest))
    return seen


def test_a_hint_brings_the_next_look() -> None:
    """Now; after it the pauses are as before."""
    it = planner()
    it.follow("a", 0.0, born=0.0)
    assert it.wait(5.0) > 20.0
    assert it.hint("a", 5.0)
    assert it.wait(5.0) == 0.0
    task = it.take(5.0)
    assert task is not None
    it.again(task, 5.0, running=True)
    assert it.wait(5.0) == pytest.approx(10.0)
    assert len(looks(it, 100.0, 5.0)) == len(looks(planner_at(5.0), 100.0, 5.0))


def planner_at(looked: float) -> Planner:
    """One whose task was looked at then."""
    it = planner()
    task = it.follow("a", 0.0, born=0.0)
    while it.take(1000.0) is None:
        pass
    it.again(task, looked, running=True)
    it._next_look = -math.inf
    return it


def test_a_hint_counts_once_in_a_while() -> None:
    """Once a closest pause, or a freshness where that is longer; both sides of it."""
    for it, pause in ((planner(), 10.0), (learned(200.0, 120.0), 120.0)):
        it.follow("a", 0.0, born=0.0)
        assert it.hint("a", 1.0)
        task = it.take(1.0)
        assert task is not None
        assert task is it.get("a")
        it._plan(task, 1e6)  # no look of its own comes between
        fresh = max(it._freshness.seconds, it.closest())
        assert fresh == pytest.approx(pause)
        assert not it.hint("a", 1.0 + fresh - 0.01)
        assert it.hint("a", 1.0 + fresh)


def test_a_hint_for_what_is_not_waited_for_costs_nothing() -> None:
    """Unknown, out for an answer, dropped, or due already."""
    it = planner()
    assert not it.hint("nobody", 0.0)
    task = it.follow("a", 0.0, born=0.0)
    assert it.take(100.0) is task
    assert not it.hint("a", 100.0)
    it.again(task, 100.0, running=True)
    assert not it.hint("a", 500.0)
    it.drop("a")
    assert not it.hint("a", 501.0)
    assert it.take(1e6) is None
    assert "nobody" not in it
    assert len(it) == 0


def test_a_hint_does_not_end_a_pause_of_all() -> None:
    """The key is refused, or the gateway is too busy: nobody is asked for."""
    it = planner()
    it.follow("a", 0.0, born=0.0)
    it.hold(1.0, 60.0)
    assert it.hint("a", 2.0)
    assert it.take(2.0) is None
    assert it.wait(2.0) == 59.0


@given(
    hints=st.lists(st.tuples(st.floats(0.0, 300.0), st.sampled_from(["a", "b", "c", "unknown"])), max_size=80),
    rate=st.sampled_from([0.5, 10.0]),
)
def test_a_flood_costs_no_more_than_one_look_a_while(hints: list[tuple[float, str]], rate: float) -> None:
    """A task is asked for at most once more in each closest pause, and all of them keep the cap."""
    it = planner(max_queries_per_second=rate)
    for name in ("a", "b", "c"):
        it.follow(name, 0.0, born=0.0)
    seen = asked(it, 300.0, hints)
    assert {name for _, name in seen} == {"a", "b", "c"}
    for name in ("a", "b", "c"):
        moments = [at for at, one in seen if one == name]
        assert len(moments) <= 2 * (300.0 / 10.0 + 1)
    assert all(two[0] - one[0] >= 1.0 / rate - 2 * EARLY for one, two in pairwise(seen))


@given(st.lists(st.tuples(st.sampled_from("hdtfa"), st.sampled_from("abcde"), st.floats(0.0, 20.0)), max_size=60))
def test_a_task_is_in_one_place_whatever_hints_come(steps: list[tuple[str, str, float]]) -> None:
    """In the heap once, out for an answer, or gone: no hint doubles a task, and none loses one."""
    it, now = planner(), 0.0
    out: dict[str, Followed] = {}
    for step, name, pause in steps:
        now += pause
        if step == "h":
            it.hint(name, now)
        elif step == "d":
            it.drop(name)
            out.pop(name, None)
        elif step == "f":
            it.follow(name, now, born=now - pause)
        elif step == "t" and (task := it.take(now)) is not None:
            assert task.task_id not in out
            out[task.task_id] = task
        elif step == "a" and name in out:
            it.again(out.pop(name), now, running=True)
        alive = [task.task_id for task in it._heap if not task.dropped]
        assert sorted(alive) == sorted(set(it._tasks) - set(out))
        assert len(it._heap) - len(alive) == it._dead


def test_a_hundred_thousand_hints_leave_no_memory() -> None:
    """The looks that they brought forward are not kept twice."""
    it = planner()
    for number in range(200):
        it.follow(f"{number}", 0.0, born=0.0)
    for number in range(100_000):
        it.hint(f"{number % 200}", 0.01 * number)
    assert len(it._heap) <= 2 * 200 + 64
