"""One look-up of a job in doubt, alone: a task that is found, no answer, and keys that are too old."""

from __future__ import annotations

from typing import Any

import pytest

from lipsync_async import RunOptions
from lipsync_async.dispatch.account import Event
from lipsync_async.dispatch.batch import Batch
from lipsync_async.dispatch.brake import ROW, Doubt, Stop
from lipsync_async.dispatch.lookup import MAX_FAILURES
from lipsync_async.dispatch.steps import End, Park
from lipsync_async.outcomes import Accepted, Rejected, Unknown
from lipsync_async.terms import Action, Kind, Reply, Verdict
from lipsync_async.wire import TaskReply
from tests.dispatch.doubtful import EXISTS, ask, asked_at, doubtful
from tests.dispatch.helpers import (
    BROKEN,
    EPOCH,
    LOST,
    NO_ROUTE,
    NO_SUCH_TASK,
    UNSENT,
    Stopped,
    Wire,
    batch_at,
    keys,
    play,
    task,
)

UNAUTHORIZED = TaskReply(reply=Reply(status=401, code=1004, parsed=True, message="expired"), found=None)

# --- found ----------------------------------------------------------------------------------------------------------


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
        assert batch.account.pacer.statistics().live_tasks == 1

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


# --- no answer ------------------------------------------------------------------------------------------------------


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


# --- the key --------------------------------------------------------------------------------------------------------


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
