"""What the operating system says of a file, and descriptors of a journal's file that SQLite does not know of.

POSIX locks belong to a process and a file: closing any descriptor of that file drops all of them, those of SQLite's
connections too. So a descriptor is closed when the process has no connection to its file any more.
"""

from __future__ import annotations

import os
from collections import Counter
from threading import Lock
from typing import TypeAlias

File: TypeAlias = tuple[int, int]
"""Device and inode."""

_guard = Lock()
_connections: Counter[File] = Counter()
_waiting: dict[File, list[int]] = {}


def stat(path: str) -> os.stat_result | None:
    """As `os.stat`; None where there is nothing that can be looked at."""
    try:
        return os.stat(path)  # noqa: PTH116 - made for every commit, and a Path is three times slower
    except (OSError, ValueError):
        return None


def size(path: str) -> int:
    """Its size in bytes; 0 where there is nothing."""
    found = stat(path)
    return 0 if found is None else found.st_size


def identity(found: os.stat_result) -> File:
    """Which file it is, whatever its name."""
    return found.st_dev, found.st_ino


def connected(path: str) -> File | None:
    """Count a connection of this process to the file at `path`; None where there is no such file."""
    found = stat(path)
    if found is None:
        return None
    file = identity(found)
    with _guard:
        _connections[file] += 1
    return file


def disconnected(file: File) -> None:
    """A connection to that file has been closed."""
    with _guard:
        _connections[file] -= 1
        if _connections[file] > 0:
            return
        del _connections[file]
        for descriptor in _waiting.pop(file, ()):
            os.close(descriptor)


def close_when_unused(descriptor: int) -> None:
    """Close the descriptor at once, or when the last connection to its file has been closed."""
    file = identity(os.fstat(descriptor))
    with _guard:
        if _connections[file] > 0:
            _waiting.setdefault(file, []).append(descriptor)
            return
        del _connections[file]
        os.close(descriptor)
