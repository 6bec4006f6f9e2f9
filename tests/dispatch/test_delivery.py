"""How outcomes leave a run, alone: durable first, then told; the caller's hooks can take nothing away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lipsync_async.dispatch.account import Event
from lipsync_async.dispatch.batch import Batch
from lipsync_async.dispatch.brake import Stop
from lipsync_async.dispatch.delivery import Delivery
from lipsync_async.dispatch.job import Job
from lipsync_async.errors import HookError, JournalError
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Unknown
from lipsync_async.terms import Kind
from lipsync_async.wire import encode
from tests.dispatch.helpers import EPOCH, Jobbook, batch_at, job_of, play
from tests.makers import request

TASK = Accepted(external_task_id="job-1", task_id="77")
LEFT = NotSent(external_task_id="job-1", kind=Kind.CANCELLED)


class Room:
    """A delivery, what the caller heard, and what the run was told to do."""

    def __init__(
        self,
        batch: Batch | None = None,
        *,
        window: int = 2,
        hook: Callable[[Outcome], Awaitable[Any] | None] = lambda _: None,
    ) -> None:
        self.batch = batch or batch_at()
        self.hook = hook
        self.heard: list[Outcome] = []
        self.stops: list[Stop] = []
        self.failures: list[Exception] = []
        self.delivery = Delivery(self.batch, self._hear, window, stop=self.stops.append, fail=self.failures.append)

    def _hear(self, _: Job, outcome: Outcome) -> Awaitable[Any] | None:
        self.heard.append(outcome)
        return self.hook(outcome)

    def job(self, external_task_id: str = "job-1") -> Job:
        """A job that is under way."""
        job = job_of(request(external_task_id))
        assert self.batch.claim(job) is None
        return job


async def waits(task: asyncio.Future[Any]) -> bool:
    """Whether it still waits after a while."""
    await asyncio.sleep(1.0)
    return not task.done()


def test_a_job_that_came_out_keeps_no_body() -> None:
    """A list keeps its jobs to the end: a million that are told again must not keep a body each."""

    async def story() -> None:
        room = Room()
        job = room.job()
        job.body = encode(job.request, job.id)
        room.delivery.tell(job, LEFT)
        assert job.body is None

    play(story)


# --- with and without a journal --------------------------------------------------------------------------------------


def test_without_a_journal_an_outcome_is_told_at_once() -> None:
    """Its id is free from then on, and what was paid for is remembered."""

    async def story() -> None:
        room = Room()
        job = room.job()
        assert not room.delivery.has(job)
        room.delivery.deliver(job, TASK)
        assert room.delivery.has(job)
        assert (room.heard, job.ended) == ([TASK], True)
        assert room.batch.account.registry.under_way == 0
        assert room.batch.account.registry.recall("job-1") is job

    play(story)


def test_with_a_journal_it_is_told_when_it_is_durable() -> None:
    """Till then it is about to come out, and its id is taken."""

    async def story() -> None:
        jobbook = Jobbook()
        room = Room(batch_at(jobbook=jobbook))
        job = room.job()
        room.delivery.deliver(job, TASK)
        assert (room.heard, job.ended, room.delivery.has(job)) == ([], False, True)
        assert room.batch.account.registry.has(job)
        jobbook.settling["job-1"](None)
        assert (room.heard, job.ended) == ([TASK], True)
        assert room.batch.account.registry.under_way == jobbook.registry.under_way == 0

    play(story)


def test_an_outcome_that_cannot_be_written_stops_the_batch_and_is_told_all_the_same() -> None:
    """Its intent is on record: the next run looks it up."""

    async def story() -> None:
        jobbook = Jobbook()
        room = Room(batch_at(jobbook=jobbook))
        room.delivery.deliver(room.job(), TASK)
        jobbook.settling["job-1"](JournalError("the disk is full"))
        assert room.stops == [Stop(Kind.STORAGE, "the disk is full")]
        assert room.heard == [TASK]

    play(story)


def test_what_is_told_without_being_written_waits_for_no_disk() -> None:
    """A replay, or a job that never began."""

    async def story() -> None:
        jobbook = Jobbook()
        room = Room(batch_at(jobbook=jobbook))
        room.delivery.tell(room.job(), LEFT)
        assert (room.heard, jobbook.notes) == ([LEFT], [])

    play(story)


def test_a_job_that_had_no_id_of_its_own_frees_none() -> None:
    """Another job of that id stays under way."""

    async def story() -> None:
        room = Room()
        first = room.job()
        room.delivery.tell(job_of(), LEFT)
        assert room.batch.account.registry.has(first)

    play(story)


@pytest.mark.parametrize(("outcome", "sent", "clear"), [(LEFT, True, True), (LEFT, False, False), (TASK, True, False)])
def test_a_job_that_is_cut_off_unsent_is_cleared(outcome: Outcome, sent: bool, clear: bool) -> None:
    """Where its intent is on record: the next run need not look it up. It is told at once in any case."""

    async def story() -> None:
        jobbook = Jobbook()
        room = Room(batch_at(jobbook=jobbook))
        job = room.job()
        job.first_sent_at = EPOCH if sent else None
        room.delivery.cut_off(job, outcome)
        assert room.heard == [outcome]
        assert jobbook.notes == (["cleared job-1"] if clear else [])

    play(story)


def test_the_observer_is_told_of_every_outcome() -> None:
    """With the task, or the reason."""
    events: list[Event] = []

    async def story() -> None:
        room = Room(batch_at(observer=events.append))
        room.delivery.deliver(room.job(), TASK)
        room.delivery.deliver(room.job("job-2"), Unknown(external_task_id="job-2", kind=Kind.TIMEOUT))

    play(story)
    assert [(event.external_task_id, event.action, event.task_id, event.kind) for event in events] == [
        ("job-1", "accepted", "77", None),
        ("job-2", "unknown", None, Kind.TIMEOUT),
    ]


# --- the caller's hooks ----------------------------------------------------------------------------------------------

RAISES = [
    (ZeroDivisionError(), ZeroDivisionError),
    (asyncio.CancelledError(), HookError),
    (StopAsyncIteration(), HookError),
]


@pytest.mark.parametrize(("raised", "told"), RAISES)
@pytest.mark.parametrize("is_async", [True, False])
def test_a_hook_that_raises_ends_the_run_with_its_error(
    raised: BaseException, told: type[Exception], is_async: bool
) -> None:
    """What would end a coroutine comes as a `HookError`, with its cause; the outcome was heard."""

    async def story() -> None:
        async def later() -> None:
            await asyncio.sleep(1.0)
            raise raised

        def hook(_: Outcome) -> Awaitable[Any] | None:
            if is_async:
                return later()
            raise raised

        room = Room(hook=hook)
        room.delivery.deliver(room.job(), TASK)
        await asyncio.wait_for(room.delivery.drained(), 5.0)
        assert room.heard == [TASK]
        (failure,) = room.failures
        assert type(failure) is told
        if told is HookError:
            assert "on_progress" in str(failure)
            assert isinstance(failure.__cause__, type(raised))

    play(story)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interrupt_out_of_a_hook_passes(raised: BaseException) -> None:
    """It is nobody's error."""

    def hook(_: Outcome) -> None:
        raise raised

    async def story() -> None:
        room = Room(hook=hook)
        with pytest.raises(type(raised)):
            room.delivery.deliver(room.job(), TASK)
        assert room.failures == []

    play(story)


