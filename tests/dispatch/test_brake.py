"""The brake against the wire contract, section 4, rules 3 to 5: both sides of each edge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.config import RetryPolicy
from lipsync_async.dispatch.brake import (
    CONFIRMATION_PAUSE,
    FIRST_WORD,
    HIDDEN_PATIENCE,
    HIDDEN_REFUSALS,
    LONGEST_PAUSE,
    MOST_AMBIGUOUS,
    RECENT,
    ROW,
    SAME_REJECTIONS,
    Brake,
    Order,
    Pause,
    SameRejection,
    Stop,
)
from lipsync_async.terms import Action, Failure, Kind, Phase, Reply, Verdict

SILENT = Verdict(Action.LOOK_UP, Kind.SERVER)
UNSENT = Verdict(Action.RETRY, Kind.CONNECTION)
EXISTS = Verdict(Action.LOOK_UP, Kind.DUPLICATE_ID)
REJECTED = Verdict(Action.FAIL, Kind.INVALID_REQUEST)
DEAD_KEY = Verdict(Action.STOP, Kind.AUTH)
NO_CHANNEL = Verdict(Action.STOP, Kind.CONFIGURATION, confirmations=3)
AT_ONCE = Verdict(Action.STOP, Kind.CONFIGURATION, confirmations=0)
WAIT = Verdict(Action.WAIT, Kind.RATE)
HIDDEN = Verdict(Action.WAIT, Kind.CAPACITY, hidden=True)
LOST = Failure(kind=Kind.CONNECTION, phase=Phase.SENT, message="reset")
CERTIFICATE = Failure(kind=Kind.CONFIGURATION, phase=Phase.CONNECTING, message="certificate")
PAGE = Reply(status=502, html=True, message="<html>")
REFUSED = Reply(status=400, code=1200, message="no", parsed=True)
POLICY = RetryPolicy()


def silence(brake: Brake, now: float, count: int = ROW, verdict: Verdict = SILENT) -> Order:
    """So many unanswered requests at one moment; the last order."""
    order: Order = None
    for _ in range(count):
        order = brake.judged(now, now, verdict, LOST)
    return order


def heard() -> Brake:
    """A brake that has heard the gateway."""
    brake = Brake(POLICY)
    brake.accepted(0.0)
    return brake


# --- rule 3 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [SILENT, UNSENT])
def test_five_in_a_row_close_the_gate(verdict: Verdict) -> None:
    """Four unanswered requests order nothing, the fifth a pause of a second."""
    brake = heard()
    assert silence(brake, 10.0, ROW - 1, verdict) is None
    assert not brake.on
    assert brake.judged(10.0, 10.0, verdict, LOST) == Pause(1.0)
    assert brake.on
    assert brake.pause == 1.0


@pytest.mark.parametrize("verdict", [EXISTS, REJECTED, WAIT])
def test_a_reply_between_breaks_the_row(verdict: Verdict) -> None:
    """A reply that says what became of a job, be it a refusal, and the count begins anew."""
    brake = heard()
    silence(brake, 10.0, ROW - 1)
    assert brake.judged(10.0, 10.0, verdict, REFUSED) is None
    assert silence(brake, 10.0, ROW - 1) is None


@pytest.mark.parametrize("result", [PAGE, Failure(kind=Kind.VALIDATION, phase=Phase.SENDING)])
def test_a_page_and_a_fault_of_ours_break_no_row(result: Reply | Failure) -> None:
    """Neither a page of HTML nor a file that changed is a word of the gateway's."""
    brake = heard()
    silence(brake, 10.0, ROW - 1)
    brake.judged(10.0, 10.0, REJECTED, result)
    assert brake.judged(10.0, 10.0, SILENT, LOST) == Pause(1.0)


def test_the_canaries_go_after_1_2_4_up_to_60_seconds() -> None:
    """Each canary that is not answered doubles the pause, to a minute at most."""
    brake, now, pauses = heard(), 10.0, []
    silence(brake, now)
    for _ in range(8):
        now = brake._paused_at + 0.5
        order = brake.judged(now, now - 0.5, SILENT, LOST)
        assert isinstance(order, Pause)
        pauses.append(order.seconds)
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_what_was_under_way_when_the_gate_closed_says_nothing_new() -> None:
    """Sent before the gate closed: no order; sent at the canary's moment: the next pause."""
    brake = heard()
    silence(brake, 10.0)
    assert brake.judged(10.5, 10.99, SILENT, LOST) is None
    assert brake.judged(11.5, 11.0, SILENT, LOST) == Pause(2.0)


