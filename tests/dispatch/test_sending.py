"""One try at a job, alone: what comes next after every sort of answer."""

from __future__ import annotations

import asyncio

import pytest

from lipsync_async import RetryPolicy, RunOptions
from lipsync_async.dispatch.brake import SAME_REJECTIONS
from lipsync_async.dispatch.sending import Sending
from lipsync_async.dispatch.steps import End, Park
from lipsync_async.outcomes import Accepted, NotSent, Rejected, Unknown
from lipsync_async.terms import Failure, Kind, Reply
from lipsync_async.wire.flight import Flight
from tests.dispatch.helpers import (
    BAD,
    EMPTY,
    EPOCH,
    EXISTS,
    HTML,
    LOST,
    MADE,
    NO_ROUTE,
    NO_SUCH_TASK,
    SLOW,
    TIMED_OUT,
    UNSENT,
    Jobbook,
    Stopped,
    Wire,
    batch_at,
    job_of,
    play,
)
from tests.dispatch.trying import sent
from tests.makers import request

# --- what follows an answer -----------------------------------------------------------------------------------------


def test_an_accepted_job_ends() -> None:
    """It is written down before it is told, and is a witness from then on."""

    async def story() -> None:
        wire = Wire(MADE)
        batch = batch_at(wire)
        step, job = await sent(batch)
        assert isinstance(step, End)
        assert isinstance(step.outcome, Accepted)
        assert (step.outcome.task_id, step.outcome.attempts, step.write, step.stop) == ("task-1", 1, True, None)
        assert (wire.creates, job.sent_at, job.first_sent_at) == (["job-1"], EPOCH + 1000.0, EPOCH + 1000.0)
        witness = batch.account.trust.witness(batch.account.mark, 1000.0, 60.0)
        assert witness is not None
        assert (witness.external_task_id, witness.task_id) == ("job-1", "task-1")

    play(story)


def test_a_refusal_to_wait_costs_no_attempt() -> None:
    """It is parked at once: the gate decides when it goes."""

    async def story() -> None:
        batch = batch_at(Wire(SLOW))
        step, job = await sent(batch)
        assert step == Park(1000.0)
        assert (job.attempts, job.refusals, job.inquiry, job.doubtful) == (0, 1, None, False)
        assert batch.account.pacer.waiting_for(1000.0) == "gate"

    play(story)


def test_what_never_left_is_tried_again_after_a_backoff() -> None:
    """Half of a cap that doubles; and when the attempts are used up it comes out as not sent."""

    async def story() -> None:
        batch = batch_at(Wire(UNSENT), retry=RetryPolicy(max_attempts=3))
        job = job_of()
        steps = [(await sent(batch, job))[0] for _ in range(3)]
        assert steps[:2] == [Park(1000.25), Park(1000.5)]
        assert isinstance(steps[2], End)
        assert isinstance(steps[2].outcome, NotSent)
        assert (steps[2].outcome.kind, steps[2].outcome.attempts) == (Kind.CONNECTION, 3)

    play(story)


def test_a_job_that_is_at_fault_ends() -> None:
    """Rejected for the reason that the gateway gave."""

    async def story() -> None:
        step, _ = await sent(batch_at(Wire(BAD)))
        assert isinstance(step, End)
        assert isinstance(step.outcome, Rejected)
        assert (step.outcome.kind, step.outcome.code, step.stop) == (Kind.INVALID_REQUEST, 1200, None)

    play(story)


@pytest.mark.parametrize("result", [LOST, Reply(status=502), Reply(status=200, broken=True), HTML])
def test_what_may_have_been_acted_upon_is_looked_up(result: Reply | Failure) -> None:
    """A second later, and nothing is sent before; a page is in doubt once the gateway was heard."""

    async def story() -> None:
        batch = batch_at(Wire(result))
        batch.account.brake.heard = True
        step, job = await sent(batch)
        assert step == Park(1001.0)
        assert job.inquiry is not None
        assert (job.doubtful, job.owned, job.inquiry.naming, job.ended_at) == (True, True, False, None)
        assert job.inquiry.doubt is batch.account.brake.doubt
        assert (job.inquiry.since, job.inquiry.mark) == (1000.0, batch.account.mark)

    play(story)


