"""Limiters in virtual time: a heap of events, seeded dice, no clock.

Every limiter answers `submit(now)` with None (admitted) or with a refusal (the kind that the wire names, the hint).
They are models: nginx after `ngx_http_limit_req_handler` (a leaky bucket in 1/1000 of a request, whole milliseconds),
HAProxy after `freq_ctr` (this period's count plus the last one's, weighted by how much of it still counts),
Envoy after its local token bucket (a timer that fills), the rest after the yardstick of the map.
"""
# ruff: noqa: ARG002 - protocols hand in more than every model needs

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Sequence
from itertools import count
from typing import Protocol

import attrs

from lipsync_async.terms import Kind

Schedule = Sequence[tuple[float, float]]
"""Steps: from this second on, that limit."""


@attrs.frozen
class Refusal:
    kind: Kind | None = None
    hint: float | None = None


class World:
    """Virtual time: `at` files a call, `run` makes the calls in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()

    def at(self, when: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._number), call))

    def run(self, until: float, stop: Callable[[], bool] = lambda: False) -> None:
        while self._events and self._events[0][0] <= until and not stop():
            self.now, _, call = heapq.heappop(self._events)
            call()


class Alarm:
    """One call to come: an earlier moment takes the place of a later one, infinity is none."""

    def __init__(self, world: World, call: Callable[[], None]) -> None:
        self._world = world
        self._call = call
        self._at = math.inf

    def set(self, when: float) -> None:
        if self._world.now < self._at <= when or when == math.inf:
            return
        self._at = when
        self._world.at(when, lambda: self._ring(when))

    def _ring(self, when: float) -> None:
        if self._at == when:
            self._at = math.inf
            self._call()


# ------------------------------------------------------------------------------------------------ limiters


class Limiter(Protocol):
    def submit(self, now: float) -> Refusal | None: ...
    def allowed(self, until: float) -> float:
        """How many requests the limiter would have admitted, had it always been asked."""

    def limit(self, now: float) -> float:
        """The true limit, in requests a second."""


def _at(schedule: Schedule, now: float) -> float:
    return next(value for since, value in reversed(schedule) if since <= now)  # the first is from 0


def _sum(schedule: Schedule, until: float) -> float:
    ends = [*(since for since, _ in schedule[1:]), until]
    return sum(max(0.0, min(end, until) - since) * value for (since, value), end in zip(schedule, ends, strict=True))


class TokenBucket:
    """`rate` tokens a second, `burst` seconds of them kept; hints are whole seconds, as Retry-After is."""

    def __init__(self, schedule: Schedule, burst: float = 1.0, hints: bool = False, kind: Kind | None = None) -> None:
        self._schedule, self._burst, self._hints, self._kind = schedule, burst, hints, kind
        self._tokens, self._filled = max(1.0, _at(schedule, 0) * burst), 0.0

    def submit(self, now: float) -> Refusal | None:
        rate = _at(self._schedule, now)
        self._tokens = min(max(1.0, rate * self._burst), self._tokens + (now - self._filled) * rate)
        self._filled = now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        return Refusal(self._kind, math.ceil((1 - self._tokens) / rate) if self._hints else None)

    def allowed(self, until: float) -> float:
        return max(1.0, self._schedule[0][1] * self._burst) + _sum(self._schedule, until)

    def limit(self, now: float) -> float:
        return _at(self._schedule, now)


class FixedWindow:
    """`quota` requests in every window of `length` seconds."""

    def __init__(self, quota: int, length: float, hints: bool = False) -> None:
        self._quota, self._length, self._hints = quota, length, hints
        self._window, self._used = -1, 0

    def submit(self, now: float) -> Refusal | None:
        window = int(now // self._length)
        if window != self._window:
            self._window, self._used = window, 0
        if self._used < self._quota:
            self._used += 1
            return None
        return Refusal(None, math.ceil((window + 1) * self._length - now) if self._hints else None)

    def allowed(self, until: float) -> float:
        return self._quota * math.ceil(until / self._length)

    def limit(self, now: float) -> float:
        return self._quota / self._length


class Nginx:
    """`limit_req zone=z burst=N nodelay`."""

    def __init__(self, rate: float, burst: int, retry_after: float | None = None) -> None:
        self._rate, self._burst, self._hint = rate, burst * 1000, retry_after
        self._excess, self._last = 0, -10_000

    def submit(self, now: float) -> Refusal | None:
        milliseconds = int(now * 1000)
        excess = max(0, self._excess - int(self._rate * 1000 * (milliseconds - self._last) / 1000) + 1000)
        if self._last < 0:
            excess = 0
        if excess > self._burst:
            return Refusal(None, self._hint)
        self._excess, self._last = excess, milliseconds
        return None

    def allowed(self, until: float) -> float:
        return 1 + self._burst / 1000 + self._rate * until

    def limit(self, now: float) -> float:
        return self._rate


class HAProxy:
    """`deny if { sc_http_req_rate(0) gt N }` over `period` seconds; `count_all`: refused requests count as well."""

    def __init__(self, rate: float, period: float, count_all: bool, phase: float = 0.0) -> None:
        self._quota, self._period, self._count_all, self._rate = rate * period, period, count_all, rate
        self._start, self._now_count, self._last_count = -phase * period, 0, 0

    def submit(self, now: float) -> Refusal | None:
        while now >= self._start + self._period:
            self._start += self._period
            self._last_count, self._now_count = self._now_count, 0
        left = 1 - (now - self._start) / self._period
        admitted = self._now_count + 1 + int(self._last_count * left) <= self._quota
        if admitted or self._count_all:
            self._now_count += 1
        return None if admitted else Refusal()

    def allowed(self, until: float) -> float:
        return self._quota + self._rate * until

    def limit(self, now: float) -> float:
        return self._rate


class Envoy:
    """`token_bucket: {max_tokens, tokens_per_fill, fill_interval}`: whole fills at whole intervals."""

    def __init__(self, most: int, fill: int, interval: float, phase: float = 0.0) -> None:
        self._most, self._fill, self._interval = most, fill, interval
        self._tokens, self._filled = most, -phase * interval

    def submit(self, now: float) -> Refusal | None:
        fills = int((now - self._filled) / self._interval)
        self._filled += fills * self._interval
        self._tokens = min(self._most, self._tokens + fills * self._fill)
        if self._tokens:
            self._tokens -= 1
            return None
        return Refusal()

    def allowed(self, until: float) -> float:
        return self._most + self._fill * until / self._interval

    def limit(self, now: float) -> float:
        return self._fill / self._interval


class Slots:
    """So many tasks may run at once; each runs 60 to 180 s. Named: the refusal carries 1303."""

    def __init__(self, world: World, dice: random.Random, schedule: Schedule, named: bool = True) -> None:
        self._world, self._dice, self._schedule = world, dice, schedule
        self._refusal = Refusal(Kind.CAPACITY if named else None)
        self.running = 0
        self.ended: Callable[[float], None] = lambda _: None
        """Called at the end of a task, with the second when it began."""

    def submit(self, now: float) -> Refusal | None:
        if self.running >= _at(self._schedule, now):
            return self._refusal
        self.running += 1
        self._world.at(now + self._dice.uniform(60, 180), lambda: self._end(now))
        return None

    def _end(self, born: float) -> None:
        self.running -= 1
        self.ended(born)

    def allowed(self, until: float) -> float:
        return self._schedule[0][1] + _sum(self._schedule, until) / 120

    def limit(self, now: float) -> float:
        return _at(self._schedule, now) / 120


class AtRandom:
    """Refuses a share of all requests, whatever their pace; what is left goes to the limiter behind it, if any."""

    def __init__(
        self, dice: random.Random, schedule: Schedule, kind: Kind | None = None, behind: Limiter | None = None
    ) -> None:
        self._dice, self._schedule, self._refusal, self._behind = dice, schedule, Refusal(kind), behind

    def submit(self, now: float) -> Refusal | None:
        if self._dice.random() < _at(self._schedule, now):
            return self._refusal
        return self._behind.submit(now) if self._behind else None

    def allowed(self, until: float) -> float:
        return self._behind.allowed(until) if self._behind else math.inf

    def limit(self, now: float) -> float:
        return self._behind.limit(now) if self._behind else math.inf


class Alternating:
    """Refuses every second request."""

    def __init__(self, kind: Kind | None = None) -> None:
        self._refusal, self._seen = Refusal(kind), 0

    def submit(self, now: float) -> Refusal | None:
        self._seen += 1
        return None if self._seen % 2 else self._refusal

    def allowed(self, until: float) -> float:
        return math.inf

    def limit(self, now: float) -> float:
        return math.inf
