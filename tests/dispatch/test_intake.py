"""Where jobs come from, and where they wait: in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.dispatch.intake import NOT_NOW, NOTHING_LEFT, SHELVES, WINDOWS, Intake, Nothing
from tests.simulation.virtual import DeadlockError, run


class Source:
    """Numbers, one after another, for as long as they last; it knows how many were pulled."""

    def __init__(self, count: int) -> None:
        self.left = iter(range(count))
        self.pulled = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number = next(self.left)
        self.pulled += 1
        return f"new-{number}"


async def slowly(count: int, pause: float = 1.0) -> AsyncIterator[str]:
    """The same, each after a pause."""
    for number in range(count):
        await asyncio.sleep(pause)
        yield f"new-{number}"


async def everything(intake: Intake[str, str]) -> list[str]:
    """All that one worker gets."""
    got = []
    while not isinstance(item := await intake.next(), Nothing):
        got.append(item)
    return got


def play(story: Coroutine[Any, Any, None]) -> None:
    """Runs a story in virtual time."""
    run(story)


def test_what_is_at_hand_is_taken_without_waiting() -> None:
    """Whatever it is, None too; not what is due later, nor of a source that takes its time."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        intake: Intake[str | None, str] = Intake([None, "new"], 4)
        intake.park("due", loop.time())
        intake.park("later", loop.time() + 5)
        assert [intake.take() for _ in range(5)] == ["due", None, "new", NOT_NOW, NOT_NOW]
        assert await intake.next() == "later"
        assert await intake.next() is NOTHING_LEFT
        assert Intake(slowly(1), 4).take() is NOT_NOW

    play(story())


def test_a_source_that_fails_has_no_more() -> None:
    """Its error is raised once, to the one who takes."""

    def failing() -> Iterator[str]:
        yield "new"
        raise OSError("the list is gone")

    async def story() -> None:
        intake: Intake[str, str] = Intake(failing(), 4)
        assert intake.take() == "new"
        with pytest.raises(OSError, match="the list is gone"):
            intake.take()
        assert intake.take() is NOT_NOW
        assert await intake.next() is NOTHING_LEFT

    play(story())


def test_due_jobs_go_before_new_ones() -> None:
    """A parked job whose time has come is handed out first, those of one time in the order of parking."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        intake: Intake[str, str] = Intake(Source(1), 4)
        intake.park("later", loop.time() + 5)
        intake.park("first", loop.time())
        intake.park("second", loop.time())
        assert await everything(intake) == ["first", "second", "new-0", "later"]
        assert loop.time() == pytest.approx(1005.0)

    play(story())


def test_a_parked_job_is_not_handed_out_before_its_time() -> None:
    """Due to the microsecond, for a timer may be a little early."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        intake: Intake[str, str] = Intake((), 4)
        intake.park("waits", loop.time() + 7)
        assert await intake.next() == "waits"
        assert loop.time() >= 1007.0 - 1e-6

    play(story())


def test_a_timer_that_is_early_is_not_set_for_ever() -> None:
    """A job that is due within the microsecond is due: else its timer would ring again and again at one moment."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        intake: Intake[str, str] = Intake((), 1)
        intake.park("now", loop.time() + 0.9e-6)
        assert await intake.next() == "now"
        assert loop.time() == 1000.0

    play(story())


def test_a_full_heap_pauses_the_source() -> None:
    """With four windows parked nothing new is pulled; one less, and it is."""

    async def story() -> None:
        source = Source(10)
        intake: Intake[str, str] = Intake(source, 2)
        for number in range(WINDOWS * 2):
            intake.park(f"old-{number}", asyncio.get_running_loop().time() + 10 + number)
        assert intake.parked == WINDOWS * 2
        assert await intake.next() == "old-0"
        assert source.pulled == 0
        assert asyncio.get_running_loop().time() == pytest.approx(1010.0)
        assert await intake.next() == "new-0"

    play(story())


@given(
    st.lists(st.floats(0.0, 20.0), max_size=12),
    st.integers(1, 4),
    st.integers(0, 12),
    st.booleans(),
)
def test_everything_comes_out_once(waits: list[float], window: int, count: int, slow: bool) -> None:
    """Whatever is parked, pulled and shared among workers comes out just once, and all workers end."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        intake: Intake[str, str] = Intake(slowly(count) if slow else Source(count), window)
        for number, wait in enumerate(waits):
            intake.park(f"old-{number}", loop.time() + wait)
        parts = await asyncio.gather(*(everything(intake) for _ in range(window + intake.extra_workers)))
        told = sorted(item for part in parts for item in part)
        assert told == sorted([f"old-{n}" for n in range(len(waits))] + [f"new-{n}" for n in range(count)])

    play(story())


