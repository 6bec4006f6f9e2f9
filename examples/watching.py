"""Watching: an observer counts what happens, `on_progress` prints each outcome."""

import asyncio
import logging
from collections import Counter

from lipsync_async import Event, LipSyncClient, Progress, RequestBuilder

COUNTS: Counter[tuple[str, str]] = Counter()

template = (
    RequestBuilder()
    .session("825465778199224380")
    .face("0")
    .audio_id("825451760499568680")
)
jobs = [
    template.window(0, 3000 + 500 * n).external_task_id(f"ep5-{n}").build()
    for n in range(5)
]


def count(event: Event) -> None:
    """Called in the event loop for everything that happens: it must be quick."""
    COUNTS[event.name, event.kind or event.action] += 1


def show(progress: Progress) -> None:
    outcome = progress.outcome
    print(progress.done, "of", progress.total, outcome.external_task_id, outcome.name)


async def main() -> None:
    logging.basicConfig(level=logging.WARNING)  # logging.DEBUG tells every attempt
    async with LipSyncClient(observer=count) as client:
        await client.submit_many(jobs, on_progress=show)
        print(client.statistics())
    for (name, what), times in sorted(COUNTS.items()):
        print(name, what, times)


if __name__ == "__main__":
    asyncio.run(main())
