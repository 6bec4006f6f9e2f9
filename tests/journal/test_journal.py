"""The journal: what was confirmed is on disk, one writer at a time, and every trouble has a text that helps."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import pickle
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec
import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import (
    AnyJournal,
    InlineJournal,
    Journal,
    Reader,
    Record,
    State,
    Store,
    Try,
    iter_result_lines,
)
from lipsync_async.journal import store as store_module
from lipsync_async.journal.disks import is_network
from lipsync_async.journal.record import WIDTHS, from_row, storable, to_row
from lipsync_async.journal.trouble import explain, explain_os
from lipsync_async.terms import Kind, Phase, TaskStatus

ROOT = Path(__file__).parents[2]
GATEWAY = "https://api.example.com"
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and limits")


def job(name: str, state: State = State.OPEN, **more: Any) -> Record:
    """A record, open unless told otherwise."""
    return Record(external_task_id=name, fingerprint=b"\x00\xff", state=state, **more)


FULL = job(
    "full",
    State.UNKNOWN,
    attempts=2,
    refusals=7,
    first_intent_at=1700000000.25,
    last_intent_at=1700000060.5,
    task_id="t-1",
    task_status="submitted",
    recovered=True,
    kind="timeout",
    http_status=504,
    code=5002,
    message="网关 said: 'no'",
    request_id="r-1",
    phase="sent",
    line=12,
    history=(Try(1, 1700000000.25, "connecting", "connection"), Try(2, 1700000060.5, "sent", "timeout", 504, "E1")),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal shall be."""
    return tmp_path / "run.db"


def open_store(path: Path | str, **more: Any) -> Store:
    """The store at that path, of the gateway of these tests."""
    return Store(path, **{"gateway": GATEWAY, **more})


def with_journal(path: Path, body: Callable[[Journal], Coroutine[Any, Any, Any]]) -> Any:
    """Run the body in a loop with an open journal."""

    async def main() -> Any:
        async with await Journal.open(path, gateway=GATEWAY) as journal:
            return await body(journal)

    return asyncio.run(main())


def start(script: str, *arguments: object, **more: Any) -> subprocess.Popen[str]:
    """A process of its own."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    pipe = subprocess.PIPE
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment, **more)


def finish(child: subprocess.Popen[str]) -> tuple[str, str]:
    """What the process said since, on stdout and stderr, once it has ended."""
    with child:
        return child.communicate(timeout=20)


def join_threads() -> None:
    """Wait until the threads of closed journals have ended."""
    for thread in threading.enumerate():
        if thread.name == "lipsync-journal":
            thread.join(10)
            assert not thread.is_alive()


# The record


def test_a_record_keeps_everything(path: Path) -> None:
    """What was written is what is recalled, every field of it."""
    with open_store(path) as store:
        store.write([FULL])
        assert store.recall("full") == FULL
        assert store.recall("nobody") is None


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


def test_result_lines_have_the_stable_names() -> None:
    """An open intent is exported as unknown, a cleared one as not_sent, and all others under their own name."""
    with open_store(":memory:") as store:
        store.write([job(state.value, state) for state in State] + [FULL])
        lines = list(iter_result_lines(store))
    names = (
        "external_task_id outcome task_id task_status attempts refusals kind "
        "http_status code message request_id line schema"
    )
    assert [list(line) for line in lines] == [names.split()] * len(lines)
    assert [line["outcome"] for line in lines] == [
        "unknown",
        "not_sent",
        "accepted",
        "rejected",
        "unknown",
        "not_sent",
        "unknown",
    ]
    assert lines[-1] == {name: lines[-1][name] for name in names.split()} | {"code": 5002, "line": 12, "refusals": 7}


# The store


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


def test_states_are_counted_and_filtered(path: Path) -> None:
    """Every state is counted, absent ones as 0; one state's jobs can be walked while others are written."""
    with open_store(path) as store:
        store.write([job(f"job-{number}", State.OPEN if number % 2 else State.ACCEPTED) for number in range(1100)])
        assert store.counts() == dict.fromkeys(State, 0) | {State.OPEN: 550, State.ACCEPTED: 550}
        for record in store.records(State.OPEN):
            store.write([job(record.external_task_id, State.UNKNOWN)])
        assert store.counts()[State.UNKNOWN] == 550
        assert list(store.records(State.OPEN)) == []


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


