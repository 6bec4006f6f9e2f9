"""`reconcile`: what an earlier run left open or unknown is looked up; nothing is ever sent."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, TextIO, cast

from lipsync_async.config import RetryPolicy, Timeouts
from lipsync_async.gateways import Gateway, gateway_for
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import to_json_line

from .batch import Interrupts
from .display import say, shown
from .monitor import Monitor
from .results import Results, begin, close_out, open_out
from .submit import observer
from .tally import Tally

if TYPE_CHECKING:
    from lipsync_async.client import LipSyncClient
    from lipsync_async.journal import Reader

_NOTHING = LipSyncRequest(session_id="", face_choose=())


def run(args: argparse.Namespace) -> int:
    """Looks up and writes a result line for each; gives the exit code. Raises `LipSyncError` where it cannot begin."""
    from lipsync_async.client import LipSyncClient
    from lipsync_async.journal import Reader

    gateway = gateway_for(args.gateway)
    Reader(args.journal).close()  # it must exist: a journal that is new has nothing to reconcile
    monitor = Monitor(f"reconcile {args.journal}", 0, Tally())
    client = LipSyncClient(
        gateway,
        # One attempt, and every job has had it: whatever a look-up proves, nothing can be sent.
        retry=RetryPolicy(max_attempts=1),
        timeouts=Timeouts(total=args.timeout, connect=min(10.0, args.timeout)),
        trust_env=True,
        trust_lookups=args.trust_lookup,
        observer=observer(monitor, verbose=args.verbose),
    )
    out = open_out(args.out, overwrite=args.overwrite)
    try:
        return asyncio.run(_reconcile(args, gateway, client, out, monitor))
    finally:
        close_out(out)


async def _reconcile(
    args: argparse.Namespace, gateway: Gateway, client: LipSyncClient, out: TextIO, monitor: Monitor
) -> int:
    from lipsync_async.dispatcher import RunOptions
    from lipsync_async.journal import Journal, State

    tally = monitor.tally

    def on_interrupt() -> None:
        tally.interrupted = monitor.stopping = True

    async with await Journal.open(args.journal, gateway=gateway.base_url, account=args.account) as journal, client:
        counts = journal.reader.counts()
        monitor.total = counts[State.UNKNOWN] + counts[State.OPEN]
        monitor.watch(client)
        _call_witness(client, journal.reader)
        results = Results(begin(out))
        with Interrupts(Timeouts().grace, on_interrupt, lambda: None) as interrupts:
            async with shown(monitor, quiet=args.quiet) if monitor.total else nullcontext():
                # A text is the reason not to send; no job of ours comes so far, and if one did it would go no further.
                options = RunOptions(allow=lambda _: "reconcile sends nothing")
                async with client.stream(_left(journal.reader), journal=journal, options=options) as stream:
                    interrupts.guard(stream)
                    async for outcome in stream:
                        tally.add(outcome)
                        results.put(to_json_line(outcome))
                        await results.room()
            await results.finish()
    say(f"{monitor.total} looked up: {tally}", quiet=args.quiet)
    if results.failed is not None:
        say(f"lipsync-async: the lines could not be written ({results.failed.strerror}); the journal has them all")
        tally.stopped = True
    return tally.exit_code()


def _left(reader: Reader) -> Iterator[LipSyncRequest]:
    """What was left, as jobs that have begun: their next step is a look-up."""
    from lipsync_async.jobbook import Job, _remembered
    from lipsync_async.journal import State
    from lipsync_async.lookup import Inquiry

    loop = asyncio.get_running_loop()
    for state in (State.UNKNOWN, State.OPEN):
        for record in reader.records(state):
            job = Job(_NOTHING, record.external_task_id, record.line)
            job.begun = job.on_record = True
            job.fingerprint = record.fingerprint
            job.attempts, job.refusals = max(1, record.attempts), record.refusals
            job.first_sent_at, job.sent_at = record.first_intent_at, record.last_intent_at
            job.tries = list(record.history)
            job.inquiry = Inquiry(_remembered(record), since=loop.time(), first_intent_at=record.first_intent_at)
            yield cast("LipSyncRequest", job)


def _call_witness(client: LipSyncClient, reader: Reader) -> None:
    """An accepted job of the journal: where a look-up finds that one, a not-found means something (contract, 5)."""
    from lipsync_async.journal import State

    account = client._account  # noqa: SLF001 - no public door yet
    for record in reader.records(State.ACCEPTED):
        if account is not None and record.task_id:
            account.witness = (record.external_task_id, record.task_id)
            return
