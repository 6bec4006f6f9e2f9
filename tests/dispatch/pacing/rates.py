"""Rates in a given phase, for tests."""

from __future__ import annotations

import math

from lipsync_async.dispatch.pacing.rate import Rate


def rate(initial: float = 8.0, cap: float | None = None, waste: float = 0.02) -> Rate:
    """A new one."""
    return Rate(initial, cap, waste)


def held(lo: float, hi: float = math.inf) -> Rate:
    """A rate that holds `lo`, its estimate begun at 0."""
    r = rate()
    r.sent(0.0)
    r.lo, r.hi = lo, hi
    r._keep()
    return r


def trying(lo: float, pace: float, hi: float = math.inf) -> Rate:
    """A rate that tries `pace`."""
    r = held(lo, hi)
    r._try(pace)
    return r


def accept(r: Rate, jobs: int, until: float, used: bool = True) -> None:
    """So many accepted jobs, the last one at `until`."""
    for _ in range(jobs):
        if used:
            r.pressed_at = until
        r.accepted(until, until if used else math.inf)
