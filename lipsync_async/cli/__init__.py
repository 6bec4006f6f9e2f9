"""The command `lipsync-async`: job lists in, result lines out; data on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from lipsync_async.errors import JobListError, LipSyncError

from .arguments import make_parser
from .results import give_up
from .tally import INTERRUPTED, NOT_SENT, USAGE

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code: 0 all accepted, 1 some rejected, 2 usage or an unreadable list (nothing
    was sent), 3 stopped or some not sent, 4 some unknown, 130 interrupted.

    Raises SystemExit as argparse does, for `--help` and for options that are wrong.
    """
    args = make_parser().parse_args(argv)
    try:
        # A module is loaded when its command is run: `--help` answers without aiohttp.
        run = import_module(f".{args.module}", __package__).run
        return int(run(args))
    except KeyboardInterrupt:
        print("lipsync-async: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        give_up(sys.stdout)
        return NOT_SENT
    except LipSyncError as error:
        _explain(error)
        return USAGE


def _explain(error: LipSyncError) -> None:
    print(f"lipsync-async: {error}", file=sys.stderr)
    if isinstance(error, JobListError):
        for fault in error.violations:
            print(f"  {fault}", file=sys.stderr)
