"""What the pacer learned, in the journal: now and then and at a run's end, and hardly a byte a job."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import ref

import pytest

from lipsync_async import Limits
from lipsync_async.dispatch import pacebook
from lipsync_async.dispatch.account import Account
from lipsync_async.dispatch.pacebook import CLOSEST, KEEP_EVERY, PACES, watch
from lipsync_async.dispatch.paces import MOST, PaceSample, read_history
from lipsync_async.dispatch.pacing import Pacer, PacerStatistics
from lipsync_async.errors import JournalError
from lipsync_async.journal import Entry, InlineJournal, Store
from lipsync_async.journal.face import Done
from lipsync_async.terms import Kind
from tests.dispatch.helpers import EPOCH, MADE, Wire, account_at, play

LIMITED = Limits(initial_per_second=40.0)


STORES: list[Store] = []
"""All that are open."""


@pytest.fixture(autouse=True)
def all_closed() -> Iterator[None]:
    """What a test opened is closed after it."""
    yield
    while STORES:
        STORES.pop().close()


class Journal(InlineJournal):
    """In memory; counts what is written."""

    def __init__(self, store: Store | None = None) -> None:
        super().__init__(store or Store(":memory:", gateway="https://g"))
        STORES.append(self.store)
        self.written: list[int] = []
        """Bytes of each line."""

    def keep(self, entry: Entry, done: Done) -> None:
        """Counted."""
        self.written.append(len(entry.value))
        super().keep(entry, done)


class Shared(Journal):
    """One that other processes write as well."""

    needs_claims = True


def answer(account: Account, *, refused: bool = False) -> None:
    """A request is answered at once, whatever the pacer says of its turn."""
    pacer, now = account.pacer, account.loop.time()
    pacer.admit(now)
    if refused:
        pacer.refused(now, now, Kind.RATE, None)
    else:
        pacer.accepted(now, now)


async def work(account: Account, seconds: float, every: float = 0.25) -> None:
    """Requests are answered at that pace."""
    end = account.loop.time() + seconds
    while account.loop.time() < end:
        await asyncio.sleep(every)
        answer(account)


@contextmanager
def running(journal: InlineJournal, account: Account) -> Iterator[None]:
    """A run goes on."""
    book = watch(journal, account)
    try:
        yield
    finally:
        book.end()


def histories(journal: InlineJournal) -> dict[str, list[PaceSample]]:
    """What the journal has, by name."""
    return {entry.name: read_history(entry.value).samples for entry in journal.reader.entries(PACES)}


def kept(journal: InlineJournal) -> list[PaceSample]:
    """The one history of the journal."""
    (found,) = histories(journal).values()
    return found


def test_a_run_is_sampled_each_second_and_kept_now_and_then() -> None:
    """The pace that was used, what held the next request back, and its end; a line in eight seconds."""

    async def story() -> None:
        journal, account = Journal(), account_at(Wire(MADE), limits=LIMITED)
        with running(journal, account):
            await work(account, 3.9)
            assert len(kept(journal)) == 1
            answer(account, refused=True)
            await work(account, 16.3)
            assert len(journal.written) == 3
        samples = kept(journal)
        assert len(journal.written) == 4
        begun = samples[0].at
        assert begun == EPOCH + 1001
        assert samples[-1].at == EPOCH + round(account.loop.time(), 1)
        assert all(one.first is not number for number, one in enumerate(samples[:2]))
        before, after = ([one for one in samples if (one.at <= begun + 3) is early] for early in (True, False))
        assert {(one.found, one.pace) for one in before} == {(False, 40.0)}
        assert {one.found for one in after} == {True}
        assert all(one.pace is not None and one.pace < 40.0 for one in after)

    play(story)


def test_nothing_is_kept_where_nothing_was_sent() -> None:
    """A run that tells earlier ones again changes no journal, and looks ever more seldom."""

    class Watched(Pacer):
        looks = 0

        def statistics(self) -> PacerStatistics:
            self.looks += 1
            return super().statistics()

    async def story() -> None:
        journal, account = Journal(), account_at(Wire(MADE))
        account.pacer = pacer = Watched(Limits())
        answer(account)  # in a run before it, with another journal
        with running(journal, account):
            await asyncio.sleep(86_400)
        assert journal.written == []
        assert pacer.looks < 86_400 / 50
        with running(journal, account):
            answer(account)
        assert len(kept(journal)) == 1

    play(story)


def test_a_million_jobs_write_some_kilobytes() -> None:
    """Fourteen hours at twenty a second; the line stays short, and few are written."""

    async def story() -> None:
        journal, account = Journal(), account_at(Wire(MADE), limits=LIMITED)
        with running(journal, account):
            for hour in range(14):
                answer(account, refused=True)
                await work(account, 3_600, every=5.0 - hour / 7)
        assert len(kept(journal)) <= MOST
        assert max(journal.written) < 5_000
        assert len(journal.written) < 160
        assert sum(journal.written) < 500_000

    play(story)


def test_a_run_that_is_resumed_goes_on() -> None:
    """With another opening of the same journal; the pause between both runs is none of either."""

    async def story() -> None:
        store = Store(":memory:", gateway="https://g")
        with running(Journal(store), account := account_at(Wire(MADE), limits=LIMITED)):
            await work(account, 5)
        await asyncio.sleep(3_600)
        later = Journal(store)
        with running(later, account := account_at(Wire(MADE), limits=LIMITED)):
            await work(account, 5)
        samples = kept(later)
        first, second = (one.at - EPOCH - 1_000 for one in samples if one.first)
        assert first == 1
        assert 3_605 < second < 3_607
        assert 3_610 <= samples[-1].at - EPOCH - 1_000 < 3_611

    play(story)


def test_many_short_runs_write_no_more_than_one_that_is_long() -> None:
    """As in a service, whose every request is a run: with a journal that is open, and with a path each time."""

    async def story(opened: Callable[[], Journal]) -> int:
        account, lines, journal = account_at(Wire(MADE), limits=LIMITED), 0, opened()
        for _ in range(1_000):
            journal = opened()
            written = len(journal.written)
            with running(journal, account):
                await asyncio.sleep(0.05)
                answer(account)
            lines += len(journal.written) - written
        assert [one.first for one in kept(journal)].count(True) == 1
        return lines

    async def both() -> None:
        journal, store = Journal(), Store(":memory:", gateway="https://g")
        assert await story(lambda: journal) <= 51 / CLOSEST
        assert await story(lambda: Journal(store)) <= 51 / CLOSEST

    play(both)


def test_clients_that_are_at_work_together() -> None:
    """Each has its own history, for each finds its own pace; who comes later takes one that is free."""

    async def story() -> None:
        journal = Journal()
        first, second, third = (account_at(Wire(MADE), limits=LIMITED) for _ in range(3))
        with running(journal, first), running(journal, second):
            await asyncio.gather(work(first, 5), work(second, 5))
        assert len(histories(journal)) == 2
        with running(journal, third):
            await work(third, 5)
        assert len(histories(journal)) == 2

    play(story)


def test_runs_of_one_client_together_are_one() -> None:
    """The first to end writes nothing, and the last one does."""

    async def story() -> None:
        journal, account = Journal(), account_at(Wire(MADE), limits=LIMITED)
        with running(journal, account):
            with running(journal, account):
                await work(account, 0.5)
            assert journal.written == []
            await work(account, 0.25)
        assert len(kept(journal)) == 1

    play(story)


def test_of_a_shared_journal_each_process_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it opens it; another process never writes over it."""

    async def story() -> None:
        store = Store(":memory:", gateway="https://g")
        found: dict[str, list[PaceSample]] = {}
        for process, lines, begun in ((1, 1, 1001), (1, 1, 1001), (2, 2, 1005)):
            monkeypatch.setattr("os.getpid", lambda process=process: process)
            with running(Shared(store), account := account_at(Wire(MADE), limits=LIMITED)):
                await work(account, 2)
                answer(account, refused=True)
            before, found = found, histories(Shared(store))
            assert len(found) == lines
            (changed,) = (kept_ for name, kept_ in found.items() if kept_ != before.get(name))
            assert (changed[0].at, changed[-1].at) == (EPOCH + begun, EPOCH + account.loop.time())
        assert all(name.startswith("\x01") for name in found)

    monkeypatch.setattr(pacebook, "_processes", {})
    monkeypatch.setattr(pacebook, "_shared", {})
    play(story)


