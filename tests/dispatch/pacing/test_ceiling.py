"""Running tasks: sighted, blind, and the ways out."""

import math

import pytest

from lipsync_async.dispatch.pacing.ceiling import (
    BAN,
    DRIP,
    DRY,
    FASTER,
    LONGEST_TASK,
    PATIENCE,
    SELDOM,
    SLOWER,
    SLOWEST,
    SOON,
    TOO_OFTEN,
    Ceiling,
)


def sighted(live: int, cap: int | None = None) -> Ceiling:
    """Completions are told; so many tasks live."""
    c = Ceiling(cap)
    c.completed(1)
    for _ in range(live):
        c.accepted(0.0)
    return c


def full(live: int) -> Ceiling:
    """The same, refused once for capacity."""
    c = sighted(live)
    c.refused(1.0, 0.5)
    return c


def turn_over(c: Ceiling, tasks: int, now: float = 2.0) -> None:
    """One ends, one begins, so many times."""
    for _ in range(tasks):
        c.completed(1)
        c.accepted(now)


def test_without_a_refusal_there_is_no_ceiling() -> None:
    """Nothing is known, so nothing holds."""
    assert (Ceiling(None).limit, Ceiling(None).known) == (math.inf, False)


def test_a_refusal_makes_the_live_tasks_the_ceiling() -> None:
    """Twenty lived when it was refused."""
    c = full(20)
    assert (c.limit, c.known) == (20, True)


def test_the_user_s_limit_caps_what_was_learned() -> None:
    """Learned is 20, given 5."""
    c = sighted(20, cap=5)
    c.refused(1.0, 0.5)
    assert c.limit == 5


def test_a_ceiling_is_one_at_least() -> None:
    """Refused with nothing running, one task is still allowed."""
    assert full(0).limit == 1


def test_refusals_sent_before_the_last_one_tell_nothing() -> None:
    """Of five refused at once the first counts."""
    c = full(20)
    c.refused(1.1, 0.9)
    c.refused(1.1, 1.0)
    assert (c.limit, c._down) == (20, 1)


def test_completions_are_never_below_zero() -> None:
    """More can be told than were known."""
    c = Ceiling(None)
    c.completed(7)
    assert c.live == 0


# ------------------------------------------------------------------------------------------------- climbing


def test_it_climbs_after_so_many_accepted() -> None:
    """Eleven are too few, the twelfth allows one task more."""
    c = full(20)
    turn_over(c, SOON - 1)
    assert c.limit == 20
    turn_over(c, 1)
    assert c.limit == 21


def test_it_does_not_climb_while_the_ceiling_is_not_reached() -> None:
    """What is not used cannot be proven too low."""
    c = full(20)
    c.completed(10)
    turn_over(c, 3 * SOON)
    assert c.limit == 20


def test_every_success_climbs_on() -> None:
    """One more with each task above the ceiling."""
    c = full(20)
    turn_over(c, SOON)
    c.accepted(3.0)
    c.accepted(3.0)
    assert c.limit == 23


def test_a_refused_climb_stays_and_is_rarer_next_time() -> None:
    """Twice as many jobs to the next one, forty at most."""
    c = full(20)
    waits = []
    for turn in range(3):
        c._count = SELDOM
        turn_over(c, 1)
        assert c.limit == 21
        c.refused(10.0 + turn, 9.5 + turn)
        waits.append(c._every)
        assert c.limit == 20
    assert waits == [2 * SOON, SELDOM, SELDOM]


def test_a_climb_that_gained_is_repeated_soon() -> None:
    """Five more than twenty are a limit that rose."""
    c = full(20)
    c._every = SELDOM
    turn_over(c, SELDOM)
    for _ in range(5):
        c.accepted(3.0)
    c.refused(4.0, 3.5)
    assert (c.limit, c._every) == (25, SOON)


def test_a_small_gain_is_given_back_at_the_next_refusal() -> None:
    """Two more were tasks that had ended unseen."""
    c = full(20)
    turn_over(c, SOON)
    c.accepted(3.0)
    c.accepted(3.0)
    c.refused(4.0, 3.5)
    assert c.limit == 22
    c.completed(1)
    c.refused(5.0, 4.5)
    assert c.limit == 20


