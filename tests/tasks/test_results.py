"""Results as they come, from a list or from a journal alone: nothing is lost, paid twice or told twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import LipSyncClient, Result
from lipsync_async.endings import StillRunning, Succeeded, TaskFailed
from lipsync_async.errors import ClientClosedError, ConfigurationError, JournalError
from lipsync_async.journal import InlineJournal, Reader, Store
from lipsync_async.outcomes import Rejected
from lipsync_async.task_results import job_id
from lipsync_async.tasks.again import MOST_AGAIN
from lipsync_async.tasks.ties import TASK
from tests.loopback.acts import client
from tests.loopback.hurried import hurry
from tests.loopback.raw import RawServer
from tests.makers import request, requests
from tests.tasks.test_follower import Book, play, state


async def all_of(stream: Any) -> list[Result]:
    """What a stream of results gives."""
    async with stream as results:
        return [result async for result in results]


def names_of(results: list[Result]) -> Counter[str]:
    """How often each job was told, by the name of its result."""
    return Counter(f"{job_id(result)} {result.name}" for result in results)


# --- a stream --------------------------------------------------------------------------------------------------------


def test_every_job_is_told_once() -> None:
    """Those without a task at once, the others when their tasks have ended, each with its outcome."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        book.fail.add("task-job-2")
        results = await all_of(caller.stream([request("bad"), *requests(5)], wait=True))
        expected = {f"job-{number} {'failed' if number == 2 else 'succeeded'}": 1 for number in range(5)}
        assert names_of(results) == {"bad rejected": 1, **expected}
        made = [it.outcome for it in results if isinstance(it, Succeeded)]
        assert all(outcome is not None and outcome.attempts == 1 for outcome in made)
        assert results[0].name == "rejected"

    play(act)


def test_patience_begins_after_the_last_job() -> None:
    """What did not end within it is told as running, and goes on."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        book.seconds = 1e6
        results = await all_of(caller.stream(requests(3), wait=True, timeout=50.0))
        assert [it.name for it in results] == ["running"] * 3
        assert all(isinstance(it, StillRunning) and it.outcome is not None for it in results)

    play(act)


def test_left_early_it_tells_what_is_left() -> None:
    """Results that nobody read, and tasks that still run, are in `rest`; nobody is asked for after that."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        book.seconds = 200.0
        async with caller.stream(requests(6), wait=True) as results:
            await asyncio.sleep(20.0)
        assert Counter(it.name for it in results.rest) == {"running": 6}
        asked = sum(book.asked.values())
        await asyncio.sleep(1000.0)
        assert sum(book.asked.values()) == asked

    play(act)


def test_stopped_it_ends_soon_and_tells_all() -> None:
    """No job is begun after that, and no task is waited for."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        loop = asyncio.get_running_loop()
        async with caller.stream(requests(6), wait=True) as results:
            await asyncio.sleep(20.0)
            began = loop.time()
            results.stop()
            told = [result async for result in results]
        assert Counter(it.name for it in told) == {"running": 6}
        assert loop.time() - began < 1.0
        assert results.rest == []

    play(act)


def test_a_client_that_is_closed_ends_it() -> None:
    """And the reader learns why."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        async with caller.stream(requests(2), wait=True) as results:
            await asyncio.sleep(20.0)
            await caller.aclose()
            with pytest.raises(ClientClosedError):
                await anext(results)

    play(act)


def test_a_source_that_raises_raises_here() -> None:
    """After all that was handed in has come out."""

    def broken() -> Any:
        yield request("a")
        raise OSError("the list is gone")

    async def act(caller: LipSyncClient, book: Book) -> None:
        async with caller.stream(broken(), wait=True) as results:
            with pytest.raises(OSError, match="the list is gone"):
                async for _ in results:
                    pass

    play(act)


