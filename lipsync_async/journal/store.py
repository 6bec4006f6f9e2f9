"""The journal's file: one row a job, in SQLite. Plain and synchronous; one writer, any number of readers."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from time import monotonic

from lipsync_async.errors import JournalError

from . import schema, trace
from .disks import is_network
from .entries import EntryRow
from .locks import WriterLock
from .place import check_place, locate
from .reader import MEMORY, Reader
from .record import Record
from .rows import COLUMNS, STEP, Group, Row, grouped, storable, storable_rows, to_rows
from .schema import HOME, JOURNAL_ID
from .trouble import SQLITE_ERRORS, damaged, explain, gone, replaced, strange

# More rows a statement save little.
_MOST_ROWS = 128
_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "external_task_id")
_KEEP = (
    "INSERT INTO entries (kind, name, state, value, checksum) VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, name)"
    " DO UPDATE SET state = excluded.state, value = excluded.value, checksum = excluded.checksum"
)
# Seconds between two notes in the side file of how many rows there are.
_TELL_EVERY = 0.1
_log = logging.getLogger("lipsync_async")


class Store(Reader):
    """The journal at `path` for one writer in one thread, created where there is none; `":memory:"` keeps it in memory.

    It belongs to a gateway and to an account's label, never to a key.
    `network` says whether the path is on a network file system; None: found out.
    Raises `JournalError` where another process has it, it belongs to something else, it is damaged or not the journal
    that was last written at this path, or it cannot be used; a write also where the file is no longer at its path.
    """

    _last = _newest = 0
    """The row numbers that the side file knows, and that were inserted last."""
    _kept = False
    """Entries were put in, too."""
    _tell_at = 0.0
    """When the side file is told next, on the monotonic clock."""

    def __init__(
        self, path: str | os.PathLike[str], *, gateway: str, account: str = "default", network: bool | None = None
    ) -> None:
        in_memory = os.fspath(path) == MEMORY
        self.path = MEMORY if in_memory else locate(os.path.realpath(path))
        if network is None:
            network = not in_memory and is_network(self.path)
        self.lock = WriterLock(None if in_memory else self.path, network=network)
        try:
            if not in_memory:
                check_place(self.path)
            self._connect("rwc")
            try:
                self._set_up(network, gateway, account)
                self._own(gateway, account)
                self._settle_in()
            except BaseException:
                super().close()
                raise
        except BaseException:
            self.lock.release()
            raise
        # Before SQLite 3.32 a statement took 999 values.
        room = self._connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(COLUMNS)
        self.most_rows = min(_MOST_ROWS, room // STEP * STEP)
        """Rows of one statement."""

    def write(self, records: Sequence[Record]) -> None:
        """Put these in, each in place of what its id had; in one transaction, durable on return.

        Raises `JournalError`, and then none is written, or all are in a file that is no longer at its path.
        """
        self.write_rows(grouped(to_rows(records), self.most_rows))

    def write_rows(self, groups: Sequence[Group]) -> None:
        """The same for rows that `to_rows` and `grouped` made."""
        try:
            self._write(groups)
        except (UnicodeEncodeError, OverflowError):
            rows = storable_rows(row for group in groups for row in group.rows)
            self._write(grouped(rows, self.most_rows))
        self._confirm()

    def keep(self, rows: Sequence[EntryRow]) -> None:
        """Put these entries in, each in place of what its kind and name had; durable on return.

        Raises `JournalError`.
        """
        self._transact(lambda: self._put_entries(rows))
        self._confirm()

    def remember(self, name: str, value: str) -> None:
        """Keep a small note, in place of what it was; durable on return. Raises `JournalError`."""
        self._keep(f"note:{name}", value)

    def remember_list(self, digest: str, count: int) -> None:
        """Keep that the list of that digest, of so many jobs, was checked; durable on return. Raises `JournalError`."""
        self._keep(f"list:{digest}", str(count))

    def prune(self, old: str, before: float, at_once: int) -> int:
        """Deletes the jobs that the query `old` names, and what is kept for them; returns how many.

        Raises `JournalError`.
        """
        count = 0
        while names := self._rows(old, (before, at_once)):
            self._transact(lambda: self._forget(names))
            count += len(names)
        return count

    def _forget(self, names: Sequence[Row]) -> None:
        self._connection.executemany("DELETE FROM entries WHERE name = ?", names)
        self._connection.executemany("DELETE FROM jobs WHERE external_task_id = ?", names)

    def checkpoint(self) -> None:
        """Bring what is in the -wal file into the main file, so that a copy of that alone lacks nothing older.

        Where that fails nothing is lost, for the -wal file keeps it.
        """
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        # The first row after it is told at once: without it nobody would miss the -wal file that has it.
        self._tell_at = 0.0

    def close(self) -> None:
        """Close the file and let others have it; again does nothing."""
        if self.lock.held:
            self.checkpoint()
            super().close()
            self.lock.release(clean=True)

    def _set_up(self, network: bool, gateway: str, account: str) -> None:
        # Whose file it is comes first: nothing may change in a database that is not ours.
        version = self._version()
        if version and self.lock.changed:
            self._safely(lambda: self._look_through(version))
        mode = "DELETE" if network else "WAL"
        if self._rows(f"PRAGMA journal_mode = {mode}")[0][0] == "delete":
            _log.warning(
                "the journal %s is on a network file system: it is slower there, "
                "and only as safe as that system's locks and caches; prefer a local disk",
                self.path,
            )
        self._execute("PRAGMA synchronous = FULL")
        # A Mac's fsync leaves data in the drive's cache without it; nothing elsewhere.
        self._execute("PRAGMA fullfsync = 1")
        if not version:
            self._transact(lambda: self._create(gateway, account))
        elif version < len(schema.MIGRATIONS):
            self._transact(lambda: self._migrate(version))
        self._prepare(len(schema.MIGRATIONS))

    def _look_through(self, version: int) -> None:
        # With a damaged index or table a job that is there would not be found, and would be paid for again.
        if schema.shape(self._connection) != schema.expected_shape(version):
            raise damaged(self.path, "its tables are not those of a journal")
        found = self._rows("PRAGMA integrity_check(1)")[0][0]
        if found != "ok":
            raise damaged(self.path, found)

    def _create(self, gateway: str, account: str) -> None:
        schema.create(self._connection)
        home = [] if self.path == MEMORY else [(HOME, storable(self.path))]
        self._put_notes([("gateway", gateway), ("account", account), *home])

    def _migrate(self, version: int) -> None:
        for migration in schema.MIGRATIONS[version:]:
            migration(self._connection)
        self._connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")

    def _own(self, gateway: str, account: str) -> None:
        owner = self._value("gateway"), self._value("account")
        if owner == (None, None):
            self._transact(lambda: self._put_notes([("gateway", gateway), ("account", account)]))
        elif owner != (gateway, account):
            raise strange(self.path, owner, gateway, account)

    def _settle_in(self) -> None:
        """Compare the file with what was last written at this path, and write down that it is here."""
        known, journal_id = self.lock.trace, self._value(JOURNAL_ID) or ""
        if not trace.is_id(journal_id):
            raise damaged(self.path, "its id cannot be read")
        self._last = self._newest = self._highest()
        if known.journal_id and (known.journal_id != journal_id or self._last < known.rows):
            raise replaced(self.path)
        if self.path == MEMORY:
            return
        if self._value(HOME) != storable(self.path):
            self._transact(lambda: self._put_notes([(HOME, storable(self.path))]))
        self.checkpoint()
        self.lock.settle()
        self.lock.remember(journal_id, self._last)

    def _highest(self) -> int:
        return self._rows("SELECT MAX(seq) FROM jobs")[0][0] or 0

    def _confirm(self) -> None:
        """What was written is where the next run looks for it."""
        try:
            self.lock.check()
        except JournalError:
            if self.lock.is_moved:
                self._leave()
            raise
        if self._newest > self._last and (now := monotonic()) >= self._tell_at:
            # Not for every commit: the side file's own time stamps make the next sync dearer.
            self._tell_at = now + _TELL_EVERY
            self._last = self._newest
            self.lock.remember(self.lock.trace.journal_id, self._last)

    def _leave(self) -> None:
        # A file that was moved shall be whole where it is now, and a file that was put in its place must not get our
        # newest pages from the -wal file.
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _keep(self, name: str, value: str) -> None:
        self._transact(lambda: self._put_notes([(name, value)]))
        self._confirm()

    def _put_entries(self, rows: Sequence[EntryRow]) -> None:
        self._kept = True
        self._connection.executemany(_KEEP, rows)

    def _put_notes(self, notes: list[tuple[str, str]]) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", notes)

    def _write(self, groups: Sequence[Group]) -> None:
        # Every step of a statement gives the GIL away, and a busy loop pays for each time it is asked back:
        # so one step for as many rows as can be, and a statement that is alone is its own transaction.
        put = partial(self._put_groups, groups)
        if len(groups) > 1:
            self._transact(put)
        elif groups:
            self._safely(put)

    def _put_groups(self, groups: Sequence[Group]) -> None:
        for group in groups:
            cursor = self._connection.execute(_upsert(group.width, group.size), group.values)
            # The number of the row that was inserted last, into whichever table; an update leaves it as it was.
            self._newest = self._highest() if self._kept else cursor.lastrowid or 0

    def _transact(self, work: Callable[[], None]) -> None:
        def transaction() -> None:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                work()
                self._connection.execute("COMMIT")
            except BaseException:
                # After a full disk SQLite has often rolled back already.
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

        self._safely(transaction)

    def _safely(self, work: Callable[[], None]) -> None:
        if not self.lock.held:
            raise gone(self.path)
        try:
            work()
        except SQLITE_ERRORS as error:
            raise explain(error, self.path) from error


@cache
def _upsert(width: int, count: int) -> str:
    """Puts so many rows of so many columns in; each takes the place of what its id had."""
    rows = ", ".join([f"({', '.join('?' * width)})"] * count)
    return (
        f"INSERT INTO jobs ({', '.join(COLUMNS[:width])})"  # noqa: S608 - names of our own
        f" VALUES {rows} ON CONFLICT (external_task_id) DO UPDATE SET {_UPDATES}"
    )
