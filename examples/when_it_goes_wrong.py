"""When it goes wrong: each of the four outcomes, and what a program does about it."""

import asyncio

from lipsync_async import (
    Accepted,
    LipSyncClient,
    NotSent,
    Outcome,
    Rejected,
    RequestBuilder,
    Unknown,
)

template = (
    RequestBuilder()
    .session("825465778199224380")
    .face("0")
    .audio_id("825451760499568680")
)
jobs = [template.window(0, 3000).external_task_id(f"ep6-{n}").build() for n in range(3)]


async def settle(client: LipSyncClient, outcome: Unknown) -> str:
    """A job that may have been charged: ask, and submit nothing meanwhile."""
    found = await client.look_up(outcome.external_task_id)
    if found.found:
        return f"it was accepted as task {found.task_id}"
    return "not found, which alone proves nothing: run `lipsync-async reconcile` later"


async def told_of(client: LipSyncClient, outcome: Outcome) -> str:
    match outcome:
        case Accepted():
            return f"accepted as task {outcome.task_id}"
        case Rejected():
            return f"to be corrected ({outcome.kind}): {outcome.message}"
        case Unknown():
            return await settle(client, outcome)
        case NotSent():
            return f"may be submitted again ({outcome.kind}): {outcome.message}"


async def main() -> None:
    async with LipSyncClient() as client:
        result = await client.submit_many(jobs, journal="ep6.db")
        for outcome in result.values():
            print(outcome.external_task_id, await told_of(client, outcome))
        if result.not_sent:
            await client.submit_many(result.safe_to_submit_again, journal="ep6.db")


if __name__ == "__main__":
    asyncio.run(main())
