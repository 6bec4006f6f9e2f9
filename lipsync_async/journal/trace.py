"""What the side file `<journal>.lock` says: who has the journal, that it was made, and how far it had come.

The file is the proof that a journal once existed: where it says so and the journal is gone, empty, another one or an
older copy, jobs may have been paid for that nobody would remember.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

_HOLDER, _SIZE = 120, 256
_MADE = re.compile(rb"journal ([0-9a-f]{32}), rows (\d+)(?:, closed (\d+) (\d+))?\s*")
_NEW = b"no journal yet"


class Trace(NamedTuple):
    """The traces that an earlier opening left."""

    made: bool = False
    """A journal was made here."""
    journal_id: str = ""
    """Its id; empty where the side file is of version 0.1.0."""
    rows: int = 0
    """The highest row number (`seq`) that was durable."""
    closed: tuple[int, int] | None = None
    """Size and mtime (nanoseconds) of the file when it was closed; None where it was not closed in good order."""


def parse(content: bytes) -> tuple[str, Trace]:
    """The holder's name, perhaps empty, and the trace."""
    holder, _, rest = content.partition(b"\n")
    name = holder.decode(errors="replace").strip()
    if found := _MADE.fullmatch(rest):
        closed = (int(found[3]), int(found[4])) if found[3] else None
        return name, Trace(True, found[1].decode(), int(found[2]), closed)
    # 0.1.0 wrote the holder's name alone. Whatever else is there: better a journal too many than one forgotten.
    return name, Trace(made=bool(content.strip()) and rest.strip() != _NEW)


def is_id(text: str) -> bool:
    """Whether it can be a journal's id."""
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def write(descriptor: int, holder: str, trace: Trace) -> None:
    """Put both in place of what was there, in one write: a process killed at any instant leaves the old or the new."""
    told = _NEW
    if trace.made:
        told = b"journal %s, rows %d" % (trace.journal_id.encode(), trace.rows)
        if trace.closed is not None:
            told += b", closed %d %d" % trace.closed
    name = holder.encode(errors="replace")[:_HOLDER].ljust(_HOLDER)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, (name + b"\n" + told).ljust(_SIZE - 1) + b"\n")


def read_trace(path: str) -> Trace:
    """What the side file of the journal at `path` says; nothing where it cannot be read."""
    try:
        return parse(Path(f"{path}.lock").read_bytes())[1]
    except (OSError, ValueError):
        return Trace()
