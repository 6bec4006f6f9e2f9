"""`reconcile`: what an earlier run left open or unknown is looked up; nothing is ever sent."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from . import resuming
from .monitor import Monitor
from .printing import say
from .tally import Tally

if TYPE_CHECKING:
    from lipsync_async.journal import AnyJournal


def run(args: argparse.Namespace) -> int:
    """Looks up and writes a result line for each; gives the exit code. Raises `LipSyncError` where it cannot begin."""
    from lipsync_async.journal import without_password

    monitor = Monitor(f"reconcile {without_password(args.journal)}", 0, Tally())
    resumed = resuming.Resumed(
        monitor,
        total=_in_doubt,
        stream=lambda client, journal: client.reconcile(journal),
        summary=lambda: say(f"{monitor.total} looked up: {monitor.tally}", quiet=args.quiet),
    )
    return resuming.run(args, resumed)


def _in_doubt(journal: AnyJournal) -> int:
    from lipsync_async.journal import State

    counts = journal.reader.counts()
    return counts[State.UNKNOWN] + counts[State.OPEN]
