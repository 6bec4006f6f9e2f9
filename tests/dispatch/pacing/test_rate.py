"""The bracket: from each phase, on success and on refusal, both sides of each edge."""

import math
from itertools import pairwise

import pytest

from lipsync_async.dispatch.pacing.rate import (
    CATCH_UP,
    FIRST_HOLD,
    FREE,
    LONGEST_HOLD,
    SLOWEST,
    STEP,
    Phase,
    Rate,
)
from tests.dispatch.pacing.rates import accept, held, rate, trying

# ------------------------------------------------------------------------------------------------- starting


def pressed_start(r: Rate, seconds: float) -> None:
    """A client that always has something to send."""
    now = 0.0
    while now < seconds and r.interval:
        r.pressed_at = now
        now = max(now, r.next_at)
        r.sent(now)


def test_the_cold_start_doubles_every_half_second() -> None:
    """After a second of use the pace has doubled twice."""
    r = rate(8.0)
    pressed_start(r, 1.0)
    assert r.pace == pytest.approx(32.0, rel=0.25)


def test_a_slow_reply_slows_the_start() -> None:
    """With replies after a second, the pace doubles every three: a refusal is told no later than a third of that."""
    r = rate(8.0)
    r.accepted(1.0, 0.0)
    pressed_start(r, 3.0)
    assert r.pace == pytest.approx(16.0, rel=0.1)


def test_a_refusal_at_the_start_speaks_of_the_pace_it_was_sent_at() -> None:
    """Half a second ago, in a start that doubles in half a second; never below where it began."""
    for pace, hi in ((64.0, 32.0), (9.0, 8.0)):
        r = rate(8.0)
        r._set(pace)
        r.refused(1.0, 0.5)
        assert r.hi == pytest.approx(hi)


@pytest.mark.parametrize("late", [600.0, 1e6, 1e300, -1e6])
def test_a_refusal_that_comes_however_late_lowers_the_pace_to_where_it_began(late: float) -> None:
    """Ten minutes late and more, or from a machine whose clock is ahead: no number is too big for it."""
    r = rate(8.0)
    r._set(64.0)
    r.refused(1e6, 1e6 - late)
    assert r.hi == (8.0 if late > 0 else 64.0)


@pytest.mark.parametrize("an_hour", [60, 1, 1e-3])
def test_a_start_at_a_few_requests_an_hour_gets_faster(an_hour: float) -> None:
    """A turn of an hour is many doublings at once; their number is bounded, the pace a number."""
    r = rate(an_hour / 3600)
    pressed_start(r, 3 / an_hour * 3600 + 1)
    assert an_hour / 3600 < r.pace < math.inf or r.interval == 0.0


def test_an_unused_start_stays_where_it_began() -> None:
    """One job a minute never finds itself at a thousand a second."""
    r = rate(8.0)
    for minute in range(1000):
        r.sent(minute * 60.0)
        r.accepted(minute * 60.0 + 1, minute * 60.0)
    assert r.pace == 8.0


def test_a_cap_is_where_the_start_begins_and_ends() -> None:
    """`max_per_second` is a cap and a start."""
    r = rate(8.0, cap=50.0)
    assert r.pace == 50.0
    pressed_start(r, 3.0)
    assert r.pace == 50.0


def test_past_a_thousand_a_second_nothing_is_spaced() -> None:
    """On an account that never refused, the spacing ends with the cold start."""
    r = rate(8.0)
    pressed_start(r, 5.0)
    assert (r.pace, r.interval) == (math.inf, 0.0)
    before = r.next_at
    r.sent(6.0)
    assert r.next_at == before


@pytest.mark.parametrize(("initial", "spaced"), [(FREE, True), (FREE + 1, False)])
def test_the_edge_of_spacing(initial: float, spaced: bool) -> None:
    """A thousand a second is still spaced, more is not."""
    assert (rate(initial).interval > 0) is spaced


def test_a_cap_is_spaced_however_high() -> None:
    """What the user gave is kept, even where spacing costs timers."""
    assert rate(8.0, cap=5000.0).interval == 1 / 5000


def test_the_first_refusal_brackets_the_limit() -> None:
    """Without an estimate, half the pace is tried, and a quarter is the ground."""
    r = rate(16.0)
    r.sent(0.0)
    r.refused(0.1, 0.1)
    assert (r.phase, r.lo, r.pace, r.hi) == (Phase.TRYING, 4.0, 8.0, 16.0)


@pytest.mark.parametrize(("seconds", "tried"), [(0.5, 16.0), (2.0, 10.0), (10.0, 4.0)])
def test_the_first_refusal_tries_the_estimate_within_bounds(seconds: float, tried: float) -> None:
    """Twenty accepted in so many seconds: between an eighth and a half of the pace that was refused."""
    r = rate(32.0)
    r.sent(0.0)
    accept(r, 20, seconds)
    r.refused(seconds, seconds)
    assert r.pace == pytest.approx(tried)
    assert r.lo <= r.pace / 2


# -------------------------------------------------------------------------------------------- without spacing


