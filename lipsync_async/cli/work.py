"""`work`: submits what `feed` put into the queue, beside any number of other machines that do the same."""

from __future__ import annotations

import argparse
import asyncio

from lipsync_async.config import Limits, RunOptions, Timeouts
from lipsync_async.errors import ConfigurationError
from lipsync_async.gateways import Gateway, gateway_for

from .feed import queue_of_postgres
from .printing import say
from .tally import ACCEPTED, NOT_SENT, REJECTED, UNKNOWN


def run(args: argparse.Namespace) -> int:
    """Works until it is stopped, or the queue is empty; gives the exit code."""
    from lipsync_async.journal import is_url

    if not is_url(args.journal):
        raise ConfigurationError("work needs a journal that many machines can write: postgresql://...")
    return asyncio.run(_run(args, gateway_for(args.gateway)))


async def _run(args: argparse.Namespace, gateway: Gateway) -> int:
    from lipsync_async.client import LipSyncClient
    from lipsync_async.journal import State, open_journal

    postgres_queue = queue_of_postgres()
    client = LipSyncClient(
        gateway,
        limits=Limits(
            max_in_flight=args.max_in_flight,
            max_per_second=args.max_per_second,
            max_running_tasks=args.max_running_tasks,
        ),
        timeouts=Timeouts(total=args.timeout, connect=min(10.0, args.timeout)),
        trust_env=True,
        trust_lookups=args.trust_lookup,
        shared=args.shared,
    )
    async with client, await open_journal(args.journal, gateway=gateway.base_url, account=args.account) as journal:
        await postgres_queue.work(
            args.journal,
            client,
            journal,
            concurrency=4 * args.max_in_flight,  # those who wait for a word, for another machine or for their turn
            until_empty=args.until_empty,
            options=RunOptions(id_prefix=args.id_prefix),
        )
        counts = await asyncio.to_thread(journal.reader.counts)
    told = {state: count for state, count in counts.items() if count}
    say("the journal holds " + ", ".join(f"{count} {state.value}" for state, count in told.items()) + " jobs")
    if counts[State.UNKNOWN] or counts[State.OPEN]:
        return UNKNOWN
    if counts[State.NOT_SENT] or counts[State.CLEARED]:
        return NOT_SENT
    return REJECTED if counts[State.REJECTED] else ACCEPTED
