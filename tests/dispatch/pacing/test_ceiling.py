"""Running tasks: without sight, with it, and the ways out."""

import math
import random

import pytest

from lipsync_async.dispatch.pacing.ceiling import (
    BAN,
    DRIP,
    DRY,
    FASTER,
    LEAST_RISK,
    LONGEST_TASK,
    MORE_RISK,
    MUCH,
    SELDOM,
    SLOWER,
    SLOWEST,
    TOO_OFTEN,
    TURNS,
    YOUNG,
    Ceiling,
)

NOW = 10_000.0


def sighted(live: int, cap: int | None = None, late: float = 0.0) -> Ceiling:
    """Two hundred tasks of 60 to 180 s were seen to end, within twice `late` seconds; so many live, just begun."""
    c, dice = Ceiling(cap), random.Random(1)
    for _ in range(200):
        took = dice.uniform(60, 180)
        c.recall(took, took + dice.uniform(0, 2 * late))
    c.completed(NOW - 1, 1, None, None)
    for _ in range(live):
        c.accepted(NOW)
    return c


def full(live: int, cap: int | None = None, late: float = 0.0) -> Ceiling:
    """The same, refused once for capacity; so many had lived when it was refused before, all of them young."""
    c = sighted(live, cap, late)
    c._full = live
    c.refused(NOW + 1, NOW + 0.5)
    return c


def first_wait(c: Ceiling, now: float, in_flight: int = 0) -> float:
    """When a request may go, asked again and again."""
    while (wait := c.wait(now, in_flight)) > 0:
        now += wait
    return now


def test_without_a_refusal_there_is_no_ceiling() -> None:
    """Nothing is known, so nothing holds."""
    c = Ceiling(None)
    assert (c.limit, c.believed, c.known, c.wait(0.0, 10**6)) == (math.inf, math.inf, False, 0.0)


# ------------------------------------------------------------------------------------------------- with sight


def test_sight_needs_ends_that_were_seen() -> None:
    """And ends that were seen in an earlier run are as good."""
    c = sighted(0)
    assert c.sighted
    assert not Ceiling(None).sighted


def test_a_refusal_makes_the_running_tasks_the_ceiling() -> None:
    """Twenty ran when it was refused, so about twenty may."""
    c = sighted(20)
    c.refused(NOW + 1, NOW + 0.5)
    assert c.known
    assert 17 <= c.believed <= 20
    assert c.wait(NOW + 2, 0) > 0


def test_a_ceiling_is_one_at_least() -> None:
    """Refused with nothing running, one task is still allowed."""
    assert full(0).believed == 1


def test_refusals_sent_before_the_last_one_tell_nothing() -> None:
    """Of five refused at once the first counts."""
    c = full(20)
    before = list(c._allowance._weights) if c._allowance else []
    c.refused(NOW + 1.1, NOW + 0.9)
    c.refused(NOW + 1.1, NOW + 1.0)
    assert c._allowance is not None
    assert c._allowance._weights == before


def test_a_place_that_is_seen_to_be_free_is_taken_at_once() -> None:
    """At a gateway that tells ends at once."""
    c = full(20)
    assert c.wait(NOW + 70, 0) > 0
    for _ in range(20 - int(c.believed) + 1):
        c.completed(NOW + 70, 1, 70.0, 69.0)
    assert c.wait(NOW + 70, 0) == 0.0


def test_where_ends_are_seen_late_a_place_is_taken_by_age() -> None:
    """Twenty of 60 to 180 s: the first ends after a minute, seen or not; at a fresh gateway it would have been seen."""
    late, fresh = full(20, late=300.0), full(20)
    assert 60 < first_wait(late, NOW + 2) - NOW < 85
    assert fresh.wait(NOW + 85, 0) > 0


def test_what_the_user_told_means_tasks_that_run() -> None:
    """Five are told: all of them ended after three minutes, whether it was seen or not; none more at once."""
    c = sighted(5, cap=5, late=600.0)
    assert c.believed == 5
    assert c.wait(NOW + 30, 0) > 0
    assert 60 < first_wait(c, NOW + 2) - NOW < 150
    assert c.wait(NOW + 185, 3) == 0.0
    assert c.wait(NOW + 185, 5) > 0


def test_what_the_user_told_is_never_learned_to_be_more() -> None:
    """Whatever is accepted."""
    c = full(5, cap=5)
    for turn in range(200):
        c.completed(NOW + 100 + turn, 1, 100.0 + turn, 99.0)
        c.accepted(NOW + 100 + turn)
    assert c.believed == 5
    assert c.wait(NOW + 301, 0) > 0


