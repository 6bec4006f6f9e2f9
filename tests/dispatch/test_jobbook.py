"""A job's page in the journal: what is written when, and what a later run makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import evolve

from lipsync_async import AudioBytes, AudioFile, LipSyncRequest
from lipsync_async.dispatch.job import Job
from lipsync_async.dispatch.jobbook import Jobbook, hash_sound
from lipsync_async.dispatch.trust import Trust, Witness
from lipsync_async.errors import JournalError
from lipsync_async.journal import Journal, Record, State
from lipsync_async.journal.face import Done
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Action, Failure, Kind, Phase, Reply, TaskStatus, Verdict
from lipsync_async.wire import encode
from lipsync_async.wire.credential import Credential
from lipsync_async.wire.identity import core_fingerprint, fingerprint
from tests.loopback.acts import request, wav

REQUEST = request()
PRINT = fingerprint(REQUEST)


class Notebook:
    """A journal in memory that may break."""

    needs_claims = False

    def __init__(self, *records: Record) -> None:
        self.pages = {record.external_task_id: record for record in records}
        self.failed: JournalError | None = None
        self.runs = 0
        self.lookups = 0
        self.reader = self
        self.salt = b"salt-of-journal."

    def is_empty(self) -> bool:
        """Whether it has no page at all."""
        return not self.pages

    def records(self, state: State) -> list[Record]:
        """All pages of one state."""
        return [record for record in self.pages.values() if record.state is state]

    def recall(self, external_task_id: str) -> Record | None:
        """What is on the page."""
        self.lookups += 1
        return self.pages.get(external_task_id)

    async def find_witness(self, key: bytes) -> Record | None:
        """The first accepted page of that key."""
        return next((found for found in self.records(State.ACCEPTED) if (found.key or b"") == key), None)

    def post(self, record: Record, done: Done | None = None) -> None:
        """Durable at once, unless it is broken."""
        if self.failed is None:
            self.pages[record.external_task_id] = record
        if done is not None:
            done(self.failed)


def settled(error: JournalError | None) -> None:
    """It is durable."""
    assert error is None


async def intended(jobbook: Jobbook, job: Job) -> JournalError | None:
    """An intent is durable, or it is told why not."""
    credential = Credential("the-key")
    await credential.headers()
    return await jobbook.intend(job, credential)


def book(*records: Record) -> tuple[Jobbook, Notebook]:
    """A job book on a notebook."""
    notebook = Notebook(*records)
    return Jobbook(notebook), notebook  # type: ignore[arg-type]


def record(state: State, **values: Any) -> Record:
    """An earlier run's page of the job."""
    usual: dict[str, Any] = {
        "external_task_id": "job-1",
        "fingerprint": PRINT,
        "attempts": 2,
        "refusals": 3,
        "first_intent_at": 5.0,
        "last_intent_at": 6.0,
    }
    return Record(state=state, **usual | values)


def evolve_record(page: Record, external_task_id: str) -> Record:
    """The same page of another job."""
    return msgspec.structs.replace(page, external_task_id=external_task_id)


def job(wanted: LipSyncRequest = REQUEST) -> Job:
    """The job of that page, in a new run."""
    return Job(wanted, "job-1", line=4)


def recalled(page: Record | None, *, retry_rejected: bool = False) -> tuple[Outcome | None, Job]:
    """What a new run makes of a page."""
    jobbook, _ = book(*([page] if page else []))
    found = job()
    return jobbook.recall(found, retry_rejected=retry_rejected), found


def test_a_job_tells_where_it_is() -> None:
    """Its repr shows its story and no sound."""
    assert repr(job()) == "<Job job-1, 0 attempts, 0 refusals>"
    assert job().told() == {"external_task_id": "job-1", "attempts": 0, "refusals": 0, "line": 4}


def test_a_job_without_a_page_is_new() -> None:
    """Its fingerprint is made for the page to come."""
    outcome, found = recalled(None)
    assert outcome is None
    assert (found.fingerprint, found.owned, found.inquiry) == (PRINT, False, None)


