"""One machine that works at a taskiq queue as the example does; the first one of a scene feeds the whole list.

The environment has `REDIS_URL`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import Any

from lipsync_async.engines.packing import pack
from lipsync_async.errors import JournalError
from lipsync_async.journal import State
from tests.loopback.crash_child import request
from tests.machines.scene import LEASE
from tests.machines.worker import client_at


def load(base_url: str, journal: str, scene: int) -> Any:
    """The example, with the scene's client and twice the scene's lease as its idle time."""
    os.environ |= {"GATEWAY": base_url, "JOURNAL": journal, "QUEUE": f"scene-{scene}", "IDLE_SECONDS": f"{2 * LEASE}"}
    from examples import taskiq_worker

    module: Any = taskiq_worker
    module.LipSyncClient = lambda _: client_at(base_url)
    return module


async def main(base_url: str, url: str, jobs: int, seed: int) -> None:
    """Prints `started` when it has begun, and how many jobs were accepted as the last line."""
    from taskiq.api import run_receiver_task

    example = load(base_url, url, seed // 1000)
    example.broker.is_worker_process = True
    await example.broker.startup()
    if seed % 1000 == 0:
        for number in range(jobs):
            await example.dub.kiq(pack(request(number)))
        print("started", flush=True)  # noqa: T201 - the parent waits for it
    receiving = asyncio.create_task(run_receiver_task(example.broker, max_async_tasks=32))
    counts = await _all_accepted(example.broker.state.journal, jobs)
    print(json.dumps({state.value: count for state, count in counts.items() if count}), flush=True)  # noqa: T201
    receiving.cancel()
    await asyncio.wait([receiving])
    await example.broker.shutdown()


async def _all_accepted(journal: Any, jobs: int) -> dict[State, int]:
    while True:
        with suppress(JournalError):  # the database is away
            counts: dict[State, int] = await asyncio.to_thread(journal.reader.counts)
            if counts.get(State.ACCEPTED, 0) == jobs:
                return counts
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    gateway_url, path, count, number = sys.argv[1:]
    asyncio.run(main(gateway_url, path, int(count), int(number)))
