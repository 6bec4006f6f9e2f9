"""A job's first step where its id is known: under way, remembered by the client, or in the journal."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from lipsync_async.dispatch.entry import Entry
from lipsync_async.dispatch.job import NOTHING, Job
from lipsync_async.dispatch.lookup import Inquiry
from lipsync_async.dispatch.steps import SEND, End, Join, Park
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind
from tests.dispatch.entering import DOUBT, ENOUGH, TASK, came_out, ended
from tests.dispatch.helpers import EPOCH, Jobbook, batch_at, job_of, play
from tests.makers import request

# --- one id is one job ----------------------------------------------------------------------------------------------


def test_a_job_whose_id_is_under_way_joins_it() -> None:
    """Sessions apart, it asks for the same; it holds nothing meanwhile."""

    async def story() -> None:
        batch = batch_at()
        first, second = job_of(), job_of(evolve(request(), session_id="another"))
        assert await Entry(batch).look_over(first) is SEND
        assert await Entry(batch).look_over(second) == Join(first)
        assert (second.waits_for, second.claimed) == (first, False)

    play(story)


def test_other_content_under_an_id_that_is_under_way_exists_already() -> None:
    """Nothing was sent for it."""

    async def story() -> None:
        batch = batch_at()
        assert await Entry(batch).look_over(job_of()) is SEND
        outcome = ended(await Entry(batch).look_over(job_of(request(sound_end_time=4000))))
        assert isinstance(outcome, Rejected)
        assert (outcome.kind, outcome.found_task_id, outcome.attempts) == (Kind.ALREADY_EXISTS, None, 0)

    play(story)


@pytest.mark.parametrize("sent", [True, False])
def test_in_a_batch_that_was_stopped_nobody_waits_for_another(sent: bool) -> None:
    """Unknown where the other job was sent, else it is as unsent as that one."""

    async def story() -> None:
        batch = batch_at()
        first = job_of()
        assert await Entry(batch).look_over(first) is SEND
        first.first_sent_at = first.sent_at = EPOCH if sent else None
        batch.stopped = ENOUGH
        outcome = ended(await Entry(batch).look_over(job_of()))
        assert isinstance(outcome, Unknown if sent else NotSent)
        assert outcome.kind is Kind.CANCELLED

    play(story)


@pytest.mark.parametrize(
    "first_outcome",
    [
        Rejected(external_task_id="job-1", kind=Kind.CONTENT_POLICY, message="not nice", line=1),
        Unknown(external_task_id="job-1", kind=Kind.TIMEOUT, line=1),
    ],
)
def test_who_joined_shares_an_end_that_sending_again_would_not_change(first_outcome: Outcome) -> None:
    """With its own line."""

    async def story() -> None:
        batch = batch_at()
        entry, first, second = Entry(batch), job_of(line=1), job_of(line=2)
        await entry.look_over(first)
        assert isinstance(await Entry(batch).look_over(second), Join)
        first.outcome = first_outcome
        batch.release(first)
        outcome = ended(entry.claim(second))
        assert (type(outcome), outcome.line) == (type(first_outcome), 2)
        assert second.waits_for is None

    play(story)


def test_who_joined_a_job_that_was_not_sent_is_sent_itself() -> None:
    """Its caller still wants it."""

    async def story() -> None:
        batch = batch_at()
        first, second = job_of(), job_of()
        await Entry(batch).look_over(first)
        entry = Entry(batch)
        await entry.look_over(second)
        first.outcome = NotSent(external_task_id="job-1", kind=Kind.CANCELLED)
        batch.release(first)
        assert entry.claim(second) is SEND
        assert batch.account.registry.has(second)

    play(story)


def test_who_joined_an_accepted_job_is_told_its_task() -> None:
    """Once more, with its own line."""

    async def story() -> None:
        batch = batch_at()
        first, second = job_of(line=1), job_of(line=2)
        await Entry(batch).look_over(first)
        entry = Entry(batch)
        await entry.look_over(second)
        first.outcome = TASK
        batch.release(first)
        outcome = ended(entry.claim(second))
        assert isinstance(outcome, Accepted)
        assert (outcome.task_id, outcome.replayed, outcome.line) == ("77", True, 2)

    play(story)


# --- what this client remembers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("journal", [True, False])
def test_a_job_that_this_client_had_accepted_is_told_again(journal: bool) -> None:
    """And written down where this run has a journal that does not know it yet."""

    async def story() -> None:
        batch = batch_at(jobbook=Jobbook() if journal else None)
        came_out(batch, TASK)
        step = await Entry(batch).look_over(job_of(line=3))
        assert isinstance(step, End)
        assert isinstance(step.outcome, Accepted)
        assert (step.outcome.replayed, step.outcome.task_id, step.outcome.line) == (True, "77", 3)
        assert step.write is journal

    play(story)


@pytest.mark.parametrize(
    ("outcome", "found"), [(TASK, "77"), (Unknown(external_task_id="job-1", kind=Kind.TIMEOUT), None)]
)
def test_other_content_under_an_id_that_this_client_had_exists_already(outcome: Outcome, found: str | None) -> None:
    """Its task is named where it is known."""

    async def story() -> None:
        batch = batch_at()
        came_out(batch, outcome)
        told = ended(await Entry(batch).look_over(job_of(request(sound_end_time=4000))))
        assert isinstance(told, Rejected)
        assert (told.kind, told.found_task_id) == (Kind.ALREADY_EXISTS, found)

    play(story)


@pytest.mark.parametrize("policy", ["lookup", "resend"])
def test_a_job_that_this_client_left_unknown_is_looked_up_first(policy: str) -> None:
    """Whether it was being looked up before, or sent again at the user's own risk; its attempts go on."""

    async def story() -> None:
        batch = batch_at()
        left: dict[str, Any] = (
            {"inquiry": Inquiry(DOUBT, since=5.0, not_founds=2, asked=3)}
            if policy == "lookup"
            else {"ambiguity": DOUBT}
        )
        came_out(batch, Unknown(external_task_id="job-1", kind=Kind.CONNECTION), attempts=2, mark=b"m", **left)
        job = job_of()
        assert await Entry(batch).look_over(job) == Park(1001.0)
        assert job.inquiry is not None
        assert (job.inquiry.since, job.inquiry.not_founds, job.inquiry.asked) == (1000.0, 0, 0)
        assert (job.attempts, job.mark, job.owned, job.resumed) == (2, b"m", True, True)

    play(story)