def test_the_first_body_is_made_beside_the_fingerprint() -> None:
    """It is what would be made without it, and a sound that is streamed has none."""
    _, found = recalled(None)
    assert found.body == encode(REQUEST, "job-1")
    streamed = job(evolve(REQUEST, face_choose=(evolve(REQUEST.face_choose[0], sound_file=AudioBytes(wav())),)))
    book()[0].recall(streamed, retry_rejected=False)
    assert streamed.body is None


def test_an_accepted_page_is_replayed() -> None:
    """With its task, and without a send."""
    page = record(
        State.ACCEPTED, task_id="77", task_status="submitted", recovered=True, http_status=200, request_id="r"
    )
    assert recalled(page)[0] == Accepted(
        external_task_id="job-1",
        attempts=2,
        refusals=3,
        line=4,
        task_id="77",
        task_status=TaskStatus.SUBMITTED,
        request_id="r",
        http_status=200,
        recovered=True,
        replayed=True,
    )
    bare, _ = recalled(record(State.ACCEPTED))
    assert isinstance(bare, Accepted)
    assert (bare.task_id, bare.task_status) == ("", None)


def test_a_rejected_page_is_replayed_unless_told_otherwise() -> None:
    """`retry_rejected` sends it again."""
    page = record(State.REJECTED, kind="content_policy", message="not nice", code=1301, http_status=400)
    outcome, _ = recalled(page)
    assert isinstance(outcome, Rejected)
    assert (outcome.kind, outcome.message, outcome.code) == (Kind.CONTENT_POLICY, "not nice", 1301)
    again, found = recalled(page, retry_rejected=True)
    assert again is None
    assert (found.owned, found.attempts) == (False, 0)
    bare, _ = recalled(record(State.REJECTED))
    assert isinstance(bare, Rejected)
    assert bare.kind is Kind.INVALID_REQUEST


@pytest.mark.parametrize("state", [State.NOT_SENT, State.CLEARED])
@pytest.mark.parametrize("owned", [True, False])
def test_a_page_that_was_surely_not_acted_upon_is_sent(state: State, owned: bool) -> None:
    """Its history goes on; a task of its id is its own only where the page says so."""
    outcome, found = recalled(record(state, owned=owned))
    assert outcome is None
    assert found.inquiry is None
    assert (found.first_sent_at, found.owned) == (5.0, owned)


@pytest.mark.parametrize(
    ("page", "phase", "kind"),
    [
        (record(State.OPEN), Phase.SENT, Kind.CONNECTION),
        (record(State.UNKNOWN, phase="answered", kind="server"), Phase.ANSWERED, Kind.SERVER),
    ],
)
def test_a_page_that_was_left_open_is_looked_up(page: Record, phase: Phase, kind: Kind) -> None:
    """The intent comes before the first byte: it may have been sent."""
    outcome, found = recalled(page)
    assert outcome is None
    assert found.inquiry is not None
    assert (found.inquiry.ambiguity.phase, found.inquiry.ambiguity.kind) == (phase, kind)
    assert (found.attempts, found.refusals) == (2, 3)


@pytest.mark.parametrize(
    ("state", "task_id", "found"),
    [(State.ACCEPTED, "77", "77"), (State.UNKNOWN, None, "78"), (State.UNKNOWN, None, None), (State.OPEN, None, None)],
)
def test_other_content_under_a_paid_id_is_rejected(state: State, task_id: str | None, found: str | None) -> None:
    """It may have been paid for: in a stream as in a list; the task is named where it is known."""
    page = record(state, fingerprint=b"x" * 16, core=b"y" * 16, task_id=task_id, found_task_id=found)
    outcome, wanted = recalled(page)
    assert isinstance(outcome, Rejected)
    assert (outcome.kind, outcome.found_task_id, outcome.attempts) == (Kind.ALREADY_EXISTS, found, 0)
    assert wanted.inquiry is None


@pytest.mark.parametrize("state", [State.REJECTED, State.NOT_SENT, State.CLEARED])
def test_other_content_under_an_unpaid_id_is_sent(state: State) -> None:
    """Nothing was made of the old one."""
    jobbook, _ = book(record(state, fingerprint=b"x" * 16))
    assert jobbook.recall(job(), retry_rejected=False) is None


