"""The journal's file: one row a job, in SQLite. Plain and synchronous; one writer, any number of readers."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any, Self

from lipsync_async.errors import JournalError

from .claim import Claim
from .disks import is_network
from .record import COLUMNS, EMPTY, Record, Row, State, from_row, storable, to_row
from .trouble import explain, gone

MEMORY = ":memory:"
APPLICATION_ID = 0x4C697053  # "LipS": `file run.db` and every reader can tell a journal by it
# More rows a statement save little.
_MOST_ROWS = 128
# Statements come in these steps of rows, for every size is a prepared one of its own; empty rows fill them up.
_STEP = 8
_PAGE = 500
_NAMES = ", ".join(COLUMNS)
_SELECT = f"SELECT {_NAMES} FROM jobs WHERE external_task_id = ?"  # noqa: S608 - names of our own
_SELECT_PAGE = f"SELECT {_NAMES}, seq FROM jobs WHERE seq > ? AND (? IS NULL OR state = ?) ORDER BY seq LIMIT {_PAGE}"  # noqa: S608
_SELECT_SETTLED = f"""SELECT external_task_id, seq FROM jobs
WHERE seq > ? AND state IN ('accepted', 'rejected') ORDER BY seq LIMIT {_PAGE}"""  # noqa: S608
_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])  # what a row leaves out is emptied
_log = logging.getLogger("lipsync_async")


def _create(connection: sqlite3.Connection) -> None:
    # `code` has no type: a number stays a number, and a text a text.
    connection.execute(
        "CREATE TABLE jobs (seq INTEGER PRIMARY KEY, external_task_id TEXT NOT NULL UNIQUE, fingerprint BLOB NOT NULL,"
        " state TEXT NOT NULL, attempts INTEGER NOT NULL, refusals INTEGER NOT NULL, first_intent_at REAL,"
        " last_intent_at REAL, task_id TEXT, task_status TEXT, recovered INTEGER NOT NULL DEFAULT 0, kind TEXT,"
        " http_status INTEGER, code, message TEXT, request_id TEXT, phase TEXT, line INTEGER, history TEXT)"
    )
    connection.execute("CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


# MIGRATIONS[n] leads from schema version n to n + 1; what was released is never edited.
MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [_create]


class Reader:
    """A look at the journal at `path`, beside a writer or without one; for one thread.

    It claims nothing, changes nothing, and sees what was durable at each call.
    Raises `JournalError` where there is no journal, or one that this version does not know.
    """

    def __init__(self, path: str | os.PathLike[str], *, any_thread: bool = False) -> None:
        self.path: str = os.path.realpath(path)
        self._connection = _connect(self.path, "rw", any_thread=any_thread)
        try:
            # Opened for writing all the same: only so can SQLite tidy up after a crash.
            self._execute("PRAGMA query_only = 1")
            # The upper pages of a million ids stay at hand.
            self._execute("PRAGMA cache_size = -8000")
            version = self._version()
            if version < len(MIGRATIONS):
                raise JournalError(f"the journal {self.path} is empty or of an older version: run its list again first")
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    @property
    def gateway(self) -> str:
        """Whose journal it is: the gateway as it was given when the journal was made."""
        return self._value("gateway") or ""

    @property
    def account(self) -> str:
        """The account's label."""
        return self._value("account") or ""

    def recall(self, external_task_id: str) -> Record | None:
        """The job of that id, or None: a point lookup of some 10 µs. Raises `JournalError`."""
        row = self._execute(_SELECT, (storable(external_task_id),)).fetchone()
        return None if row is None else from_row(row)

    def is_empty(self) -> bool:
        """Whether it holds no job at all. Raises `JournalError`."""
        return self._execute("SELECT 1 FROM jobs LIMIT 1").fetchone() is None

    def records(self, state: State | None = None) -> Iterator[Record]:
        """All jobs, or those of one state, in the order of first arrival. Raises `JournalError`.

        Read in pages, so a million take no memory; each job shows as it was when its page was read.
        """
        # A query that stays open would keep the WAL from being folded back into the file.
        last = 0
        wanted = None if state is None else state.value
        while rows := self._execute(_SELECT_PAGE, (last, wanted, wanted)).fetchall():
            last = rows[-1][-1]
            yield from (from_row(row[:-1]) for row in rows)

    def settled_ids(self) -> Iterator[str]:
        """The ids of what a resumed run has only to tell again: accepted or rejected. Raises `JournalError`."""
        last = 0
        while rows := self._execute(_SELECT_SETTLED, (last,)).fetchall():
            last = rows[-1][-1]
            yield from (row[0] for row in rows)

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state, every state named; reads the whole file. Raises `JournalError`."""
        found = dict(self._execute("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall())
        return {state: found.get(state.value, 0) for state in State}

    def note(self, name: str) -> str | None:
        """What was remembered under that name, or None. Raises `JournalError`."""
        return self._value(f"note:{name}")

    def knows_list(self, digest: str) -> bool:
        """Whether the list of that digest was checked before. Raises `JournalError`."""
        return self._value(f"list:{digest}") is not None

    def close(self) -> None:
        """Close the file; again does nothing."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _value(self, name: str) -> str | None:
        row = self._execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _version(self) -> int:
        """The file's schema version; raises `JournalError` where it is not a journal, or a newer one."""
        version = int(self._execute("PRAGMA user_version").fetchone()[0])
        application = self._execute("PRAGMA application_id").fetchone()[0]
        new = not (application or version or self._execute("SELECT 1 FROM sqlite_master").fetchone())
        if application != APPLICATION_ID and not new:
            raise JournalError(f"{self.path} is not a journal: it is a database of another program; use another path")
        if version > len(MIGRATIONS):
            raise JournalError(
                f"the journal {self.path} was written by a newer version of lipsync-async"
                f" (schema {version}, this one knows {len(MIGRATIONS)}): upgrade"
            )
        return version

    def _execute(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise explain(error, self.path) from error


class Store(Reader):
    """The journal at `path` for one writer in one thread, created where there is none; `":memory:"` keeps it in memory.

    It belongs to a gateway and to an account's label, never to a key.
    `network` says whether the path is on a network file system; None: found out.
    Raises `JournalError` where another process has it, it belongs to something else, or it cannot be used.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, gateway: str, account: str = "default", network: bool | None = None
    ) -> None:
        in_memory = os.fspath(path) == MEMORY
        self.path: str = MEMORY if in_memory else os.path.realpath(path)
        self.claim: Claim = Claim(None if in_memory else self.path)
        try:
            self._connection = _connect(self.path, "rwc")
            try:
                self._set_up(network)
                self._own(gateway, account)
            except BaseException:
                self._connection.close()
                raise
        except BaseException:
            self.claim.release()
            raise
        # Before SQLite 3.32 a statement took 999 values.
        room = self._connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(COLUMNS)
        self._most_rows = min(_MOST_ROWS, room // _STEP * _STEP)

    def write(self, records: Sequence[Record]) -> None:
        """Put these in, each in place of what its id had; in one transaction, durable on return.

        Raises `JournalError`, and then none is written.
        """
        self.write_rows([to_row(record) for record in records])

    def write_rows(self, rows: Sequence[Row]) -> None:
        """The same for rows that `to_row` made."""
        try:
            self._write(rows)
        except (UnicodeEncodeError, OverflowError):
            self._write([tuple(storable(value) for value in row) for row in rows])

    def remember(self, name: str, value: str) -> None:
        """Keep a small note, in place of what it was; durable on return. Raises `JournalError`."""
        self._keep(f"note:{name}", value)

    def remember_list(self, digest: str, count: int) -> None:
        """Keep that the list of that digest, of so many jobs, was checked; durable on return. Raises `JournalError`."""
        self._keep(f"list:{digest}", str(count))

    def close(self) -> None:
        """Close the file and let others have it; again does nothing."""
        if self.claim.held:
            super().close()
            self.claim.release()

    def _set_up(self, network: bool | None) -> None:
        # Whose file it is comes first: nothing may change in a database that is not ours.
        version = self._version()
        if network is None:
            network = is_network(self.path)
        mode = "DELETE" if network else "WAL"
        if self._execute(f"PRAGMA journal_mode = {mode}").fetchone()[0] == "delete":
            _log.warning(
                "the journal %s is on a network file system: it is slower there, "
                "and only as safe as that system's locks and caches; prefer a local disk",
                self.path,
            )
        self._execute("PRAGMA synchronous = FULL")
        # A Mac's fsync leaves data in the drive's cache without it; nothing elsewhere.
        self._execute("PRAGMA fullfsync = 1")
        if version < len(MIGRATIONS):
            self._transact(lambda: self._migrate(version))

    def _migrate(self, version: int) -> None:
        for migration in MIGRATIONS[version:]:
            migration(self._connection)
        self._connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _own(self, gateway: str, account: str) -> None:
        owner = self._value("gateway"), self._value("account")
        if owner == (None, None):
            self._transact(lambda: self._put_notes([("gateway", gateway), ("account", account)]))
        elif owner != (gateway, account):
            raise JournalError(
                f"the journal {self.path} belongs to the gateway {owner[0]}, account {owner[1]!r},"
                f" not to {gateway}, account {account!r}: use its own gateway and account, or another journal file"
            )

    def _keep(self, name: str, value: str) -> None:
        self._transact(lambda: self._put_notes([(name, value)]))

    def _put_notes(self, notes: list[tuple[str, str]]) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", notes)

    def _write(self, rows: Sequence[Row]) -> None:
        # Every step of a statement gives the GIL away, and a busy loop pays for each time it is asked back:
        # so one step for as many rows as can be, and a statement that is alone is its own transaction.
        if len(rows) > self._most_rows:
            self._transact(lambda: self._put_in_parts(rows))
        elif rows:
            self._safely(lambda: self._put_rows(rows))

    def _put_in_parts(self, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), self._most_rows):
            self._put_rows(rows[start : start + self._most_rows])

    def _put_rows(self, rows: Sequence[Row]) -> None:
        count = len(rows)
        size = count if count == 1 else -(-count // _STEP) * _STEP
        width = max(map(len, rows))
        values: list[Any] = []
        for row in rows:
            values += row
            values += EMPTY[len(row) : width]
        values += repeat(None, (size - count) * width)
        self._connection.execute(_upsert(width, size), values)

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
        if not self.claim.held:
            raise gone(self.path)
        try:
            work()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error


@cache
def _upsert(width: int, count: int) -> str:
    """Puts so many rows of so many columns in, the empty ones left out; each takes the place of what its id had."""
    rows = ", ".join([f"({', '.join('?' * width)})"] * count)
    return (
        f"INSERT INTO jobs ({', '.join(COLUMNS[:width])})"  # noqa: S608 - names of our own
        f" SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL"
        f" ON CONFLICT (external_task_id) DO UPDATE SET {_UPDATES}"
    )


def _connect(path: str, mode: str, *, any_thread: bool = False) -> sqlite3.Connection:
    where = path if path == MEMORY else f"{Path(path).as_uri()}?mode={mode}"
    try:
        return sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=not any_thread)
    except sqlite3.Error as error:
        raise explain(error, path) from error
