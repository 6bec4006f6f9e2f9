"""What can go wrong with a file, as texts that say what happened and what helps."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Mapping

from lipsync_async.errors import JournalError

_AGAIN = "then run again with the same journal: what it has confirmed is not lost"
_SPACE = f"no space left for the journal {{path}}: free some, {_AGAIN}"
_RIGHTS = "no permission to write the journal {path}, its side files or its directory: allow it, or use another path"
_READ_ONLY = "the journal {path} is read-only: make it and its directory writable, or use another path"
_BROKEN = (
    "the journal {path} is damaged: keep a copy for `.recover` of the sqlite3 program, put a backup in its place, "
    "and don't send the list again with a new journal before its unfinished jobs were looked up"
)

_LOCKED = "the journal {path} is locked by another program, such as a database browser: close it there first"
_SQLITE: Mapping[int, str] = {
    sqlite3.SQLITE_FULL: _SPACE,
    sqlite3.SQLITE_IOERR: f"the disk under the journal {{path}} failed to read or write: see to it, {_AGAIN}",
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: "{path} is no journal, or a damaged one: use another path, or put a backup in its place",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _RIGHTS,
    sqlite3.SQLITE_AUTH: _RIGHTS,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CANTOPEN: "the journal {path} cannot be opened: see that it is there, a file, and yours to write",
}
_SYSTEM: Mapping[int, str] = {
    errno.ENOENT: "the directory of the journal {path} does not exist: create it first",
    errno.ENOTDIR: "the directory of the journal {path} is not a directory: use another path",
    errno.EISDIR: "the journal {path} is a directory: give the path of a file",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _READ_ONLY,
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
}


def explain(error: Exception, path: str) -> JournalError:
    """The `JournalError` for what SQLite raised."""
    # The low byte is the primary code; what lies above only details it. Errors of the module itself have none.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    text = _SQLITE.get(code, f"the journal {{path}} failed ({type(error).__name__})")
    return JournalError(f"{text.format(path=path)} [{error}]")


def explain_os(error: OSError, path: str) -> JournalError:
    """The `JournalError` for what the operating system raised."""
    text = _SYSTEM.get(error.errno or 0, "the journal {path} cannot be used")
    return JournalError(f"{text.format(path=path)} [{error.strerror}]")


def gone(path: str) -> JournalError:
    """The `JournalError` for one who writes a journal that is not, or no longer, this process's."""
    return JournalError(f"the journal {path} is closed, or was opened before this process was forked: open it here")
