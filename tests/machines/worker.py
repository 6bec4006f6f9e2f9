"""One machine: a process that works through the whole list with a journal that others write as well."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from random import Random
from typing import Any

from lipsync_async import Gateway, Limits, LipSyncClient, RetryPolicy, Timeouts
from tests.loopback.crash_child import request

SETTLE, HOLD = 4.0, 5.0


def client_at(base_url: str, **options: Any) -> LipSyncClient:
    """A client of the scene's gateway, which is quick to give up and to try again."""
    return LipSyncClient(
        Gateway(name="sandbox", base_url=base_url, settle_time=SETTLE, hold_time=HOLD),
        api_key="sandbox-key",
        limits=Limits(max_in_flight=16),
        retry=RetryPolicy(base_delay=0.05),
        timeouts=Timeouts(total=5.0, connect=2.0),
        trust_lookups=True,
        **options,
    )


async def main(base_url: str, journal: str, jobs: int, seed: int) -> None:
    """Prints `started` after the first outcome, and what it was told as the last line."""
    numbers = list(range(jobs))
    Random(seed).shuffle(numbers)
    client = client_at(base_url, shared=os.environ.get("LIPSYNC_SHARED"))
    told: Counter[str] = Counter()
    async with client, client.stream(map(request, numbers), journal=journal) as outcomes:
        async for outcome in outcomes:
            if not told:
                print("started", flush=True)  # noqa: T201 - the parent waits for it
            told[outcome.name] += 1
    print(json.dumps(told), flush=True)  # noqa: T201


if __name__ == "__main__":
    url, path, count, seed = sys.argv[1:]
    asyncio.run(main(url, path, int(count), int(seed)))
