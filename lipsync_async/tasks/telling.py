"""Endings as they come, and the caller's hook that hears of each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from inspect import isawaitable

from attrs import frozen

from lipsync_async.dispatch.account import callers_error
from lipsync_async.endings import Ending, Result
from lipsync_async.outcomes import NotSent, Rejected, Unknown
from lipsync_async.task_results import TaskResults

from .wanted import TaskLike, wanted_of

Waitable = TaskLike | Rejected | Unknown | NotSent
"""What `wait_many` takes: an outcome without a task comes back as it is."""


@frozen
class TaskProgress:
    """What `on_progress` of a call that only waits is told, once a result."""

    done: int
    total: int | None
    """None where it is not known how many there will be."""
    result: Result


OnTaskProgress = Callable[[TaskProgress], Awaitable[None] | None]
"""Called once a result; where it is async, the waiting goes on meanwhile. What it raises ends the call."""


class Telling:
    """The endings of one call, by task id."""

    def __init__(self, hook: OnTaskProgress | None, total: int) -> None:
        self.endings: dict[str, Ending] = {}
        self.stop: Callable[[], None] | None = None
        """Ends the call's patience, when the hook has raised."""
        self._hook = hook
        self._total = total
        self._done = 0
        self._hooks: set[asyncio.Future[None]] = set()
        self._failure: Exception | None = None

    def put(self, ending: Ending) -> None:
        """A task has ended, or patience has."""
        self.endings[ending.task_id] = ending
        self.tell(ending)

    def tell(self, result: Result) -> None:
        """One result more; raises nothing."""
        if self._hook is None or self._failure is not None:
            return
        self._done += 1
        try:
            waiting = self._hook(TaskProgress(self._done, self._total, result))
        except (Exception, asyncio.CancelledError, GeneratorExit) as error:  # noqa: BLE001 - the caller's own
            self._fail(error)
            return
        if isawaitable(waiting):
            hook = asyncio.ensure_future(waiting)
            self._hooks.add(hook)
            hook.add_done_callback(self._heard)

    async def finish(self) -> None:
        """Waits until all was heard; raises what the hook raised."""
        while self._hooks and self._failure is None:
            await asyncio.wait(self._hooks, return_when=asyncio.FIRST_COMPLETED)
        if self._failure is not None:
            raise self._failure

    def leave(self) -> None:
        """What is not heard by now is not waited for."""
        hooks, self._hooks = self._hooks, set()
        for hook in hooks:
            hook.cancel()

    def _heard(self, hook: asyncio.Future[None]) -> None:
        if hook not in self._hooks:
            return  # it was left
        self._hooks.remove(hook)
        error = asyncio.CancelledError() if hook.cancelled() else hook.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = callers_error(error, "on_progress")
            if self.stop is not None:
                self.stop()


def count_of(given: Iterable[Waitable]) -> int:
    """How many results there will be: a task that is given twice has one. Raises `WrongArgumentError`."""
    return len({_key(one) for one in given})


def _key(one: Waitable) -> tuple[bool, str]:
    if isinstance(one, Rejected | Unknown | NotSent):
        return False, one.external_task_id
    return True, wanted_of(one).task_id


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
