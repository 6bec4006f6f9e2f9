"""How many tasks run: groups, ends, and what is forgotten."""

import random

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from lipsync_async.dispatch.pacing.running import MOST, NEAR, Running


def taught(late: float) -> Running:
    """Tasks of 60 to 180 s, whose ends are seen within twice `late` seconds."""
    dice, running = random.Random(1), Running()
    for _ in range(200):
        took = dice.uniform(60, 180)
        running.ends.add(0.0, took, took + dice.uniform(0, 2 * late))
    return running


def test_young_tasks_run() -> None:
    """All of them, for sure."""
    running = Running()
    for number in range(20):
        running.begin(float(number))
    assert running.estimate(30.0) == (20.0, 0.0)
    assert running.count == 20


def test_unseen_tasks_count_by_their_chance() -> None:
    """Of twenty that are two minutes old at a gateway ten minutes late, about the half runs; the doubt is largest."""
    running = taught(300.0)
    for _ in range(20):
        running.begin(0.0)
    mean, variance = running.estimate(120.0)
    assert mean == pytest.approx(10.0, abs=2.5)
    assert variance == pytest.approx(5.0, abs=0.5)


def test_an_end_takes_its_own_task_away() -> None:
    """The one of that age, whatever others there are."""
    running = Running()
    for born in (0.0, 50.0, 100.0):
        running.begin(born)
    running.end(110.0, 60.0, 55.0)
    assert running._born == [0.0, 100.0]
    assert running.count == 2


@pytest.mark.parametrize(("off", "left"), [(NEAR, 1), (NEAR + 10.0, 2)])
def test_an_end_of_a_task_that_is_not_known_takes_none_away(off: float, left: int) -> None:
    """Clocks may be seconds off, and no more; both sides of it."""
    running = Running()
    running.begin(0.0)
    running.begin(50.0)
    running.end(110.0, 60.0 + off, 55.0)
    assert running.count == left


def test_a_seen_end_is_a_share_of_the_doubt() -> None:
    """One of twenty that were as doubtful as it; one that surely ran is none."""
    running = taught(300.0)
    for _ in range(20):
        running.begin(0.0)
    running.estimate(120.0)
    assert running.end(120.0, 120.0, 110.0) == pytest.approx(1 / 20)
    running.begin(119.0)
    assert running.end(120.0, 1.0, 1.0) < 0.01


def test_ends_without_an_age_are_the_oldest() -> None:
    """And never more than there are."""
    running = Running()
    running.begin(0.0)
    running.begin(50.0, 2)
    running.end_oldest(2)
    assert (running._born, running.count) == ([50.0], 1)
    running.end_oldest(9)
    assert running.count == 0


def test_tasks_that_have_surely_ended_are_forgotten() -> None:
    """After an hour; an end that is seen later takes no other away."""
    running = taught(10.0)
    running.begin(0.0)
    running.begin(3600.0)
    running.estimate(3600.0)
    running.estimate(3620.0)
    assert running.count == 1
    running.end(3600.0, 3600.0, 100.0)
    assert running.count == 1


def test_overdue_tasks_are_counted_once() -> None:
    """A hundred whose end nobody tells: then the age alone counts."""
    running = taught(1.0)
    for second in range(0, 400, 4):
        running.begin(float(second))
        running.estimate(float(second))
    for second in range(400, 700, 5):
        running.estimate(float(second))
    never = running.ends._never
    assert 0.5 < never < 1.0
    running.estimate(10_000.0)
    running.estimate(10_020.0)
    assert running.ends._never < 1.0


def test_groups_are_bounded() -> None:
    """A million seconds of tasks; none is lost by it."""
    running = Running()
    for number in range(5 * MOST):
        running.begin(10.0 * number)
    assert len(running._born) <= MOST
    assert running.count == 5 * MOST == sum(running._tasks)
    assert running._born == sorted(running._born)


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["begin", "end", "oldest", "look"]), st.floats(0, 100), st.floats(0, 400)),
        max_size=60,
    )
)
def test_what_runs_is_within_what_is_unseen(steps: list[tuple[str, float, float]]) -> None:
    """After any history: from nothing to all, and the doubt at most a quarter each."""
    running, now = Running(), 0.0
    for what, pause, figure in steps:
        now += pause
        if what == "begin":
            running.begin(now, 1 + int(figure) % 3)
        elif what == "end":
            assert 0.0 <= running.end(now, figure, figure / 2) <= 1.0
        elif what == "oldest":
            running.end_oldest(1)
        mean, variance = running.estimate(now)
        assert -1e-9 <= mean <= running.count + 1e-9
        assert 0.0 <= variance <= running.count / 4 + 1e-9
        assert running.count == sum(running._tasks)
