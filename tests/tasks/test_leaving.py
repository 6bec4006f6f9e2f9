"""A wait that ends early, however it ends: nothing is lost, told twice or left behind, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest

from lipsync_async import LipSyncClient, Result
from lipsync_async.endings import StillRunning, TaskFailed, TaskLost
from lipsync_async.errors import JournalError
from lipsync_async.journal import InlineJournal, Record, State, Store
from lipsync_async.journal.entries import to_row
from lipsync_async.outcomes import Accepted, NotSent, Unknown
from lipsync_async.task_results import job_id
from lipsync_async.tasks.taskbook import to_entry
from lipsync_async.tasks.ties import TASK
from tests.loopback.acts import client
from tests.loopback.hurried import hurry
from tests.loopback.raw import Connection, RawServer, reply
from tests.makers import request, requests
from tests.tasks.test_follower import Book, play, state
from tests.tasks.test_results import all_of, names_of, opened

BUSY = reply({"code": 1303, "message": "parallel task over resource pack limit"}, 429, "Retry-After: 60")


class Odd(Book):
    """A gateway at which every first task fails for capacity, and whose word on a second one can be chosen."""

    def __init__(self, again: bytes | None = None) -> None:
        super().__init__(answer=self.of_capacity)
        self.again = again
        """The answer to every create of a second task; None: there is never one."""
        self.tried: Counter[str] = Counter()
        self.begun = asyncio.Event()
        """The first of those creates has arrived."""

    def of_capacity(self, task_id: str, _: float) -> bytes:
        """They fail at once."""
        return state(task_id, "failed", "1303")

    async def __call__(self, connection: Connection) -> None:
        """The script of a connection."""
        while got := await connection.request():
            name = got.external_task_id if got.method == "POST" else ""
            if not name.endswith("-r1"):
                await self._usually(connection, got)
                continue
            self.tried[name] += 1
            self.begun.set()
            if self.again is None:
                await connection.gone.wait()
                return
            await connection.send(self.again)

    async def _usually(self, connection: Connection, got: Any) -> None:
        loop = asyncio.get_running_loop()
        if got.method == "POST":
            task_id = f"task-{got.external_task_id}"
            self.born[task_id] = loop.time()
            await connection.send(reply({"code": 0, "data": {"task_id": task_id, "task_status": "submitted"}}))
        else:
            task_id = got.path.split("?")[0].rsplit("/", 1)[1]
            await connection.send(self.answer(task_id, loop.time()))


# --- leaving ---------------------------------------------------------------------------------------------------------


def test_a_cancel_scope_that_ends_it_leaves_nothing_behind() -> None:
    """Such a scope cancels at every await until it is left: what is in flight comes out all the same."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        stream = caller.stream(requests(6), wait=True)
        with anyio.move_on_after(20.0) as scope:
            async with stream as results:
                async for _ in results:
                    pass
        assert scope.cancelled_caught
        assert Counter(it.name for it in stream.rest) == {"running": 6}
        assert not caller._ready().runs
        assert caller.following().tasks == 0

    play(act)


def test_a_cancel_scope_while_jobs_are_sent_leaves_nothing_behind() -> None:
    """The run is stopped, and every job that was handed in comes out."""

    async def act(caller: LipSyncClient, book: Odd) -> None:
        stream = caller.stream([request("x-r1")], wait=True)
        with anyio.move_on_after(1.0):
            async with stream as results:
                async for _ in results:
                    pass
        assert not caller._ready().runs
        assert [(it.name, type(it)) for it in stream.rest] == [("unknown", Unknown)]

    play(act, Odd())


@pytest.mark.parametrize("how", ["left", "stopped", "patience", "cancelled"])
def test_a_second_submission_that_waits_holds_nobody_up(how: str) -> None:
    """An account that is full may be full for an hour: the failure is told, with what became of the second job."""

    async def act(caller: LipSyncClient, book: Odd) -> None:
        loop = asyncio.get_running_loop()
        timeout = 300.0 if how == "patience" else None
        stream = caller.stream([request("a")], wait=True, resubmit="capacity", timeout=timeout)
        told: list[Result] = []
        begun = loop.time()

        async def read() -> None:
            async with stream as results:
                if how == "left":
                    await asyncio.sleep(300.0)
                    return
                if how == "stopped":
                    loop.call_later(300.0, results.stop)
                told.extend([result async for result in results])

        reading = asyncio.ensure_future(read())
        if how == "cancelled":
            loop.call_later(300.0, reading.cancel)
        await asyncio.wait([reading])
        assert loop.time() - begun < 310.0
        (ending,) = told or stream.rest
        assert isinstance(ending, TaskFailed)
        assert isinstance(ending.again, NotSent)
        assert (ending.external_task_id, ending.again.external_task_id) == ("a", "a-r1")
        tried = book.tried.total()
        assert tried
        await asyncio.sleep(4000.0)
        assert book.tried.total() == tried
        assert not caller._ready().runs

    play(act, Odd(BUSY))


@pytest.mark.parametrize("at_once", [False, True])
def test_a_second_submission_in_flight_has_its_grace(at_once: bool) -> None:
    """Broken off after it, or at once: it may have been acted upon, and that is told."""

    async def act(caller: LipSyncClient, book: Odd) -> None:
        loop = asyncio.get_running_loop()
        async with caller.stream([request("a")], wait=True, resubmit="capacity") as results:
            await book.begun.wait()
            begun = loop.time()
            results.stop()
            if at_once:
                await asyncio.sleep(0.5)
                results.abort()
            (ending,) = [result async for result in results]
        assert isinstance(ending, TaskFailed)
        assert isinstance(ending.again, Unknown)
        assert loop.time() - begun < (1.0 if at_once else 3.0)
        assert book.tried.total() == 1

    play(act, Odd())


