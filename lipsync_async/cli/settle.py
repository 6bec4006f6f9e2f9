"""`settle`: what a person found out about a job in doubt is written down."""

from __future__ import annotations

import argparse

from .printing import say
from .tally import ACCEPTED


def run(args: argparse.Namespace) -> int:
    """Writes it down; gives the exit code. Raises `JournalError` where that makes no sense."""
    from lipsync_async.journal import settle

    record = settle(args.journal, args.id, task_id=args.task)
    if record.task_id is None:
        say(f"{record.external_task_id}: the gateway has no task of it; the next run with its list sends it again")
    else:
        say(f"{record.external_task_id}: accepted as task {record.task_id}")
    return ACCEPTED
