"""A job's first step, alone: looked over and named, without a word to the gateway."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve

from lipsync_async import AudioFile, LipSyncRequest, RunOptions
from lipsync_async.dispatch.entry import READS, Entry, is_same
from lipsync_async.dispatch.job import NOTHING, Job
from lipsync_async.dispatch.steps import SEND, Park
from lipsync_async.outcomes import NotSent, Rejected
from lipsync_async.terms import Kind
from lipsync_async.wire.identity import derive_id
from tests.dispatch.entering import ENOUGH, changed_sound, ended
from tests.dispatch.helpers import Jobbook, Wire, batch_at, job_of, play
from tests.makers import request, wav

# --- in order, or not -----------------------------------------------------------------------------------------------


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
        known = Job(request(), "job-1", unique=True)
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


def ordinary_and_odd(folder: Path) -> dict[str, Callable[[], Job]]:
    """Makers of jobs of many sorts."""
    bad, sound = request(sound_end_time=100), changed_sound(folder)
    named = evolve(sound, external_task_id="job-1")
    return {
        "in order": job_of,
        "named by its list": lambda: Job(request(), "job-1", unique=True),
        "at fault": lambda: job_of(bad),
        "without an id": lambda: job_of(sound),
        "with a sound": lambda: job_of(named),
        "no request": lambda: Job(None),  # type: ignore[arg-type]
        "empty": lambda: Job(evolve(NOTHING, external_task_id="job-1")),
        "a name and nothing else": lambda: Job(SimpleNamespace(external_task_id="job-1")),  # type: ignore[arg-type]
    }


@pytest.mark.parametrize("journal", [True, False])
def test_what_needs_no_time_begins_as_what_does(journal: bool, tmp_path: Path) -> None:
    """At once, or looked over: the same step, the same id, the same count; and ordinary jobs begin at once."""

    async def story() -> None:
        at_once = set()
        for name, make in ordinary_and_odd(tmp_path).items():
            one, other = (Entry(batch_at(jobbook=Jobbook() if journal else None)) for _ in range(2))
            first, second = make(), make()
            step, expected = one.at_once(first), await other.look_over(second)
            if step is None:
                assert (first.begun, one.taken, one._batch.account.registry.under_way) == (False, 0, 0)
                continue
            at_once.add(name)
            assert (step, one.taken, first.id) == (expected, other.taken, second.id)
            assert (first.begun, first.claimed, first.derived) == (second.begun, second.claimed, second.derived)
        faulty = {"at fault", "empty", "a name and nothing else"}
        assert at_once == {"in order", "named by its list"} | faulty | (set() if journal else {"with a sound"})

    play(story)


# --- sounds that cannot be read -------------------------------------------------------------------------------------


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
        assert isinstance(outcome.cause, OSError)
        assert outcome.cause.errno == number
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


# --- the same content -----------------------------------------------------------------------------------------------


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
