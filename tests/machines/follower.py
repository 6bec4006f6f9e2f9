"""One machine that follows a journal, and fetches the videos of its tasks into a folder."""

from __future__ import annotations

import asyncio
import json
import sys

from lipsync_async import Following, Gateway, LipSyncClient, Succeeded


async def main(base_url: str, journal: str, folder: str) -> None:
    """Prints `started` after the first result, and how many videos it was told of as the last line."""
    gateway = Gateway(name="sandbox", base_url=base_url, settle_time=2.0, hold_time=1.0)
    client = LipSyncClient(gateway, api_key="sandbox-key", following=Following(first_look=0.2))
    told = 0
    async with client, client.follow(journal, download=folder) as results:
        async for result in results:
            if not told:
                print("started", flush=True)  # noqa: T201 - the parent waits for it
            told += isinstance(result, Succeeded) and result.download is not None
    print(json.dumps(told), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
