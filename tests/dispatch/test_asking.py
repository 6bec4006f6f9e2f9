"""One look-up of a job in doubt, alone: what its answer proves, and what comes next."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from lipsync_async import RetryPolicy, RunOptions
from lipsync_async.dispatch.account import Event
from lipsync_async.dispatch.asking import EXAMINATION, WITNESS_LOOKS, Asking
from lipsync_async.dispatch.batch import Batch
from lipsync_async.dispatch.brake import ROW, Doubt, Stop
from lipsync_async.dispatch.job import Job
from lipsync_async.dispatch.lookup import MAX_FAILURES, Ambiguity, Inquiry
from lipsync_async.dispatch.steps import ASK, End, Next, Park
from lipsync_async.outcomes import Accepted, NotSent, Rejected, Unknown
from lipsync_async.terms import Action, Kind, Phase, Reply, Verdict
from lipsync_async.wire import TaskReply
from lipsync_async.wire.flight import Flight
from tests.dispatch.helpers import (
    BROKEN,
    EPOCH,
    GATEWAY_SAYS_NONE,
    LOST,
    NO_ROUTE,
    NO_SUCH_TASK,
    UNSENT,
    Jobbook,
    Stopped,
    Wire,
    batch_at,
    job_of,
    keys,
    task,
)
from tests.simulation.virtual import VirtualLoop, run

DOUBT = Ambiguity(attempt=1, sent_at=EPOCH, phase=Phase.SENT, kind=Kind.CONNECTION, message="reset")
EXISTS = Ambiguity(attempt=1, sent_at=EPOCH, phase=Phase.ANSWERED, kind=Kind.DUPLICATE_ID, message="duplicated")
UNAUTHORIZED = TaskReply(reply=Reply(status=401, code=1004, parsed=True, message="expired"), found=None)
WITNESS = {"witness": task("witness", "task-0")}


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a story in virtual time, which begins at 1000."""
    run(story())


async def doubtful(batch: Batch, ambiguity: Ambiguity = DOUBT, **values: Any) -> Job:
    """A job that was sent once with the present key, is in doubt since 1000, and was asked for at its plain address."""
    await batch.account.credential.headers()
    job = job_of()
    job.attempts, job.sent_at, job.first_sent_at, job.doubtful = 1, EPOCH, EPOCH, True
    usual: dict[str, Any] = {
        "since": 1000.0,
        "mark": batch.account.mark,
        "first_intent_at": EPOCH,
        "asked_plainly": True,
    }
    job.inquiry = Inquiry(ambiguity, **usual | values)
    return job


def knows_witness(batch: Batch, at: float = 0.0) -> None:
    """An accepted job of the present key, at that moment."""
    batch.account.trust.accepted(batch.account.mark, "witness", "task-0", at)


async def ask(batch: Batch, job: Job, now: float | None = None) -> Next:
    """What comes next after one look-up, at that moment."""
    loop = batch.account.loop
    assert isinstance(loop, VirtualLoop)
    loop.now = now or loop.now
    return await Asking(batch).ask(job, Flight())


async def asked_at(batch: Batch, job: Job, *moments: float) -> list[Next]:
    """The same at each of these moments."""
    return [await ask(batch, job, moment) for moment in moments]


# --- found -----------------------------------------------------------------------------------------------------------


def test_a_task_that_is_found_is_adopted() -> None:
    """It proves that look-ups find what is there, it is no doubt any more, and its slot is known to be taken."""

    async def story() -> None:
        batch = batch_at(Wire(found={"job-1": task()}))
        doubt = Doubt()
        step = await ask(batch, await doubtful(batch, doubt=doubt))
        assert isinstance(step, End)
        assert isinstance(step.outcome, Accepted)
        assert (step.outcome.task_id, step.outcome.recovered, step.write) == ("task-1", True, True)
        assert (batch.account.trust.proven, doubt.open) == (True, False)
        assert batch.account.pacer._ceiling.live == 1

    play(story)


