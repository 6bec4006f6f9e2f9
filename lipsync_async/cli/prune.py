"""`journal prune`: settled jobs that are older than a day are forgotten."""

from __future__ import annotations

import argparse
import math
import time

from lipsync_async.errors import ConfigurationError

from .printing import say
from .tally import ACCEPTED


def run(args: argparse.Namespace) -> int:
    """Forgets them; gives the exit code. Raises `JournalError`, or `ConfigurationError` for a day to come."""
    from lipsync_async.journal import prune

    if not args.all and args.before > time.time():
        text = "--before is a day to come, so that everything settled would be forgotten: --all says that plainly"
        raise ConfigurationError(text)
    count = prune(args.journal, before=math.inf if args.all else args.before)
    say(f"{count:,} settled jobs forgotten; a list that has one of them once more pays for it again")
    return ACCEPTED
