"""A call that waits: for one task or for many, each until its ending is known, written down and told.

A task that failed for a reason of the gateway's may be submitted again, under a new id, where the caller asked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from attrs import frozen

from lipsync_async.dispatch.account import LOG
from lipsync_async.endings import Ended, Ending, FailureKind, TaskFailed
from lipsync_async.errors import ClientClosedError
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted, Outcome
from lipsync_async.wire.identity import again

from .follower import Follower
from .planner import Listener
from .taskbook import LEARN_EVERY, Taskbook
from .wanted import Wanted, sound_of

CLOSED = "the client was closed while tasks were waited for; they go on at the gateway, and can be waited for again"
MOST_AGAIN = 3
"""Times that a job is submitted again."""


@frozen
class Resubmission:
    """The caller's leave to submit a job again whose task failed."""

    kinds: frozenset[FailureKind]
    """Why it failed; `content` and `media` would fail again."""
    submit: Callable[[LipSyncRequest], Awaitable[Outcome]]
    max_id_length: int


# There may be a hundred thousand, and nothing in one leads back to it.
class _Awaited(msgspec.Struct, gc=False, eq=False):
    """One task, and the job that made it, where that is known."""

    task_id: str
    external_task_id: str | None
    units: float | None
    """What it should cost at list price."""
    outcome: Accepted | None = None
    request: LipSyncRequest | None = None
    """Where it may be submitted again."""
    earlier: tuple[TaskFailed, ...] = ()


