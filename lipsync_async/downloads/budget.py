"""How often and for how long a download is tried: six tries in a row, and two minutes, without progress.

Pure: every `now` is handed in, in seconds of one monotonic clock.
Progress is a byte of the file that was not there before in any try: a stream that is cut at the same place again and
again makes none.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

WAITS = (1.0, 3.0, 8.0, 18.0, 32.0)
"""Seconds before the next try, by how many in a row made no progress; the last one for all that follow."""
AFTER_PROGRESS = 0.5
"""Seconds before the next try of a stream that was cut after it had brought something."""
SPREAD = 0.2
"""A wait is longer or shorter by up to this share of it, so that downloads of one moment part."""


@frozen(kw_only=True)
class Patience:
    """How long a download may take; all in seconds but `tries`."""

    tries: int = 6
    """In a row, without progress."""
    without_progress: float = 120.0
    in_all: float = 3600.0
    """However much comes: a server that sends a byte now and then would hold its place for ever."""
    idle: float = 30.0
    """Without a byte in the middle of a stream."""
    head: float = 60.0
    """For the connection and the head of the reply: a gateway's proxy may have to fetch the video first."""


class Budget:
    """What is left of a download's patience."""

    def __init__(self, now: float, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self.failures = 0
        """In a row, without progress."""
        self._furthest = 0
        self._last_progress = now
        self._end = now + self.patience.in_all
        self._came = False

    def __repr__(self) -> str:
        return f"<Budget, {self.failures} of {self.patience.tries} tries without progress, at byte {self._furthest}>"

    def reached(self, now: float, size: int) -> None:
        """So many bytes of the file are there; it is progress if they were never as many."""
        if size > self._furthest:
            self._furthest = size
            self._last_progress = now
            self._came = True

    def held_up(self, seconds: float) -> None:
        """So long nothing was read because what came was still being stored: nobody's patience is to pay for it."""
        self._last_progress += seconds
        self._end += seconds

    def left(self, now: float) -> float:
        """Seconds until it is given up, unless something comes; 0 or less: it is."""
        return self._deadline - now

    @property
    def _deadline(self) -> float:
        return min(self._last_progress + self.patience.without_progress, self._end)

    def after_failure(self, now: float, dice: Callable[[], float], hint: float | None = None) -> float | None:
        """Seconds until the next try; None: it is given up.

        `dice` gives a number from 0 to 1; `hint` is the reply's Retry-After in seconds, and is never undercut.
        """
        self.failures = 0 if self._came else self.failures + 1
        wait = AFTER_PROGRESS if self._came else WAITS[min(self.failures, len(WAITS)) - 1]
        self._came = False
        if self.failures >= self.patience.tries:
            return None
        wait = max(wait * (1 - SPREAD + 2 * SPREAD * dice()), hint or 0.0)
        return wait if now + wait < self._deadline else None  # as the next try's clock will show it
