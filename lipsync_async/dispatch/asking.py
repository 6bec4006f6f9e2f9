"""One look-up of a job that may have been acted upon, and what the answer proves."""

from __future__ import annotations

from lipsync_async.terms import Failure, Kind
from lipsync_async.wire import TaskReply
from lipsync_async.wire.flight import Flight
from lipsync_async.wire.verdicts import Finding

from . import lookup
from .batch import Batch
from .brake import Stop
from .endings import accepted, unfinished
from .job import Job
from .lookup import Inquiry
from .queries import NONE
from .steps import ASK, End, Next, Park

WITNESS_LOOKS = 2
"""Half of the machines behind one address may not know what the others do: a witness is asked for twice."""

EXAMINATION = 4
"""How often a job that seems to be absent and its witness are asked for in turns, before it is sent again."""


class Asking:
    """Looks up the jobs of one batch."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._account = batch.account

    async def ask(self, job: Job, flight: Flight) -> Next:
        """One look-up; `ASK` where the batch was stopped meanwhile."""
        account, inquiry = self._account, job.inquiry
        assert inquiry is not None
        generation = account.credential.generation
        # Some gateways do not know a query: where the plain address finds the task, it is found.
        fresh, inquiry.asked_plainly = inquiry.asked_plainly, True
        answer, finding = await account.queries.look_up(job.id, flight, fresh=fresh)
        if isinstance(answer, TaskReply) and answer.reply.status == 401:
            return await self._ask_with_new_key(job, inquiry, generation, answer)
        if account.brake.on and not _is_word(answer):
            return self._wait_for_word(inquiry)
        if finding is Finding.FOUND and isinstance(answer, TaskReply):
            step = self._found(job, inquiry, answer)
        elif finding in NONE:
            step = await self._missing(job, inquiry, finding, flight, fresh=fresh)
        else:
            step = self._unproven(inquiry)
        if step is lookup.Conclusion.ABSENT and self._batch.stopped is None and not account.trust.told:
            step, answer = await self._examine(job, inquiry, answer, flight)
        if self._batch.stopped is not None and step is lookup.Conclusion.ABSENT:
            return ASK
        account.observe("look_up", external_task_id=job.id, action=step.value)
        return self._follow(job, inquiry, step, answer)

    def _found(self, job: Job, inquiry: Inquiry, answer: TaskReply) -> lookup.Conclusion:
        """A task that was told for another job is in doubt."""
        account, task_id = self._account, answer.reply.task_id
        step = inquiry.found(answer, job.id, account.gateway.clock_skew)
        if step is lookup.Conclusion.ADOPT and task_id is not None and self._batch.is_anothers(task_id, job.id):
            return inquiry.failed()
        return step

    async def _missing(
        self, job: Job, inquiry: Inquiry, finding: Finding, flight: Flight, *, fresh: bool
    ) -> lookup.Conclusion:
        """A not-found counts where a witness of the same key is found right beside it (contract, section 5).

        The user's word replaces the witness, but for another account's key, and for words that are not the platform's.
        """
        account = self._account
        if self._batch.jobbook is not None:
            await self._batch.jobbook.meet(job, account.trust, account.credential, account.mark)
        told = account.trust.told and inquiry.mark == account.mark and finding is Finding.NO_SUCH_TASK
        counts: bool | None = told or inquiry.naming
        if not counts:
            counts = await self._hear_witness(inquiry, flight)
            if counts is None and account.trust.holds:
                return inquiry.failed()  # it is too young, or could not be asked for: later it can
        return inquiry.missing(
            account.loop.time(),
            trusted=account.trust.holds,
            counts=bool(counts),
            fresh=fresh,
            settle_time=account.gateway.settle_time,
        )

    async def _hear_witness(self, inquiry: Inquiry, flight: Flight) -> bool | None:
        account, heard = self._account, None
        for _ in range(WITNESS_LOOKS):
            heard = await account.queries.hear_witness(inquiry.mark, flight)
            if not heard:
                break
        return heard

    async def _examine(
        self, job: Job, inquiry: Inquiry, absent: TaskReply | Failure, flight: Flight
    ) -> tuple[lookup.Conclusion, TaskReply | Failure]:
        """Before a job is sent again: it and the witness, asked for in turns.

        Where some machines behind one address do not know what the others do, the job is found among them, or the
        witness is missed.  What no answer came to is asked again.
        """
        left = EXAMINATION
        for _ in range(2 * EXAMINATION):
            answer, finding = await self._account.queries.look_up(job.id, flight)
            if finding is Finding.FOUND and isinstance(answer, TaskReply):
                return self._found(job, inquiry, answer), answer
            heard = await self._account.queries.hear_witness(inquiry.mark, flight)
            if heard is False or self._batch.stopped is not None:
                break
            left -= finding in NONE and heard is True
            if not left:
                return lookup.Conclusion.ABSENT, absent
        return inquiry.failed(), absent

    def _unproven(self, inquiry: Inquiry) -> lookup.Conclusion:
        """The answer says nothing of this job; a gateway that answers for any id is not asked for long."""
        account = self._account
        if account.trust.holds or not account.trust.ended:
            return inquiry.failed()
        return inquiry.missing(account.loop.time(), trusted=False, counts=False, fresh=True, settle_time=0.0)

    async def _ask_with_new_key(self, job: Job, inquiry: Inquiry, generation: int, answer: TaskReply) -> Next:
        """A look-up was not let in: once more with a new key; where there is none, it proves nothing."""
        account = self._account
        if account.credential.may_refresh(generation):
            stop = await account.renew(generation)
            return stop or self._follow(job, inquiry, lookup.Conclusion.ASK, answer)
        if self._batch.options.look_only:
            return Stop(Kind.AUTH, answer.reply.message)
        return self._follow(job, inquiry, inquiry.failed(), answer)

    def _wait_for_word(self, inquiry: Inquiry) -> Next:
        """An outage: this look-up does not count, but the silence does; there may be no job left to be the canary."""
        account = self._account
        stop = account.brake.unanswered(account.loop.time())
        if stop is not None:
            account.obey(stop)
        return Park(account.when_to_ask(inquiry))

    def _follow(self, job: Job, inquiry: Inquiry, step: lookup.Conclusion, answer: TaskReply | Failure) -> Next:
        """What an answer means for the job."""
        account, ambiguity = self._account, inquiry.ambiguity
        match step:
            case lookup.Conclusion.ASK:
                return Park(account.when_to_ask(inquiry))
            case lookup.Conclusion.ADOPT:
                assert isinstance(answer, TaskReply)
                if not ambiguity.exists:
                    account.trust.proven = True
                if inquiry.doubt is not None:
                    inquiry.doubt.open = False
                account.pacer.restore(account.loop.time(), 1)
                return End(accepted(job, answer.reply, recovered=True))
            case lookup.Conclusion.ABSENT:
                return self._absent(job, inquiry)
            case lookup.Conclusion.GIVE_UP:
                return End(unfinished(job, ambiguity.kind, ambiguity.message))

    def _absent(self, job: Job, inquiry: Inquiry) -> Next:
        """It was proven that the gateway has no such task: it may be sent again."""
        account, ambiguity = self._account, inquiry.ambiguity
        job.inquiry = None
        spent = job.attempts >= account.retry.max_attempts and not job.resumed
        if spent or self._batch.options.look_only:
            return End(unfinished(job, ambiguity.kind, ambiguity.message))
        job.resumed = False  # its attempts were an earlier run's: this one has a try of its own
        if self._batch.jobbook is not None:
            self._batch.jobbook.cleared(job)
        return Park(account.loop.time())


def _is_word(answer: TaskReply | Failure) -> bool:
    """Somebody answered, if only that there is nothing to be asked."""
    return isinstance(answer, TaskReply) and (answer.found is not None or answer.reply.status < 500)
