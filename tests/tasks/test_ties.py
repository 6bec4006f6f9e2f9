"""A job that was submitted again is one job, in every later run: with leave to submit again, without it, or alone."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import LipSyncClient
from lipsync_async.endings import FailureKind, Succeeded, TaskFailed
from lipsync_async.errors import JournalError
from lipsync_async.journal import InlineJournal, Reader, Record, State, Store
from lipsync_async.journal.entries import Entry, to_row
from lipsync_async.outcomes import Accepted, Rejected, Unknown
from lipsync_async.task_results import job_id
from lipsync_async.tasks.taskbook import to_entry
from lipsync_async.tasks.ties import AGAIN, Ties, tied, ties_of, to_tie
from lipsync_async.wire.identity import fingerprints
from tests.loopback.acts import client
from tests.loopback.hurried import hurry
from tests.loopback.raw import RawServer
from tests.makers import request
from tests.tasks.test_follower import Book, play, state
from tests.tasks.test_results import all_of, failing, opened

LONG = "x" * 60
"""Its second submission has another name than `<id>-r1`, for there is no room."""


def put(store: Store, *entries: Entry) -> None:
    """Keeps them."""
    store.keep([to_row(entry) for entry in entries])


def failed(name: str) -> Entry:
    """A task that failed, as a run left it."""
    return to_entry(TaskFailed(task_id=f"task-{name}", external_task_id=name, kind=FailureKind.CAPACITY), name)


def job(name: str, state: State = State.ACCEPTED) -> Record:
    """A job of an earlier run."""
    task_id = f"task-{name}" if state is State.ACCEPTED else None
    fingerprint = fingerprints(request(name))[0]
    return Record(name, fingerprint, state, 1, task_id=task_id, first_intent_at=1.0, last_intent_at=1.0, kind=None)


# --- what is on record -----------------------------------------------------------------------------------------------


def test_ties_are_read_where_the_failure_before_them_is_on_record() -> None:
    """Whatever else stands there belongs to no job."""
    with closing(Store(":memory:", gateway="g")) as store:
        put(store, failed("a"), failed("a-r1"), to_tie("a", 1, "a-r1"), to_tie("a", 2, "a-r2"), to_tie("b", 1, "b-r1"))
        put(store, to_entry(Succeeded(task_id="task-c", external_task_id="c"), "c"), to_tie("c", 1, "c-r1"))
        put(store, Entry(kind=AGAIN, name="no number", state="", value=b'"d"'))
        put(store, Entry(kind=AGAIN, name="1 a b", state="later", value=b'{"of": "a later version"}'))
        assert ties_of(store) == Ties({"a-r1": "a", "a-r2": "a"}, {"a": "a-r1", "a-r1": "a-r2"})
        assert (tied(store, "a", 1), tied(store, "a", 3), tied(store, "a b", 1)) == ("a-r1", None, None)


@pytest.mark.parametrize("name", ["a", "a 1", "1 a", "Ω" * 60])
def test_a_tie_is_read_as_it_was_written(name: str) -> None:
    """Spaces and figures in an id included."""
    with closing(Store(":memory:", gateway="g")) as store:
        put(store, failed(name), to_tie(name, 1, f"{name}-r1"))
        assert ties_of(store).jobs == {f"{name}-r1": name}


# --- later runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", LONG])
@pytest.mark.parametrize("times", [1, 2])
def test_every_later_run_tells_one_job(tmp_path: Path, name: str, times: int) -> None:
    """The last task's ending, with those before it; nothing is submitted, and nothing asked for."""
    path, book = tmp_path / "j.db", Book(answer=failing(times, "1303"))

    async def main() -> None:
        async with RawServer(always=book) as server:
            for leave in ({"capacity"}, {"capacity"}, ()):
                async with client(server) as caller, opened(path, caller) as journal:
                    results = dict(await caller.run_many([request(name)], resubmit=leave, journal=journal))
                    alone = {job_id(it): it for it in await all_of(caller.follow(journal))}
                assert len(book.born) == times + 1
                asked.add(sum(book.asked.values()))
                for told in (results, alone):
                    assert set(told) == {name}
                    ending = told[name]
                    assert isinstance(ending, Succeeded)
                    assert [it.task_id for it in (*ending.earlier, ending)] == list(book.born)

    asked = set[int]()
    hurry(main())
    assert len(asked) == 1


def failing_again(times: int) -> Any:
    """The first tasks fail; a name that was cut ends in its number as well."""
    return failing(times, "1303")


def test_a_wait_that_began_before_goes_on_with_the_second_task(tmp_path: Path) -> None:
    """A run without leave, and the journal alone, wait for what an earlier one had submitted again."""
    path, over = tmp_path / "j.db", asyncio.Event()
    ends = failing(1, "1303")

    def answer(task_id: str, now: float) -> bytes:
        return ends(task_id, now) if over.is_set() or task_id == "task-a" else state(task_id, "processing")

    book = Book(answer=answer)

    async def main() -> None:
        async with RawServer(always=book) as server:
            async with client(server) as caller, opened(path, caller) as journal:
                first = await caller.run_many([request("a")], resubmit={"capacity"}, journal=journal, timeout=300.0)
            assert first["a"].name == "running"
            over.set()
            async with client(server) as caller, opened(path, caller) as journal:
                (ending,) = await all_of(caller.follow(journal))
            assert (job_id(ending), ending.name) == ("a", "succeeded")
            assert list(book.born) == ["task-a", "task-a-r1"]

    hurry(main())


