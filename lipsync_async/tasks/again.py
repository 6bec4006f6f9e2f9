"""A job whose task failed for a reason of the gateway's, submitted again under a new id; or so by an earlier run.

The journal has it, before the second create is sent, that the one id stands for the other (`Taskbook.tie`): so a later
run, with or without the caller's leave to submit again, tells of one job and not of two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import Any

import msgspec
from attrs import frozen

from lipsync_async.dispatch.account import LOG
from lipsync_async.endings import FailureKind, TaskFailed
from lipsync_async.errors import ConfigurationError, JournalError
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted, Outcome, Unknown
from lipsync_async.terms import Kind
from lipsync_async.wire.identity import again

from .taskbook import Taskbook

MOST_AGAIN = 3
"""Times that a job is submitted again."""

MAY_BE_SUBMITTED_AGAIN = frozenset({FailureKind.CAPACITY, FailureKind.GATEWAY})
"""Where the same content may succeed."""


@frozen
class Resubmission:
    """The caller's leave to submit a job again whose task failed."""

    kinds: frozenset[FailureKind]
    """Why it failed; `content` and `media` would fail again."""
    submit: Callable[[LipSyncRequest], Coroutine[Any, Any, Outcome]]
    """Cancelled, it gives what is in flight its grace, and returns what became of the job where it knows."""
    max_id_length: int


# There may be a hundred thousand, and nothing in one leads back to it.
class Awaited(msgspec.Struct, gc=False, eq=False):
    """One task, and the job that made it, where that is known."""

    task_id: str
    external_task_id: str | None
    units: float | None
    """What it should cost at list price."""
    outcome: Accepted | None = None
    request: LipSyncRequest | None = None
    """Where it may be submitted again."""
    earlier: tuple[TaskFailed, ...] = ()

    @property
    def job(self) -> str | None:
        """The id of the job's first submission."""
        return self.earlier[0].external_task_id if self.earlier else self.external_task_id


Done = Callable[[Awaited, TaskFailed, Outcome | None], None]
"""Hears what came of the job's next submission; None: there is none, and the failure is its end."""


class Again:
    """The second submissions of the jobs that one call waits for.

    `looks_up`: what the journal has open or unknown comes out in this call by itself, and is handed to `came_out`.
    """

    def __init__(
        self, taskbook: Taskbook | None, leave: Resubmission | None, done: Done, *, looks_up: bool = False
    ) -> None:
        self._taskbook = taskbook
        self._leave = leave
        self._done = done
        self._looks_up = looks_up
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        self._held: dict[str, tuple[Awaited, TaskFailed]] = {}
        """By the id under which they were submitted again: that one is looked up."""
        self._came: dict[str, Outcome] = {}
        """What came out before the failure of its first submission was read."""
        self.submitting: set[asyncio.Task[Outcome]] = set()

    @property
    def may_submit(self) -> bool:
        """Whether requests are worth keeping for it."""
        return self._leave is not None

    def takes(self, it: Awaited, failed: TaskFailed) -> bool:
        """A task failed: whether it is not the end of its job. `done` is called then, once, at once or later."""
        request = self._request(it, failed)
        if request is not None:
            self._submit(it, failed, request)
            return True
        return self._is_on_record(it, failed)

    def came_out(self, outcome: Outcome) -> None:
        """What an earlier run had submitted again was looked up."""
        held = self._held.pop(outcome.external_task_id, None)
        if held is None:
            self._came[outcome.external_task_id] = outcome
        else:
            self._done(*held, outcome)

    def release(self) -> None:
        """No more comes out: what was held is told as it is known."""
        while self._held:
            name, held = self._held.popitem()
            self._done(*held, Unknown(external_task_id=name, kind=Kind.CANCELLED, message="it was not looked up"))

    def stop(self) -> None:
        """From now on nothing is submitted again; what is under way has its grace."""
        if not self._stopped:
            self._stopped = True
            self.cut()

    def cut(self) -> None:
        """Ends what is being submitted."""
        for task in self.submitting:
            task.cancel()

    # -- with the caller's leave ------------------------------------------------------------------------------------

    def _request(self, it: Awaited, failed: TaskFailed) -> LipSyncRequest | None:
        """The job under its next id, where its task's failure allows that; else None."""
        leave = self._leave
        if leave is None or it.request is None or self._stopped:
            return None
        if failed.kind not in leave.kinds or len(it.earlier) >= MOST_AGAIN:
            return None
        return again(it.request, it.job or "", len(it.earlier) + 1, max_length=leave.max_id_length)

    def _submit(self, it: Awaited, failed: TaskFailed, request: LipSyncRequest) -> None:
        assert self._leave is not None
        coroutine = self._tied(it, request, self._leave)
        task = self._loop.create_task(coroutine, name="lipsync-again")
        self.submitting.add(task)
        task.add_done_callback(partial(self._submitted, it, failed, request))

    async def _tied(self, it: Awaited, request: LipSyncRequest, leave: Resubmission) -> Outcome:
        """Raises `JournalError`, and nothing is submitted, where it cannot be written whose submission it is."""
        if self._taskbook is not None and it.job is not None:
            await self._taskbook.tie(it.job, len(it.earlier) + 1, request.external_task_id or "")
        return await leave.submit(request)

    def _submitted(self, it: Awaited, failed: TaskFailed, request: LipSyncRequest, task: asyncio.Task[Outcome]) -> None:
        """It came out, or was broken off: whatever happened, the failure that was seen is not lost."""
        self.submitting.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            why = f"{error}" or type(error).__name__
            LOG.warning("%s could not be submitted again: %s", request.external_task_id, why)
        self._done(it, failed, None if error is not None else task.result())

    # -- by an earlier run ------------------------------------------------------------------------------------------

    def _is_on_record(self, it: Awaited, failed: TaskFailed) -> bool:
        if self._taskbook is None or it.job is None:
            return False
        try:
            name = self._taskbook.tied(it.job, len(it.earlier) + 1)
            came = None if name is None else self._came.pop(name, None)
            found = came or (None if name is None else self._taskbook.outcome(name))
        except JournalError as error:
            LOG.warning("what came of %s after its task failed cannot be read: %s", it.job, error)
            return False
        if name is None or found is None:
            return False
        if came is None and isinstance(found, Unknown) and self._looks_up and not self._stopped:
            self._held[name] = (it, failed)
        else:
            self._done(it, failed, found)
        return True


def kinds_of(resubmit: Collection[str]) -> frozenset[FailureKind]:
    """Leave for these kinds. Raises `ConfigurationError` for a kind that would fail again, or is none."""
    names = {resubmit} if isinstance(resubmit, str) else set(resubmit)
    wrong = sorted(names - {kind.value for kind in MAY_BE_SUBMITTED_AGAIN})
    if wrong:
        allowed = " and ".join(sorted(MAY_BE_SUBMITTED_AGAIN))
        raise ConfigurationError(f"resubmit knows {allowed}, not {', '.join(map(repr, wrong))}")
    return frozenset(map(FailureKind, names))