def test_a_task_that_was_told_for_another_job_is_not_adopted() -> None:
    """A look-up that answers with any task proves nothing."""

    async def story() -> None:
        wire = Wire(found={"job-1": task(None)})
        batch = batch_at(wire)
        assert not batch.account.registry.is_anothers("task-1", "job-0")
        job = await doubtful(batch)
        assert await ask(batch, job) == Park(1002.0)
        assert job.inquiry is not None
        assert (job.inquiry.failures, batch.account.trust.proven) == (1, False)

    play(story)


def test_a_gateway_that_finds_what_never_was_proves_nothing() -> None:
    """Where a task does not say whose it is, an id that never was is asked for beside it; once is enough."""

    async def story() -> None:
        wire = Wire(otherwise=task(None))
        batch = batch_at(wire)
        steps = await asked_at(batch, await doubtful(batch), 1001.0, 1005.0, 1015.0)
        assert steps[:2] == [Park(1005.0), Park(1015.0)]
        assert isinstance(steps[2], End)
        assert isinstance(steps[2].outcome, Unknown)
        assert wire.asked == ["job-1", "never", "job-1", "job-1"]
        assert batch.account.trust.ended

    play(story)


def test_a_task_older_than_the_first_intent_is_another_customers() -> None:
    """It is named, and the job stays unknown."""

    async def story() -> None:
        batch = batch_at(Wire(found={"job-1": task(created_at=EPOCH - 1e4)}))
        step = await ask(batch, await doubtful(batch))
        assert isinstance(step, End)
        assert isinstance(step.outcome, Unknown)
        assert step.outcome.found_task_id == "task-1"

    play(story)


def test_the_task_of_an_id_that_is_a_strangers_is_named_and_never_adopted() -> None:
    """Nothing was charged: it is rejected, and the task is told. It proves nothing of look-ups."""

    async def story() -> None:
        batch = batch_at(Wire(found={"job-1": task()}))
        job = await doubtful(batch, EXISTS, owned=False)
        step = await ask(batch, job)
        assert isinstance(step, End)
        assert isinstance(step.outcome, Rejected)
        assert (step.outcome.kind, step.outcome.found_task_id) == (Kind.ALREADY_EXISTS, "task-1")

    play(story)


# --- not found -------------------------------------------------------------------------------------------------------


def test_three_not_founds_without_trust_leave_it_unknown() -> None:
    """Within fifteen seconds; nobody is there to vouch for the gateway."""

    async def story() -> None:
        batch = batch_at(Wire())
        steps = await asked_at(batch, await doubtful(batch), 1001.0, 1005.0, 1015.0)
        assert steps[:2] == [Park(1005.0), Park(1015.0)]
        assert isinstance(steps[2], End)
        assert isinstance(steps[2].outcome, Unknown)

    play(story)


def test_the_users_word_lets_three_not_founds_prove_absence() -> None:
    """The job may be sent again, and its next attempt is written down as a new one."""

    async def story() -> None:
        jobbook = Jobbook()
        batch = batch_at(Wire(), jobbook=jobbook)
        batch.account.trust.told = True
        job = await doubtful(batch)
        assert await asked_at(batch, job, 1002.0, 1030.0, 1060.0) == [Park(1030.0), Park(1060.0), Park(1060.0)]
        assert (job.inquiry, job.doubtful, job.resumed) == (None, True, False)
        assert jobbook.notes == ["met job-1"] * 3 + ["cleared job-1"]

    play(story)


