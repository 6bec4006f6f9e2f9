"""Virtual time: an event loop whose clock jumps to the next timer, so that hours of waiting take milliseconds."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 200_000
"""How many rounds of the loop may pass while time stands still; more are taken for an endless loop."""


class DeadlockError(AssertionError):
    """Nothing is ready and no timer is left: every task that waits would wait for ever."""


class LivelockError(AssertionError):
    """Some task is always ready, so that time never passes."""


class Crash(KeyboardInterrupt):
    """Stands for the end of the process; it is no `Exception`, so that nothing in the loop catches it."""


class _JumpingSelector(selectors.DefaultSelector):
    """Polls without waiting, and adds the time that would have passed to the clock of the loop."""

    loop: VirtualLoop
    still = 0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise DeadlockError("no timer is left and nothing is ready")
        if timeout > 0:
            self.still = 0
            self.loop.now += timeout
            return ready
        self.still += 1
        if self.still > PATIENCE:
            raise LivelockError(f"{PATIENCE} rounds at {self.loop.now}")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`loop.time()` is virtual; `time.monotonic()` stands still.

    Work for a thread is done at once instead.
    `complaints` holds the reports to the exception handler of the loop.
    """

    def __init__(self, start: float = 1000.0) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self.now = start
        self.complaints: list[dict[str, Any]] = []
        super().__init__(selector)
        self.set_exception_handler(lambda _, context: self.complaints.append(context))

    def time(self) -> float:
        """Returns virtual seconds."""
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Does the work at once instead of in a thread, because threads have no virtual time."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - the one who waits gets it
            future.set_exception(error)
        return future

    def run_to_end(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs one coroutine to its end, and closes the loop."""
        try:
            asyncio.set_event_loop(self)
            return self.run_until_complete(coroutine)
        finally:
            self.abandon()

    def run_until(self, coroutine: Coroutine[Any, Any, Any], moment: float) -> bool:
        """Runs until a moment of virtual time or a `Crash`, then drops everything, as the end of a process does.

        Returns whether the coroutine had ended before.
        """
        try:
            asyncio.set_event_loop(self)
            task = self.create_task(coroutine)
            task.add_done_callback(lambda _: self.stop())
            self.call_at(moment, self.stop)
            try:
                self.run_forever()
            except Crash:
                return False
            ended = task.done()
            if ended:
                task.result()
            return ended
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Drops all pending tasks.

        Their `finally` clauses do run, because a coroutine cannot end without: a test that simulates a crash must
        close its records before.
        """
        buried: set[asyncio.Task[Any]] = set()
        while tasks := asyncio.all_tasks(self) - buried:  # last words may begin new ones
            for task in tasks:
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _bury(task)
            buried |= tasks
        asyncio.set_event_loop(None)
        self.close()


def _bury(task: asyncio.Task[Any]) -> None:
    coroutine: Any = task.get_coro()
    for _ in range(20):  # each `await` of its last words is refused
        with contextlib.suppress(Exception, asyncio.CancelledError, BaseExceptionGroup, Crash):
            coroutine.close()
            return


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine in virtual time."""
    return VirtualLoop().run_to_end(coroutine)
