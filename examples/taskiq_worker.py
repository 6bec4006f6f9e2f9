"""taskiq on Redis in front of a shared journal; start workers on any machine.

taskiq worker examples.taskiq_worker:broker
"""

import os
from typing import Any

from lipsync_async import Journal, LipSyncClient, submit_delivered
from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import RedisStreamBroker

# A killed worker's messages come back after the idle time.
# A lock without an end would keep them for ever.
broker = RedisStreamBroker(
    os.environ["REDIS_URL"], idle_timeout=60_000, unacknowledged_lock_timeout=10
)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def begin(state: TaskiqState) -> None:
    gateway = os.environ["GATEWAY"]
    state.client = await LipSyncClient(gateway).__aenter__()
    state.opened = Journal.shared(os.environ["JOURNAL"], gateway=gateway)
    state.journal = await state.opened.__aenter__()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def end(state: TaskiqState) -> None:
    await state.client.aclose()
    await state.opened.__aexit__(None, None, None)


@broker.task(retry_on_error=True, max_retries=1000)
async def dub(job: dict[str, Any]) -> str:
    """Delivered once or five times, here or elsewhere: paid once.

    What it raises is safe to deliver again. `pack(request)` makes a job.
    """
    state = broker.state
    return await submit_delivered(state.client, job, journal=state.journal)
