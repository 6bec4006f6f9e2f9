"""The command `lipsync-async`: job lists in, result lines out; data on stdout, everything else on stderr."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from lipsync_async.errors import JobListError, LipSyncError

from .arguments import make_parser
from .printing import give_up, hold_standard_files, say
from .tally import ACCEPTED, INTERRUPTED, NOT_SENT, USAGE

__all__ = ["main"]

_SHOWN = 100


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code: 0 all accepted, 1 some rejected, 2 usage or an unreadable list (nothing
    was sent), 3 stopped or some not sent, 4 some unknown, 130 interrupted.

    Raises SystemExit as argparse does, for `--help` and for options that are wrong.
    """
    hold_standard_files()
    args = make_parser().parse_args(argv)
    try:
        return _run(args)
    except KeyboardInterrupt:
        say("lipsync-async: interrupted")
        return INTERRUPTED
    except OSError as error:
        return _broken_off(error, args.module)
    except LipSyncError as error:
        _explain(error)
        return USAGE
    except SystemExit:
        raise
    except BaseException:  # noqa: BLE001 - a CancelledError, too: 1 would say that some jobs were rejected
        say(f"{traceback.format_exc()}lipsync-async: a fault of its own; what was sent may have been accepted")
        return NOT_SENT


def _run(args: argparse.Namespace) -> int:
    # A module is loaded when its command is run: `--help` answers without aiohttp.
    code = int(import_module(f".{args.module}", __package__).run(args))
    if sys.stdout is not None:
        sys.stdout.flush()
    return code


def _broken_off(error: OSError, module: str) -> int:
    """The system failed us, most often at the output: nobody reads it, or the disk is full.

    Where the command only shows something, a reader that has seen enough (`| head`) is no failure.
    """
    give_up(sys.stdout)
    if not isinstance(error, BrokenPipeError):
        say(f"lipsync-async: broken off: {error}")
    return ACCEPTED if isinstance(error, BrokenPipeError) and module in _SHOWS else NOT_SENT


_SHOWS = frozenset({"journals", "report"})
"""Not `check`: its code says whether the list is in order, and that is not known then."""


def _explain(error: LipSyncError) -> None:
    say(f"lipsync-async: {error}")
    if isinstance(error, JobListError):
        for fault in error.violations[:_SHOWN]:
            say(f"  {fault}")
        if len(error.violations) > _SHOWN:
            say(f"  ... and {len(error.violations) - _SHOWN} more")