@pytest.mark.parametrize(
    ("answer", "mark"), [(GATEWAY_SAYS_NONE, None), (NO_SUCH_TASK, b"another"), (BROKEN, None), (NO_ROUTE, None)]
)
def test_the_users_word_is_for_the_platforms_words_and_the_present_key_alone(
    answer: TaskReply, mark: bytes | None
) -> None:
    """A gateway's own words, another account's key and a framework's 404 prove nothing all the same."""

    async def story() -> None:
        batch = batch_at(Wire(otherwise=answer))
        batch.account.trust.told = True
        job = await doubtful(batch)
        assert job.inquiry is not None
        job.inquiry.mark = mark or job.inquiry.mark
        steps = await asked_at(batch, job, *(1100.0 + 100.0 * number for number in range(MAX_FAILURES)))
        assert all(isinstance(step, Park) for step in steps[:-1])
        assert isinstance(steps[-1], End)
        assert isinstance(steps[-1].outcome, Unknown)

    play(story)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_task_is_asked_for_plainly_first(trusted: bool) -> None:
    """Where its plain address finds it, it is found; what is not found there, a cache may have said."""

    async def story() -> None:
        wire = Wire(found=WITNESS if trusted else {})
        batch = batch_at(wire)
        job = await doubtful(batch, asked_plainly=False)
        if trusted:
            knows_witness(batch)
        await ask(batch, job, 1002.0)
        assert job.inquiry is not None
        assert (job.inquiry.not_founds, job.inquiry.asked) == (0, 1)
        assert not wire.urls[0].query
        await ask(batch, job, 1005.0)
        assert job.inquiry.not_founds == int(trusted)
        assert [url.path.rpartition("/")[2] for url in wire.urls if not url.query] == ["job-1"]

    play(story)


def test_a_witness_beside_it_makes_a_not_found_count() -> None:
    """It is asked for right after, each time, twice: half of the machines may not know what the others do."""

    async def story() -> None:
        wire = Wire(found=WITNESS)
        batch = batch_at(wire)
        job = await doubtful(batch)
        knows_witness(batch)
        await asked_at(batch, job, 1002.0, 1030.0)
        assert job.inquiry is not None
        assert job.inquiry.not_founds == 2
        assert await ask(batch, job, 1060.0) == Park(1060.0)
        assert job.inquiry is None
        looks, examination = ["job-1", *["witness"] * WITNESS_LOOKS], ["job-1", "witness"]
        assert wire.asked == looks * 3 + examination * EXAMINATION

    play(story)


def test_a_gateways_own_words_count_beside_a_witness() -> None:
    """As the platform's do."""

    async def story() -> None:
        batch = batch_at(Wire(found=WITNESS, otherwise=GATEWAY_SAYS_NONE))
        job = await doubtful(batch)
        knows_witness(batch)
        await asked_at(batch, job, 1002.0, 1030.0, 1060.0)
        assert job.inquiry is None

    play(story)


@pytest.mark.parametrize("found_first", [True, False])
def test_a_witness_that_is_not_found_ends_the_trust(found_first: bool) -> None:
    """Also where only the second look does not find it: from then on no not-found counts."""

    async def story() -> None:
        answers = [task("witness", "task-0"), NO_SUCH_TASK] if found_first else [NO_SUCH_TASK]
        batch = batch_at(Wire(found={"witness": list(answers)}))
        job = await doubtful(batch)
        knows_witness(batch)
        steps = await asked_at(batch, job, 1002.0, 1030.0, 1060.0)
        assert batch.account.trust.ended
        assert not batch.account.trust.holds
        assert isinstance(steps[-1], End)
        assert isinstance(steps[-1].outcome, Unknown)

    play(story)


@pytest.mark.parametrize("witness", [NO_SUCH_TASK, BROKEN, LOST, task("witness", "task-of-another")])
def test_a_witness_that_is_young_or_cannot_be_asked_for_is_waited_for(witness: Any) -> None:
    """It may not be stored yet: the not-found counts neither way, and the trust is as it was."""

    async def story() -> None:
        batch = batch_at(Wire(found={"witness": witness}))
        job = await doubtful(batch)
        knows_witness(batch, at=1000.0)
        batch.account.trust.proven = True
        assert await ask(batch, job, 1002.0) == Park(1004.0)
        assert job.inquiry is not None
        assert (job.inquiry.failures, job.inquiry.asked, batch.account.trust.ended) == (1, 0, False)

    play(story)


def test_where_nothing_was_ever_found_three_looks_are_enough() -> None:
    """A young witness that is not found gives no trust, and does not draw the question out."""

    async def story() -> None:
        batch = batch_at(Wire())
        job = await doubtful(batch)
        knows_witness(batch, at=1000.0)
        steps = await asked_at(batch, job, 1001.0, 1005.0, 1015.0)
        assert isinstance(steps[-1], End)
        assert isinstance(steps[-1].outcome, Unknown)

    play(story)


