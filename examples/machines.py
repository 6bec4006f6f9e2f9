"""One of several workers, which share an account's limits and divide a list.

`python machines.py 0 2` and `python machines.py 1 2` do all of it, in two processes.
"""

import asyncio
import sys
import zlib
from pathlib import Path

from lipsync_async import LipSyncClient, RequestBuilder

STORE = f"file:{Path('limits').absolute()}"  # one machine; "redis://..." for many

template = (
    RequestBuilder()
    .session("825465778199224380")
    .face("0")
    .audio_id("825451760499568680")
)
names = [f"ep7-{n}" for n in range(10)]


def is_mine(name: str, number: int, workers: int) -> bool:
    """Each job goes to one worker, always the same: its journal knows whether it was paid."""
    return zlib.crc32(name.encode()) % workers == number


async def main(number: int, workers: int) -> None:
    job = template.window(0, 3000)
    mine = [
        job.external_task_id(name).build()
        for name in names
        if is_mine(name, number, workers)
    ]
    async with LipSyncClient(shared=STORE) as client:
        result = await client.submit_many(mine, journal=f"worker-{number}.db")
    print(f"worker {number}: {len(result.accepted)} of {len(result)} accepted")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
