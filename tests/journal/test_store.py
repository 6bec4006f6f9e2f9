"""The store: groups of any size, one transaction each, on any disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import (
    Entry,
    Reader,
    State,
)
from lipsync_async.journal.entries import to_row as to_entry_row
from lipsync_async.journal.rows import WIDTHS, to_row
from tests.journal.helpers import FULL, GATEWAY, job, open_store


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 700])
def test_a_group_of_any_size_is_written(path: Path, count: int) -> None:
    """Groups of every shape arrive whole and in order, across pages too."""
    with open_store(path) as store:
        store.write([job(f"job-{number}", line=number) for number in range(count)])
        assert [record.line for record in store.records()] == list(range(count))


def test_the_last_record_of_an_id_counts(path: Path) -> None:
    """Twice in one group or in two, an id has one row: the latest, at the place of its first arrival."""
    with open_store(path) as store:
        store.write([job("a"), job("b"), job("a", State.CLEARED)])
        store.write([job("a", State.ACCEPTED, task_id="t")])
        assert [(record.external_task_id, record.state) for record in store.records()] == [
            ("a", State.ACCEPTED),
            ("b", State.OPEN),
        ]


def test_notes_and_lists_survive(path: Path) -> None:
    """Small notes and checked lists are there after reopening, apart from each other."""
    with open_store(path) as store:
        assert store.note("trusted") is None
        store.remember("trusted", "yes")
        store.remember("trusted", "no")
        store.remember_list("d1", 3)
    with open_store(path) as store:
        assert store.note("trusted") == "no"
        assert store.knows_list("d1")
        assert not store.knows_list("trusted")


def test_entries_are_not_taken_for_jobs(path: Path) -> None:
    """A job that changes after many entries were kept: the side file said that rows were lost, and refused it all."""
    entries = [to_entry_row(Entry(kind="task", name=f"n-{number}", state="", value=b"v")) for number in range(9)]
    store = open_store(path)
    store.write([job("a")])
    store.keep(entries)
    store._tell_at = 0.0
    store.write([job("a", State.ACCEPTED, task_id="t")])
    store.close()
    with open_store(path) as store:
        assert [record.external_task_id for record in store.records()] == ["a"]
        store.keep(entries)
        store._tell_at = 0.0
        store.write([job("b"), job("a", State.CLEARED)])
        assert store.lock.trace.rows == 2


def test_a_journal_belongs_to_a_gateway_and_an_account(path: Path) -> None:
    """Another gateway or account is refused by name; the same pair opens it again, whatever its key."""
    with open_store(path, account="studio") as store:
        assert (store.gateway, store.account) == (GATEWAY, "studio")
    for other in ({"gateway": "https://other.example"}, {"account": "default"}):
        with pytest.raises(JournalError, match=r"belongs to the gateway https.*, account 'studio'"):
            open_store(path, **{"account": "studio", **other})
    open_store(path, account="studio").close()


def test_a_local_journal_is_a_wal_that_syncs_every_commit(path: Path) -> None:
    """WAL and synchronous=FULL on a local disk."""
    with open_store(path) as store:
        assert store._execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_network_disk_gets_a_rollback_journal_and_a_warning(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No WAL over a network: the warning names the file, and a reader still sees what was written."""
    with open_store(path, network=True) as store:
        assert store._execute("PRAGMA journal_mode").fetchone() == ("delete",)
        store.write([FULL])
        with Reader(path) as reader:
            assert reader.recall("full") == FULL
    assert str(path) in caplog.text


def test_an_old_sqlite_gets_smaller_statements(path: Path) -> None:
    """Where a statement takes few values, a group is split further and still arrives whole."""
    with open_store(path) as store:
        store.most_rows = 8
        store.write([job(f"job-{number}") for number in range(19)])
        assert store.counts()[State.OPEN] == 19


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 63, 64, 65, 130])
def test_a_group_of_any_size_arrives_whole(path: Path, count: int) -> None:
    """What fills a statement up leaves no rows, and none of the group is left out, new or known."""
    with open_store(path) as store:
        for state in (State.OPEN, State.ACCEPTED):
            store.write([job(f"job-{number}", state) for number in range(count)])
            assert [one.external_task_id for one in store.records(state)] == [f"job-{n}" for n in range(count)]


def test_a_short_row_takes_the_place_of_a_long_one(path: Path) -> None:
    """What a row leaves out is empty afterwards, whatever was there; a group may mix rows of all widths."""
    intent = job("a", State.OPEN)
    accepted = job("b", State.ACCEPTED, task_id="1", http_status=200)
    refused = job("c", State.REJECTED, kind="content_policy", message="no", recovered=True)
    marked = job("d", State.OPEN, core=b"c" * 16, key=b"k" * 8, owned=True)
    unknown = job("e", State.UNKNOWN, ended_at=1.5, found_task_id="2")
    assert [len(to_row(one)) for one in (intent, marked, accepted, refused, unknown)] == list(WIDTHS)
    with open_store(path) as store:
        store.write([msgspec.structs.replace(FULL, external_task_id=name) for name in "abcde"])
        store.write([refused, intent, unknown, accepted, marked])
        assert [store.recall(name) for name in "abcde"] == [intent, accepted, refused, marked, unknown]


def test_of_an_id_that_is_in_a_group_twice_the_last_counts(path: Path) -> None:
    """Whatever the widths of its rows."""
    done, intent = job("a", State.ACCEPTED, task_id="1"), job("a", State.OPEN)
    with open_store(path) as store:
        for group in ([intent, done], [done, intent]):
            store.write(group)
            assert list(store.records()) == [group[-1]]


def test_a_failed_group_leaves_nothing(path: Path) -> None:
    """A group is one transaction: where one of its rows fails, none is there."""
    with open_store(path) as store:
        with pytest.raises(JournalError):
            store.write([job("a"), job("b"), job("c", attempts=None)])
        assert list(store.records()) == []
        store.write([job("a")])


def test_closing_twice_is_fine_and_writing_afterwards_is_not(path: Path) -> None:
    """A closed store says so."""
    store = open_store(path)
    store.close()
    store.close()
    assert str(path) in repr(store)
    with pytest.raises(JournalError, match="is closed"):
        store.write([FULL])
    with pytest.raises(JournalError):
        store.recall("full")


def test_a_damaged_journal_says_so(path: Path) -> None:
    """Pages of rubbish in the middle of the file end in a JournalError, not in wrong rows."""
    with open_store(path) as store:
        store.write([job(f"job-{number}", message="x" * 200) for number in range(2000)])
    content = bytearray(path.read_bytes())
    content[8192:-4096] = b"\xa5" * (len(content) - 12288)
    path.write_bytes(content)
    with pytest.raises(JournalError, match="damaged"), open_store(path) as store:
        list(store.records())


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    """A path in a directory that does not exist says what to create."""
    with pytest.raises(JournalError, match=r"directory of the journal .*none.* does not exist"):
        open_store(tmp_path / "none" / "run.db")
    with pytest.raises(JournalError, match="there is no journal"):
        Reader(tmp_path / "none.db")
    (tmp_path / "folder").mkdir()
    with pytest.raises(JournalError, match=r"is a directory|cannot be opened"):
        open_store(tmp_path / "folder")


def test_a_locked_journal_is_an_error(path: Path) -> None:
    """A database browser that holds the file ends in a text that names it."""
    with open_store(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store._execute("PRAGMA busy_timeout = 0")
        with pytest.raises(JournalError, match="locked by another program"):
            store.write([FULL, FULL])
        other.close()
        store.write([FULL])
