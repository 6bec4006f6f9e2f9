"""The journal's store against a dict, through every reopening."""

from __future__ import annotations

import struct
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lipsync_async.errors import JournalError
from lipsync_async.journal import Reader, Record, State, Store, Try, iter_result_lines
from lipsync_async.journal.rows import WIDTHS, DamagedRowError, from_row, to_row, to_rows
from lipsync_async.terms import TaskStatus
from tests.amounts import how_many

GATEWAY = "https://api.example.com"

texts = st.text(max_size=20)
words = st.none() | st.text(min_size=1, max_size=20)
times = st.none() | st.floats(0, 4e9)
counts = st.integers(0, 1000)
codes = st.none() | st.integers(-(1 << 63), (1 << 63) - 1) | texts
statuses = st.none() | st.integers(100, 599)
tries = st.builds(
    Try, number=st.integers(1, 99), at=st.floats(0, 4e9), phase=texts, kind=words, http_status=statuses, code=codes
)


def records(names: st.SearchStrategy[str]) -> st.SearchStrategy[Record]:
    """Any record under one of these names."""
    return st.builds(
        Record,
        external_task_id=names,
        fingerprint=st.binary(max_size=32),
        state=st.sampled_from(State),
        attempts=counts,
        refusals=counts,
        first_intent_at=times,
        last_intent_at=times,
        task_id=words,
        task_status=words,
        recovered=st.booleans(),
        kind=words,
        http_status=statuses,
        code=codes,
        message=words,
        request_id=words,
        phase=words,
        line=st.none() | counts,
        history=st.lists(tries, max_size=3).map(tuple),
        core=st.none() | st.binary(min_size=16, max_size=16),
        key=st.none() | st.binary(min_size=8, max_size=8),
        owned=st.booleans(),
        ended_at=times,
        found_task_id=words,
    )


@given(records(texts))
def test_a_row_holds_the_whole_record(record: Record) -> None:
    """To a row and back is the same record."""
    assert from_row(to_row(record)) == record


odd = st.builds(
    Record,
    external_task_id=texts,
    fingerprint=st.binary(max_size=16),
    state=st.sampled_from(State),
    attempts=counts | st.just(1 << 70),
    first_intent_at=times | st.integers(0, 9),
    task_id=words | st.just("\ud83d"),
    task_status=words | st.sampled_from(TaskStatus),
    code=codes | st.just(1 << 70),
    message=words | st.just("\udc00!"),
    ended_at=times | st.integers(0, 9),
)


@given(st.lists(records(texts) | odd, max_size=6))
def test_rows_that_are_made_together_are_those_that_are_made_alone(kept: list[Record]) -> None:
    """Whatever stands beside them: one of several widths, a number that is no float, a text that SQLite cannot hold."""
    rows = to_rows(kept)
    assert rows == [to_row(record) for record in kept]
    assert {len(row) for row in rows} <= set(WIDTHS)
    assert {type(value) for row in rows for value in row} <= {int, float, str, bytes, type(None)}


def changed(value: Any, data: Any) -> Any:
    """The value with one of its bytes changed, cut short, or gone."""
    if isinstance(value, str | bytes):
        content = bytearray(value.encode() if isinstance(value, str) else value)
        if content and data.draw(st.booleans()):
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        else:
            content = content[: data.draw(st.integers(0, max(0, len(content) - 1)))]
        return bytes(content) if isinstance(value, bytes) else content.decode(errors="surrogateescape")
    if isinstance(value, int):
        return value ^ (1 << data.draw(st.integers(0, 40)))
    if isinstance(value, float):
        return float(struct.unpack("<d", struct.pack("<q", struct.unpack("<q", struct.pack("<d", value))[0] ^ 1))[0])
    return data.draw(st.sampled_from([0, 1.5, "", "x", b"", b"x"]))


@given(records(texts), st.data())
def test_any_change_of_a_row_is_noticed(record: Record, data: Any) -> None:
    """A flipped bit, a value that was cut, one of another type: never a record, never another error."""
    row = list(to_row(record))
    place = data.draw(st.integers(0, len(row) - 1))
    value = changed(row[place], data)
    if type(value) is type(row[place]) and value == row[place]:
        return
    row[place] = value
    with pytest.raises(DamagedRowError):
        from_row(tuple(row))


@given(records(texts))
def test_whole_numbers_of_seconds_are_sealed_as_sqlite_gives_them_back(record: Record) -> None:
    """A time that is an int comes back as a float, and the checksum fits."""
    with Store(":memory:", gateway=GATEWAY) as store:
        whole = msgspec.structs.replace(record, first_intent_at=5, last_intent_at=6, ended_at=7)
        store.write([whole])
        assert store.recall(record.external_task_id) == whole