def test_a_slow_reader_loses_nothing() -> None:
    """However late it comes."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        told = []
        async with caller.stream(requests(30), wait=True) as results:
            async for result in results:
                told.append(result)
                await asyncio.sleep(40.0)
        assert names_of(told) == {f"job-{number} succeeded": 1 for number in range(30)}

    play(act)


def test_a_stream_that_was_not_entered_says_so() -> None:
    """It has not begun."""

    async def act(caller: LipSyncClient, _: Book) -> None:
        with pytest.raises(ClientClosedError, match="entered"):
            await anext(caller.stream(requests(1), wait=True))

    play(act)


# --- a journal -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def opened(path: Path, caller: LipSyncClient) -> AsyncIterator[InlineJournal]:
    """A journal without a thread: the clock does not jump while it writes."""
    async with await InlineJournal.open(path, gateway=caller._gateway.base_url) as journal:
        yield journal


def lives(*acts: Callable[[LipSyncClient, Book], Any], seconds: float = 100.0) -> Book:
    """One client after the other at the same gateway, as after a kill: what was not awaited is gone."""
    book = Book(seconds)

    async def main() -> None:
        async with RawServer(always=book) as server:
            for act in acts:
                async with client(server) as caller:
                    await act(caller, book)

    hurry(main())
    return book


def test_what_ended_is_told_again_and_not_asked_for(tmp_path: Path) -> None:
    """By the same list, and from the journal alone; the outcome stands beside the ending."""
    path = tmp_path / "j.db"
    first: list[Result] = []

    async def submit(caller: LipSyncClient, book: Book) -> None:
        book.fail.add("task-job-1")
        async with opened(path, caller) as journal:
            first.extend((await caller.run_many(requests(4), journal=journal)).values())

    async def again(caller: LipSyncClient, book: Book) -> None:
        asked, made = sum(book.asked.values()), len(book.born)
        async with opened(path, caller) as journal:
            told = await caller.run_many(requests(4), journal=journal)
            alone = await all_of(caller.follow(journal))
        assert (sum(book.asked.values()), len(book.born)) == (asked, made)
        for results in (list(told.values()), alone):
            assert names_of(results) == names_of(first)
            for result, before in zip(results, first, strict=True):
                assert result.name == before.name
                assert getattr(result, "video_url", None) == getattr(before, "video_url", None)
                assert getattr(result, "reason", None) == getattr(before, "reason", None)

    lives(submit, again)


def test_a_wait_goes_on_after_the_process_is_gone(tmp_path: Path) -> None:
    """Nothing is submitted again, and every ending is told once."""
    path = tmp_path / "j.db"

    async def begin(caller: LipSyncClient, book: Book) -> None:
        async with opened(path, caller) as journal, caller.stream(requests(5), wait=True, journal=journal):
            await asyncio.sleep(30.0)
        assert len(book.born) == 5

    async def go_on(caller: LipSyncClient, book: Book) -> None:
        async with opened(path, caller) as journal:
            results = await all_of(caller.follow(journal))
        assert names_of(results) == {f"job-{number} succeeded": 1 for number in range(5)}
        assert len(book.born) == 5

    lives(begin, go_on)


def test_what_was_learned_is_learned_once(tmp_path: Path) -> None:
    """The first look of a later run comes at the learned age, and not at 30 s."""
    path = tmp_path / "j.db"

    async def learn(caller: LipSyncClient, _: Book) -> None:
        async with opened(path, caller) as journal:
            await caller.run_many(requests(12), journal=journal)

    async def use(caller: LipSyncClient, book: Book) -> None:
        async with opened(path, caller) as journal:
            (told,) = await all_of(caller.stream([request("late")], wait=True, journal=journal))
        median = caller.following().median_duration
        assert told.name == "succeeded"
        assert median is not None
        assert 250.0 < median < 350.0
        assert book.asked["task-late"] <= 8

    lives(learn, use, seconds=300.0)


class Full(Store):
    """A disk that has no room for endings."""

    def keep(self, rows: Any) -> None:
        """There is none."""
        raise JournalError("no space left")


def test_a_journal_that_takes_no_ending_holds_nothing_up(tmp_path: Path) -> None:
    """It is told all the same, once, and asked for again by the next run."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        journal = InlineJournal(Full(tmp_path / "j.db", gateway=caller._gateway.base_url))
        results = await caller.run_many(requests(3), journal=journal)
        await journal.aclose()
        assert [it.name for it in results.values()] == ["succeeded"] * 3
        with Reader(tmp_path / "j.db") as reader:
            assert reader.entry_counts(TASK) == {}

    play(act)


