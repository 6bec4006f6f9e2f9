"""One call before a request, one call after it: rate, gate and ceiling behind them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, Self

import attrs

from lipsync_async.config import Limits
from lipsync_async.terms import Kind

from .background import Advice, Background
from .ceiling import DRIP, DRY, Ceiling
from .frozen import attributes, fill
from .gate import Gate
from .rate import EARLY, Rate

GENTLE = 4
"""Turns between sends after a refusal for capacity that exceeds the background."""
UNTRIED = 20.0
"""Requests a second at most, where a drip hid for long what the rate may be."""


@attrs.frozen(kw_only=True)
class PacerStatistics:
    """What a pacer knew at one moment."""

    pace: float
    """Requests a second; infinity: they are not spaced."""
    lo: float
    """Requests a second that are believed to hold; 0.0: nothing was refused yet."""
    hi: float
    """Requests a second that were refused; infinity: none were, or long ago."""
    in_flight: int
    live_tasks: int
    """Tasks that were accepted and not yet seen to end."""
    ceiling: float
    """Tasks that may run at once; infinity: no limit is known."""
    accepted: int
    refused: int
    """Requests refused for rate or capacity."""
    gate_open: bool


class Pacer:
    """What the account allows, learned.

    Plain arithmetic on a `now` (seconds, monotonic) that is handed in; never reads a clock.
    Never more than `max_in_flight` requests are in flight.
    Any `w` seconds see at most `1 + max_per_second * (w + 0.001001)` requests:
    a missed turn is caught up with by a millisecond, and a timer may be a microsecond early.
    Where `max_running_tasks` is told, a request goes only while fewer tasks run than that, as far as is known:
    all that were not seen to end while nothing is known; by their age, when ends are seen late, at a chance of at most
    one in eight that as many run.
    Before any end was seen, a task is taken to have ended when that is more likely than not; where the account itself
    refuses at that number, it is the account that keeps it, and sends only drip.
    """

    __slots__ = ("_accepted", "_background", "_ceiling", "_gate", "_in_flight", "_most", "_rate", "_refused")

    def __init__(self, limits: Limits, *, dice: Callable[[], float] = random.random) -> None:
        self._most = limits.max_in_flight
        self._in_flight = self._accepted = self._refused = 0
        self._rate = Rate(limits.initial_per_second, limits.max_per_second, limits.target_waste)
        self._gate = Gate(dice)
        self._ceiling = Ceiling(limits.max_running_tasks)
        self._background = Background()

    def admit(self, now: float) -> float:
        """Ask for a request to be sent.

        0.0: it was admitted, and is in flight from now on.
        Positive: ask again after so many seconds.
        `math.inf`: ask again when something was learned (any of the calls below).
        """
        # This and `accepted` are on the way of every job: attributes are read, and methods called only when they hold.
        in_flight = self._in_flight
        if in_flight >= self._most:
            return math.inf
        gate, ceiling, rate = self._gate, self._ceiling, self._rate
        if gate.shut and (wait := gate.wait(now)) > 0:
            return wait
        if ceiling.live + in_flight >= ceiling.limit or now < ceiling.not_before:
            wait = ceiling.wait(now, in_flight)
            if wait > EARLY:
                return wait
        wait = rate.next_at - now
        if wait > EARLY:
            rate.pressed_at = now
            return wait
        if gate.shut:
            gate.send_canary(now)
            rate.resumed(now)
        if ceiling.drip:
            ceiling.sent(now)
        rate.sent(now)
        self._in_flight = in_flight + 1
        return 0.0

    def admit_aside(self, now: float) -> float:
        """Ask for a request to be sent that makes no task: it waits for no running task, and is no canary.

        The answers are those of `admit`; its end is told by `ended_aside`.
        """
        if self._in_flight >= self._most:
            return math.inf
        if self._gate.shut and (wait := self._gate.wait(now)) > 0:
            return wait
        wait = self._rate.next_at - now
        if wait > EARLY:
            self._rate.pressed_at = now
            return wait
        self._rate.sent(now)
        self._in_flight += 1
        return 0.0

    def ended_aside(self) -> None:
        """A request that makes no task ended."""
        self._in_flight -= 1

    def accepted(self, now: float, sent_at: float) -> None:
        """A request was accepted; `sent_at` is the `now` with which it was admitted."""
        self._in_flight -= 1
        self._accepted += 1
        if self._gate.shut:
            self._answered(sent_at)
        self._ceiling.accepted(now, sent_at, self._in_flight)
        rate = self._rate
        if not rate.testing:
            rate.accepted(now, sent_at)
        if self._background.active:
            self._follow(self._background.accepted(now, sent_at, rate.hi == math.inf), now)

    def refused(self, now: float, sent_at: float, kind: Kind | None, hint: float | None) -> None:
        """A request was refused.

        `kind`: `Kind.RATE` (1302), `Kind.CAPACITY` (1303), or None: a 429 that hides its reason.
        `hint`: its Retry-After in seconds, or None.
        """
        self._in_flight -= 1
        self._refused += 1
        if kind is None and hint is None and self._ceiling.known:
            kind = Kind.CAPACITY
        advice = self._advice(now, sent_at, kind)
        if advice is Advice.LEARN:
            self._learn(now, sent_at, kind, hint)
        elif hint is not None:
            self._gate.refuse(now, hint, self._rate.interval)
        elif self._gate.shut:
            self._answered(sent_at)  # its canary was answered, and no refusal that teaches nothing shuts it
        if advice is Advice.TEST and kind is not Kind.CAPACITY and not self._gate.shut:
            self._rate.refused(now, sent_at)  # to be known when the test is over
        self._follow(advice, now)

    def _advice(self, now: float, sent_at: float, kind: Kind | None) -> Advice:
        rate, drip = self._rate, self._ceiling.drip
        pace = min(rate.pace, 1 / drip) if drip else rate.pace
        advice = self._background.refused(now, sent_at, kind, pace, rate.hi == math.inf)
        if advice is Advice.LEARN and kind is Kind.CAPACITY and self._ceiling.outrun(now):
            return self._background.disprove(now)
        return advice

    def _follow(self, advice: Advice, now: float) -> None:
        rate, ceiling, background = self._rate, self._ceiling, self._background
        rate.kept = 1 - background.share
        if advice is Advice.TEST:
            rate.test(background.test_pace)
            ceiling.spare()
        elif advice is Advice.RETURN:
            rate.end_test(now, background.passed)
            ceiling.resume()
        elif advice is Advice.RAISE:
            rate.rise(now, min(rate.pace, UNTRIED) if ceiling.drip else rate.pace)
            ceiling.disregard()

    def _learn(self, now: float, sent_at: float, kind: Kind | None, hint: float | None) -> None:
        if kind is Kind.CAPACITY:
            self._refused_for_capacity(now, sent_at, hint)
        elif sent_at > self._gate.cut_at:
            self._refused_for_rate(now, sent_at, kind, hint)
        elif hint is not None:
            self._gate.refuse(now, hint, self._rate.interval)

    def _refused_for_capacity(self, now: float, sent_at: float, hint: float | None) -> None:
        # Beside a background the refusal may be chance all the same, so the first step is a small one.
        drip = min(DRIP, GENTLE * self._rate.interval) if self._background.share else DRIP
        self._ceiling.refused(now, sent_at, self._in_flight, max(DRY, drip))
        if hint is not None:
            self._gate.refuse(now, hint, self._rate.interval)
        elif self._gate.shut:
            self._answered(sent_at)  # the ceiling holds things back now

    def _refused_for_rate(self, now: float, sent_at: float, kind: Kind | None, hint: float | None) -> None:
        gate = self._gate
        if not gate.shut:  # else it was the canary, which says nothing of the pace
            self._rate.refused(now, sent_at, again=self._background.comes_again)
        gate.refuse(now, hint, self._rate.interval)
        if kind is None and hint is None and gate.refusals >= 3 and self._ceiling.suspect(now):
            gate.open()

    def ended(self, now: float, sent_at: float) -> None:  # noqa: ARG002 - one signature for all news
        """A request ended without news of the limits: its job was rejected, it failed, or nobody knows."""
        self._in_flight -= 1
        if self._gate.shut:
            self._answered(sent_at)

    def _answered(self, sent_at: float) -> None:
        if self._gate.is_canary(sent_at):
            self._gate.open()

    def completed(self, now: float, tasks: int = 1, *, age: float | None = None, took: float | None = None) -> None:
        """So many tasks were seen to end at the gateway.

        Of one task: `age`, in seconds, since it was created, and `took`, the seconds after which it had ended.
        Where they are not told, the oldest are taken to have ended, and nothing is learned for the others.
        """
        self._ceiling.completed(now, tasks, age, took)

    def recall(self, took: float, age: float) -> None:
        """An earlier run saw that a task had ended after `took` seconds, when it was `age` seconds old."""
        self._ceiling.recall(took, age)

    def restore(self, now: float, live: int) -> None:
        """So many tasks are known to be running from before."""
        self._ceiling.restore(now, live)

    def close(self, now: float, wait: float) -> None:
        """Somebody else (the brake, a Retry-After on a 5xx) shuts the gate for `wait` s; then one canary goes."""
        self._gate.close(now, wait)

    def lift(self, now: float) -> None:
        """A pause that ended the batch is over: the next request goes first, alone."""
        self._gate.lift(now)

    def reserve(self, now: float) -> float:
        """Seconds until a query may leave where a rate was told, which queries count against; else 0.0."""
        return self._rate.reserve(now)

    # -- shared by several processes (`book`) -----------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """All that was learned, as plain values."""
        return attributes(self)

    @classmethod
    def restored(cls, limits: Limits, held: dict[str, Any], *, dice: Callable[[], float] = random.random) -> Self:
        """A pacer that goes on from a snapshot, which was made with the same limits."""
        pacer = cls.__new__(cls)  # a new one would work out a table of ages for nothing, at every exchange
        fill(pacer, held | {"_most": limits.max_in_flight}, _gate=Gate(dice))
        return pacer

    def remember(self, now: float, pace: float, lo: float, hi: float, live: int, in_flight: int = 0) -> None:
        """What somebody knew before this pacer was made: it goes on from there."""
        self._rate.remember(pace, lo, hi)
        self._ceiling.restore(now, live)
        self._in_flight += in_flight

    @property
    def cuts(self) -> tuple[float, float, bool]:
        """Changes with every lesson: what was sent before teaches nothing after it."""
        return self._gate.cut_at, self._ceiling.cut_at, self._rate.testing

    def next_turn(self, now: float) -> float:
        """The soonest moment that the pace allows."""
        return max(now, self._rate.next_at)

    def press(self, until: float) -> None:
        """Somebody waits for a turn until then."""
        self._rate.pressed_at = until

    def withdrawn(self, sent_at: float) -> None:
        """One that was admitted was never sent; if it was the canary, another one goes."""
        self._in_flight -= 1
        if self._gate.shut and self._gate.is_canary(sent_at):
            self._gate.withdraw_canary()

    def recalled(self, now: float) -> None:
        """All turns that are ahead were called back."""
        self._rate.recalled(now)

    @property
    def in_flight(self) -> int:
        """Requests that were admitted and not yet answered for."""
        return self._in_flight

    @property
    def pace(self) -> float:
        """Requests a second now; infinity: they are not spaced."""
        return self._rate.pace

    def waiting_for(self, now: float) -> str:
        """What holds the next request back.

        One of "requests in flight", "canary", "gate", "running tasks", "rate", and "" for nothing.
        """
        gate, ceiling = self._gate, self._ceiling
        if self._in_flight >= self._most:
            return "requests in flight"
        if gate.shut and gate.wait(now):
            return "canary" if gate.wait(now) == math.inf else "gate"
        if ceiling.wait(now, self._in_flight) > EARLY:
            return "running tasks"
        return "rate" if self._rate.next_at - now > EARLY else ""

    def statistics(self) -> PacerStatistics:
        """What is known now, as a value."""
        rate, ceiling = self._rate, self._ceiling
        return PacerStatistics(
            pace=rate.pace,
            lo=rate.lo,
            hi=rate.hi,
            in_flight=self._in_flight,
            live_tasks=ceiling.live,
            ceiling=ceiling.believed,
            accepted=self._accepted,
            refused=self._refused,
            gate_open=not self._gate.shut,
        )

    def __repr__(self) -> str:
        gate = "shut" if self._gate.shut else "open"
        return f"<Pacer {self._rate.pace:.1f}/s, {self._in_flight} in flight, gate {gate}>"