def test_patience_that_has_ended_pays_for_nothing_more(tmp_path: Path) -> None:
    """What was on its way when it ended comes out; no third task is made."""

    class Slow(Odd):
        async def _usually(self, connection: Connection, got: Any) -> None:
            if got.method == "POST" and got.external_task_id.endswith("-r2"):
                self.tried["a-r2"] += 1
            await super()._usually(connection, got)

    async def act(caller: LipSyncClient, book: Odd) -> None:
        async with opened(tmp_path / "j.db", caller) as journal:
            book.again = reply({"code": 0, "data": {"task_id": "task-a-r1", "task_status": "submitted"}})
            stream = caller.stream([request("a")], wait=True, resubmit="capacity", journal=journal)
            async with stream:
                await book.begun.wait()
            (ending,) = stream.rest
            assert isinstance(ending, StillRunning)
            assert [it.external_task_id for it in ending.earlier] == ["a"]
        assert "a-r2" not in book.tried

    play(act, Slow())


def test_a_hook_that_raises_is_raised_here() -> None:
    """When all that was handed in has come out; what was accepted is told as running."""

    def hook(_: Any) -> None:
        raise ValueError("of the caller's")

    async def act(caller: LipSyncClient, _: Book) -> None:
        told: list[Result] = []

        async def read(stream: Any) -> None:
            async with stream as results:
                async for result in results:
                    told.append(result)

        stream = caller.stream(requests(3), wait=True, on_progress=hook)
        with pytest.raises(ValueError, match="of the caller's"):
            await read(stream)
        told += stream.rest
        assert all(isinstance(it, StillRunning | NotSent) for it in told)
        assert {job_id(it) for it in told} == {"job-0", "job-1", "job-2"}
        assert len(told) == 3
        assert caller.following().tasks == 0

    play(act)


# --- a journal -------------------------------------------------------------------------------------------------------


def damage(path: Path, kind: str, name: str) -> None:
    """Another value under the same checksum."""
    connection = sqlite3.connect(path)
    changed = connection.execute("UPDATE entries SET value = x'7b7d' WHERE kind = ? AND name = ?", (kind, name))
    assert changed.rowcount == 1
    connection.commit()
    connection.close()


def test_a_damaged_ending_of_a_second_task_is_told(tmp_path: Path) -> None:
    """The failure that was seen is the result, and nobody waits for ever."""
    path, book = tmp_path / "j.db", Odd()
    book.again = reply({"code": 0, "data": {"task_id": "task-a-r1", "task_status": "submitted"}})

    async def main() -> None:
        async with RawServer(always=book) as server:
            async with client(server) as caller, opened(path, caller) as journal:
                await caller.run_many([request("a")], resubmit="capacity", journal=journal)
            damage(path, TASK, "a-r1")
            async with client(server) as caller, opened(path, caller) as journal:
                results = await caller.run_many([request("a")], resubmit="capacity", journal=journal)
        ending = results["a"]
        assert isinstance(ending, TaskFailed)
        assert isinstance(ending.again, Accepted)
        assert ending.again.task_id == "task-a-r1"

    hurry(main())


def test_a_damaged_ending_is_no_ending(tmp_path: Path) -> None:
    """The caller learns that the journal is damaged; nothing is paid for."""
    path = tmp_path / "j.db"

    async def act(caller: LipSyncClient, book: Book) -> None:
        async with opened(path, caller) as journal:
            await caller.run_many(requests(3), journal=journal)
        damage(path, TASK, "job-1")
        async with opened(path, caller) as journal:
            with pytest.raises(JournalError, match="damaged"):
                await caller.run_many(requests(3), journal=journal)
            with pytest.raises(JournalError, match="damaged"):
                await all_of(caller.follow(journal))
        assert len(book.born) == 3

    play(act)


def test_a_journal_with_open_jobs_tells_each_once(tmp_path: Path) -> None:
    """Also where a slow reader holds up those that were accepted, and what was open is accepted and ends meanwhile."""
    path, names = tmp_path / "j.db", [f"job-{number}" for number in range(600)]

    def answer(task_id: str, _: float) -> bytes:
        assert task_id in {"late", "task-late"}
        return state("task-late", "succeed", external="late")

    async def act(caller: LipSyncClient, _: Book) -> None:
        store = Store(path, gateway=caller._gateway.base_url)
        begun = [Record(name, b"f", State.ACCEPTED, 1, task_id=f"task-{name}", first_intent_at=1.0) for name in names]
        store.write([*begun, Record("late", b"f", State.OPEN, 1, first_intent_at=1.0)])
        store.keep([to_row(to_entry(TaskLost(task_id=f"task-{name}"), name)) for name in names])
        told: list[Result] = []
        async with InlineJournal(store) as journal:
            stream = caller.follow(journal)
            stream._most = 5
            async with stream as results:
                await asyncio.sleep(1000.0)
                told.extend([result async for result in results])
        assert names_of(told) == {"late succeeded": 1} | {f"{name} lost": 1 for name in names}

    play(act, Book(answer=answer))


def test_two_streams_on_one_journal(tmp_path: Path) -> None:
    """Each tells every ending, and one create a job is made."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        async with opened(tmp_path / "j.db", caller) as journal:
            both = [all_of(caller.stream(requests(5), wait=True, journal=journal)) for _ in range(2)]
            for told in await asyncio.gather(*both):
                assert names_of(told) == {f"job-{number} succeeded": 1 for number in range(5)}
        assert len(book.born) == 5

    play(act)
