"""A record as a row: nothing is lost, and damage shows."""

from __future__ import annotations

from pathlib import Path

from lipsync_async.journal import (
    Try,
)
from lipsync_async.journal.rows import from_row, storable, to_row
from lipsync_async.terms import Kind, Phase, TaskStatus
from tests.journal.helpers import job, open_store


def test_the_words_of_the_library_are_stored_as_plain_text() -> None:
    """Enumerations go in and plain texts, equal to them, come out."""
    row = to_row(job("a", kind=Kind.RATE, phase=Phase.SENT.name.lower(), task_status=TaskStatus.SUBMITTED))
    assert {type(value) for value in row} <= {str, bytes, int, type(None)}
    assert from_row(row).kind == Kind.RATE


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
