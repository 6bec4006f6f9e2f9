"""What happens to a journal's files, between runs and during one; other names and copies."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import Reader, State, Store
from tests.journal.helpers import GATEWAY, finish, job, open_store, posix, start

KILLED = """
import os, signal, sys
from lipsync_async.journal import Record, State, Store
store = Store(sys.argv[1], gateway="https://api.example.com")
for number in range(int(sys.argv[2])):
    store.write([Record(external_task_id=f"job-{number}", fingerprint=b"", state=State.OPEN)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(path: Path, jobs: int = 3) -> None:
    """A process writes so many jobs and is killed: they are in the -wal file only."""
    assert finish(start(KILLED, path, jobs)) == ("", "")
    assert Path(f"{path}-wal").exists()


def closed(path: Path, jobs: int = 3) -> None:
    """A journal of so many jobs that was closed in good order."""
    with open_store(path) as store:
        store.write([job(f"job-{number}") for number in range(jobs)])


def refused(path: Path, told: str) -> None:
    """Opening is refused, again and again, and the text never proposes a new journal."""
    for _ in range(2):
        with pytest.raises(JournalError, match=told) as raised:
            open_store(path)
        assert "use another" not in str(raised.value)


def delete(path: Path) -> None:
    """The file is gone."""
    path.unlink()


def empty(path: Path) -> None:
    """The file is there, with nothing in it."""
    os.truncate(path, 0)


# Between runs


@pytest.mark.parametrize(("mishap", "told"), [(delete, "is gone, but"), (empty, "is empty, but")])
def test_a_journal_that_was_made_is_not_made_anew(path: Path, mishap: Callable[[Path], None], told: str) -> None:
    """Deleted or emptied beside its side file it is damaged; without that, a new journal."""
    closed(path)
    mishap(path)
    refused(path, told)
    Path(f"{path}.lock").unlink()
    with open_store(path) as store:
        assert store.is_empty()


@posix
@pytest.mark.parametrize(("mishap", "told"), [(delete, "is gone, but"), (empty, "is empty, but")])
def test_a_wal_file_is_a_trace_too(path: Path, mishap: Callable[[Path], None], told: str) -> None:
    """Where the side file was removed as well, the -wal file still says that there was a journal."""
    killed(path)
    mishap(path)
    Path(f"{path}.lock").unlink()
    refused(path, told)
    if path.exists():
        with pytest.raises(JournalError, match="is empty, but"):
            Reader(path)
    assert Path(f"{path}-wal").stat().st_size


def test_a_reader_of_an_emptied_journal_is_told(path: Path) -> None:
    """Beside its side file it is damaged."""
    closed(path)
    empty(path)
    with pytest.raises(JournalError, match="is empty, but"):
        Reader(path)


@posix
def test_a_journal_that_lost_its_wal_file_is_noticed(path: Path) -> None:
    """Killed, and the -wal file deleted: jobs are missing, and the side file knows how many there were."""
    killed(path, 3)
    Path(f"{path}-wal").unlink()
    refused(path, "lacks jobs that were written to it")


def test_an_older_copy_in_its_place_is_noticed(path: Path) -> None:
    """A backup put back would forget what came after it."""
    closed(path, 3)
    shutil.copy(path, f"{path}.bak")
    closed(path, 5)
    shutil.move(f"{path}.bak", path)
    refused(path, "lacks jobs that were written to it")


def test_another_journal_in_its_place_is_noticed(path: Path) -> None:
    """Its id is another."""
    other = path.with_name("other.db")
    closed(path)
    closed(other, 9)
    shutil.move(other, path)
    refused(path, "lacks jobs that were written to it")


@posix
def test_a_killed_journal_is_whole_with_its_files(path: Path) -> None:
    """Nothing is refused that is as it was."""
    for jobs in (3, 5):
        killed(path, jobs)
        with open_store(path) as store:
            assert store.counts()[State.OPEN] == jobs


def test_a_journal_without_its_side_file_is_opened(path: Path) -> None:
    """Moved alone after it was closed, it has all."""
    closed(path)
    Path(f"{path}.lock").unlink()
    other = path.with_name("moved.db")
    path.rename(other)
    closed(other, 4)
    with open_store(other) as store:
        assert store.counts()[State.OPEN] == 4


def test_a_damaged_index_is_noticed(path: Path) -> None:
    """A job that the index does not find would be paid for again: a file that was changed is looked through."""
    with open_store(path) as store:
        store.write([job(f"job-{number:03}", message="m" * 300) for number in range(60)])
    content = bytearray(path.read_bytes())
    place = max(content.find(b"job-030", start) for start in range(0, len(content), 4096))
    first = content.find(b"job-030")
    assert place != first  # once in the table, once in the index
    content[place + 6] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(0, 0))  # a clock's tick may be longer than this test
    refused(path, "damaged")


# During a run


@pytest.mark.parametrize(
    ("mishap", "told"),
    [
        (lambda path: path.unlink(), "deleted or moved away"),
        (lambda path: path.rename(path.with_name("moved.db")), "deleted or moved away"),
        (lambda path: os.truncate(path, 0), "emptied"),
        (lambda path: Path(shutil.copy(path, f"{path}2")).replace(path), "replaced by another file"),
        (lambda path: Path(f"{path}.lock").unlink(), "deprived of its lock"),
        (lambda path: Path(f"{path}.lock").rename(f"{path}.old"), "deprived of its lock"),
    ],
)
def test_what_happens_to_the_files_is_noticed_by_the_next_commit(
    path: Path, mishap: Callable[[Path], object], told: str
) -> None:
    """Deleted, moved, emptied, replaced, its lock removed: each is told, for jobs and notes alike."""
    store = open_store(path)
    store.write([job("before")])
    mishap(path)
    with pytest.raises(JournalError, match=rf"was {told}.*, so nothing more is sent"):
        store.write([job("after")])
    with pytest.raises(JournalError, match=f"was {told}"):
        store.remember("a", "b")
    store.close()


def test_a_journal_that_was_emptied_during_a_run_stays_refused(path: Path) -> None:
    """Also where SQLite, closing it, put into the file what it still had."""
    store = open_store(path)
    store.write([job(f"job-{number}") for number in range(300)])
    store.checkpoint()
    store.write([job("late")])
    empty(path)
    with pytest.raises(JournalError, match="was emptied"):
        store.write([job("after")])
    store.close()
    for _ in range(2):
        with pytest.raises(JournalError, match=r"damaged|lacks jobs"):
            open_store(path)


def test_a_journal_whose_lock_was_removed_is_left_to_who_has_it_now(path: Path) -> None:
    """Somebody else may have claimed it: nothing of theirs is changed."""
    store = open_store(path)
    store.write([job("a")])
    Path(f"{path}.lock").unlink()
    with pytest.raises(JournalError, match="deprived of its lock"):
        store.write([job("b")])
    assert Path(f"{path}-wal").stat().st_size
    store.close()


def test_a_moved_journal_is_whole_where_it_is(path: Path) -> None:
    """Under its new name it has all that was written, also what was written when the move was noticed."""
    other = path.with_name("moved.db")
    store = open_store(path)
    store.write([job("before")])
    path.rename(other)
    with pytest.raises(JournalError):
        store.write([job("after")])
    store.close()
    refused(path, "is gone, but")
    with open_store(other) as moved:
        assert [one.external_task_id for one in moved.records()] == ["before", "after"]


def test_a_file_put_in_its_place_gets_none_of_our_pages(path: Path) -> None:
    """The -wal file is empty before another journal could be mixed with it."""
    other = path.with_name("other.db")
    closed(other, 9)
    store = open_store(path)
    store.write([job("ours")])
    other.replace(path)
    with pytest.raises(JournalError, match="replaced"):
        store.write([job("after")])
    store.close()
    Path(f"{path}.lock").unlink()
    with open_store(path) as there:
        assert there.counts()[State.OPEN] == 9
        assert there.recall("ours") is None


# Other names


@posix
def test_a_hard_link_is_the_same_journal(path: Path) -> None:
    """Killed, then opened by its other name: nothing is missing, and the side files stay at its home."""
    link = path.with_name("link.db")
    killed(path)
    os.link(path, link)
    with Reader(link) as reader:
        assert reader.counts()[State.OPEN] == 3
    with open_store(link) as store:
        assert store.counts()[State.OPEN] == 3
        assert store.path == str(path)
    assert not Path(f"{link}-wal").exists()


@posix
def test_two_names_of_one_journal_conflict(path: Path) -> None:
    """In one process or in two, even where the link lies in another directory and its side file was removed."""
    folder = path.with_name("folder")
    folder.mkdir()
    link = folder / "link.db"
    with open_store(path):
        os.link(path, link)
        with pytest.raises(JournalError, match="in use by this very process"):
            open_store(link)
        said, _ = finish(start(OPENER, link))
        assert "in use by pid" in said
    open_store(link).close()


OPENER = """
import sys
from lipsync_async.errors import JournalError
from lipsync_async.journal import Store
try:
    Store(sys.argv[1], gateway="https://api.example.com").close()
except JournalError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="locks by inode are taken on Linux only")
def test_a_name_whose_home_is_unknown_conflicts_by_its_inode(path: Path) -> None:
    """The journal does not say where its home is, as a file bound elsewhere: the lock on the file itself tells."""
    link = path.with_name("link.db")
    with open_store(path) as store:
        store._put_notes([("home", "/nowhere/run.db")])
        store.checkpoint()
        os.link(path, link)
        said, _ = finish(start(OPENER, link))
    assert "in use by another process, under another name" in said or "has other names" in said


def test_a_link_whose_home_is_gone_is_refused(path: Path) -> None:
    """Which of the names has the newest commits cannot be known."""
    closed(path)
    names = [path.with_name(name) for name in ("one.db", "two.db")]
    for name in names:
        os.link(path, name)
    path.unlink()
    refused(names[0], "has other names")
    names[1].unlink()
    open_store(names[0]).close()


@posix
def test_a_copy_without_its_wal_file_is_refused_while_the_journal_is_there(path: Path) -> None:
    """It lacks what was not brought into the main file; with its -wal file, or after a clean end, it is a journal."""
    copy = path.with_name("copy.db")
    killed(path)
    shutil.copy(path, copy)
    refused(copy, "is a copy of .*run.db and lacks what")
    with Reader(copy) as reader:
        assert reader.gateway == GATEWAY
    shutil.copy(f"{path}-wal", f"{copy}-wal")
    with open_store(copy) as store:
        assert store.counts()[State.OPEN] == 3
    open_store(path).close()
    shutil.copy(path, path.with_name("later.db"))
    with open_store(path.with_name("later.db")) as store:
        assert store.counts()[State.OPEN] == 3


@posix
def test_a_journal_that_was_moved_without_its_wal_file_is_refused(path: Path) -> None:
    """Its newest jobs are still where it was; moved together, all is there."""
    other = path.with_name("moved.db")
    killed(path)
    path.rename(other)
    refused(other, "was moved here from .* without .*-wal")
    Path(f"{path}-wal").rename(f"{other}-wal")
    with open_store(other) as store:
        assert store.counts()[State.OPEN] == 3


def test_a_database_of_another_program_has_no_home(path: Path) -> None:
    """Looking for one changes nothing."""
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE notes (theirs)")
    database.close()
    with pytest.raises(JournalError, match="another program"):
        Reader(path)


def test_a_journal_in_memory_has_no_files() -> None:
    """Nothing is looked at."""
    with Store(":memory:", gateway=GATEWAY) as store:
        store.write([job("a")])
        store.lock.check()
        assert len(store.salt) == 16
