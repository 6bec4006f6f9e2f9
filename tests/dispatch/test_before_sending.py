"""One try at a job, alone: keys, caps and intents before anything leaves, and what breaks it off."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lipsync_async import Limits, LipSyncRequest, RunOptions
from lipsync_async.dispatch.batch import Batch
from lipsync_async.dispatch.brake import Stop
from lipsync_async.dispatch.sending import Sending
from lipsync_async.dispatch.steps import SEND, End, Park
from lipsync_async.outcomes import Unknown
from lipsync_async.terms import Failure, Kind, Phase, Reply
from lipsync_async.wire.flight import Flight
from tests.dispatch.helpers import EXPIRED, MADE, SLOW, Jobbook, Wire, batch_at, job_of, keys, play
from tests.dispatch.trying import sent

# --- the key --------------------------------------------------------------------------------------------------------


def test_an_expired_token_is_renewed_and_costs_no_attempt() -> None:
    """A second generation is asked for; the job goes again at once."""
    given, source = keys()

    async def story() -> None:
        batch = batch_at(Wire(EXPIRED, MADE), key=source)
        job = job_of()
        assert (await sent(batch, job))[0] == Park(1000.0)
        assert (job.attempts, job.refusals, given) == (0, 1, ["key-number-1", "key-number-2"])
        assert isinstance((await sent(batch, job))[0], End)

    play(story)


def test_a_token_that_cannot_be_renewed_stops() -> None:
    """The caller's callable raised: its type is told, and no text of it."""
    given: list[str] = []

    def key() -> str:
        if given:
            raise OSError("secret")
        given.append("key-1")
        return given[-1]

    async def story() -> None:
        step, _ = await sent(batch_at(Wire(EXPIRED), key=key))
        assert step == Stop(Kind.AUTH, "the API key could not be renewed: OSError")

    play(story)


def test_without_a_key_nothing_is_sent() -> None:
    """A callable that gives no usable one stops the batch."""

    async def story() -> None:
        wire = Wire(MADE)
        step, job = await sent(batch_at(wire, key=lambda: ""))
        assert isinstance(step, Stop)
        assert (step.kind, job.attempts, wire.creates) == (Kind.AUTH, 0, [])

    play(story)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), StopAsyncIteration(), ZeroDivisionError()])
def test_a_key_callable_that_raises_leaves_no_place_taken(error: BaseException) -> None:
    """Its error is passed on as it is; the run knows what to make of it."""

    def key() -> str:
        raise error

    async def story() -> None:
        batch = batch_at(Wire(MADE), key=key)
        with pytest.raises(type(error)):
            await Sending(batch).send(job_of(), Flight())
        assert batch.account.pacer.in_flight == 0

    play(story)


# --- before anything leaves -----------------------------------------------------------------------------------------


def test_the_callers_leave_is_asked_once_a_job() -> None:
    """A job that is sent again was allowed before."""
    asked: list[str | None] = []

    def allow(job: LipSyncRequest) -> str | None:
        asked.append(job.external_task_id)
        return None

    async def story() -> None:
        batch = batch_at(Wire(SLOW, MADE), options=RunOptions(allow=allow))
        job = job_of()
        await sent(batch, job)
        assert isinstance((await sent(batch, job))[0], End)
        assert asked == ["job-1"]

    play(story)


def test_a_spending_cap_stops_before_anything_is_sent() -> None:
    """With the caller's own words."""

    async def story() -> None:
        wire, jobbook = Wire(MADE), Jobbook()
        batch = batch_at(wire, options=RunOptions(allow=lambda _: "that is enough"), jobbook=jobbook)
        step, job = await sent(batch)
        assert step == Stop(Kind.QUOTA, "that is enough")
        assert (wire.creates, jobbook.notes, job.attempts, job.first_sent_at) == ([], [], 0, None)

    play(story)


def test_an_intent_comes_before_the_first_byte() -> None:
    """And what follows an answer is written after it."""

    async def story() -> None:
        wire = Wire(SLOW, MADE)
        seen: list[int] = []
        jobbook = Jobbook(on_intent=lambda: seen.append(len(wire.creates)))
        batch, job = batch_at(wire, jobbook=jobbook), job_of()
        await sent(batch, job)
        await sent(batch, job)
        assert seen == [0, 1]
        assert jobbook.notes == [
            "intent job-1",
            "tried job-1: wait",
            "cleared job-1",
            "intent job-1",
            "tried job-1: accept",
        ]

    play(story)


