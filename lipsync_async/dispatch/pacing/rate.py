"""The rate, a bracket: `lo` is believed to hold, `hi` was refused, `pace` is what is sent at now.

STARTING: the pace doubles with every half second in which it was used, and with three round trips at the soonest.
    Refused: `hi` = the pace at which that request was sent; try the estimate (between hi/8 and hi/2), with half of it
    for `lo`.
TRYING a pace above `lo`, until enough was accepted: `lo` = pace.
    Then the middle of the bracket; hold when it is narrow; without a `hi`, gallop upwards.
    Refused: `hi` = pace.
    In a wide bracket try the estimate; in a narrow one go back to `lo`, or to a sure estimate below it, and hold four
    times as long as the last time.
HOLDING `lo`, until enough was accepted: a fresh wide bracket is halved.
    Any other is forgotten upwards: the limit may have risen.
    Refused: noise, unless refusals pass `target_waste` or the estimate is far below; and where single ones come again
    and again while the pace lets through what it should, it is not what they speak of, up to `ALARM`.
    Then `hi` = `lo`, and `lo` comes down to the estimate; refused again and again, to what was accepted over all.

The estimate is what was accepted over the time it took, since the last refusal: at both its ends the limiter was empty.
Requests that the background refuses are added to it, for the pace counts them too.
Sends are spaced by 1/pace.
Only `CATCH_UP` seconds of a missed turn are made good: a bigger credit halves the first interval after every pause,
and a strict limiter answers that with a cascade of refusals.
"""

from __future__ import annotations

import math
from enum import Enum

CATCH_UP = 0.001
"""Seconds by which a send may be nearer to the one before it than 1/pace."""
EARLY = 1e-6
"""Seconds by which a timer may fire early and still be on time."""
SLOWEST = 0.02
"""Requests a second; no refusal lowers the pace below it, so that what holds again is found within a minute."""
FREE = 1000.0
"""Requests a second; past it an account that never refused is not spaced: a timer a job costs more than it saves."""

DOUBLING, TRIPS = 0.5, 3.0
"""Seconds in which the pace doubles at first, and the least number of round trips for that."""

FIRST_HOLD = 25.0
LONGEST_HOLD = 800.0
"""Accepted jobs: how long a pace is held before the next is tried."""
STALE = 28.0
"""Seconds after which what was refused may hold again; longer is calmer, and later to see a limit rise."""
STEP = 1.08
"""The first step upwards out of a closed bracket; each that holds is cubed for the next, up to 2."""
NARROW = 1.06
"""hi/lo of a bracket that is not worth halving."""
NEAR = 1.3
"""hi/lo below which a refusal ends the search."""
FAR_BELOW = 0.85
"""A limit that fell, not noise: estimate/lo."""
HARDLY_BELOW = 0.93
"""Estimate/lo above which a refusal that came alone, as others before it, is no reason to come down."""
FAR_ABOVE = 3.0
"""`lo` over what passed lately, pauses and all: above this it was a burst that made `lo`."""
ALARM = 0.05
"""A moving share of refusals that is no noise: `lo` is far off."""
ENOUGH, FEW = 8, 4
"""Accepted jobs that make an estimate; few have to do when it is known that `lo` is far off."""
MOMENT = 0.75
"""Seconds of pauses that refill no limiter's burst: what was accepted over the whole time is its rate."""
MOST_DOUBLINGS = 10
"""Of one turn: after it a given pace of a request an hour is one of seconds."""
MEMORY = 0.02
"""The weight of one reply in the moving share of refusals."""


class Phase(Enum):
    """What the pace is an answer to."""

    STARTING = "starting"
    TRYING = "trying"
    HOLDING = "holding"


