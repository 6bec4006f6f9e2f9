"""What people read: nothing out of a list, a journal or a reply steers their terminal; no stderr is no harm."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TextIO

from lipsync_async.errors import ConfigurationError

STANDARD = (0, 1, 2)


def printable(text: str) -> str:
    """The same text with all that is not seen as what it is: escapes for what steers a terminal or turns a line."""
    lines = text.split("\n")
    if all(line.isprintable() for line in lines):
        return text
    return "\n".join("".join(map(_shown, line)) for line in lines)


def _shown(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def say(text: str, *, quiet: bool = False) -> None:
    """A line for people, on stderr."""
    if not quiet:
        with suppress(OSError, ValueError):
            print(printable(text), file=sys.stderr, flush=True)


def hold_standard_files() -> None:
    """Puts the null device where stdin, stdout or stderr is closed, so that no other file is ever given its number.

    `sys.stdout` stays None where there is none, for that is an error of its own; what is said for people goes nowhere.
    """
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            _put_nothing(number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - until the process ends
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="backslashreplace")


def _put_nothing(number: int) -> None:
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDWR)
        if nothing != number:
            os.dup2(nothing, number)
            os.close(nothing)


def standard_output() -> TextIO:
    """Where the results go. Raises `ConfigurationError` where it is closed, or cannot be written to."""
    out: TextIO | None = sys.stdout
    if out is None:
        raise ConfigurationError("standard output is closed: name a file with --out")
    try:
        os.write(out.fileno(), b"")
    except OSError as error:  # also of a text in memory, which has no number
        if error.errno == errno.EBADF:
            raise ConfigurationError("standard output is not open for writing: name a file with --out") from error
    except ValueError as error:
        raise ConfigurationError("standard output is closed: name a file with --out") from error
    return out


def give_up(out: TextIO | None) -> None:
    """A stdout that nobody reads would complain once more at the interpreter's exit."""
    if out is None:
        return
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)
