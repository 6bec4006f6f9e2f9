"""`check`: the pre-flight of a whole list; nothing is sent."""

from __future__ import annotations

import argparse
import sys

from lipsync_async.gateways import Gateway, gateway_for
from lipsync_async.jobs import JobList, ListReport

from .faults import AllCauses
from .monitor import clock
from .printing import printable, say
from .sounds import open_list
from .tally import ACCEPTED, USAGE

_SHOWN = 20
"""Kinds of warnings that are shown."""
USD, CNY = 0.14, 1.0
"""A unit at list price (contract, section 7)."""


def run(args: argparse.Namespace) -> int:
    """Prints each cause of faults on stdout, and a summary; gives the exit code. Raises `JobListError`."""
    gateway = gateway_for(args.gateway) if args.gateway is not None else None
    with open_list(args) as jobs:
        report = look_through(jobs, gateway, args)
    tell_warnings(report)
    found = f"{report.jobs:,} job{'' if report.jobs == 1 else 's'}"
    say(f"{report.lines:,} lines: {found}, {report.broken:,} broken, {len(report.repeats):,} repeated")
    say(f"cost: {price(report.units)}{made_first(report)}")
    if args.max_per_second:
        say(f"time: at least {clock(report.jobs / args.max_per_second)} at {args.max_per_second:g} requests a second")
    return ACCEPTED if report.ok else USAGE


def look_through(jobs: JobList, gateway: Gateway | None, args: argparse.Namespace) -> ListReport:
    """Looks through the list; each cause of faults is told on stdout, also where it cannot be read to its end."""
    causes = AllCauses(lambda text: print(printable(text)))
    try:
        return jobs.check(gateway, id_prefix=args.id_prefix, limit=args.limit, tell=causes.add)
    finally:
        causes.end()
        sys.stdout.flush()


def price(units: float) -> str:
    """What so many units cost, as far as can be said."""
    return f"{units:g} units, about USD {units * USD:.2f} or CNY {units * CNY:.2f} at list price (an estimate)"


def made_first(report: ListReport) -> str:
    """What is in the price beside the jobs; "" for nothing."""
    told = [f"{_counted(report.videos, 'video')} to identify"] if report.videos else []
    told += [f"{_counted(report.texts, 'text')} to speak, whose length is a guess"] if report.texts else []
    return f", with {' and '.join(told)}" if told else ""


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def tell_warnings(report: ListReport, *, quiet: bool = False) -> None:
    """Each kind of warning once, with the first line it is about; at most `_SHOWN` kinds."""
    kinds = list(report.warnings.values())
    for warned in kinds[:_SHOWN]:
        more = f" (and in {_counted(warned.lines - 1, 'more line')})" if warned.lines > 1 else ""
        say(f"warning: {warned.first}{more}", quiet=quiet)
    left = report.warning_count - sum(warned.lines for warned in kinds[:_SHOWN])
    if left:
        say(f"... and {left} more warnings of other kinds", quiet=quiet)
