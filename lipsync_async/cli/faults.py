"""The faults of a list, for people: one line a cause, with the lines of the list that it is in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lipsync_async.jobs import LineFault

_NAMED = 5
"""Further lines that are named."""


def told_once(faults: Iterable[LineFault]) -> Iterator[str]:
    """Each cause with its first line, and with the other lines that have the very same fault."""
    causes: dict[tuple[str, str, str], list[LineFault]] = {}
    for fault in faults:
        told = fault.violation
        causes.setdefault((told.path, told.rule, told.message), []).append(fault)
    for same in causes.values():
        yield f"{same[0]}{_in_others([fault.line for fault in same[1:]])}"


def _in_others(lines: list[int]) -> str:
    """` (and the same in lines 3 and 4)`."""
    if not lines:
        return ""
    named = ", ".join(map(str, lines[:_NAMED]))
    more = f" and {len(lines) - _NAMED:,} more" if len(lines) > _NAMED else ""
    return f" (and the same in line{'' if len(lines) == 1 else 's'} {named}{more})"