@pytest.mark.parametrize(("result", "held"), [(TIMED_OUT, True), (Reply(status=504), True), (LOST, False)])
@pytest.mark.parametrize("told", [True, False])
def test_what_the_gateway_may_still_be_working_on_is_held(result: Reply | Failure, held: bool, told: bool) -> None:
    """For its hold time, unless the user's word replaces it; the moment is kept for a later run all the same."""

    async def story() -> None:
        batch = batch_at(Wire(result))
        batch.account.trust.told = told
        _, job = await sent(batch)
        assert job.inquiry is not None
        hold = 0.0 if told else batch.account.gateway.hold_time
        assert job.inquiry.held_until == (1000.0 + hold if held else float("-inf"))
        assert job.ended_at == (EPOCH + 1000.0 if held else None)

    play(story)


@pytest.mark.parametrize(
    ("ours", "naming"), [("nobody's", True), ("derived", False), ("doubtful", False)], ids=lambda it: str(it)
)
def test_an_id_that_exists_is_ours_only_where_we_may_have_made_it(ours: str, naming: bool) -> None:
    """Derived from the content, or after an attempt in doubt; else it is looked up for its name alone, and cleared."""

    async def story() -> None:
        jobbook = Jobbook()
        batch = batch_at(Wire(EXISTS), jobbook=jobbook)
        job = job_of()
        job.derived, job.doubtful = ours == "derived", ours == "doubtful"
        step, _ = await sent(batch, job)
        assert step == Park(1001.0)
        assert job.inquiry is not None
        assert job.inquiry.naming is naming
        assert ("cleared job-1" in jobbook.notes) is naming
        assert job.doubtful is (ours == "doubtful")

    play(story)


def test_a_report_policy_asks_nothing() -> None:
    """It is told as unknown at once."""

    async def story() -> None:
        step, _ = await sent(batch_at(Wire(LOST), options=RunOptions(ambiguous="report")))
        assert isinstance(step, End)
        assert isinstance(step.outcome, Unknown)

    play(story)


def test_a_resend_policy_sends_again_what_is_in_doubt() -> None:
    """The doubt stays with the job; an id that exists is looked up all the same."""

    async def story() -> None:
        batch = batch_at(Wire(LOST, EXISTS), options=RunOptions(ambiguous="resend"))
        job = job_of()
        assert (await sent(batch, job))[0] == Park(1000.25)
        assert job.ambiguity is not None
        assert job.inquiry is None
        assert (await sent(batch, job))[0] == Park(1001.0)
        assert job.inquiry is not None
        assert not job.inquiry.naming

    play(story)


# --- tasks of others ------------------------------------------------------------------------------------------------


def test_a_task_that_was_told_for_another_job_is_in_doubt() -> None:
    """It is looked up, never told as this job's, and the reply counts as ambiguous."""

    async def story() -> None:
        wire = Wire(Reply(status=200, success=True, parsed=True, task_id="task-1"))
        batch = batch_at(wire)
        first, _ = await sent(batch)
        assert isinstance(first, End)
        step, job = await sent(batch, job_of(request("job-2")))
        assert step == Park(1001.0)
        assert job.inquiry is not None
        assert job.inquiry.ambiguity.kind is Kind.PROTOCOL
        assert batch.account.brake.doubt is not None

    play(story)


