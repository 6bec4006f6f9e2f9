"""What a program can ask for about tasks: `LipSyncClient` has these calls beside its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from attrs import evolve

from lipsync_async.config import Following
from lipsync_async.dispatch.account import Account
from lipsync_async.dispatch.run import YIELD_EVERY
from lipsync_async.endings import Ending, Result, StillRunning, Succeeded, TaskResults, TaskState
from lipsync_async.errors import TaskError, TaskNotFoundError
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted, NotSent, Rejected, Unknown
from lipsync_async.terms import Failure, Kind
from lipsync_async.wire import TaskReply
from lipsync_async.wire.flight import Flight

from .fates import ENDED, Sign, judge_task, state_of
from .follower import Follower, FollowingStatistics, Wanted
from .waiting import Waiting

TaskLike = str | Accepted | TaskState | StillRunning
"""A task: its task id, or a value that names it."""
Waitable = TaskLike | Rejected | Unknown | NotSent
"""What `wait_many` takes: an outcome without a task comes back as it is."""


class TaskCalls:
    """The calls about tasks; all of a client's waits share one `Follower`."""

    _when_to_look: Following
    _follower: Follower | None = None

    def _ready(self) -> Account:
        raise NotImplementedError

    async def get_task(self, task: TaskLike) -> TaskState:
        """Looks at a task once, and returns what the gateway tells of it; it need not have ended.

        Raises `TaskNotFoundError`, which says nothing about its fate, or `TaskError` where no usable answer came.
        """
        account, wanted = self._ready(), wanted_of(task)
        answer, sign = await _look(account, wanted)
        if sign is Sign.KEY and account.credential.may_refresh(account.credential.generation):
            await account.renew(account.credential.generation)
            answer, sign = await _look(account, wanted)
        if isinstance(answer, TaskReply) and (sign is Sign.RUNNING or sign in ENDED):
            return state_of(wanted.task_id, answer)
        raise _not_told(wanted, answer, sign)

    async def wait(self, task: TaskLike, *, timeout: float | None = 3600.0) -> Succeeded:
        """Waits for the end of a task, for at most `timeout` seconds (None: as long as it takes).

        Many waits at once share one plan of looks; a wait that is cancelled leaves the task and the others alone.
        Raises `TaskFailedError`, `TaskLostError`, or `WaitTimeoutError`: the task goes on, and can be waited for again.
        """
        return await self._wait_for(self._know(wanted_of(task)), timeout)

    async def wait_many(
        self, tasks: Mapping[str, Waitable] | Iterable[Waitable], *, timeout: float | None = None
    ) -> TaskResults:
        """Waits for the end of all tasks, for at most `timeout` seconds (None: as long as it takes).

        `tasks`: a `BatchResult`, or any outcomes, endings and task ids; an outcome without a task comes back as it is.
        Returns the ending of each, by `external_task_id`, or by task id where no other is known; none is raised.
        """
        waiting = Waiting(self._follow())
        given = tuple(tasks.values() if isinstance(tasks, Mapping) else tasks)
        try:
            for number, one in enumerate(given, 1):
                if not isinstance(one, Rejected | Unknown | NotSent):
                    waiting.add(self._know(wanted_of(one)))
                if not number % YIELD_EVERY:
                    await asyncio.sleep(0)
            return results_of(given, await waiting.endings(timeout))
        finally:
            waiting.leave()

    def following(self) -> FollowingStatistics:
        """Returns what was learned about tasks: how long they take, and how late the gateway tells their ends.

        Raises `ClientClosedError` outside of `async with`.
        """
        return self._follow().statistics()

    def _follow(self) -> Follower:
        account = self._ready()
        if self._follower is None:
            self._follower = Follower(account, self._when_to_look)
        return self._follower

    async def _wait_for(self, wanted: Wanted, timeout: float | None) -> Succeeded:
        waiting = Waiting(self._follow())
        waiting.add(wanted)
        return _succeeded((await waiting.endings(timeout))[wanted.task_id])

    def _accepted_now(self, outcome: Accepted) -> Wanted:
        """A task whose job has just come out: it is new, unless an earlier run or a lost reply made it."""
        wanted = self._know(wanted_of(outcome))
        if outcome.replayed or outcome.recovered:
            return wanted
        return evolve(wanted, created_at=self._ready().wall_clock())

    def _know(self, wanted: Wanted) -> Wanted:
        """With the seconds of its sound, where the job is remembered."""
        job = self._ready().registry.recall(wanted.external_task_id or "")
        return wanted if job is None else evolve(wanted, sound=_sound_of(job.request))

    def _hint(self, task_id: str) -> None:
        """A callback says that a task has ended; one that nobody waits for costs nothing."""
        if self._follower is not None:
            self._follower.hint(task_id)

    async def _stop_following(self) -> None:
        if self._follower is not None:
            await self._follower.aclose()


def results_of(given: Iterable[Waitable], endings: Mapping[str, Ending]) -> TaskResults:
    """The endings in the order in which the tasks were given; what has no task as it is."""
    results: dict[str, Result] = {}
    for one in given:
        if isinstance(one, Rejected | Unknown | NotSent):
            results[one.external_task_id] = one
            continue
        wanted = wanted_of(one)
        ending = endings[wanted.task_id]
        results[wanted.external_task_id or ending.external_task_id or wanted.task_id] = ending
    return TaskResults(results)


def _succeeded(ending: Ending) -> Succeeded:
    """Raises the ending's error, unless it is a success."""
    error = ending.error()
    if error is not None:
        raise error
    assert isinstance(ending, Succeeded)
    return ending


def wanted_of(task: TaskLike) -> Wanted:
    """What is known of a task by what names it."""
    if isinstance(task, str):
        return Wanted(task_id=task)
    created_at = task.created_at if isinstance(task, Accepted | TaskState) else None
    return Wanted(task_id=task.task_id, external_task_id=task.external_task_id, created_at=created_at)


def _sound_of(request: LipSyncRequest) -> float | None:
    """Seconds of the cut that is spoken."""
    if not request.face_choose:
        return None
    face = request.face_choose[0]
    try:
        return max(0.0, (face.sound_end_time - face.sound_start_time) / 1000.0)
    except TypeError:  # the gateway took what our rules would not
        return None


async def _look(account: Account, wanted: Wanted) -> tuple[TaskReply | Failure, Sign]:
    flight = Flight()
    with account.wire.watching(flight):
        answer = await account.queries.get_task(wanted.task_id, flight)
    return answer, judge_task(answer, wanted.external_task_id)


def _not_told(wanted: Wanted, answer: TaskReply | Failure, sign: Sign) -> TaskError:
    names = {"task_id": wanted.task_id, "external_task_id": wanted.external_task_id}
    if isinstance(answer, Failure):
        text = f"task {wanted.task_id}: no answer ({answer.kind}): {answer.message}"
        return TaskError(text, kind=answer.kind, phase=answer.phase.name.lower(), **names)
    reply = answer.reply
    text = f"task {wanted.task_id}: HTTP {reply.status}: {reply.message or 'no usable answer'}"
    kinds = {Sign.KEY: Kind.AUTH, Sign.PAUSE: Kind.PERMISSION, Sign.SLOWER: Kind.RATE}
    told = TaskNotFoundError if sign is Sign.MISSING else TaskError
    kind = kinds.get(sign, Kind.SERVER if reply.status >= 500 else Kind.PROTOCOL)
    return told(text, kind=kind, http_status=reply.status, code=reply.code, request_id=reply.request_id, **names)
