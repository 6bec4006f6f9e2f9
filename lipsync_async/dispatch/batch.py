"""What the rooms of one run share."""

from __future__ import annotations

from lipsync_async.config import RunOptions
from lipsync_async.errors import Violation
from lipsync_async.models import LipSyncRequest
from lipsync_async.request.checks import but_pending, check, errors_of

from .account import Account
from .brake import Stop
from .job import Job
from .jobbook import Jobbook
from .missing import Maker


class Batch:
    """The jobs of one call: whose account they use, how they are treated, and whether they were stopped.

    Only `run` changes it.
    """

    __slots__ = ("account", "jobbook", "maker", "options", "registries", "stopped")

    def __init__(
        self, account: Account, options: RunOptions, jobbook: Jobbook | None, maker: Maker | None = None
    ) -> None:
        self.account = account
        self.options = options
        self.jobbook = jobbook
        self.maker = maker
        """Makes what a job lacks; None: a job that lacks something is at fault."""
        self.registries = (account.registry,) if jobbook is None else (account.registry, jobbook.registry)
        """Where its jobs claim their ids."""
        self.stopped: Stop | None = None

    def claim(self, job: Job) -> Job | None:
        """Takes the job's id for it, for as long as it is under way; the job that has it already, else None."""
        for registry in self.registries:
            first = registry.claim(job)
            if first is not None:
                self.release(job)
                return first
        job.claimed = True
        return None

    def faults(self, request: LipSyncRequest) -> tuple[Violation, ...]:
        """What forbids sending a request; that it lacks what can be made does not."""
        found = check(request, self.account.gateway)
        if not found:
            return ()
        errors = errors_of(found)
        return tuple(errors) if self.maker is None else tuple(but_pending(errors, request, uploads=self.maker.uploads))

    def release(self, job: Job) -> None:
        """The job came out."""
        for registry in self.registries:
            registry.release(job)

    def knows(self, external_task_id: str) -> bool:
        """Whether a job of that id was sent by this client, or with this journal."""
        for registry in self.registries:
            if registry.knows(external_task_id):
                return True
        return self.jobbook is not None and self.jobbook.holds(external_task_id)

    def is_anothers(self, task_id: str, external_task_id: str) -> bool:
        """Whether the task id was told for another job, in this client or journal; if not, it is this job's now."""
        anothers = False
        for registry in self.registries:  # each of them is told
            if registry.is_anothers(task_id, external_task_id):
                anothers = True
        return anothers
