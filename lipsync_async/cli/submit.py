"""`submit`: the whole list is checked first, then sent; one result line for each."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shlex
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TextIO

from lipsync_async.config import Following, Limits, RetryPolicy, Timeouts
from lipsync_async.endings import Ending
from lipsync_async.errors import LipSyncError
from lipsync_async.gateways import Gateway, gateway_for
from lipsync_async.jobs import JobList, ListReport
from lipsync_async.outcomes import Outcome
from lipsync_async.wire.identity import SeenIds

from .advice import Case, next_steps
from .batch import GRACE, Booked, Earlier, Interrupts, Patience, Submission, interruptible, run_batch
from .budget import Budget
from .check import made_first, price, tell_warnings
from .display import shown
from .faults import Causes
from .monitor import Monitor
from .plan import tell_plan
from .printing import printable, say
from .results import Results
from .rows import writer_for
from .sounds import as_typed, open_list
from .tally import USAGE, Tally
from .target import begin, look_at_folder, results_to, tell_of_space

if TYPE_CHECKING:
    from lipsync_async.client import LipSyncClient
    from lipsync_async.dispatch.account import Event, Observer
    from lipsync_async.journal import AnyJournal

_SHOWN = 20
"""Causes of faults that are shown before `check` is recommended."""


def run(args: argparse.Namespace) -> int:
    """Checks and submits; gives the exit code. Raises `LipSyncError` where nothing was sent."""
    gateway = gateway_for(args.gateway)
    args.wait = args.wait or args.download is not None
    if not args.dry_run:
        look_at_folder(args.download)
    title = f"{args.sounds or args.jobs} to {gateway.name}"
    monitor = Monitor(title, 0, Tally(waits=args.wait), gateway=gateway)
    make_client(args, gateway, monitor, args.max_in_flight)  # no key is an error before anything else happens
    with open_list(args) as jobs:
        return tell_plan(args, gateway, jobs) if args.dry_run else send(args, gateway, jobs, monitor)


def send(args: argparse.Namespace, gateway: Gateway, jobs: JobList, monitor: Monitor) -> int:
    """Submits an open list; gives the exit code. Raises `LipSyncError` where nothing was sent."""
    with results_to(args.out, overwrite=args.overwrite, journal=args.journal, jobs=jobs) as out:
        return asyncio.run(_submit(args, gateway, jobs, out, monitor))


async def _submit(args: argparse.Namespace, gateway: Gateway, jobs: JobList, out: TextIO, monitor: Monitor) -> int:
    return await _Submit(args, gateway, jobs, out, monitor).run()


def make_client(args: argparse.Namespace, gateway: Gateway, monitor: Monitor, window: int) -> LipSyncClient:
    """The client as the options have it. Raises `ConfigurationError`."""
    from lipsync_async.client import LipSyncClient
    from lipsync_async.sources.uploads import StoreUploads

    return LipSyncClient(
        gateway,
        uploads=None if args.upload is None else StoreUploads(args.upload),
        shared=args.shared,
        limits=Limits(
            max_in_flight=window,
            max_per_second=args.max_per_second,
            max_running_tasks=args.max_running_tasks,
        ),
        retry=RetryPolicy(max_stall=args.max_stall, max_outage=args.max_outage),
        timeouts=Timeouts(total=args.timeout, connect=min(10.0, args.timeout), grace=GRACE),
        trust_env=True,
        trust_lookups=args.trust_lookup,
        observer=observer(monitor, verbose=args.verbose),
        following=Following(first_look=args.first_look, max_queries_per_second=args.max_queries_per_second),
    )


def _is_new(journal: str | None) -> bool:
    from lipsync_async.journal import is_url

    return journal is not None and not is_url(journal) and not os.path.lexists(journal)


class _OneLine(logging.Formatter):
    """Nothing that a gateway says steers the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def observer(monitor: Monitor, *, verbose: bool) -> Observer:
    """The monitor's hook, which also speaks where that is wanted."""
    if not verbose:
        return monitor.observe
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)

    def tell(event: Event) -> None:
        monitor.observe(event)
        say(describe(event))

    return tell


