"""A hundred thousand tasks that are waited for: what each of them takes."""

from __future__ import annotations

import tracemalloc
from typing import Any

from lipsync_async import CHAINHUB, Following, Limits, RetryPolicy
from lipsync_async.dispatch.account import Account
from lipsync_async.dispatch.pacing import Pacer
from lipsync_async.outcomes import Accepted
from lipsync_async.tasks.follower import Follower
from lipsync_async.tasks.waiting import Waiting
from lipsync_async.tasks.wanted import wanted_of
from lipsync_async.wire.credential import Credential
from tests.simulation import virtual
from tests.simulation.replies import EPOCH

COUNT = 20_000
MOST = 340.0
"""Bytes a task; its outcome, which the caller has, is not counted."""


def test_a_task_that_is_waited_for_takes_few_bytes() -> None:
    """In the wait, the follower and the planner together; after it nothing is left."""

    async def main() -> tuple[int, int]:
        wire: Any = None  # nothing is asked
        account = Account(CHAINHUB, wire, Credential("key"), Pacer(Limits()), RetryPolicy(), wall_clock=lambda: EPOCH)
        follower = Follower(account, Following())
        given = [Accepted(external_task_id=f"{it}", task_id=f"task-{it}", created_at=EPOCH) for it in range(COUNT)]
        tracemalloc.start()
        waiting = Waiting(follower, lambda _: None)
        for outcome in given:
            waiting.add(wanted_of(outcome), outcome)
        taken, _ = tracemalloc.get_traced_memory()
        waiting.leave()
        left, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await follower.aclose()
        return taken, left

    taken, left = virtual.run(main())
    assert taken < MOST * COUNT
    assert left < taken / 10