@given(st.text(st.characters(), max_size=9), st.integers() | st.text(st.characters(), max_size=9))
@settings(deadline=None)
def test_whatever_a_gateway_says_can_be_kept(message: str, code: int | str) -> None:
    """No text and no number, however odd, keeps a record from being written and read."""
    odd = Record(
        external_task_id="a",
        fingerprint=b"",
        state=State.UNKNOWN,
        message=message,
        code=code,
        history=(Try(1, 1.0, "sent", code=code),),
    )
    with Store(":memory:", gateway=GATEWAY) as store:
        store.write([odd])
        kept = store.recall("a")
    assert kept is not None
    assert kept.state is State.UNKNOWN
    assert str(kept.code) == str(code).encode("utf-8", "backslashreplace").decode()


JOBS = [
    Record(f"job-{number:02}", bytes([number]) * 16, state, line=number, core=b"c" * 16, key=b"k" * 8, history=history)
    for number, (state, history) in enumerate(
        (state, history)
        for state in State
        for history in ((), (Try(1, 1.5, "sent", "timeout", 504, "E1"),))
        for _ in "ab"
    )
]


@cache
def written() -> bytes:
    """A journal's file."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "run.db"
        with Store(path, gateway=GATEWAY) as store:
            store.write(JOBS)
        return path.read_bytes()


@given(place=st.integers(0, 1 << 20), change=st.integers(1, 255))
@settings(max_examples=how_many(200))
def test_a_file_with_any_byte_changed_tells_the_truth_or_that_it_is_damaged(place: int, change: int) -> None:
    """For a writer each job is as it was written, or there is a `JournalError`; a reader never raises another error."""
    content = bytearray(written())
    used = [place for place, value in enumerate(content) if value]
    content[used[place % len(used)]] ^= change
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "run.db"
        path.write_bytes(content)
        with suppress(JournalError), Reader(path) as reader:
            assert reader.counts()
            for _ in (*reader.records(), *reader.settled_ids(), *iter_result_lines(reader)):
                pass
        path.write_bytes(content)
        with suppress(JournalError), Store(path, gateway=GATEWAY) as store:
            found = [(store.recall(job.external_task_id), job) for job in JOBS]
            assert all(one == other for one, other in found)
            assert sorted(store.records(), key=lambda one: one.line or 0) == JOBS


class StoreMachine(RuleBasedStateMachine):
    """A store and a dict are told the same; whatever happens between, they agree."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "run.db"
        self.network = False
        self.jobs: dict[str, Record] = {}
        self.notes: dict[str, str] = {}
        self.lists: set[str] = set()
        self.store = self.open()

    def open(self) -> Store:
        """The store at its path."""
        return Store(self.path, gateway=GATEWAY, account="a", network=self.network)

    @rule(group=st.lists(records(st.sampled_from("abcdefgh")), max_size=9))
    def write(self, group: list[Record]) -> None:
        """One group, ids twice in it or not."""
        self.store.write(group)
        for record in group:
            self.jobs[record.external_task_id] = record

    @rule(name=texts, value=texts)
    def remember(self, name: str, value: str) -> None:
        """A note."""
        self.store.remember(name, value)
        self.notes[name] = value

    @rule(digest=texts)
    def remember_list(self, digest: str) -> None:
        """A list that was checked."""
        self.store.remember_list(digest, 7)
        self.lists.add(digest)

    @rule(network=st.booleans())
    def reopen(self, network: bool) -> None:
        """Closed and opened again, perhaps on a disk of the other sort."""
        self.store.close()
        self.network = network
        self.store = self.open()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def recall(self, data: Any) -> None:
        """One job, and one that never was."""
        name = data.draw(st.sampled_from(sorted(self.jobs)))
        assert self.store.recall(name) == self.jobs[name]
        assert self.store.recall(name + "?") is None

    @invariant()
    def agrees(self) -> None:
        """Jobs in the order of first arrival, counts, notes and lists; for the writer and a reader beside it."""
        with Reader(self.path) as reader:
            for eye in (self.store, reader):
                assert list(eye.records()) == list(self.jobs.values())
                for state, count in eye.counts().items():
                    of_state = [record for record in self.jobs.values() if record.state is state]
                    assert list(eye.records(state)) == of_state
                    assert count == len(of_state)
                assert {name: eye.note(name) for name in self.notes} == self.notes
                assert all(eye.knows_list(digest) for digest in self.lists)
                assert len(list(iter_result_lines(eye))) == len(self.jobs)

    def teardown(self) -> None:
        """Nothing stays behind."""
        self.store.close()
        self.directory.cleanup()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=how_many(15), stateful_step_count=12, deadline=None)