class Waiting:
    """The tasks that one call waits for; `deliver` gets every ending once. Leave it, and they are left alone."""

    def __init__(
        self,
        follower: Follower,
        deliver: Callable[[Ending], None],
        *,
        taskbook: Taskbook | None = None,
        resubmission: Resubmission | None = None,
    ) -> None:
        self._follower = follower
        self._deliver = deliver
        self._taskbook = taskbook
        self._resubmission = resubmission
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._tasks: dict[str, _Awaited] = {}
        self._submitting: set[asyncio.Task[None]] = set()
        self._done: asyncio.Future[None] | None = None
        self._written = 0
        self._closed = self._stopped = False
        self.alone: tuple[Listener, ...] = (self,)

    def __len__(self) -> int:
        return len(self._tasks)

    def add(
        self,
        wanted: Wanted,
        outcome: Accepted | None = None,
        request: LipSyncRequest | None = None,
        earlier: tuple[TaskFailed, ...] = (),
    ) -> None:
        """One more task; one that is waited for already is the same.

        `outcome` and `request` are those of its job; `earlier`, the job's tasks that failed before this one.
        Raises `JournalError`.
        """
        if wanted.task_id in self._tasks:
            return
        if self._resubmission is None:
            request = None
        it = _Awaited(wanted.task_id, wanted.external_task_id, wanted.units, outcome, request, earlier)
        self._tasks[wanted.task_id] = it
        known = self._on_record(it)
        if known is not None:
            self._ended(it, known)
        else:
            self._follower.follow(wanted, self)

    def hear(self, task_id: str, ending: Ending | None) -> None:
        """A task ended; None: the client was closed."""
        it = self._tasks.get(task_id)
        if ending is None:
            self._closed = True
            self._wake()
        elif it is not None:
            self._write(it, msgspec.structs.replace(ending, estimated_units=it.units))

    async def finish(self, timeout: float | None) -> None:
        """Waits for at most so many seconds (None: as long as it takes); what has not ended by then is still running.

        Raises `ClientClosedError`.
        """
        if self._tasks and not self._closed and not self._stopped:
            self._done = self._loop.create_future()
            await asyncio.wait([self._done], timeout=timeout)
        if self._closed:
            raise ClientClosedError(CLOSED)
        await self.give_up()

    async def give_up(self) -> None:
        """Waits no longer: every task that has not ended is told as still running."""
        await self._end_submissions()
        waited = self._loop.time() - self._begun
        for it in tuple(self._tasks.values()):
            wanted = Wanted(task_id=it.task_id, external_task_id=it.external_task_id)
            running = self._follower.still_running(wanted, waited)
            self._follower.leave(it.task_id, self)
            self._tell(it, running)

    def stop(self) -> None:
        """Ends patience: `finish` returns as soon as it can."""
        self._stopped = True
        self._wake()

    def leave(self) -> None:
        """Waits no longer, and tells nothing; the tasks go on, and so do the other waits for them."""
        for task_id in tuple(self._tasks):
            self._follower.leave(task_id, self)
        self._tasks.clear()
        for task in self._submitting:
            task.cancel()

    # -- endings ----------------------------------------------------------------------------------------------------

    def _on_record(self, it: _Awaited) -> Ended | None:
        """What an earlier run with the journal saw; a task that is new has no ending."""
        if self._taskbook is None or (it.outcome is not None and not it.outcome.replayed):
            return None
        return self._taskbook.ending(it.external_task_id, it.task_id)

    def _write(self, it: _Awaited, ending: Ending) -> None:
        name = it.external_task_id
        if self._taskbook is None or name is None or ending.name == "running":
            self._ended(it, ending)
            return
        self._written += 1
        if not self._written % LEARN_EVERY:
            self._taskbook.remember(self._follower.lessons)
        self._taskbook.settle(ending, name, partial(self._ended, it, ending))

    def _ended(self, it: _Awaited, ending: Ending) -> None:
        """An ending that is durable, where there is a journal."""
        if self._tasks.get(it.task_id) is not it:
            return  # it was given up meanwhile
        request = self._request_again(it, ending)
        if request is None or not isinstance(ending, TaskFailed):
            self._tell(it, ending)
            return
        task = self._loop.create_task(self._submit_again(it, ending, request), name="lipsync-again")
        self._submitting.add(task)
        task.add_done_callback(self._submitting.discard)

    def _tell(self, it: _Awaited, ending: Ending) -> None:
        if ending.estimated_units is None:  # on record by a run that did not know the request
            ending = msgspec.structs.replace(ending, estimated_units=it.units)
        del self._tasks[it.task_id]
        name = ending.external_task_id or it.external_task_id
        self._deliver(msgspec.structs.replace(ending, external_task_id=name, outcome=it.outcome, earlier=it.earlier))
        if not self._tasks:
            self._wake()

    def _wake(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    # -- once more --------------------------------------------------------------------------------------------------

    def _request_again(self, it: _Awaited, ending: Ending) -> LipSyncRequest | None:
        """The job under its next id, where its task's failure allows that; else None."""
        leave = self._resubmission
        if leave is None or it.request is None or not isinstance(ending, TaskFailed) or self._stopped:
            return None
        if ending.kind not in leave.kinds or len(it.earlier) >= MOST_AGAIN:
            return None
        name = it.earlier[0].external_task_id if it.earlier else it.external_task_id
        return again(it.request, name or "", len(it.earlier) + 1, max_length=leave.max_id_length)

    async def _submit_again(self, it: _Awaited, failed: TaskFailed, request: LipSyncRequest) -> None:
        assert self._resubmission is not None
        try:
            outcome = await self._resubmission.submit(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the failure that was seen is told
            LOG.warning("%s could not be submitted again: %s", request.external_task_id, error)
            self._tell(it, failed)
            return
        if not isinstance(outcome, Accepted):
            self._tell(it, msgspec.structs.replace(failed, again=outcome))
            return
        del self._tasks[it.task_id]
        line = None if it.outcome is None else it.outcome.line
        ended = msgspec.structs.replace(failed, external_task_id=it.external_task_id)
        self.add(
            Wanted(
                task_id=outcome.task_id,
                external_task_id=outcome.external_task_id,
                created_at=outcome.created_at,
                sound=sound_of(request),
                units=it.units,
            ),
            msgspec.structs.replace(outcome, line=line),
            it.request,
            (*it.earlier, ended),
        )

    async def _end_submissions(self) -> None:
        """Those that are under way come out, or are broken off by the end of the run."""
        while self._submitting:
            await asyncio.wait(self._submitting)