@pytest.mark.parametrize("state", [State.ACCEPTED, State.UNKNOWN, State.OPEN])
def test_another_session_alone_is_the_same_job(state: State) -> None:
    """A list that was written anew: what was accepted is replayed, what was left open is looked up."""
    other = evolve(REQUEST, session_id="another-session")
    page = record(state, fingerprint=fingerprint(other), core=core_fingerprint(other), task_id="77")
    outcome, found = recalled(page)
    if state is State.ACCEPTED:
        assert isinstance(outcome, Accepted)
        assert (outcome.task_id, outcome.replayed) == ("77", True)
    else:
        assert outcome is None
        assert found.inquiry is not None


def test_a_rejection_under_another_session_is_no_answer() -> None:
    """The session may have been at fault: it is sent again."""
    other = evolve(REQUEST, session_id="another-session")
    page = record(State.REJECTED, fingerprint=fingerprint(other), core=core_fingerprint(other), kind="invalid_request")
    outcome, found = recalled(page)
    assert (outcome, found.inquiry) == (None, None)


def test_another_file_is_another_job(tmp_path: Path) -> None:
    """The content is read from the disk; the same bytes under another name are the same."""
    for name in ("clip.wav", "copy.wav"):
        (tmp_path / name).write_bytes(wav())
    first, copy = (
        request(sound_file=AudioFile(tmp_path / name), sound_end_time=2500) for name in ("clip.wav", "copy.wav")
    )
    jobbook, _ = book(record(State.ACCEPTED, fingerprint=fingerprint(first), task_id="77"))
    assert isinstance(jobbook.recall(job(copy), retry_rejected=False), Accepted)
    jobbook, _ = book(record(State.ACCEPTED, task_id="77"))
    assert isinstance(jobbook.recall(job(first), retry_rejected=False), Rejected)


def test_a_file_is_hashed_once_and_one_that_is_gone_is_told(tmp_path: Path) -> None:
    """Its digest is kept for what follows."""
    path = tmp_path / "clip.wav"
    path.write_bytes(wav())
    kept, gone = (request(sound_file=AudioFile(path), sound_end_time=2500) for _ in range(2))
    asyncio.run(hash_sound(kept))
    path.unlink()
    asyncio.run(hash_sound(kept))
    assert fingerprint(kept)
    with pytest.raises(OSError, match="changed"):
        asyncio.run(hash_sound(gone))


def test_what_is_unresolved_is_what_may_have_been_charged() -> None:
    """Open and unknown pages come as jobs whose first step is a look-up; all else is settled."""
    pages = [evolve_record(record(state), f"job-{state}") for state in State]
    jobbook, _ = book(*pages)
    found_there = jobbook.unresolved()
    assert isinstance(found_there, Iterator)
    left = list(found_there)
    assert sorted(found.id for found in left) == ["job-open", "job-unknown"]
    assert all(found.inquiry is not None and found.owned for found in left)
    assert {found.id: found.ended_at for found in left} == {"job-open": 6.0, "job-unknown": None}


# --- whose key it was ------------------------------------------------------------------------------------------------


def met(page: Record, *others: Record, key: str = "the-key", told: bool = False) -> tuple[Job, Trust]:
    """A job out of the journal, after a run with that key met it; `now` is that key's mark in this process."""
    jobbook, _ = book(page, *others)

    async def main() -> tuple[Job, Trust]:
        credential, trust = Credential(key), Trust()
        await credential.headers()
        trust.told = told
        left = jobbook.unresolved()
        assert isinstance(left, Iterator)
        found = next(left)
        await jobbook.meet(found, trust, credential, b"now")
        return found, trust

    return asyncio.run(main())


def mark_of(key: str) -> bytes:
    """The mark of a key in the notebook."""

    async def main() -> bytes:
        credential = Credential(key)
        await credential.headers()
        return credential.mark(Notebook().salt)

    return asyncio.run(main())


def test_a_job_of_the_present_key_is_known_as_such() -> None:
    """Its witness is an accepted job of the same key."""
    mine = mark_of("the-key")
    accepted = evolve_record(record(State.ACCEPTED, task_id="77", key=mine), "job-0")
    found, trust = met(record(State.OPEN, key=mine), accepted)
    assert found.inquiry is not None
    assert found.inquiry.mark == b"now"
    assert trust.witness(b"now", 0.0, 60.0) == Witness("job-0", "77", float("-inf"))