def test_an_idle_worker_is_woken_by_what_another_pulled() -> None:
    """One worker waits at an async source; the next takes its place, so all of them get something to do."""

    async def story() -> None:
        intake: Intake[str, str] = Intake(slowly(3), 2)

        async def work(seconds: float) -> list[str]:
            got = []
            while not isinstance(item := await intake.next(), Nothing):
                got.append(item)
                await asyncio.sleep(seconds)
            return got

        parts = await asyncio.gather(*(work(100.0) for _ in range(3)))
        assert sorted(map(len, parts)) == [1, 1, 1]

    play(story())


def test_a_parked_job_does_not_wait_for_an_async_source() -> None:
    """While one worker waits for the caller's source, another takes the job whose time has come."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        intake: Intake[str, str] = Intake(slowly(1, pause=1000.0), 1)
        assert intake.extra_workers == 1
        puller = loop.create_task(intake.next())
        await asyncio.sleep(0)
        intake.park("old", loop.time() + 5)
        assert await intake.next() == "old"
        assert loop.time() == pytest.approx(1005.0)
        assert await puller == "new-0"

    play(story())


def test_a_stop_hands_out_what_is_parked_and_drains_a_sync_source() -> None:
    """Nothing waits any more, and all that was handed in comes out."""

    async def story() -> None:
        intake: Intake[str, str] = Intake(Source(3), 1)
        intake.park("old", 1e9)
        intake.stop()
        assert await everything(intake) == ["old", "new-0", "new-1", "new-2"]
        assert asyncio.get_running_loop().time() == 1000.0

    play(story())


def test_a_stop_leaves_an_async_source() -> None:
    """The worker that waits for it comes home at once, without a trace of the cancellation."""

    async def story() -> None:
        intake: Intake[str, str] = Intake(slowly(3, pause=1000.0), 1)
        puller = asyncio.create_task(intake.next())
        idle = asyncio.create_task(intake.next())
        await asyncio.sleep(1)
        intake.stop()
        assert await puller is NOTHING_LEFT
        assert await idle is NOTHING_LEFT
        assert puller.cancelling() == 0
        assert asyncio.get_running_loop().time() == pytest.approx(1001.0)

    play(story())


def test_a_source_that_stops_its_own_run_is_not_cancelled() -> None:
    """A source may call `stop` itself: what it gives after that still comes out, and its worker lives."""

    async def story() -> None:
        async def source() -> AsyncIterator[str]:
            intake.stop()
            yield "last"

        intake: Intake[str, str] = Intake(source(), 1)

        async def work() -> list[str]:
            got = []
            while not isinstance(item := await intake.next(), Nothing):
                await asyncio.sleep(0)
                got.append(item)
            return got

        assert await asyncio.create_task(work()) == ["last"]

    play(story())


def test_a_source_that_ends_its_run_and_goes_on_keeps_nobody_waiting() -> None:
    """Those who idled while it was still at it go home with it, all of them."""

    async def story() -> None:
        async def source() -> AsyncIterator[str]:
            await asyncio.sleep(1)
            intake.stop()
            await asyncio.sleep(1)
            yield "last"

        intake: Intake[str, str] = Intake(source(), 3)
        parts = await asyncio.gather(*(everything(intake) for _ in range(4)))
        assert sorted(parts) == [[], [], [], ["last"]]

    play(story())


def test_a_cancellation_that_is_not_ours_is_passed_on() -> None:
    """Only the `stop` of a run is swallowed."""

    async def story() -> None:
        intake: Intake[str, str] = Intake(slowly(3, pause=1000.0), 1)
        puller = asyncio.create_task(intake.next())
        await asyncio.sleep(1)
        puller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await puller
        assert await intake.next() is NOTHING_LEFT  # the source was torn down with it

    play(story())


@pytest.mark.parametrize("sync", [True, False])
def test_what_a_source_raises_is_raised_once(sync: bool) -> None:
    """It counts as exhausted then, and whoever waited goes home."""

    async def story() -> None:
        def broken() -> Iterator[str]:
            yield "new-0"
            raise OSError("the list is gone")

        async def slowly_broken() -> AsyncIterator[str]:
            yield "new-0"
            await asyncio.sleep(1)
            raise OSError("the list is gone")

        intake: Intake[str, str] = Intake(broken() if sync else slowly_broken(), 1)
        assert await intake.next() == "new-0"
        caller, other = asyncio.create_task(intake.next()), asyncio.create_task(intake.next())
        with pytest.raises(OSError, match="gone"):
            await caller
        assert await other is NOTHING_LEFT

    play(story())


def test_what_nobody_took() -> None:
    """`rest` gives the parked jobs, and the whole source where it was handed in as a whole."""

    async def story() -> None:
        intake: Intake[str, str] = Intake(Source(2), 1)
        intake.park("old", 1e9)
        assert list(intake.rest(whole=False)) == ["old"]
        assert list(intake.rest(whole=True)) == ["new-0", "new-1"]
        intake.park("old", 1e9)
        intake.stop()
        assert await everything(intake) == ["old"]
        assert list(intake.rest(whole=True)) == []

    play(story())


def test_its_repr_tells_the_live_story() -> None:
    """How many are parked, and whether there is more to come."""

    async def story() -> None:
        intake: Intake[str, str] = Intake((), 1)
        intake.park("old", 0.0)
        assert repr(intake) == "<Intake 1 parked, source open>"
        await everything(intake)
        assert repr(intake) == "<Intake 0 parked, source exhausted>"

    play(story())


def test_the_virtual_loop_says_what_hangs() -> None:
    """The loop of these tests tells a deadlock from a long wait."""

    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlockError):
        play(hang())


def test_what_is_on_the_shelf_is_nobodys_work_and_holds_up_no_other() -> None:
    """The source goes on; a job that is taken off goes first; nobody leaves while one is there."""

    async def story() -> None:
        intake: Intake[str, str] = Intake(Source(3), 4)
        intake.shelve("lacking")
        assert [await intake.next() for _ in range(2)] == ["new-0", "new-1"]
        intake.unshelve("lacking")
        intake.unshelve("lacking")  # it is there once
        assert [await intake.next() for _ in range(2)] == ["lacking", "new-2"]
        intake.shelve("lacking")
        waiting = asyncio.ensure_future(intake.next())
        other = asyncio.ensure_future(intake.next())
        await asyncio.sleep(1)
        assert [waiting.done(), other.done()].count(True) == 1  # one is enough for what is left
        intake.unshelve("lacking")
        assert {await waiting, await other} == {"lacking", NOTHING_LEFT}

    play(story())


def test_a_full_shelf_pauses_the_source() -> None:
    """What is lacking is asked for so far ahead, and no further."""

    async def story() -> None:
        source = Source(1000)
        intake: Intake[str, str] = Intake(source, 1)
        while source.pulled < SHELVES:
            intake.shelve(str(await intake.next()))
        waiting = asyncio.ensure_future(intake.next())
        await asyncio.sleep(1)
        assert (source.pulled, waiting.done()) == (SHELVES, False)
        intake.unshelve("new-5")
        assert await waiting == "new-5"

    play(story())


def test_a_stop_clears_the_shelf() -> None:
    """All of it is handed out, and what is shelved after that as well."""

    async def story() -> None:
        intake: Intake[str, str] = Intake([], 4)
        intake.shelve("lacking")
        intake.stop()
        intake.shelve("late")
        assert await everything(intake) == ["lacking", "late"]

    play(story())