def test_mounts_tell_network_disks(tmp_path: Path) -> None:
    """The longest mount point decides; a path without one, or a system without a table, counts as local."""
    table = tmp_path / "mounts"
    table.write_text(
        "/dev/sda / ext4 rw 0 0\nsrv:/x /net nfs4 rw 0 0\n//srv/y /my\\040share cifs rw 0 0\n"
        "tmpfs /net/fast tmpfs rw 0 0\nme@srv: /ssh fuse.sshfs rw 0 0\nz /z fuse.mergerfs rw 0 0\nbroken\n"
    )
    network = {"/net/run.db", "/my share/run.db", "/ssh/a/run.db"}
    local = {"/run.db", "/network/run.db", "/net/fast/run.db", "/z/run.db", "relative"}
    assert {path for path in network | local if is_network(path, str(table))} == network
    assert not is_network("/net/run.db", str(tmp_path / "none"))


def test_an_old_sqlite_gets_smaller_statements(path: Path) -> None:
    """Where a statement takes few values, a group is split further and still arrives whole."""
    with open_store(path) as store:
        store._most_rows = 8
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
    assert sorted(map(len, map(to_row, (intent, accepted, refused)))) == sorted(WIDTHS)
    with open_store(path) as store:
        store.write([msgspec.structs.replace(FULL, external_task_id=name) for name in "abc"])
        store.write([refused, intent, accepted])
        assert [store.recall(name) for name in "abc"] == [intent, accepted, refused]


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


# Versions


def test_an_empty_file_becomes_a_journal(path: Path) -> None:
    """Version 0, a file without a table, is brought to the present version."""
    path.touch()
    with open_store(path) as store:
        store.write([FULL])
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (len(store_module.MIGRATIONS),)
    assert database.execute("PRAGMA application_id").fetchone() == (store_module.APPLICATION_ID,)
    database.close()


def test_an_older_journal_is_migrated_with_its_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal of version 1 is led to the next version by the steps it lacks, and keeps its jobs."""
    with open_store(path) as store:
        store.write([FULL])
    steps = [*store_module.MIGRATIONS, lambda connection: connection.execute("CREATE TABLE later (x)")]
    monkeypatch.setattr(store_module, "MIGRATIONS", steps)
    with pytest.raises(JournalError, match="older version"):
        Reader(path)
    with open_store(path) as store:
        assert store.recall("full") == FULL
        assert store._version() == len(steps)
        assert store._execute("SELECT * FROM later").fetchall() == []


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps are one transaction: a failing one leaves the old journal as it was."""
    open_store(path).close()
    released = list(store_module.MIGRATIONS)

    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE jobs")
        connection.execute("nonsense")

    monkeypatch.setattr(store_module, "MIGRATIONS", [*released, fails])
    with pytest.raises(JournalError):
        open_store(path)
    monkeypatch.setattr(store_module, "MIGRATIONS", released)
    with open_store(path) as store:
        assert store.counts()[State.OPEN] == 0

    """A journal of a version to come is left alone, with the cure."""
    open_store(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalError, match=r"newer version of lipsync-async .schema 99.*upgrade"):
        open_store(path)


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    """A foreign SQLite file is refused and not one byte of it changes."""
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE theirs (x)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="another program"):
        open_store(path)
    assert path.read_bytes() == before

    # Trouble

    """A text file is no journal; the claim is given back."""
    path.write_text("external_task_id,outcome\n" * 200)
    for _ in range(2):
        with pytest.raises(JournalError, match="is no journal, or a damaged one"):
            open_store(path)


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
    with pytest.raises(JournalError, match="cannot be opened"):
        Reader(tmp_path / "none.db")
    (tmp_path / "folder").mkdir()
    with pytest.raises(JournalError, match="cannot be opened"):
        open_store(tmp_path / "folder")


