"""Which file a path means: a journal under another name is the same journal, and a copy is not.

SQLite keeps `-wal` beside the name that a file was opened by. Under another name (a hard link, a bind mount) the newest
commits would be missing, so a journal remembers its home: the path at which it was last opened for writing.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .files import identity, size, stat
from .rows import is_text, storable
from .schema import HOME, JOURNAL_ID
from .trace import read_trace
from .trouble import copied, linked, moved

_NOTES = "SELECT name, value FROM notes WHERE name IN (?, ?)"


def locate(path: str) -> str:
    """The journal's home where `path` is another name of the same file, else `path`."""
    home = _notes(path).get(HOME)
    return home if home is not None and _is_same(home, path) else path


def check_place(path: str) -> None:
    """Raise `JournalError` where `path` was left without what is only in the `-wal` of its home."""
    notes = _notes(path)
    home = notes.get(HOME)
    if home is None or home == storable(path) or _is_same(home, path) or size(f"{path}-wal"):
        return
    if size(f"{home}-wal"):
        if stat(home) is None:
            raise moved(path, home)
        if read_trace(home).journal_id == notes.get(JOURNAL_ID):
            raise copied(path, home)
    here = stat(path)
    if here is not None and here.st_nlink > 1:
        raise linked(path, home)


def _notes(path: str) -> dict[str, str]:
    """What the main file alone says; nothing where it says nothing, or is no journal: opening it will tell."""
    if not size(path):
        return {}
    try:
        # Immutable: without any lock, and without making side files beside a name that may be the wrong one.
        connection = sqlite3.connect(f"{Path(path).as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            rows = connection.execute(_NOTES, (HOME, JOURNAL_ID)).fetchall()
            return {name: value for name, value in rows if is_text(value)}
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError):
        return {}


def _is_same(one: str, other: str) -> bool:
    here, there = stat(one), stat(other)
    return here is not None and there is not None and identity(here) == identity(there)
