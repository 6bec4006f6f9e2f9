"""One request under way, and the watchdog that ends it."""

from __future__ import annotations

import asyncio

import pytest

from lipsync_async import Timeouts
from lipsync_async.terms import Kind
from lipsync_async.wire.flight import Flight, Watchdog
from tests.loopback.hurried import hurry

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
