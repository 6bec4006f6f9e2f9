"""`journal prune`: settled jobs that are older than a day are forgotten."""

from __future__ import annotations

import argparse

from .printing import say
from .tally import ACCEPTED


def run(args: argparse.Namespace) -> int:
    """Forgets them; gives the exit code. Raises `JournalError`."""
    from lipsync_async.journal import prune

    count = prune(args.journal, before=args.before)
    say(f"{count:,} settled jobs forgotten; a list that has one of them once more pays for it again")
    return ACCEPTED
