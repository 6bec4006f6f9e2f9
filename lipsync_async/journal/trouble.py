"""What can go wrong with a file, as texts that say what happened and what helps.

No text may lead to paying again: a new journal, or an older copy of one, forgets jobs that may have been paid for.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from lipsync_async.errors import JournalError

from .trace import read_trace

SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What reading raises: the module decodes the names of columns, too, and a damaged one is no UTF-8."""
_AGAIN = "then run again with the same journal: what it has confirmed is not lost"
_ELSEWHERE = "another path is only for a list of which nothing was sent yet"
_LOOK_UP = (
    "what the journal can no longer tell may have been paid for: look those jobs up at the gateway by their "
    "external_task_id before any of them is sent again, and don't send the list with a new journal"
)
_SPACE = f"no space left for the journal {{path}}: free some, {_AGAIN}"
_RIGHTS = f"no permission to write the journal {{path}}, its side files or its directory: allow it; {_ELSEWHERE}"
_READ_ONLY = f"the journal {{path}} is read-only: make it and its directory writable; {_ELSEWHERE}"
_BROKEN = (
    "the journal {path} is damaged: keep it, for `.recover` of the sqlite3 program can read most of such a file; "
    + _LOOK_UP
)
_LOCKED = "the journal {path} is locked by another program, such as a database browser: close it there first"
_BEGINNING = 64
"""Bytes: a journal begins with `SQLite format 3` and a zero, and no text has a zero there."""
_BLANK = 0x20
"""From here on bytes are letters, or parts of letters in UTF-8."""
_SQLITE: Mapping[int, str] = {
    sqlite3.SQLITE_FULL: _SPACE,
    sqlite3.SQLITE_IOERR: f"the disk under the journal {{path}} failed to read or write: see to it, {_AGAIN}",
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: "{path} is no journal, or a damaged one: if it never was one, use another path; if it was, "
    + _LOOK_UP,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _RIGHTS,
    sqlite3.SQLITE_AUTH: _RIGHTS,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CANTOPEN: "the journal {path} cannot be opened: see that it is there, a file, and yours to write",
}
_SYSTEM: Mapping[int, str] = {
    errno.ENOENT: "the directory of the journal {path} does not exist: create it first",
    errno.ENOTDIR: "the directory of the journal {path} is not a directory: give the path of a file in a directory",
    errno.EISDIR: "the journal {path} is a directory: give the path of a file",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _READ_ONLY,
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
}


def explain(error: Exception, path: str) -> JournalError:
    """The `JournalError` for one of `SQLITE_ERRORS`."""
    # The low byte is the primary code; what lies above only details it. Errors of the module itself have none.
    if isinstance(error, UnicodeDecodeError):
        return damaged(path, "the name of a column cannot be read")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB and _is_text(path):
        return wrong_file(path)
    text = _SQLITE.get(code, f"the journal {{path}} failed ({type(error).__name__})")
    return JournalError(f"{text.format(path=path)} [{error}]")


def _is_text(path: str) -> bool:
    """Whether the file was never a journal, but a list or another text.

    Its first bytes are letters, and no side file says that a journal was made there.
    """
    if read_trace(path).made:
        return False
    try:
        with Path(path).open("rb") as file:
            begin = file.read(_BEGINNING)
    except OSError:
        return False
    printable = sum(byte >= _BLANK or byte in b"\t\r\n" for byte in begin)
    return len(begin) == printable and not begin.startswith(b"SQLite")


def explain_os(error: OSError, path: str) -> JournalError:
    """The `JournalError` for what the operating system raised."""
    text = _SYSTEM.get(error.errno or 0, "the journal {path} cannot be used")
    return JournalError(f"{text.format(path=path)} [{error.strerror}]")


def gone(path: str) -> JournalError:
    """The `JournalError` for one who writes a journal that is not, or no longer, this process's."""
    return JournalError(f"the journal {path} is closed, or was opened before this process was forked: open it here")


