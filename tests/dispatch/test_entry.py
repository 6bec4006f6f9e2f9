"""A job's first step, alone: checked, named and recalled, without a word to the gateway."""

from __future__ import annotations

import errno
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from lipsync_async import AudioFile, LipSyncRequest, RunOptions
from lipsync_async.dispatch.batch import Batch
from lipsync_async.dispatch.brake import Stop
from lipsync_async.dispatch.entry import READS, Entry, is_same
from lipsync_async.dispatch.job import NOTHING, Job
from lipsync_async.dispatch.lookup import Ambiguity, Inquiry
from lipsync_async.dispatch.steps import SEND, End, Join, Next, Park
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind, Phase
from lipsync_async.wire.identity import derive_id
from tests.dispatch.helpers import EPOCH, Jobbook, Wire, batch_at, job_of
from tests.makers import request, wav
from tests.simulation.virtual import run

ENOUGH = Stop(Kind.CANCELLED, "enough")
DOUBT = Ambiguity(attempt=1, sent_at=EPOCH, phase=Phase.SENT, kind=Kind.CONNECTION)
TASK = Accepted(external_task_id="job-1", task_id="77", attempts=2, refusals=1)


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a story in virtual time, which begins at 1000."""
    run(story())


def ended(step: Next) -> Outcome:
    """What a job came out as, at once, and without a line in the journal."""
    assert isinstance(step, End)
    assert not step.write
    assert step.stop is None
    return step.outcome


def came_out(batch: Batch, outcome: Outcome, wanted: LipSyncRequest | None = None, **values: Any) -> Job:
    """A job of this client that came out so, and is remembered if it may have been paid for."""
    before = job_of(wanted)
    assert batch.claim(before) is None
    before.outcome = outcome
    for name, value in values.items():
        setattr(before, name, value)
    batch.release(before)
    return before


def changed_sound(tmp_path: Path) -> LipSyncRequest:
    """A request with a sound in a file."""
    path = tmp_path / "clip.wav"
    path.write_bytes(wav())
    return request(None, sound_file=AudioFile(path), sound_end_time=2500)


# --- in order, or not ------------------------------------------------------------------------------------------------


def test_a_job_in_order_is_to_be_sent() -> None:
    """Its id is its own until it has come out."""

    async def story() -> None:
        batch = batch_at()
        job = job_of()
        assert await Entry(batch).look_over(job) is SEND
        assert (job.id, job.begun, job.claimed, job.derived) == ("job-1", True, True, False)
        assert batch.account.registry.has(job)

    play(story)


def test_a_job_that_breaks_a_rule_comes_out_with_all_its_faults() -> None:
    """It claims no id, and nothing is remembered of it."""

    async def story() -> None:
        batch = batch_at()
        outcome = ended(await Entry(batch).look_over(job_of(request(sound_end_time=100, sound_volume=99))))
        assert isinstance(outcome, Rejected)
        assert outcome.kind is Kind.VALIDATION
        assert len(outcome.violations) >= 2
        assert batch.account.registry.under_way == 0

    play(story)


@pytest.mark.parametrize("odd", [None, 7, "job", object(), {}, (), NOTHING])
@pytest.mark.parametrize("journal", [True, False])
def test_what_is_no_request_is_rejected(odd: Any, journal: bool) -> None:
    """With a name of its own, so that it can be told."""

    async def story() -> None:
        entry = Entry(batch_at(jobbook=Jobbook() if journal else None))
        names = set()
        for _ in range(2):
            outcome = ended(await entry.look_over(Job(odd)))
            assert isinstance(outcome, Rejected)
            assert outcome.kind is Kind.VALIDATION
            names.add(outcome.external_task_id)
        assert names == {"invalid:1", "invalid:2"}

    play(story)


def test_an_id_that_came_before_in_the_batch_is_not_sent_again() -> None:
    """Same content or not; unless the whole list was looked through before."""

    async def story() -> None:
        batch = batch_at()
        entry = Entry(batch)
        for other in (request(), request(sound_end_time=4000)):
            first, second = job_of(), job_of(other)
            steps = [await entry.look_over(first), await entry.look_over(second)]
            batch.release(first)
            outcome = ended(steps[-1])
            assert isinstance(outcome, Rejected)
            assert outcome.kind is Kind.DUPLICATE_ID
        known = Job(request(), "job-1")
        assert known.unique
        assert await entry.look_over(known) is SEND

    play(story)


def test_a_job_without_an_id_is_named_by_its_content(tmp_path: Path) -> None:
    """With the prefix of the run; such an id is its own, whoever made a task of it."""

    async def story() -> None:
        job = job_of(changed_sound(tmp_path))
        assert await Entry(batch_at(options=RunOptions(id_prefix="b-"))).look_over(job) is SEND
        assert job.id == derive_id(job.request, prefix="b-")
        assert (job.derived, job.owned) == (True, True)

    play(story)


# --- sounds that cannot be read --------------------------------------------------------------------------------------


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int = 1 << 30) -> list[int]:
    """Reading a sound fails so often; the list counts the reads."""
    digest, reads = AudioFile.digest, list[int]()

    def read(self: AudioFile) -> str:
        reads.append(len(reads))
        if len(reads) <= times:
            raise error
        return digest(self)

    monkeypatch.setattr(AudioFile, "digest", read)
    return reads


MACHINES = [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE]


@pytest.mark.parametrize("number", MACHINES)
def test_a_sound_that_the_machine_cannot_read_is_read_again(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second later; it has not begun, and claims nothing meanwhile."""

    async def story() -> None:
        job = job_of(changed_sound(tmp_path))
        failing(monkeypatch, OSError(number, "not now", "clip.wav"), times=READS - 1)
        batch = batch_at()
        entry = Entry(batch)
        for _ in range(READS - 1):
            assert await entry.look_over(job) == Park(1001.0)
            assert (job.begun, job.claimed, entry.taken, batch.account.registry.under_way) == (False, False, 0, 0)
        assert await entry.look_over(job) is SEND
        assert (job.reads, entry.taken) == (READS - 1, 1)

    play(story)


