"""The journal for asyncio: committed in groups by a thread, or inline."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path
from queue import SimpleQueue

import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import (
    AnyJournal,
    InlineJournal,
    Journal,
    Reader,
    State,
)
from lipsync_async.journal.face import QUIET
from tests.journal.helpers import FULL, GATEWAY, finish, job, join_threads, open_store, start, with_journal

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


async def handed_over(journal: Journal) -> None:
    """Until the thread has what is about to be written."""
    for _ in range(QUIET + 1):
        await asyncio.sleep(0)
    assert not journal._queued


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


@pytest.mark.parametrize(
    ("pause", "rounds", "groups"),
    [(1, 5, [10]), (1, 100, [128, 72]), (QUIET, 5, [10]), (QUIET, 100, [128, 72]), (QUIET + 1, 5, [2, 8])],
)
def test_what_comes_in_rounds_that_follow_each_other_is_one_group(
    path: Path, pause: int, rounds: int, groups: list[int], commits: list[int]
) -> None:
    """Replies that come together, or a few rounds later, are written together, up to what is enough for a commit."""

    async def body(journal: Journal) -> None:
        inbox, journal._inbox = journal._inbox, SimpleQueue()
        for number in range(rounds):
            journal.post(job(f"a-{number}"))
            journal.post(job(f"b-{number}"))
            for _ in range(pause):
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
            journal._committed([leave], [], None)
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
        await handed_over(journal)
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
        await handed_over(journal)
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
    monkeypatch.setattr("lipsync_async.journal.thread.Reader", lambda *_, **__: 1 // 0)
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


def test_rows_that_cannot_be_made_ready_break_the_journal_and_leave_no_hang(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For want of memory, say: who waits is told, as where the thread fails, and the journal can be closed."""

    def too_little(*_: object) -> list[object]:
        raise MemoryError

    async def main() -> None:
        journal = await Journal.open(path, gateway=GATEWAY)
        told: list[JournalError | None] = []
        with monkeypatch.context() as patch:
            patch.setattr("lipsync_async.journal.face.grouped", too_little)
            journal.post(FULL, told.append)
            await handed_over(journal)
        assert "MemoryError" in str(told[0])
        with pytest.raises(JournalError, match="MemoryError"):
            await journal.write(FULL)
        assert journal.failed is told[0]
        await journal.aclose()

    asyncio.run(main())
    with open_store(path) as store:
        assert store.recall("full") is None


def test_a_loop_that_closes_first_leaves_no_hang(path: Path) -> None:
    """The loop is closed with a commit under way: the thread ends by itself, and what it had got is in the file."""
    loop = asyncio.new_event_loop()
    journal = loop.run_until_complete(Journal.open(path, gateway=GATEWAY))
    gate = threading.Event()

    def wait(_: object) -> None:
        gate.wait(10)

    journal._inbox.put((wait, lambda _: None))
    journal.post(FULL)
    journal._hand_over(1, QUIET)
    loop.close()
    gate.set()
    join_threads()
    with open_store(path) as store:
        assert store.recall("full") is None  # nobody was left to hear of it
    assert not journal._lock.held


def test_an_interpreter_that_exits_with_an_open_journal_is_quiet(path: Path) -> None:
    """No hang and no traceback at exit; what was confirmed is there."""
    assert finish(start(CARELESS, path)) == ("", "")
    with open_store(path) as store:
        assert store.recall("a") is not None


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


def test_every_journal_has_a_salt_and_its_own_ids_under_way(path: Path) -> None:
    """What runs and clients that share a journal have in common; states are read through the journal as well."""

    async def main() -> None:
        async with (
            await Journal.open(path, gateway=GATEWAY) as journal,
            await InlineJournal.open(":memory:", gateway=GATEWAY) as inline,
        ):
            faces: tuple[AnyJournal, ...] = (journal, inline)
            assert {len(face.salt) for face in faces} == {16}
            assert journal.salt != inline.salt
            journal.under_way["a"] = None
            assert inline.under_way == {}
            for face in faces:
                await face.write(job("a", State.UNKNOWN))
                await face.write(job("b", State.ACCEPTED))
                found = face.records_of({State.UNKNOWN, State.OPEN})
                assert [record.external_task_id for record in found] == ["a"]

    asyncio.run(main())
