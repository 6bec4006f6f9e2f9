"""`wait`: waits for the tasks of a journal's jobs, and fetches their videos if so wished; nothing is ever submitted."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from lipsync_async.config import Following

from . import resuming
from .advice import Case, next_steps
from .monitor import Monitor
from .printing import say
from .tally import Tally
from .target import look_at_folder

if TYPE_CHECKING:
    from lipsync_async.journal import AnyJournal


def run(args: argparse.Namespace) -> int:
    """Waits, and writes a result line for each job; gives the exit code.

    Raises `LipSyncError` where it cannot begin.
    """
    look_at_folder(args.download)
    from lipsync_async.journal import without_password

    monitor = Monitor(f"wait {without_password(args.journal)}", 0, Tally(waits=True))
    resumed = resuming.Resumed(
        monitor,
        total=partial(_with_tasks, monitor),
        stream=lambda client, journal: client.follow(journal, timeout=args.wait_timeout, download=args.download),
        summary=lambda: _say_how_it_went(args, monitor.tally),
    )
    following = Following(first_look=args.first_look, max_queries_per_second=args.max_queries_per_second)
    return resuming.run(args, resumed, following)


def _with_tasks(monitor: Monitor, journal: AnyJournal) -> int:
    """The jobs that have a task, or may have one."""
    from lipsync_async.journal import State
    from lipsync_async.tasks.ties import ties_of

    counts = journal.reader.counts()
    monitor.submitted = sum(counts[state] for state in (State.ACCEPTED, State.UNKNOWN, State.OPEN))
    monitor.submitted -= len(ties_of(journal.reader).jobs)
    return monitor.submitted


def _say_how_it_went(args: argparse.Namespace, tally: Tally) -> None:
    say(f"{tally}", quiet=args.quiet)
    if tally.cost():
        say(f"  {tally.cost()}", quiet=args.quiet)
    for reason in tally.reasons():
        say(f"  {reason}", quiet=args.quiet)
    from lipsync_async.journal import without_password

    name = without_password(args.journal)
    case = Case(gateway=args.gateway, journal=name, account=args.account, wait=True, download=args.download)
    for line in next_steps(tally, case):
        say(line, quiet=args.quiet)
