"""One machine that works at a procrastinate queue; the first one of a scene is given the whole list to feed."""

from __future__ import annotations

import asyncio
import json
import sys

from lipsync_async import Gateway, Limits, LipSyncClient, RetryPolicy, Timeouts
from lipsync_async.engines import postgres_queue
from lipsync_async.engines.packing import pack
from lipsync_async.journal import open_journal
from tests.loopback.crash_child import request
from tests.machines.worker import HOLD, SETTLE


async def main(base_url: str, url: str, jobs: int, seed: int) -> None:
    """Prints `started` when it has begun, and how many jobs were accepted as the last line."""
    gateway = Gateway(name="sandbox", base_url=base_url, settle_time=SETTLE, hold_time=HOLD)
    client = LipSyncClient(
        gateway,
        api_key="sandbox-key",
        limits=Limits(max_in_flight=16),
        retry=RetryPolicy(base_delay=0.05),
        timeouts=Timeouts(total=5.0, connect=2.0),
        trust_lookups=True,
    )
    async with client, await open_journal(url, gateway=base_url) as journal:
        if seed % 1000 == 0:
            packed = (pack(request(number)) for number in range(jobs))
            await postgres_queue.feed(url, packed, journal=journal, name="list")
            print("started", flush=True)  # noqa: T201 - the parent waits for it
        else:
            await asyncio.sleep(1.0)
        await postgres_queue.work(url, client, journal, concurrency=32, until_empty=True)
        counts = await asyncio.to_thread(journal.reader.counts)
    print(json.dumps({state.value: count for state, count in counts.items() if count}), flush=True)  # noqa: T201


if __name__ == "__main__":
    gateway_url, path, count, number = sys.argv[1:]
    asyncio.run(main(gateway_url, path, int(count), int(number)))
