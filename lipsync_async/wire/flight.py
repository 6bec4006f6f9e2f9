"""How far one request got, and the watchdog that breaks off what takes too long.

One watchdog looks at all requests twice a second, which costs nothing a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lipsync_async.config import Timeouts
from lipsync_async.terms import Kind, Phase

TICK = 0.5
"""Seconds between two looks of the watchdog."""


class Flight:
    """One request under way; a worker keeps one for all its jobs."""

    __slots__ = ("aborted", "begun", "guard", "held_back", "phase", "sound_fault", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.phase = Phase.WAITING
        self.begun: float | None = None
        """The loop's time; None while nothing is under way."""
        self.aborted: Kind | None = None
        """Why the watchdog, or a batch that ends, broke it off."""
        self.sound_fault: OSError | None = None
        self.guard: Callable[[], bool] | None = None
        """Asked right before the first byte of a create can be acted upon; where it says no, nothing leaves."""
        self.held_back = False
        """It said no."""

    def sending(self) -> None:
        """The last bytes of a create leave now. Raises `ConnectionAbortedError` where they must not."""
        if self.guard is not None and not self.guard():
            self.held_back = True
            raise ConnectionAbortedError("held back: this process may have lost its claim")
        self.phase = Phase.SENT

    def begin(self, now: float) -> None:
        """A new request."""
        self.phase = Phase.CONNECTING
        self.begun = now
        self.aborted = None
        self.sound_fault = None

    def abort(self, kind: Kind) -> None:
        """Breaks the request off; its `post` returns a `Failure` of this kind."""
        if self.begun is not None and self.aborted is None and self.task is not None:
            self.aborted = kind
            self.task.cancel()

    def swallow_cancellation(self) -> bool:
        """Whether a cancellation that just arrived was our own `abort`, and no one else's."""
        return self.aborted is not None and self.task is not None and self.task.uncancel() == 0


def judged_at(now: float, *, due: float, last: float, tick: float) -> float:
    """The moment by which a look of the watchdog judges what is overdue.

    `due` is when it was to come, `last` when the one before it came.
    A look that comes more than a tick late says that the loop stood still: a stopped process, a laptop's lid, a long
    call.
    What arrived meanwhile was not read yet, so only what was overdue at the last look is broken off now.
    The rest has until the next look, one tick later; a loop that is always late postpones nothing for longer.
    """
    return last if now - due > tick else now


class Watchdog:
    """Breaks off what takes longer than `Timeouts` allow, but not what was answered while the process stood still."""

    def __init__(self, timeouts: Timeouts, loop: asyncio.AbstractEventLoop) -> None:
        self._timeouts = timeouts
        self._loop = loop
        self._flights: set[Flight] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._tick = min(TICK, timeouts.total / 4, timeouts.connect / 4)
        self._last = 0.0

    @contextmanager
    def watching(self, flight: Flight) -> Iterator[None]:
        """For as long as a worker lives."""
        flight.task = asyncio.current_task()
        self._flights.add(flight)
        if self._timer is None:
            self._look_later()
        try:
            yield
        finally:
            self._flights.discard(flight)
            if not self._flights and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _look_later(self) -> None:
        self._last = self._loop.time()
        self._timer = self._loop.call_later(self._tick, self._look)

    def _look(self) -> None:
        last = self._last
        moment = judged_at(self._loop.time(), due=last + self._tick, last=last, tick=self._tick)
        self._look_later()
        for flight in self._flights:
            if flight.begun is not None:
                connecting = flight.phase is Phase.CONNECTING
                if moment - flight.begun >= (self._timeouts.connect if connecting else self._timeouts.total):
                    flight.abort(Kind.TIMEOUT)