def test_the_later_ends_are_seen_the_more_is_risked() -> None:
    """From one refusal in 25 to one in eight."""
    risks = []
    for late in (0.0, 60.0, 600.0, 1e6):
        c = sighted(0, late=late)
        c.wait(NOW, 0)
        risks.append(c._is_bearable())
    assert risks == sorted(risks)
    assert risks[0] == pytest.approx(LEAST_RISK)
    assert risks[-1] == pytest.approx(LEAST_RISK + MORE_RISK, abs=0.001)


def test_now_and_then_one_request_finds_out_whether_more_may_run() -> None:
    """After thirty accepted at twenty, one at a time; below that, and with one in flight, none."""
    c = full(20)
    assert c._allowance is not None
    turns = max(SELDOM, math.ceil(TURNS * c._allowance.tasks))
    for enough in (turns - 1, turns):
        c._calm = enough
        assert c._is_worth_a_try(NOW + 2) == (enough == turns)
    assert c.wait(NOW + 2, 0) == 0.0
    assert c.wait(NOW + 2, 1) > 0
    c.refused(NOW + 3, NOW + 2)
    assert c._calm == 0
    assert c.wait(NOW + 3, 0) > 0


def test_a_rise_is_used() -> None:
    """Thirty may run where twenty did."""
    c = full(20)
    c._calm = 100
    for turn in range(100):
        now = NOW + 2 + turn / 10
        if c.wait(now, 0):
            break
        if c.live < 30:
            c.accepted(now)
        else:
            c.refused(now + 0.05, now)
    assert c.live == 30
    assert c.believed >= 28


def test_a_fall_is_believed() -> None:
    """Ten may run where twenty did: few refusals while they end."""
    c, refusals = full(20), 0
    for second in range(60, 600):
        now = NOW + second
        if second % 6 == 0 and c.live:
            c.completed(now, 1, float(second), float(second) - 3.0)
        if c.wait(now, 0) == 0.0:
            if c.live >= 10:
                c.refused(now + 0.1, now)
                refusals += 1
            else:
                c.accepted(now)
    assert refusals <= 15
    assert c.believed <= 12


def test_a_ceiling_that_is_wrong_seven_times_is_dropped() -> None:
    """So many refusals in a row that were as good as impossible; it is not inferred again for a while."""
    c = full(20)
    c._wrong = TOO_OFTEN - 1
    for _ in range(12):
        c.completed(NOW + 100, 1, 100.0, 99.0)
    c.refused(NOW + 101, NOW + 100)
    assert (c.known, c.limit) == (False, math.inf)
    c.accepted(NOW + 101)
    assert not c.suspect(NOW + 101 + BAN)
    assert c.suspect(NOW + 101.1 + BAN)


def test_an_accepted_task_calms_it() -> None:
    """The next unlikely refusal counts as the first."""
    c = full(20)
    c._wrong = TOO_OFTEN - 1
    c.accepted(NOW + 2)
    assert c._wrong == 0


# -------------------------------------------------------------------------------------------------- suspicion


def test_a_hidden_reason_is_taken_for_capacity() -> None:
    """Tasks live, and none was accepted for more than two seconds."""
    c = sighted(20)
    assert not c.suspect(NOW + 2.0)
    assert c.suspect(NOW + 2.1)
    assert c.believed <= 20


def test_without_tasks_it_is_no_capacity() -> None:
    """Nothing lives, so nothing can be full."""
    assert not sighted(0).suspect(NOW + 100.0)


def test_a_suspicion_waits_for_sight() -> None:
    """Without it the number is only remembered; the first end that is seen makes it count."""
    c = Ceiling(None)
    for _ in range(9):
        c.accepted(0.0)
    assert not c.suspect(5.0)
    assert not c.known
    c.completed(6.0, 1, 6.0, 5.0)
    assert c.known
    assert c.believed == 9
    assert c.suspect(7.0)


# ------------------------------------------------------------------------------------------ the number of a user


def test_before_any_end_was_seen_tasks_end_by_their_age() -> None:
    """Three are told: the first is taken to have ended after some minutes, not before 45 s."""
    c = Ceiling(3)
    for _ in range(3):
        c.accepted(0.0)
    assert c.wait(44.0, 0) > 0
    assert 45 < first_wait(c, 1.0) < 180


def test_the_escape_works_from_far_above_the_number() -> None:
    """Thirty tasks of an earlier run under a limit of ten: one may go all the same, in time."""
    c = Ceiling(10)
    c.restore(0.0, 30)
    assert c.live == 30
    assert 180 < first_wait(c, 1.0) < 1500


