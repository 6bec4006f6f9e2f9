"""How many tasks may run: what replies teach."""

import random

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lipsync_async.dispatch.pacing.allowance import (
    FIRST,
    GREATEST,
    NUMBERS,
    SURE,
    Allowance,
    below,
    mean_above,
)


def test_the_numbers_reach_far_and_are_exact_where_that_matters() -> None:
    """Every number up to 25, then steps of 4 %."""
    assert NUMBERS[:26] == list(range(1, 27))
    assert sorted(set(NUMBERS)) == NUMBERS
    assert NUMBERS[-1] >= GREATEST
    assert len(NUMBERS) < 300


@pytest.mark.parametrize(("deviations", "share"), [(0.0, 0.5), (1.0, 0.8413), (-1.0, 0.1587), (9.0, 1.0)])
def test_shares_of_a_normal_distribution(deviations: float, share: float) -> None:
    """As in any table."""
    assert below(deviations) == pytest.approx(share, abs=1e-4)


@given(st.floats(-40, 40))
def test_the_mean_of_a_tail_lies_in_it(deviations: float) -> None:
    """Above where it begins, and never below zero."""
    assert mean_above(deviations) >= max(0.0, deviations) - 1e-9
    assert mean_above(0.0) == pytest.approx(0.7979, abs=1e-4)


@pytest.mark.parametrize(
    ("around", "spread", "least"), [(20, SURE, 19), (20, FIRST, 17), (1, SURE, 1), (0.2, FIRST, 1)]
)
def test_a_first_guess_is_a_little_below(around: float, spread: float, least: int) -> None:
    """The surer, the nearer."""
    assert least <= Allowance(around, spread).tasks <= max(1, around)


def test_refusals_and_acceptances_find_the_limit() -> None:
    """Where it is known how many run, it is exact after some replies, from far above and from far below."""
    for guess in (5, 60):
        allowance = Allowance(guess, FIRST)
        for turn in range(200):
            running = allowance.tasks - (turn % 4 > 0)  # now and then one more
            allowance.learn(60.0 * turn, running, 0.0, refused=running >= 20)
        assert 19 <= allowance.tasks <= 20


def test_a_reply_says_how_many_run() -> None:
    """Refused where 18 +- 2 were believed and 20 may run: it was 20. It fades, for then other tasks are in doubt."""
    allowance = Allowance(20, SURE)
    allowance.span = 30.0
    allowance.learn(100.0, 18.0, 4.0, refused=True)
    mean, variance = allowance.running(100.0, 18.0, 4.0)
    assert mean == pytest.approx(20.0, abs=0.6)
    assert variance < 2.0
    later = allowance.running(130.0, 18.0, 4.0)
    assert 18.0 < later[0] < mean
    assert later[1] > variance
    assert allowance.running(1000.0, 18.0, 4.0)[0] == pytest.approx(18.0, abs=0.01)


def test_an_end_that_is_seen_takes_away_what_a_reply_said_of_it() -> None:
    """It was the half of all doubt."""
    allowance = Allowance(20, SURE)
    allowance.learn(100.0, 18.0, 4.0, refused=True)
    before = allowance.running(100.0, 18.0, 4.0)[0] - 18.0
    allowance.ended(0.5)
    assert allowance.running(100.0, 18.0, 4.0)[0] - 18.0 == pytest.approx(before / 2)


def test_a_fall_is_believed_after_few_refusals() -> None:
    """From 20 to 10, seen at once: half a dozen refusals as tasks end."""
    allowance, running, refusals = Allowance(20, SURE), 20, 0
    for turn in range(40):
        if running < allowance.tasks:
            refused = running >= 10
            allowance.learn(60.0 * turn, running, 0.2, refused=refused)
            refusals += refused
            running += not refused
        running -= running > 8
    assert refusals <= 6
    assert allowance.tasks <= 11


def test_a_rise_is_believed_after_few_acceptances() -> None:
    """Every one above what was believed, seen at once."""
    allowance = Allowance(10, SURE)
    for turn in range(20):
        allowance.learn(60.0 * turn, 10.0 + turn, 0.2, refused=False)
    assert allowance.tasks >= 29


def test_time_makes_more_likely() -> None:
    """A limit may change, with every job that is accepted."""
    allowance = Allowance(20, SURE)
    allowance.learn(0.0, 20.0, 0.1, refused=True)
    few = Allowance(20, SURE)
    few.learn(0.0, 20.0, 0.1, refused=True)
    allowance.accepted = 100
    for one in (allowance, few):
        one.learn(1.0, 5.0, 0.1, refused=False)
    assert allowance.more > few.more


@given(
    replies=st.lists(
        st.tuples(st.floats(0, 500), st.floats(0, 3000), st.floats(0, 500), st.booleans()), min_size=1, max_size=30
    ),
    guess=st.floats(0, 1e5),
)
def test_weights_are_weights(replies: list[tuple[float, float, float, bool]], guess: float) -> None:
    """After any replies: none below zero, one all together, and what is believed of running tasks is finite."""
    allowance, now, dice = Allowance(guess, FIRST), 0.0, random.Random(1)
    for pause, running, variance, refused in replies:
        now += pause
        allowance.span = 1.0 + pause
        allowance.accepted += dice.randrange(3)
        allowance.ended(dice.random())
        allowance.learn(now, running, variance, refused=refused)
        assert min(allowance._weights) >= 0.0
        assert sum(allowance._weights) == pytest.approx(1.0)
        assert 0.0 <= allowance.more <= 1.0
        assert 1 <= allowance.tasks <= NUMBERS[-1]
        mean, left = allowance.running(now, running, variance)
        assert abs(mean) < 1e6
        assert 0.0 < left <= variance + 0.03


@pytest.mark.parametrize(("told", "least", "most"), [(20.0, 20, 20), (float("inf"), 1, 19)])
def test_a_refusal_that_comes_too_early_does_not_lower_what_the_user_told(told: float, least: int, most: int) -> None:
    """Refused where 19 +- 0.9 were believed: one more ran than was thought; where nothing is told, fewer may."""
    allowance = Allowance(19, FIRST, told)
    allowance.learn(0.0, 19.0, 0.8, refused=True)
    assert least <= allowance.tasks <= most


def test_an_account_that_allows_less_than_the_user_told_is_found_out() -> None:
    """Refused where exactly ten run, the ten are believed at the second refusal, and after a hundred replies."""
    allowance = Allowance(10, FIRST, 20)
    for turn in range(100):
        running = min(10, allowance.tasks - (turn % 4 > 0))
        allowance.learn(60.0 * turn, running, 0.0, refused=running >= 10)
        assert turn < 1 or allowance.tasks <= 11


def test_what_is_told_may_lie_between_two_numbers_or_beyond_all() -> None:
    """The next one is meant; a number above all is none."""
    assert Allowance(27, SURE, 27).tasks >= 27
    assert Allowance(20, FIRST, 10 * GREATEST).tasks == Allowance(20, FIRST).tasks
