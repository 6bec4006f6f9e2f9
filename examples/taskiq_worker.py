"""taskiq on Redis in front of a shared journal; start workers on any machine.

taskiq worker examples.taskiq_worker:broker
"""

import asyncio
import contextlib
import os
from typing import Annotated, Any

from lipsync_async import Journal, LipSyncClient, submit_delivered
from taskiq import Context, TaskiqDepends, TaskiqEvents, TaskiqState
from taskiq_redis import RedisStreamBroker

# Seconds until a message that nobody acknowledged is handed out again: twice the journal's lease.
IDLE = float(os.environ.get("IDLE_SECONDS", "60"))

broker = RedisStreamBroker(
    os.environ["REDIS_URL"],
    queue_name=os.environ.get("QUEUE", "lipsync"),
    consumer_id="0",  # what was sent before the first worker began is read, too
    xread_count=10,  # what one worker has read, no other one gets before the idle time
    idle_timeout=int(IDLE * 1000),
    unacknowledged_lock_timeout=10,
)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def begin(state: TaskiqState) -> None:
    gateway = os.environ["GATEWAY"]
    state.client = await LipSyncClient(gateway).__aenter__()
    state.opened = Journal.shared(os.environ["JOURNAL"], gateway=gateway)
    state.journal = await state.opened.__aenter__()
    state.waking = asyncio.create_task(keep_awake())


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def end(state: TaskiqState) -> None:
    state.waking.cancel()
    await state.client.aclose()
    await state.opened.__aexit__(None, None, None)


async def keep_awake() -> None:
    """The broker looks for messages of dead workers only after it has read a new one. So there always is one."""
    while True:
        with contextlib.suppress(Exception):  # Redis may be away
            await wake.kiq()
        await asyncio.sleep(IDLE / 4)


@broker.task
async def wake() -> None: ...


@broker.task(ack_type="manual")
async def dub(job: dict[str, Any], context: Annotated[Context, TaskiqDepends()]) -> str:
    """Delivered once or five times, here or elsewhere: paid once. `pack(request)` makes a job.

    What raises is not acknowledged, and so delivered again after the idle time.
    """
    state = broker.state
    told = await submit_delivered(state.client, job, journal=state.journal)
    await context.ack()
    return told
