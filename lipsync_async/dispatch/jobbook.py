"""The journal as a run uses it: what is written before a send and after an answer, and what a later run makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from lipsync_async.errors import JournalError
from lipsync_async.journal import AnyJournal, Elsewhere, Record, State, Try
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from lipsync_async.request.audio import AudioBytes, AudioFile
from lipsync_async.terms import Action, Failure, Kind, Phase, Reply, TaskStatus, Verdict
from lipsync_async.wire.credential import Credential
from lipsync_async.wire.identity import body_and_fingerprints, core_fingerprint, fingerprints

from .job import NOTHING, Job
from .lookup import Ambiguity, Inquiry
from .registry import Registry
from .trust import Trust

UNHASHABLE = (AttributeError, IndexError, TypeError, ValueError, OSError)
"""What hashing a request raises that is too broken to be sent, or whose file is gone or changed."""


_SHORT = 256 * 1024
"""Bytes of a sound that are hashed at once: a third of a millisecond, and two hops to a thread cost a quarter."""


def needs_reading(request: LipSyncRequest) -> bool:
    """Whether `hash_sound` has anything to read: of a sound that is a text nothing is."""
    sound = request.face_choose[0].sound_file
    return (sound is not None and type(sound) is not str) or request.source is not None


async def hash_sound(request: LipSyncRequest) -> None:
    """Reads a file's or bytes' sound, and a local video, in a thread where it is long; the digests are kept.

    Raises `OSError`.
    """
    sound = request.face_choose[0].sound_file
    if isinstance(sound, AudioFile | AudioBytes):
        if sound.size <= _SHORT:
            sound.digest()  # as the upload reads it: a slice of it costs less than a thread
        else:
            await asyncio.to_thread(sound.digest)
    if request.source is not None and request.source.file is not None:
        await asyncio.to_thread(request.source.file.digest)


MAY_BE_CHARGED = frozenset({State.ACCEPTED, State.UNKNOWN, State.OPEN})
"""States after which other content under the same id is not sent."""
_IN_DOUBT = frozenset({State.OPEN, State.UNKNOWN})
_registries: WeakKeyDictionary[AnyJournal, Registry] = WeakKeyDictionary()
_absent: WeakKeyDictionary[AnyJournal, set[str]] = WeakKeyDictionary()


class Jobbook:
    """A journal, as one run uses it."""

    def __init__(self, journal: AnyJournal) -> None:
        self._journal = journal
        self._blank: bool | None = None
        self._met: set[bytes] = set()
        self._known: set[str] = set()
        self.shared = journal.needs_claims
        """Other processes may write it: a job is claimed before anything else."""
        journal.runs += 1
        self.registry = _registries.setdefault(journal, Registry(remembers=False))
        """The ids that are under way in any run of this journal."""
        self._absent = _absent.setdefault(journal, set())
        """The id, if any, that is known to be absent, for all runs of this journal: any of them may intend it.

        A gateway that names no job by its id may give each the same one.
        """

    @property
    def journal(self) -> AnyJournal:
        """The journal itself, for what is kept beside the jobs."""
        return self._journal

    @property
    def failed(self) -> JournalError | None:
        """Why nothing can be written any more."""
        return self._journal.failed

    def is_blank(self) -> bool:
        """Whether no run but this one has written anything. To be asked before the first job is written, too."""
        if self._blank is None:
            self._blank = self._journal.reader.is_empty()
        return self._blank and self._journal.runs == 1

    def recall(self, job: Job, *, retry_rejected: bool, first: bool = False) -> Outcome | None:
        """What earlier runs make of this job: an outcome to tell again, else None.

        A job that may have been acted upon is set to be looked up.
        `first`: its id did not come before in this run, so what this run has written need not be read.
        """
        if not job.fingerprint:
            job.body, job.fingerprint, job.core = body_and_fingerprints(job.request, job.id)
        record = None if first and self.is_blank() else self._journal.recall(job.id)
        return None if record is None else _judge(job, record, retry_rejected=retry_rejected)

    async def take(self, job: Job, *, retry_rejected: bool) -> Outcome | None:
        """The same with a shared journal, where the job is claimed first; `job.elsewhere`: another process has it.

        Raises `JournalError`.
        """
        if not job.fingerprint and job.request is not NOTHING:
            job.fingerprint, job.core = fingerprints(job.request)
        claim = await self._journal.take(job.id)
        job.elsewhere = isinstance(claim, Elsewhere)
        if job.elsewhere or claim.record is None:
            return None
        job.orphan = claim.record.state is State.OPEN
        if job.request is NOTHING and claim.record.state not in _IN_DOUBT:
            return outcome_of(claim.record, job.line)  # it was to be looked up, and somebody has seen to it
        return _judge(job, claim.record, retry_rejected=retry_rejected)

    def let_go(self, job: Job) -> None:
        """The job came out: where nothing was written of it, another process may have it."""
        if self.shared:
            self._journal.let_go(job.id)

    @property
    def guard(self) -> Callable[[], bool] | None:
        """Says right before the first byte leaves whether it may; None: always."""
        return self._journal.may_send if self.shared else None

    async def meet_id(self, external_task_id: str) -> None:
        """Looks whether the id was ever intended, where that has to be waited for; `holds` knows it from then on."""
        if self.shared:
            with suppress(JournalError):
                if await self._journal.find(external_task_id) is not None:
                    self._known.add(external_task_id)

    def holds(self, external_task_id: str) -> bool:
        """Whether a job of that id was ever intended with this journal, by whichever process."""
        if self.shared:
            return external_task_id in self._known
        if external_task_id in self._absent:
            return False
        with suppress(JournalError):
            if self._journal.recall(external_task_id) is not None:
                return True
            self._absent.clear()
            self._absent.add(external_task_id)
        return False

    def unresolved(self) -> Iterator[Job] | AsyncIterator[Job]:
        """What earlier runs left open or unknown, as jobs whose next step is a look-up."""
        if self.shared:
            return self._unresolved_elsewhere()
        return (_in_doubt(one) for state in (State.UNKNOWN, State.OPEN) for one in self._journal.reader.records(state))

    async def _unresolved_elsewhere(self) -> AsyncIterator[Job]:
        async for record in self._journal.each_of((State.UNKNOWN, State.OPEN)):
            yield _in_doubt(record)

    async def meet(self, job: Job, trust: Trust, credential: Credential, mark: bytes) -> None:
        """Names a witness for the job's key out of the journal; `mark` is the present key's, in this process.

        Of a job that an earlier run sent it is found out whether that was with the present key.
        If it was another, its witness shows whether both keys belong to one account.
        """
        inquiry, key = job.inquiry, credential.mark(self._journal.salt)
        assert inquiry is not None
        if inquiry.mark == job.key == key:
            inquiry.mark = mark
        wanted = key if inquiry.mark == mark else inquiry.mark
        if wanted not in self._met and not (trust.told and wanted == key):
            self._met.add(wanted)
            record = await self._journal.find_witness(wanted)
            if record is not None and record.task_id:
                trust.remember(inquiry.mark, record.external_task_id, record.task_id)

    # -- writing ----------------------------------------------------------------------------------------------------

    def intend(self, job: Job, credential: Credential) -> asyncio.Future[JournalError | None]:
        """To be awaited before the first byte leaves: None where the intent is durable, else why it is not."""
        if not job.core:
            job.core = core_fingerprint(job.request)
        job.key = credential.mark(self._journal.salt)
        written = asyncio.get_running_loop().create_future()
        self._journal.post(self._record(job, State.OPEN), partial(_tell, written))
        return written

    def tried(self, job: Job, verdict: Verdict, result: Reply | Failure) -> None:
        """One more line of the job's history; written with the next state. The first try's success needs none."""
        if verdict.action is Action.ACCEPT and not job.tries:
            return
        phase = result.phase if isinstance(result, Failure) else Phase.ANSWERED
        status, code = (result.status, result.code) if isinstance(result, Reply) else (None, None)
        kind = verdict.kind and str(verdict.kind)
        job.tries += (Try(job.attempts, job.sent_at or 0.0, phase.name.lower(), kind, status, code),)

    def cleared(self, job: Job) -> None:
        """Surely not acted upon: after a crash it need not be looked up. Nobody waits for this line."""
        if job.ambiguity is None and self._journal.failed is None:
            self._journal.post(self._record(job, State.CLEARED), _not_waited_for)

    def settle(self, job: Job, outcome: Outcome, done: Callable[[JournalError | None], None]) -> None:
        """`done` is called when it is durable, or will never be. A job that was never sent leaves no line."""
        match outcome:
            case Accepted():
                status = outcome.task_status
                told = None if status is None else status._value_  # `value` is a function before Python 3.12
                task = (outcome.task_id, told, outcome.http_status, outcome.request_id)
                record = self._record(job, State.ACCEPTED, *task, outcome.recovered)
            case NotSent() if job.first_sent_at is None:
                return done(None)
            case _:
                record = msgspec.structs.replace(
                    self._record(job, State(outcome.name)),
                    http_status=outcome.http_status,
                    request_id=outcome.request_id,
                    kind=outcome.kind.value,
                    code=outcome.code,
                    message=outcome.message,
                    phase=outcome.phase.name.lower() if isinstance(outcome, Unknown) else None,
                    found_task_id=None if isinstance(outcome, NotSent) else outcome.found_task_id,
                )
        self._journal.post(record, done)
        return None

    def _record(
        self,
        job: Job,
        state: State,
        task_id: str | None = None,
        task_status: str | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
        recovered: bool = False,
    ) -> Record:
        self._absent.discard(job.id)
        # In the order of the fields, which costs a third less than names; two are made for every job.
        return Record(
            job.id,
            job.fingerprint,
            state,
            job.attempts,
            job.refusals,
            job.first_sent_at,
            job.sent_at,
            job.line,
            job.core or _core_of(job) or None,
            job.key or None,
            job.owned,
            task_id,
            task_status,
            http_status,
            request_id,
            recovered,
            history=job.tries,
            ended_at=job.ended_at,
        )


def _core_of(job: Job) -> bytes:
    """Known where the job was intended in this journal; one that this client remembers, or looked up, was not."""
    if not job.core and job.request is not NOTHING:
        with suppress(*UNHASHABLE):
            job.core = core_fingerprint(job.request)
    return job.core


def _tell(written: asyncio.Future[JournalError | None], error: JournalError | None) -> None:
    if not written.done():  # who waited may have been cancelled
        written.set_result(error)


def _not_waited_for(_: JournalError | None) -> None:
    """A line that is lost costs a look-up, and no more."""


def _judge(job: Job, record: Record, *, retry_rejected: bool) -> Outcome | None:
    """What a record makes of the job: an outcome to tell again; or None, and it is looked up, or sent."""
    exactly = record.fingerprint == job.fingerprint
    if exactly:
        job.core = job.core or record.core or b""
    if record.state in MAY_BE_CHARGED and not exactly and job.request is not NOTHING and not _is_same(record, job):
        return _exists_already(record, job)
    if record.state is State.ACCEPTED:
        return outcome_of(record, job.line)
    if record.state is State.REJECTED and exactly and not retry_rejected:
        return outcome_of(record, job.line)
    _take_up(job, record)
    return None


def _in_doubt(record: Record) -> Job:
    """A job of which nothing is known but its record."""
    job = Job(NOTHING, record.external_task_id, record.line, unique=True)
    job.fingerprint, job.core = record.fingerprint, record.core or b""
    _take_up(job, record)
    return job


def _is_same(record: Record, job: Job) -> bool:
    """Whether only the session or a URL's signature differs."""
    job.core = job.core or core_fingerprint(job.request)
    return record.core == job.core


