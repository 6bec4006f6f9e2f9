"""The shared pacer against stores that misbehave, in virtual time."""

from __future__ import annotations

import asyncio
import math

from lipsync_async.config import Limits
from lipsync_async.dispatch.pacing.book import Book
from lipsync_async.dispatch.pacing.exchange import Grant, Report, Rules
from lipsync_async.sharing.protocol import StoreAwayError
from lipsync_async.sharing.turns import AWAY, SharedPacer
from tests.simulation.virtual import run


class Odd:
    """A store that answers as long as nothing is wrong with it."""

    def __init__(self) -> None:
        self.book = Book(Rules.of(Limits()))
        self.deaf = False
        self.error: Exception | None = None
        self.reports: list[Report] = []

    async def exchange(self, report: Report) -> Grant:
        """Answers; or never, and makes an error of a cancellation, as a driver may."""
        if self.deaf:
            try:
                await asyncio.sleep(1e9)
            except asyncio.CancelledError:
                raise StoreAwayError("cancelled, and nobody was told") from None
        if self.error is not None:
            raise self.error
        self.reports.append(report)
        return self.book.exchange(report, asyncio.get_running_loop().time())

    async def aclose(self) -> None:
        """Nothing to close."""

    def __str__(self) -> str:
        return "odd"


def test_a_store_that_swallows_a_cancellation_does_not_hold_up_the_end() -> None:
    """Closing takes seconds, not for ever; no task is left."""

    async def story() -> None:
        store = Odd()
        pacer = SharedPacer(store, Limits(), "m")
        await pacer.start()
        store.deaf = True
        pacer.restore(asyncio.get_running_loop().time(), 1)
        await asyncio.sleep(0.5)
        begun = asyncio.get_running_loop().time()
        await pacer.aclose()
        assert asyncio.get_running_loop().time() - begun < 3.0
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(story())


def test_whatever_a_store_raises_jobs_go_on_and_it_is_asked_again() -> None:
    """An error that no store should raise means a share as well, and the store's return is noticed."""

    async def story() -> None:
        loop, store = asyncio.get_running_loop(), Odd()
        pacer = SharedPacer(store, Limits(), "m")
        await pacer.start()
        store.error = ZeroDivisionError("a fault of the store's")
        assert pacer.admit(loop.time()) == math.inf
        await asyncio.sleep(2 * AWAY)
        assert "its own share" in repr(pacer)
        assert pacer.admit(loop.time()) == 0.0
        store.error = None
        await asyncio.sleep(0.5)
        assert "its own share" not in repr(pacer)
        await pacer.aclose()

    run(story())


def test_who_leaves_says_what_it_has_to_tell() -> None:
    """The last report gives back what was not used, and tells what ended meanwhile."""

    async def story() -> None:
        loop, store = asyncio.get_running_loop(), Odd()
        pacer = SharedPacer(store, Limits(), "m")
        pacer.bind(door=lambda: (1, 0), poke=lambda: None, stop=lambda _: None)
        await pacer.start()
        now = loop.time()
        assert pacer.admit(now) == 0.0
        pacer.accepted(now + 0.01, now)
        await pacer.aclose()
        assert store.reports[-1].leaving
        assert store.book.pacer.in_flight == 0
        assert store.book.pacer.statistics().live_tasks == 1

    run(story())
