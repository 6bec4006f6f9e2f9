"""Virtual time: an event loop whose clock jumps to the next timer, so that hours of waiting take milliseconds."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 200_000
"""Rounds of the loop in which time may stand still: whoever needs more spins."""


class DeadlockError(AssertionError):
    """Nothing is ready and no timer is left: whoever waits now waits for ever."""


class LivelockError(AssertionError):
    """Somebody is always ready, and time never passes."""


class Crash(KeyboardInterrupt):
    """The process is gone: raised by whoever plays the operating system, it leaves the loop as no Exception does."""


class _JumpingSelector(selectors.DefaultSelector):
    """Polls with zero, and hands the time that would have passed to the loop's clock."""

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

    What goes to a thread is done at once instead.
    `complaints` holds what was reported to the loop's exception handler.
    """

    def __init__(self, start: float = 1000.0) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self.now = start
        self.complaints: list[dict[str, Any]] = []
        super().__init__(selector)
        self.set_exception_handler(lambda _, context: self.complaints.append(context))

    def time(self) -> float:
        """Virtual seconds."""
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """A thread's work, done at once: threads know nothing of virtual time."""
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
        """Runs until a moment of virtual time, then drops everything as a crash does; whether it had ended before.

        A `Crash` that somebody raises ends it too.
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
        """Whatever is pending never goes on.

        Its `finally` clauses do run, for Python knows no other end of a coroutine: whoever keeps the books of a
        crash closes them before.
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
        with contextlib.suppress(Exception, asyncio.CancelledError, Crash):
            coroutine.close()
            return


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine in virtual time."""
    return VirtualLoop().run_to_end(coroutine)
