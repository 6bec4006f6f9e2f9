"""A job's first step: it is checked, named, and recalled, without a word to the gateway."""

from __future__ import annotations

import math

import msgspec

from lipsync_async.errors import JournalError, Violation, without_frames
from lipsync_async.given import id_given
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted, Outcome, Rejected, Unknown, caused
from lipsync_async.request.audio.machine import is_machines_fault
from lipsync_async.terms import Kind
from lipsync_async.wire.identity import SeenIds, core_fingerprint, derive_id

from .batch import Batch
from .brake import Stop
from .endings import unfinished
from .job import NOTHING, Job
from .jobbook import UNHASHABLE, Jobbook, hash_sound, needs_reading
from .lookup import AFTER_HOLD, NOT_FOUNDS, Ambiguity, Inquiry
from .steps import SEND, End, Join, Next, Park

ASK_AGAIN = 1.0
"""Seconds between two questions for a job that another process has."""
_LAST_SHARE = 1.0 - (NOT_FOUNDS - 1) * AFTER_HOLD
"""The last not-found that counts comes this share of the settle time before `AFTER_HOLD` alone would have it."""
READS = 3
"""How often a sound is read where the machine is to blame."""


class Entry:
    """Where the jobs of one batch begin."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._account = batch.account
        self._seen: SeenIds | None = None
        self.taken = 0
        """Jobs that have begun, or were swept out."""

    def at_once(self, job: Job) -> Next | None:
        """The first step of an ordinary job, of which nothing is read; None: `look_over` finds it."""
        batch, request = self._batch, job.request
        given = job.id or id_given(request)
        if not given or job.inquiry is not None:
            return None
        faults = batch.faults(request)
        if not faults and self._needs_time(request):
            return None
        job.begun = True
        self.taken += 1
        job.id = given
        return self._refuse(job, faults) or self.claim(job)

    def _needs_time(self, request: LipSyncRequest) -> bool:
        """Whether something is to be read, or another process to be asked, before it can be claimed."""
        jobbook = self._batch.jobbook
        if jobbook is not None and (jobbook.shared or needs_reading(request)):
            return True
        maker = self._batch.maker  # what it makes has its files read beforehand
        return maker is not None and maker.concerns(request)

    async def look_over(self, job: Job) -> Next:
        """The first step of a job: it is sent, waits, is looked up, or comes out at once."""
        job.begun = True
        self.taken += 1
        if job.inquiry is not None:
            return await self._resume(job)
        faults = self._batch.faults(job.request)
        given = job.id or id_given(job.request)
        if given and (faults or not self._needs_time(job.request)):
            job.id = given
        else:
            try:
                await self._identify(job, given)
            except (*UNHASHABLE, MemoryError) as error:
                if is_machines_fault(error) and not faults:
                    return self._blame_machine(job, error)
                job.id = job.id or self._nameless()
                faults = faults or (Violation("face_choose[0].sound_file", "unreadable_file", str(error)),)
        return self._refuse(job, faults) or await self.claim_again(job)

    async def claim_again(self, job: Job) -> Next:
        """The next step of a job that is in order, whoever may write the journal."""
        jobbook = self._batch.jobbook
        return self.claim(job) if jobbook is None or not jobbook.shared else await self.claim_among(jobbook, job)

    def claim(self, job: Job) -> Next:
        """The next step of a job that is in order: one id is one job, whichever call hands it in."""
        first = self._batch.claim(job)
        if first is not None:
            return self._join(job, first)
        if job.waits_for is not None:
            before, job.waits_for = job.waits_for.outcome, None
            if isinstance(before, Rejected | Unknown):
                self._batch.release(job)  # what is known of the id is what the other knows: this one adds nothing
                return End(_same_for(job, before), write=False)
        return self._recall(job, first_time=True) or self._go_on(job)

    async def claim_among(self, jobbook: Jobbook, job: Job) -> Next:
        """The same where other processes write the journal: one id is one job in all of them."""
        if self._batch.stopped is not None:
            left = _left_elsewhere(job) if job.elsewhere else unfinished(job, Kind.CANCELLED, "the batch was cancelled")
            return End(left, write=False)
        first = None if job.elsewhere else self._batch.claim(job)
        if first is not None:
            return self._join(job, first)
        job.waits_for = None
        try:
            replayed = await jobbook.take(job, retry_rejected=self._batch.options.retry_rejected)
        except JournalError as error:
            return Stop(Kind.STORAGE, str(error))
        if job.elsewhere:
            return Park(self._account.loop.time() + ASK_AGAIN)
        if replayed is not None:
            return End(replayed, write=False)
        return self._take_up(job) if job.inquiry is not None else self._recall_here(job) or self._go_on(job)

    def _go_on(self, job: Job) -> Next:
        return SEND if job.inquiry is None else self._take_up(job)

    def sweep(self, job: Job) -> Outcome:
        """How a job comes out that no worker is left for."""
        if job.waits_for is not None:
            return _left_by(job, job.waits_for)
        if job.elsewhere:
            return _left_elsewhere(job)
        if not job.begun:
            self.taken += 1
            job.id = job.id or id_given(job.request) or self._nameless()
            shared = self._batch.jobbook is not None and self._batch.jobbook.shared
            if not shared and not self._batch.faults(job.request):  # another process's word would have to be waited for
                first = self._batch.claim(job)
                if first is not None:
                    return _left_by(job, first)
                known = self._recall(job)
                if known is not None:
                    return known.outcome
        return unfinished(job, Kind.CANCELLED, "the batch was cancelled")

    def _nameless(self) -> str:
        """Stands for the id of a job that is too broken to have one."""
        return f"invalid:{self.taken}"

    async def _resume(self, job: Job) -> Next:
        """It comes from the journal, to be looked up; where another run has it under way, that run tells its end."""
        assert job.inquiry is not None
        ambiguity = job.inquiry.ambiguity
        if self._batch.jobbook is not None and self._batch.jobbook.shared:
            first = self._batch.claim(job)
            if first is None:
                self._batch.release(job)
                return await self.claim_among(self._batch.jobbook, job)
        elif self._batch.claim(job) is None:
            return self._take_up(job)
        return End(unfinished(job, ambiguity.kind, ambiguity.message), write=False)

    def _take_up(self, job: Job) -> Park:
        """It was left in doubt: its next step is a look-up."""
        account, inquiry = self._account, job.inquiry
        assert inquiry is not None
        inquiry.since = account.loop.time()
        job.resumed = True
        if job.orphan:
            # The dead one's request may still be on its way. Look-ups may find its task from now on, but none proves
            # absence before the hold time and the settle time have passed since its lease was over.
            gateway = account.gateway
            inquiry.held_until = inquiry.since + gateway.hold_time + _LAST_SHARE * gateway.settle_time
        if job.ended_at is not None and inquiry.held_until == -math.inf and not account.trust.told:
            # Anew, whatever the wall clock says: it may have been set forward since.
            inquiry.held_until = inquiry.since + account.gateway.hold_time
        return Park(account.when_to_ask(inquiry))

    def _join(self, job: Job, first: Job) -> Next:
        """A job of its id is under way."""
        if not is_same(job, first):
            text = "a job of this external_task_id, with other content, is under way"
            return End(Rejected(**job.told(), kind=Kind.ALREADY_EXISTS, message=text), write=False)
        job.waits_for = first
        return End(_left_by(job, first), write=False) if self._batch.stopped is not None else Join(first)

    # -- what is wrong with it --------------------------------------------------------------------------------------

    def _refuse(self, job: Job, faults: tuple[Violation, ...]) -> End | None:
        """A job that breaks rules, or whose id came before."""
        if faults:
            text = "; ".join(map(str, faults))
            refused = Rejected(**job.told(), kind=Kind.VALIDATION, message=text, violations=faults)
        elif not job.unique and not self._is_new(job.id):
            text = "this external_task_id came before in this batch"
            refused = Rejected(**job.told(), kind=Kind.DUPLICATE_ID, message=text)
        else:
            return None
        return End(refused, write=False)

    def _blame_machine(self, job: Job, error: Exception) -> Next:
        """The sound is read again a little later; where that does not help, the job is not sent, and not at fault."""
        job.begun = False
        self.taken -= 1
        job.reads += 1
        if job.reads < READS and self._batch.stopped is None:
            return Park(self._account.loop.time() + 1.0)
        self.taken += 1
        job.begun = True
        job.id = job.id or job.request.external_task_id or self._nameless()
        message = str(error) or type(error).__name__
        if isinstance(error, OSError) and error.filename is not None:
            message = f"{error.strerror}: {error.filename}"
        return End(unfinished(job, Kind.STORAGE, message, without_frames(error)), write=False)

    def _is_new(self, external_task_id: str) -> bool:
        if self._seen is None:
            self._seen = SeenIds()
        return self._seen.add(external_task_id)

    async def _identify(self, job: Job, given: str | None) -> None:
        """Gives it its id; its sound is read, for the id or for the journal's fingerprint."""
        await hash_sound(job.request)
        if not given:
            job.derived = True
            longest = self._account.gateway.max_id_length
            given = derive_id(job.request, prefix=self._batch.options.id_prefix, max_length=longest)
        job.id = given

    # -- what is known of it ----------------------------------------------------------------------------------------

    def _recall(self, job: Job, *, first_time: bool = False) -> End | None:
        """What this client, or an earlier run with the same journal, knows of this job.

        What the journal holds is not written again: it would lose what the record says beyond the outcome.
        """
        jobbook = self._batch.jobbook
        if jobbook is not None:
            replayed = jobbook.recall(job, retry_rejected=self._batch.options.retry_rejected, first=first_time)
            if replayed is not None:
                return End(replayed, write=False)
            if job.inquiry is not None:
                return None
        return self._recall_here(job)

    def _recall_here(self, job: Job) -> End | None:
        """What this client knows of the job."""
        before = self._account.registry.recall(job.id)
        outcome = None if before is None else _remembered(job, before)
        if outcome is None:
            return None
        return End(outcome, write=isinstance(outcome, Accepted) and self._batch.jobbook is not None)


