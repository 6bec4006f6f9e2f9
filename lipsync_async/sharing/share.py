"""What a process does by itself while the store is away: its share of what is known of the account. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

from attrs import evolve

from lipsync_async.config import Limits
from lipsync_async.dispatch.pacing import Pacer
from lipsync_async.dispatch.pacing.exchange import Grant
from lipsync_async.dispatch.pacing.rate import FREE

SAFE = 0.8
"""The part of what is known that all take together while they cannot agree."""
UNKNOWN = 0.1
"""The part of the first pace that one takes where nothing is known: neither the pace nor who else there is."""


def share_of(limits: Limits, last: Grant | None, dice: Callable[[], float]) -> Pacer:
    """A pacer that never goes above its share; `last` is the store's last word."""
    if last is None:
        pace, tasks = limits.initial_per_second * UNKNOWN, limits.max_running_tasks
        if tasks is not None:
            tasks = max(1, int(tasks * UNKNOWN))
    else:
        part = SAFE / max(1, last.members)
        pace = min(FREE, last.known.pace) * part
        ceiling = min(last.known.ceiling, limits.max_running_tasks or math.inf)
        tasks = max(1, int(ceiling * part)) if ceiling < math.inf else None
    pace = min(pace, limits.max_per_second or math.inf)
    return Pacer(evolve(limits, max_per_second=pace, initial_per_second=pace, max_running_tasks=tasks), dice=dice)
