"""Two lines of speech become two videos: the first thing to try."""

import asyncio

from lipsync_async import LipSyncClient, RequestBuilder

LINES = {
    "ep1-1": "Good evening, and welcome.",
    "ep1-2": "And that is why we are here today.",
}

film = RequestBuilder().video("https://films.example.com/scene-1.mp4")
jobs = [
    film.text(line, "girlfriend_1_speech02").external_task_id(name).build()
    for name, line in LINES.items()
]


async def main() -> None:
    async with LipSyncClient() as client:  # gateway and key: from the environment
        results = await client.run_many(jobs, journal="ep1.db")
    for name, result in results.items():
        print(name, result.name, getattr(result, "video_url", None))


asyncio.run(main())
