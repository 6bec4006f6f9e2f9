"""To the video: a list is submitted, and each video is fetched when it is made."""

import asyncio

from lipsync_async import Downloaded, LipSyncClient, RequestBuilder, Succeeded

template = (
    RequestBuilder()
    .session("825465778199224380")
    .face("0")
    .audio_id("825451760499568680")
)
jobs = [
    template.window(0, 3000 + 500 * n).external_task_id(f"ep3-{n}").build()
    for n in range(3)
]


async def main() -> None:
    async with LipSyncClient() as client:
        results = await client.run_many(
            jobs, journal="ep3.db", download="videos", timeout=3600
        )
    for name, result in results.items():
        if isinstance(result, Succeeded) and isinstance(result.download, Downloaded):
            print(name, result.download.path)
        else:
            print(name, result.name, result.error())
    print(f"{results.money().charged} units were charged")


if __name__ == "__main__":
    asyncio.run(main())
