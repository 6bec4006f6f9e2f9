"""The reader: what is durable, beside a writer; damage is told by its row."""

from __future__ import annotations

from pathlib import Path

import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import (
    Reader,
    Record,
    State,
    Store,
)
from tests.journal.helpers import job, open_store


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