@pytest.mark.parametrize("number", MACHINES)
@pytest.mark.parametrize("stopped", [True, False])
def test_a_sound_that_the_machine_can_never_read_is_not_its_jobs_fault(
    number: int, stopped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes out as not sent, is written down as nothing, and counts as taken; a stopped batch waits for nothing."""

    async def story() -> None:
        job, jobbook = job_of(changed_sound(tmp_path)), Jobbook()
        failing(monkeypatch, OSError(number, "not now", "clip.wav"))
        batch = batch_at(jobbook=jobbook)
        batch.stopped = ENOUGH if stopped else None
        entry = Entry(batch)
        step = await entry.look_over(job)
        while isinstance(step, Park):
            step = await entry.look_over(job)
        outcome = ended(step)
        assert isinstance(outcome, NotSent)
        assert (outcome.kind, outcome.message) == (Kind.STORAGE, "not now: clip.wav")
        assert (job.reads, entry.taken, jobbook.notes) == (1 if stopped else READS, 1, [])

    play(story)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EINVAL])
def test_any_other_fault_of_a_sound_is_its_jobs(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is rejected, and not read again."""

    async def story() -> None:
        job = job_of(changed_sound(tmp_path))
        reads = failing(monkeypatch, OSError(number, "no", "clip.wav"))
        outcome = ended(await Entry(batch_at()).look_over(job))
        assert isinstance(outcome, Rejected)
        assert [fault.rule for fault in outcome.violations] == ["unreadable_file"]
        assert len(reads) == 1

    play(story)


@pytest.mark.parametrize("gone", [True, False])
def test_a_sound_that_changed_is_its_jobs_fault(gone: bool, tmp_path: Path) -> None:
    """Deleted or written anew since it was checked: its error has a number of the machine's, and is none."""

    async def story() -> None:
        job = job_of(changed_sound(tmp_path))
        path = tmp_path / "clip.wav"
        if gone:
            path.unlink()
        else:
            path.write_bytes(wav(4.0))
        outcome = ended(await Entry(batch_at()).look_over(job))
        assert isinstance(outcome, Rejected)
        assert [fault.rule for fault in outcome.violations] == ["unreadable_file"]

    play(story)


def test_a_job_that_breaks_rules_is_at_fault_whatever_the_machine_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would not be sent in any case."""

    async def story() -> None:
        wanted = evolve(changed_sound(tmp_path), session_id="")
        failing(monkeypatch, OSError(errno.EMFILE, "too many open files"))
        assert isinstance(ended(await Entry(batch_at()).look_over(job_of(wanted))), Rejected)

    play(story)


# --- one id is one job -----------------------------------------------------------------------------------------------


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


# --- what this client remembers --------------------------------------------------------------------------------------


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


# --- out of the journal ----------------------------------------------------------------------------------------------


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


# --- where no worker is left -----------------------------------------------------------------------------------------


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


# --- the same content ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (request(), True),
        (evolve(request(), session_id="another"), True),
        (request("another-id"), True),
        (request(sound_end_time=4000), False),
        (NOTHING, False),
    ],
)
def test_sessions_and_ids_apart_content_decides(other: LipSyncRequest, same: bool) -> None:
    """Content that is not kept is never the same."""
    assert is_same(job_of(), Job(other, "job-1")) is same


def test_nothing_is_not_even_the_same_as_itself() -> None:
    """It stands for content that nobody knows."""
    assert not is_same(Job(NOTHING, "job-1"), Job(NOTHING, "job-1"))


def test_what_cannot_be_read_is_not_known_to_be_the_same(tmp_path: Path) -> None:
    """Its file is gone."""
    wanted = changed_sound(tmp_path)
    (tmp_path / "clip.wav").unlink()
    assert not is_same(Job(wanted, "job-1"), job_of())


def test_a_wire_is_never_asked() -> None:
    """No step of entry sends or looks up anything."""

    async def story() -> None:
        wire = Wire(AssertionError())
        entry = Entry(batch_at(wire))
        await entry.look_over(job_of())
        assert (wire.creates, wire.asked) == ([], [])

    play(story)