def test_a_shared_journal_that_was_opened_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both at work for one client: each opening has a line of its own."""

    async def story() -> None:
        store = Store(":memory:", gateway="https://g")
        one, two = Shared(store), Shared(store)
        account = account_at(Wire(MADE), limits=LIMITED)
        with running(one, account):
            with running(two, account):
                await work(account, 2)
            await work(account, 2)
        assert len(histories(one)) == 2
        assert one.written
        assert two.written

    monkeypatch.setattr(pacebook, "_shared", {})
    play(story)


def test_a_journal_that_broke_is_left_alone() -> None:
    """Its own faults are told elsewhere; neither the run nor its end fails by it."""

    async def story() -> None:
        journal, account = Journal(), account_at(Wire(MADE), limits=LIMITED)
        with running(journal, account):
            await work(account, 2)
            journal.failed = JournalError("the disk is full")
            await work(account, KEEP_EVERY + 2)
        assert len(journal.written) == 1

    play(story)


def test_a_history_that_cannot_be_read_begins_anew() -> None:
    """What another version wrote, and what a damaged file gives an error for."""

    async def story() -> None:
        for damage in ("bytes", "file"):
            journal, account = Journal(), account_at(Wire(MADE), limits=LIMITED)
            journal.keep(Entry(kind=PACES, name="\x01run-1", state="", value=b"{}"), lambda _: None)
            if damage == "file":
                journal.store._execute("UPDATE entries SET checksum = 1")
            with running(journal, account):
                await work(account, 2)
            assert kept(journal)[0].first

    play(story)


def test_nothing_is_held_after_the_run() -> None:
    """Neither the client's account nor the journal."""

    async def story() -> None:
        journal, account = Journal(), account_at(Wire(MADE), limits=LIMITED)
        book = watch(journal, account)
        await work(account, 2)
        book.end()
        remembered = ref(journal), ref(account)
        del journal, account
        gc.collect()
        assert [one() for one in remembered] == [None, None]
        assert book.account is None

    play(story)