# --- once more -------------------------------------------------------------------------------------------------------


def failing(times: int, reason: str) -> Callable[[str, float], bytes]:
    """What the gateway says of a job's tasks: the first so many failed for that reason."""

    def answer(task_id: str, _: float) -> bytes:
        number = int(task_id.rsplit("-r", 1)[1]) if "-r" in task_id else 0
        return state(task_id, "failed", reason) if number < times else state(task_id, "succeed")

    return answer


@pytest.mark.parametrize("times", range(MOST_AGAIN + 2))
def test_a_job_is_submitted_again_where_the_gateway_failed(times: int) -> None:
    """Under a new id each time, at most three times; the last ending tells of the earlier ones."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        results = await caller.run_many([request("a")], resubmit={"capacity", "gateway"})
        (ending,) = results.values()
        assert list(results) == ["a"]
        made = min(times, MOST_AGAIN)
        assert list(book.born) == ["task-a", *(f"task-a-r{number}" for number in range(1, made + 1))]
        assert isinstance(ending, Succeeded if times <= MOST_AGAIN else TaskFailed)
        assert [it.external_task_id for it in ending.earlier] == ["a", *(f"a-r{n}" for n in range(1, made))][:made]

    play(act, Book(answer=failing(times, "parallel task over resource pack limit")))


@pytest.mark.parametrize(
    ("reason", "asked"), [("risk control", "gateway"), ("no face", "gateway"), ("任务超时", "capacity")]
)
def test_no_other_failure_is_submitted_again(reason: str, asked: str) -> None:
    """The content and the media would fail again; and what was not asked for is not done."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        (ending,) = (await caller.run_many([request("a")], resubmit={asked})).values()
        assert isinstance(ending, TaskFailed)
        assert (list(book.born), ending.earlier) == (["task-a"], ())

    play(act, Book(answer=failing(1, reason)))


def test_the_next_run_pays_for_no_third_one(tmp_path: Path) -> None:
    """What was submitted again stands in the journal under its own id."""
    path = tmp_path / "j.db"

    async def run(caller: LipSyncClient, book: Book) -> None:
        async with opened(path, caller) as journal:
            results = await caller.run_many([request("a")], resubmit={"capacity"}, journal=journal)
        assert results["a"].name == "succeeded"
        assert list(book.born) == ["task-a", "task-a-r1"]

    book = Book(answer=failing(1, "1303"))

    async def main() -> None:
        async with RawServer(always=book) as server:
            for _ in range(2):
                async with client(server) as caller:
                    await run(caller, book)

    hurry(main())


def test_a_second_submission_that_is_refused_is_told_beside_the_failure() -> None:
    """The failure stays the result."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        book.refuse.add("a-r1")
        (ending,) = (await caller.run_many([request("a")], resubmit={"capacity"})).values()
        assert isinstance(ending, TaskFailed)
        assert isinstance(ending.again, Rejected)
        assert (ending.external_task_id, ending.again.external_task_id, ending.earlier) == ("a", "a-r1", ())

    play(act, Book(answer=failing(1, "1303")))


@pytest.mark.parametrize("wrong", [{"content"}, {"media", "gateway"}, {"nonsense"}, "capacity,gateway"])
def test_a_reason_that_would_fail_again_is_refused(wrong: Any) -> None:
    """Before anything is sent, and by its name."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        with pytest.raises(ConfigurationError, match="resubmit knows"):
            await caller.run_many([request("a")], resubmit=wrong)
        assert not book.born

    play(act)
