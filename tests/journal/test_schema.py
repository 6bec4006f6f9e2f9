"""Versions of the file: older ones are led on with their rows, others are left alone."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import (
    Reader,
    State,
    schema,
)
from tests.journal.data import make_schema_1
from tests.journal.helpers import FULL, open_store


def test_an_empty_file_becomes_a_journal(path: Path) -> None:
    """Version 0, a file without a table, is brought to the present version."""
    path.touch()
    with open_store(path) as store:
        store.write([FULL])
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
    assert database.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
    database.close()


def test_a_journal_of_schema_1_keeps_every_record_and_is_usable(path: Path) -> None:
    """What commit c4ec139 wrote is read the same, before it is migrated and after, and goes on."""
    shutil.copy(make_schema_1.PATH, path)
    with Reader(path) as reader:
        assert list(reader.records()) == list(make_schema_1.RECORDS)
        assert list(reader.records(State.UNKNOWN)) == [one for one in make_schema_1.RECORDS if one.state == "unknown"]
        assert sum(reader.counts().values()) == len(make_schema_1.RECORDS)
        assert (reader.salt, reader._version()) == (b"", 1)
    with open_store(path, account=make_schema_1.ACCOUNT) as store:
        assert list(store.records()) == list(make_schema_1.RECORDS)
        for record in make_schema_1.RECORDS:
            assert store.recall(record.external_task_id) == record
        assert {name: store.note(name) for name in make_schema_1.NOTES} == make_schema_1.NOTES
        assert all(map(store.knows_list, make_schema_1.LISTS))
        changed = msgspec.structs.replace(make_schema_1.RECORDS[0], core=b"c" * 16, key=b"k" * 8, owned=True)
        store.write([changed, FULL])
        assert (store.recall("open"), store.recall("full")) == (changed, FULL)
        assert len(store.salt) == 16
    with open_store(path, account=make_schema_1.ACCOUNT) as store:
        assert len(list(store.records())) == len(make_schema_1.RECORDS) + 1


def test_a_migrated_journal_is_sealed(path: Path) -> None:
    """The rows of schema 1 get their checksums: what is damaged afterwards is told."""
    shutil.copy(make_schema_1.PATH, path)
    open_store(path, account=make_schema_1.ACCOUNT).close()
    database = sqlite3.connect(path)
    database.execute("UPDATE jobs SET task_id = 'another' WHERE external_task_id = 'accepted'")
    database.commit()
    database.close()
    with Reader(path) as reader, pytest.raises(JournalError, match="row 4, the job 'accepted'"):
        list(reader.records())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("state = 'strange'", "unknown state 'strange'"),
        ("history = '[[1,'", "its history cannot be read"),
        ("task_id = x'00ff'", "Expected `str"),
        ("attempts = 'many'", "Expected `int`"),
        ("message = CAST(x'ff' AS TEXT)", "no UTF-8"),
    ],
)
def test_damage_in_a_journal_of_schema_1_is_told_too(path: Path, change: str, told: str) -> None:
    """Without a checksum the types, the state, the history and the texts are looked at."""
    shutil.copy(make_schema_1.PATH, path)
    database = sqlite3.connect(path)
    database.execute(f"UPDATE jobs SET {change} WHERE external_task_id = 'accepted'")
    database.commit()
    database.close()
    with Reader(path) as reader, pytest.raises(JournalError, match=f"row 4, the job 'accepted' .*{told}"):
        list(reader.records())


def test_an_older_journal_is_led_through_the_steps_it_lacks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal of today meets a later version, and keeps its jobs."""
    with open_store(path) as store:
        store.write([FULL])
    steps = [*schema.MIGRATIONS, lambda connection: connection.execute("CREATE TABLE later (x)")]
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    with Reader(path) as reader:
        assert reader.recall("full") == FULL
    with open_store(path) as store:
        assert store.recall("full") == FULL
        assert store._version() == len(steps)
        assert store._execute("SELECT * FROM later").fetchall() == []


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps are one transaction: a failing one leaves the old journal as it was."""
    open_store(path).close()
    released = list(schema.MIGRATIONS)

    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE jobs")
        connection.execute("nonsense")

    monkeypatch.setattr(schema, "MIGRATIONS", [*released, fails])
    with pytest.raises(JournalError):
        open_store(path)
    monkeypatch.setattr(schema, "MIGRATIONS", released)
    with open_store(path) as store:
        assert store.counts()[State.OPEN] == 0


def test_a_journal_of_a_newer_version_is_left_alone(path: Path) -> None:
    """A journal of a version to come is left alone, with the cure."""
    open_store(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalError, match=r"newer version of lipsync-async .schema 99.*upgrade"):
        open_store(path)


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    """A foreign SQLite file is refused and not one byte of it changes."""
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE theirs (x)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="another program"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_text_file_is_no_journal(path: Path) -> None:
    """A text file is no journal; the claim is given back."""
    path.write_text("external_task_id,outcome\n" * 200)
    for _ in range(2):
        with pytest.raises(JournalError, match="is no journal, but a text file"):
            open_store(path)


@pytest.mark.parametrize("begins", [b"external_task_id", b"SQLite format 3\0", b"\0" * 16, b"PK\3\4"])
def test_what_may_have_been_a_journal_is_never_called_a_text(path: Path, begins: bytes) -> None:
    """Where a journal was made, or the file does not begin as a text, its jobs may have been paid for."""
    if begins == b"external_task_id":  # something wrote a text over a journal that was made
        open_store(path).close()
    path.write_bytes(begins + b",outcome\n" * 200)
    with pytest.raises(JournalError, match="don't send the list with a new journal"):
        open_store(path)


def test_a_new_journal_is_what_all_migrations_lead_to(path: Path) -> None:
    """It is made at once, in one transaction; its tables are those of a journal that came the long way."""
    open_store(path).close()
    database = sqlite3.connect(path)
    assert schema.shape(database) == schema.expected_shape(len(schema.MIGRATIONS))
    notes = dict(database.execute("SELECT name, value FROM notes"))
    database.close()
    assert notes.keys() == {schema.SALT, schema.JOURNAL_ID, schema.HOME, "gateway", "account"}
    assert len({notes[schema.SALT], notes[schema.JOURNAL_ID]}) == 2