# --------------------------------------------------------------------------------------------------- falling


def test_unexpected_refusals_bring_it_down_ever_faster() -> None:
    """Ceiling and live tasks part by 0, 1, 3, 7 and no more."""
    c = full(20)
    gaps = []
    for turn in range(5):
        c.completed(1)
        c.refused(10.0 + turn, 9.5 + turn)
        gaps.append(c.live - c.limit)
    assert gaps == [0, 1, 3, 7, 7]


def test_an_accepted_task_calms_it() -> None:
    """The next unexpected refusal counts as the first."""
    c = full(20)
    c.completed(1)
    c.refused(10.0, 9.0)
    c.refused(11.0, 10.5)
    c.accepted(12.0)
    assert (c._down, c._wrong) == (1, 0)


def test_a_ceiling_that_is_wrong_seven_times_is_dropped() -> None:
    """Six times it is lowered, the seventh time it was no limit of tasks; it is not inferred again for a while."""
    c = full(20)
    for turn in range(TOO_OFTEN - 1):
        c.refused(10.0 + turn, 9.5 + turn)
    assert c.known
    c.refused(20.0, 19.0)
    assert (c.known, c.limit) == (False, math.inf)
    assert not c.suspect(20.0 + BAN)
    assert c.suspect(20.1 + BAN)


# -------------------------------------------------------------------------------------------------- suspicion


def test_a_hidden_reason_is_taken_for_capacity() -> None:
    """Tasks live, and none was accepted for more than two seconds."""
    c = sighted(20)
    assert not c.suspect(2.0)
    assert c.suspect(2.1)
    assert c.limit == 20


def test_without_tasks_it_is_no_capacity() -> None:
    """Nothing lives, so nothing can be full."""
    assert not sighted(0).suspect(100.0)


def test_a_suspicion_waits_for_sight() -> None:
    """Blind, the number is only remembered; the first completion makes it the ceiling."""
    c = Ceiling(None)
    for _ in range(9):
        c.accepted(0.0)
    assert not c.suspect(5.0)
    assert c.limit == math.inf
    c.completed(1)
    assert c.limit == 9


# ------------------------------------------------------------------------------------------------------ blind


def blind() -> Ceiling:
    """One task, one refusal, and nobody tells."""
    c = Ceiling(None)
    c.accepted(0.0)
    c.refused(1.0, 0.5)
    return c


def test_blind_a_refusal_makes_sends_drip() -> None:
    """There is no ceiling, but an interval; it begins with the refusal, and with every send."""
    c = blind()
    assert (c.limit, c.drip) == (math.inf, DRIP)
    assert c.wait(1.0, 0) == DRIP
    assert c.wait(4.0, 0) == 0.0
    c.sent(4.0)
    assert c.wait(4.0, 1) == DRIP


def test_the_drip_follows_what_happens() -> None:
    """A fifth slower with a refusal, three percent faster with a success, never slower than the slowest."""
    c = blind()
    c.refused(5.0, 4.0)
    assert c.drip == pytest.approx(DRIP * SLOWER)
    c.accepted(9.0)
    assert c.drip == pytest.approx(DRIP * SLOWER * FASTER)
    for turn in range(30):
        c.refused(100.0 + turn, 99.5 + turn)
    assert c.drip == SLOWEST


def test_many_tasks_drip_faster() -> None:
    """Of four hundred that run for three minutes at most, one ends every 0.45 s; of fewer, the drip is the usual."""
    c = Ceiling(None)
    for _ in range(400):
        c.accepted(0.0)
    c.refused(1.0, 0.5)
    assert c.drip == pytest.approx(LONGEST_TASK / 400)


def test_a_fast_drip_doubles_while_nothing_is_accepted() -> None:
    """Up to the usual one, and only a fifth once a task began in between."""
    c = Ceiling(None)
    for _ in range(400):
        c.accepted(0.0)
    c.refused(1.0, 0.5, 0.1)
    assert c.drip == 0.1
    c.refused(2.0, 1.5)
    assert c.drip == pytest.approx(0.2)
    c.accepted(3.0)
    c.refused(4.0, 3.5)
    assert c.drip == pytest.approx(0.2 * FASTER * SLOWER)


