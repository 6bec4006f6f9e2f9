"""A job's first step: it is checked, named, and recalled from the journal, without a word to the gateway."""

from __future__ import annotations

from lipsync_async.errors import Violation
from lipsync_async.outcomes import Accepted, Outcome, Rejected
from lipsync_async.request.checks import check, errors_of
from lipsync_async.terms import Kind
from lipsync_async.wire.identity import SeenIds, derive_id

from .batch import Batch
from .endings import unfinished
from .job import Job
from .jobbook import UNHASHABLE, Jobbook, hash_sound
from .steps import SEND, End, Next, Park


class Entry:
    """Where the jobs of one batch begin."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._account = batch.account
        self._seen: SeenIds | None = None
        self._taken = 0

    async def look_over(self, job: Job) -> Next:
        """The first step of a job: it is sent, looked up later, or comes out at once."""
        job.begun = True
        self._taken += 1
        if job.inquiry is not None:
            return self._resume(job)
        refused = await self._refuse(job)
        if refused is not None:
            return End(refused, write=False)
        if self._batch.jobbook is not None:
            known = self._recall(job, self._batch.jobbook)
            if known is not None:
                return End(known, write=False)
        return self._begin(job)

    def sweep(self, job: Job) -> Outcome:
        """How a job comes out that no worker is left for."""
        batch = self._batch
        self._taken += 1
        if not job.begun:
            job.id = job.id or job.request.external_task_id or self._nameless()
            if batch.jobbook is not None and not errors_of(check(job.request, self._account.gateway)):
                outcome = batch.jobbook.recall(job, retry_rejected=batch.options.retry_rejected)
                if outcome is not None:
                    return outcome
        return unfinished(job, Kind.CANCELLED, "the batch was cancelled")

    def _nameless(self) -> str:
        """Stands for the id of a job that is too broken to have one."""
        return f"invalid:{self._taken}"

    def _resume(self, job: Job) -> Next:
        """It comes from the journal, to be looked up; where another run has it under way, that run tells its end."""
        assert job.inquiry is not None
        if self._claim(job):
            return self._take_up(job)
        ambiguity = job.inquiry.ambiguity
        return End(unfinished(job, ambiguity.kind, ambiguity.message), write=False)

    def _begin(self, job: Job) -> Next:
        return SEND if job.inquiry is None else self._take_up(job)

    def _take_up(self, job: Job) -> Park:
        """An earlier run left it in doubt: its next step is a look-up."""
        assert job.inquiry is not None
        job.inquiry.since = self._account.loop.time()
        job.resumed = True
        return Park(self._account.when_to_ask(job.inquiry))

    def _claim(self, job: Job) -> bool:
        """One id is one job, whichever run hands it in."""
        if job.id in self._account.under_way:
            return False
        self._account.under_way.add(job.id)
        job.claimed = True
        return True

    async def _refuse(self, job: Job) -> Rejected | None:
        """What is wrong with a job: it breaks a rule, or its id is not its own."""
        found = check(job.request, self._account.gateway)
        faults = tuple(errors_of(found)) if found else ()
        try:
            await self._identify(job)
        except UNHASHABLE as error:
            job.id = job.id or self._nameless()
            faults = faults or (Violation("face_choose[0].sound_file", "unreadable_file", str(error)),)
        if faults:
            text = "; ".join(map(str, faults))
            return Rejected(**job.told(), kind=Kind.VALIDATION, message=text, violations=faults)
        if not job.unique and not self._is_new(job.id):
            text = "this external_task_id came before in this batch"
            return Rejected(**job.told(), kind=Kind.DUPLICATE_ID, message=text)
        if not self._claim(job):
            text = "a job of this external_task_id is under way in this client"
            return Rejected(**job.told(), kind=Kind.DUPLICATE_ID, message=text)
        return None

    def _is_new(self, external_task_id: str) -> bool:
        if self._seen is None:
            self._seen = SeenIds()
        return self._seen.add(external_task_id)

    async def _identify(self, job: Job) -> None:
        """Gives it its id, and reads its sound where the journal will want a fingerprint."""
        given = job.id or job.request.external_task_id
        if given and self._batch.jobbook is None:
            job.id = given
            return
        await hash_sound(job.request)
        if not given:
            job.derived = True
            longest = self._account.gateway.max_id_length
            given = derive_id(job.request, prefix=self._batch.options.id_prefix, max_length=longest)
        job.id = given

    def _recall(self, job: Job, jobbook: Jobbook) -> Outcome | None:
        """What an earlier run with the same journal knows of this job."""
        replayed = jobbook.recall(job, retry_rejected=self._batch.options.retry_rejected, first=True)
        if isinstance(replayed, Accepted):
            self._account.witness = self._account.witness or (job.id, replayed.task_id)
        return replayed