def test_a_reader_needs_a_journal(path: Path) -> None:
    """An empty file has nothing to show, and is not made into a journal by looking."""
    path.touch()
    with pytest.raises(JournalError, match="is empty"):
        Reader(path)
    assert path.stat().st_size == 0


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (sqlite3.SQLITE_FULL, "no space left"),
        (sqlite3.SQLITE_IOERR_WRITE, "failed to read or write"),
        (sqlite3.SQLITE_CORRUPT, "damaged"),
        (sqlite3.SQLITE_NOTADB, "is no journal"),
        (sqlite3.SQLITE_READONLY, "is read-only"),
        (sqlite3.SQLITE_BUSY, "locked by another program"),
        (sqlite3.SQLITE_LOCKED, "locked by another program"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
        (sqlite3.SQLITE_PERM, "no permission"),
        (sqlite3.SQLITE_MISUSE, "failed .OperationalError."),
    ],
)
def test_every_sqlite_error_has_a_text(code: int, text: str) -> None:
    """What SQLite says is told as what happened and what helps, with the file's name."""
    raised = sqlite3.OperationalError("words of sqlite")
    raised.sqlite_errorcode = code
    error = explain(raised, "run.db")
    assert error.kind == "storage"
    with pytest.raises(JournalError, match=text):
        raise pickle.loads(pickle.dumps(error))
    assert "run.db" in str(error)
    assert "words of sqlite" in str(error)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EIO])
def test_every_system_error_has_a_text(code: int) -> None:
    """What the operating system says is kept, after the cure."""
    assert os.strerror(code) in str(explain_os(OSError(code, os.strerror(code)), "run.db"))


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


def test_a_side_file_that_cannot_be_made_is_an_error(path: Path) -> None:
    """Where the lock's side file is a directory, the journal cannot be claimed."""
    Path(f"{path}.lock").mkdir()
    with pytest.raises(JournalError, match="is a directory"):
        open_store(path)


# One writer


def test_a_second_opener_in_this_process_is_refused(path: Path) -> None:
    """Two stores on one file cannot be, not even through another name of it."""
    other = path.with_name("other.db")
    other.symlink_to(path)
    with open_store(path):
        for name in (path, other):
            with pytest.raises(JournalError, match="in use by this very process"):
                open_store(name)
    open_store(other).close()


OPENER = """
import sys
from lipsync_async.errors import JournalError
from lipsync_async.journal import Store
try:
    Store(sys.argv[1], gateway="https://api.example.com")
except JournalError as error:
    print(error)
"""


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


# The thread


def test_a_write_is_durable_when_it_returns(path: Path) -> None:
    """After the await the record is in the file, for the journal's own recall and for others."""

    async def body(journal: Journal) -> None:
        await journal.write(FULL)
        assert journal.recall("full") == FULL
        with Reader(path) as reader:
            assert list(reader.records()) == [FULL]
        assert repr(journal) == f"<Journal {path}, 0 queued>"

    with_journal(path, body)


def test_what_is_queued_together_is_committed_together(path: Path, commits: list[int]) -> None:
    """A hundred tasks that write at once cost one commit, not a hundred."""

    async def body(journal: Journal) -> None:
        await asyncio.gather(*(journal.write(job(f"job-{number}")) for number in range(100)))
        assert journal.reader.counts()[State.OPEN] == 100

    with_journal(path, body)
    assert commits == [100]


@pytest.mark.parametrize(("rounds", "groups"), [(5, [10]), (100, [128, 72])])
def test_what_comes_in_rounds_that_follow_each_other_is_one_group(
    path: Path, rounds: int, groups: list[int], commits: list[int]
) -> None:
    """Replies that come together are written together, up to what is enough for a commit."""

    async def body(journal: Journal) -> None:
        inbox, journal._inbox = journal._inbox, SimpleQueue()
        for number in range(rounds):
            journal.post(job(f"a-{number}"))
            journal.post(job(f"b-{number}"))
            await asyncio.sleep(0)
        while not journal._inbox.empty():  # the thread is quick or slow: it gets the first group when all is queued
            inbox.put(journal._inbox.get())
        journal._inbox = inbox

    with_journal(path, body)
    assert commits == groups


