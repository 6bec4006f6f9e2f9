"""A command that goes on from a journal alone: what `reconcile` and `wait` share. Nothing is ever submitted."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TextIO

from attrs import frozen

from lipsync_async.config import Following, Timeouts
from lipsync_async.gateways import Gateway, gateway_for

from .batch import Interrupts
from .display import shown
from .monitor import Monitor
from .printing import say
from .results import Results
from .rows import writer_for
from .submit import observer
from .target import begin, results_to

if TYPE_CHECKING:
    from lipsync_async.client import LipSyncClient
    from lipsync_async.journal import AnyJournal


@frozen
class Resumed:
    """What a command does with a journal."""

    monitor: Monitor
    total: Callable[[AnyJournal], int]
    """How many results there will be."""
    stream: Callable[[LipSyncClient, AnyJournal], Any]
    """The stream of results or outcomes."""
    summary: Callable[[], None]
    """Says how it went."""


def run(args: argparse.Namespace, resumed: Resumed, following: Following | None = None) -> int:
    """Writes a result line for each; gives the exit code. Raises `LipSyncError` where it cannot begin."""
    from lipsync_async.client import LipSyncClient
    from lipsync_async.journal import open_reader

    gateway = resumed.monitor.gateway = gateway_for(args.gateway)
    # It must exist: in a new one there is nothing to go on with.
    open_reader(args.journal, gateway=gateway.base_url, account=args.account).close()
    client = LipSyncClient(
        gateway,
        timeouts=Timeouts(total=args.timeout, connect=min(10.0, args.timeout)),
        trust_env=True,
        trust_lookups=args.trust_lookup,
        observer=observer(resumed.monitor, verbose=args.verbose),
        following=following,
        shared=getattr(args, "shared", None),
    )
    with results_to(args.out, overwrite=args.overwrite, journal=args.journal) as out:
        return asyncio.run(_run(args, gateway, client, out, resumed))


async def _run(args: argparse.Namespace, gateway: Gateway, client: LipSyncClient, out: TextIO, resumed: Resumed) -> int:
    from lipsync_async.journal import open_journal

    monitor, tally, writer = resumed.monitor, resumed.monitor.tally, writer_for(out, json=args.json)
    results = Results(out, writer)

    def on_interrupt() -> None:
        tally.interrupted = monitor.stopping = True

    interrupts = Interrupts(on_interrupt, results.tell_lost)
    try:
        async with await open_journal(args.journal, gateway=gateway.base_url, account=args.account) as journal, client:
            begin(out)
            monitor.total = resumed.total(journal)
            monitor.watch(client)
            display = shown(monitor, quiet=args.quiet, rows=writer) if monitor.total else nullcontext()
            with interrupts:
                async with display, resumed.stream(client, journal) as stream:
                    interrupts.guard(stream)
                    monitor.read(stream)
                    async for result in stream:
                        tally.add(result)
                        results.put(result)
                        await results.room()
                await results.finish()
    finally:
        interrupts.over()
    resumed.summary()
    if results.failed is not None:
        say(f"lipsync-async: the lines could not be written ({results.why()}); the journal has them all")
        results.tell_lost()
        tally.stopped = True
    return tally.exit_code()