def test_an_accepted_job_opens_the_gate() -> None:
    """All is well: the row and the pause are forgotten."""
    brake = heard()
    silence(brake, 10.0)
    brake.accepted(0.0)
    assert not brake.on
    assert silence(brake, 20.0) == Pause(1.0)


@pytest.mark.parametrize(("known", "patience"), [(False, FIRST_WORD), (True, POLICY.max_outage)])
def test_an_outage_has_an_end(known: bool, patience: float) -> None:
    """30 s where nothing was ever heard, else `max_outage`: a moment earlier it is a pause, then it is the end."""
    for late in (False, True):
        brake = heard() if known else Brake(POLICY)
        silence(brake, 0.0)
        now = patience if late else patience - 0.25
        order = brake.judged(now, now, SILENT, LOST)
        if late:
            assert order == Stop(Kind.SERVER, f"no usable answer for {patience:.0f} s: reset")
            assert not brake.on
        else:
            assert order == Pause(0.25)


def test_patience_alone_ends_nothing() -> None:
    """Four failures over a quiet night are no outage: there must be five in a row."""
    brake = heard()
    silence(brake, 0.0, ROW - 2)
    assert brake.judged(POLICY.max_outage + 1, POLICY.max_outage + 1, SILENT, LOST) is None


def test_an_outage_is_never_longer_than_the_first_word() -> None:
    """A `max_outage` below 30 s holds from the start."""
    brake = Brake(RetryPolicy(max_outage=5.0))
    silence(brake, 0.0)
    assert isinstance(brake.judged(5.0, 5.0, SILENT, LOST), Stop)


@pytest.mark.parametrize(("hint", "stops"), [(POLICY.max_outage, False), (POLICY.max_outage + 1, True)])
def test_a_hint_longer_than_the_outage_may_last_stops_at_once(hint: float, stops: bool) -> None:
    """A Retry-After on a 5xx that nobody is willing to wait for ends the batch."""
    reply = Reply(status=503, retry_after=hint)
    assert isinstance(heard().judged(0.0, 0.0, SILENT, reply), Stop) is stops


def test_an_unanswered_look_up_ends_an_outage_as_a_canary_would() -> None:
    """Where only look-ups are left no canary goes; a look-up without an answer ends the batch in the canary's place."""
    brake = heard()
    assert brake.unanswered(5000.0) is None
    silence(brake, 0.0)
    assert brake.unanswered(POLICY.max_outage - 0.1) is None
    assert brake.unanswered(POLICY.max_outage) == Stop(Kind.SERVER, "no usable answer for 900 s: reset")
    assert not brake.on


def test_a_stop_is_a_new_start() -> None:
    """What comes after a batch that ended on the same client meets an open gate."""
    brake = heard()
    silence(brake, 0.0)
    assert isinstance(brake.judged(900.0, 900.0, SILENT, LOST), Stop)
    assert silence(brake, 901.0, ROW - 1) is None


# --- rule 3: a share of ambiguity ------------------------------------------------------------------------------------


def mixed(brake: Brake, ambiguous: int, others: int = 0, now: float = 10.0, between: Verdict = WAIT) -> list[Order]:
    """So many ambiguous results after so many accepted jobs, never two in a row: a refusal comes after each."""
    for _ in range(others):
        brake.accepted(now)
    orders = []
    for _ in range(ambiguous):
        orders.append(brake.judged(now, now, SILENT, LOST))
        brake.judged(now, now, between, REFUSED)
    return orders


def test_a_share_of_ambiguity_closes_the_gate() -> None:
    """Nineteen ambiguous results with a clean refusal after each order nothing, the twentieth a pause of a second."""
    orders = mixed(heard(), MOST_AMBIGUOUS)
    assert orders == [None] * (MOST_AMBIGUOUS - 1) + [Pause(1.0)]


@pytest.mark.parametrize(("accepted", "closes"), [(30, True), (31, False)])
def test_only_the_last_fifty_results_count(accepted: int, closes: bool) -> None:
    """Twenty ambiguous results, the first of them the fiftieth result from the end, or one before it."""
    brake = heard()
    brake.judged(10.0, 10.0, SILENT, LOST)
    for _ in range(accepted):
        brake.accepted(10.0)
    orders = mixed(brake, MOST_AMBIGUOUS - 1)
    assert (orders[-1] == Pause(1.0)) is closes
    assert orders[:-1] == [None] * (MOST_AMBIGUOUS - 2)


