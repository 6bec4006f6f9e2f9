"""The hook of the calls that only wait: once a result, sync or async, and what it raises ends the call."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import LipSyncClient, TaskProgress
from lipsync_async.errors import HookError, WrongArgumentError
from tests.makers import request, requests
from tests.tasks.test_follower import Book, play


def said(progress: TaskProgress) -> tuple[int, int | None, str]:
    """What it was told, without the result itself."""
    return progress.done, progress.total, progress.result.name


def test_each_result_is_told_once_when_it_is_known() -> None:
    """Of a job without a task at once, of a task that is given twice once; the call returns all as before."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        batch = await caller.submit_many([*requests(2), request("bad")])
        book.fail.add("task-job-1")
        told: list[tuple[int, int | None, str]] = []
        results = await caller.wait_many(
            [*batch.values(), "task-job-0"], on_progress=lambda progress: told.append(said(progress))
        )
        assert told[0] == (1, 3, "rejected")
        assert [(done, total) for done, total, _ in told] == [(1, 3), (2, 3), (3, 3)]
        assert {name for *_, name in told} == {"rejected", "succeeded", "failed"}
        assert len(results) == 3

    play(act)


def test_what_did_not_end_is_told_too() -> None:
    """When patience is over."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        book.seconds = 1e6
        told: list[tuple[int, int | None, str]] = []
        batch = await caller.submit_many(requests(2))
        await caller.wait_many(batch, timeout=40.0, on_progress=lambda progress: told.append(said(progress)))
        assert told == [(1, 2, "running"), (2, 2, "running")]

    play(act)


def test_an_async_hook_holds_up_no_wait_and_is_waited_for() -> None:
    """It may take longer than all tasks together."""

    async def act(caller: LipSyncClient, _: Book) -> None:
        heard: list[int] = []

        async def hook(progress: TaskProgress) -> None:
            await asyncio.sleep(5_000.0)
            heard.append(progress.done)

        batch = await caller.submit_many(requests(3))
        begun = asyncio.get_running_loop().time()
        await caller.wait_many(batch, on_progress=hook)
        assert sorted(heard) == [1, 2, 3]
        assert asyncio.get_running_loop().time() - begun < 6_000.0, "one after the other would take 15,000 s"

    play(act)


def raises(error: BaseException) -> Any:
    """A hook that raises at once, and one that does later."""

    def at_once(_: TaskProgress) -> None:
        raise error

    async def later(_: TaskProgress) -> None:
        await asyncio.sleep(1.0)
        raise error

    return [at_once, later]


@pytest.mark.parametrize(
    ("error", "told", "late"),
    [
        (KeyError("mine"), KeyError, 0),
        (KeyError("mine"), KeyError, 1),
        (asyncio.CancelledError(), HookError, 0),
        (asyncio.CancelledError(), HookError, 1),
        (GeneratorExit(), HookError, 0),
    ],
)
def test_what_the_hook_raises_ends_the_call(error: BaseException, told: type[Exception], late: int) -> None:
    """It is told no more, and no task is waited for longer; the tasks themselves go on."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        batch = await caller.submit_many([request("bad"), *requests(2)])
        book.seconds = 1e6
        begun = asyncio.get_running_loop().time()
        with pytest.raises(told):
            await caller.wait_many(batch, on_progress=raises(error)[late])
        assert asyncio.get_running_loop().time() - begun < 5.0
        assert caller.following().tasks == 0

    play(act)


def test_a_call_that_is_cancelled_leaves_its_hooks() -> None:
    """None of them goes on behind the caller's back."""

    async def act(caller: LipSyncClient, _: Book) -> None:
        ends: list[str] = []

        async def hook(_: TaskProgress) -> None:
            try:
                await asyncio.sleep(1e6)
            except asyncio.CancelledError:
                ends.append("cancelled")
                raise

        batch = await caller.submit_many([request("bad")])
        waiting = asyncio.ensure_future(caller.wait_many(batch, on_progress=hook))
        await asyncio.sleep(1.0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.sleep(0)
        assert ends == ["cancelled"]

    play(act)


def test_follow_tells_each_result_before_it_is_yielded(tmp_path: Path) -> None:
    """Sync and async; how many there will be is not known."""

    async def act(caller: LipSyncClient, _: Book) -> None:
        await caller.submit_many([*requests(2), request("bad")], journal=tmp_path / "run.db")
        for asynchronous in (False, True):
            told: list[tuple[int, int | None, str]] = []

            def plainly(progress: TaskProgress, told: Any = told) -> None:
                told.append(said(progress))

            async def later(progress: TaskProgress, told: Any = told) -> None:
                await asyncio.sleep(1.0)
                told.append(said(progress))

            count = 0
            hook = later if asynchronous else plainly
            async with caller.follow(tmp_path / "run.db", on_progress=hook) as results:
                async for _result in results:
                    count += 1
                    assert len(told) == count
            assert told == [(1, None, "succeeded"), (2, None, "succeeded")]

    play(act)


@pytest.mark.parametrize(("error", "told"), [(KeyError("mine"), KeyError), (StopAsyncIteration(), HookError)])
def test_what_the_hook_of_follow_raises_its_reader_gets(
    error: Exception, told: type[Exception], tmp_path: Path
) -> None:
    """It is no end of the stream."""

    async def act(caller: LipSyncClient, _: Book) -> None:
        await caller.submit_many(requests(1), journal=tmp_path / "run.db")
        async with caller.follow(tmp_path / "run.db", on_progress=raises(error)[0]) as results:
            with pytest.raises(told):
                await anext(results)

    play(act)


@pytest.mark.parametrize("reads_on", [True, False])
def test_a_result_whose_hook_was_cancelled_is_not_lost(reads_on: bool, tmp_path: Path) -> None:
    """Its reader gets it next, and the hook hears of it no more; else it is in `rest`."""
    heard: list[tuple[int, int | None, str]] = []
    began = asyncio.Event()

    async def slow(progress: TaskProgress) -> None:
        heard.append(said(progress))
        began.set()
        await asyncio.sleep(5.0)

    async def act(caller: LipSyncClient, _: Book) -> None:
        await caller.submit_many(requests(1), journal=tmp_path / "run.db")
        read = []
        async with caller.follow(tmp_path / "run.db", on_progress=slow) as results:
            reading = asyncio.ensure_future(anext(results))
            await began.wait()
            reading.cancel()
            await asyncio.wait([reading])
            assert reading.cancelled()
            if reads_on:
                read = [result async for result in results]
        assert [result.name for result in (read if reads_on else results.rest)] == ["succeeded"]
        assert heard == [(1, None, "succeeded")]

    play(act)


def test_a_hook_is_a_function() -> None:
    """Which is said before anything is waited for."""

    async def act(caller: LipSyncClient, _: Book) -> None:
        with pytest.raises(WrongArgumentError, match="on_progress must be a function"):
            await caller.wait_many([], on_progress=1)  # type: ignore[arg-type]
        with pytest.raises(WrongArgumentError, match="on_progress must be a function"):
            caller.follow("run.db", on_progress="x")  # type: ignore[arg-type]

    play(act)