def test_a_witness_of_the_present_key_does_not_speak_for_another() -> None:
    """The intent was made with an account that this key may know nothing of."""

    async def story() -> None:
        wire = Wire(found=WITNESS)
        batch = batch_at(wire)
        batch.account.trust.proven = True
        job = await doubtful(batch, mark=b"another")
        knows_witness(batch)
        steps = await asked_at(batch, job, *(1100.0 + 100.0 * number for number in range(MAX_FAILURES)))
        assert isinstance(steps[-1], End)
        assert isinstance(steps[-1].outcome, Unknown)
        assert "witness" not in wire.asked

    play(story)


def test_a_witness_of_the_other_key_that_is_found_shows_that_both_are_one_account() -> None:
    """Then a not-found counts."""

    async def story() -> None:
        wire = Wire(found=WITNESS)
        batch = batch_at(wire)
        job = await doubtful(batch, mark=b"another")
        batch.account.trust.remember(b"another", "witness", "task-0")
        await asked_at(batch, job, 1002.0, 1030.0, 1060.0)
        assert job.inquiry is None

    play(story)


def test_nothing_is_absent_while_the_gateway_may_still_be_working_on_it() -> None:
    """The user's word or a witness makes no difference to a request that goes on."""

    async def story() -> None:
        batch = batch_at(Wire(found=WITNESS))
        job = await doubtful(batch, held_until=1120.0)
        knows_witness(batch)
        await asked_at(batch, job, 1002.0, 1030.0, 1060.0, 1119.0)
        assert job.inquiry is not None
        assert job.inquiry.not_founds == 0
        await asked_at(batch, job, 1120.0, 1130.0, 1140.0)
        assert job.inquiry is None

    play(story)


def test_a_name_is_asked_for_without_a_witness() -> None:
    """The task that has the id cannot be found: it exists all the same."""

    async def story() -> None:
        wire = Wire(found=WITNESS)
        batch = batch_at(wire)
        job = await doubtful(batch, EXISTS, owned=False)
        knows_witness(batch)
        steps = await asked_at(batch, job, 1001.0, 1005.0, 1015.0)
        assert isinstance(steps[-1], End)
        assert isinstance(steps[-1].outcome, Rejected)
        assert (steps[-1].outcome.kind, steps[-1].outcome.found_task_id) == (Kind.ALREADY_EXISTS, None)
        assert "witness" not in wire.asked

    play(story)


# --- proven absent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempts", "resumed", "look_only", "ends"),
    [(1, False, False, False), (2, False, False, True), (2, True, False, False), (1, False, True, True)],
    ids=["one of two", "two of two", "an earlier run's", "sends nothing"],
)
def test_a_job_that_is_absent_is_sent_again_while_it_may_be(
    attempts: int, resumed: bool, look_only: bool, ends: bool
) -> None:
    """An earlier run's attempts do not use up those of this one."""

    async def story() -> None:
        batch = batch_at(retry=RetryPolicy(max_attempts=2), options=RunOptions(look_only=look_only), wire=Wire())
        batch.account.trust.told = True
        job = await doubtful(batch)
        job.attempts, job.resumed = attempts, resumed
        step = (await asked_at(batch, job, 1002.0, 1030.0, 1060.0))[-1]
        assert isinstance(step, End if ends else Park)
        if isinstance(step, End):
            assert isinstance(step.outcome, NotSent)
            assert step.write

    play(story)


def test_a_batch_that_was_stopped_meanwhile_sends_nothing_again() -> None:
    """The look-up is not used up: the job comes out in doubt."""

    async def story() -> None:
        batch = batch_at(Wire())
        batch.account.trust.told = True
        job = await doubtful(batch)
        await asked_at(batch, job, 1002.0, 1030.0)
        batch.stopped = Stop(Kind.CANCELLED, "enough")
        assert await ask(batch, job, 1060.0) is ASK
        assert job.inquiry is not None

    play(story)


