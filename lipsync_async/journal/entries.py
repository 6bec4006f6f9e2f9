"""What a journal keeps beside its jobs, under a kind and a name: the endings of tasks, and later things of that sort.

The journal does not read a value; whoever keeps one knows its form.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import msgspec

from lipsync_async.errors import JournalError

_pack = msgspec.msgpack.Encoder().encode


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is kept; a later one of the same kind and name takes its place."""

    kind: str
    """What it is: `task` ..."""
    name: str
    """Unique in its kind: of a task, the job's external_task_id."""
    state: str
    """In a word, so that entries can be counted."""
    value: bytes


EntryRow = tuple[str, str, str, bytes, int]


def to_row(entry: Entry) -> EntryRow:
    """The entry as the table has it: a checksum tells a damaged one."""
    name = entry.name.encode("utf-8", "backslashreplace").decode()  # SQLite holds no half surrogate
    return entry.kind, name, entry.state, entry.value, _checksum(entry.kind, name, entry.state, entry.value)


def from_row(row: tuple[Any, ...]) -> Entry:
    """The entry that a row holds. Raises `JournalError` without a path where it is damaged."""
    kind, name, state, value, checksum = row
    if _checksum(kind, name, state, value) != checksum:
        raise JournalError("its checksum does not fit")
    return Entry(kind=kind, name=name, state=state, value=value)


def _checksum(*values: object) -> int:
    return crc32(_pack(values))