def _exists_already(record: Record, job: Job) -> Rejected:
    """Other content under this id was paid for, or may have been: nothing is sent."""
    paid = record.state is State.ACCEPTED
    task = record.task_id or record.found_task_id
    text = "the journal holds this external_task_id with other content, " + (
        f"accepted as task {task}" if paid else "and it may have been paid for"
    )
    return Rejected(**job.told(), kind=Kind.ALREADY_EXISTS, message=text, found_task_id=task)


def _take_up(job: Job, record: Record) -> None:
    """What an earlier run did counts; what it left in doubt is looked up."""
    job.first_sent_at = record.first_intent_at
    job.doubtful = record.owned or record.state in MAY_BE_CHARGED
    job.tries = record.history
    if record.state in MAY_BE_CHARGED:
        job.attempts, job.refusals, job.sent_at = max(1, record.attempts), record.refusals, record.last_intent_at
        job.ended_at = record.last_intent_at if record.state is State.OPEN else record.ended_at
        job.key = record.key or b""
        job.inquiry = Inquiry(
            _remembered(record),
            since=0.0,
            derived=job.derived,
            first_intent_at=record.first_intent_at,
            mark=job.key,
            found_task_id=record.found_task_id,
        )


def accepted_of(record: Record, line: int | None = None) -> Accepted:
    """What an earlier run's accepted job is told as; `line` where the list has it now."""
    status = TaskStatus(record.task_status) if record.task_status else None
    return Accepted(
        external_task_id=record.external_task_id,
        attempts=record.attempts,
        refusals=record.refusals,
        line=line,
        http_status=record.http_status,
        request_id=record.request_id,
        task_id=record.task_id or "",
        task_status=status,
        recovered=record.recovered,
        replayed=True,
    )


