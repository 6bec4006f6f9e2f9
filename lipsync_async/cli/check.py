"""`check`: the pre-flight of a whole list; nothing is sent."""

from __future__ import annotations

import argparse
import sys

from lipsync_async.gateways import gateway_for
from lipsync_async.jobs import JobList, LineFault, ListReport

from .display import say
from .monitor import clock
from .tally import ACCEPTED, USAGE

USD, CNY = 0.14, 1.0
"""A unit at list price (contract, section 7)."""


def run(args: argparse.Namespace) -> int:
    """Prints every fault on stdout as it is found, and a summary; gives the exit code. Raises `JobListError`."""
    gateway = gateway_for(args.gateway) if args.gateway is not None else None
    with JobList.open(args.jobs) as jobs:
        report = jobs.check(gateway, id_prefix=args.id_prefix, limit=args.limit, tell=_print)
    sys.stdout.flush()
    tell_warnings(report)
    say(f"{report.lines} lines: {report.jobs} jobs, {report.broken} broken, {len(report.repeats)} repeated")
    say(f"cost: {price(report.units)}")
    if args.max_per_second:
        say(f"time: at least {clock(report.jobs / args.max_per_second)} at {args.max_per_second:g} requests a second")
    return ACCEPTED if report.ok else USAGE


def _print(fault: LineFault) -> None:
    print(fault)


def price(units: float) -> str:
    """What so many units cost, as far as can be said."""
    return f"{units:g} units, about USD {units * USD:.2f} or CNY {units * CNY:.2f} at list price (an estimate)"


def tell_warnings(report: ListReport, *, quiet: bool = False) -> None:
    """Each kind of warning once, with the first line it is about."""
    for warned in report.warnings.values():
        more = f" (and in {warned.lines - 1} more lines)" if warned.lines > 1 else ""
        say(f"warning: {warned.first}{more}", quiet=quiet)