def test_no_tasks_from_before_are_none() -> None:
    """An end that is told then takes none away, and leaves no debt."""
    c = Ceiling(10)
    c.restore(0.0, 0)
    c.completed(1.0, 1, None, None)
    assert (c.live, c._running._tasks) == (0, [])


@pytest.mark.parametrize(("live", "enforced"), [(8, True), (7, False)])
def test_an_account_that_refuses_at_the_number_keeps_it_by_itself(live: int, enforced: bool) -> None:
    """At eight of ten, sends only drip from then on; at seven, the number of the user counts as well."""
    c = Ceiling(10)
    for _ in range(live):
        c.accepted(0.0)
    c.refused(60.0, 59.0)
    assert c.limit == (math.inf if enforced else 10)
    assert c.drip > 0


def test_a_refusal_of_young_tasks_says_how_many_may_run() -> None:
    """None can have ended: a place that is seen to be free is taken at once, beside the drip; both sides of young."""
    for age, known in ((YOUNG, 5), (YOUNG + 1, 0)):
        c = Ceiling(None)
        for _ in range(5):
            c.accepted(0.0)
        c.refused(age, age - 1)
        assert c._full == known
        assert c.wait(age + 0.1, 0) > 0
        c.completed(age + 0.1, 1, age, age)
        assert (c.wait(age + 0.1, 0) == 0.0) == (known > 0)


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
    c.accepted(1.5, 1.4)
    c.drip = DRIP
    c.accepted(4.5)
    c.drip = DRIP
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
    c.refused(1.0, 0.5, drip=0.1)
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


def test_a_drip_becomes_much_slower_where_ends_are_seen() -> None:
    """For those free places by themselves."""
    c = blind()
    c.accepted(2.0)
    c.completed(3.0, 1, 3.0, 2.0)
    before = c.drip
    c.accepted(4.0)
    c.refused(5.0, 4.5)
    assert c.drip == pytest.approx(before * FASTER * MUCH)


def test_the_first_task_that_begins_ends_the_slow_begin() -> None:
    """The drip grew while nothing could end; from now on it is what a full account is worth, half of it."""
    c = Ceiling(None)
    for _ in range(20):
        c.accepted(0.0)
    for turn in range(1, 9):
        c.refused(6.0 * turn, 6.0 * turn - 1)
    assert c.drip > 9.0
    c.accepted(70.0, 69.0)
    assert c.drip == pytest.approx(FASTER * LONGEST_TASK / 2 / 21)


def test_a_test_suspends_the_drip() -> None:
    """And gives it back."""
    c = blind()
    c.spare()
    assert (c.drip, c.wait(1.0, 0)) == (0.0, 0.0)
    c.resume()
    assert c.drip == DRIP


def test_what_was_no_limit_is_forgotten() -> None:
    """Neither a drip nor a ceiling is left, but the user's own."""
    b, c = blind(), full(20, cap=30)
    for ceiling in (b, c):
        ceiling.disregard()
    assert (b.drip, b.wait(1.0, 0)) == (0.0, 0.0)
    assert (c.known, c.limit, c.believed) == (False, 30, 30)


def test_a_drip_that_became_fast_ends() -> None:
    """The account is no longer full."""
    c = blind()
    c.drip = DRY * 1.02
    c.accepted(9.0)
    assert (c.drip, c.not_before) == (0.0, -math.inf)


def test_sight_ends_the_drip() -> None:
    """What lived when all were young is the ceiling from then on."""
    c = Ceiling(None)
    for _ in range(20):
        c.accepted(0.0)
    c.refused(1.0, 0.5)
    for end in range(20):
        c.completed(70.0 + 5 * end, 1, 70.0 + 5 * end, 69.0 + 5 * end)
        c.accepted(70.0 + 5 * end)
        if c.sighted:
            break
    assert (c.drip, c.not_before) == (0.0, -math.inf)
    assert 19 <= c.believed <= 20


def test_tasks_that_take_no_time_are_no_fault() -> None:
    """A gateway whose clock tells whole seconds may tell of none; the ceiling is learned all the same."""
    c = Ceiling(None)
    for _ in range(9):
        c.accepted(NOW, NOW)
    for _ in range(8):
        c.completed(NOW, 1, 0.0, 0.0)
    c.wait(NOW, 0)
    assert c.sighted
    c.refused(NOW + 2, NOW + 1.0)
    c.accepted(NOW + 3, NOW + 2.5)
    c.refused(NOW + 4, NOW + 3.5)
    assert c.limit >= 1
    assert c.wait(NOW + 4, 0) >= 0.0