def outcome_of(record: Record, line: int | None = None) -> Outcome:
    """What an earlier run's job is told as; an intent that was left open as unknown."""
    if record.state is State.ACCEPTED:
        return accepted_of(record, line)
    names: dict[str, Any] = {
        "external_task_id": record.external_task_id,
        "attempts": record.attempts,
        "refusals": record.refusals,
        "line": line,
        "http_status": record.http_status,
        "request_id": record.request_id,
        "message": record.message or "",
        "code": record.code,
    }
    if record.state is State.REJECTED:
        kind = Kind(record.kind or "invalid_request")
        return Rejected(**names, kind=kind, found_task_id=record.found_task_id)
    if record.state in MAY_BE_CHARGED:
        left = _remembered(record)
        names["message"] = left.message
        found, phase = record.found_task_id, left.phase
        return Unknown(
            **names, kind=left.kind, phase=phase, attempt=left.attempt, sent_at=left.sent_at, found_task_id=found
        )
    return NotSent(**names, kind=Kind(record.kind or "connection"))


def _remembered(record: Record) -> Ambiguity:
    """The attempt that an earlier run left open: it may have been sent, for the intent comes before the first byte."""
    return Ambiguity(
        attempt=record.attempts,
        sent_at=record.last_intent_at,
        phase=Phase[record.phase.upper()] if record.phase else Phase.SENT,
        kind=Kind(record.kind) if record.kind else Kind.CONNECTION,
        message=record.message or "an earlier run ended before the answer came",
        http_status=record.http_status,
        code=record.code,
        request_id=record.request_id,
    )
