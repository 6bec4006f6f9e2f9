"""`SharedPacer`: a client's pacer whose limits are shared; to `Account` and `Admission` it is a `Pacer` like any other.

A loop of its own exchanges with the store: when its turn is near, after a quarter of a second while there is news,
and at once where others wait for the news (a refusal, the canary's answer).
While the store is away it uses what it holds, and then its share (`share`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from collections.abc import Callable

from lipsync_async.config import Limits
from lipsync_async.dispatch.pacing import Pacer, PacerStatistics
from lipsync_async.dispatch.pacing.exchange import Grant, News, Report, Rules, StopWord
from lipsync_async.dispatch.pacing.kept import OtherVersionError
from lipsync_async.terms import Kind

from .hand import Hand
from .protocol import SharedLimits, StoreAwayError
from .share import share_of

LOG = logging.getLogger("lipsync_async")
BEAT, HEARTBEAT = 0.25, 1.0
"""Seconds until news are told that nobody waits for, and until a word without news."""
PATIENCE, FIRST_PATIENCE = 1.0, 4.0
"""Seconds for one exchange, and for the first one with its repetitions: at the start much is slow."""
AWAY = 1.0
"""Seconds without an answer after which a process takes its share."""
RETRY, OTHERS_RETRY = 0.1, 2.0
"""Seconds until a store is asked again that did not answer, or whose book another version keeps."""
LEAVING = 0.3
"""Seconds at the end for a last word to the store."""

STOPS = frozenset({Kind.AUTH, Kind.QUOTA, Kind.PERMISSION})
"""What stops the account, and so everybody."""


class SharedPacer:
    """The limits of the account, learned by all who use it."""

    def __init__(
        self, store: SharedLimits, limits: Limits, member: str, *, dice: Callable[[], float] = random.random
    ) -> None:
        self.store, self._limits, self._member, self._dice = store, limits, member, dice
        self._rules = Rules.of(limits)
        self._loop = asyncio.get_running_loop()
        self._hand = Hand()
        self._number = 0
        self._last: Grant | None = None
        self._own: Pacer | None = None  # while the store is away
        self._answered_at = self._loop.time()
        self._due = math.inf
        self._bell = asyncio.Event()
        self._waited = False  # the last report told of somebody who waits
        self._free_at = -math.inf
        self._asides = self._accepted = self._refused = 0
        self._told: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._door: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self._poke: Callable[[], None] = lambda: None
        self._stop: Callable[[StopWord], None] = lambda _: None

    def __repr__(self) -> str:
        state = "its own share of" if self._own is not None else "shared at"
        return f"<SharedPacer {self.pace:.1f}/s, {self.in_flight} in flight, {state} {self.store}>"

    def bind(
        self, *, door: Callable[[], tuple[int, int]], poke: Callable[[], None], stop: Callable[[StopWord], None]
    ) -> None:
        """Binds it to the door of its account.

        `door` tells how many requests wait, and how many of those that make no task; `poke` lets in who may pass;
        `stop` is called with what stopped another process.
        """
        self._door, self._poke, self._stop = door, poke, stop

    # ------------------------------------------------------------------------------------------------- exchange

    async def start(self) -> None:
        """The first exchange; raises what the store raises, and `alone` goes on without it then."""
        until = self._loop.time() + FIRST_PATIENCE
        while True:
            try:
                await self._exchange()
                break
            except (StoreAwayError, TimeoutError):
                if self._loop.time() >= until:
                    raise
            await asyncio.sleep(RETRY)
        self._task = self._loop.create_task(self._run())

    def alone(self, error: Exception) -> None:
        """Goes on with a share until the store answers, which did not when it was asked first."""
        self._answered_at = -math.inf
        self._without(error)
        self._task = self._loop.create_task(self._run())

    def _take_share(self) -> None:
        if self._own is None:
            self._own = share_of(self._limits, self._last, self._dice)

    async def aclose(self) -> None:
        """Tells the store that this process leaves; a store that is away is not waited for."""
        self._closing = True
        if self._task is not None:
            self._bell.set()
            await asyncio.wait([self._task], timeout=PATIENCE)
            self._task.cancel()  # it has ended, but for a store that does not answer
        with contextlib.suppress(StoreAwayError, OtherVersionError, TimeoutError):
            if self._own is None:
                async with asyncio.timeout(LEAVING):
                    self._hand.void(self._loop.time())
                    await self._ask(leaving=True)
        await self.store.aclose()

    async def _run(self) -> None:
        await self._until_due()
        while not self._closing:
            try:
                await self._exchange()
            except Exception as error:  # noqa: BLE001 - whatever a store raises, jobs go on
                self._without(error)
            self._poke()
            await self._until_due()

    async def _until_due(self) -> None:
        while (delay := self._due - self._loop.time()) > 0 and not self._closing:
            self._bell.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if delay == math.inf else delay):
                    await self._bell.wait()

    def _hurry(self, at: float) -> None:
        """The next exchange is at that moment, if not sooner."""
        if at < self._due:
            self._due = at
            self._bell.set()

    async def _exchange(self) -> None:
        asked = self._loop.time()
        self._due = math.inf
        async with asyncio.timeout(PATIENCE):
            grant = await self._ask()
        now = self._loop.time()
        self._hand.heard(grant, asked, now)
        self._last, self._answered_at, self._own = grant, now, None
        self._told.clear()
        if grant.stop is not None:
            self._stop(grant.stop)
        if self._waited:
            self._hurry(now + grant.again)
        elif self._hand.has_news:
            self._hurry(now + BEAT)
        elif self.in_flight or self._hand.held:
            self._hurry(now + HEARTBEAT)

    async def _ask(self, *, leaving: bool = False) -> Grant:
        now, hand = self._loop.time(), self._hand
        news = hand.tell(now)
        waiting, asides = self._door()
        waiting = 0 if leaving else max(0, min(waiting, self._limits.max_in_flight - self.in_flight) - hand.held)
        self._waited = waiting + asides > 0
        number = self._number + 1
        known = self._last.known if self._last is not None else None
        report = Report(self._member, number, self._rules, waiting, asides, news, known, leaving)
        grant = await self.store.exchange(report)
        self._number = number
        return grant

    def _without(self, error: Exception) -> None:
        """The store did not answer."""
        now = self._loop.time()
        other = isinstance(error, OtherVersionError)
        if other:
            self._last = None
        if other or now - self._answered_at >= AWAY:
            self._tell_once(error)
            self._take_share()
        self._hurry(now + (OTHERS_RETRY if other else RETRY))

    def _tell_once(self, error: Exception) -> None:
        other = isinstance(error, OtherVersionError)
        why = "another version of lipsync_async keeps the limits there" if other else str(error) or "no answer"
        if why not in self._told:
            self._told.add(why)
            LOG.warning("%s: %s; this process goes on with a share of its own", self.store, why)

    # ------------------------------------------------------------------------------------------------- requests

    def admit(self, now: float) -> float:
        """Ask for a request to be sent; as `Pacer.admit`."""
        hand = self._hand
        if self.in_flight >= self._limits.max_in_flight:
            return math.inf
        wait = hand.take(now)
        if wait == 0.0:
            return 0.0
        if self._own is not None:
            own = self._own.admit(now)
            if own == 0.0:
                hand.sent(now, self._own)
                return 0.0
            return min(wait, own)
        if wait == math.inf and not self._waited:
            self._waited = True
            self._hurry(now)
        return wait

    def admit_aside(self, now: float) -> float:
        """Ask for a request to be sent that makes no task; as `Pacer.admit_aside`."""
        if self.in_flight >= self._limits.max_in_flight:
            return math.inf
        if self._hand.take_aside(now):
            self._asides += 1
            return 0.0
        if self._own is not None:
            wait = self._own.admit_aside(now)
            if wait == 0.0:
                self._own.ended_aside()
                self._asides += 1
            return wait
        if not self._waited:
            self._waited = True
            self._hurry(now)
        return math.inf

    def ended_aside(self) -> None:
        """A request that makes no task ended."""
        self._asides -= 1

    def accepted(self, now: float, sent_at: float) -> None:
        """A request was accepted."""
        self._accepted += 1
        if (own := self._settle(now, sent_at, News("accepted"))) is not None:
            own.accepted(now, sent_at)

    def refused(self, now: float, sent_at: float, kind: Kind | None, hint: float | None) -> None:
        """A request was refused; as `Pacer.refused`."""
        self._refused += 1
        if (own := self._settle(now, sent_at, News("refused", kind=kind, first=hint))) is not None:
            own.refused(now, sent_at, kind, hint)
            return
        self._hand.void(now)
        self._hurry(now)

    def ended(self, now: float, sent_at: float) -> None:
        """A request ended without news of the limits."""
        if (own := self._settle(now, sent_at, News("ended"))) is not None:
            own.ended(now, sent_at)

    def _settle(self, now: float, sent_at: float, news: News) -> Pacer | None:
        own = self._hand.settle(now, sent_at, news)
        self._hurry(now if self._last is not None and self._last.shut else now + BEAT)
        return own

    # ------------------------------------------------------------------------------------------------ other news

    def completed(self, now: float, tasks: int = 1, *, age: float | None = None, took: float | None = None) -> None:
        """So many tasks were seen to end; as `Pacer.completed`."""
        if self._own is not None:
            self._own.completed(now, tasks, age=age, took=took)
        self._tell(now, News("completed", first=age, second=took, count=tasks))

    def recall(self, took: float, age: float) -> None:
        """An earlier run saw that a task had ended."""
        self._tell(self._loop.time(), News("recall", first=took, second=age))

    def restore(self, now: float, live: int) -> None:
        """So many tasks are known to run from before."""
        self._tell(now, News("restore", count=live))

    def close(self, now: float, wait: float) -> None:
        """Somebody else shuts the gate, for everybody."""
        if self._own is not None:
            self._own.close(now, wait)
        self._hand.void(now)
        self._tell(now, News("close", first=wait), delay=0.0)

    def lift(self, now: float) -> None:
        """A pause that ended the batch is over."""
        if self._own is not None:
            self._own.lift(now)
        self._tell(now, News("lift"), delay=0.0)

    def reserve(self, now: float) -> float:
        """Seconds until a query may leave where a rate was told: this process's part of it."""
        cap = self._limits.max_per_second
        if cap is None:
            return 0.0
        members = self._last.members if self._last is not None else 1
        turn = max(now, self._free_at)
        self._free_at = turn + members / cap
        self._tell(now, News("reserved"))
        return turn - now

    def stopped(self, kind: Kind, message: str) -> None:
        """The process was stopped: what stops one stops all, where it is the account's."""
        if kind in STOPS:
            self._tell(self._loop.time(), News("stop", kind=kind, text=message), delay=0.0)

    def _tell(self, now: float, news: News, *, delay: float = BEAT) -> None:
        self._hand.note(now, news)
        self._hurry(now + delay)

    # ------------------------------------------------------------------------------------------------- for people

    @property
    def in_flight(self) -> int:
        """Requests of this process that were admitted and not yet answered for."""
        return self._hand.in_flight + self._asides

    @property
    def pace(self) -> float:
        """Requests a second of all together, or this process's share while the store is away."""
        if self._own is not None:
            return self._own.pace
        return self._last.known.pace if self._last is not None else self._limits.initial_per_second

    def waiting_for(self, now: float) -> str:
        """What holds the next request back; as `Pacer.waiting_for`."""
        if self.in_flight >= self._limits.max_in_flight:
            return "requests in flight"
        if self._own is not None:
            return self._own.waiting_for(now)
        return self._last.holding if self._last is not None else ""

    def statistics(self) -> PacerStatistics:
        """What is known now: limits of all, requests of this process."""
        known = self._last.known if self._last is not None else None
        return PacerStatistics(
            pace=self.pace,
            lo=known.lo if known else 0.0,
            hi=known.hi if known else math.inf,
            in_flight=self.in_flight,
            live_tasks=known.live if known else 0,
            ceiling=known.ceiling if known else math.inf,
            accepted=self._accepted,
            refused=self._refused,
            gate_open=not self._last.shut if self._last is not None else True,
        )
