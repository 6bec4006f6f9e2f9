"""A script for a list of any length: it reads line by line, and prints each outcome."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

from lipsync_async import Accepted, LipSyncClient, LipSyncRequest, RequestBuilder

VOICES = Path(__file__).parent / "voices.jsonl"


def jobs() -> Iterator[LipSyncRequest]:
    template = RequestBuilder().session("825465778199224380").face("0")
    with VOICES.open(encoding="utf-8") as lines:
        for voice in map(json.loads, lines):
            job = template.audio_url(voice["url"]).window(0, voice["ms"])
            yield job.external_task_id(voice["id"]).build()


async def main() -> None:
    async with (
        LipSyncClient() as client,
        client.stream(jobs(), journal="voices.db") as outcomes,
    ):
        async for outcome in outcomes:
            told = outcome.task_id if isinstance(outcome, Accepted) else outcome.kind
            print(outcome.external_task_id, told)


if __name__ == "__main__":
    asyncio.run(main())