def test_what_was_submitted_again_and_left_open_is_looked_up(tmp_path: Path) -> None:
    """The job is told when that is over, as one."""
    path = tmp_path / "j.db"

    async def act(caller: LipSyncClient, book: Book) -> None:
        left(path, caller, State.OPEN)
        book.born["task-a-r1"] = 0.0
        async with opened(path, caller) as journal:
            (ending,) = await all_of(caller.follow(journal))
        assert (job_id(ending), ending.name) == ("a", "succeeded")
        assert isinstance(ending, Succeeded)
        assert [it.task_id for it in ending.earlier] == ["task-a"]

    play(act, ByBothIds())


def test_what_was_submitted_again_and_stays_unknown_is_told_beside_the_failure(tmp_path: Path) -> None:
    """It may have been paid for."""
    path = tmp_path / "j.db"

    async def act(caller: LipSyncClient, book: Book) -> None:
        left(path, caller, State.UNKNOWN)
        async with opened(path, caller) as journal:
            (ending,) = await all_of(caller.follow(journal))
            told = await caller.run_many([request("a")], journal=journal)
        for one in (ending, told["a"]):
            assert isinstance(one, TaskFailed)
            assert isinstance(one.again, Unknown)
            assert one.again.external_task_id == "a-r1"
        assert not book.born

    play(act, ByBothIds())


def test_what_was_refused_is_told_beside_the_failure(tmp_path: Path) -> None:
    """By every later run."""
    path = tmp_path / "j.db"

    async def act(caller: LipSyncClient, book: Book) -> None:
        left(path, caller, State.REJECTED)
        async with opened(path, caller) as journal:
            (ending,) = await all_of(caller.follow(journal))
        assert isinstance(ending, TaskFailed)
        assert isinstance(ending.again, Rejected)

    play(act, ByBothIds())


def test_what_was_never_begun_leaves_the_failure(tmp_path: Path) -> None:
    """A run that was killed between the tie and the intent."""
    path = tmp_path / "j.db"

    async def act(caller: LipSyncClient, book: Book) -> None:
        left(path, caller, None)
        async with opened(path, caller) as journal:
            (ending,) = await all_of(caller.follow(journal))
        assert isinstance(ending, TaskFailed)
        assert ending.again is None

    play(act, ByBothIds())


def test_a_second_submission_that_is_in_the_list_too_is_a_job_of_its_own() -> None:
    """Both are told; the first as failed, beside the task that the other waits for."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        book.seconds = 50.0
        results = await caller.run_many([request("a"), request("a-r1")], resubmit={"capacity"})
        assert results["a-r1"].name == "succeeded"
        ending = results["a"]
        assert isinstance(ending, TaskFailed)
        assert isinstance(ending.again, Accepted)
        assert ending.again.task_id == "task-a-r1"
        assert len(book.born) == 2

    def answer(task_id: str, now: float) -> bytes:
        return fails(task_id, now) if task_id == "task-a" else book.usual(task_id, now)

    fails = failing(1, "1303")
    book = Book(answer=answer)
    play(act, book)


def test_where_it_cannot_be_written_nothing_is_submitted_again(tmp_path: Path) -> None:
    """The next run would not know whose job it is."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        journal = InlineJournal(Forgetful(tmp_path / "j.db", gateway=caller._gateway.base_url))
        results = await caller.run_many([request("a")], resubmit={"capacity"}, journal=journal)
        await journal.aclose()
        assert results["a"].name == "failed"
        assert list(book.born) == ["task-a"]
        with Reader(tmp_path / "j.db") as reader:
            assert reader.entry_counts(AGAIN) == {}

    play(act, Book(answer=failing(1, "1303")))


class Forgetful(Store):
    """A disk that has no room for ties."""

    def keep(self, rows: Any) -> None:
        """Endings are kept."""
        if any(row[0] == AGAIN for row in rows):
            raise JournalError("no space left")
        super().keep(rows)


class ByBothIds(Book):
    """A gateway that finds tasks by the external id as well."""

    def usual(self, task_id: str, now: float) -> bytes:
        """What is so."""
        return super().usual(task_id if task_id.startswith("task-") else f"task-{task_id}", now)


def left(path: Path, caller: LipSyncClient, state: State | None) -> None:
    """A journal whose job `a` failed and was submitted again, which came to `state`."""
    store = Store(path, gateway=caller._gateway.base_url)
    records = [job("a")] if state is None else [job("a"), job("a-r1", state)]
    store.write(records)
    put(store, failed("a"), to_tie("a", 1, "a-r1"))
    store.close()