@pytest.mark.parametrize("kind", [Rejected, NotSent])
def test_a_job_that_was_surely_not_paid_for_is_forgotten(kind: Any) -> None:
    """Handed in again, it is sent."""

    async def story() -> None:
        batch = batch_at()
        came_out(batch, kind(external_task_id="job-1", kind=Kind.AUTH))
        assert await Entry(batch).look_over(job_of()) is SEND

    play(story)


# --- out of the journal ---------------------------------------------------------------------------------------------


def test_a_job_that_the_journal_knows_is_told_again() -> None:
    """Before what this client remembers is asked."""

    async def story() -> None:
        jobbook = Jobbook()
        jobbook.known["job-1"] = Rejected(external_task_id="job-1", kind=Kind.CONTENT_POLICY)
        assert isinstance(ended(await Entry(batch_at(jobbook=jobbook)).look_over(job_of())), Rejected)

    play(story)


@pytest.mark.parametrize(
    ("ended_at", "told", "hold"),
    [
        (None, False, 0.0),
        (EPOCH + 990.0, False, 120.0),
        (EPOCH + 990.0, True, 0.0),
        (EPOCH, False, 120.0),
        (EPOCH + 10_000.0, False, 120.0),
    ],
    ids=["its answer came", "ten seconds ago", "the user's word", "long ago", "the clock was set back"],
)
def test_a_job_that_was_left_open_is_held_anew(ended_at: float | None, told: bool, hold: float) -> None:
    """For the whole hold time, whatever the wall clock says: it may have been set forward since."""

    async def story() -> None:
        batch = batch_at()
        batch.account.trust.told = told
        job = Job(NOTHING, "job-1")
        job.inquiry, job.ended_at = Inquiry(DOUBT, since=0.0), ended_at
        step = await Entry(batch).look_over(job)
        assert step == Park(1002.0 if told else 1001.0)
        assert (job.resumed, job.inquiry.since) == (True, 1000.0)
        assert max(0.0, job.inquiry.held_until - 1000.0) == hold

    play(story)


def test_a_job_of_the_journal_that_another_run_has_under_way_is_left_to_it() -> None:
    """It comes out here as it stands in the journal; that run tells its end."""

    async def story() -> None:
        batch = batch_at()
        await Entry(batch).look_over(job_of())
        job = Job(NOTHING, "job-1")
        job.inquiry = Inquiry(DOUBT, since=0.0)
        assert isinstance(ended(await Entry(batch).look_over(job)), Unknown)

    play(story)


# --- where no worker is left ----------------------------------------------------------------------------------------


def test_what_nobody_took_comes_out_as_not_sent() -> None:
    """Named, and counted as taken; what is broken too."""

    async def story() -> None:
        entry = Entry(batch_at())
        swept = [entry.sweep(job) for job in (job_of(), job_of(request(sound_end_time=1)), Job(None))]  # type: ignore[arg-type]
        assert [outcome.name for outcome in swept] == ["not_sent"] * 3
        assert [outcome.external_task_id for outcome in swept] == ["job-1", "job-1", "invalid:3"]
        assert entry.taken == 3

    play(story)


def test_what_nobody_took_may_have_been_paid_for_before() -> None:
    """Accepted before: told again. Left open by an earlier run, or sent by another call just now: unknown."""

    async def story() -> None:
        jobbook = Jobbook()
        batch = batch_at(jobbook=jobbook)
        came_out(batch, TASK)
        again = Entry(batch).sweep(job_of())
        assert isinstance(again, Accepted)
        assert again.replayed
        jobbook.left_open["job-2"] = Inquiry(DOUBT, since=0.0)
        assert isinstance(Entry(batch).sweep(job_of(request("job-2"))), Unknown)
        first = job_of(request("job-3"))
        await Entry(batch).look_over(first)
        first.first_sent_at = EPOCH
        assert isinstance(Entry(batch).sweep(job_of(request("job-3"))), Unknown)

    play(story)


def test_who_joined_and_is_swept_is_as_unknown_as_what_it_waited_for() -> None:
    """Nothing of its own was sent."""

    async def story() -> None:
        batch = batch_at()
        first, second = job_of(), job_of()
        await Entry(batch).look_over(first)
        entry = Entry(batch)
        await entry.look_over(second)
        assert isinstance(entry.sweep(second), NotSent)
        first.first_sent_at = EPOCH
        assert isinstance(entry.sweep(second), Unknown)

    play(story)
