"""Real sockets in virtual time: the clock jumps when no socket has news and no thread is at work.

Both ends of every connection live in the one loop, and loopback delivers at once: when nothing is ready, nothing is
under way, so that only a timer can bring more. No test here depends on how fast the machine is.
"""

from __future__ import annotations

import asyncio
import os
import selectors
from collections.abc import Coroutine
from time import monotonic
from typing import Any, TypeVar

T = TypeVar("T")

GLANCES = 3
"""Looks at the sockets, each after the kernel had its turn, before the clock jumps."""
PATIENCE = 60.0
"""Real seconds after which a test is declared dead."""


class _Selector(selectors.DefaultSelector):
    loop: HurriedLoop

    def select(self, timeout: float | None = None) -> Any:
        assert monotonic() < self.loop.deadline, "a test in virtual time that takes for ever"
        if (ready := super().select(0)) or timeout == 0:
            return ready
        if timeout is None or self.loop.threads:
            ready = super().select(PATIENCE)
            assert ready, "no timer is left, and no socket had news for long"
            return ready
        for _ in range(GLANCES):
            os.sched_yield()
            if ready := super().select(0):
                return ready
        self.loop.now += timeout
        return ready


class HurriedLoop(asyncio.SelectorEventLoop):
    """`loop.time()` is virtual; while work is in a thread it stands still."""

    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        self.now = 1000.0
        self.threads = 0
        self.deadline = monotonic() + PATIENCE
        super().__init__(selector)

    def time(self) -> float:
        """Virtual seconds."""
        return self.now

    def run_in_executor(self, *args: Any) -> Any:  # type: ignore[override]
        """The clock stands still until it is done."""
        self.threads += 1
        future = super().run_in_executor(*args)
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Joining threads takes real time, in which the clock stands still; its time-out is Python 3.12's."""
        self.threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self.threads -= 1

    def _thread_done(self, _: object) -> None:
        self.threads -= 1


def hurry(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=HurriedLoop) as runner:
        return runner.run(coroutine)
