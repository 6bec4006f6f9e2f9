"""How fast downloads are, for who watches: bytes a second over the last few seconds.

Pure: every `now` is handed in.
"""

from __future__ import annotations

from collections import deque

WINDOW = 10.0
"""Seconds that are looked back."""
STEP = 0.5
"""Seconds that are counted as one, so that a meter is small whatever passes through it."""


class Meter:
    """Counts bytes as they come."""

    def __init__(self) -> None:
        self.total = 0
        self._steps: deque[tuple[float, int]] = deque()
        self._begun: float | None = None

    def add(self, now: float, count: int) -> None:
        """So many bytes came."""
        self._forget(now)
        if self._begun is None:
            self._begun = now
        self.total += count
        if self._steps and now - self._steps[-1][0] < STEP:
            at, before = self._steps.pop()
            self._steps.append((at, before + count))
        else:
            self._steps.append((now, count))

    def rate(self, now: float) -> float:
        """Bytes a second, lately; 0 where nothing came."""
        self._forget(now)
        if not self._steps or self._begun is None:
            return 0.0
        return sum(count for _, count in self._steps) / min(WINDOW, max(STEP, now - self._begun))

    def _forget(self, now: float) -> None:
        while self._steps and self._steps[0][0] <= now - WINDOW:
            self._steps.popleft()
        if not self._steps:
            self._begun = None  # after a pause it begins anew
