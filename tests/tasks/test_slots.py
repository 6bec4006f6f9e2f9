"""Where the user told how many tasks may run, tasks are followed for their places, whoever waits or not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lipsync_async import Limits, LipSyncClient
from tests.makers import request, requests
from tests.tasks.test_follower import Book, play


@pytest.mark.parametrize(("told", "looks"), [(None, False), (3, True)])
def test_a_submit_that_waits_for_nothing(told: int | None, looks: bool) -> None:
    """A told limit makes the client ask for what it accepted; without one nothing is asked for."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        await caller.submit_many(requests(2))
        await asyncio.sleep(1000.0)
        assert bool(book.asked) is looks
        assert caller.statistics().live_tasks == (0 if looks else 2)

    play(act, limits=Limits(max_running_tasks=told))


def test_an_end_frees_a_place_for_the_next_job() -> None:
    """Never more than two above what was told, for an end that was not seen yet is believed; and all come out."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        batch = await caller.submit_many(requests(9))
        assert len(batch.accepted) == 9
        begun = sorted(book.born.values())
        for later, earlier in zip(begun[3 + 2 :], begun, strict=False):
            assert later >= earlier + book.seconds

    play(act, limits=Limits(max_running_tasks=3))


def test_a_wait_for_the_same_task_comes_and_goes_alone() -> None:
    """The place is freed once, and freed though the wait was cancelled."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        accepted = await caller.submit(request("a"))
        waiting: asyncio.Task[Any] = asyncio.ensure_future(caller.wait(accepted))
        await asyncio.sleep(40.0)
        assert caller.following().tasks == 1
        waiting.cancel()
        await asyncio.wait([waiting])
        assert caller.following().tasks == 1
        await asyncio.sleep(1000.0)
        assert (caller.following().tasks, caller.statistics().live_tasks) == (0, 0)
        asked = book.asked.total()
        assert (await caller.wait(accepted)).task_id == "task-a"
        assert book.asked.total() == asked

    play(act, limits=Limits(max_running_tasks=1))


def test_what_an_earlier_call_made_is_no_new_task() -> None:
    """The same id again is told again: it takes no place, and is not asked for."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        await caller.submit(request("a"))
        await asyncio.sleep(1000.0)
        asked = book.asked.total()
        again = await caller.submit(request("a"))
        await asyncio.sleep(1000.0)
        assert again.replayed
        assert (book.asked.total(), caller.statistics().live_tasks) == (asked, 0)

    play(act, limits=Limits(max_running_tasks=1))