@pytest.mark.parametrize(("verdict", "counts"), [(WAIT, False), (HIDDEN, False), (REJECTED, True), (EXISTS, True)])
def test_a_refusal_to_wait_counts_in_neither_direction(verdict: Verdict, counts: bool) -> None:
    """Three refusals after each ambiguous result push none of them out; other clean words do, as accepted jobs do."""
    brake = heard()
    orders: list[Order] = []
    for _ in range(MOST_AMBIGUOUS):
        orders.append(brake.judged(10.0, 10.0, SILENT, LOST))
        for _ in range(3):
            brake.judged(10.0, 10.0, verdict, REFUSED)
    assert (orders[-1] is None) is counts
    assert orders[:-1] == [None] * (MOST_AMBIGUOUS - 1)


def test_what_was_never_sent_is_no_ambiguity() -> None:
    """A connection that failed before the last slice is in the row, and not in the share."""
    brake = heard()
    for _ in range(3 * MOST_AMBIGUOUS):
        assert brake.judged(10.0, 10.0, UNSENT, LOST) is None
        brake.judged(10.0, 10.0, WAIT, REFUSED)


@pytest.mark.parametrize(("found", "closes"), [(0, True), (1, False)])
def test_what_a_look_up_has_found_does_not_count(found: int, closes: bool) -> None:
    """Of twenty ambiguous results one is in doubt no longer: nineteen are too few."""
    brake = heard()
    doubts = []
    for _ in range(MOST_AMBIGUOUS - 1):
        brake.judged(10.0, 10.0, SILENT, LOST)
        doubts.append(brake.doubt)
        brake.judged(10.0, 10.0, WAIT, REFUSED)
    for doubt in doubts[:found]:
        assert doubt is not None
        doubt.open = False
    assert (brake.judged(10.0, 10.0, SILENT, LOST) == Pause(1.0)) is closes


def test_only_an_ambiguous_result_has_a_doubt() -> None:
    """What was accepted or refused leaves none to be closed by a look-up."""
    brake = Brake(POLICY)
    assert brake.doubt is None
    brake.judged(10.0, 10.0, SILENT, LOST)
    first = brake.doubt
    assert first is not None
    assert first.open
    brake.judged(10.0, 10.0, SILENT, LOST)
    assert brake.doubt not in {None, first}
    brake.accepted(10.0)
    assert brake.doubt is None


def test_an_accepted_canary_lets_the_next_one_go_at_once() -> None:
    """One after the other, until the share has fallen; then the gate is open."""
    brake = heard()
    mixed(brake, MOST_AMBIGUOUS)
    orders = [brake.accepted(20.0) for _ in range(RECENT - MOST_AMBIGUOUS + 1)]
    assert orders == [Pause(0.0)] * (RECENT - MOST_AMBIGUOUS) + [None]
    assert [brake.accepted(20.0) for _ in range(5)] == [None] * 5


def test_an_accepted_job_while_the_share_is_low_orders_nothing() -> None:
    """Nineteen ambiguous results close no gate, and so there is none to be opened."""
    brake = heard()
    mixed(brake, MOST_AMBIGUOUS - 1)
    assert brake.accepted(20.0) is None


@pytest.mark.parametrize(("late", "stops"), [(-0.5, False), (0.0, True)])
@pytest.mark.parametrize("accepted", [True, False])
def test_a_share_of_ambiguity_has_an_end(late: float, stops: bool, accepted: bool) -> None:
    """After `max_outage` the batch ends, whether the canary was accepted or is one more of the lost."""
    brake = heard()
    mixed(brake, MOST_AMBIGUOUS, now=10.0)
    now = 10.0 + POLICY.max_outage + late
    order = brake.accepted(now) if accepted else brake.judged(now, now, SILENT, LOST)
    assert isinstance(order, Stop) is stops
    if isinstance(order, Stop):
        assert order.kind is Kind.SERVER
        assert brake.accepted(now) is None, "a stop is a new start"