def test_who_is_told_may_end_the_program(path: Path) -> None:
    """A hook's SystemExit goes its way, and the journal goes on: what was queued is written, and it can be closed."""

    def leave(_: JournalError | None) -> None:
        raise SystemExit(7)

    async def body(journal: Journal) -> None:
        journal._busy = True  # a commit is under way
        journal.post(job("a"))
        with pytest.raises(SystemExit):
            journal._committed([leave], None)
        await journal.write(job("b"))

    with_journal(path, body)
    with Reader(path) as reader:
        assert reader.counts()[State.OPEN] == 2


def test_posts_and_writes_keep_their_order(path: Path) -> None:
    """What was posted before a write is in the file when that write returns, and the later one of an id counts."""

    async def body(journal: Journal) -> None:
        await journal.write(job("a"))
        journal.post(job("a", State.CLEARED))
        journal.post(job("b"))
        await journal.write(job("b", State.ACCEPTED))
        assert [record.state for record in journal.reader.records()] == [State.CLEARED, State.ACCEPTED]

    with_journal(path, body)


def test_closing_writes_what_was_posted(path: Path) -> None:
    """Closing flushes the queue, also while a commit is under way; closing again, at once or later, does nothing."""

    async def body(journal: Journal) -> None:
        journal.post(job("a"))
        await asyncio.gather(journal.aclose(), journal.aclose())
        await journal.aclose()
        assert repr(journal).endswith("closed>")
        with pytest.raises(JournalError, match="is closed"):
            await journal.write(FULL)
        with pytest.raises(JournalError, match="is closed"):
            journal.post(FULL)
        with pytest.raises(JournalError):
            journal.recall("a")

    with_journal(path, body)
    with Reader(path) as reader:
        assert reader.counts()[State.OPEN] == 1
    join_threads()


