"""`wait`: goes on from a journal alone; nothing is ever sent but questions."""

from __future__ import annotations

import argparse
import asyncio
import shlex
from contextlib import nullcontext
from typing import TYPE_CHECKING, TextIO

from lipsync_async.config import Following, Timeouts
from lipsync_async.gateways import Gateway, gateway_for

from .batch import Interrupts
from .display import shown
from .monitor import Monitor
from .printing import say
from .results import Results, close_out
from .submit import observer
from .tally import Tally
from .target import begin, look_at_folder, open_out

if TYPE_CHECKING:
    from lipsync_async.client import LipSyncClient
    from lipsync_async.journal import Journal


def run(args: argparse.Namespace) -> int:
    """Waits, and writes a result line for each job; gives the exit code.

    Raises `LipSyncError` where it cannot begin.
    """
    from lipsync_async.client import LipSyncClient
    from lipsync_async.journal import Reader

    gateway = gateway_for(args.gateway)
    look_at_folder(args.download)
    Reader(args.journal).close()  # it must exist: a journal that is new has no tasks
    monitor = Monitor(f"wait {args.journal}", 0, Tally(waits=True))
    client = LipSyncClient(
        gateway,
        timeouts=Timeouts(total=args.timeout, connect=min(10.0, args.timeout)),
        trust_env=True,
        trust_lookups=args.trust_lookup,
        observer=observer(monitor, verbose=args.verbose),
        following=Following(first_look=args.first_look, max_queries_per_second=args.max_queries_per_second),
    )
    out = open_out(args.out, overwrite=args.overwrite, journal=args.journal)
    try:
        return asyncio.run(_wait(args, gateway, client, out, monitor))
    finally:
        close_out(out)


async def _wait(
    args: argparse.Namespace, gateway: Gateway, client: LipSyncClient, out: TextIO, monitor: Monitor
) -> int:
    from lipsync_async.journal import Journal

    tally, results = monitor.tally, Results(out)

    def on_interrupt() -> None:
        tally.interrupted = monitor.stopping = True

    interrupts = Interrupts(on_interrupt, results.tell_lost)
    try:
        async with await Journal.open(args.journal, gateway=gateway.base_url, account=args.account) as journal, client:
            begin(out)
            monitor.total = monitor.submitted = _with_tasks(journal)
            monitor.watch(client)
            display = shown(monitor, quiet=args.quiet) if monitor.total else nullcontext()
            with interrupts:
                stream = client.follow(journal, timeout=args.wait_timeout, download=args.download)
                async with display, stream:
                    interrupts.guard(stream)
                    monitor.read(stream)
                    async for result in stream:
                        tally.add(result)
                        results.put(result)
                        await results.room()
                await results.finish()
    finally:
        interrupts.over()
    _say_how_it_went(args, tally, results)
    return tally.exit_code()


def _with_tasks(journal: Journal) -> int:
    from lipsync_async.journal import State

    counts = journal.reader.counts()
    return sum(counts[state] for state in (State.ACCEPTED, State.UNKNOWN, State.OPEN))


def _say_how_it_went(args: argparse.Namespace, tally: Tally, results: Results) -> None:
    say(f"{tally}", quiet=args.quiet)
    if tally.cost():
        say(f"  {tally.cost()}", quiet=args.quiet)
    for reason in tally.reasons():
        say(f"  {reason}", quiet=args.quiet)
    if tally.counts["running"]:
        again = f"lipsync-async wait {shlex.quote(args.journal)} --gateway {shlex.quote(args.gateway)}"
        say(f"What is running goes on at the gateway: {again}", quiet=args.quiet)
    if results.failed is not None:
        say(f"lipsync-async: the lines could not be written ({results.why()}); the journal has them all")
        results.tell_lost()
        tally.stopped = True
