"""One loop a client asks for all tasks that anybody waits for; the planner says for which and when.

A wait is a listener: many may wait for one task, and each comes and goes alone.
A task that nobody waits for is not asked for, and goes on at the gateway.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Collection, Coroutine, Iterable
from typing import Any

from attrs import evolve, frozen
from msgspec.structs import replace

from lipsync_async.config import Following
from lipsync_async.dispatch.account import LOG, Account
from lipsync_async.dispatch.job import Job
from lipsync_async.endings import Ended, Ending, StillRunning, TaskFailed, TaskLost, TaskState
from lipsync_async.outcomes import Accepted
from lipsync_async.request.checks import sent_units
from lipsync_async.task_results import charged_units
from lipsync_async.terms import Failure
from lipsync_async.wire import TaskReply
from lipsync_async.wire.flight import Flight

from .durations import Durations
from .fates import ENDED, NOT_TOLD, Absence, Sign, ending_of, judge_task, state_of, trouble_of
from .freshness import Freshness
from .learning import Learning, Lesson
from .planner import Followed, Listener, Planner
from .sweeping import Sweeper
from .wanted import Wanted

AT_ONCE = 16
"""Looks that may be out for an answer, whatever their rate."""
ANSWER = 4.0
"""Seconds that answers may take before the looks become fewer than `max_queries_per_second`."""
PAUSE = 60.0
"""Seconds without a look where the account may not ask."""
REMEMBERED = 10_000
"""Tasks whose ending is remembered: they are not asked for again."""
SHORTEST = 1.0
"""Seconds; a task that is said to have taken less is one whose row was never touched."""


@frozen(kw_only=True)
class FollowingStatistics:
    """What a client knew at one moment of the tasks that it waits for."""

    tasks: int
    """Tasks that are waited for."""
    looks: int
    """Looks at tasks, and at pages of the list, since the client was entered."""
    ended: int
    """Tasks that were seen to end."""
    median_duration: float | None
    """Seconds from a create to the end of its task, as learned; None: too few have ended."""
    freshness: float
    """Seconds by which the gateway tells an end late, nine times of ten, as learned (contract, section 5a)."""


class Follower:
    """The tasks of one client that are waited for."""

    def __init__(self, account: Account, following: Following) -> None:
        self._account = account
        self.durations = Durations()
        self.freshness = Freshness()
        self._planner = Planner(following, self.durations, self.freshness)
        self._learning = Learning(self.durations, self.freshness)
        self._sweeper = Sweeper(account, self._planner, self._heard)
        self._ended: OrderedDict[str, Ended] = OrderedDict()
        self._looks: set[asyncio.Task[None]] = set()
        self._most_out = max(AT_ONCE, math.ceil(ANSWER * following.max_queries_per_second))
        self._looping: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._last_found: str | None = None
        self._asked = self._seen = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"<Follower of {len(self._planner)} tasks, {len(self._looks)} looks out>"

    def __len__(self) -> int:
        return len(self._planner)

    # -- who waits --------------------------------------------------------------------------------------------------

    def follow(self, wanted: Wanted, listener: Listener) -> None:
        """The listener hears of the task's end; at once where it has ended already, or the client is closed."""
        task_id = wanted.task_id
        known = self._ended.get(task_id)
        if known is not None or self._closed:
            listener.hear(task_id, known)
            return
        now = self._account.loop.time()
        task = self._planner.follow(task_id, now, born=self._born(wanted, now), sound=wanted.sound)
        task.listeners = (*task.listeners, listener) if task.listeners else listener.alone
        task.external_task_id = task.external_task_id or wanted.external_task_id
        self._wake()

    def leave(self, task_id: str, listener: Listener) -> None:
        """The listener waits no longer; the task is not asked for any more where it was the last."""
        task = self._planner.get(task_id)
        if task is not None:
            task.listeners = tuple(it for it in task.listeners if it is not listener)
            if not task.listeners:
                self._planner.drop(task_id)

    def still_running(self, wanted: Wanted, waited: float) -> StillRunning:
        """The ending of a wait whose patience ended after so many seconds."""
        task = self._planner.get(wanted.task_id)
        name = wanted.external_task_id
        ending = StillRunning(task_id=wanted.task_id, external_task_id=name, waited=waited)
        if task is None:
            return ending
        state = None
        if task.status is not None:
            state = TaskState(task_id=wanted.task_id, external_task_id=name, status=task.status)
        return replace(ending, state=state, missing=task.missing, trouble=task.trouble)

    def learn(self, lessons: Iterable[Lesson]) -> None:
        """What earlier runs learned of this gateway; what this client saw for itself is newer, and stays."""
        if not self._learning.lessons:
            for lesson in lessons:
                self._learning.learn(lesson)
                self._account.pacer.recall(lesson.lasted, lesson.seen)

    @property
    def lessons(self) -> Collection[Lesson]:
        """What was learned, for the journal."""
        return self._learning.lessons

    def statistics(self) -> FollowingStatistics:
        """What is known now, as a value."""
        return FollowingStatistics(
            tasks=len(self._planner),
            looks=self._asked + self._sweeper.pages,
            ended=self._seen,
            median_duration=self.durations.quantile(0.5),
            freshness=self.freshness.seconds,
        )

    def hint(self, task_id: str) -> None:
        """Somebody, who may be anybody, says that a task has ended: it is looked at sooner, as the planner allows."""
        if self._planner.hint(task_id, self._account.loop.time()):
            self._wake()

    async def aclose(self) -> None:
        """Ends all looks; whoever waits hears that the client was closed."""
        self._closed = True
        running = [*self._looks, *([self._looping] if self._looping else [])]
        for task in running:
            task.cancel()
        for task_id in tuple(self._planner):
            self._tell(task_id, None)
        if running:
            await asyncio.wait(running)

    def _born(self, wanted: Wanted, now: float) -> float | None:
        if wanted.created_at is None:
            return None
        return now - max(0.0, self._account.wall_clock() - wanted.created_at)

    def _tell(self, task_id: str, ending: Ending | None) -> None:
        task = self._planner.drop(task_id)
        for listener in () if task is None else task.listeners:
            listener.hear(task_id, ending)

    # -- the loop ---------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._news.set()
        if self._looping is None:
            self._looping = self._account.loop.create_task(self._run(), name="lipsync-follower")

    async def _run(self) -> None:
        """Looks as the planner says, as long as anybody waits."""
        try:
            while len(self._planner):
                self._news.clear()
                now = self._account.loop.time()
                room = len(self._looks) < self._most_out
                look = self._next_look(now) if room else None
                if look is None:
                    await self._pause(self._planner.wait(now) if room else None)
                    continue
                task = self._account.loop.create_task(look, name="lipsync-look")
                self._looks.add(task)
                task.add_done_callback(self._looked)
        finally:
            self._looping = None

    async def _pause(self, seconds: float | None) -> None:
        """Until so many seconds have passed, or there is news; None or infinity: until there is news."""
        timer = None
        if seconds is not None and seconds < float("inf"):
            timer = self._account.loop.call_later(seconds, self._news.set)
        try:
            await self._news.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _looked(self, look: asyncio.Task[None]) -> None:
        self._looks.discard(look)
        self._news.set()

    def _next_look(self, now: float) -> Coroutine[Any, Any, None] | None:
        """What is to be asked now: a list of tasks where many are due, else one; None: nothing."""
        sweep = self._sweeper.begin(now)
        if sweep is not None:
            return sweep
        task = self._planner.take(now)
        return None if task is None else self._look(task)

    # -- one look ---------------------------------------------------------------------------------------------------

    async def _look(self, task: Followed) -> None:
        """Whatever happens in it, the task is planned again or has ended."""
        try:
            await self._ask(task)
        except Exception as error:  # noqa: BLE001 - the caller's key may raise anything, and nobody is to wait for ever
            LOG.warning("task %s could not be asked for: %s", task.task_id, type(error).__name__)
            self._planner.hold(self._account.loop.time(), PAUSE)
        finally:
            self._planner.again(task, self._account.loop.time(), running=False)

    async def _ask(self, task: Followed) -> None:
        account, flight = self._account, Flight()
        self._asked += 1
        generation = account.credential.generation
        with account.wire.watching(flight):
            answer = await account.queries.get_task(task.task_id, flight)
            sign = judge_task(answer, task.external_task_id)
            if sign is Sign.MISSING or (sign in NOT_TOLD and not task.missing):
                task.missing, task.trouble = sign is Sign.MISSING, trouble_of(answer)
            if sign is Sign.KEY:
                await self._key_refused(generation)
            elif sign is Sign.MISSING:
                await self._missing(task, flight)
            else:
                await self._heard(task, answer, sign, flight)
        account.observe("look", external_task_id=task.external_task_id, action=sign.value)

    async def _heard(self, task: Followed, answer: TaskReply | Failure, sign: Sign, flight: Flight) -> None:
        now = self._account.loop.time()
        if isinstance(answer, TaskReply) and (sign is Sign.RUNNING or sign in ENDED):
            if sign is Sign.SUCCEEDED and not answer.video_url:
                url = await self._account.queries.content_url(task.task_id, flight)
                answer = evolve(answer, video_url=url)
            self._found(task, answer, sign, now)
        elif sign is Sign.PAUSE:
            self._planner.hold(now, PAUSE)
        elif isinstance(answer, Failure) or sign is Sign.SLOWER or answer.reply.status >= 500:
            hint = answer.reply.retry_after if isinstance(answer, TaskReply) else None
            self._planner.refused(now, hint)

    def _found(self, task: Followed, answer: TaskReply, sign: Sign, now: float) -> None:
        self._planner.answered()
        self._last_found = task.task_id
        task.absence = None
        task.missing, task.trouble = False, ""
        task.status = answer.reply.task_status
        _date(task, answer, now)
        if sign is Sign.RUNNING:
            self._planner.again(task, now, running=True)
            return
        state = state_of(task.task_id, answer)
        ending = ending_of(sign, state, task.external_task_id)
        took = None
        if task.task_id in self._planner:
            took = self._learning.ended(task, now, age_told=_age_told(state))
        self._end(task, ending, took)

    def _end(self, task: Followed, ending: Ended, took: float | None = None) -> None:
        if task.task_id in self._ended:
            return
        self._seen += 1
        self._ended[task.task_id] = ending
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        job = self._account.registry.recall(ending.external_task_id or "")
        self._free_slot(task, ending, job, took)
        if self._account.observer is not None:
            self._observe(ending, job)
        self._tell(task.task_id, ending)

    def _observe(self, ending: Ended, job: Job | None) -> None:
        outcome = None if job is None else job.outcome
        ours = isinstance(outcome, Accepted) and outcome.task_id == ending.task_id
        self._account.observe(
            "end",
            external_task_id=ending.external_task_id,
            task_id=ending.task_id,
            action=ending.name,
            kind=ending.kind if isinstance(ending, TaskFailed) else None,
            units=charged_units(ending),
            estimated_units=sent_units(job.request) if job is not None and ours else None,
        )

    def _free_slot(self, task: Followed, ending: Ended, job: Job | None, took: float | None) -> None:
        """The pacer counts the tasks that this client's own creates made; `took`: the seconds that it ran, if known."""
        account = self._account
        outcome = None if job is None else job.outcome
        if isinstance(outcome, Accepted) and outcome.task_id == ending.task_id and not outcome.replayed:
            now = account.loop.time()
            account.pacer.completed(now, age=now - task.born if task.dated else None, took=took)
            account.admission.poke()

    # -- no task ----------------------------------------------------------------------------------------------------

    async def _key_refused(self, generation: int) -> None:
        """One new key a generation; where there is none, all looks pause, and no task is lost by it."""
        account = self._account
        if account.credential.may_refresh(generation) and await account.renew(generation) is None:
            return
        self._planner.hold(account.loop.time(), PAUSE)

    async def _missing(self, task: Followed, flight: Flight) -> None:
        """Not found counts once it must be stored, and beside another task that is found (contract, section 5a)."""
        account = self._account
        settle_time = account.gateway.settle_time
        if account.loop.time() - task.born < settle_time and task.status is None:
            return
        witness = await self._hear_witness(task.task_id, flight)
        task.absence = task.absence or Absence()
        if task.absence.heard(account.loop.time(), witness=witness, settle_time=settle_time):
            self._end(task, TaskLost(task_id=task.task_id, external_task_id=task.external_task_id))

    async def _hear_witness(self, task_id: str, flight: Flight) -> bool | None:
        """Whether another task that exists is found by its task id; None: there is none, or no telling."""
        account = self._account
        other = self._last_found
        if other is None or other == task_id:
            known = account.trust.witness(account.mark, account.loop.time(), account.gateway.settle_time)
            other = None if known is None else known.task_id
        if other is None or other == task_id:
            return None
        sign = judge_task(await account.queries.get_task(other, flight))
        if sign is Sign.MISSING:
            return False
        return True if sign is Sign.RUNNING or sign in ENDED else None


def _date(task: Followed, answer: TaskReply, now: float) -> None:
    """The task may be older than was known: by the gateway's own clock, twice read."""
    if answer.told_at is not None and answer.reply.created_at is not None:
        task.born = min(task.born, now - max(0.0, answer.told_at - answer.reply.created_at))
        task.dated = True


def _age_told(state: TaskState) -> float | None:
    """Seconds from its create to its end, by the gateway's clock; None where it does not tell both."""
    if state.created_at is None or state.updated_at is None:
        return None
    age = state.updated_at - state.created_at
    return age if age >= SHORTEST else None