@pytest.mark.parametrize("named", ["under way", "under way in the journal", "on disk", "echoes"])
def test_a_reply_that_names_another_job_is_in_doubt(named: str) -> None:
    """A job of this client's or of the journal's, or any other at a gateway that was seen to name what it was sent."""

    async def story() -> None:
        jobbook = Jobbook()
        batch = batch_at(Wire(MADE), jobbook=jobbook)
        if named == "echoes":
            batch.account.echoes = True
        elif named == "on disk":
            jobbook.known["job-1"] = Accepted(external_task_id="job-1", task_id="86")
        elif named == "under way in the journal":
            batch_at(jobbook=jobbook).claim(job_of(request("job-1")))
        else:
            batch.claim(job_of(request("job-1")))
        step, job = await sent(batch, job_of(request("job-2")))
        assert step == Park(1001.0)
        assert job.inquiry is not None

    play(story)


def test_a_gateway_may_write_ids_in_a_way_of_its_own() -> None:
    """It never names a job that was sent, and its tasks are believed."""

    async def story() -> None:
        batch = batch_at(Wire(MADE))
        step, _ = await sent(batch, job_of(request("job-2")))
        assert isinstance(step, End)
        assert isinstance(step.outcome, Accepted)
        assert not batch.account.echoes

    play(story)


# --- stops ----------------------------------------------------------------------------------------------------------


def test_a_stop_is_confirmed_by_the_same_job() -> None:
    """The first refusal parks it behind a closed gate, the second ends every run of the account."""

    async def story() -> None:
        batch = batch_at(Wire(EMPTY))
        other, job = Stopped(batch.account), job_of()
        assert (await sent(batch, job))[0] == Park(1000.0)
        assert other.stops == []
        assert batch.account.pacer.waiting_for(1000.0) == "gate"
        await sent(batch, job)
        assert [stop.kind for stop in other.stops] == [Kind.QUOTA]
        assert asyncio.get_running_loop().time() >= 1001.0, "it waited for the gate"

    play(story)


def test_twenty_rejections_alike_end_this_batch_with_the_last_of_them() -> None:
    """And no other batch of the account."""

    async def story() -> None:
        batch = batch_at(Wire(BAD))
        other, room = Stopped(batch.account), Sending(batch)
        steps = [await room.send(job_of(request(f"job-{n}")), Flight()) for n in range(SAME_REJECTIONS)]
        ends = [step for step in steps if isinstance(step, End)]
        assert len(ends) == SAME_REJECTIONS
        assert [end.stop for end in ends[:-1]] == [None] * (SAME_REJECTIONS - 1)
        assert ends[-1].stop is not None
        assert ends[-1].stop.kind is Kind.CONFIGURATION
        assert other.stops == []

    play(story)


@pytest.mark.parametrize("page", [HTML, Reply(status=404, parsed=True, message="Invalid URL")])
def test_a_route_that_a_get_does_not_find_either_stops_at_once(page: Reply) -> None:
    """No second create is needed to be sure."""

    async def story() -> None:
        wire = Wire(page, otherwise=NO_ROUTE)
        batch = batch_at(wire)
        other = Stopped(batch.account)
        assert (await sent(batch))[0] == Park(1000.0)
        assert [stop.kind for stop in other.stops] == [Kind.CONFIGURATION]
        assert (len(wire.creates), wire.asked) == (1, ["never"])

    play(story)


def test_a_page_in_place_of_a_reply_is_in_doubt_where_the_route_is_there() -> None:
    """It may stand for a task that was made."""

    async def story() -> None:
        batch = batch_at(Wire(HTML, otherwise=NO_SUCH_TASK))
        other = Stopped(batch.account)
        step, job = await sent(batch)
        assert step == Park(1001.0)
        assert job.inquiry is not None
        assert other.stops == []

    play(story)


def test_a_404_is_confirmed_by_a_create_where_the_route_is_there() -> None:
    """It was surely refused: the job is sent once more."""

    async def story() -> None:
        batch = batch_at(Wire(Reply(status=404, parsed=True, message="Invalid URL"), otherwise=NO_SUCH_TASK))
        other = Stopped(batch.account)
        step, job = await sent(batch)
        assert (step, job.inquiry, other.stops) == (Park(1000.0), None, [])

    play(story)
