"""What a person writes down about a job in doubt."""

from __future__ import annotations

from pathlib import Path

import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import Reader, State, settle
from tests.journal.helpers import job, open_store


@pytest.mark.parametrize("state", [State.OPEN, State.UNKNOWN])
def test_a_task_that_was_seen_is_written_down(path: Path, state: State) -> None:
    """The job is accepted from now on, as if a look-up had found it."""
    with open_store(path) as store:
        store.write([job("a", state)])
    settle(path, "a", task_id="86")
    with Reader(path) as reader:
        found = reader.recall("a")
    assert found is not None
    assert (found.state, found.task_id, found.recovered) == (State.ACCEPTED, "86", True)


def test_a_task_that_is_not_there_sets_the_job_free(path: Path) -> None:
    """The next run sends it; its history stays."""
    with open_store(path) as store:
        store.write([job("a", State.UNKNOWN, attempts=2)])
    settle(path, "a", task_id=None)
    with Reader(path) as reader:
        found = reader.recall("a")
    assert found is not None
    assert (found.state, found.attempts) == (State.CLEARED, 2)


@pytest.mark.parametrize("state", [State.ACCEPTED, State.REJECTED, State.NOT_SENT, State.CLEARED])
def test_what_is_known_is_not_written_over(path: Path, state: State) -> None:
    """A job that is not in doubt stays as it is."""
    with open_store(path) as store:
        store.write([job("a", state, task_id="1" if state is State.ACCEPTED else None)])
    with pytest.raises(JournalError, match="not in doubt"):
        settle(path, "a", task_id="2")
    with Reader(path) as reader:
        assert getattr(reader.recall("a"), "state", None) is state


def test_an_id_that_the_journal_does_not_hold_is_refused(path: Path) -> None:
    """A slip of the pen makes no new job."""
    with open_store(path) as store:
        store.write([job("a", State.UNKNOWN)])
    with pytest.raises(JournalError, match="holds no job 'b'"):
        settle(path, "b", task_id="1")
