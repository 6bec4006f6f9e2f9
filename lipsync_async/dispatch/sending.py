"""One try at a job: admission, intent, bytes, verdict, and what is learned from it."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable

from attrs import evolve

from lipsync_async.errors import ClaimLostError, HookError, JournalError, LipSyncError
from lipsync_async.models import LipSyncRequest
from lipsync_async.terms import Action, Failure, Kind, Phase, Reply, Verdict
from lipsync_async.wire import encode
from lipsync_async.wire.bodies import Body
from lipsync_async.wire.credential import Headers
from lipsync_async.wire.faces import session_is_gone
from lipsync_async.wire.flight import Flight
from lipsync_async.wire.verdicts import LOOK_UP_PROTOCOL, judge

from .account import LOG
from .batch import Batch
from .brake import SameRejection, Stop
from .endings import accepted, ambiguous, rejected, unfinished
from .job import Job
from .jobbook import Jobbook
from .lookup import Inquiry, may_go_on
from .lost import latest
from .retry import next_delay
from .steps import SEND, End, Next, Park

_RESULTS = (Reply, Failure)

RENEWALS = 3
"""Sessions that may die under one job; where a fourth does, it is rejected."""
WITNESS_INTERVAL = 1.0
"""Seconds from one accepted job that is offered as a witness to the next."""


class Sending:
    """Sends the jobs of one batch."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._account = batch.account
        self._rejections = SameRejection()
        self._next_witness = -math.inf

    async def send(self, job: Job, flight: Flight) -> Next:
        """One try; `SEND` where the batch was stopped before a byte had left."""
        account, jobbook = self._account, self._batch.jobbook
        flight.phase = Phase.WAITING
        sent_at = account.admission.try_admit()
        if sent_at is None:
            sent_at = await account.admission.admit(self._batch, first=job.attempts + job.refusals > 0)
            if sent_at is None:
                return SEND
        try:
            step = await self._ask_first(job) if self._asks_first() else None
            if step is not None:
                account.give_back(sent_at)
                return step
            headers = self._count(job)
            if jobbook is not None:
                step = self._held_back(job, await jobbook.intend(job, account.credential))
            result = step or await self._post(job, headers, flight)
        except BaseException:
            account.give_back(sent_at)
            raise
        if not isinstance(result, _RESULTS):
            account.give_back(sent_at)
            return result
        if jobbook is not None and jobbook.shared and isinstance(result, Reply):
            await self._meet(jobbook, job, result.external_task_id)
        verdict = self._judge(job, result)
        if verdict.confirm_by == "get":
            verdict = await self._confirm_route(verdict, result, flight, sent_at)
        stop = self._learn(job, verdict, result, sent_at)
        if verdict.action is Action.REFRESH:  # one new token for all
            stop = await account.renew(job.generation)
        return _ended_by(stop, self._follow(job, verdict, result))

    async def _meet(self, jobbook: Jobbook, job: Job, named: str | None) -> None:
        """Where the reply names another job, a journal of many processes is asked before the verdict."""
        if named is not None and named != job.id and not self._account.echoes:
            await jobbook.meet_id(named)

    def _judge(self, job: Job, result: Reply | Failure) -> Verdict:
        account = self._account
        named = None
        if isinstance(result, Reply) and result.external_task_id is not None:
            named = self._wrong_name(job, result.external_task_id)
        verdict = judge(result, account.gateway, seen_reply=account.brake.heard, external_task_id=named)
        if verdict.action is Action.ACCEPT and isinstance(result, Reply):
            # A task that was told for another job is in doubt (contract, section 5).
            return LOOK_UP_PROTOCOL if self._batch.is_anothers(result.task_id or "", job.id) else verdict
        if verdict.action is Action.REFRESH and not account.credential.may_refresh(job.generation):
            return Verdict(Action.STOP, Kind.AUTH)
        return verdict

    def _wrong_name(self, job: Job, named: str) -> str | None:
        """The job's id where the reply names another job (contract, section 5).

        A gateway may write ids in a way of its own: then it never names one that was sent.
        """
        account = self._account
        if named == job.id:
            account.echoes = True
            return None
        return job.id if account.echoes or self._batch.knows(named) else None

    async def _confirm_route(
        self, verdict: Verdict, result: Reply | Failure, flight: Flight, sent_at: float
    ) -> Verdict:
        """A route seems to be missing: asked by a GET, for a page may stand for a task that was made (section 4)."""
        try:
            there = await self._account.queries.has_route(flight)
        except BaseException:
            self._account.give_back(sent_at)
            flight.phase = Phase.ANSWERED
            raise
        if there is False:
            return evolve(verdict, confirmations=0)
        page = isinstance(result, Reply) and result.status < 300
        return LOOK_UP_PROTOCOL if page else evolve(verdict, confirm_by="create")

    def _asks_first(self) -> bool:
        """Whether somebody is to be asked before a request can leave."""
        return self._batch.options.allow is not None or self._account.credential.known_headers is None

    async def _ask_first(self, job: Job) -> Next | None:
        """The caller's leave, and the key; what comes next where one is not given, or the batch has stopped."""
        allow = self._batch.options.allow
        if allow is not None and not job.allowed:
            refusal = _ask_leave(allow, job)
            if refusal is not None:
                return Stop(Kind.QUOTA, refusal)
            job.allowed = True
        try:
            await self._account.credential.headers()
        except LipSyncError as error:
            return Stop(Kind.AUTH, str(error))
        return None if self._batch.stopped is None else SEND

    def _held_back(self, job: Job, error: JournalError | None) -> Next | None:
        """What comes next where its intent is not on record, or the batch was stopped meanwhile; None: its request."""
        step: Next | None = None if self._batch.stopped is None else SEND
        if isinstance(error, ClaimLostError):
            job.elsewhere = True
            step = Park(self._account.loop.time())
        elif error is not None:
            step = Stop(Kind.STORAGE, str(error))
        if step is not None:
            job.attempts -= 1
        return step

    def _count(self, job: Job) -> Headers:
        """The job is about to be sent once more; with these headers, which are known."""
        account = self._account
        headers = account.credential.known_headers
        assert headers is not None
        job.generation = account.credential.generation
        job.mark = account.mark
        job.attempts += 1
        job.sent_at = account.wall_clock()
        if job.first_sent_at is None:
            job.first_sent_at = job.sent_at
        return headers

    def _post(self, job: Job, headers: Headers, flight: Flight) -> Awaitable[Reply | Failure | Next]:
        """The bytes."""
        account, jobbook = self._account, self._batch.jobbook
        body = job.body
        if body is None:
            body = encode(job.request, job.id)
        else:
            job.body = None
        if jobbook is None or jobbook.guard is None:
            return account.wire.post(account.create_url, headers, body, flight)
        return self._post_guarded(jobbook, job, headers, body, flight)

    async def _post_guarded(
        self, jobbook: Jobbook, job: Job, headers: Headers, body: Body, flight: Flight
    ) -> Reply | Failure | Next:
        """With a look at the lease right before the first byte: the intent may have been long ago by now."""
        account = self._account
        flight.guard = jobbook.guard
        try:
            result = await account.wire.post(account.create_url, headers, body, flight)
        finally:
            held_back, flight.guard, flight.held_back = flight.held_back, None, False
        if not held_back:
            return result
        job.attempts -= 1
        jobbook.cleared(job)
        return Park(account.loop.time())

    # -- what is learned --------------------------------------------------------------------------------------------

    def _learn(self, job: Job, verdict: Verdict, result: Reply | Failure, sent_at: float) -> Stop | None:
        """Tells the pacer and the brake; a `Stop` where this batch alone is to end."""
        account = self._account
        now = account.loop.time()
        stop: Stop | None = None
        if verdict.action is Action.ACCEPT:
            account.pacer.accepted(now, sent_at)
            order = account.brake.accepted(now)
            if order is not None:
                account.obey(order)
            account.credential.good = job.generation
            self._rejections.over = True
            if now >= self._next_witness and isinstance(result, Reply) and result.task_id is not None:
                account.trust.accepted(job.mark, job.id, result.task_id, now)
                self._next_witness = now + WITNESS_INTERVAL
        else:
            if LOG.isEnabledFor(logging.DEBUG):
                LOG.debug("%r: %s (%s): %s", job, verdict.action.value, verdict.kind, result.message)
            stop = self._learn_refusal(job, now, verdict, result, sent_at)
        account.admission.poke()
        if account.observer is not None:
            account.observe(
                "attempt",
                external_task_id=job.id,
                attempt=job.attempts,
                action=verdict.action.value,
                kind=verdict.kind,
                http_status=result.status if isinstance(result, Reply) else None,
                seconds=now - sent_at,
                message="" if verdict.action is Action.ACCEPT else result.message,
            )
        return stop

    def _learn_refusal(
        self, job: Job, now: float, verdict: Verdict, result: Reply | Failure, sent_at: float
    ) -> Stop | None:
        account = self._account
        hint = result.retry_after if isinstance(result, Reply) else None
        if verdict.action is Action.WAIT:
            account.pacer.refused(now, sent_at, None if verdict.hidden else verdict.kind, hint)
        else:
            account.pacer.ended(now, sent_at)
            if hint and verdict.action in {Action.LOOK_UP, Action.RETRY}:
                account.pacer.close(now, hint)  # it moves the gate, it does not make the job sendable
        if verdict.kind is Kind.CANCELLED:
            return None  # broken off by us: no word of the gateway's
        if isinstance(result, Reply) and result.parsed and verdict.kind is not Kind.AUTH:
            account.credential.good = job.generation
        account.obey(account.brake.judged(now, sent_at, verdict, result))
        if not isinstance(result, Reply) or self._may_renew(job, verdict, result):
            return None
        return self._if_all_alike(verdict, result)

    def _may_renew(self, job: Job, verdict: Verdict, result: Reply | Failure) -> bool:
        """Whether it is the job's session that is refused, and its video is known: another session may do."""
        return (
            verdict.action is Action.FAIL
            and isinstance(result, Reply)
            and self._batch.maker is not None
            and job.request.source is not None
            and job.renewals < RENEWALS
            and session_is_gone(result.message)
        )

    def _if_all_alike(self, verdict: Verdict, reply: Reply) -> Stop | None:
        """The first replies of this batch all reject: its list is wrong, and no other's."""
        if self._rejections.over:
            return None
        if verdict.action is Action.FAIL:
            return self._rejections.rejected(reply)
        self._rejections.over = verdict.action is not Action.WAIT
        return None

    # -- what follows -----------------------------------------------------------------------------------------------

    def _follow(self, job: Job, verdict: Verdict, result: Reply | Failure) -> Next:
        """What a verdict means for the job."""
        if self._batch.jobbook is not None:
            self._batch.jobbook.tried(job, verdict, result)
        match verdict.action:
            case Action.ACCEPT:
                if self._batch.maker is not None and job.request.source is not None:
                    self._batch.maker.proven(job.request)
                return End(accepted(job, result))
            case Action.WAIT | Action.REFRESH:
                job.attempts -= 1
                job.refusals += 1
                return self._wait(job, 0.0)
            case Action.STOP:
                job.result = result
                return self._wait(job, 0.0)  # surely refused; the brake has closed the gate, or ended the run
            case Action.RETRY:
                return self._retry(job, verdict, result)
            case Action.LOOK_UP:
                return self._look_up(job, verdict, result)
            case Action.FAIL:
                if self._may_renew(job, verdict, result) and self._spoil(job):
                    return self._wait(job, 0.0)
                return End(rejected(job, verdict, result))

    def _spoil(self, job: Job) -> bool:
        job.renewals += 1
        return self._batch.maker is not None and self._batch.maker.spoil(job.request)

    def _wait(self, job: Job, delay: float) -> Park:
        """It was surely not acted upon, and is sent again later."""
        if self._batch.jobbook is not None:
            self._batch.jobbook.cleared(job)
        return Park(self._account.loop.time() + delay)

    def _retry(self, job: Job, verdict: Verdict, result: Reply | Failure) -> Next:
        account = self._account
        hint = result.retry_after if isinstance(result, Reply) else None
        delay = next_delay(account.retry, job.attempts, hint, account.dice)
        if delay is not None:
            return self._wait(job, delay)
        job.result = result
        return End(unfinished(job, verdict.kind or Kind.SERVER, result.message))

    def _look_up(self, job: Job, verdict: Verdict, result: Reply | Failure) -> Next:
        """It may have been acted upon: nothing is sent before that is known."""
        policy = self._batch.options.ambiguous
        ambiguity = ambiguous(job, verdict.kind, result)
        account = self._account
        job.doubtful = job.doubtful or not ambiguity.exists
        if policy == "resend" and not ambiguity.exists:
            job.ambiguity = ambiguity
            return self._retry(job, verdict, result)
        held_until = -math.inf
        if may_go_on(result):
            job.ended_at = account.wall_clock()
            hold = 0.0 if account.trust.told else account.gateway.hold_time
            held_until = account.loop.time() + hold
        job.inquiry = inquiry = Inquiry(
            ambiguity,
            since=account.loop.time(),
            owned=job.owned,
            derived=job.derived,
            first_intent_at=job.first_sent_at,
            mark=job.mark,
            held_until=held_until,
            doubt=account.brake.doubt,
        )
        if inquiry.naming and self._batch.jobbook is not None:
            self._batch.jobbook.cleared(job)  # surely refused: a later run has nothing to adopt
        if policy == "report" or self._batch.stopped is not None:
            return End(unfinished(job, ambiguity.kind, ambiguity.message))
        account.lost.add(latest(inquiry, account.gateway.settle_time, trusted=account.trust.holds))
        return Park(account.when_to_ask(inquiry))


def _ended_by(stop: Stop | None, step: Next) -> Next:
    """What comes next for the job, where its batch may end with it."""
    if stop is None:
        return step
    return End(step.outcome, stop=stop) if isinstance(step, End) else stop


def _ask_leave(allow: Callable[[LipSyncRequest], str | None], job: Job) -> str | None:
    try:
        return allow(job.request)
    except GeneratorExit as error:  # it would end the worker as if nobody wanted it any more
        raise HookError("allow raised GeneratorExit") from error