def test_where_it_began_is_the_least_that_was_measured() -> None:
    """300 a second were used of the 2,000 that were given to begin with."""
    r = rate(2000.0)
    r.sent(0.0)
    r._mark = 0.0
    accept(r, 300, 0.9)
    accept(r, 1, 1.0)
    r.refused(1.1, 1.1)
    assert (r.hi, r.pace) == (2000.0, 1000.0)


def test_a_measured_rate_is_bracketed() -> None:
    """Measured over a second, far above where it began."""
    r = rate(8.0)
    pressed_start(r, 4.0)
    assert r.interval == 0.0
    r._accepted, r._mark = 0, 4.0
    accept(r, 599, 4.9)
    accept(r, 1, 5.0)
    r.refused(5.1, 5.1)
    assert r.hi == pytest.approx(600.0)
    assert r.pace == pytest.approx(300.0)


def test_a_refusal_before_anything_was_measured_assumes_the_edge() -> None:
    """In its first second without spacing, the pace is taken for a thousand."""
    r = rate(8.0)
    pressed_start(r, 4.0)
    r._measured = 0.0
    r.refused(4.1, 4.1)
    assert (r.hi, r.pace) == (FREE, FREE / 2)


# --------------------------------------------------------------------------------------------------- trying


def test_a_pace_is_believed_after_enough_accepted_jobs() -> None:
    """One job too few proves nothing; the next makes it the ground."""
    r = trying(10.0, 14.0, hi=20.0)
    need = math.ceil(14.0 * 0.5 / 0.4)
    accept(r, need - 1, 2.0)
    assert r.lo == 10.0
    accept(r, 1, 2.0)
    assert r.lo == 14.0


def test_an_unused_pace_is_not_believed() -> None:
    """Any number of accepted jobs that nobody had to wait for proves nothing."""
    r = trying(10.0, 14.0)
    accept(r, 10_000, 1000.0, used=False)
    assert (r.lo, r.pace) == (10.0, 14.0)


def test_the_middle_of_the_bracket_comes_next() -> None:
    """The geometric middle, as long as the bracket is wide."""
    r = trying(10.0, 14.0, hi=20.0)
    accept(r, 60, 3.0)
    assert r.phase is Phase.TRYING
    assert r.pace == pytest.approx(math.sqrt(14.0 * 20.0))


def test_a_narrow_bracket_is_held() -> None:
    """Six percent are not worth another refusal."""
    r = trying(10.0, 19.0, hi=20.0)
    accept(r, 40, 3.0)
    assert (r.phase, r.pace) == (Phase.HOLDING, 19.0)


def test_without_a_top_steps_grow() -> None:
    """A limit that rose is galloped after: the second step is the first one cubed, none more than doubles."""
    r = trying(10.0, 10.0 * STEP)
    paces = [r.pace]
    for _ in range(5):
        while r.lo < paces[-1]:
            accept(r, 1, 60.0)
        paces.append(r.pace)
    steps = [b / a for a, b in pairwise(paces)]
    assert steps[0] == pytest.approx(STEP**3)
    assert steps[-1] == pytest.approx(2.0)
    assert r._hold == FIRST_HOLD


def test_refused_far_above_the_ground_the_estimate_is_tried() -> None:
    """12 a second were accepted, so 12 is tried next."""
    r = trying(5.0, 20.0, hi=40.0)
    r._mark = 0.0
    accept(r, 20, 1.5, used=False)
    r.refused(20 / 12, 20 / 12)
    assert r.hi == 20.0
    assert r.pace == pytest.approx(12.0)


def test_refused_without_an_estimate_the_middle_is_tried() -> None:
    """Seven accepted jobs are too few to tell."""
    r = trying(5.0, 20.0, hi=40.0)
    accept(r, 7, 1.0)
    r.refused(1.0, 1.0)
    assert r.pace == pytest.approx(10.0)


def test_an_estimate_below_the_ground_leads_back_to_it() -> None:
    """There is nothing to try between the ground and itself."""
    r = trying(5.0, 20.0, hi=40.0)
    accept(r, 8, 8.0)
    r.refused(8.0, 8.0)
    assert (r.phase, r.pace) == (Phase.HOLDING, 5.0)


def test_refused_near_the_ground_it_is_held_four_times_as_long() -> None:
    """Each narrow refusal quadruples the wait for the next try, up to 800 jobs."""
    r = trying(10.0, 12.9, hi=20.0)
    holds = []
    for _ in range(4):
        r._try(12.9)
        r.refused(0.1, 0.1)
        holds.append(r._hold)
    assert holds == [100.0, 400.0, LONGEST_HOLD, LONGEST_HOLD]
    assert (r.phase, r.pace) == (Phase.HOLDING, 10.0)


@pytest.mark.parametrize(("hi", "phase"), [(13.0, Phase.TRYING), (12.99, Phase.HOLDING)])
def test_the_edge_between_wide_and_narrow(hi: float, phase: Phase) -> None:
    """1.3 times the ground is still searched."""
    r = trying(10.0, hi, hi=20.0)
    r.refused(0.1, 0.1)
    assert r.phase is phase


