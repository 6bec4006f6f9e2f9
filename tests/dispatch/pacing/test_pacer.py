"""The pacer as the dispatcher sees it."""

import math

import pytest

from lipsync_async.config import Limits
from lipsync_async.dispatch.pacing import Pacer, PacerStatistics
from lipsync_async.terms import Kind


def pacer(**limits: float) -> Pacer:
    """A new one, its dice loaded."""
    return Pacer(Limits(**limits), dice=lambda: 0.5)


def send(p: Pacer, now: float) -> float:
    """Ask until one request is admitted; returns when."""
    while (wait := p.admit(now)) > 0:
        assert wait < math.inf
        now += wait
    return now


def fill(p: Pacer, tasks: int, now: float = 0.0) -> float:
    """So many accepted tasks."""
    for _ in range(tasks):
        now = send(p, now)
        p.accepted(now, now)
    return now


def test_the_first_request_goes_at_once() -> None:
    """Nothing is known, nothing holds."""
    p = pacer()
    assert p.admit(100.0) == 0.0
    assert p.in_flight == 1


def test_requests_in_flight_are_bounded() -> None:
    """The third of two asks again after news."""
    p = pacer(max_in_flight=2, max_per_second=1000)
    first = send(p, 0.0)
    send(p, 1.0)
    assert p.admit(2.0) == math.inf
    assert p.waiting_for(2.0) == "requests in flight"
    p.accepted(2.0, first)
    assert p.admit(2.0) == 0.0


def test_requests_are_spaced() -> None:
    """At ten a second the second request waits for a tenth, less the millisecond of catching up."""
    p = pacer(max_per_second=10)
    p.admit(0.0)
    assert p.admit(0.0) == pytest.approx(0.099)
    assert p.waiting_for(0.0) == "rate"
    assert p.waiting_for(1.0) == ""


def test_a_timer_that_fires_a_microsecond_early_is_on_time() -> None:
    """No second timer for the rest of a microsecond."""
    p = pacer(max_per_second=10)
    p.admit(0.0)
    assert p.admit(0.0989999) == 0.0


def test_a_refusal_shuts_the_gate_for_its_hint() -> None:
    """Until then nothing goes; then exactly one, and with its success all."""
    p = pacer(max_per_second=100)
    first = send(p, 0.0)
    p.refused(1.0, first, Kind.RATE, 5.0)
    assert p.waiting_for(1.0) == "gate"
    assert p.admit(1.0) > 5.0
    assert p.admit(5.99) > 0
    canary = send(p, 6.2)
    assert p.admit(7.0) == math.inf
    assert p.waiting_for(7.0) == "canary"
    p.accepted(7.0, canary)
    assert p.admit(7.0) == 0.0


def test_a_refused_canary_only_lengthens_the_wait() -> None:
    """It says nothing of the pace, which a pause preceded."""
    p = pacer()
    p.refused(0.1, send(p, 0.0), Kind.RATE, None)
    pace = p.pace
    canary = send(p, 1.0)
    p.refused(canary + 0.1, canary, Kind.RATE, None)
    assert p.pace == pace
    assert p.admit(canary + 0.1) >= 0.375


def test_answers_from_before_the_cut_do_not_open_the_gate() -> None:
    """Only the canary decides."""
    p = pacer(max_per_second=100)
    first, second = send(p, 0.0), send(p, 0.1)
    p.refused(0.2, first, Kind.RATE, 5.0)
    canary = send(p, 5.3)
    p.accepted(5.4, second)
    assert p.admit(5.5) == math.inf
    p.ended(5.6, canary)
    assert p.admit(5.7) == 0.0


def test_a_burst_of_refusals_is_one_lesson() -> None:
    """Ten refused at once lower the pace as one does."""
    one, ten = pacer(), pacer()
    for p, refusals in ((one, 1), (ten, 10)):
        sent = [send(p, turn * 0.2) for turn in range(10)]
        for sent_at in sent[:refusals]:
            p.refused(2.5, sent_at, Kind.RATE, None)
    assert one.pace == ten.pace


def test_a_stale_refusal_s_hint_counts() -> None:
    """It teaches no pace, but is waited for."""
    p = pacer()
    first, second = send(p, 0.0), send(p, 0.2)
    p.refused(0.3, first, Kind.RATE, None)
    pace = p.pace
    p.refused(0.4, second, Kind.RATE, 30.0)
    assert p.admit(0.4) > 30.0
    assert p.pace == pace