def test_more_tasks_than_can_have_ended_disprove_the_limit_once() -> None:
    """One lived at the refusal, and it may have ended; three that began within seconds after are too many."""
    c = blind()
    for turn in range(2):
        c.accepted(4.0 + turn, 3.0 + turn)
        assert not c.outrun(6.0)
    c.accepted(6.0, 5.5)
    assert c.outrun(6.0)
    assert not c.outrun(6.0)


def test_tasks_that_can_have_ended_disprove_nothing() -> None:
    """Three that began within two minutes are what one slot may bear."""
    c = blind()
    for turn in range(3):
        c.accepted(40.0 * (turn + 1), 40.0 * (turn + 1))
    assert not c.outrun(121.0)


def test_requests_from_before_the_refusal_disprove_nothing() -> None:
    """An acceptance is told later than a refusal."""
    c = blind()
    for _ in range(9):
        c.accepted(1.3, 0.9)
    assert not c.outrun(1.4)


def test_a_test_suspends_the_drip() -> None:
    """And gives it back."""
    c = blind()
    c.spare()
    assert (c.drip, c.wait(1.0, 0)) == (0.0, 0.0)
    c.resume()
    assert c.drip == DRIP


def test_what_was_no_limit_is_forgotten() -> None:
    """Neither a drip nor a ceiling is left, but the user's own."""
    b, c = blind(), sighted(20, cap=30)
    c.refused(1.0, 0.5)
    for ceiling in (b, c):
        ceiling.disregard()
    assert (b.drip, b.wait(1.0, 0)) == (0.0, 0.0)
    assert (c.known, c.limit) == (False, 30)


def test_a_drip_that_became_fast_ends() -> None:
    """The account is no longer full."""
    c = blind()
    c.drip = DRY * 1.02
    c.accepted(9.0)
    assert (c.drip, c.not_before) == (0.0, -math.inf)


def test_sight_ends_the_drip() -> None:
    """What lived at the last refusal is the ceiling from the first completion on."""
    c = blind()
    c.completed(1)
    assert (c.drip, c.not_before, c.limit) == (0.0, -math.inf, 1)


# --------------------------------------------------------------------------------------------------- the escape


def test_at_the_ceiling_news_is_waited_for() -> None:
    """With requests in flight their answers are news; else patience is what is left."""
    c = full(20)
    assert c.wait(10.0, 1) == math.inf
    assert c.wait(10.0, 0) == PATIENCE
    assert c.wait(11.0, 0) == PATIENCE - 1
    assert c.wait(10.0 + PATIENCE - 0.01, 0) > 0


def test_sighted_one_task_is_presumed_to_have_ended() -> None:
    """After the patience one may go, and the next one waits as long."""
    c = full(20)
    c.wait(10.0, 0)
    assert c.wait(10.0 + PATIENCE, 0) == 0.0
    assert c.live == 19


def test_sighted_the_escape_works_from_far_above_the_ceiling() -> None:
    """Thirty tasks of an earlier run under a limit of ten: one may go all the same."""
    c = sighted(0, cap=10)
    c.live = 30
    c.wait(10.0, 0)
    assert c.wait(10.0 + PATIENCE, 0) == 0.0
    assert c.live == 9


def test_blind_all_tasks_are_presumed_to_have_ended() -> None:
    """Nobody will ever tell, so the user's limit counts per patience."""
    c = Ceiling(3)
    for _ in range(3):
        c.accepted(0.0)
    assert c.wait(1.0, 0) == PATIENCE
    assert c.wait(1.0 + PATIENCE, 0) == 0.0
    assert c.live == 0


@pytest.mark.parametrize("news", ["accepted", "completed"])
def test_progress_renews_the_patience(news: str) -> None:
    """Any task that begins or ends."""
    c = full(20)
    c.wait(10.0, 0)
    c.accepted(50.0) if news == "accepted" else c.completed(0)
    assert c.wait(200.0, 0) == PATIENCE