def taken(path: str, holder: str) -> JournalError:
    """Somebody else has it."""
    own = ", or share the open one (`Journal.shared`)" if holder == "this very process" else ""
    return JournalError(
        f"the journal {path} is in use by {holder}: wait until that run has ended, or stop it{own}; {_ELSEWHERE}"
    )


def displaced(path: str, what: str) -> JournalError:
    """Something happened to its files while it was in use."""
    return JournalError(
        f"the journal {path} was {what} while it was in use, so nothing more is sent: put the file, and the files -wal"
        f" and .lock beside it, back where they were, {_AGAIN}; without it, {_LOOK_UP}"
    )


def missing(path: str, what: str) -> JournalError:
    """It was made once, and its file is gone or empty."""
    return JournalError(
        f"the journal {path} is {what}, but the files beside it say that it was made, so it is damaged: put it back as"
        f" it was last; if it cannot be had any more, {_LOOK_UP} (remove {path}.lock and {path}-wal only for a list of"
        " which nothing was sent yet)"
    )


def replaced(path: str) -> JournalError:
    """Another journal, or an older copy of this one, lies at its path."""
    return JournalError(
        f"the journal {path} lacks jobs that were written to it: another file or an older copy was put in its place, or"
        f" its -wal file was removed. Put back what was there last; if that cannot be had any more, {_LOOK_UP}"
    )


def copied(path: str, home: str) -> JournalError:
    """A copy of a journal whose newest commits it lacks."""
    return JournalError(
        f"the journal {path} is a copy of {home} and lacks what {home}-wal holds: use {home}, or copy both files"
    )


def moved(path: str, home: str) -> JournalError:
    """The file was moved without its side files."""
    return JournalError(
        f"the journal {path} was moved here from {home} without {home}-wal, which holds its newest jobs:"
        f" move that file too, to {path}-wal"
    )


def linked(path: str, home: str) -> JournalError:
    """It has several names, and the one that its side files are named after is gone."""
    return JournalError(
        f"the journal {path} has other names (hard links), and {home}, which it was last used by, is gone:"
        " keep one name, the one that has a -wal or .lock file beside it, and remove the others"
    )


def damaged_row(path: str, row: int, external_task_id: str | None, why: str) -> JournalError:
    """A row does not hold what was written."""
    whose = "whose id cannot be read" if external_task_id is None else f"the job {external_task_id!r}"
    return JournalError(f"the journal {path} is damaged in row {row}, {whose} ({why}): keep the file; {_LOOK_UP}")


def damaged(path: str, why: str) -> JournalError:
    """The file is not what was written."""
    return JournalError(f"{_BROKEN.format(path=path)} [{why}]")


def wrong_file(path: str) -> JournalError:
    """A list, result lines or another text."""
    return JournalError(f"{path} is no journal, but a text file: a journal is what the run had as its --journal")


def foreign(path: str) -> JournalError:
    """A database of another program."""
    return JournalError(f"{path} is not a journal: it is a database of another program; use another path")


def newer(path: str, version: int, known: int) -> JournalError:
    """Written by a version to come."""
    return JournalError(
        f"the journal {path} was written by a newer version of lipsync-async"
        f" (schema {version}, this one knows {known}): upgrade"
    )


def absent(path: str) -> JournalError:
    """There is no file of that name."""
    return JournalError(f"there is no journal {path}: name the file that the run had as its --journal")


def blank(path: str) -> JournalError:
    """There is nothing to read."""
    return JournalError(f"the journal {path} is empty: no list was run with it")


def strange(path: str, owner: tuple[str | None, str | None], gateway: str, account: str) -> JournalError:
    """It belongs to another gateway or account."""
    return JournalError(
        f"the journal {path} belongs to the gateway {owner[0]}, account {owner[1]!r}, not to {gateway},"
        f" account {account!r}: use its own gateway and account; with another journal and gateway its jobs are paid for"
        " again"
    )


def elsewhere(path: str) -> JournalError:
    """Another event loop of this process has it."""
    return JournalError(
        f"the journal {path} is in use by another event loop of this process: submit from that loop, or wait until its"
        f" runs have ended; {_ELSEWHERE}"
    )