def test_the_brake_shuts_the_gate() -> None:
    """Somebody else closes it; one canary goes, whatever becomes of it the gate opens, and can be closed again."""
    p = pacer()
    send(p, 0.0)
    p.close(1.0, 4.0)
    assert p.admit(1.0) == 4.0
    canary = send(p, 5.0)
    assert p.admit(6.0) == math.inf
    p.ended(6.0, canary)
    p.close(6.0, 8.0)
    assert p.admit(6.0) == 8.0


def test_an_ended_request_frees_its_place_only() -> None:
    """With the gate open it changes nothing else."""
    p = pacer()
    p.ended(1.0, send(p, 0.0))
    assert (p.in_flight, p.statistics().accepted, p.statistics().gate_open) == (0, 0, True)


def test_a_named_capacity_refusal_holds_by_tasks() -> None:
    """Ends are told: no gate, and the next request waits for one, or for its drip."""
    p = pacer()
    now = fill(p, 5)
    p.completed(now)
    now = fill(p, 1, now)
    sent = send(p, now)
    p.refused(sent + 0.1, sent, Kind.CAPACITY, None)
    assert p.waiting_for(sent + 1) == "running tasks"
    assert p.admit(sent + 1) > 2.0
    p.completed(sent + 2)
    assert p.admit(sent + 2) == 0.0


def test_a_capacity_refusal_s_hint_is_waited_for_too() -> None:
    """A Retry-After is never undercut, whatever it is for."""
    p = pacer()
    sent = send(p, 0.0)
    p.refused(0.1, sent, Kind.CAPACITY, 60.0)
    assert p.admit(0.1) > 60.0


def test_a_canary_refused_for_capacity_opens_the_gate() -> None:
    """The gateway answers again; from here on the tasks hold things back."""
    p = pacer()
    now = fill(p, 5)
    p.completed(now)
    p.close(now, 1.0)
    canary = send(p, now + 1)
    p.refused(canary + 0.1, canary, Kind.CAPACITY, None)
    assert p.statistics().gate_open
    assert p.waiting_for(canary + 1) == "running tasks"


def test_refusals_that_hide_their_reason_become_a_ceiling() -> None:
    """Three in a row without a hint, seconds after the last success, while tasks live and their ends are told."""
    p = pacer()
    now = fill(p, 6)
    p.completed(now)
    for _ in range(8):
        sent = send(p, now + 1)
        now = sent + 0.1
        p.refused(now, sent, None, None)
        if p.statistics().ceiling == 5:
            break
    assert p.statistics().ceiling == 5
    assert p.statistics().gate_open
    p.completed(now)
    sent = send(p, now + 1)
    p.refused(sent + 0.1, sent, None, None)  # the ceiling is known: no lesson about the pace
    assert p.statistics().gate_open


def test_blind_capacity_refusals_drip() -> None:
    """Nobody tells of completions: sends are seconds apart, then find their pace."""
    p = pacer()
    now = fill(p, 5)
    sent = send(p, now)
    p.refused(sent + 0.1, sent, Kind.CAPACITY, None)
    assert p.waiting_for(sent + 0.2) == "running tasks"
    second = send(p, sent + 0.1)
    assert second - sent > 3.0
    p.accepted(second, second)
    assert p.admit(second) > 2.5


def test_tasks_from_before_count() -> None:
    """A resumed run knows eight of ten; two more may go."""
    p = pacer(max_running_tasks=10, max_per_second=1000)
    p.restore(0.0, 8)
    now = fill(p, 2)
    assert p.admit(now + 1) > 0
    assert p.waiting_for(now + 1) == "running tasks"
    assert p.statistics().live_tasks == 10


def test_the_user_s_task_limit_counts_requests_in_flight() -> None:
    """One runs, one is asked for: the third waits."""
    p = pacer(max_running_tasks=2)
    now = fill(p, 1)
    send(p, now)
    assert p.admit(now + 10) > 0
    assert p.waiting_for(now + 10) == "running tasks"


def test_the_user_s_task_limit_is_no_dead_end() -> None:
    """Nobody tells of ends: tasks are taken to have ended by their age."""
    p = pacer(max_running_tasks=2)
    assert 250 < fill(p, 6) < 1000