@given(st.lists(st.sampled_from(["lost", "found", "accepted", "wait"]), max_size=150))
def test_the_window_and_twenty_are_all_that_can_be_in_doubt(story: list[str]) -> None:
    """Whatever comes between: with twenty open doubts in the last fifty results, the gate was closed by the last."""
    brake = heard()
    recent: list[bool] = [False]
    for word in story:
        if word == "wait":
            brake.judged(10.0, 10.0, WAIT, REFUSED)
        elif word == "accepted":
            recent.append(False)
            crowded = sum(recent[-RECENT:]) >= MOST_AMBIGUOUS
            assert brake.accepted(10.0) == (Pause(0.0) if crowded else None)
        else:
            recent.append(word == "lost")
            brake.judged(10.0, 10.0, WAIT, REFUSED)  # no row
            order = brake.judged(10.0, 10.0, SILENT, LOST)
            assert isinstance(order, Pause) is (sum(recent[-RECENT:-1]) + 1 >= MOST_AMBIGUOUS)
            doubt = brake.doubt
            assert doubt is not None
            doubt.open = word == "lost"


# --- rule 4 ---------------------------------------------------------------------------------------------------------


def test_a_stop_is_confirmed() -> None:
    """The first refusal closes the gate for a second; the next of its sort ends the batch."""
    brake = heard()
    assert brake.judged(10.0, 9.9, DEAD_KEY, REFUSED) == Pause(CONFIRMATION_PAUSE)
    assert repr(brake) == "<Brake confirming a stop>"
    assert brake.judged(10.1, 10.99, DEAD_KEY, REFUSED) is None  # sent before the question was put
    assert brake.judged(11.2, 11.0, DEAD_KEY, REFUSED) == Stop(Kind.AUTH, "no")


@pytest.mark.parametrize("verdict", [REJECTED, WAIT, None])
def test_anything_else_reopens_the_gate(verdict: Verdict | None) -> None:
    """A pass between two stops, and the second is a first again."""
    brake = heard()
    brake.judged(10.0, 9.9, DEAD_KEY, REFUSED)
    if verdict is None:
        brake.accepted(0.0)
    else:
        brake.judged(11.5, 11.0, verdict, REFUSED)
    assert brake.judged(12.5, 12.0, DEAD_KEY, REFUSED) == Pause(CONFIRMATION_PAUSE)


def test_a_missing_channel_is_confirmed_three_times() -> None:
    """A refusal that may be a passing one asks for more tries."""
    brake = heard()
    orders = [brake.judged(10.0 * number, 10.0 * number, NO_CHANNEL, REFUSED) for number in range(1, 5)]
    assert [type(order) for order in orders] == [Pause, Pause, Pause, Stop]


@pytest.mark.parametrize("verdict", [AT_ONCE, DEAD_KEY])
def test_a_certificate_that_fails_its_check_stops_at_once(verdict: Verdict) -> None:
    """What failed before anything was sent, and is no accident, will be no better in a second."""
    assert heard().judged(10.0, 10.0, verdict, CERTIFICATE) == Stop(verdict.kind or Kind.AUTH, "certificate")


def test_the_first_twenty_alike_stop_the_batch() -> None:
    """Nineteen equal rejections say nothing, the twentieth that the list is wrong; ids and times make no difference."""
    same = SameRejection()
    replies = [
        Reply(status=400, code=1200, message=f"bad parameter in job {number}") for number in range(SAME_REJECTIONS)
    ]
    assert [same.rejected(reply) for reply in replies[:-1]] == [None] * (SAME_REJECTIONS - 1)
    stop = same.rejected(replies[-1])
    assert stop is not None
    assert stop.kind is Kind.CONFIGURATION
    assert same.over
    assert same.rejected(replies[-1]) is None


@pytest.mark.parametrize(
    "other", [Reply(status=400, code=1201, message="bad"), Reply(status=400, code=1200, message="worse")]
)
def test_one_that_differs_closes_the_question(other: Reply) -> None:
    """Another code or another message: twenty jobs are at fault, not the list."""
    same = SameRejection()
    same.rejected(Reply(status=400, code=1200, message="bad"))
    assert same.rejected(other) is None
    assert same.over
    assert all(same.rejected(Reply(status=400, code=1200, message="bad")) is None for _ in range(30))


# --- rule 5 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "kind"), [(WAIT, Kind.RATE), (Verdict(Action.WAIT, Kind.CAPACITY), Kind.CAPACITY)])
def test_waiting_has_an_end(verdict: Verdict, kind: Kind) -> None:
    """Without an accepted job for `max_stall` the refusals end the batch; just that long is no stall yet."""
    brake = heard()
    assert brake.judged(0.0, 0.0, verdict, REFUSED) is None
    assert brake.judged(POLICY.max_stall, 0.0, verdict, REFUSED) is None
    order = brake.judged(POLICY.max_stall + 1, 0.0, verdict, REFUSED)
    assert isinstance(order, Stop)
    assert order.kind is kind


