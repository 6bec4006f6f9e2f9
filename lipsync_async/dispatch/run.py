"""The one loop: workers that walk every job down the same straight line.

    intake -> check -> admission -> journal.intend -> transport.post -> verdicts.judge -> learn -> settle -> outcome

`Run` is one batch; what all runs of a client share is in `account`.
Every decision is made in a pure room (`checks`, `pacing`, `brake`, `verdicts`, `retry`, `lookup`); here they meet.
On the way of a job that is accepted there is no task, no queue, no cancel scope and no timer;
a caller's hook that is async is a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from lipsync_async.config import RunOptions
from lipsync_async.errors import JournalError, LipSyncError, Violation
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from lipsync_async.request.checks import check, errors_of
from lipsync_async.terms import Action, Failure, Kind, Phase, Reply, Verdict
from lipsync_async.wire import TaskReply, encode
from lipsync_async.wire.flight import Flight
from lipsync_async.wire.identity import SeenIds, derive_id
from lipsync_async.wire.verdicts import Finding, judge, judge_query

from .account import LOG, Account
from .brake import Pause, SameRejection, Stop
from .endings import accepted, ambiguous, interrupted, rejected, unfinished
from .intake import Intake
from .jobbook import UNHASHABLE, Job, Jobbook, hash_sound
from .lookup import Inquiry, Next
from .retry import next_delay

YIELD_EVERY = 64
"""Jobs that one worker may end without waiting for anything before others get their turn."""


Deliver = Callable[[Job, Outcome], Awaitable[Any] | None]
"""Takes an outcome; what it returns is awaited while the jobs go on, until a window of outcomes is unheard."""


class Run:
    """One batch: from a source of jobs to an outcome each."""

    def __init__(
        self,
        account: Account,
        source: Iterable[LipSyncRequest | Job] | AsyncIterable[LipSyncRequest | Job],
        deliver: Deliver,
        *,
        window: int,
        options: RunOptions | None = None,
        jobbook: Jobbook | None = None,
    ) -> None:
        self._account = account
        self._deliver = deliver
        self._options = options or RunOptions()
        self._jobbook = jobbook
        self._intake: Intake[LipSyncRequest | Job, Job] = Intake(source, window)
        self._seen: SeenIds | None = None
        self._taken = 0
        self._turns = 0
        self._rejections = SameRejection()
        self._flights: list[Flight] = []
        self._unheard: dict[Job, asyncio.Future[Any] | None] = {}
        """Jobs whose outcome is on its way to the disk, or to a hook of the caller's that takes its time."""
        self._heard = asyncio.Event()
        self._most_unheard = window if jobbook is None else window + 1
        self.window = window
        self.workers: list[asyncio.Task[None]] = []
        self._finite = False
        """All that is in the source was handed in, pulled or not."""
        self.stopped: Stop | None = None
        self.failure: BaseException | None = None
        """What the caller's source or hook raised: the run ends, and raises it."""

    # -- its life ---------------------------------------------------------------------------------------------------

    def start(self, jobs: int | None = None) -> list[asyncio.Task[None]]:
        """One task a worker; `jobs`, where it is known, spares idle ones."""
        workers = self.window + self._intake.extra_workers
        if jobs is not None:
            workers, self._finite = min(workers, jobs), True
        self._account.runs.add(self)
        create_task = self._account.loop.create_task
        self.workers = [create_task(self._work(), name=f"lipsync-{number}") for number in range(workers)]
        return self.workers

    def finish(self) -> None:
        """It takes no part in stops any more; what workers that were taken away left behind comes out now."""
        self._account.runs.discard(self)
        if self.stopped is not None:
            for item in self._intake.rest(whole=self._finite):
                self._sweep(item if isinstance(item, Job) else Job(item))
            for job, hook in tuple(self._unheard.items()):
                if hook is None and job.outcome is not None:  # the disk hangs
                    self._tell(job, job.outcome)
        for hook in self._unheard.values():
            if hook is not None:
                hook.cancel()

    def stop(self, stop: Stop, *, leave_source: bool = False) -> None:
        """Intake ends; requests in flight may finish; all else comes out as not sent.

        `leave_source`: what was not pulled yet was never handed in.
        """
        if self.stopped is None:
            self.stopped = stop
            level = logging.INFO if stop.kind is Kind.CANCELLED else logging.WARNING
            LOG.log(level, "the batch stops (%s): %s", stop.kind, stop.message)
            self._intake.stop(leave_source=leave_source)
            self._account.admission.dismiss(self)

    def abort(self) -> None:
        """Breaks off what is in flight: what may have been acted upon becomes Unknown."""
        for flight in self._flights:
            flight.abort(Kind.CANCELLED)

    async def _work(self) -> None:
        flight = Flight()
        self._flights.append(flight)
        with self._account.wire.watching(flight):
            while (item := await self._next()) is not None:
                job = item if isinstance(item, Job) else Job(item)
                try:
                    if job.begun or await self._begin(job):
                        await self._advance(job, flight)
                except Exception as error:  # noqa: BLE001 - the caller's hook, or a fault of ours: the job comes out all the same
                    self.fail(error)
                    if self._has_no_end(job):
                        self._settle(job, interrupted(job, flight.phase, "the run failed"))
                except asyncio.CancelledError:  # its grace is over: nothing is waited for any more
                    if self._has_no_end(job):
                        self._cut_off(job, interrupted(job, flight.phase, "the batch was cancelled"))
                    raise
                self._turns += 1
                if not self._turns % YIELD_EVERY:
                    await asyncio.sleep(0)
                while len(self._unheard) >= self._most_unheard:
                    await self._heard.wait()
            while self._unheard:
                await self._heard.wait()

    def _has_no_end(self, job: Job) -> bool:
        return not job.ended and job not in self._unheard

    def _cut_off(self, job: Job, outcome: Outcome) -> None:
        """What its intent left open in the journal is cleared where nothing was sent: the next run need not look."""
        if self._jobbook is not None and isinstance(outcome, NotSent) and job.first_sent_at is not None:
            self._jobbook.cleared(job)
        self._tell(job, outcome)

    async def _next(self) -> LipSyncRequest | Job | None:
        while True:
            try:
                return await self._intake.next()
            except Exception as error:  # noqa: BLE001 - the caller's source may raise anything
                self.fail(error)

    def fail(self, error: Exception) -> None:
        """Told when the run is over: what was under way comes first."""
        self.failure = self.failure or error
        self.stop(Stop(Kind.CANCELLED, f"the run failed: {type(error).__name__}"))

    def _sweep(self, job: Job) -> None:
        """No worker is left for it."""
        self._taken += 1
        outcome: Outcome | None = None
        if not job.begun:
            job.id = job.id or job.request.external_task_id or f"invalid:{self._taken}"
            if self._jobbook is not None and not errors_of(check(job.request, self._account.gateway)):
                outcome = self._jobbook.recall(job, retry_rejected=self._options.retry_rejected)
        self._tell(job, outcome or unfinished(job, Kind.CANCELLED, "the batch was cancelled"))

    # -- a job's way ------------------------------------------------------------------------------------------------

    async def _begin(self, job: Job) -> bool:
        """A request becomes a job with an id; False where it has come out, or was parked, already."""
        job.begun = True
        self._taken += 1
        if job.inquiry is not None:
            return self._resume(job)
        outcome = await self._look_over(job)
        if outcome is not None:
            self._tell(job, outcome)
        return not job.ended and not job.parked

    def _resume(self, job: Job) -> bool:
        """It comes from the journal, to be looked up; where another run has it under way, that one tells its end."""
        assert job.inquiry is not None
        if self._claim(job):
            return self._take_up(job)
        self._tell(job, unfinished(job, job.inquiry.ambiguity.kind, job.inquiry.ambiguity.message))
        return False

    def _claim(self, job: Job) -> bool:
        """One id is one job, whichever run hands it in."""
        if job.id in self._account.under_way:
            return False
        self._account.under_way.add(job.id)
        job.claimed = True
        return True

    async def _look_over(self, job: Job) -> Outcome | None:
        """What becomes of a job without a word to the gateway: it is broken, came before, or is told by the journal."""
        found = check(job.request, self._account.gateway)
        faults = tuple(errors_of(found)) if found else ()
        try:
            await self._identify(job)
        except UNHASHABLE as error:
            job.id = job.id or f"invalid:{self._taken}"
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
        return None if self._jobbook is None else self._recall(job, self._jobbook)

    def _is_new(self, external_task_id: str) -> bool:
        if self._seen is None:
            self._seen = SeenIds()
        return self._seen.add(external_task_id)

    async def _identify(self, job: Job) -> None:
        """Its id, and what its content hashes to where that is needed."""
        given = job.id or job.request.external_task_id
        if given and self._jobbook is None:
            job.id = given
            return
        await hash_sound(job.request)
        if not given:
            job.derived = True
            longest = self._account.gateway.max_id_length
            given = derive_id(job.request, prefix=self._options.id_prefix, max_length=longest)
        job.id = given

    def _recall(self, job: Job, jobbook: Jobbook) -> Outcome | None:
        """What an earlier run with the same journal knows of this job."""
        replayed = jobbook.recall(job, retry_rejected=self._options.retry_rejected, first=True)
        if isinstance(replayed, Accepted):
            self._account.witness = self._account.witness or (job.id, replayed.task_id)
        elif replayed is None and job.inquiry is not None:
            self._take_up(job)
        return replayed

    def _take_up(self, job: Job) -> bool:
        """An earlier run left it in doubt: its first step is a look-up, which has its time."""
        assert job.inquiry is not None
        job.inquiry.since = self._account.loop.time()
        job.parked = True
        self._park_inquiry(job)
        return False

    async def _advance(self, job: Job, flight: Flight) -> None:
        if self.stopped is not None:
            self._settle(job, unfinished(job, self.stopped.kind, self.stopped.message))
        elif job.inquiry is not None:
            await self._ask(job, flight)
        else:
            await self._send(job, flight)

    async def _send(self, job: Job, flight: Flight) -> None:
        account = self._account
        flight.phase = Phase.WAITING
        sent_at = account.admission.try_admit()
        if sent_at is None:
            sent_at = await account.admission.admit(self, first=job.attempts + job.refusals > 0)
            if sent_at is None:  # the run was stopped
                return await self._advance(job, flight)
        try:
            result = await self._post(job, flight)
        except BaseException:
            account.give_back(sent_at)
            raise
        if result is None:
            account.give_back(sent_at)
            return await self._advance(job, flight)
        verdict = judge(result, account.gateway, seen_reply=account.brake.heard)
        if verdict.action is Action.REFRESH and not account.credential.may_refresh(job.generation):
            verdict = Verdict(Action.STOP, Kind.AUTH)
        self._learn(job, verdict, result, sent_at)
        if verdict.action is Action.REFRESH:  # one new token for all
            await self._renew(job.generation)
        self._act(job, verdict, result)
        return None

    async def _post(self, job: Job, flight: Flight) -> Reply | Failure | None:
        """Leave, key and intent, then bytes; None: the run was stopped before they were given out."""
        account = self._account
        if self._options.allow is not None and not job.allowed:
            refusal = self._options.allow(job.request)
            if refusal is not None:
                self.stop(Stop(Kind.QUOTA, refusal))
                return None
            job.allowed = True
        try:
            headers = account.credential.known_headers or await account.credential.headers()
        except LipSyncError as error:
            self.stop(Stop(Kind.AUTH, str(error)))
            return None
        job.generation = account.credential.generation
        job.attempts += 1
        job.sent_at = account.wall_clock()
        job.first_sent_at = job.first_sent_at or job.sent_at
        if self._jobbook is not None:
            try:
                await self._jobbook.intend(job)
            except JournalError as error:
                self.stop(Stop(Kind.STORAGE, str(error)))
        if self.stopped is not None:
            job.attempts -= 1
            return None
        return await account.wire.post(account.create_url, headers, encode(job.request, job.id), flight)

    def _learn(self, job: Job, verdict: Verdict, result: Reply | Failure, sent_at: float) -> None:
        """Tells the pacer and the brake, and does what the brake orders."""
        account = self._account
        now = account.loop.time()
        if verdict.action is Action.ACCEPT:
            account.pacer.accepted(now, sent_at)
            account.brake.accepted()
            account.credential.good = job.generation
            self._rejections.over = True
            if account.witness is None and isinstance(result, Reply) and result.task_id is not None:
                account.witness = (job.id, result.task_id)
        else:
            if LOG.isEnabledFor(logging.DEBUG):
                LOG.debug("%r: %s (%s): %s", job, verdict.action.value, verdict.kind, result.message)
            self._learn_refusal(job, now, verdict, result, sent_at)
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
            )

    def _learn_refusal(self, job: Job, now: float, verdict: Verdict, result: Reply | Failure, sent_at: float) -> None:
        account = self._account
        hint = result.retry_after if isinstance(result, Reply) else None
        if verdict.action is Action.WAIT:
            account.pacer.refused(now, sent_at, None if verdict.hidden else verdict.kind, hint)
        else:
            account.pacer.ended(now, sent_at)
            if hint and verdict.action in {Action.LOOK_UP, Action.RETRY}:
                account.pacer.close(now, hint)  # it moves the gate, it does not make the job sendable
        if verdict.kind is Kind.CANCELLED:
            return  # broken off by us: no word of the gateway's
        if isinstance(result, Reply) and result.parsed and verdict.kind is not Kind.AUTH:
            account.credential.good = job.generation
        if not self._rejections.over and isinstance(result, Reply):
            self._stop_if_all_alike(verdict, result)
        order = account.brake.judged(now, sent_at, verdict, result)
        if isinstance(order, Pause):
            account.pause(order.seconds)
        elif order is not None:
            account.stop(order)

    def _stop_if_all_alike(self, verdict: Verdict, reply: Reply) -> None:
        """The first replies of this batch all reject: its list is wrong, and no other's."""
        if verdict.action is Action.FAIL:
            stop = self._rejections.rejected(reply)
            if stop is not None:
                self.stop(stop)
        elif verdict.action is not Action.WAIT:
            self._rejections.over = True

    def _act(self, job: Job, verdict: Verdict, result: Reply | Failure) -> None:
        """The verdict, carried out."""
        if self._jobbook is not None:
            self._jobbook.tried(job, verdict, result)
        match verdict.action:
            case Action.ACCEPT:
                self._settle(job, accepted(job, result))
            case Action.WAIT | Action.REFRESH:
                job.attempts -= 1
                job.refusals += 1
                self._park(job, 0.0)
            case Action.STOP:
                job.result = result
                self._park(job, 0.0)  # surely refused; the brake has closed the gate, or ended the run
            case Action.RETRY:
                self._retry(job, verdict, result)
            case Action.LOOK_UP:
                self._look_up(job, verdict, result)
            case Action.FAIL:
                self._settle(job, rejected(job, verdict, result))

    def _park(self, job: Job, delay: float) -> None:
        if self._jobbook is not None:
            self._jobbook.cleared(job)
        self._intake.park(job, self._account.loop.time() + delay)

    def _retry(self, job: Job, verdict: Verdict, result: Reply | Failure) -> None:
        account = self._account
        hint = result.retry_after if isinstance(result, Reply) else None
        delay = next_delay(account.retry, job.attempts, hint, account.dice)
        if delay is None:
            job.result = result
            self._settle(job, unfinished(job, verdict.kind or Kind.SERVER, result.message))
        else:
            self._park(job, delay)

    async def _renew(self, generation: int) -> None:
        try:
            await self._account.credential.refresh(generation)
        except Exception as error:  # noqa: BLE001 - the caller's callable may raise anything
            self.stop(Stop(Kind.AUTH, f"the API key could not be renewed: {type(error).__name__}"))

    # -- ambiguity --------------------------------------------------------------------------------------------------

    def _look_up(self, job: Job, verdict: Verdict, result: Reply | Failure) -> None:
        """It may have been acted upon: nothing is sent before that is known."""
        policy = self._options.ambiguous
        ambiguity = ambiguous(job, verdict.kind, result)
        if policy == "resend" and not ambiguity.exists:
            job.ambiguity = ambiguity
            return self._retry(job, verdict, result)
        job.inquiry = Inquiry(
            ambiguity,
            since=self._account.loop.time(),
            owned=job.derived or job.on_record or not ambiguity.exists,
            derived=job.derived,
            first_intent_at=job.first_sent_at,
        )
        if policy == "report" or self.stopped is not None:
            return self._settle(job, unfinished(job, ambiguity.kind, ambiguity.message))
        return self._park_inquiry(job)

    def _park_inquiry(self, job: Job) -> None:
        account = self._account
        assert job.inquiry is not None
        now, settle_time = account.loop.time(), account.gateway.settle_time
        due = job.inquiry.due(now, trusted=account.trusts_lookups, settle_time=settle_time)
        if account.brake.on:
            due = max(due, now + account.brake.pause)  # perhaps nobody would answer now
        self._intake.park(job, due)

    async def _ask_with_new_key(self, job: Job, generation: int, answer: TaskReply) -> None:
        """A look-up was not let in: once more with a new key; where there is none, it proves nothing."""
        assert job.inquiry is not None
        account = self._account
        step = Next.ASK
        if account.credential.may_refresh(generation):
            await self._renew(generation)
        elif self._options.look_only:
            self.stop(Stop(Kind.AUTH, answer.reply.message))
        else:
            step = job.inquiry.failed()
        self._act_on_finding(job, job.inquiry, step, answer)

    def _wait_for_word(self, job: Job) -> None:
        """An outage: this look-up does not count, but the silence does; there may be no job left to be the canary."""
        stop = self._account.brake.unanswered(self._account.loop.time())
        if stop is not None:
            self._account.stop(stop)
        self._park_inquiry(job)

    async def _ask(self, job: Job, flight: Flight) -> None:
        """One look-up, and what it proves."""
        account, inquiry = self._account, job.inquiry
        assert inquiry is not None
        await account.hear_witness(flight)
        if self.stopped is not None:
            return await self._advance(job, flight)
        generation = account.credential.generation
        answer = await account.look_up(job.id, flight)
        if isinstance(answer, TaskReply) and answer.reply.status == 401:
            return await self._ask_with_new_key(job, generation, answer)
        if account.brake.on and not _is_word(answer):
            return self._wait_for_word(job)
        finding = judge_query(answer) if isinstance(answer, TaskReply) else Finding.PROVES_NOTHING
        settle_time = account.gateway.settle_time
        if finding is Finding.FOUND and isinstance(answer, TaskReply):
            step = inquiry.found(answer, job.id, account.gateway.clock_skew)
        elif finding is Finding.NOT_FOUND:
            step = inquiry.missing(account.loop.time(), trusted=account.trusts_lookups, settle_time=settle_time)
        else:
            step = inquiry.failed()
        account.observe("look_up", external_task_id=job.id, action=step.value)
        return self._act_on_finding(job, inquiry, step, answer)

    def _act_on_finding(self, job: Job, inquiry: Inquiry, step: Next, answer: TaskReply | Failure) -> None:
        match step:
            case Next.ASK:
                self._park_inquiry(job)
            case Next.ADOPT:
                assert isinstance(answer, TaskReply)
                if not inquiry.ambiguity.exists:
                    self._account.trusts_lookups = True
                self._account.pacer.restore(1)
                self._settle(job, accepted(job, answer.reply, recovered=True))
            case Next.ABSENT:
                job.inquiry = None
                ambiguity = inquiry.ambiguity
                spent = job.attempts >= self._account.retry.max_attempts and not job.parked
                if spent or self._options.look_only:
                    self._settle(job, unfinished(job, ambiguity.kind, ambiguity.message))
                else:
                    job.parked = False  # its attempts were an earlier run's: this one has a try of its own
                    self._park(job, 0.0)
            case Next.GIVE_UP:
                self._settle(job, unfinished(job, inquiry.ambiguity.kind, inquiry.ambiguity.message))

    # -- the end ----------------------------------------------------------------------------------------------------

    def _settle(self, job: Job, outcome: Outcome) -> None:
        """Durable first, then told; its worker goes on meanwhile, and the next intent shares the commit."""
        job.outcome = outcome
        if isinstance(outcome, Unknown):
            LOG.warning("%r may have been charged, and its fate is not known (%s)", job, outcome.kind)
        if self._jobbook is None:
            self._tell(job, outcome)
        else:
            self._jobbook.settle(job, outcome, partial(self._settled, job, outcome))
            if not job.ended:
                self._unheard[job] = None

    def _settled(self, job: Job, outcome: Outcome, error: JournalError | None) -> None:
        if error is not None:
            self.stop(Stop(Kind.STORAGE, str(error)))  # the intent is on record: the next run looks it up
        if not job.ended:
            self._tell(job, outcome)

    def _tell(self, job: Job, outcome: Outcome) -> None:
        """The outcome leaves the run."""
        account = self._account
        job.ended = True
        if job.claimed:
            account.under_way.discard(job.id)
        if account.observer is not None:
            kind = None if isinstance(outcome, Accepted) else outcome.kind
            account.observe("outcome", external_task_id=job.id, attempt=job.attempts, action=outcome.name, kind=kind)
        try:
            waiting = self._deliver(job, outcome)
        except Exception as error:  # noqa: BLE001 - the caller's own
            self.fail(error)
            waiting = None
        if waiting is not None:
            hook = self._unheard[job] = asyncio.ensure_future(waiting)
            hook.add_done_callback(partial(self._hook_done, job))
        elif self._unheard:
            self._pass_on(job)

    def _hook_done(self, job: Job, hook: asyncio.Future[Any]) -> None:
        error = None if hook.cancelled() else hook.exception()
        if isinstance(error, Exception):
            self.fail(error)
        self._pass_on(job)

    def _pass_on(self, job: Job) -> None:
        """It is heard of: workers that waited for that look again."""
        self._unheard.pop(job, None)
        self._heard.set()
        self._heard.clear()


def _is_word(answer: TaskReply | Failure) -> bool:
    """Somebody answered, if only that there is nothing to be asked."""
    return isinstance(answer, TaskReply) and (answer.found is not None or answer.reply.status < 500)
