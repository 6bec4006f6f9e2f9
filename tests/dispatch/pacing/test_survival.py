"""When tasks end and when that is seen: the curves, and the chance that an unseen task runs."""

import math
import random
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lipsync_async.dispatch.pacing.survival import ENOUGH, KEPT, NEVER, PRIOR, Curve, Ends, survival

AGES = st.lists(st.floats(0.1, 1e4), max_size=60)


def learned(late: float, *, ends: int = KEPT, seed: int = 1) -> Ends:
    """Tasks of 60 to 180 s whose ends are seen at random within twice `late` seconds."""
    dice, found = random.Random(seed), Ends()
    for number in range(ends):
        took = dice.uniform(60, 180)
        found.add(float(number), took, took + dice.uniform(0, 2 * late))
    found.renew(float(ends), [])
    return found


def test_all_tasks_seen_to_end_leave_a_stair() -> None:
    """Of four, a quarter less with each end; the last leaves a little, for nobody knows what comes after it."""
    stair = survival([(10.0, 1.0), (20.0, 1.0), (30.0, 1.0), (40.0, 1.0)], [])
    assert stair == [(0.0, 1.0), (10.0, 0.75), (20.0, pytest.approx(0.5)), (30.0, pytest.approx(0.25)), (40.0, 0.0625)]


def test_tasks_that_go_on_count_as_long_as_they_were_watched() -> None:
    """Two of four end; two are known for 15 s only, so the second end is one of one that is left."""
    stair = survival([(10.0, 1.0), (20.0, 1.0)], [(15.0, 2.0)])
    assert stair[1] == (10.0, 0.75)
    assert stair[2][1] < 0.2


@given(AGES, AGES)
def test_a_curve_only_falls(events: list[float], censored: list[float]) -> None:
    """From one, never to nothing; and its inverse is one."""
    curve = Curve(sorted((age, 1.0) for age in events), sorted((age, 1.0) for age in censored))
    shares = [curve(age) for age in (0.0, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6)]
    assert shares[0] == 1.0
    assert all(0.0 < after <= before for before, after in pairwise(shares))
    if events and curve(1e9) < 0.05:
        assert curve(curve.age_of(0.05)) <= 0.05 + 1e-9


def test_without_ends_a_task_is_taken_to_have_ended_by_its_age_alone() -> None:
    """None within 45 s, half after three minutes."""
    ends = Ends()
    assert ends.chance(40.0) == 1.0
    assert ends.chance(180.0) == pytest.approx(0.6, abs=0.1)
    assert ends.chance(1e6) < 0.01
    assert not ends.known
    assert sum(weight for _, weight in PRIOR) < 1.0


def test_where_ends_are_seen_at_once_an_unseen_task_runs() -> None:
    """Whatever its age, for else it would have been seen."""
    ends = learned(0.0)
    assert min(ends.chance(age) for age in range(0, 170, 5)) > 0.75


def test_where_ends_are_seen_late_an_unseen_task_has_ended_by_its_age() -> None:
    """Of 60 to 180 s: at 120 s a half, at 300 s none."""
    ends = learned(600.0)
    assert ends.chance(50.0) > 0.98
    assert ends.chance(120.0) == pytest.approx(0.5, abs=0.12)
    assert ends.chance(300.0) < 0.03
    assert ends.late == pytest.approx(600.0, rel=0.15)
    assert ends.mean == pytest.approx(120.0, rel=0.1)


def test_the_curves_are_known_when_ends_are_seen_at_most_ages() -> None:
    """Eight ends are enough, unless as many older tasks again were not seen to end."""
    ends, few = Ends(), Ends()
    for number in range(ENOUGH):
        ends.add(0.0, 60.0 + number, 65.0 + number)
        if number:
            few.add(0.0, 60.0 + number, 65.0 + number)
    ends.renew(0.0, [(100.0, 8.0)])
    assert not ends.known
    ends.renew(0.0, [(100.0, 1.0)])
    assert ends.known
    few.renew(0.0, [])
    assert not few.known


def test_the_first_ends_do_not_speak_for_all() -> None:
    """Eight of twenty tasks ended within 100 s, seen at once: the other twelve run, and are known to."""
    ends = Ends()
    ends.known = True
    for number in range(ENOUGH):
        ends.add(100.0, 60.0 + 5 * number, 60.0 + 5 * number)
    ends.renew(100.0, [(100.0, 12.0)])
    assert ends.chance(100.0) > 0.85


def test_tasks_that_nobody_waits_for_count_by_their_age() -> None:
    """After many that became overdue, to be unseen says nothing; ends that are seen make it say something again."""
    ends = learned(0.0)
    assert ends.chance(150.0) > 0.6
    ends.miss(100)
    ends.renew(1000.0, [])
    assert ends.chance(150.0) == pytest.approx(0.25, abs=0.08)
    for _ in range(100):
        ends.add(0.0, 120.0, 120.0)
    assert ends._never < NEVER


def test_old_ends_are_forgotten() -> None:
    """Tasks became ten times shorter."""
    ends = learned(5.0)
    for _ in range(KEPT):
        ends.add(0.0, 12.0, 13.0)
    ends.renew(1000.0, [])
    assert len(ends) == KEPT
    assert ends.mean == pytest.approx(12.0)
    assert ends.chance(100.0) < 0.1


def test_the_table_is_made_anew_now_and_then() -> None:
    """After time, or enough ends: not with each."""
    ends = learned(5.0)
    now = float(KEPT)
    assert not ends.is_stale(now)
    assert ends.is_stale(now + 11.0)
    ends.add(now, 100.0, 100.0)
    assert not ends.is_stale(now)
    for _ in range(KEPT // 16):
        ends.add(now, 100.0, 100.0)
    assert ends.is_stale(now)


@given(
    ends=st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0, 1e4)), max_size=40),
    unseen=st.lists(st.tuples(st.floats(0, 1e5), st.integers(1, 9)), max_size=20),
    age=st.floats(0, 1e7),
)
def test_a_chance_is_one(ends: list[tuple[float, float, float]], unseen: list[tuple[float, int]], age: float) -> None:
    """From 0 to 1, whatever was seen; and old tasks have ended, so that none holds a place for ever."""
    found = Ends()
    for now, took, seen in ends:
        found.add(now, took, seen)
    found.renew(1e4, sorted((old, float(tasks)) for old, tasks in unseen))
    assert 0.0 <= found.chance(age) <= 1.0
    assert found.chance(1e9) < 0.01
    assert math.isfinite(found.late)
