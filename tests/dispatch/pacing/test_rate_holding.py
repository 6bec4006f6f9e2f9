"""The bracket while a pace is held: what is noise, and what a lesson; both sides of each edge."""

import math

import pytest

from lipsync_async.dispatch.pacing.rate import (
    ALARM,
    FIRST_HOLD,
    LONGEST_HOLD,
    MOMENT,
    SLOWEST,
    STALE,
    STEP,
    Phase,
)
from tests.dispatch.pacing.rates import accept, held


def test_a_fresh_wide_bracket_is_halved() -> None:
    """25 accepted jobs at the ground, and its upper half is searched."""
    r = held(10.0, hi=20.0)
    accept(r, 24, 2.0)
    assert r.phase is Phase.HOLDING
    accept(r, 1, 2.0)
    assert r.pace == pytest.approx(math.sqrt(200))


def test_a_narrow_bracket_is_forgotten_upwards() -> None:
    """Held for its time, it is believed to have risen."""
    r = held(10.0, hi=10.5)
    accept(r, 25, 3.0)
    assert r.hi == math.inf
    assert r.pace == pytest.approx(10.0 * STEP)


@pytest.mark.parametrize(("lo", "jobs"), [(0.5, 50), (10.0, STALE * 10), (100.0, LONGEST_HOLD)])
def test_a_long_hold_is_bounded_by_what_went_stale(lo: float, jobs: float) -> None:
    """At most as many jobs as the ground passes in half a minute, at least fifty."""
    r = held(lo, hi=2 * lo)
    r._hold = LONGEST_HOLD
    r._keep()
    assert r._need == jobs


def test_one_refusal_while_holding_is_noise() -> None:
    """The ground stays, as long as refusals are rare."""
    r = held(10.0, hi=12.0)
    accept(r, 20, 2.0)
    r.refused(2.0, 2.0)
    assert (r.phase, r.pace) == (Phase.HOLDING, 10.0)


def test_refusals_that_add_up_lower_the_ground() -> None:
    """The second refusal within fifty jobs passes two percent."""
    r = held(10.0, hi=12.0)
    accept(r, 20, 2.0, used=False)
    r.refused(2.0, 2.0)
    accept(r, 20, 4.0, used=False)
    r.refused(4.0, 4.0)
    assert r.hi == 10.0
    assert r.lo == pytest.approx(9.7)
    assert r._hold == FIRST_HOLD


@pytest.mark.parametrize(
    ("again", "waste", "second", "stays"),
    [
        (True, 0.03, 2.0, True),
        (False, 0.03, 2.0, False),  # the first of its kind speaks of the pace
        (True, 0.06, 2.0, False),  # too many, for they may be a limit's
        (True, 0.03, 2.4, False),  # 20 in 2.4 s are less than the pace lets through
    ],
)
def test_single_refusals_that_come_again_are_no_reason_to_come_down(
    again: bool, waste: float, second: float, stays: bool
) -> None:
    """While the pace lets through what it should, for other paces had them as well."""
    r = held(10.0, hi=12.0)
    accept(r, 20, second, used=False)
    r._waste = waste
    r.refused(second, second, again=again)
    assert (r.lo == 10.0) == stays


def test_a_limit_that_fell_is_followed_at_once() -> None:
    """An estimate far below the ground needs no second refusal; no cut takes more than three tenths."""
    r = held(10.0, hi=12.0)
    r._hold = LONGEST_HOLD
    accept(r, 20, 5.0)
    r.refused(5.0, 5.0)
    assert r.lo == pytest.approx(7.0)
    assert r._hold == FIRST_HOLD


def test_few_jobs_are_kept_for_the_next_estimate() -> None:
    """Refusals after three jobs each are not lost: the third has nine to judge by."""
    r = held(10.0, hi=12.0)
    for turn in (1.0, 2.0, 3.0):
        accept(r, 3, turn)
        r.refused(turn, turn)
    assert r.lo < 10.0
    assert r._accepted == 0


@pytest.mark.parametrize(
    ("waste", "paused", "over", "lo"),
    [
        (2 * ALARM, 0.3, 0.5, 40.0),  # twenty were accepted in that half second
        (2 * ALARM, 0.3, 2.0, 72.0 * 0.4),  # no cut takes more than six tenths
        (2 * ALARM, MOMENT, 1.0, 72.0 * 0.7),  # longer pauses spare a limiter: the usual cut
        (0.5 * ALARM, 0.3, 1.0, 72.0 * 0.7),  # perhaps noise: the usual cut
    ],
)
def test_a_pace_that_a_burst_made_is_left_at_once(waste: float, paused: float, over: float, lo: float) -> None:
    """Refused again and again: what was accepted over the whole time is the limit, short pauses and all."""
    r = held(72.0, hi=144.0)
    r._mark, r._accepted, r._paused, r._waste = 0.0, 20, paused, waste
    r.refused(over, over)
    assert r.lo == pytest.approx(lo)


def test_no_cut_goes_below_the_slowest() -> None:
    """Whatever is refused, the pace finds up again within a minute."""
    r = held(0.021)
    accept(r, 8, 10_000.0)
    r.refused(10_000.0, 10_000.0)
    assert r.pace == SLOWEST
