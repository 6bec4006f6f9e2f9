"""A call that waits: for one task or for many, each until its ending is known, written down and told.

Where a job was submitted again after its task failed (`again`), its next task is waited for in place of the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar
from weakref import WeakSet

import msgspec

from lipsync_async.dispatch.account import LOG
from lipsync_async.endings import Ended, Ending, TaskFailed
from lipsync_async.errors import ClientClosedError, JournalError
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted, Outcome

from .again import Again, Awaited, Resubmission
from .follower import Follower
from .planner import Listener
from .taskbook import LEARN_EVERY, Taskbook
from .wanted import Wanted, sound_of

CLOSED = "the client was closed while tasks were waited for; they go on at the gateway, and can be waited for again"


class Waiting:
    """The tasks that one call waits for; `deliver` gets every ending once. Leave it, and they are left alone."""

    def __init__(
        self,
        follower: Follower,
        deliver: Callable[[Ending], None],
        *,
        taskbook: Taskbook | None = None,
        resubmission: Resubmission | None = None,
        looks_up: bool = False,
    ) -> None:
        self._follower = follower
        self._deliver = deliver
        self._taskbook = taskbook
        self._again = Again(taskbook, resubmission, self._came_again, looks_up=looks_up)
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._tasks: dict[str, Awaited] = {}
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
        if not self._again.may_submit:
            request = None
        it = Awaited(wanted.task_id, wanted.external_task_id, wanted.units, outcome, request, earlier)
        known = self._on_record(it)
        self._tasks[wanted.task_id] = it
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

        To be called when all jobs have come out. Raises `ClientClosedError`.
        """
        self._again.release()
        if self._tasks and not self._closed and not self._stopped:
            self._done = self._loop.create_future()
            await asyncio.wait([self._done], timeout=timeout)
        if self._closed:
            raise ClientClosedError(CLOSED)
        await self.give_up()

    async def give_up(self) -> None:
        """Waits no longer: every task that has not ended is told as still running.

        A submission that is under way has its grace; one that waits for its turn is not begun.
        """
        self.stop()
        self._again.release()
        while self._again.submitting:
            await asyncio.wait(self._again.submitting)
        waited = self._loop.time() - self._begun
        for it in tuple(self._tasks.values()):
            wanted = Wanted(task_id=it.task_id, external_task_id=it.external_task_id)
            running = self._follower.still_running(wanted, waited)
            self._follower.leave(it.task_id, self)
            self._tell(it, running)

    def stop(self) -> None:
        """Ends patience: `finish` returns as soon as it can, and nothing is submitted again from now on."""
        self._stopped = True
        self._again.stop()
        self._wake()

    def abort(self) -> None:
        """The same without grace for what is submitted again."""
        self.stop()
        self._loop.call_soon(self._again.cut)  # two cancellations in one turn of the loop would be one

    def leave(self) -> None:
        """Waits no longer, and tells nothing; the tasks go on, and so do the other waits for them."""
        for task_id in tuple(self._tasks):
            self._follower.leave(task_id, self)
        self._tasks.clear()
        self._again.cut()

    def came_out(self, outcome: Outcome) -> None:
        """What an earlier run had submitted again was looked up: it is no job of its own (`Taskbook.ties`)."""
        self._again.came_out(outcome)

    # -- endings ----------------------------------------------------------------------------------------------------

    def _on_record(self, it: Awaited) -> Ended | None:
        """What an earlier run with the journal saw; a task that is new has no ending."""
        if self._taskbook is None or (it.outcome is not None and not it.outcome.replayed):
            return None
        return self._taskbook.ending(it.external_task_id, it.task_id)

    def _write(self, it: Awaited, ending: Ending) -> None:
        name = it.external_task_id
        if self._taskbook is None or name is None or ending.name == "running":
            self._ended(it, ending)
            return
        self._written += 1
        if not self._written % LEARN_EVERY:
            self._taskbook.remember(self._follower.lessons)
        self._taskbook.settle(ending, name, partial(self._ended, it, ending))

    def _ended(self, it: Awaited, ending: Ending) -> None:
        """An ending that is durable, where there is a journal."""
        if self._tasks.get(it.task_id) is not it:
            return  # it was given up meanwhile
        if not isinstance(ending, TaskFailed) or not self._again.takes(it, ending):
            self._tell(it, ending)

    def _tell(self, it: Awaited, ending: Ending) -> None:
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

    def _came_again(self, it: Awaited, failed: TaskFailed, outcome: Outcome | None) -> None:
        """What came of the next submission of a job whose task failed; None: there is none."""
        if self._tasks.get(it.task_id) is not it:
            return  # it was left
        if not isinstance(outcome, Accepted) or not self._go_on(it, failed, outcome):
            self._tell(it, msgspec.structs.replace(failed, again=outcome))

    def _go_on(self, it: Awaited, failed: TaskFailed, outcome: Accepted) -> bool:
        """The new task is waited for in place of the old one.

        False where somebody handed in that task too, or where the journal cannot tell whether it has ended.
        """
        if outcome.task_id in self._tasks:
            return False
        del self._tasks[it.task_id]
        line = None if it.outcome is None else it.outcome.line
        ended = msgspec.structs.replace(failed, external_task_id=it.external_task_id)
        wanted = Wanted(
            task_id=outcome.task_id,
            external_task_id=outcome.external_task_id,
            created_at=outcome.created_at,
            sound=None if it.request is None else sound_of(it.request),
            units=it.units,
        )
        try:
            self.add(wanted, msgspec.structs.replace(outcome, line=line), it.request, (*it.earlier, ended))
        except JournalError as error:
            LOG.warning("%s is not waited for: %s", outcome.external_task_id, error)
            self._tasks[it.task_id] = it
            return False
        return True


class Patient(Protocol):
    """A call that waits for tasks."""

    def stop(self) -> None:
        """Ends patience: what has not ended is told as still running."""
        ...

    def abort(self) -> None:
        """The same without grace for what is submitted meanwhile."""
        ...


P = TypeVar("P", bound=Patient)


class Waits:
    """The calls of one client that wait for tasks, as long as somebody holds them."""

    def __init__(self) -> None:
        self._all: WeakSet[Patient] = WeakSet()

    def add(self, wait: P) -> P:
        """Returns it."""
        self._all.add(wait)
        return wait

    def stop(self, *, at_once: bool = False) -> None:
        """Nobody waits any longer."""
        for wait in tuple(self._all):
            if at_once:
                wait.abort()
            else:
                wait.stop()
