"""`look-up`: what the gateway says of one external_task_id; nothing is sent."""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from lipsync_async.config import Timeouts
from lipsync_async.outcomes import LookUp

from .printing import say
from .tally import ACCEPTED, REJECTED, UNKNOWN


def run(args: argparse.Namespace) -> int:
    """Prints the answer as a line of JSON; gives 0 for a task, 1 for none, 4 where the answer proves nothing."""
    found = asyncio.run(_ask(args))
    print(msgspec.json.encode(found).decode())
    if found.found:
        return ACCEPTED
    if found.found is None:
        say(f"the answer proves nothing: {found.message or 'it cannot be read'}")
        return UNKNOWN
    say("the gateway says that it has no such task; that alone does not prove that nothing was paid")
    return REJECTED


async def _ask(args: argparse.Namespace) -> LookUp:
    from lipsync_async.client import LipSyncClient

    timeouts = Timeouts(total=args.timeout, connect=min(10.0, args.timeout))
    async with LipSyncClient(args.gateway, timeouts=timeouts, trust_env=True) as client:
        return await client.look_up(args.id)