def test_workers_wait_while_a_window_of_outcomes_is_unheard() -> None:
    """And go on when one of them was heard; the end waits for all."""
    gates: list[asyncio.Event] = []

    async def story() -> None:
        def hook(_: Outcome) -> Awaitable[Any]:
            gates.append(asyncio.Event())
            return gates[-1].wait()

        room = Room(hook=hook, window=2)
        room.delivery.deliver(room.job("job-1"), TASK)
        await asyncio.wait_for(room.delivery.room(), 1.0)
        room.delivery.deliver(room.job("job-2"), TASK)
        waiting, end = (asyncio.ensure_future(one) for one in (room.delivery.room(), room.delivery.drained()))
        assert await waits(waiting)
        gates[0].set()
        assert not await waits(waiting)
        assert not end.done()
        gates[1].set()
        assert not await waits(end)

    play(story)


def test_with_a_journal_one_more_may_be_unheard() -> None:
    """The outcome that is being written shares its commit with the next intent."""

    async def story() -> None:
        jobbook = Jobbook()
        room = Room(batch_at(jobbook=jobbook), window=1)
        room.delivery.deliver(room.job("job-1"), TASK)
        await asyncio.wait_for(room.delivery.room(), 1.0)
        room.delivery.deliver(room.job("job-2"), TASK)
        waiting = asyncio.ensure_future(room.delivery.room())
        assert await waits(waiting)
        jobbook.settling["job-2"](None)
        assert not await waits(waiting)

    play(story)


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stopped", [True, False])
def test_an_outcome_at_a_disk_that_hangs_is_told_at_the_end_of_a_batch_that_was_stopped(stopped: bool) -> None:
    """What the gateway said is known; a batch that was not stopped has nothing left by then."""

    async def story() -> None:
        room = Room(batch_at(jobbook=Jobbook()))
        room.delivery.deliver(room.job(), TASK)
        room.batch.stopped = Stop(Kind.CANCELLED, "enough") if stopped else None
        room.delivery.finish()
        assert room.heard == ([TASK] if stopped else [])

    play(story)


def test_a_disk_that_answers_after_the_end_tells_nothing_twice() -> None:
    """The job has come out."""

    async def story() -> None:
        jobbook = Jobbook()
        room = Room(batch_at(jobbook=jobbook))
        room.delivery.deliver(room.job(), TASK)
        room.batch.stopped = Stop(Kind.CANCELLED, "enough")
        room.delivery.finish()
        jobbook.settling["job-1"](None)
        assert room.heard == [TASK]

    play(story)


def test_hooks_that_are_not_done_at_the_end_are_cancelled() -> None:
    """That is no error of theirs."""
    cancelled: list[bool] = []

    async def story() -> None:
        async def slow() -> None:
            try:
                await asyncio.sleep(1e6)
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        room = Room(hook=lambda _: slow())
        room.delivery.deliver(room.job(), TASK)
        await asyncio.sleep(1.0)
        room.delivery.finish()
        await asyncio.wait_for(room.delivery.drained(), 1.0)
        assert room.failures == []

    play(story)
    assert cancelled == [True]
