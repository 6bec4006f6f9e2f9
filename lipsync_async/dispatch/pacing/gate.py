"""The gate: shut by a refusal or by a brake for a while, then tried by exactly one canary.

| state        | may a request go?      | what changes it                                                             |
|--------------|------------------------|-----------------------------------------------------------------------------|
| open         | yes                    | a refusal, a Retry-After or the brake shuts it                              |
| shut until t | the first at t         | a later t; that first one is the canary                                     |
| canary       | after its answer       | accepted or ended: open; refused: shut for longer; brake: shut, another one |

Requests sent before the gate was shut neither open it nor prolong it, but for their Retry-After: none is ever undercut.
"""

from __future__ import annotations

import math
from collections.abc import Callable

SHORTEST = 0.001
"""Seconds that a gate stays shut, so that the canary is later than all that was sent before."""
LONGEST = 20.0
"""Seconds: the longest wait without a hint."""
JITTER = 0.05
"""Seconds at most that are added to a hint, so that several clients do not come back as one."""


class Gate:
    """Open, shut, or waiting for its canary; times in seconds."""

    __slots__ = ("_canary_at", "_dice", "_opens_at", "cut_at", "refusals", "shut")

    def __init__(self, dice: Callable[[], float]) -> None:
        self._dice = dice
        self._opens_at = -math.inf
        self._canary_at = math.inf  # when it was sent; infinity: none is under way
        self.shut = False
        self.cut_at = -math.inf
        self.refusals = 0
        """In a row."""

    def wait(self, now: float) -> float:
        """Seconds until the canary may go; 0.0: now; infinity: it is under way."""
        if self._canary_at != math.inf:
            return math.inf
        return max(0.0, self._opens_at - now)

    def send_canary(self, now: float) -> None:
        """The canary leaves."""
        self._canary_at = now

    def is_canary(self, sent_at: float) -> bool:
        """Nothing else is sent while the canary is under way."""
        return sent_at >= self._canary_at

    def withdraw_canary(self) -> None:
        """It was never sent: another one may go."""
        self._canary_at = math.inf

    def open(self) -> None:
        """All is well again."""
        self.shut, self.refusals = False, 0
        self._opens_at, self._canary_at = -math.inf, math.inf

    def lift(self, now: float) -> None:
        """The canary may go, as soon as it is later than all that was sent before."""
        self._opens_at = min(self._opens_at, max(now, self.cut_at + SHORTEST))

    def close(self, now: float, wait: float) -> None:
        """Shut for `wait` seconds at least."""
        self.shut, self._canary_at, self.cut_at = True, math.inf, now
        self._opens_at = max(self._opens_at, now + max(SHORTEST, wait))

    def refuse(self, now: float, hint: float | None, interval: float) -> None:
        """Shut after a refusal: for its hint and a little; without one for an `interval`, then 0.5 s, doubling."""
        if hint is not None:
            wait = hint + SHORTEST + JITTER * self._dice()
        elif self.refusals == 0:
            wait = min(1.0, max(0.1, interval))
        else:
            wait = min(LONGEST, max(interval / 4, 0.25 * 2.0 ** min(9, self.refusals))) * (0.75 + 0.25 * self._dice())
        self.refusals += 1
        self.close(now, wait)
