"""The plan of look-ups against the wire contract, section 5, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.dispatch.lookup import FAILURE_DELAY, MAX_FAILURES, NOT_FOUNDS, Ambiguity, Inquiry, Next
from lipsync_async.terms import Kind, Phase, Reply
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


def inquiry(ambiguity: Ambiguity = LOST, *, owned: bool = True, derived: bool = False) -> Inquiry:
    """An inquiry that began at 100."""
    return Inquiry(ambiguity, since=100.0, owned=owned, derived=derived, first_intent_at=1_790_000_000.0)


def asked(one: Inquiry, *, trusted: bool) -> list[float]:
    """The moments of the look-ups, each of which finds nothing, until the plan is at its end."""
    moments: list[float] = []
    while True:
        now = one.due(moments[-1] if moments else 100.0, trusted=trusted, settle_time=SETTLE)
        moments.append(now)
        if one.missing(now, trusted=trusted, settle_time=SETTLE) is not Next.ASK:
            return [moment - 100.0 for moment in moments]


# --- not found ------------------------------------------------------------------------------------------------------


def test_untrusted_three_look_ups_within_15_s() -> None:
    """While a not-found proves nothing there are three look-ups, the last after 15 s."""
    assert asked(inquiry(), trusted=False) == [1.0, 5.0, 15.0]


def test_untrusted_absence_leaves_it_unknown() -> None:
    """The third not-found ends it, and proves nothing."""
    one = inquiry()
    steps = [one.missing(now, trusted=False, settle_time=SETTLE) for now in (101.0, 105.0, 1000.0)]
    assert steps == [Next.ASK, Next.ASK, Next.GIVE_UP]


def test_trusted_three_not_founds_over_the_settle_time_prove_absence() -> None:
    """Three, of which the last comes when the settle time is over."""
    assert asked(inquiry(), trusted=True) == [2.0, 30.0, 60.0]
    one = inquiry()
    steps = [one.missing(now, trusted=True, settle_time=SETTLE) for now in (102.0, 130.0, 160.0)]
    assert steps == [Next.ASK, Next.ASK, Next.ABSENT]


def test_a_third_not_found_before_its_time_proves_nothing() -> None:
    """A moment before the settle time is over it is asked once more."""
    one = inquiry()
    steps = [one.missing(now, trusted=True, settle_time=SETTLE) for now in (102.0, 130.0, 159.9, 160.0)]
    assert steps == [Next.ASK, Next.ASK, Next.ASK, Next.ABSENT]
    assert one.due(159.9, trusted=True, settle_time=SETTLE) == 160.0


def test_who_comes_late_does_not_ask_three_times_at_once() -> None:
    """After an outage of five minutes the not-founds are still spread over the settle time."""
    one = inquiry()
    assert one.missing(400.0, trusted=True, settle_time=SETTLE) is Next.ASK
    assert one.missing(400.1, trusted=True, settle_time=SETTLE) is Next.ASK
    assert one.missing(400.2, trusted=True, settle_time=SETTLE) is Next.ASK
    assert one.due(400.2, trusted=True, settle_time=SETTLE) == pytest.approx(458.0)
    assert one.missing(458.1, trusted=True, settle_time=SETTLE) is Next.ABSENT


def test_trust_that_comes_between_is_used() -> None:
    """Two not-founds were worth nothing when they came; the third, after the settle time, proves absence."""
    one = inquiry()
    one.missing(101.0, trusted=False, settle_time=SETTLE)
    one.missing(105.0, trusted=False, settle_time=SETTLE)
    assert one.due(105.0, trusted=True, settle_time=SETTLE) == 160.0
    assert one.missing(160.0, trusted=True, settle_time=SETTLE) is Next.ABSENT


@pytest.mark.parametrize("ambiguity", [EXISTS, NOT_STORED])
def test_absence_that_cannot_be_proven(ambiguity: Ambiguity) -> None:
    """Who said that the id exists, or that it could not store the task, proves nothing by not finding it."""
    one = inquiry(ambiguity)
    steps = [one.missing(now, trusted=True, settle_time=SETTLE) for now in (102.0, 130.0, 160.0)]
    assert steps[-1] is Next.GIVE_UP


@given(st.lists(st.tuples(st.floats(0.0, 50.0), st.booleans()), min_size=1, max_size=30))
def test_absence_always_took_three_not_founds_and_the_settle_time(story: list[tuple[float, bool]]) -> None:
    """Whenever it is asked, and whatever fails between: no proof without three not-founds over the settle time."""
    one, now, answers = inquiry(), 100.0, list[float]()
    for passed, answered in story:
        now += passed
        if not answered:
            one.failed()
            continue
        answers.append(now)
        if one.missing(now, trusted=True, settle_time=SETTLE) is Next.ABSENT:
            assert len(answers) >= NOT_FOUNDS
            assert now - 100.0 >= SETTLE
            assert answers[-1] - answers[0] >= SETTLE - 2.0 - 1e-6
            return


# --- found ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("external_task_id", ["job-1", None, ""])
@pytest.mark.parametrize("created_at", [1_790_000_000.0, 1_790_000_000.0 - SKEW, None])
def test_a_task_of_our_id_is_adopted(external_task_id: str | None, created_at: float | None) -> None:
    """It carries our id or none, and is not older than our first intent, less the clock's skew."""
    assert inquiry().found(task(external_task_id, created_at), "job-1", SKEW) is Next.ADOPT


def test_an_older_task_is_not_ours() -> None:
    """A moment beyond the skew, and it is another customer's: it is named, and the job stays unknown."""
    one = inquiry()
    assert one.found(task(created_at=1_790_000_000.0 - SKEW - 1), "job-1", SKEW) is Next.GIVE_UP
    assert one.found_task_id == "86"


def test_another_task_says_nothing() -> None:
    """A gateway that answers with some other task has not answered."""
    one = inquiry()
    assert one.found(task("job-2"), "job-1", SKEW) is Next.ASK
    assert one.failures == 1


def test_without_an_intent_on_record_age_is_no_matter() -> None:
    """Nothing to compare with: found is adopted."""
    one = Inquiry(LOST, since=100.0)
    assert one.found(task(created_at=1.0), "job-1", SKEW) is Next.ADOPT


@pytest.mark.parametrize(
    ("owned", "derived", "old", "step"),
    [
        (True, False, False, Next.ADOPT),
        (False, False, False, Next.GIVE_UP),
        (True, True, True, Next.ADOPT),
        (True, False, True, Next.GIVE_UP),
    ],
    ids=["on record", "a stranger's name", "derived, from an earlier run", "on record, but older"],
)
def test_an_id_that_exists(owned: bool, derived: bool, old: bool, step: Next) -> None:
    """Adopted where the id is derived, or an intent is on record and no younger; else another customer may own it."""
    created_at = 1_790_000_000.0 - 10 * SKEW if old else 1_790_000_000.0
    one = inquiry(EXISTS, owned=owned, derived=derived)
    assert one.found(task(created_at=created_at), "job-1", SKEW) is step
    assert one.found_task_id == ("86" if step is Next.GIVE_UP else None)


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
    assert steps == [Next.ASK] * (MAX_FAILURES - 1) + [Next.GIVE_UP]
    assert delays == [FAILURE_DELAY, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_an_answer_forgives_the_failures() -> None:
    """They count in a row, and what was planned stays planned."""
    one = inquiry()
    one.failed()
    assert one.missing(110.0, trusted=True, settle_time=SETTLE) is Next.ASK
    assert one.failures == 0
    one.failed()
    assert one.due(111.0, trusted=True, settle_time=SETTLE) == pytest.approx(138.0)
