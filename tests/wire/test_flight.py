"""One request under way, and the watchdog that ends it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async import Timeouts
from lipsync_async.terms import Kind, Phase
from lipsync_async.wire.flight import TICK, Flight, Watchdog, judged_at
from tests.loopback.hurried import HurriedLoop, hurry

TIMEOUTS = Timeouts(total=4.0, connect=2.0)


def test_an_abort_does_nothing_while_nothing_is_under_way() -> None:
    """Before, after, and a second time."""

    async def main() -> None:
        flight = Flight()
        flight.abort(Kind.CANCELLED)
        assert flight.aborted is None
        assert not flight.swallow_cancellation()
        watchdog = Watchdog(TIMEOUTS, asyncio.get_running_loop())
        with watchdog.watching(flight):
            flight.abort(Kind.CANCELLED)
            assert flight.aborted is None
            await asyncio.sleep(3.0)
            flight.begin(asyncio.get_running_loop().time())
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(60.0)
            assert flight.aborted is Kind.TIMEOUT
            flight.abort(Kind.CANCELLED)
            assert flight.aborted is Kind.TIMEOUT
            assert flight.swallow_cancellation()

    hurry(main())


def test_one_watchdog_looks_after_many_flights() -> None:
    """Its timer lives as long as one of them."""

    async def main() -> None:
        watchdog = Watchdog(TIMEOUTS, asyncio.get_running_loop())
        first, second = Flight(), Flight()
        with watchdog.watching(first):
            with watchdog.watching(second):
                assert watchdog._timer is not None
            assert watchdog._timer is not None
        assert watchdog._timer is None

    hurry(main())


# --- a process that stood still -----------------------------------------------------------------------------------


@given(st.floats(0, 1e6), st.floats(0.001, 10), st.floats(0, 1e6))
def test_a_look_judges_by_now_or_by_the_last_one(last: float, tick: float, late: float) -> None:
    """By now, unless it is more than a tick late; and never by a moment that is yet to come."""
    due = last + tick
    now = due + late
    moment = judged_at(now, due=due, last=last, tick=tick)
    assert moment == (last if now - due > tick else now)


def stand_still(seconds: float) -> None:
    """The clock goes on, and the loop reads nothing."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, HurriedLoop)
    loop.now += seconds


async def cut_after(*pauses: tuple[float, float]) -> float:
    """Seconds until a request that nobody answers is broken off; `pauses` are when the loop stands still, how long."""
    loop = asyncio.get_running_loop()
    flight = Flight()
    with Watchdog(TIMEOUTS, loop).watching(flight):
        begun = loop.time()
        flight.begin(begun)
        flight.phase = Phase.SENT
        timers = [loop.call_later(after, stand_still, seconds) for after, seconds in pauses]
        with pytest.raises(asyncio.CancelledError):
            await loop.create_future()
        for timer in timers:
            timer.cancel()
        assert flight.swallow_cancellation()
        return loop.time() - begun


def test_an_honest_time_out_is_not_lengthened() -> None:
    """Neither where the loop is on time, nor where it stood still early on."""
    assert hurry(cut_after()) == pytest.approx(4.0, abs=TICK)
    assert hurry(cut_after((0.2, 2.0))) == pytest.approx(4.0, abs=TICK)
    assert hurry(cut_after((3.7, 0.4))) == pytest.approx(4.1, abs=TICK)


def test_after_a_standstill_there_is_one_tick_more() -> None:
    """In which what arrived is read; then it is cut off."""
    assert hurry(cut_after((1.2, 3600.0))) == pytest.approx(3601.2 + TICK, abs=0.1)


def test_a_loop_that_always_stands_still_cuts_off_all_the_same() -> None:
    """One look is left out, and not every one."""

    async def main() -> float:
        loop = asyncio.get_running_loop()

        def again() -> None:
            stand_still(2.0)
            loop.call_later(0.01, again)

        loop.call_later(0.01, again)
        return await cut_after()

    assert hurry(main()) <= 4.0 + 2 * (2.0 + TICK)


@pytest.mark.parametrize("may", [True, False])
def test_a_guard_is_asked_right_before_the_last_bytes_leave(may: bool) -> None:
    """Where it says no nothing was sent, and that it was the guard is known."""
    flight = Flight()
    flight.guard = lambda: may
    if may:
        flight.sending()
    else:
        with pytest.raises(ConnectionAbortedError):
            flight.sending()
    assert (flight.phase is Phase.SENT, flight.held_back) == (may, not may)
