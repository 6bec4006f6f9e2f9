"""The door of the pacer: in virtual time, with the real pacer behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.config import Limits
from lipsync_async.dispatch.admission import Admission
from lipsync_async.dispatch.pacing import Pacer
from lipsync_async.dispatch.pacing.rate import EARLY
from lipsync_async.terms import Kind
from tests.simulation.virtual import run

PARTY = object()
OTHER = object()


def at_the_door(
    story: Callable[[Admission, Pacer], Awaitable[None]], *, in_flight: int = 1, per_second: float = 1000.0
) -> None:
    """Runs a story at a door in virtual time."""

    async def live() -> None:
        limits = Limits(max_in_flight=in_flight, max_per_second=per_second)
        pacer = Pacer(limits, dice=Random(1).random)
        await story(Admission(pacer, asyncio.get_running_loop()), pacer)

    run(live())


async def settle() -> None:
    """Lets everybody who is ready take a step."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_nobody_waits_while_nothing_is_held_back() -> None:
    """`try_admit` gives the moment of admission, and takes a place in flight."""

    async def story(door: Admission, pacer: Pacer) -> None:
        assert door.try_admit() == 1000.0
        assert pacer.in_flight == 1
        assert door.try_admit() is None

    at_the_door(story)


def test_the_order_of_arrival() -> None:
    """Who came first is let in first, but a job that was refused before goes to the head."""

    async def story(door: Admission, pacer: Pacer) -> None:
        sent_at = door.try_admit()
        assert sent_at is not None
        order: list[str] = []

        async def enter(name: str, *, first: bool = False) -> None:
            admitted = await door.admit(PARTY, first=first)
            assert admitted is not None
            order.append(name)
            pacer.ended(asyncio.get_running_loop().time(), admitted)
            door.poke()

        tasks = [asyncio.create_task(enter("one")), asyncio.create_task(enter("two"))]
        await settle()
        tasks.append(asyncio.create_task(enter("refused", first=True)))
        await settle()
        assert door.waiting == 3
        pacer.ended(asyncio.get_running_loop().time(), sent_at)
        door.poke()
        await asyncio.gather(*tasks)
        assert order == ["refused", "one", "two"]

    at_the_door(story)


def test_nobody_slips_past_those_who_wait() -> None:
    """`try_admit` says no while anybody stands at the door, even where there is a place."""

    async def story(door: Admission, pacer: Pacer) -> None:
        door.try_admit()
        waiter = asyncio.create_task(door.admit(PARTY))
        await settle()
        pacer.ended(1000.0, 1000.0)  # a place is free, but the door has not heard of it
        assert door.try_admit() is None
        door.poke()
        assert await waiter is not None

    at_the_door(story, in_flight=1)


def test_a_pace_is_kept_by_the_door() -> None:
    """At two a second five jobs take two seconds, whoever asks."""

    async def story(door: Admission, pacer: Pacer) -> None:
        moments = await asyncio.gather(*(door.admit(PARTY) for _ in range(5)))
        gaps = [b - a for a, b in pairwise(moments) if a is not None and b is not None]
        assert gaps == pytest.approx([0.5] * 4, abs=0.002)

    at_the_door(story, in_flight=10, per_second=2.0)


def test_a_closed_gate_opens_by_itself() -> None:
    """The door sets its own clock for the end of a pause, and then lets one canary in."""

    async def story(door: Admission, pacer: Pacer) -> None:
        sent_at = door.try_admit()
        assert sent_at is not None
        pacer.refused(1000.0, sent_at, Kind.RATE, 30.0)
        tasks = [asyncio.create_task(door.admit(PARTY)) for _ in range(2)]
        await asyncio.sleep(29)
        assert door.waiting == 2
        await asyncio.sleep(2)
        assert door.waiting == 1
        tasks[1].cancel()
        await settle()

    at_the_door(story, in_flight=10)


