"""The plan of look-ups against the wire contract, section 5, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.dispatch.lookup import (
    FAILURE_DELAY,
    MAX_FAILURES,
    NOT_FOUNDS,
    Ambiguity,
    Conclusion,
    Inquiry,
    may_go_on,
)
from lipsync_async.terms import Failure, Kind, Phase, Reply
from lipsync_async.wire import TaskReply

SETTLE = 60.0
SKEW = 300.0
LOST = Ambiguity(attempt=1, sent_at=1_790_000_000.0, phase=Phase.SENT, kind=Kind.CONNECTION)
EXISTS = Ambiguity(attempt=1, sent_at=1_790_000_000.0, phase=Phase.ANSWERED, kind=Kind.DUPLICATE_ID)
NOT_STORED = Ambiguity(attempt=1, sent_at=None, phase=Phase.ANSWERED, kind=Kind.SERVER, code="insert_task_failed")


def task(external_task_id: str | None = "job-1", created_at: float | None = 1_790_000_000.0) -> TaskReply:
    """A task that was found."""
    reply = Reply(status=200, success=True, task_id="86", external_task_id=external_task_id, created_at=created_at)
    return TaskReply(reply=reply, found=True)


def inquiry(ambiguity: Ambiguity = LOST, *, owned: bool = True, derived: bool = False, held: float = 0.0) -> Inquiry:
    """An inquiry that began at 100, of a request that the gateway may still be working on `held` seconds later."""
    return Inquiry(
        ambiguity, since=100.0, owned=owned, derived=derived, first_intent_at=1_790_000_000.0, held_until=100.0 + held
    )


def missing(one: Inquiry, now: float, *, trusted: bool = True, counts: bool | None = None) -> Conclusion:
    """The gateway says at that moment that there is no such task; it counts where look-ups are trusted."""
    return one.missing(now, trusted=trusted, counts=trusted if counts is None else counts, settle_time=SETTLE)


def asked(one: Inquiry, *, trusted: bool) -> list[float]:
    """The moments of the look-ups, each of which finds nothing, until the plan is at its end."""
    moments: list[float] = []
    while True:
        now = one.due(moments[-1] if moments else 100.0, trusted=trusted, settle_time=SETTLE)
        moments.append(now)
        if missing(one, now, trusted=trusted) is not Conclusion.ASK:
            return [moment - 100.0 for moment in moments]


# --- not found ------------------------------------------------------------------------------------------------------


def test_untrusted_three_look_ups_within_15_s() -> None:
    """While a not-found proves nothing there are three look-ups, the last after 15 s."""
    assert asked(inquiry(), trusted=False) == [1.0, 5.0, 15.0]


def test_untrusted_absence_leaves_it_unknown() -> None:
    """The third not-found ends it, and proves nothing."""
    one = inquiry()
    steps = [missing(one, now, trusted=False) for now in (101.0, 105.0, 1000.0)]
    assert steps == [Conclusion.ASK, Conclusion.ASK, Conclusion.GIVE_UP]


def test_trusted_three_not_founds_over_the_settle_time_prove_absence() -> None:
    """Three, of which the last comes when the settle time is over."""
    assert asked(inquiry(), trusted=True) == [2.0, 30.0, 60.0]
    one = inquiry()
    assert [missing(one, now) for now in (102.0, 130.0, 160.0)] == [Conclusion.ASK, Conclusion.ASK, Conclusion.ABSENT]


def test_a_third_not_found_before_its_time_proves_nothing() -> None:
    """A moment before the settle time is over it is asked once more."""
    one = inquiry()
    steps = [missing(one, now) for now in (102.0, 130.0, 159.9, 160.0)]
    assert steps == [Conclusion.ASK, Conclusion.ASK, Conclusion.ASK, Conclusion.ABSENT]
    assert one.due(159.9, trusted=True, settle_time=SETTLE) == 160.0


def test_who_comes_late_does_not_ask_three_times_at_once() -> None:
    """After an outage of five minutes the not-founds are still spread over the settle time."""
    one = inquiry()
    assert [missing(one, now) for now in (400.0, 400.1, 400.2)] == [Conclusion.ASK] * 3
    assert one.due(400.2, trusted=True, settle_time=SETTLE) == pytest.approx(458.0)
    assert missing(one, 458.1) is Conclusion.ABSENT


def test_not_founds_from_before_there_was_trust_do_not_count() -> None:
    """No witness was found beside them: three that count are wanted after them."""
    one = inquiry()
    missing(one, 101.0, trusted=False)
    missing(one, 105.0, trusted=False)
    steps = [missing(one, now) for now in (160.0, 190.0, 218.0)]
    assert steps == [Conclusion.ASK, Conclusion.ASK, Conclusion.ABSENT]


def test_a_not_found_with_no_witness_beside_it_proves_nothing() -> None:
    """It is as good as no answer: it does not count, and is tried again."""
    one = inquiry()
    steps = [missing(one, now, counts=False) for now in (102.0, 130.0, 160.0)]
    assert steps == [Conclusion.ASK] * 3
    assert (one.not_founds, one.failures) == (0, 3)
    assert missing(one, 200.0) is Conclusion.ASK
    assert (one.not_founds, one.failures) == (1, 0)


def test_it_ends_where_no_witness_is_ever_found() -> None:
    """After as many in a row as may fail."""
    one = inquiry()
    steps = [missing(one, 200.0 + number, counts=False) for number in range(MAX_FAILURES)]
    assert steps == [Conclusion.ASK] * (MAX_FAILURES - 1) + [Conclusion.GIVE_UP]


@pytest.mark.parametrize("ambiguity", [EXISTS, NOT_STORED])
def test_absence_that_cannot_be_proven(ambiguity: Ambiguity) -> None:
    """Who said that the id exists, or that it could not store the task, proves nothing by not finding it."""
    one = inquiry(ambiguity)
    steps = [missing(one, now) for now in (102.0, 130.0, 160.0)]
    assert steps == [Conclusion.ASK, Conclusion.ASK, Conclusion.GIVE_UP]


# --- while the gateway may still be working on it --------------------------------------------------------------------


def test_nothing_counts_while_the_gateway_may_still_be_working_on_it() -> None:
    """Three look-ups that may find it soon, and then three that count, from the end of the hold time on."""
    assert asked(inquiry(held=120.0), trusted=True) == [2.0, 30.0, 60.0, 120.0, 130.0, 140.0]


def test_a_hold_time_that_is_over_before_the_settle_time_changes_no_moment() -> None:
    """The settle time runs beside it; only what came before its end does not count."""
    assert asked(inquiry(held=1.0), trusted=True) == [2.0, 30.0, 60.0]
    assert asked(inquiry(held=20.0), trusted=True) == [2.0, 20.0, 30.0, 60.0]


@pytest.mark.parametrize(("early", "counted"), [(0.1, 0), (0.0, 1)])
def test_a_not_found_at_the_end_of_the_hold_time_counts(early: float, counted: int) -> None:
    """And a moment before it does not."""
    one = inquiry(held=120.0)
    assert missing(one, 220.0 - early) is Conclusion.ASK
    assert one.not_founds == counted


def test_a_hold_time_gives_no_trust() -> None:
    """Three untrusted look-ups leave it unknown, as ever."""
    assert asked(inquiry(held=120.0), trusted=False) == [1.0, 5.0, 15.0]


STORY = st.lists(
    st.tuples(st.floats(0.0, 50.0), st.sampled_from(["missing", "uncounted", "untrusted", "failed"])),
    min_size=1,
    max_size=40,
)


@given(STORY, st.sampled_from([0.0, 1.0, 30.0, 120.0, 300.0]), st.booleans())
def test_absence_always_took_three_not_founds_and_both_times(
    story: list[tuple[float, str]], held: float, punctual: bool
) -> None:
    """Whenever it is asked, and whatever fails between: three not-founds that count, after both times."""
    one, now, counted = inquiry(held=held), 100.0, list[float]()
    for passed, word in story:
        now = max(now, one.due(now, trusted=True, settle_time=SETTLE)) if punctual else now + passed
        if word == "failed":
            step = one.failed()
        else:
            step = missing(one, now, trusted=word != "untrusted", counts=word == "missing")
        if word == "missing" and now >= 100.0 + held:
            counted.append(now)
        if step is Conclusion.ABSENT:
            assert word == "missing"
            assert len(counted) >= NOT_FOUNDS
            assert now >= 100.0 + max(SETTLE, held)
            assert counted[-1] - counted[0] >= min(SETTLE - held, SETTLE / 3) - 2.0 - 1e-6
        if step is not Conclusion.ASK:
            return


@given(STORY, st.sampled_from([EXISTS, NOT_STORED]), st.booleans(), st.booleans())
def test_what_cannot_be_proven_absent_never_is(
    story: list[tuple[float, str]], ambiguity: Ambiguity, owned: bool, derived: bool
) -> None:
    """Whatever is asked when, and whosever the id is."""
    one, now = inquiry(ambiguity, owned=owned or derived, derived=derived), 100.0
    for passed, word in story:
        now += passed
        if word == "failed":
            step = one.failed()
        else:
            step = missing(one, now, trusted=word != "untrusted", counts=word == "missing")
        assert step in {Conclusion.ASK, Conclusion.GIVE_UP}
        if step is Conclusion.GIVE_UP:
            return


@given(STORY, st.sampled_from([0.0, 120.0]), st.booleans())
def test_the_next_look_up_is_never_in_the_past_of_a_failure(
    story: list[tuple[float, str]], held: float, trusted: bool
) -> None:
    """A failure is waited out; and no plan reaches further than all its times together."""
    one, now = inquiry(held=held), 100.0
    for passed, word in story:
        now += passed
        step = one.failed() if word == "failed" else missing(one, now, trusted=trusted)
        if step is not Conclusion.ASK:
            return
        due = one.due(now, trusted=trusted, settle_time=SETTLE)
        assert due <= now + 60.0 + SETTLE + held
        if one.failures:
            assert due >= now + FAILURE_DELAY


# --- to name the task that has the id --------------------------------------------------------------------------------


def test_who_only_wants_a_name_asks_soon_and_not_for_long() -> None:
    """A stranger's id is refused, and nothing was charged: three look-ups within 15 s, trusted or not."""
    one = inquiry(EXISTS, owned=False)
    assert one.naming
    assert asked(one, trusted=True) == [1.0, 5.0, 15.0]


