"""The thread brings commits into the main file within seconds."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import Journal, Reader, State, Store
from lipsync_async.journal import thread as thread_module
from tests.journal.helpers import job, open_store, with_journal


def test_an_idle_journal_is_copied_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A while after the last commit the main file alone has it."""
    done = threading.Event()
    checkpoint = Store.checkpoint

    def observed(store: Store) -> None:
        checkpoint(store)
        done.set()

    async def body(journal: Journal) -> None:
        done.clear()
        await journal.write(job("a"))
        await asyncio.to_thread(done.wait, 10)
        shutil.copy(path, path.with_name("copy.db"))

    monkeypatch.setattr(thread_module, "CHECKPOINT_AFTER", 0.01)
    monkeypatch.setattr(Store, "checkpoint", observed)
    with_journal(path, body)
    with Reader(path.with_name("copy.db")) as reader:
        assert reader.counts()[State.OPEN] == 1


def test_a_busy_journal_is_checkpointed_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait for a pause; every commit is due at once here."""
    count = 0
    checkpoint = Store.checkpoint

    def counted(store: Store) -> None:
        nonlocal count
        count += 1
        checkpoint(store)

    async def body(journal: Journal) -> None:
        for number in range(5):
            await journal.write(job(f"job-{number}"))

    monkeypatch.setattr(thread_module, "CHECKPOINT_AFTER", 0.0)
    monkeypatch.setattr(Store, "checkpoint", counted)
    with_journal(path, body)
    assert count >= 5


def test_a_new_journal_is_copied_as_one(path: Path) -> None:
    """From the first moment the main file says whose journal it is."""
    with open_store(path, account="studio"):
        shutil.copy(path, path.with_name("copy.db"))
        with Reader(path.with_name("copy.db")) as reader:
            assert reader.account == "studio"


def test_a_mishap_during_a_run_breaks_the_journal(path: Path) -> None:
    """What is not where the next run looks for it was not written: the waiters are told, and all who come later."""

    async def body(journal: Journal) -> None:
        await journal.write(job("a"))
        path.unlink()  # noqa: ASYNC240 - at once, between two commits
        for name in "bc":
            with pytest.raises(JournalError, match="was deleted or moved away"):
                await journal.write(job(name))
        assert "broken" in repr(journal)

    with_journal(path, body)