@pytest.mark.parametrize("witness", [True, False])
def test_a_job_of_another_key_needs_a_witness_of_that_key(witness: bool) -> None:
    """One that the present key made does not speak for it."""
    theirs, mine = mark_of("another-key"), mark_of("the-key")
    accepted = evolve_record(record(State.ACCEPTED, task_id="77", key=theirs if witness else mine), "job-0")
    found, trust = met(record(State.OPEN, key=theirs), accepted)
    assert found.inquiry is not None
    assert found.inquiry.mark == theirs
    assert (trust.witness(theirs, 0.0, 60.0) is not None) is witness
    assert trust.witness(b"now", 0.0, 60.0) is None


def test_the_users_word_spares_a_witness_of_the_present_key_alone() -> None:
    """It is never the word for another account's key."""
    theirs, mine = mark_of("another-key"), mark_of("the-key")
    for key, named in ((mine, False), (theirs, True)):
        accepted = evolve_record(record(State.ACCEPTED, task_id="77", key=key), "job-0")
        found, trust = met(record(State.OPEN, key=key), accepted, told=True)
        assert found.inquiry is not None
        assert (trust.witness(found.inquiry.mark, 0.0, 60.0) is not None) is named


# --- writing ---------------------------------------------------------------------------------------------------------


OUTCOMES: list[tuple[Outcome, State]] = [
    (Accepted(external_task_id="job-1", task_id="77", task_status=TaskStatus.SUBMITTED), State.ACCEPTED),
    (Rejected(external_task_id="job-1", kind=Kind.CONTENT_POLICY, code=1301), State.REJECTED),
    (Unknown(external_task_id="job-1", kind=Kind.TIMEOUT, phase=Phase.SENT), State.UNKNOWN),
    (NotSent(external_task_id="job-1", kind=Kind.RATE), State.NOT_SENT),
]


@pytest.mark.parametrize(("outcome", "state"), OUTCOMES)
def test_an_outcome_is_a_page_that_reads_back(outcome: Outcome, state: State) -> None:
    """Written before the caller sees it."""
    jobbook, notebook = book()
    done = job()
    done.fingerprint, done.attempts, done.sent_at, done.first_sent_at = PRINT, 1, 9.0, 8.0
    jobbook.settle(done, outcome, settled)
    page = notebook.pages["job-1"]
    assert (page.state, page.attempts, page.first_intent_at, page.last_intent_at, page.line) == (state, 1, 8.0, 9.0, 4)
    if isinstance(outcome, Unknown):
        assert (page.kind, page.phase) == ("timeout", "sent")


def test_a_job_that_was_never_begun_leaves_no_page() -> None:
    """Not sent, and never tried: there is nothing to remember."""
    jobbook, notebook = book()
    jobbook.settle(job(), NotSent(external_task_id="job-1", kind=Kind.CANCELLED), settled)
    assert notebook.pages == {}


def test_an_intent_is_a_page_and_a_try_is_a_line_of_it() -> None:
    """Intent before the first byte, history with the next state."""
    jobbook, notebook = book()
    begun = job()
    begun.attempts, begun.sent_at, begun.first_sent_at = 1, 9.0, 9.0
    asyncio.run(intended(jobbook, begun))
    assert notebook.pages["job-1"].state is State.OPEN
    wait = Verdict(Action.WAIT, Kind.RATE)
    jobbook.tried(begun, wait, Reply(status=429, code=1302))
    jobbook.tried(begun, Verdict(Action.RETRY, Kind.CONNECTION), Failure(kind=Kind.CONNECTION, phase=Phase.CONNECTING))
    jobbook.tried(begun, Verdict(Action.ACCEPT), Reply(status=200))
    jobbook.cleared(begun)
    page = notebook.pages["job-1"]
    assert page.state is State.CLEARED
    assert [(one.phase, one.kind, one.http_status, one.code) for one in page.history] == [
        ("answered", "rate", 429, 1302),
        ("connecting", "connection", None, None),
        ("answered", None, 200, None),
    ]


