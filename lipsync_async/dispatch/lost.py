"""One line for people about replies that were lost: how many, and until when they are looked up."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from .lookup import AFTER_HOLD, NOT_FOUNDS, UNTRUSTED_DELAYS, Inquiry

TOGETHER = 1.0
"""Seconds after the first lost reply: those that are lost meanwhile stand in the same line."""
APART = 30.0
"""Seconds between two lines, at least."""


def latest(inquiry: Inquiry, settle_time: float, *, trusted: bool) -> float:
    """When a job's fate is known at the latest, by the loop's clock, where every look-up gets its answer."""
    if not trusted:
        return inquiry.since + sum(UNTRUSTED_DELAYS)
    return max(inquiry.since + settle_time, inquiry.held_until + (NOT_FOUNDS - 1) * AFTER_HOLD * settle_time)


class LostReplies:
    """Counts them, and tells of several at once; where nobody listens it does nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wall_clock: Callable[[], float], log: logging.Logger) -> None:
        self._loop = loop
        self._wall_clock = wall_clock
        self._log = log
        self._count = 0
        self._until = 0.0
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, until: float) -> None:
        """One more, which is looked up until then, by the loop's clock."""
        if not self._log.isEnabledFor(logging.INFO):
            return
        self._count += 1
        self._until = max(self._until, until)
        if self._timer is None:
            self._timer = self._loop.call_at(max(self._loop.time() + TOGETHER, self._next_at), self._tell)

    def _tell(self) -> None:
        self._timer = None
        now = self._loop.time()
        until = time.strftime("%H:%M:%S", time.localtime(self._wall_clock() + max(0.0, self._until - now)))
        replies, them = ("reply was", "it") if self._count == 1 else ("replies were", "them")
        self._log.info("%d %s lost; looking %s up until %s", self._count, replies, them, until)
        self._count, self._next_at = 0, now + APART