@pytest.mark.parametrize(
    ("ambiguity", "owned", "naming"), [(EXISTS, False, True), (EXISTS, True, False), (LOST, False, False)]
)
def test_only_a_refusal_of_a_strangers_id_is_a_naming(ambiguity: Ambiguity, owned: bool, naming: bool) -> None:
    """Where an attempt of ours may have been acted upon, it is in doubt."""
    assert inquiry(ambiguity, owned=owned).naming is naming


def test_again_asks_from_the_beginning() -> None:
    """The counts are at nothing; what it is about, and until when it is held, stays."""
    one = inquiry(held=120.0)
    missing(one, 230.0)
    one.failed()
    anew = one.again()
    assert (anew.asked, anew.not_founds, anew.failures) == (0, 0, 0)
    assert (anew.ambiguity, anew.held_until, anew.first_intent_at) == (LOST, 220.0, 1_790_000_000.0)


@pytest.mark.parametrize(
    ("result", "goes_on"),
    [
        (Failure(kind=Kind.TIMEOUT, phase=Phase.SENT), True),
        (Failure(kind=Kind.CANCELLED, phase=Phase.SENT), True),
        (Failure(kind=Kind.CONNECTION, phase=Phase.SENT), False),
        *((Reply(status=status), True) for status in (408, 499, 504, 524)),
        *((Reply(status=status), False) for status in (200, 500, 502, 503)),
    ],
)
def test_who_stopped_waiting_does_not_know_that_it_was_over(result: Reply | Failure, goes_on: bool) -> None:
    """After our time-out or cancellation, and after a gateway's own, the work may go on."""
    assert may_go_on(result) is goes_on


