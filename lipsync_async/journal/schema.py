"""The tables of the journal's file, version by version."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable

from .rows import COLUMNS, EMPTY, checksum

APPLICATION_ID = 0x4C697053
"""\"LipS\": `file run.db` and every reader can tell a journal by it."""
SALT, JOURNAL_ID, HOME = "salt", "id", "home"
"""Names of notes: for marks of keys; which journal it is; the path at which it was last opened for writing."""
SALT_BYTES = 16


# `code` has no type: a number stays a number, and a text a text.
_COLUMNS_1 = (
    "seq INTEGER PRIMARY KEY, external_task_id TEXT NOT NULL UNIQUE, fingerprint BLOB NOT NULL,"
    " state TEXT NOT NULL, attempts INTEGER NOT NULL, refusals INTEGER NOT NULL, first_intent_at REAL,"
    " last_intent_at REAL, task_id TEXT, task_status TEXT, recovered INTEGER NOT NULL DEFAULT 0, kind TEXT,"
    " http_status INTEGER, code, message TEXT, request_id TEXT, phase TEXT, line INTEGER, history TEXT"
)
_NOTES_1 = "CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"CREATE TABLE jobs ({_COLUMNS_1})")
    connection.execute(_NOTES_1)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


_COLUMNS_2 = (
    "core BLOB",
    "key BLOB",
    "owned INTEGER NOT NULL DEFAULT 0",
    "ended_at REAL",
    "found_task_id TEXT",
    "checksum INTEGER",
)
_ENTRIES_3 = (
    "CREATE TABLE entries (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,"
    " value BLOB NOT NULL, checksum INTEGER NOT NULL, UNIQUE (kind, name))"
)
_SEALED_2 = (
    "external_task_id, fingerprint, state, attempts, refusals, first_intent_at, last_intent_at, line, core, key, owned,"
    " task_id, task_status, http_status, request_id, recovered, kind, code, message, phase, history, ended_at,"
    " found_task_id"
)


def _seal(connection: sqlite3.Connection) -> None:
    for column in _COLUMNS_2:
        connection.execute(f"ALTER TABLE jobs ADD COLUMN {column}")
    connection.create_function("seal", -1, checksum, deterministic=True)
    connection.execute(f"UPDATE jobs SET checksum = seal({_SEALED_2})")  # noqa: S608 - names of our own
    _name(connection)


def _name(connection: sqlite3.Connection) -> None:
    notes = [(name, secrets.token_hex(SALT_BYTES)) for name in (SALT, JOURNAL_ID)]
    connection.executemany("INSERT INTO notes VALUES (?, ?)", notes)


def _add_entries(connection: sqlite3.Connection) -> None:
    connection.execute(_ENTRIES_3)


# MIGRATIONS[n] leads from schema version n to n + 1; what was released is never edited.
MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [_create, _seal, _add_entries]


def create(connection: sqlite3.Connection) -> None:
    """Makes in a file without tables what all migrations together lead to."""
    connection.execute(f"CREATE TABLE jobs ({', '.join([_COLUMNS_1, *_COLUMNS_2])})")
    connection.execute(_NOTES_1)
    connection.execute(_ENTRIES_3)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    _name(connection)


SEALED = 2
"""The first schema version whose rows have checksums."""
ENTRIES = 3
"""The first schema version that has entries."""


def selected(connection: sqlite3.Connection) -> str:
    """The list of columns for a SELECT; a column that a file of an older schema lacks is read as empty."""
    present = {row[1] for row in connection.execute("PRAGMA table_info(jobs)")}
    absent = {name: "NULL" if empty is None else empty for name, empty in zip(COLUMNS, EMPTY, strict=True)}
    return ", ".join(name if name in present else f"{absent[name]} AS {name}" for name in COLUMNS)


def shape(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    """The tables and indices as SQLite understands them: with one letter of them changed, no job may be found."""
    found: list[tuple[object, ...]] = []
    tables = [f"table_info({table})" for table in ("jobs", "notes", "entries")]
    indices = [f"index_list({table})" for table in ("jobs", "entries")]
    columns = [f"index_info(sqlite_autoindex_{table}_1)" for table in ("jobs", "entries")]
    for pragma in tables + indices + columns:
        found += connection.execute(f"PRAGMA {pragma}").fetchall()
    return found


def expected_shape(version: int) -> list[tuple[object, ...]]:
    """The shape of a sound file of that schema version."""
    connection = sqlite3.connect(":memory:")
    try:
        for migration in MIGRATIONS[:version]:
            migration(connection)
        return shape(connection)
    finally:
        connection.close()