def test_an_accepted_job_ends_the_stall() -> None:
    """The time without one counts from the first refusal after it."""
    brake = heard()
    brake.judged(0.0, 0.0, WAIT, REFUSED)
    brake.accepted(0.0)
    assert brake.judged(POLICY.max_stall + 1, 0.0, WAIT, REFUSED) is None


@pytest.mark.parametrize(("hint", "stops"), [(3600.0, False), (3600.1, True)])
def test_a_retry_after_longer_than_what_is_left_stops_at_once(hint: float, stops: bool) -> None:
    """It is never undercut: so it is waited for, or the batch ends."""
    order = heard().judged(0.0, 0.0, WAIT, Reply(status=429, retry_after=hint))
    assert isinstance(order, Stop) is stops


@pytest.mark.parametrize(
    ("refusals", "seconds", "stops"),
    [
        (HIDDEN_REFUSALS, HIDDEN_PATIENCE, True),
        (HIDDEN_REFUSALS - 1, HIDDEN_PATIENCE, False),
        (HIDDEN_REFUSALS, HIDDEN_PATIENCE - 1, False),
    ],
)
def test_a_hidden_reason_is_suspected(refusals: int, seconds: float, stops: bool) -> None:
    """At least 20 refusals without a reason and 900 s without an accepted job: the account may be used up."""
    brake = heard()
    orders = [brake.judged(seconds * number / (refusals - 1), 0.0, HIDDEN, REFUSED) for number in range(refusals)]
    assert isinstance(orders[-1], Stop) is stops
    assert orders[:-1] == [None] * (refusals - 1)
    if isinstance(orders[-1], Stop):
        assert orders[-1].kind is Kind.QUOTA
        assert "suspected" in orders[-1].message


def test_a_named_reason_is_not_suspected() -> None:
    """A 1302 for an hour is a stall, never an empty account."""
    brake = heard()
    assert all(brake.judged(float(second), 0.0, WAIT, REFUSED) is None for second in range(0, 3600, 60))


# --- all rules ------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(["silent", "heard", "wait"]), st.floats(0.0, 100.0)), max_size=60))
def test_no_pause_is_longer_than_a_minute(story: list[tuple[str, float]]) -> None:
    """Whatever happens, a pause lies within 0 and 60 s, and its end within the outage that is allowed."""
    brake, now = Brake(POLICY), 0.0
    for word, passed in story:
        now += passed
        order: Order = None
        if word == "heard":
            brake.accepted(0.0)
        else:
            order = brake.judged(now, now, SILENT if word == "silent" else WAIT, LOST)
        if isinstance(order, Pause):
            assert 0.0 <= order.seconds <= LONGEST_PAUSE


def test_its_repr_tells_the_live_story() -> None:
    """On or off, and how many went unanswered."""
    brake = heard()
    silence(brake, 0.0, 3)
    assert repr(brake) == "<Brake off, 3 unanswered in a row>"
    silence(brake, 0.0, 2)
    assert repr(brake) == "<Brake on, 5 unanswered in a row>"


def test_an_outage_of_long_ago_says_nothing() -> None:
    """A service that was idle for longer than the longest outage starts anew: one failure does not end it."""
    brake = Brake(RetryPolicy())
    for _ in range(5):
        brake.judged(0.0, 0.0, SILENT, LOST)
    assert brake.on
    assert brake.judged(7200.5, 7200.0, SILENT, LOST) is None
    assert not brake.on


def test_two_refusals_with_nothing_sent_between_are_no_stall() -> None:
    """A lone refusal, a quiet night, another one: it begins a stall of its own, which ends the batch when it lasts."""
    brake, policy = heard(), POLICY
    assert brake.judged(10.0, 10.0, WAIT, REFUSED) is None
    morning = 10.0 + 3 * policy.max_stall
    assert brake.judged(morning, morning - 1.0, WAIT, REFUSED) is None
    half = morning + policy.max_stall / 2
    assert brake.judged(half, half, WAIT, REFUSED) is None
    end = morning + policy.max_stall + 1.0
    stop = brake.judged(end, end, WAIT, REFUSED)
    assert isinstance(stop, Stop)
    assert stop.kind is Kind.RATE


def test_a_refusal_that_was_long_under_way_is_no_quiet_night() -> None:
    """What counts is that nothing was sent, not that nothing came back."""
    brake = heard()
    assert brake.judged(10.0, 10.0, WAIT, REFUSED) is None
    assert isinstance(brake.judged(11.0 + POLICY.max_stall, 12.0, WAIT, REFUSED), Stop)