# --- found ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("external_task_id", ["job-1", None, ""])
@pytest.mark.parametrize("created_at", [1_790_000_000.0, 1_790_000_000.0 - SKEW, None])
def test_a_task_of_our_id_is_adopted(external_task_id: str | None, created_at: float | None) -> None:
    """It carries our id or none, and is not older than our first intent, less the clock's skew."""
    assert inquiry().found(task(external_task_id, created_at), "job-1", SKEW) is Conclusion.ADOPT


def test_an_older_task_is_not_ours() -> None:
    """A moment beyond the skew, and it is another customer's: it is named, and the job stays unknown."""
    one = inquiry()
    assert one.found(task(created_at=1_790_000_000.0 - SKEW - 1), "job-1", SKEW) is Conclusion.GIVE_UP
    assert one.found_task_id == "86"


def test_another_task_says_nothing() -> None:
    """A gateway that answers with some other task has not answered."""
    one = inquiry()
    assert one.found(task("job-2"), "job-1", SKEW) is Conclusion.ASK
    assert one.failures == 1


def test_without_an_intent_on_record_age_is_no_matter() -> None:
    """Nothing to compare with: found is adopted."""
    one = Inquiry(LOST, since=100.0)
    assert one.found(task(created_at=1.0), "job-1", SKEW) is Conclusion.ADOPT