class Rate:
    """The pace, and what is known about it; all in requests a second."""

    __slots__ = (
        "_accepted", "_cap", "_count", "_free_at", "_hold", "_initial", "_mark", "_measured", "_need", "_paused",
        "_step", "_stopped", "_target", "_trip", "_untested", "_waste", "hi", "interval", "kept", "lo", "next_at",
        "pace", "phase", "pressed_at", "testing",
    )  # fmt: skip

    def __init__(self, initial: float, cap: float | None, target_waste: float) -> None:
        self._cap = math.inf if cap is None else cap
        self._initial = initial if cap is None else cap
        self._target = target_waste
        self.lo, self.hi = 0.0, math.inf
        self.kept = 1.0
        """The share of requests that is not refused whatever the pace: the limit is what was accepted, over this."""
        self.testing, self._untested = False, initial  # the pace is a test's; what it was before
        self.phase = Phase.STARTING
        self.next_at = self.pressed_at = -math.inf  # the next turn; when somebody last had to wait for one
        self._free_at = -math.inf  # when the given rate lets the next query leave
        self._count, self._need = 0, math.inf  # accepted in this phase while the pace was used, and how many prove it
        self._hold, self._step = FIRST_HOLD, STEP
        self._waste = self._measured = 0.0
        self._trip = 0.0  # seconds from a request to its reply, while starting
        self._accepted, self._mark, self._paused, self._stopped = 0, math.nan, 0.0, math.nan  # since the last refusal
        self._set(self._initial)

    # ------------------------------------------------------------------------------------------------- events

    def sent(self, now: float) -> None:
        """A request leaves, at `next_at` or later."""
        if self.interval == 0.0:
            return
        if self._cap < math.inf:
            self._free_at = max(self._free_at, now - CATCH_UP) + 1.0 / self._cap
        late = now - self.next_at
        if self.phase is Phase.STARTING:
            if not self.testing:
                self._start(now)
        elif late > self.interval:
            self._mark += late  # nobody wanted to send: that time tells nothing of the limit
        self.next_at = (self.next_at if late < CATCH_UP else now - CATCH_UP) + self.interval

    def reserve(self, now: float) -> float:
        """Takes the next turn for a query, where the rate is a given one; seconds until it comes."""
        if self._cap == math.inf:
            return 0.0
        # Spaced by that rate alone: what was learned from refusals of creates is none of a query's business.
        turn = max(now, self._free_at)
        self._free_at = turn + 1.0 / self._cap
        self.next_at = max(self.next_at, self._free_at)
        return turn - now

    def recalled(self, now: float) -> None:
        """Turns that were given ahead of time were called back unused."""
        self.next_at = min(self.next_at, now + self.interval)

    def remember(self, pace: float, lo: float, hi: float) -> None:
        """What somebody knew before: a pace that holds, or only one that was never refused."""
        if lo > 0.0:
            self.lo, self.hi = min(lo, self._cap), hi
            self._keep()
        else:
            self._set(max(pace, self._initial))

    def resumed(self, now: float) -> None:
        """The pause after a refusal is over: its canary leaves."""
        self._paused += now - self._stopped
        self._stopped = now
        self.next_at = max(self.next_at, now)

    def accepted(self, now: float, sent_at: float) -> None:
        """A request passed the gateway's limits."""
        self._waste -= self._waste * MEMORY
        self._accepted += 1
        if self.interval == 0.0:
            if now - self._mark >= 1:
                self._measure(now)
        elif self.phase is Phase.STARTING:
            self._trip += (now - sent_at - self._trip) / 4 if self._trip else now - sent_at
        elif sent_at <= self.pressed_at + 2 * self.interval:
            self._count += 1
            if self._count >= self._need:
                self._believe()

    def refused(self, now: float, sent_at: float, *, again: bool = False) -> None:
        """A request that was sent since the last cut was refused, and no pause preceded it.

        `again`: so were others lately, now and then.
        """
        self._waste += (1 - self._waste) * MEMORY
        alarmed = self.phase is Phase.HOLDING and self._waste > ALARM
        limit = self._estimate(now, FEW if alarmed else ENOUGH)
        if self.interval == 0.0:
            self._bracket(max(self._measured or FREE, self._initial), None)
        elif self.phase is Phase.STARTING:
            doublings = max(0.0, now - sent_at) / self._doubling()
            sent_with = self.pace * 2.0**-doublings  # this way round none is too many: what is too small becomes 0
            self._bracket(max(self._initial, sent_with), limit)
        elif self.phase is Phase.TRYING:
            self._retreat(limit, now)
        elif limit is not None and self._speaks(limit, again):
            self._come_down(limit, now)
        if limit is not None:
            self._forget(now)
        self._stopped = now

    def _speaks(self, limit: float, again: bool) -> bool:
        """A refusal while a pace was held is more than noise: the limit is below it."""
        if again and self._waste <= ALARM and limit >= HARDLY_BELOW * self.lo:
            return False
        return self._waste > self._target or limit < FAR_BELOW * self.lo

    def test(self, pace: float) -> None:
        """Go at `pace` for a while; until the test is over, what is accepted teaches nothing else."""
        self.testing, self._untested = True, self.pace
        self._set(max(pace, min(SLOWEST, self._initial)))

    def end_test(self, now: float, passed: float) -> None:
        """The pace matters: back to what it was, but for a `lo` that is far above what `passed` lately."""
        self.testing = False
        self._set(self._untested)
        if self.lo > FAR_ABOVE * passed > 0:  # a burst made it
            self.lo, self.hi, self._hold = FAR_ABOVE * passed, min(self.hi, self._untested), FIRST_HOLD
            self._keep()
        self._forget(now)

    def rise(self, now: float, pace: float) -> None:
        """The pace was not what was refused: nothing is known above `pace`."""
        self.testing = False
        self.lo, self.hi = max(pace, min(SLOWEST, self._initial)), math.inf
        self._hold, self._step, self._waste = FIRST_HOLD, 2.0, 0.0
        self._forget(now)
        self._try(2 * self.lo)

    # -------------------------------------------------------------------------------------------- transitions

    def _start(self, now: float) -> None:
        # A turn that nobody had to wait for proves nothing, so it does not quicken the pace.
        if self._mark != self._mark:  # not a number: the first request of all
            self._mark = now
        elif self.pressed_at >= self.next_at - self.interval:
            self._set(self.pace * 2.0 ** min(MOST_DOUBLINGS, self.interval / self._doubling()))

    def _doubling(self) -> float:
        """Seconds; a pace that doubles sooner than refusals are told of is far past the limit by then."""
        return max(DOUBLING, TRIPS * self._trip)

    def _bracket(self, refused: float, limit: float | None) -> None:
        pace = refused / 2 if limit is None else min(refused / 2, max(refused / 8, limit))
        self.hi, self.lo = refused, min(refused / 4, pace / 2)
        self._try(pace)

    def _retreat(self, limit: float | None, now: float) -> None:
        self.hi = self.pace
        if self.hi >= NEAR * self.lo:
            self._try(min(0.97 * self.hi, max(self.lo, limit or math.sqrt(self.lo * self.hi))))
            return
        self._hold, self._step = min(LONGEST_HOLD, self._hold * 4), STEP
        # Sure is an estimate of many jobs, and of few pauses, for they refilled the limiter by an unknown amount.
        if limit is not None and self._accepted >= 25 and self._paused < 0.12 * (now - self._mark):
            self.lo = min(self.lo, max(0.7 * self.lo, limit))
        self._keep()

    def _come_down(self, limit: float, now: float) -> None:
        least = 0.7
        if limit < FAR_BELOW * self.lo:
            self._hold = FIRST_HOLD
            if self._waste > ALARM and self._paused < MOMENT:  # a burst made `lo`
                least, limit = 0.4, self._accepted / (now - self._mark)
        self.hi = self.lo
        self.lo *= min(0.97, max(least, limit / self.lo))
        self._keep()

    def _believe(self) -> None:
        if self.phase is Phase.TRYING:
            self.lo = self.pace
        elif self._hold > FIRST_HOLD or self.hi <= NARROW * self.lo:
            self.hi = math.inf
        if self.hi == math.inf:
            self._gallop()
        elif self.hi <= NARROW * self.lo:
            self._keep()
        else:
            self._try(math.sqrt(self.lo * self.hi))

    def _gallop(self) -> None:
        if self.phase is Phase.TRYING:
            if self._step > STEP:  # one step may be a burst's, two are a limit that rose
                self._hold = FIRST_HOLD
            self._step = min(2.0, self._step**3)
        self._try(self.lo * self._step)

    def _try(self, pace: float) -> None:
        self._set(pace)
        if self.pace <= self.lo:
            self._keep()
            return
        self.phase, self._count = Phase.TRYING, 0
        # A small excess needs long to drain a burst; a shorter wait makes a false `lo`.
        self._need = self.pace * min(8.0, max(1.0, 0.5 / (self.pace / self.lo - 1)))

    def _keep(self) -> None:
        self.lo = max(self.lo, min(SLOWEST, self._initial))
        self._set(self.lo)
        self.phase, self._count = Phase.HOLDING, 0
        self._need = FIRST_HOLD
        if self._hold > FIRST_HOLD or self.hi <= NARROW * self.lo:
            self._need = min(self._hold, max(50.0, STALE * self.lo))

    def _set(self, pace: float) -> None:
        if pace > FREE and self.hi == self._cap == math.inf:
            pace = math.inf
        self.pace = min(pace, self._cap)
        self.interval = 1 / self.pace

    # ---------------------------------------------------------------------------------------------- measuring

    def _forget(self, now: float) -> None:
        self._accepted, self._mark, self._paused = 0, now, 0.0

    def _measure(self, now: float) -> None:
        """Without spacing, the pace is what comes of it: measured over a second."""
        self._measured = self._accepted / (now - self._mark) / self.kept
        self._accepted, self._mark = 0, now

    def _estimate(self, now: float, least: int = ENOUGH) -> float | None:
        """The limit, from what was accepted since the last refusal; None: too little to tell.

        Over the whole time it is too low, without the pauses too high (they refilled the limiter by an unknown amount):
        hence the middle.
        """
        span = now - self._mark
        if self._accepted < least or span < 0.3:
            return None
        accepted = self._accepted / self.kept
        return math.sqrt(accepted / span * min(self.pace, accepted / max(0.001, span - self._paused)))
