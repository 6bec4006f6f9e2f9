"""A job that lacks its session or its audio: it waits for them on a shelf, and is checked anew when it has them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from lipsync_async.outcomes import Rejected
from lipsync_async.request.checks import check, errors_of
from lipsync_async.terms import Kind
from lipsync_async.wire.identity import core_fingerprint

from .batch import Batch
from .brake import Stop
from .endings import unfinished
from .job import Job
from .jobbook import UNHASHABLE
from .missing import Made, Missing
from .steps import SHELVE, End, Next


class Making:
    """Completes the jobs of one batch before each try; `unshelve` hands one back to the workers."""

    def __init__(self, batch: Batch, unshelve: Callable[[Job], None]) -> None:
        self._batch = batch
        self._unshelve = unshelve

    def prepare(self, job: Job) -> Next | None:
        """What comes first where the job cannot be sent as it is; None: it can."""
        maker = self._batch.maker
        if maker is None or not maker.concerns(job.request):
            return None
        if not job.core:  # of the request as it was handed in, whatever becomes of it
            with suppress(*UNHASHABLE):
                job.core = core_fingerprint(job.request)
        found = maker.make(job.request, partial(self._unshelve, job))
        if found is None:
            return SHELVE
        if isinstance(found, Missing):
            return self._without(job, found)
        return None if found.request is job.request else self._complete(job, found)

    def _complete(self, job: Job, made: Made) -> Next | None:
        """The rules that need the session are kept now, or the job is rejected, and no other."""
        faults = tuple(errors_of(check(made.request, self._batch.account.gateway, made.facts)))
        if not faults:
            object.__setattr__(made.request, "made_from", job.request.made_from or job.request)
            job.request, job.body = made.request, None
            return None
        told = "; ".join(map(str, faults))
        return self._without(job, Missing(kind=Kind.VALIDATION, message=told, rejected=True, violations=faults))

    def _without(self, job: Job, missing: Missing) -> Next:
        if missing.ends_batch:
            return Stop(missing.kind, missing.message)
        if not missing.rejected or job.inquiry is not None or job.ambiguity is not None:
            return End(unfinished(job, missing.kind, missing.message), write=job.first_sent_at is not None)
        told = Rejected(**job.told(), kind=missing.kind, message=missing.message, violations=missing.violations)
        return End(told, write=False)
