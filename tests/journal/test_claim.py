"""One writer at a time, whatever the file's name."""

from __future__ import annotations

import errno
import os
import signal
import socket
from pathlib import Path

import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import (
    State,
)
from tests.journal.helpers import finish, open_store, posix, start

OPENER = """
import sys
from lipsync_async.errors import JournalError
from lipsync_async.journal import Store
try:
    Store(sys.argv[1], gateway="https://api.example.com")
except JournalError as error:
    print(error)
"""

FORKER = """
import asyncio, os, signal, sys
from lipsync_async.errors import JournalError
from lipsync_async.journal import Journal, Record, State

async def main():
    journal = await Journal.open(sys.argv[1], gateway="https://api.example.com")
    record = Record(external_task_id="a", fingerprint=b"", state=State.OPEN)
    await journal.write(record)
    if os.fork():
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        journal.write(record).send(None)
    except JournalError as error:
        print(error)
    try:
        journal.post(record)
    except JournalError as error:
        print("again")
    try:
        journal.aclose().send(None)
    except StopIteration:
        print("closed", flush=True)
    sys.stdin.read()
    os._exit(0)

asyncio.run(main())
"""


def test_a_side_file_that_cannot_be_made_is_an_error(path: Path) -> None:
    """Where the lock's side file is a directory, the journal cannot be claimed."""
    Path(f"{path}.lock").mkdir()
    with pytest.raises(JournalError, match="is a directory"):
        open_store(path)


def test_where_there_is_no_directory_the_journal_is_named(path: Path) -> None:
    """The user knows nothing of the side file, which is what cannot be made there."""
    name = path.parent / "nowhere" / "run.db"
    with pytest.raises(JournalError, match="does not exist") as caught:
        open_store(name)
    assert f"the directory of the journal {name} does not exist" in str(caught.value)


def test_a_second_opener_in_this_process_is_refused(path: Path) -> None:
    """Two stores on one file cannot be, not even through another name of it."""
    other = path.with_name("other.db")
    other.symlink_to(path)
    with open_store(path):
        for name in (path, other):
            with pytest.raises(JournalError, match="in use by this very process"):
                open_store(name)
    open_store(other).close()


@posix
def test_a_second_process_is_refused_at_once(path: Path) -> None:
    """The second process is told who has the journal: its pid and host."""
    with open_store(path):
        said, _ = finish(start(OPENER, path))
    assert f"in use by pid {os.getpid()} on {socket.gethostname()}: wait until" in said
    assert finish(start(OPENER, path))[0] == ""


@posix
def test_a_holder_without_a_name_is_another_process(path: Path) -> None:
    """A lock whose side file is still empty is refused all the same."""
    import fcntl

    with Path(f"{path}.lock").open("w") as side:
        fcntl.flock(side, fcntl.LOCK_EX)
        with pytest.raises(JournalError, match="in use by another process"):
            open_store(path)


@posix
def test_a_full_disk_is_noticed_when_claiming(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even the holder's name can be written, nothing is claimed."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(JournalError, match="no space left"):
            open_store(path)
    open_store(path).close()


@posix
def test_a_forked_child_neither_writes_nor_keeps_the_claim(path: Path) -> None:
    """In a forked child the journal refuses to write and closes at once; the claim dies with the parent."""
    child = start(FORKER, path)
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(3)]
    assert child.wait(10) == -signal.SIGKILL
    with open_store(path) as store:
        assert store.counts()[State.OPEN] == 1
    assert "before this process was forked" in said[0]
    assert said[1:] == ["again\n", "closed\n"]
    finish(child)