@pytest.mark.parametrize(
    ("owned", "derived", "old", "step"),
    [
        (True, False, False, Conclusion.ADOPT),
        (False, False, False, Conclusion.GIVE_UP),
        (True, True, True, Conclusion.ADOPT),
        (True, False, True, Conclusion.GIVE_UP),
    ],
    ids=["on record", "a stranger's name", "derived, from an earlier run", "on record, but older"],
)
def test_an_id_that_exists(owned: bool, derived: bool, old: bool, step: Conclusion) -> None:
    """Adopted where the id is derived, or an intent is on record and no younger; else another customer may own it."""
    created_at = 1_790_000_000.0 - 10 * SKEW if old else 1_790_000_000.0
    one = inquiry(EXISTS, owned=owned, derived=derived)
    assert one.found(task(created_at=created_at), "job-1", SKEW) is step
    assert one.found_task_id == ("86" if step is Conclusion.GIVE_UP else None)


# --- no answer ------------------------------------------------------------------------------------------------------


def test_a_failing_look_up_proves_nothing_and_is_tried_again() -> None:
    """Eight failures in a row, 2, 4, 8 ... 60 s apart, and it is given up."""
    one, now, delays = inquiry(), 1000.0, []
    steps = []
    for _ in range(MAX_FAILURES):
        steps.append(one.failed())
        due = one.due(now, trusted=True, settle_time=SETTLE)
        delays.append(due - now)
        now = due
    assert steps == [Conclusion.ASK] * (MAX_FAILURES - 1) + [Conclusion.GIVE_UP]
    assert delays == [FAILURE_DELAY, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_an_answer_forgives_the_failures() -> None:
    """They count in a row, and what was planned stays planned."""
    one = inquiry()
    one.failed()
    assert missing(one, 110.0) is Conclusion.ASK
    assert one.failures == 0
    one.failed()
    assert one.due(111.0, trusted=True, settle_time=SETTLE) == pytest.approx(138.0)