def test_a_journal_that_broke_takes_no_more() -> None:
    """Its error is told where it matters."""
    jobbook, notebook = book()
    notebook.failed = JournalError("the disk is full")
    assert asyncio.run(intended(jobbook, job())) is notebook.failed
    jobbook.cleared(job())
    assert notebook.pages == {}


def test_doubt_is_never_cleared() -> None:
    """A job that was sent again by the user's own choice keeps its open page."""
    jobbook, notebook = book(record(State.OPEN))
    doubtful = job()
    doubtful.ambiguity = evolve(recalled(record(State.OPEN))[1].inquiry.ambiguity)  # type: ignore[union-attr]
    jobbook.cleared(doubtful)
    assert notebook.pages["job-1"].state is State.OPEN


def test_a_new_journal_is_not_asked_for_what_this_run_alone_has_written() -> None:
    """An id's first time in a run over an empty journal costs no look-up; where an id may come again it does."""
    jobbook, notebook = book()
    assert jobbook.is_blank()
    for number in range(3):
        job = Job(REQUEST, f"job-{number}")
        assert jobbook.recall(job, retry_rejected=False, first=True) is None
        jobbook.settle(job, Accepted(external_task_id=job.id, task_id="t"), settled)
    assert notebook.lookups == 0
    assert isinstance(jobbook.recall(Job(REQUEST, "job-1"), retry_rejected=False), Accepted)


def test_a_second_run_on_one_journal_is_seen_by_both() -> None:
    """Once another run may write to the same open journal, every id is looked up, by the earlier run too."""
    ours, notebook = book()
    assert ours.is_blank()
    theirs = Jobbook(notebook)  # type: ignore[arg-type]
    done = job()
    done.fingerprint = PRINT
    theirs.settle(done, Accepted(external_task_id="job-1", task_id="t"), settled)
    assert not ours.is_blank()
    assert not theirs.is_blank()
    assert isinstance(ours.recall(Job(REQUEST, "job-1"), retry_rejected=False, first=True), Accepted)


def test_over_a_journal_with_rows_every_id_is_looked_up() -> None:
    """Its first time in the run too: an earlier run may have had it."""
    jobbook, notebook = book(record(State.ACCEPTED, task_id="t"))
    assert not jobbook.is_blank()
    assert jobbook.recall(Job(REQUEST, "job-2"), retry_rejected=False, first=True) is None
    assert isinstance(jobbook.recall(Job(REQUEST, "job-1"), retry_rejected=False, first=True), Accepted)
    assert notebook.lookups == 2


def test_what_the_journal_holds_is_known_by_its_id() -> None:
    """In whatever state; and nothing else is."""
    jobbook, _ = book(record(State.OPEN))
    assert jobbook.holds("job-1")
    assert not jobbook.holds("job-2")


def test_an_id_that_was_absent_is_known_once_it_is_intended() -> None:
    """One that each reply names is looked up once, until a job of that id is to be sent."""
    jobbook, notebook = book()
    assert [jobbook.holds("job-2") for _ in range(3)] == [False] * 3
    assert notebook.lookups == 1
    asyncio.run(intended(jobbook, Job(REQUEST, "job-2")))
    assert jobbook.holds("job-2")


def test_what_one_run_intends_no_other_run_of_the_journal_takes_for_absent() -> None:
    """A reply that names that job is then no job's but its own, whoever looked before it was sent."""
    jobbook, notebook = book()
    assert not jobbook.holds("job-2")
    asyncio.run(intended(Jobbook(notebook), Job(REQUEST, "job-2")))  # type: ignore[arg-type]
    assert jobbook.holds("job-2")


def test_a_journal_that_its_owner_closed_too_early_takes_no_job_along(tmp_path: Path) -> None:
    """What was surely not sent cannot be cleared any more; the job comes out all the same."""

    async def main() -> None:
        async with await Journal.open(tmp_path / "j", gateway="http://127.0.0.1:1") as journal:
            jobbook = Jobbook(journal)
        jobbook.cleared(job())

    asyncio.run(main())