def test_without_an_intent_on_record_nothing_is_sent() -> None:
    """A disk that is full stops the batch, and the job was not tried."""

    async def story() -> None:
        wire = Wire(MADE)
        step, job = await sent(batch_at(wire, jobbook=Jobbook(broken=True)))
        assert step == Stop(Kind.STORAGE, "the disk is full")
        assert (wire.creates, job.attempts) == ([], 0)

    play(story)


def test_a_batch_that_was_stopped_while_the_intent_was_written_sends_nothing() -> None:
    """The step says that it is still to be sent; the run decides."""

    async def story() -> None:
        wire, jobbook = Wire(MADE), Jobbook()
        batch = batch_at(wire, jobbook=jobbook)
        jobbook.on_intent = lambda: setattr(batch, "stopped", Stop(Kind.CANCELLED, "enough"))
        step, job = await sent(batch)
        assert (step, wire.creates, job.attempts) == (SEND, [], 0)

    play(story)


@pytest.mark.parametrize("jobbook", [None, Jobbook()])
def test_a_batch_that_was_stopped_while_the_key_was_made_sends_nothing(jobbook: Jobbook | None) -> None:
    """With a journal and without one: neither an intent nor a request."""

    async def story() -> None:
        wire = Wire(MADE)

        async def key() -> str:
            batch.stopped = Stop(Kind.CANCELLED, "enough")
            return "key-1"

        batch = batch_at(wire, jobbook=jobbook, key=key)
        step, job = await sent(batch)
        assert (step, wire.creates, job.attempts) == (SEND, [], 0)
        assert batch.account.pacer.in_flight == 0
        assert jobbook is None or jobbook.notes == []

    play(story)


def test_a_job_that_is_called_away_from_the_door_sends_nothing() -> None:
    """Its batch was stopped while it waited for its turn."""

    async def story() -> None:
        wire = Wire(MADE)
        batch = batch_at(wire, limits=Limits(max_in_flight=1))
        assert batch.account.admission.try_admit() is not None  # somebody else is in
        waiting = asyncio.create_task(Sending(batch).send(job_of(), Flight()))
        await asyncio.sleep(1.0)
        batch.account.admission.dismiss(batch)
        assert await waiting is SEND
        assert wire.creates == []

    play(story)


@pytest.mark.parametrize("error", [RuntimeError("a fault of ours"), asyncio.CancelledError()])
def test_a_send_that_breaks_gives_its_place_back(error: BaseException) -> None:
    """Whatever it is."""

    async def story() -> None:
        batch = batch_at(Wire(error))
        with pytest.raises(type(error)):
            await Sending(batch).send(job_of(), Flight())
        assert batch.account.pacer.in_flight == 0

    play(story)


# --- broken off -----------------------------------------------------------------------------------------------------


BROKEN_OFF = Failure(kind=Kind.CANCELLED, phase=Phase.SENT, message="broken off")


def test_what_was_broken_off_by_us_says_nothing_of_the_gateway() -> None:
    """A cancelled request is in doubt, and counts for no outage."""

    async def story() -> None:
        batch = batch_at(Wire(BROKEN_OFF))
        for _ in range(10):
            assert isinstance((await sent(batch))[0], Park)
        assert not batch.account.brake.on

    play(story)


def test_what_is_in_doubt_when_its_batch_was_stopped_comes_out_at_once() -> None:
    """Nobody is left to look it up."""

    class Stopping(Wire):
        batch: Batch

        async def post(self, *args: Any) -> Reply | Failure:
            self.batch.stopped = Stop(Kind.CANCELLED, "enough")
            return await super().post(*args)

    async def story() -> None:
        wire = Stopping(BROKEN_OFF)
        wire.batch = batch_at(wire)
        step, _ = await sent(wire.batch)
        assert isinstance(step, End)
        assert isinstance(step.outcome, Unknown)

    play(story)
