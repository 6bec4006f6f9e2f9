"""1 to 100 processes at one account, in virtual time: fair, hardly refused, and no turn is lost or given twice."""

from __future__ import annotations

import asyncio
import random

import pytest

from lipsync_async.config import Limits
from lipsync_async.sharing.turns import SharedPacer

from .fleet import Bucket, Fleet, Slots


def test_one_process_is_as_good_with_a_store_as_without() -> None:
    """The store costs nothing but its latency."""
    alone = Fleet(seats=1, gateway=Bucket(20, 10), shared=False).run(60)
    shared = Fleet(seats=1, gateway=Bucket(20, 10)).run(60)
    assert shared.accepted >= 0.97 * alone.accepted
    assert shared.refused <= alone.refused + 0.01


@pytest.mark.parametrize(("seats", "seconds"), [(4, 60), (20, 60), (100, 60)])
def test_many_processes_share_a_rate(seats: int, seconds: int) -> None:
    """All of it is used, hardly anything is refused, everybody gets the same, and no turn is given twice."""
    fleet = Fleet(seats=seats, gateway=Bucket(20, 10)).run(seconds)
    assert fleet.accepted >= 0.88 * 20 * seconds
    assert fleet.refused <= 0.025
    assert fleet.jain >= 0.99
    numbers = [turn.number for turn in fleet.shelf.granted]
    assert len(numbers) >= fleet.accepted
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("latency", [0.012, 0.05])
def test_a_slow_store_does_not_make_the_pace_low(latency: float) -> None:
    """The time until all are back after a cut is not taken for the limit."""
    fleet = Fleet(seats=20, gateway=Bucket(20, 10, None), latency=latency).run(60)
    assert fleet.accepted >= 0.93 * 20 * 60
    assert fleet.refused <= 0.035


def test_a_slow_pace_is_shared_fairly_by_twenty() -> None:
    """Each gets a turn in ten seconds."""
    fleet = Fleet(seats=20, gateway=Bucket(2, 1), workers=3).run(150)
    assert fleet.jain >= 0.98
    assert fleet.accepted >= 0.85 * 2 * 150


def test_twenty_processes_use_twenty_running_tasks() -> None:
    """Ends that one sees free places for all."""
    slots = Slots(20, 60.0, 180.0, random.Random(3))
    fleet = Fleet(seats=20, gateway=slots, workers=2, sight=2.0, latency=0.002).run(2400)
    used = (fleet.accepted * 120 - sum(max(0.0, end - 3400.0) for end in slots.ends)) / (20 * 2400)
    assert used >= 0.92
    assert fleet.refused <= 0.08
    assert fleet.jain >= 0.99


@pytest.mark.parametrize("seed", range(4))
def test_answers_that_are_lost_at_any_instant_cost_little(seed: int) -> None:
    """One in ten reports, and one in ten answers."""
    fleet = Fleet(seats=4, gateway=Bucket(20, 10), seed=seed, loss=0.1).run(60)
    assert fleet.accepted >= 0.8 * 20 * 60
    assert fleet.refused <= 0.03
    assert fleet.jain >= 0.99
    numbers = [turn.number for turn in fleet.shelf.granted]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("moment", [0.02, 5.0, 5.3, 17.77])
def test_who_vanishes_at_any_instant_stops_nobody(moment: float) -> None:
    """Its turns come back, be it the canary's."""
    fleet = Fleet(seats=4, gateway=Bucket(20, 10))
    fleet.loop.call_later(moment, lambda: fleet.kill(1))
    fleet.run(60)
    assert fleet.accepted >= 0.82 * 20 * 60
    assert fleet.jain >= 0.99
    assert sum(len(member.turns) for member in fleet.book().members.values() if member.seen < 1000 + moment + 1) == 0


@pytest.mark.parametrize("step", [-3600.0, 3600.0, 2.0])
def test_a_clock_of_the_store_that_is_set_stops_nobody(step: float) -> None:
    """By an hour back or on, or by two seconds."""
    fleet = Fleet(seats=4, gateway=Bucket(20, 10))
    clock = fleet.loop.time

    def set_clock() -> None:
        fleet.shelf.clock = lambda: clock() + step

    fleet.loop.call_later(20.0, set_clock)
    fleet.run(60)
    assert fleet.accepted >= 0.85 * 20 * 60
    assert fleet.refused <= 0.03


def test_nothing_is_sent_by_a_turn_that_was_given_before_a_lesson_was_heard() -> None:
    """Nobody holds a turn of an earlier epoch."""
    fleet = Fleet(seats=4, gateway=Bucket(20, 10)).run(30)
    taken = [seat.pacer for seat in fleet.crew]
    assert all(isinstance(pacer, SharedPacer) for pacer in taken)
    for pacer in taken:
        assert isinstance(pacer, SharedPacer)
        assert all(turn.epoch == pacer._hand.epoch for turn in pacer._hand._turns)


def test_a_store_that_is_away_leaves_everybody_a_share() -> None:
    """80 % of the limit together, and for good."""
    fleet = Fleet(seats=4, gateway=Bucket(20, 10))

    def away() -> None:
        fleet.shelf.away = True

    fleet.loop.call_later(20.0, away)
    fleet.run(80)
    late = sum(at > 1022.0 for seat in fleet.crew for at in seat.at) / 58
    assert 0.6 * 20 <= late <= 0.9 * 20
    assert fleet.refused <= 0.015
    assert "its own share" in repr(fleet.crew[0].pacer)


def test_a_store_that_comes_back_empty_is_told_what_was_known() -> None:
    """The pace is not searched for anew."""
    fleet = Fleet(seats=4, gateway=Bucket(20, 10))
    paces = []

    def forget() -> None:
        fleet.shelf.away, fleet.shelf.book = False, None

    def away() -> None:
        fleet.shelf.away = True

    fleet.loop.call_later(20.0, away)
    fleet.loop.call_later(24.0, forget)
    fleet.loop.call_later(25.5, lambda: paces.append(fleet.book().pacer.statistics()))
    fleet.run(60)
    assert 8.0 < paces[0].pace <= 25.0
    assert paces[0].lo > 0.0
    assert fleet.accepted >= 0.85 * 20 * 60
    assert fleet.refused <= 0.02


def test_a_store_that_was_never_there_leaves_a_tenth() -> None:
    """Of the first pace, to each."""
    fleet = Fleet(seats=4, gateway=Bucket(20, 10), limits=Limits(initial_per_second=10.0))
    fleet.shelf.away = True
    fleet.run(20)
    assert 4 * 20 * 0.9 <= fleet.accepted <= 4 * 20 + 4


def test_all_requests_have_ended_when_all_jobs_have() -> None:
    """Nothing stays in flight in the book."""
    fleet = Fleet(seats=4, gateway=Bucket(20, 10), jobs=60)

    async def sail() -> None:
        await fleet.sail()
        for seat in fleet.crew:
            assert isinstance(seat.pacer, SharedPacer)
            assert seat.pacer.in_flight == 0
            await seat.pacer.aclose()

    asyncio.set_event_loop(fleet.loop)
    fleet.loop.run_to_end(sail())
    assert fleet.accepted == 240
    assert fleet.book().pacer.in_flight == 0
    assert fleet.book().pacer.statistics().live_tasks == 240