# --- no answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [BROKEN, NO_ROUTE, LOST, UNSENT])
def test_a_look_up_that_fails_is_tried_again(answer: Any) -> None:
    """Two seconds later, then four; eight in a row leave it unknown."""

    async def story() -> None:
        batch = batch_at(Wire(otherwise=answer))
        job = await doubtful(batch)
        moments = [1100.0 + 100.0 * number for number in range(MAX_FAILURES)]
        steps = await asked_at(batch, job, *moments)
        assert steps[:2] == [Park(1102.0), Park(1204.0)]
        assert isinstance(steps[-1], End)
        assert isinstance(steps[-1].outcome, Unknown)

    play(story)


def silent(batch: Batch) -> None:
    """The gateway is not there: the brake is on since now."""
    now = batch.account.loop.time()
    batch.account.brake.heard = True
    for _ in range(ROW):
        batch.account.obey(batch.account.brake.judged(now, now, Verdict(Action.LOOK_UP, Kind.SERVER), LOST))
    assert batch.account.brake.on


@pytest.mark.parametrize("answer", [BROKEN, LOST])
def test_a_silence_in_an_outage_does_not_count(answer: Any) -> None:
    """It is asked again after the pause, for as long as an outage may last; then everything stops."""

    async def story() -> None:
        batch = batch_at(Wire(otherwise=answer))
        other = Stopped(batch.account)
        job = await doubtful(batch)
        silent(batch)
        assert await asked_at(batch, job, *[1010.0] * 20) == [Park(1011.0)] * 20
        assert job.inquiry is not None
        assert job.inquiry.failures == 0
        assert other.stops == []
        await ask(batch, job, 1900.0)
        assert [stop.kind for stop in other.stops] == [Kind.SERVER]

    play(story)


def test_a_word_in_an_outage_counts() -> None:
    """Somebody answered, if only that there is nothing to be asked."""

    async def story() -> None:
        batch = batch_at(Wire(otherwise=NO_ROUTE))
        job = await doubtful(batch)
        silent(batch)
        await ask(batch, job)
        assert job.inquiry is not None
        assert job.inquiry.failures == 1

    play(story)


# --- the key ---------------------------------------------------------------------------------------------------------


def test_a_look_up_that_is_not_let_in_is_asked_again_with_a_new_key() -> None:
    """At its planned time; it does not count."""
    given, source = keys()

    async def story() -> None:
        batch = batch_at(Wire(otherwise=UNAUTHORIZED), key=source)
        job = await doubtful(batch)
        assert await ask(batch, job) == Park(1001.0)
        assert job.inquiry is not None
        assert (given, job.inquiry.failures) == (["key-number-1", "key-number-2"], 0)

    play(story)


def test_a_key_that_cannot_be_renewed_stops() -> None:
    """And the job is as unknown as before."""
    given: list[str] = []

    def key() -> str:
        if given:
            raise OSError
        given.append("key-1")
        return given[-1]

    async def story() -> None:
        batch = batch_at(Wire(otherwise=UNAUTHORIZED), key=key)
        assert await ask(batch, await doubtful(batch)) == Stop(Kind.AUTH, "the API key could not be renewed: OSError")

    play(story)


@pytest.mark.parametrize("look_only", [True, False])
def test_a_dead_key_proves_nothing_and_ends_a_reconciliation(look_only: bool) -> None:
    """Where jobs are sent the create will say it; where none are, this is the word."""

    async def story() -> None:
        batch = batch_at(Wire(otherwise=UNAUTHORIZED), options=RunOptions(look_only=look_only))
        job = await doubtful(batch)
        step = await ask(batch, job)
        assert step == (Stop(Kind.AUTH, "expired") if look_only else Park(1002.0))

    play(story)


def test_every_answer_that_is_one_is_told() -> None:
    """With what followed from it."""
    events: list[Event] = []

    async def story() -> None:
        batch = batch_at(Wire(found={"job-1": [NO_SUCH_TASK, BROKEN, task()]}), observer=events.append)
        job = await doubtful(batch)
        await asked_at(batch, job, 1001.0, 1005.0, 1010.0)

    play(story)
    assert [(event.name, event.action) for event in events] == [
        ("look_up", "ask"),
        ("look_up", "ask"),
        ("look_up", "adopt"),
    ]