def test_a_party_that_ends_is_sent_away() -> None:
    """Its waiters get None, those of other parties stay."""

    async def story(door: Admission, pacer: Pacer) -> None:
        sent_at = door.try_admit()
        assert sent_at is not None
        mine, others = asyncio.create_task(door.admit(PARTY)), asyncio.create_task(door.admit(OTHER))
        await settle()
        door.dismiss(PARTY)
        assert await mine is None
        assert door.waiting == 1
        pacer.ended(1000.0, sent_at)
        door.poke()
        assert await others is not None

    at_the_door(story)


def test_one_who_was_cancelled_leaves_the_row() -> None:
    """The next is let in when the place is free."""

    async def story(door: Admission, pacer: Pacer) -> None:
        sent_at = door.try_admit()
        assert sent_at is not None
        gone, next_one = asyncio.create_task(door.admit(PARTY)), asyncio.create_task(door.admit(PARTY))
        await settle()
        gone.cancel()
        pacer.ended(1000.0, sent_at)
        door.poke()  # the cancelled one has not run yet, and stands at the head
        assert await next_one is not None
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert pacer.in_flight == 1

    at_the_door(story)


def test_one_who_was_cancelled_while_dismissed_owes_nothing() -> None:
    """Sent away and cancelled in one breath: no place was taken, so none is given back."""

    async def story(door: Admission, pacer: Pacer) -> None:
        door.try_admit()
        waiter = asyncio.create_task(door.admit(PARTY))
        await settle()
        door.dismiss(PARTY)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert pacer.in_flight == 1

    at_the_door(story)


def test_one_who_was_let_in_and_cancelled_gives_the_place_back() -> None:
    """Admitted, but gone before it could run: the next one gets its place."""

    async def story(door: Admission, pacer: Pacer) -> None:
        sent_at = door.try_admit()
        assert sent_at is not None
        gone, next_one = asyncio.create_task(door.admit(PARTY)), asyncio.create_task(door.admit(PARTY))
        await settle()
        pacer.ended(asyncio.get_running_loop().time(), sent_at)
        await asyncio.sleep(1)
        door.poke()
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert await next_one is not None
        assert pacer.in_flight == 1

    at_the_door(story)


@given(st.integers(0, 10_000))
def test_no_place_is_ever_lost(seed: int) -> None:
    """Whoever comes, goes, is cancelled or dismissed at whatever time: in the end nothing is in flight."""
    dice = Random(seed)

    async def story(door: Admission, pacer: Pacer) -> None:
        peak = 0

        async def enter(party: object) -> None:
            nonlocal peak
            await asyncio.sleep(dice.random())
            sent_at = door.try_admit()
            if sent_at is None:
                sent_at = await door.admit(party, first=dice.random() < 0.2)
            if sent_at is None:
                return
            peak = max(peak, pacer.in_flight)
            try:
                await asyncio.sleep(dice.random())
            finally:
                pacer.ended(asyncio.get_running_loop().time(), sent_at)
                door.poke()

        tasks = [asyncio.create_task(enter(dice.choice((PARTY, OTHER)))) for _ in range(20)]
        for task in dice.sample(tasks, 8):
            await asyncio.sleep(dice.random() / 4)
            task.cancel()
        door.dismiss(PARTY)
        await asyncio.wait(tasks)
        assert pacer.in_flight == 0
        assert door.waiting == 0
        assert peak <= 3

    at_the_door(story, in_flight=3, per_second=50.0)


def test_its_repr_tells_the_live_story() -> None:
    """How many wait, and at what."""

    async def story(door: Admission, pacer: Pacer) -> None:
        door.try_admit()
        waiter = asyncio.create_task(door.admit(PARTY))
        await settle()
        assert repr(door).startswith("<Admission 1 waiting at <Pacer")
        waiter.cancel()
        await settle()

    at_the_door(story)


