"""Every trouble has a text that helps, and none that leads to paying again."""

from __future__ import annotations

import errno
import os
import pickle
import sqlite3

import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal.trouble import explain, explain_os


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (sqlite3.SQLITE_FULL, "no space left"),
        (sqlite3.SQLITE_IOERR_WRITE, "failed to read or write"),
        (sqlite3.SQLITE_CORRUPT, "damaged"),
        (sqlite3.SQLITE_NOTADB, "is no journal"),
        (sqlite3.SQLITE_READONLY, "is read-only"),
        (sqlite3.SQLITE_BUSY, "locked by another program"),
        (sqlite3.SQLITE_LOCKED, "locked by another program"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
        (sqlite3.SQLITE_PERM, "no permission"),
        (sqlite3.SQLITE_MISUSE, "failed .OperationalError."),
    ],
)
def test_every_sqlite_error_has_a_text(code: int, text: str) -> None:
    """What SQLite says is told as what happened and what helps, with the file's name."""
    raised = sqlite3.OperationalError("words of sqlite")
    raised.sqlite_errorcode = code
    error = explain(raised, "run.db")
    assert error.kind == "storage"
    with pytest.raises(JournalError, match=text):
        raise pickle.loads(pickle.dumps(error))
    assert "run.db" in str(error)
    assert "words of sqlite" in str(error)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EIO])
def test_every_system_error_has_a_text(code: int) -> None:
    """What the operating system says is kept, after the cure."""
    assert os.strerror(code) in str(explain_os(OSError(code, os.strerror(code)), "run.db"))
