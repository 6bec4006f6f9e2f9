"""`reconcile`: what an earlier run left open or unknown is looked up; nothing is ever sent."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, TextIO

from lipsync_async.config import Timeouts
from lipsync_async.gateways import Gateway, gateway_for

from .batch import Interrupts
from .display import shown
from .monitor import Monitor
from .printing import say
from .results import Results, close_out
from .submit import observer
from .tally import Tally
from .target import begin, open_out

if TYPE_CHECKING:
    from lipsync_async.client import LipSyncClient


def run(args: argparse.Namespace) -> int:
    """Looks up and writes a result line for each; gives the exit code. Raises `LipSyncError` where it cannot begin."""
    from lipsync_async.client import LipSyncClient
    from lipsync_async.journal import Reader

    gateway = gateway_for(args.gateway)
    Reader(args.journal).close()  # it must exist: a journal that is new has nothing to reconcile
    monitor = Monitor(f"reconcile {args.journal}", 0, Tally())
    client = LipSyncClient(
        gateway,
        timeouts=Timeouts(total=args.timeout, connect=min(10.0, args.timeout)),
        trust_env=True,
        trust_lookups=args.trust_lookup,
        observer=observer(monitor, verbose=args.verbose),
    )
    out = open_out(args.out, overwrite=args.overwrite, journal=args.journal)
    try:
        return asyncio.run(_reconcile(args, gateway, client, out, monitor))
    finally:
        close_out(out)


async def _reconcile(
    args: argparse.Namespace, gateway: Gateway, client: LipSyncClient, out: TextIO, monitor: Monitor
) -> int:
    from lipsync_async.journal import Journal, State

    tally = monitor.tally

    def on_interrupt() -> None:
        tally.interrupted = monitor.stopping = True

    results = Results(out)
    interrupts = Interrupts(on_interrupt, results.tell_lost)
    try:
        async with await Journal.open(args.journal, gateway=gateway.base_url, account=args.account) as journal, client:
            begin(out)
            counts = journal.reader.counts()
            monitor.total = counts[State.UNKNOWN] + counts[State.OPEN]
            monitor.watch(client)
            display = shown(monitor, quiet=args.quiet) if monitor.total else nullcontext()
            with interrupts:
                async with display, client.reconcile(journal) as stream:
                    interrupts.guard(stream)
                    async for outcome in stream:
                        tally.add(outcome)
                        results.put(outcome)
                        await results.room()
                await results.finish()
    finally:
        interrupts.over()
    say(f"{monitor.total} looked up: {tally}", quiet=args.quiet)
    if results.failed is not None:
        say(f"lipsync-async: the lines could not be written ({results.why()}); the journal has them all")
        results.tell_lost()
        tally.stopped = True
    return tally.exit_code()