def test_refused_before_is_first_come_first_served_too() -> None:
    """Those that were refused before go in by their arrival, and all of them before the new ones."""

    async def story(door: Admission, pacer: Pacer) -> None:
        sent_at = door.try_admit()
        assert sent_at is not None
        order: list[str] = []

        async def enter(name: str, *, first: bool) -> None:
            admitted = await door.admit(PARTY, first=first)
            assert admitted is not None
            order.append(name)
            pacer.ended(asyncio.get_running_loop().time(), admitted)
            door.poke()

        arrivals = [("new 1", False), ("old 1", True), ("old 2", True), ("new 2", False), ("old 3", True)]
        tasks = []
        for name, first in arrivals:
            tasks.append(asyncio.create_task(enter(name, first=first)))
            await settle()
        pacer.ended(asyncio.get_running_loop().time(), sent_at)
        door.poke()
        await asyncio.gather(*tasks)
        assert order == ["old 1", "old 2", "old 3", "new 1", "new 2"]

    at_the_door(story)


def test_who_makes_no_task_passes_by_those_who_wait_for_one() -> None:
    """An account whose places are taken holds back creates, and nobody else."""

    async def live() -> None:
        pacer = Pacer(Limits(max_in_flight=4, max_running_tasks=1), dice=Random(1).random)
        door = Admission(pacer, asyncio.get_running_loop())
        sent_at = door.try_admit()
        assert sent_at is not None
        pacer.accepted(asyncio.get_running_loop().time(), sent_at)
        create = asyncio.create_task(door.admit(PARTY))
        await settle()
        await door.admit_aside()
        assert not create.done()
        assert pacer.in_flight == 1
        door.leave_aside()
        assert pacer.in_flight == 0
        pacer.completed(asyncio.get_running_loop().time())
        door.poke()
        assert await create is not None

    run(live())


def test_who_makes_no_task_counts_in_flight() -> None:
    """It takes a place, and gives it back: also when it is cancelled before or after it was let in."""

    async def story(door: Admission, pacer: Pacer) -> None:
        await door.admit_aside()
        waiting = [asyncio.create_task(door.admit_aside()) for _ in range(2)]
        create = asyncio.create_task(door.admit(PARTY))
        await settle()
        assert door.waiting == 3
        assert door.try_admit() is None
        waiting[0].cancel()
        await settle()
        assert door.waiting == 2
        door.leave_aside()
        assert pacer.in_flight == 1  # the second has just been let in
        waiting[1].cancel()
        await settle()
        await asyncio.sleep(1.0)
        assert create.done()
        assert pacer.in_flight == 1
        assert door.waiting == 0

    at_the_door(story)


def test_a_turn_belongs_to_who_waits_for_it() -> None:
    """A create that comes by at that very moment does not take it."""

    async def story(door: Admission, pacer: Pacer) -> None:
        loop = asyncio.get_running_loop()
        assert door.try_admit() is not None
        taken: list[float | None] = []
        turn = pacer._rate.next_at - EARLY / 2  # just before the door's own timer
        loop.call_at(turn, lambda: taken.append(door.try_admit()))
        await door.admit_aside()
        assert taken == [None]
        assert pacer.in_flight == 2

    at_the_door(story, in_flight=3, per_second=1.0)


def test_who_makes_no_task_waits_for_a_shut_gate_and_is_no_canary() -> None:
    """It goes when the pause is over, and leaves it to a create to open the gate."""

    async def story(door: Admission, pacer: Pacer) -> None:
        loop = asyncio.get_running_loop()
        pacer.close(loop.time(), 5.0)
        begun = loop.time()
        await door.admit_aside()
        assert loop.time() - begun >= 5.0
        assert not pacer.statistics().gate_open
        canary = await door.admit(PARTY)
        assert canary is not None
        aside = asyncio.create_task(door.admit_aside())
        await settle()
        assert not aside.done()
        door.leave_aside()
        assert not pacer.statistics().gate_open
        pacer.accepted(loop.time(), canary)
        door.poke()
        await aside
        assert pacer.statistics().gate_open

    at_the_door(story, in_flight=3)