def _remembered(job: Job, before: Job) -> Outcome | None:
    """The client had the job before: told again, or set to be looked up; with other content the id is taken."""
    outcome = before.outcome
    if not is_same(job, before):
        found = outcome.task_id if isinstance(outcome, Accepted) else None
        text = "this client had a job of this external_task_id, with other content, " + (
            f"accepted as task {found}" if found else "and it may have been paid for"
        )
        return Rejected(**job.told(), kind=Kind.ALREADY_EXISTS, message=text, found_task_id=found)
    job.attempts, job.refusals, job.doubtful = before.attempts, before.refusals, True
    job.sent_at, job.first_sent_at, job.ended_at = before.sent_at, before.first_sent_at, before.ended_at
    job.mark, job.key, job.tries = before.mark, before.key, before.tries
    if isinstance(outcome, Accepted):
        return msgspec.structs.replace(outcome, replayed=True, line=job.line)
    job.inquiry = before.inquiry.again() if before.inquiry is not None else None
    job.ambiguity = before.ambiguity
    if job.inquiry is None:
        doubt = before.ambiguity or _doubt_of(outcome)
        job.inquiry = Inquiry(doubt, since=0.0, first_intent_at=before.first_sent_at, mark=before.mark)
    return None


def _doubt_of(outcome: Outcome | None) -> Ambiguity:
    """What came out unknown is in doubt, even where its job does not say why."""
    assert isinstance(outcome, Unknown)
    return Ambiguity(
        attempt=outcome.attempt or 1,
        sent_at=outcome.sent_at,
        phase=outcome.phase,
        kind=outcome.kind,
        message=outcome.message,
    )


def is_same(job: Job, other: Job) -> bool:
    """Whether two jobs of one id ask for the same, sessions and signatures of URLs apart."""
    if job.request is other.request:
        return job.request is not NOTHING
    try:
        job.core = job.core or core_fingerprint(job.request)
        other.core = other.core or (b"" if other.request is NOTHING else core_fingerprint(other.request))
    except UNHASHABLE:
        return False
    return job.core == other.core


def _same_for(job: Job, outcome: Rejected | Unknown) -> Outcome:
    """What the job of its id that it waited for came out as."""
    return caused(msgspec.structs.replace(outcome, line=job.line), outcome.cause)


def _left_elsewhere(job: Job) -> Outcome:
    """Its batch ended while another process has it."""
    text = "a job of this external_task_id may be under way in another process"
    return Unknown(**job.told(), kind=Kind.CANCELLED, message=text)


def _left_by(job: Job, first: Job) -> Outcome:
    """Its batch ended while the job of its id that it waited for is still under way."""
    if first.first_sent_at is None:
        return unfinished(job, Kind.CANCELLED, "the batch was cancelled")
    text = "a job of this external_task_id is still under way in this process"
    return Unknown(**job.told(), kind=Kind.CANCELLED, message=text, sent_at=first.sent_at)