@pytest.mark.parametrize(("paused", "lo"), [(0.0, 8.0), (2.0, 10.0)])
def test_only_a_sure_estimate_lowers_the_ground(paused: float, lo: float) -> None:
    """Forty jobs in five seconds say less than ten a second, unless a pause confounds them."""
    r = trying(10.0, 10.6, hi=20.0)
    accept(r, 40, 5.0)
    r._paused = paused
    r.refused(5.0, 5.0)
    assert r.lo == pytest.approx(lo)


# -------------------------------------------------------------------------------------------------- spacing


def test_sends_are_spaced() -> None:
    """The next turn is an interval after this one."""
    r = rate(10.0)
    r.sent(0.0)
    turn = r.next_at
    r.sent(turn)
    assert r.next_at - turn == pytest.approx(0.1)


def test_a_little_lateness_is_caught_up_with() -> None:
    """Half a millisecond late, the turn after is not."""
    r = held(10.0)
    turn = r.next_at
    r.sent(turn + CATCH_UP / 2)
    assert r.next_at == pytest.approx(turn + 0.1)


def test_more_lateness_is_not() -> None:
    """A missed turn is lost, but for a millisecond."""
    r = held(10.0)
    r.sent(50.0)
    assert r.next_at == pytest.approx(50.0 - CATCH_UP + 0.1)


def test_idle_time_tells_nothing() -> None:
    """A night without jobs does not make the limit look low."""
    r = held(10.0, hi=12.0)
    accept(r, 20, 2.0)
    r.next_at = 2.0
    r.sent(30_000.0)
    accept(r, 20, 30_002.0)
    r.refused(30_002.0, 30_002.0)
    assert r.lo == 10.0


def test_a_pause_is_neither_idle_nor_counted_whole() -> None:
    """The estimate lies between that of the whole time and that of the time without its pause."""
    r = trying(5.0, 20.0, hi=40.0)
    r.refused(0.4, 0.4)
    r.resumed(1.4)
    r.sent(1.4)
    accept(r, 20, 2.4)
    assert 20 / 2.4 < (r._estimate(2.4) or 0) < 20 / 1.4


@pytest.mark.parametrize(("jobs", "span", "told"), [(8, 0.3, True), (7, 9.0, False), (80, 0.29, False)])
def test_an_estimate_needs_jobs_and_time(jobs: int, span: float, told: bool) -> None:
    """Eight jobs and 0.3 s."""
    r = held(10.0)
    accept(r, jobs, span)
    assert (r._estimate(span) is not None) is told


# ------------------------------------------------------------------------------------------ tests of the pace


def test_a_test_holds_its_pace_and_gives_the_old_one_back() -> None:
    """Neither its pace nor its time counts for the estimate."""
    r = trying(10.0, 14.0, hi=20.0)
    r.test(6.0)
    assert (r.pace, r.testing) == (6.0, True)
    r.end_test(9.0, 9.0)
    assert (r.pace, r.lo, r.hi, r.phase, r.testing) == (14.0, 10.0, 20.0, Phase.TRYING, False)
    assert (r._accepted, r._mark) == (0, 9.0)


def test_no_test_is_slower_than_the_slowest_or_faster_than_the_cap() -> None:
    """Both ends of what a pace may be."""
    r = rate(8.0, cap=50.0)
    r.test(1e-9)
    assert r.pace == SLOWEST
    r.test(1000.0)
    assert r.pace == 50.0


@pytest.mark.parametrize(("passed", "lo"), [(4.0, 10.0), (3.0, 9.0)])
def test_a_test_unmasks_a_ground_that_a_burst_made(passed: float, lo: float) -> None:
    """More than three times what passed lately is no ground."""
    r = held(10.0, hi=12.0)
    r.test(2.0)
    r.end_test(9.0, passed)
    assert r.lo == r.pace == pytest.approx(lo)


def test_when_the_pace_was_not_refused_it_rises_in_great_steps() -> None:
    """Twice the pace is tried, and nothing is known above it."""
    r = held(1.0, hi=1.2)
    r.test(0.6)
    r.rise(9.0, r.pace)
    assert (r.lo, r.hi, r.phase, r.testing) == (0.6, math.inf, Phase.TRYING, False)
    assert r.pace == pytest.approx(1.2)
    accept(r, 2, 12.0)
    assert r.pace == pytest.approx(2.4)


def test_the_background_is_added_to_the_estimate() -> None:
    """Eight of ten a second are accepted, two refused whatever the pace: the limit is ten requests."""
    r = held(10.0, hi=12.0)
    r.kept = 0.8
    accept(r, 40, 5.0)
    assert r._estimate(5.0) == pytest.approx(10.0)


def test_a_start_does_not_quicken_during_a_test() -> None:
    """The test's pace is held."""
    r = rate(8.0)
    r.test(4.0)
    pressed_start(r, 2.0)
    assert r.pace == 4.0
