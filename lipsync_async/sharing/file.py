"""A store in a file, for the processes of one machine: SQLite and the machine's monotonic clock, and no server.

Whoever exchanges holds the file's write lock for a fraction of a millisecond, and never waits for it in the way of
the event loop: a process that was frozen with the lock in hand makes the others go on by themselves.
Nothing is synced to the disk: after a crash of the machine the limits are learned again, and so they are after a
reboot, for the clock begins anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from pathlib import Path
from time import monotonic

from lipsync_async.dispatch.pacing.book import Book
from lipsync_async.dispatch.pacing.exchange import Grant, Report

from .protocol import StoreAwayError

NAME = "limits.sqlite3"
"""The file's name where a folder is given."""
LONGEST = 0.8
"""Seconds for which an exchange tries to get the lock."""
PAUSE = 0.002
"""Seconds from one try to the next, about."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SCHEMA = "CREATE TABLE IF NOT EXISTS limits (account TEXT PRIMARY KEY, boot TEXT NOT NULL, book BLOB NOT NULL)"
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def boot() -> str:
    """Which boot of the machine this is; "" where it does not tell: a clock that went back tells it then."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


class FileLimits:
    """The book of one account in a file."""

    def __init__(self, path: str | Path, account: str) -> None:
        path = Path(path)
        self._path = path / NAME if path.is_dir() else path
        self._account = account
        self._boot = boot()
        self._connection: sqlite3.Connection | None = None

    def __str__(self) -> str:
        return f"file:{self._path}"

    async def exchange(self, report: Report) -> Grant:
        """One exchange, as `SharedLimits` has it."""
        until = monotonic() + LONGEST
        while True:
            try:
                return self._exchange(report)
            except sqlite3.Error as error:
                busy = isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _BUSY
                if not busy or monotonic() > until:
                    self._let_go()
                    raise StoreAwayError(f"{error}") from error
            except OSError as error:
                raise StoreAwayError(error.strerror or str(error)) from error
            await asyncio.sleep(PAUSE * (0.5 + random.random()))

    def _exchange(self, report: Report) -> Grant:
        connection = self._connection or self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            now = monotonic()
            row = connection.execute("SELECT boot, book FROM limits WHERE account = ?", (self._account,)).fetchone()
            kept = row[1] if row is not None and row[0] == self._boot else None
            book = Book.thaw(kept, report.rules, now)
            grant = book.exchange(report, now)
            connection.execute(
                "INSERT OR REPLACE INTO limits VALUES (?, ?, ?)", (self._account, self._boot, book.freeze())
            )
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return grant

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=0.0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def aclose(self) -> None:
        """Closes the file."""
        self._let_go()
