"""Real sockets in virtual time: the clock jumps when no socket is ready and no thread is working.

Both ends of every connection are in one event loop, and loopback delivers at once.
So when no socket is ready, nothing is on its way, and only a timer can make anything happen.
No test that uses it depends on the speed of the machine.
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
"""How often the sockets are polled, after giving way to the kernel, before the clock jumps."""
PATIENCE = 60.0
"""Real seconds after which a test fails."""


class _Selector(selectors.DefaultSelector):
    loop: HurriedLoop

    def select(self, timeout: float | None = None) -> Any:
        assert monotonic() < self.loop.deadline, "a test in virtual time took too long"
        if (ready := super().select(0)) or timeout == 0:
            return ready
        if timeout is None or self.loop.threads:
            ready = super().select(PATIENCE)
            assert ready, "no timer is left, and no socket became ready"
            return ready
        for _ in range(GLANCES):
            os.sched_yield()
            if ready := super().select(0):
                return ready
        self.loop.now += timeout
        return ready


class HurriedLoop(asyncio.SelectorEventLoop):
    """An event loop with a virtual `time()`, which stands still while a thread is working."""

    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        self.now = 1000.0
        self.threads = 0
        self.deadline = monotonic() + PATIENCE
        super().__init__(selector)

    def time(self) -> float:
        """Returns virtual seconds."""
        return self.now

    def run_in_executor(self, *args: Any) -> Any:  # type: ignore[override]
        """Runs the work in a thread; the clock stands still until it is done."""
        self.threads += 1
        future = super().run_in_executor(*args)
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Joins the threads while the clock stands still; the parameter `timeout` is that of Python 3.12."""
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
