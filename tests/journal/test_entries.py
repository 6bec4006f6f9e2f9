"""Entries: what a journal keeps beside its jobs."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.errors import JournalError
from lipsync_async.journal import Entry, InlineJournal, Journal, Reader, entries
from tests.journal.helpers import GATEWAY, job, open_store, with_journal

ENDED = Entry(kind="task", name="a", state="succeeded", value=b"one")


def keep(store: object, *kept: Entry) -> None:
    """Puts them in."""
    store.keep([entries.to_row(entry) for entry in kept])  # type: ignore[attr-defined]


@given(st.text(), st.text(), st.binary())
def test_what_is_kept_is_read(kind: str, state: str, value: bytes) -> None:
    """Every field of it, whatever it holds; a half of a character in a name stands as an escape."""
    entry = Entry(kind=kind, name="a\ud800", state=state, value=value)
    if any("\ud800" <= char <= "\udfff" for char in kind + state):
        return  # our own words
    read = entries.from_row(entries.to_row(entry))
    assert (read.kind, read.name, read.state, read.value) == (kind, "a\\ud800", state, value)


def test_the_last_one_of_a_name_counts(path: Path) -> None:
    """At the place of its first arrival; another kind is another thing."""
    with open_store(path) as store:
        keep(store, ENDED, Entry(kind="task", name="b", state="failed", value=b"two"))
        keep(store, Entry(kind="task", name="a", state="lost", value=b"three"))
        keep(store, Entry(kind="video", name="a", state="downloaded", value=b"four"))
    with Reader(path) as reader:
        assert [(it.name, it.value) for it in reader.entries("task")] == [("a", b"three"), ("b", b"two")]
        assert reader.entry_counts("task") == {"failed": 1, "lost": 1}
        found = reader.entry("video", "a")
        assert found is not None
        assert found.value == b"four"
        assert reader.entry("video", "b") is None


@pytest.mark.parametrize("column", ["state", "value", "name", "kind"])
def test_a_damaged_entry_is_noticed(path: Path, column: str) -> None:
    """By its checksum, whichever of its columns was changed."""
    with open_store(path) as store:
        keep(store, ENDED)
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE entries SET {column} = 'changed'")
    connection.commit()
    connection.close()
    with Reader(path) as reader:
        kind = "changed" if column == "kind" else "task"
        with pytest.raises(JournalError, match="is damaged"):
            list(reader.entries(kind))


def test_many_pages_are_read_in_order(path: Path) -> None:
    """The order of first arrival."""
    names = [f"n{number}" for number in range(1203)]
    with open_store(path) as store:
        keep(store, *(Entry(kind="task", name=name, state="", value=b"") for name in names))
        assert [it.name for it in store.entries("task")] == names


def test_a_journal_of_an_older_schema_has_none_and_gets_a_place_for_them(tmp_path: Path) -> None:
    """A reader changes nothing; a writer migrates, and no job is changed by that."""
    path = tmp_path / "old.db"
    with open_store(path) as store:
        store.write([job("a")])
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE entries")
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    with Reader(path) as reader:
        assert list(reader.entries("task")) == []
        assert (reader.entry("task", "a"), reader.entry_counts("task")) == (None, {})
    with open_store(path) as store:
        keep(store, ENDED)
        assert store.recall("a") == job("a")
        assert store.entry("task", "a") is not None


def test_a_journal_keeps_rows_and_entries_in_one_commit(path: Path) -> None:
    """Both are told when they are durable, in order."""
    told: list[str] = []

    async def body(journal: Journal) -> None:
        journal.post(job("a"), lambda error: told.append(f"job {error}"))
        journal.keep(ENDED, lambda error: told.append(f"entry {error}"))
        await journal.write(job("b"))
        assert journal.reader.entry("task", "a") == ENDED

    with_journal(path, body)
    assert told == ["job None", "entry None"]


def test_what_is_queued_at_the_end_is_written(path: Path) -> None:
    """Closing waits for it; after that nothing is taken, and that is told."""
    told: list[JournalError | None] = []

    async def main() -> None:
        async with await Journal.open(path, gateway=GATEWAY) as journal:
            journal.keep(ENDED, told.append)
        journal.keep(ENDED, told.append)

    asyncio.run(main())
    assert told[0] is None
    assert isinstance(told[1], JournalError)
    with Reader(path) as reader:
        assert reader.entry("task", "a") == ENDED


def test_a_journal_that_failed_keeps_nothing_more(tmp_path: Path) -> None:
    """And says so at once."""

    async def main() -> None:
        journal = await InlineJournal.open(tmp_path / "j", gateway=GATEWAY)
        journal.failed = JournalError("the disk is full")
        told: list[JournalError | None] = []
        journal.keep(ENDED, told.append)
        assert told == [journal.failed]
        assert journal.reader.entry("task", "a") is None
        await journal.aclose()

    asyncio.run(main())
