"""A record as a row: nothing is lost, and damage shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lipsync_async.journal import (
    Try,
)
from lipsync_async.journal.rows import WIDTHS, bound, from_row, storable, to_row
from lipsync_async.terms import Kind, Phase, TaskStatus
from tests.journal.helpers import job, open_store


def test_the_words_of_the_library_are_stored_as_plain_text() -> None:
    """Enumerations go in and plain texts, equal to them, come out."""
    row = to_row(job("a", kind=Kind.RATE, phase=Phase.SENT.name.lower(), task_status=TaskStatus.SUBMITTED))
    assert {type(value) for value in row} <= {str, bytes, int, type(None)}
    assert from_row(row).kind == Kind.RATE


@pytest.mark.parametrize("at", [-0.0, 0, 3, 1 << 60])
def test_a_time_of_any_number_is_read_back(path: Path, at: float) -> None:
    """SQLite has no zero below zero, and gives every number of such a column back as a float."""
    times: dict[str, Any] = {"first_intent_at": at, "last_intent_at": at, "ended_at": at}
    with open_store(path) as store:
        store.write([job("before", first_intent_at=1.5), job("a", **times), job("after")])
        found = store.recall("a")
        assert found is not None
        assert {(type(it), it) for it in (found.first_intent_at, found.last_intent_at, found.ended_at)} == {(float, at)}


def test_what_sqlite_cannot_hold_is_kept_as_text(path: Path) -> None:
    """A giant code or half a surrogate pair from a gateway breaks neither its group nor the journal."""
    odd = job("odd", message="\ud83d!", code=1 << 70, history=(Try(1, 1.0, "answered", None, 400, "\ud83d"),))
    with open_store(path) as store:
        store.write([job("before"), odd, job("after")])
        kept = store.recall("odd")
        assert kept is not None
        assert (kept.message, kept.code, kept.history[0].code) == ("\\ud83d!", str(1 << 70), "\\ud83d")
        assert [record.external_task_id for record in store.records()] == ["before", "odd", "after"]
    assert storable(b"x") == b"x"


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_of_a_usual_row_is_looked_up_an_adapter_for(width: int) -> None:
    """Of exactly these types the sqlite3 module knows what to do; a search for an adapter costs as much as a column."""
    marked = job("b", core=b"c", key=b"k", line=1, task_id="1", first_intent_at=1.0, last_intent_at=2.0)
    rows = [to_row(job("a", line=None, first_intent_at=1.0, last_intent_at=1.0)), to_row(marked)]
    rows = [row for row in rows if len(row) <= width]
    values = bound(rows, width)
    assert len(values) == len(rows) * width
    missing = {type(value) for value in values} - {int, float, str, bytearray}
    assert missing == (set() if len(rows) < 2 else {type(None)})  # the task has no status, and that is unusual


def test_what_stands_for_nothing_is_null_in_the_file(path: Path) -> None:
    """A copy read by other programs, and the state's own queries, see NULL and blobs, not NaN or something else."""
    with open_store(path) as store:
        store.write([job("a"), job("b", core=b"c", key=b"k", line=7)])
        kinds = "typeof(fingerprint), typeof(line), typeof(core), typeof(key), typeof(task_id), typeof(code)"
        found = store._rows(f"SELECT {kinds} FROM jobs ORDER BY seq")
    assert found == [("blob", *["null"] * 5), ("blob", "integer", "blob", "blob", "null", "null")]