def describe(event: Event) -> str:
    """An event of the dispatcher's in one line."""
    parts = [event.name, event.external_task_id, f"#{event.attempt}" if event.attempt else "", event.action]
    parts += [event.kind, f"HTTP {event.http_status}" if event.http_status else ""]
    parts += [f"{event.seconds:.2f} s" if event.seconds else ""]
    return "  ".join(part for part in parts if part)


def _booked(journal: str) -> Booked:
    """What earlier runs began."""
    from lipsync_async.journal import State, open_reader

    settled, left_open = SeenIds(), SeenIds()
    with open_reader(journal) as reader:
        for external_task_id in reader.settled_ids():
            settled.add(external_task_id)
        for record in reader.records_of({State.OPEN, State.UNKNOWN}):
            left_open.add(record.external_task_id)
    return Booked(settled, left_open)


class _Submit:
    """One run of the command."""

    def __init__(
        self,
        args: argparse.Namespace,
        gateway: Gateway,
        jobs: JobList,
        out: TextIO,
        monitor: Monitor,
    ) -> None:
        self._args = args
        self._gateway = gateway
        self._jobs = jobs
        self._out = out
        self._monitor = monitor
        self._tally = monitor.tally
        self._is_part = getattr(args, "is_part", False)
        """The list was cut: the journal is not told of its length."""
        self._budget = Budget(args.max_units)
        self._trouble = ""
        self._writer = writer_for(out, json=args.json)
        self._results = Results(out, self._writer)
        self._interrupts = Interrupts(self._on_interrupt, self._on_end)

    async def run(self) -> int:
        try:
            return await self._run()
        finally:
            self._interrupts.over()

    async def _run(self) -> int:
        async with AsyncExitStack() as stack:
            # A new journal is made when there is something to send, and not by a list that is broken.
            journal = None if _is_new(self._args.journal) else await self._open_journal(stack)
            digest, count = self._digest()
            report = self._check(journal, digest, count)
            if report is not None and not report.ok and not self._args.skip_invalid:
                which = f"{report.broken:,} of {report.lines:,} lines cannot be sent"
                rest = " (--skip-invalid sends the rest)" if report.jobs else ""
                say(f"nothing was sent: {which}{rest}")
                return USAGE
            if journal is None:
                journal = await self._open_journal(stack)
            await self._remember(journal, report, digest)
            await self._send(journal, report)
            self._tell_lost()
        self._say_how_it_went()
        return self._tally.exit_code()

    async def _open_journal(self, stack: AsyncExitStack) -> AnyJournal | None:
        if self._args.journal is None:
            return None
        from lipsync_async.journal import open_journal

        journal = await open_journal(self._args.journal, gateway=self._gateway.base_url, account=self._args.account)
        stack.push_async_callback(journal.aclose)
        return journal

    def _digest(self) -> tuple[str, int]:
        """What tells the list from others, before it is looked through: a sound may change meanwhile."""
        args = self._args
        return ("", 0) if args.journal is None else self._jobs.digest(self._gateway, args.id_prefix, args.limit)

    async def _remember(self, journal: AnyJournal | None, report: ListReport | None, digest: str) -> None:
        if journal is None or report is None or self._is_part:
            return
        if report.ok and not report.repeats:
            await journal.remember_list(digest, report.lines)

    def _check(self, journal: AnyJournal | None, digest: str, count: int) -> ListReport | None:
        """Looks through the list; None where the journal says that this very list was found sound before."""
        args = self._args
        if journal is not None and journal.reader.knows_list(digest):
            self._monitor.total = min(count, args.limit or count)
            return None
        causes = Causes(_SHOWN)
        with interruptible():
            report = self._jobs.check(self._gateway, id_prefix=args.id_prefix, limit=args.limit, tell=causes.add)
        self._monitor.total = report.lines
        for cause in causes.told():
            say(cause)
        if causes.left:
            say(f"... and more: lipsync-async check {as_typed(args)} shows them all")
        tell_warnings(report, quiet=args.quiet)
        if report.ok or args.skip_invalid:
            jobs = f"{report.jobs:,} job{'' if report.jobs == 1 else 's'}"
            say(f"{jobs}, {price(report.units)}{made_first(report)}", quiet=args.quiet)
        tell_of_space(args.download, report.jobs)
        return report

    async def _send(self, journal: AnyJournal | None, report: ListReport | None) -> None:
        from lipsync_async.config import RunOptions

        args, tally = self._args, self._tally
        options = RunOptions(
            id_prefix=args.id_prefix,
            ambiguous=args.ambiguous,
            retry_rejected=args.retry_rejected,
            allow=self._budget.allow if args.max_units is not None else None,
            allow_source=self._budget.allow_source if args.max_units is not None else None,
        )
        submission = Submission(
            self._jobs,
            report,
            limit=args.limit,
            budget=self._budget,
            booked=await asyncio.to_thread(_booked, args.journal) if journal is not None else None,
            earlier=self._earlier(journal),
            stopping=lambda: self._monitor.stopping,
        )
        begin(self._out)
        # A window wider than the list would only cost workers that have nothing to do.
        window = min(args.max_in_flight, max(1, self._monitor.total))
        self._monitor.budget = self._budget
        async with make_client(args, self._gateway, self._monitor, window) as client:
            self._monitor.watch(client)
            with self._interrupts as interrupts:
                async with shown(self._monitor, quiet=args.quiet, rows=self._writer):
                    try:
                        await run_batch(
                            client,
                            submission,
                            options=options,
                            journal=journal,
                            interrupts=interrupts,
                            take=self._take,
                            results=self._results,
                            wait=self._patience(),
                            begun=self._monitor.read,
                        )
                    except (LipSyncError, OSError) as error:
                        tally.stopped = True
                        self._trouble = str(error)
                    finally:
                        await self._results.finish()

    def _patience(self) -> Patience | None:
        args = self._args
        return Patience(args.wait_timeout, tuple(args.resubmit), args.download) if args.wait else None

    def _take(self, result: Outcome | Ending) -> None:
        self._tally.add(result)
        self._results.put(result)

    def _tell_lost(self) -> None:
        results = self._results
        if results.failed is None:
            return
        self._tally.stopped = True
        self._trouble = f"stopped: the results could not be written ({results.why()}); {results.lost} lines are lost"
        results.tell_lost()

    def _earlier(self, journal: AnyJournal | None) -> Earlier | None:
        if journal is None or journal.reader.is_empty():
            return None
        longest = self._gateway.max_id_length
        return Earlier(journal.recall, id_prefix=self._args.id_prefix, max_id_length=longest)

    def _on_interrupt(self) -> None:
        self._tally.interrupted = self._monitor.stopping = True
        say("stopping: requests in flight may finish (Ctrl-C again ends at once)")

    def _on_end(self) -> None:
        self._results.tell_lost()
        untold = self._monitor.total - self._results.written
        if untold > 0:
            say(f"{untold:,} of {self._monitor.total:,} lines were not told")
        say(f"ended at once: what was in flight may have been accepted. {self._how_to_go_on()}")

    def _say_how_it_went(self) -> None:
        quiet = self._args.quiet
        tally = self._tally
        if self._trouble:
            say(f"lipsync-async: {self._trouble}")
        say(f"{tally}", quiet=quiet)
        if tally.cost():
            say(f"  {tally.cost()}", quiet=quiet)
        for reason in tally.reasons():
            say(f"  {reason}", quiet=quiet)
        for line in next_steps(tally, self._case()):
            say(line, quiet=quiet and not tally.interrupted)

    def _case(self) -> Case:
        args = self._args
        from lipsync_async.journal import without_password

        return Case(
            gateway=args.gateway,
            journal=args.journal and without_password(args.journal),
            account=args.account,
            wait=args.wait,
            download=args.download,
            jobs=None if args.jobs in {None, "-"} else args.jobs,
            capped=self._budget.refused,
        )

    def _how_to_go_on(self) -> str:
        if self._args.journal is not None:
            from lipsync_async.journal import without_password

            name = shlex.quote(without_password(self._args.journal))
            return f"The same command goes on: --journal {name} knows what is done."
        return "Look up what has no line before you send it again. A --journal does that."
