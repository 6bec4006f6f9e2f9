"""Looking at a journal, beside a writer or without one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lipsync_async.errors import JournalError

from . import entries, schema
from .entries import Entry
from .files import File, connected, disconnected, size, stat
from .locks import holder_of
from .looks import AnyReader
from .place import locate
from .record import Record, State
from .rows import DamagedRowError, Row, from_row, from_unsealed, is_text, storable
from .schema import APPLICATION_ID, ENTRIES, JOURNAL_ID, SALT, SALT_BYTES, SEALED, selected
from .trace import read_trace
from .trouble import SQLITE_ERRORS, absent, blank, damaged, damaged_row, explain, foreign, missing, newer

MEMORY = ":memory:"
_PAGE = 500
_SETTLED = f"""SELECT external_task_id, seq FROM jobs
WHERE seq > ? AND state IN ('accepted', 'rejected') ORDER BY seq LIMIT {_PAGE}"""  # noqa: S608


_ENTRY = "SELECT kind, name, state, value, checksum, seq FROM entries WHERE kind = ?"


class Reader(AnyReader):
    """A look at the journal at `path`, beside a writer or without one; for one thread.

    It claims nothing, changes nothing, and sees what was durable at each call.
    It reads journals of older versions as they are.
    Raises `JournalError` where there is no journal, or one that this version does not know; every reading method does
    where the file cannot be read or a row is damaged.
    `at_home`: the path is known to be the journal's own, as a `Store` has it.
    """

    _connection: sqlite3.Connection
    _file: File | None = None
    salt = b""
    """16 random bytes, made with the journal, for salted marks of API keys; empty in a journal of schema 1."""

    def __init__(self, path: str | os.PathLike[str], *, any_thread: bool = False, at_home: bool = False) -> None:
        self.path = os.fspath(path) if at_home else locate(os.path.realpath(path))
        _refuse_empty(self.path)
        # Opened for writing all the same: only so can SQLite tidy up after a crash.
        self._connect("rw", any_thread=any_thread)
        try:
            self._execute("PRAGMA query_only = 1")
            # The upper pages of a million ids stay at hand.
            self._execute("PRAGMA cache_size = -8000")
            version = self._version()
            if not version:
                raise blank(self.path)
            self._prepare(version)
        except BaseException:
            Reader.close(self)
            raise

    @property
    def journal_id(self) -> str:
        """Which journal it is: an id of its own, wherever its file is; "" in a journal of schema 1."""
        return self._value(JOURNAL_ID) or ""

    @property
    def gateway(self) -> str:
        """Whose journal it is: the gateway as it was given when the journal was made."""
        return self._value("gateway") or ""

    @property
    def account(self) -> str:
        """The account's label."""
        return self._value("account") or ""

    def holder(self) -> str:
        """Who writes it now, in words; "" where nobody does."""
        return holder_of(self.path) or ""

    def recall(self, external_task_id: str) -> Record | None:
        """The job of that id, or None: a point lookup of some 10 µs. Raises `JournalError`."""
        rows = self._rows(f"{self._select} WHERE external_task_id = ?", (storable(external_task_id),))
        return self._record(rows[0]) if rows else None

    def is_empty(self) -> bool:
        """Whether it holds no job at all. Raises `JournalError`."""
        return not self._rows("SELECT 1 FROM jobs LIMIT 1")

    def records_of(self, states: Collection[State]) -> Iterator[Record]:
        """The jobs that are in one of these states, as `records` gives them."""
        # Told by what is not wanted, so that a row whose state is damaged comes up and is noticed.
        others = [state.value for state in State if state not in states]
        which = f"seq > ? AND COALESCE(state, '') NOT IN ({', '.join('?' * len(others))})" if others else "seq > ?"
        query = f"{self._select} WHERE {which} ORDER BY seq LIMIT {_PAGE}"
        for rows in self._pages(query, others):
            yield from map(self._record, rows)

    def settled_ids(self) -> Iterator[str]:
        """The ids of what a resumed run has only to tell again: accepted or rejected. Raises `JournalError`."""
        for rows in self._pages(_SETTLED):
            for external_task_id, seq in rows:
                if not is_text(external_task_id):
                    raise damaged_row(self.path, seq, external_task_id, "its id is no text")
                yield external_task_id

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state, every state named; reads the whole file. Raises `JournalError`."""
        found: dict[Any, int] = dict(self._rows("SELECT state, COUNT(*) FROM jobs GROUP BY state"))
        counts = {state: found.pop(state.value, 0) for state in State}
        if found:
            states = ", ".join(f"'{state.value}'" for state in State)
            query = "SELECT external_task_id, state, seq FROM jobs WHERE COALESCE(state, '') NOT IN"
            name, state, seq = self._rows(f"{query} ({states}) LIMIT 1")[0]
            raise damaged_row(self.path, seq, name, f"it has the unknown state {state!r}")
        return counts

    def entry(self, kind: str, name: str) -> Entry | None:
        """What is kept under that kind and name, or None. Raises `JournalError`."""
        rows = self._rows(f"{_ENTRY} AND name = ?", (kind, storable(name))) if self._has_entries else []
        return self._entry(rows[0]) if rows else None

    def entries(self, kind: str) -> Iterator[Entry]:
        """All entries of that kind, in the order of first arrival. Raises `JournalError`."""
        if self._has_entries:
            for rows in self._pages(f"{_ENTRY} AND seq > ? ORDER BY seq LIMIT {_PAGE}", (kind,), after=True):
                yield from map(self._entry, rows)

    def entries_of(self, kind: str, names: Sequence[str]) -> dict[str, Entry]:
        """What is kept under that kind and these names, at most some hundreds, by name. Raises `JournalError`."""
        if not self._has_entries or not names:
            return {}
        query = f"{_ENTRY} AND name IN ({', '.join('?' * len(names))})"
        return {row[1]: self._entry(row) for row in self._rows(query, (kind, *map(storable, names)))}

    def entry_counts(self, kind: str) -> dict[str, int]:
        """How many entries of that kind are in each state. Raises `JournalError`."""
        query = "SELECT state, COUNT(*) FROM entries WHERE kind = ? GROUP BY state"
        return dict(self._rows(query, (kind,))) if self._has_entries else {}

    def note(self, name: str) -> str | None:
        """What was remembered under that name, or None. Raises `JournalError`."""
        return self._value(f"note:{name}")

    def knows_list(self, digest: str) -> bool:
        """Whether the list of that digest was checked before. Raises `JournalError`."""
        return self._value(f"list:{digest}") is not None

    def list_lengths(self) -> list[int]:
        """How many jobs each list has that was checked with this journal. Raises `JournalError`."""
        rows = self._rows("SELECT value FROM notes WHERE name LIKE 'list:%'")
        return [int(value) for (value,) in rows if str(value).isdecimal()]

    def close(self) -> None:
        """Close the file; again does nothing."""
        with suppress(sqlite3.Error):
            self._connection.close()
        if self._file is not None:
            disconnected(self._file)
            self._file = None

    def _connect(self, mode: str, *, any_thread: bool = False) -> None:
        self._file = None if self.path == MEMORY else connected(self.path)
        where = self.path if self.path == MEMORY else f"{Path(self.path).as_uri()}?mode={mode}"
        try:
            self._connection = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=not any_thread)
        except sqlite3.Error as error:
            if self._file is not None:
                disconnected(self._file)
                self._file = None
            raise explain(error, self.path) from error

    def _prepare(self, version: int) -> None:
        """Find out what this file's schema offers."""
        self._sealed, self._has_entries = version >= SEALED, version >= ENTRIES
        try:
            self._select = f"SELECT {selected(self._connection)}, seq FROM jobs"  # noqa: S608 - names of our own
        except SQLITE_ERRORS as error:
            raise explain(error, self.path) from error
        try:
            self.salt = bytes.fromhex(self._value(SALT) or "")
        except ValueError as error:
            raise damaged(self.path, "its salt cannot be read") from error
        if self._sealed and len(self.salt) != SALT_BYTES:
            raise damaged(self.path, "its salt is gone")

    def _value(self, name: str) -> str | None:
        rows = self._rows("SELECT value FROM notes WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def _version(self) -> int:
        """The file's schema version; raises `JournalError` where it is not a journal, or a newer one."""
        version = int(self._rows("PRAGMA user_version")[0][0])
        application = self._rows("PRAGMA application_id")[0][0]
        new = not (application or version or self._rows("SELECT 1 FROM sqlite_master"))
        if application != APPLICATION_ID and not new:
            raise foreign(self.path)
        if version > len(schema.MIGRATIONS):
            raise newer(self.path, version, len(schema.MIGRATIONS))
        return version

    def _record(self, row: Row) -> Record:
        try:
            return from_row(row[:-1]) if self._sealed else from_unsealed(row[:-1])
        except DamagedRowError as error:
            raise damaged_row(self.path, row[-1], row[1], str(error)) from error

    def _entry(self, row: Row) -> Entry:
        try:
            return entries.from_row(row[:-1])
        except JournalError as error:
            raise damaged(self.path, f"{row[0]} {row[1]!r}: {error}") from error

    def _pages(self, query: str, values: Sequence[Any] = (), *, after: bool = False) -> Iterator[list[Row]]:
        """The rows after the last one that was read, `_PAGE` at a time; `after`: its number stands behind the values.

        One query that stays open would keep the WAL from being written back into the file.
        """
        last = 0
        while rows := self._rows(query, (*values, last) if after else (last, *values)):
            if type(rows[-1][-1]) is not int or rows[-1][-1] <= last:  # a damaged tree may lead round in a circle
                raise damaged(self.path, "its rows are out of order")
            last = rows[-1][-1]
            yield rows

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        try:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                if hasattr(error, "sqlite_errorcode"):
                    raise
                return self._mangled_rows(query, values)  # the module's own error: a text that is no UTF-8
        except SQLITE_ERRORS as error:
            raise explain(error, self.path) from error

    def _mangled_rows(self, query: str, values: Sequence[Any]) -> list[Row]:
        """The rows with lone surrogates in the damaged texts, for whoever looks at them to tell which row it is."""
        self._connection.text_factory = lambda text: text.decode(errors="surrogateescape")
        try:
            return self._connection.execute(query, values).fetchall()
        finally:
            self._connection.text_factory = str

    def _execute(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(query, values)
        except SQLITE_ERRORS as error:
            raise explain(error, self.path) from error


def _refuse_empty(path: str) -> None:
    """Before SQLite opens it: beside an empty file it would throw the -wal away."""
    found = stat(path)
    if path == MEMORY or (found is not None and found.st_size):
        return
    if size(f"{path}-wal") or read_trace(path).made:
        raise missing(path, "gone" if found is None else "empty")
    raise absent(path) if found is None else blank(path)