def test_ends_that_an_earlier_run_saw_are_known_from_the_start() -> None:
    """Tasks of ten seconds: after twelve the next may go, and nothing needs to be seen."""
    p = pacer(max_running_tasks=2)
    for _ in range(50):
        p.recall(10.0, 30.0)
    now = fill(p, 2)
    p.completed(now)
    assert send(p, fill(p, 1, now)) - now < 15


def test_statistics_are_a_value() -> None:
    """A snapshot that later events do not change."""
    p = pacer(max_per_second=10)
    before = p.statistics()
    fill(p, 3)
    p.refused(1.0, send(p, 0.9), Kind.RATE, None)
    assert before == PacerStatistics(
        pace=10.0,
        lo=0.0,
        hi=math.inf,
        in_flight=0,
        live_tasks=0,
        ceiling=math.inf,
        accepted=0,
        refused=0,
        gate_open=True,
    )
    after = p.statistics()
    assert (after.accepted, after.refused, after.hi, after.gate_open) == (3, 1, 10.0, False)


def test_its_repr_tells_the_live_story() -> None:
    """Pace, requests in flight, gate."""
    p = pacer(max_per_second=18.7)
    p.admit(0.0)
    assert repr(p) == "<Pacer 18.7/s, 1 in flight, gate open>"
    p.close(0.0, 1.0)
    assert repr(p) == "<Pacer 18.7/s, 1 in flight, gate shut>"


def test_without_a_limit_nothing_is_held_back() -> None:
    """After the cold start, an account that never refuses is asked as fast as replies come."""
    p = pacer(max_in_flight=64)
    now = fill(p, 2000)
    assert p.pace == math.inf
    assert [p.admit(now) for _ in range(64)] == [0.0] * 64


def known(share: float) -> Pacer:
    """It has found that share refused whatever the pace."""
    p = pacer(max_per_second=50)
    p._background.share = share
    p._background._calm()
    return p


@pytest.mark.parametrize("kind", [Kind.RATE, Kind.CAPACITY, None])
def test_refusals_that_no_pace_avoids_hold_nothing_back(kind: Kind | None) -> None:
    """One in five, as is known: neither the gate, nor the pace, nor the running tasks."""
    p, now = known(0.2), 0.0
    for turn in range(500):
        sent = send(p, now)
        now = sent + 0.01
        if turn % 5:
            p.accepted(now, sent)
        else:
            p.refused(now, sent, kind, None)
            assert p.statistics().gate_open
    assert p.pace == 50.0
    assert now == pytest.approx(10.0, rel=0.2)


def test_such_a_refusal_s_hint_is_waited_for_all_the_same() -> None:
    """A Retry-After is never undercut, not even a needless one."""
    p = known(0.2)
    sent = send(p, 0.0)
    p.refused(0.1, sent, Kind.RATE, 30.0)
    assert p.admit(0.1) > 30.0


def test_what_exceeds_the_background_is_a_lesson() -> None:
    """Twenty in a row where one in five is usual."""
    p, now = known(0.2), 0.0
    for _ in range(20):
        sent = send(p, now)
        now = sent + 0.01
        p.refused(now, sent, Kind.RATE, None)
    assert p.pace < 50.0


def test_a_canary_refused_by_chance_opens_the_gate() -> None:
    """The gateway answers, and the refusal says nothing."""
    p = known(0.2)
    p.close(0.0, 1.0)
    canary = send(p, 1.0)
    p.refused(canary + 0.1, canary, None, None)
    assert p.statistics().gate_open


def test_capacity_beside_a_background_begins_gently() -> None:
    """It may be chance all the same: a few turns, not three seconds."""
    p, now = known(0.2), fill(known(0.2), 1)
    while p._ceiling.drip == 0.0:
        sent = send(p, now)
        now = sent + 0.01
        p.refused(now, sent, Kind.CAPACITY, None)
    assert p._ceiling.drip == pytest.approx(4 / 50)


def test_tasks_that_cannot_have_ended_end_the_drip() -> None:
    """Refused for capacity at random from the second request on: within half a minute nothing drips."""
    p, now = pacer(), 0.0
    for turn in range(12):
        sent = send(p, now)
        now = sent + 0.01
        if turn % 5 == 1:
            p.refused(now, sent, Kind.CAPACITY, None)
        else:
            p.accepted(now, sent)
    assert p._background.share > 0
    assert p._ceiling.drip == 0.0
    assert now < 30.0
