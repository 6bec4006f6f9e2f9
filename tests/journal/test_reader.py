"""The reader: what is durable, beside a writer; damage is told by its row."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import (
    Entry,
    Reader,
    Record,
    State,
    Store,
    iter_result_lines,
)
from lipsync_async.journal.entries import to_row
from tests.journal.helpers import FULL, job, open_store


def test_states_are_counted_and_filtered(path: Path) -> None:
    """Every state is counted, absent ones as 0; one state's jobs can be walked while others are written."""
    with open_store(path) as store:
        store.write([job(f"job-{number}", State.OPEN if number % 2 else State.ACCEPTED) for number in range(1100)])
        assert store.counts() == dict.fromkeys(State, 0) | {State.OPEN: 550, State.ACCEPTED: 550}
        for record in store.records(State.OPEN):
            store.write([job(record.external_task_id, State.UNKNOWN)])
        assert store.counts()[State.UNKNOWN] == 550
        assert list(store.records(State.OPEN)) == []


def test_a_reader_needs_a_journal(path: Path) -> None:
    """An empty file has nothing to show, and is not made into a journal by looking."""
    path.touch()
    with pytest.raises(JournalError, match="is empty"):
        Reader(path)
    assert path.stat().st_size == 0


def test_settled_ids_are_those_that_are_only_told_again(tmp_path: Path) -> None:
    """Accepted and rejected ones, in the order of arrival; whatever is still to be done is not among them."""
    with_states = [Record(external_task_id=state.value, fingerprint=b"", state=state) for state in State]
    with Store(tmp_path / "run.db", gateway="g") as store:
        store.write(with_states)
        assert list(store.settled_ids()) == ["accepted", "rejected"]


def test_several_states_are_read_in_the_order_of_arrival(path: Path) -> None:
    """One walk over the file for all of them; none for no state."""
    with open_store(path) as store:
        store.write([job(f"job-{number}", list(State)[number % 6]) for number in range(1200)])
        found = [record.line or record.state for record in store.records_of((State.OPEN, State.UNKNOWN))]
        assert found == [State.OPEN, State.UNKNOWN] * 200
        assert list(store.records_of(())) == []


def damage(path: Path, change: str) -> None:
    """Change the row of job `b` behind the journal's back."""
    database = sqlite3.connect(path)
    database.execute(f"UPDATE jobs SET {change} WHERE external_task_id = 'b'")
    database.commit()
    database.close()


@pytest.mark.parametrize(
    "change",
    [
        "state = 'strange'",
        "state = 'accepted'",
        "state = x'00'",
        "fingerprint = x''",
        "fingerprint = 'text'",
        "history = '[[1,'",
        "task_id = NULL",
        "task_id = CAST(x'ff' AS TEXT)",
        "attempts = 1.5",
        "code = 9e99",
        "checksum = NULL",
        "checksum = checksum + 1",
        "owned = 7",
        "last_intent_at = 'soon'",
    ],
)
def test_a_damaged_row_is_told_by_every_reading_path(path: Path, change: str) -> None:
    """It names the row and the job, and says what to do; what was before it is read, and others can be recalled."""
    with open_store(path) as store:
        store.write([job("a"), msgspec.structs.replace(FULL, external_task_id="b"), job("c")])
    damage(path, change)
    told = "damaged in row 2, the job 'b' .*look those jobs up at the gateway"
    with Reader(path) as reader:
        for read in (reader.records, lambda: iter_result_lines(reader), lambda: [reader.recall("b")]):
            with pytest.raises(JournalError, match=told):
                list(read())
        assert reader.recall("a") == job("a")
        assert next(reader.records()) == job("a")


def test_counting_tells_an_unknown_state(path: Path) -> None:
    """And the walk over one state does not step over it."""
    with open_store(path) as store:
        store.write([job("a"), job("b"), job("c")])
    damage(path, "state = 'opfn'")
    with Reader(path) as reader:
        with pytest.raises(JournalError, match=r"row 2, the job 'b' .its checksum"):
            list(reader.records(State.ACCEPTED))
        with pytest.raises(JournalError, match=r"row 2, the job 'b' .it has the unknown state 'opfn'"):
            reader.counts()


@pytest.mark.parametrize("value", ["x'00ff'", "CAST(x'ff41' AS TEXT)"])
def test_an_id_that_is_no_text_is_told(path: Path, value: str) -> None:
    """By the paths that read ids alone, too."""
    with open_store(path) as store:
        store.write([job("a", State.REJECTED), job("b", State.ACCEPTED)])
    damage(path, f"external_task_id = {value}")
    with Reader(path) as reader:
        for read in (reader.settled_ids, reader.records):
            with pytest.raises(JournalError, match="damaged in row 2"):
                list(read())


def test_a_salt_is_made_once(path: Path) -> None:
    """The same for every reader and later writers; another journal has another; a damaged one is told."""
    with open_store(path) as store:
        salt = store.salt
    with Reader(path) as reader:
        assert reader.salt == salt
    with open_store(path.with_name("other.db")) as other:
        assert other.salt != salt
    for value, told in (("zz", "salt cannot be read"), ("00", "its salt is gone")):
        database = sqlite3.connect(path)
        database.execute("UPDATE notes SET value = ? WHERE name = 'salt'", (value,))
        database.commit()
        database.close()
        with pytest.raises(JournalError, match=told):
            Reader(path)


@pytest.mark.parametrize("read", ["records", "settled_ids"])
def test_a_tree_that_leads_round_in_a_circle_is_damaged(path: Path, read: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that never come to an end (found by changing single bytes of a file) end with an error that says so."""
    with open_store(path) as store:
        store.write([job("a", State.ACCEPTED, task_id="1"), job("b", State.ACCEPTED, task_id="2")])
    with Reader(path) as reader:
        usual = reader._rows
        monkeypatch.setattr(reader, "_rows", lambda query, values=(): usual(query, (0, *values[1:])))
        with pytest.raises(JournalError, match="damaged"):
            list(getattr(reader, read)())


def test_entries_are_read_by_name(path: Path) -> None:
    """Those of one kind, and of these names alone; a damaged one is told. An odd name is found as it is kept."""
    kept = [(kind, name) for kind in ("task", "video") for name in ("a", "b", "it's", "half \ud83d")]
    with open_store(path) as store:
        store.keep([to_row(Entry(kind=kind, name=name, state="", value=kind.encode())) for kind, name in kept])
    with Reader(path) as reader:
        found = reader.entries_of("task", ["a", "it's", "half \ud83d", "none"])
        assert {name: entry.value for name, entry in found.items()} == dict.fromkeys(
            ["a", "it's", "half \\ud83d"], b"task"
        )
        assert reader.entries_of("task", []) == {}
    database = sqlite3.connect(path)
    database.execute("UPDATE entries SET state = 'x' WHERE name = 'a'")
    database.commit()
    database.close()
    with Reader(path) as reader:
        assert reader.entries_of("task", ["b"])
        with pytest.raises(JournalError, match="checksum"):
            reader.entries_of("task", ["a", "b"])


def test_the_lengths_of_lists_are_known(path: Path) -> None:
    """Of each list that was checked; no other note is taken for one."""
    with open_store(path) as store:
        store.remember("list", "7")
        assert store.list_lengths() == []
        store.remember_list("a", 3)
        store.remember_list("b", 1_000)
        assert sorted(store.list_lengths()) == [3, 1_000]