def test_a_record_posted_during_a_commit_goes_with_the_next(path: Path) -> None:
    """What is queued while the thread commits is committed right after, without anybody waiting for it."""

    async def body(journal: Journal) -> None:
        first = asyncio.ensure_future(journal.write(job("a")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # handed over
        journal.post(job("b"))
        await first

    with_journal(path, body)
    with Reader(path) as reader:
        assert reader.counts()[State.OPEN] == 2


def test_a_cancelled_write_harms_nobody(path: Path) -> None:
    """One waiter is cancelled: the others of its group return, and the record may be there."""

    async def body(journal: Journal) -> None:
        tasks = [asyncio.ensure_future(journal.write(job(f"job-{number}"))) for number in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None)]
        await journal.write(job("later"))
        assert journal.reader.counts()[State.OPEN] == 4

    with_journal(path, body)


def test_notes_go_through_the_thread(path: Path) -> None:
    """Notes and checked lists are durable when the await returns."""

    async def body(journal: Journal) -> None:
        await journal.remember("trusted", "yes")
        await journal.remember_list("digest", 1_000_000)
        assert journal.reader.note("trusted") == "yes"
        assert journal.reader.knows_list("digest")

    with_journal(path, body)


def test_a_full_disk_breaks_the_journal_for_good(path: Path) -> None:
    """Once a commit failed every write raises the same at once, queued ones too, and posts are dropped."""

    async def body(journal: Journal) -> None:
        await journal.write(job("kept"))
        await journal._apart(lambda store: store._execute("PRAGMA max_page_count = 8").close())
        writes = [asyncio.ensure_future(journal.write(job(f"big-{number}", message="x" * 9000))) for number in range(9)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        writes.append(asyncio.ensure_future(journal.write(job("queued"))))
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert {type(result) for result in results} == {JournalError}
        assert "no space left for the journal" in str(journal.failed)
        with pytest.raises(JournalError, match="no space left"):
            await journal.write(job("late"))
        with pytest.raises(JournalError, match="no space left"):
            await journal.remember("a", "b")
        journal.post(job("late"))
        assert "broken" in repr(journal)
        assert [record.external_task_id for record in journal.reader.records()] == ["kept"]

    with_journal(path, body)
    join_threads()
    with open_store(path) as store:
        store.write([job("again")])


def test_a_failing_note_breaks_the_journal_too(path: Path) -> None:
    """A note that cannot be kept is a failure like any other."""

    async def body(journal: Journal) -> None:
        await journal._apart(lambda store: store._execute("PRAGMA max_page_count = 8").close())
        with pytest.raises(JournalError, match="no space left"):
            await journal.remember("long", "x" * 99_000)
        assert journal.failed is not None

    with_journal(path, body)


def test_an_unforeseen_error_reaches_the_waiter(path: Path) -> None:
    """Whatever is raised in the thread, the waiter gets a JournalError and the thread lives on to close the file."""

    async def body(journal: Journal) -> None:
        with pytest.raises(JournalError, match="ZeroDivisionError"):
            await journal._apart(lambda store: store.write([FULL] * (1 // 0)))

    with_journal(path, body)
    open_store(path).close()


def test_opening_fails_where_the_store_does(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps the store or its reader from opening is raised by open, and leaves neither thread nor claim."""
    with pytest.raises(JournalError, match="does not exist"):
        asyncio.run(Journal.open(tmp_path / "none" / "run.db", gateway=GATEWAY))
    with pytest.raises(JournalError, match="in memory"):
        asyncio.run(Journal.open(":memory:", gateway=GATEWAY))
    monkeypatch.setattr("lipsync_async.journal.face.Reader", lambda *_, **__: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Journal.open(path, gateway=GATEWAY))
    join_threads()
    open_store(path).close()


def test_a_cancelled_open_gives_the_claim_back(path: Path) -> None:
    """Cancelled while the thread opens the file, nothing stays open."""

    async def main() -> None:
        opening = asyncio.ensure_future(Journal.open(path, gateway=GATEWAY))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    asyncio.run(main())
    join_threads()
    open_store(path).close()


def test_a_forgotten_journal_warns_and_lets_go(path: Path) -> None:
    """A journal that nobody closed is a ResourceWarning; its thread ends and the claim is free."""

    async def main() -> None:
        await (await Journal.open(path, gateway=GATEWAY)).write(FULL)

    def forget() -> None:
        asyncio.run(main())
        gc.collect()

    with pytest.warns(ResourceWarning, match="unclosed <Journal"):
        forget()
    join_threads()
    with open_store(path) as store:
        assert store.recall("full") == FULL


def test_a_loop_that_closes_first_leaves_no_hang(path: Path) -> None:
    """The loop is closed with a commit under way: the thread ends by itself, and what it had got is in the file."""
    loop = asyncio.new_event_loop()
    journal = loop.run_until_complete(Journal.open(path, gateway=GATEWAY))
    gate = threading.Event()

    def wait(_: object) -> None:
        gate.wait(10)

    journal._inbox.put((wait, lambda _: None))
    journal.post(FULL)
    journal._hand_over(1)
    loop.close()
    gate.set()
    join_threads()
    with open_store(path) as store:
        assert store.recall("full") is None  # nobody was left to hear of it
    assert not journal._claim.held


CARELESS = """
import asyncio, sys
from lipsync_async.journal import Journal, Record, State
kept = []
async def main():
    kept.append(await Journal.open(sys.argv[1], gateway="https://api.example.com"))
    await kept[0].write(Record(external_task_id="a", fingerprint=b"", state=State.OPEN))
    kept[0].post(Record(external_task_id="b", fingerprint=b"", state=State.OPEN))
asyncio.run(main())
"""


def test_an_interpreter_that_exits_with_an_open_journal_is_quiet(path: Path) -> None:
    """No hang and no traceback at exit; what was confirmed is there."""
    assert finish(start(CARELESS, path)) == ("", "")
    with open_store(path) as store:
        assert store.recall("a") is not None


# Inline


def test_the_inline_journal_is_the_same_without_a_thread(path: Path) -> None:
    """Every write is committed on return, posts too; notes, closing and the context manager as with the thread."""

    async def main() -> None:
        before = threading.active_count()
        async with await InlineJournal.open(path, gateway=GATEWAY) as journal:
            face: AnyJournal = journal
            await face.write(FULL)
            face.post(job("posted"))
            await face.remember("trusted", "yes")
            await face.remember_list("digest", 2)
            assert face.recall("full") == FULL
            assert face.recall("posted") is not None
            assert face.reader.knows_list("digest")
            assert threading.active_count() == before

    asyncio.run(main())
    open_store(path).close()


def test_the_inline_journal_breaks_for_good_too() -> None:
    """After a failed commit every write raises the same, and posts are dropped."""

    async def main() -> None:
        journal = await InlineJournal.open(":memory:", gateway=GATEWAY)
        journal.store._execute("PRAGMA max_page_count = 8")
        journal.post(job("big", message="x" * 99_000))
        for _ in range(2):
            with pytest.raises(JournalError, match="no space left"):
                await journal.write(job("late"))
        with pytest.raises(JournalError, match="no space left"):
            await journal.remember("a", "b")
        with pytest.raises(JournalError, match="no space left"):
            await journal.remember_list("a", 1)
        journal.post(job("late"))
        assert journal.recall("late") is None
        await journal.aclose()

    asyncio.run(main())


# Crashes and full disks, for real

WORKERS = """
import asyncio, os, sys
from lipsync_async.errors import JournalError
from lipsync_async.journal import Journal, Record, State

async def main(path, run, limit):
    if limit:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    numbers = iter(range(1_000_000))
    async with await Journal.open(path, gateway="https://api.example.com") as journal:
        async def worker():
            for number in numbers:
                for state in (State.OPEN, State.ACCEPTED):
                    name = f"{run}-{number}"
                    record = Record(external_task_id=name, fingerprint=name.encode(), state=state, message=name * 9)
                    await journal.write(record)
                    os.write(1, f"{name} {state.value}\\n".encode())
        try:
            await asyncio.gather(*(worker() for _ in range(32)))
        except JournalError as error:
            os.write(2, str(error).encode())

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def check_all_there(path: Path, lines: list[str]) -> None:
    """All that was confirmed is in the file, and every row is whole."""
    confirmed = dict(line.split() for line in lines)
    with Reader(path) as reader:
        kept = {record.external_task_id: record for record in reader.records()}
        assert reader._execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for name, state in confirmed.items():
        # A later state may be committed and not confirmed yet; an earlier one would be a lie.
        assert kept[name].state in {state, State.ACCEPTED}
    for name, record in kept.items():
        assert (record.fingerprint, record.message) == (name.encode(), name * 9)


@posix
def test_kill_9_loses_nothing_that_was_confirmed(path: Path) -> None:
    """Killed amid its commits again and again: what was confirmed is there, no row is torn, the claim is free."""
    lines: list[str] = []
    for run, until in enumerate((1, 40, 333, 1000, 2500)):
        child = start(WORKERS, path, f"run{run}", 0)
        assert child.stdout is not None
        lines += [child.stdout.readline() for _ in range(until)]
        child.kill()
        rest, errors = finish(child)
        assert errors == ""
        lines += rest.splitlines()
        check_all_there(path, lines)
        open_store(path).close()


@posix
def test_a_file_that_may_not_grow_stops_the_writers(path: Path) -> None:
    """A real limit on the file's size: the writers get a JournalError, and what was confirmed before is in the file."""
    said, errors = finish(start(WORKERS, path, "run", 300_000))
    assert "failed to read or write" in errors or "no space left" in errors
    assert "Traceback" not in errors
    assert said.count("\n") > 100
    check_all_there(path, said.splitlines())


def test_settled_ids_are_those_that_are_only_told_again(tmp_path: Path) -> None:
    """Accepted and rejected ones, in the order of arrival; whatever is still to be done is not among them."""
    with_states = [Record(external_task_id=state.value, fingerprint=b"", state=state) for state in State]
    with Store(tmp_path / "run.db", gateway="g") as store:
        store.write(with_states)
        assert list(store.settled_ids()) == ["accepted", "rejected"]
