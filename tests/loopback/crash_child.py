"""The process that `crashes` kills: one run with a journal, as in a user's script."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator

from lipsync_async import Gateway, Limits, LipSyncClient, LipSyncRequest, RetryPolicy, Timeouts
from lipsync_async.dispatch.streaming import Progress
from lipsync_async.outcomes import Outcome
from tests import makers


def request(number: int) -> LipSyncRequest:
    """A job whose id is derived from its content, so that every run submits the same jobs."""
    return makers.request(None, audio_id=f"82545176049956{number:04}")


async def outcomes_of(client: LipSyncClient, journal: str, jobs: int, mode: str) -> AsyncIterator[Outcome]:
    """Yields the outcomes, and prints a line as soon as the first is known."""
    started = False

    def tell(_: Progress) -> None:
        nonlocal started
        if not started:
            started = True
            print("started", flush=True)  # noqa: T201 - the parent waits for it

    def source() -> Iterator[LipSyncRequest]:
        return map(request, range(jobs))

    if mode == "many":
        result = await client.submit_many(source(), journal=journal, on_progress=tell)
        for outcome in result.values():
            yield outcome
        return
    async with client.stream(source(), journal=journal, on_progress=tell) as outcomes:
        async for outcome in outcomes:
            yield outcome


async def main(base_url: str, journal: str, jobs: int, mode: str, per_second: float, settle_time: float) -> None:
    """Does one run; the last line that it prints is a summary."""
    gateway = Gateway(name="sandbox", base_url=base_url, settle_time=settle_time)
    client = LipSyncClient(
        gateway,
        api_key="sandbox-key",
        limits=Limits(max_in_flight=16, max_per_second=per_second),
        retry=RetryPolicy(base_delay=0.05),
        timeouts=Timeouts(total=5.0, connect=2.0),
        trust_lookups=True,
    )
    told: Counter[str] = Counter()
    async with client:
        async for outcome in outcomes_of(client, journal, jobs, mode):
            told[outcome.name] += 1
    print(json.dumps(told), flush=True)  # noqa: T201


if __name__ == "__main__":
    url, path, count, how, pace, settle = sys.argv[1:]
    asyncio.run(main(url, path, int(count), how, float(pace), float(settle)))
