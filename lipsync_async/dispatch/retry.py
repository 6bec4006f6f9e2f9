"""When a job that was surely not acted upon is tried again."""

from __future__ import annotations

from collections.abc import Callable

from lipsync_async.config import RetryPolicy

_MOST_DOUBLINGS = 64
"""Beyond this any sensible cap is long reached, and a float would overflow."""


def next_delay(policy: RetryPolicy, attempt: int, hint: float | None, random: Callable[[], float]) -> float | None:
    """Seconds until the next attempt, or None: give up.

    `attempt` is the one that just failed, from 1.
    Full jitter: anywhere between nothing and the cap, which doubles with each attempt; cap first, then jitter.
    `hint` (a Retry-After in seconds) is never undercut, and may exceed the cap; `random` gives 0 <= x < 1.
    """
    if attempt >= policy.max_attempts:
        return None
    cap = min(policy.max_delay, policy.base_delay * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))
    return max(cap * random(), hint or 0.0)
