"""`--dry-run`: what a submit would do, with all that it would look at first; nothing is sent, and nothing written."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import Factory, define

from lipsync_async.gateways import Gateway
from lipsync_async.jobs import JobLine, JobList, ListReport, PlainLine
from lipsync_async.models import LipSyncRequest
from lipsync_async.request.checks import estimated_units
from lipsync_async.wire.identity import derive_id, fingerprint

from .check import look_through, made_first, price, tell_warnings
from .display import print_table
from .printing import say
from .tally import ACCEPTED, USAGE

if TYPE_CHECKING:
    from lipsync_async.journal import AnyReader

SENT = "to be sent"
_MEANING = {
    SENT: "they are new",
    "to be sent again": "the journal says that they were surely not acted upon",
    "corrected": "they were rejected, and are not what they were: to be sent",
    "accepted": "paid for by an earlier run: told again, nothing is sent",
    "rejected": "by an earlier run: told again (--retry-rejected sends them)",
    "to be looked up": "an earlier run may have paid for them: sent only where they are proven absent",
    "broken": "never sent",
}
"""What would become of a line, in the order in which it is told."""
_PAYS = frozenset({SENT, "to be sent again", "corrected"})


@define
class Plan:
    """The lines of a list by what would become of them."""

    lines: Counter[str] = Factory(Counter)
    units: float = 0.0
    """Of the jobs that would be sent, at list price."""


def tell_plan(args: argparse.Namespace, gateway: Gateway, jobs: JobList) -> int:
    """Tells what would be done; gives the exit code: 2 where nothing would be, for the list is broken.

    Raises `LipSyncError` where the list or the journal cannot be read.
    """
    report = look_through(jobs, gateway, args)
    tell_warnings(report, quiet=args.quiet)
    stopped = not report.ok and not args.skip_invalid
    plan = make_plan(args, gateway, jobs, report)
    if plan.lines:
        rows = [(name, str(plan.lines[name]), text) for name, text in _MEANING.items() if plan.lines[name]]
        print_table(("what", "jobs", ""), rows, right=(1,), out=sys.stdout)
    sending = sum(plan.lines[name] for name in _PAYS)
    if sending:
        print(f"cost: {price(plan.units)}{made_first(report)}")
    if args.max_units is not None and plan.units > args.max_units:
        print(f"the cap of {args.max_units:g} units would end it before that")
    say("nothing was sent: this was a dry run" + (" of a list with faults, which is not sent" if stopped else ""))
    return USAGE if stopped else ACCEPTED


def make_plan(args: argparse.Namespace, gateway: Gateway, jobs: JobList, report: ListReport) -> Plan:
    """Looks each job up in the journal, where there is one; the journal is not written to."""
    plan, reader = Plan(), _reader_of(args, gateway)
    try:
        for count, line in enumerate(jobs.lines(gateway)):
            if count == args.limit:
                break
            if line.line in report.repeats:
                continue
            what = "broken" if line.line in report.conflicts else _becomes(line, gateway, reader, args)
            plan.lines[what] += 1
            if what in _PAYS and line.request is not None:
                plan.units += estimated_units(line.request)
    finally:
        if reader is not None:
            reader.close()
    return plan


def _reader_of(args: argparse.Namespace, gateway: Gateway) -> AnyReader | None:
    """The journal, where there is one already. Raises `JournalError` where it could not be used."""
    from lipsync_async.journal import is_url, open_reader
    from lipsync_async.journal.looks import NoJournalError
    from lipsync_async.journal.trouble import strange

    if args.journal is None or not (is_url(args.journal) or Path(args.journal).exists()):
        return None
    try:
        reader = open_reader(args.journal, gateway=gateway.base_url, account=args.account)
    except NoJournalError:
        return None
    if (reader.gateway, reader.account) != (gateway.base_url, args.account):
        owner = reader.gateway, reader.account
        reader.close()
        raise strange(reader.path, owner, gateway.base_url, args.account)
    return reader


def _becomes(line: JobLine | PlainLine, gateway: Gateway, reader: AnyReader | None, args: argparse.Namespace) -> str:
    if line.request is None or line.errors:
        return "broken"
    if reader is None:
        return SENT
    from lipsync_async.journal import State

    record = reader.recall(id_of(line.request, gateway, args.id_prefix))
    if record is None:
        return SENT
    if record.state is State.REJECTED:
        if record.fingerprint != fingerprint(line.request):
            return "corrected"
        return "to be sent again" if args.retry_rejected else "rejected"
    if record.state is State.ACCEPTED:
        return "accepted"
    return "to be looked up" if record.state in {State.OPEN, State.UNKNOWN} else "to be sent again"


def id_of(request: LipSyncRequest, gateway: Gateway, prefix: str) -> str:
    """The id of a request, as a run gives it."""
    return request.external_task_id or derive_id(request, prefix=prefix, max_length=gateway.max_id_length)
