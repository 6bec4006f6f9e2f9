"""Limiters and a client in virtual time: a heap of events, seeded dice, no clock.

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

from lipsync_async.config import Limits
from lipsync_async.dispatch.pacing import Pacer
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


# -------------------------------------------------------------------------------------------------- client


class Algorithm(Protocol):
    """What decides when a request may go; `Pacer` is one."""

    def admit(self, now: float) -> float: ...
    def accepted(self, now: float, sent_at: float) -> None: ...
    def refused(self, now: float, sent_at: float, kind: Kind | None, hint: float | None) -> None: ...
    def completed(self, now: float, tasks: int = 1, *, age: float | None = None, took: float | None = None) -> None: ...
    def backoff(self, attempt: int, hint: float | None) -> float:
        """Seconds that the worker sleeps with its refused job before it asks again."""


@attrs.frozen
class Network:
    """One way: at least `least` s, and an exponential of mean `spread` s; a reply's work takes a lognormal time."""

    least: float
    spread: float
    accepted: float
    refused: float

    def out(self, dice: random.Random) -> float:
        return self.least + dice.expovariate(1 / self.spread)

    def back(self, dice: random.Random, admitted: bool) -> float:
        return dice.lognormvariate(math.log(self.accepted if admitted else self.refused), 0.4)


FAR = Network(0.030, 0.020, 0.35, 0.08)
"""Another continent, as in the yardstick: neighbours change places."""
NEAR = Network(0.001, 0.0005, 0.05, 0.002)
"""A limiter on the same machine or in the same building."""


@attrs.define
class Run:
    accepted: int = 0
    refused: int = 0
    elapsed: float = 0.0
    allowed: float = 0.0
    curve: list[tuple[float, float, float]] = attrs.Factory(list)

    @property
    def goodput(self) -> float:
        """Percent of what the limiter would have admitted."""
        return 100 * self.accepted / self.allowed

    @property
    def waste(self) -> float:
        """Percent of the requests that were refused."""
        return 100 * self.refused / max(1, self.accepted + self.refused)

    @property
    def requests_per_job(self) -> float:
        return (self.accepted + self.refused) / max(1, self.accepted)


class Client:
    """64 workers on a list without end, or of `jobs` jobs; what is refused is sent again."""

    def __init__(
        self,
        world: World,
        limiter: Limiter,
        algorithm: Algorithm,
        dice: random.Random,
        *,
        network: Network = FAR,
        jobs: float = math.inf,
        poll: float | None = None,
    ) -> None:
        self.run = Run()
        self._world, self._limiter, self._algorithm, self._dice = world, limiter, algorithm, dice
        self._network, self._poll, self._free = network, poll, 64
        self._jobs = jobs
        self._begun = 0
        self._again: list[int] = []
        self._wake_at = math.inf
        if isinstance(limiter, Slots):
            limiter.ended = self._task_ended

    @property
    def finished(self) -> bool:
        return self._jobs == self.run.accepted

    def pump(self) -> None:
        while self._free and (self._again or self._begun < self._jobs):
            wait = self._algorithm.admit(self._world.now)
            if wait:
                self._wake(self._world.now + wait)
                return
            if not self._again:
                self._begun += 1
            self._send(self._again.pop() if self._again else 1)

    def _wake(self, when: float) -> None:
        if self._world.now < self._wake_at <= when or when == math.inf:
            return
        self._wake_at = when
        self._world.at(when, lambda: self._woken(when))

    def _woken(self, when: float) -> None:
        if self._wake_at == when:
            self._wake_at = math.inf
            self.pump()

    def _send(self, attempt: int) -> None:
        self._free -= 1
        sent_at = self._world.now
        self._world.at(sent_at + self._network.out(self._dice), lambda: self._arrive(sent_at, attempt))

    def _arrive(self, sent_at: float, attempt: int) -> None:
        refusal = self._limiter.submit(self._world.now)
        if refusal is None:
            self.run.accepted += 1
            self.run.elapsed = self._world.now
        else:
            self.run.refused += 1
        back = self._network.back(self._dice, refusal is None)
        self._world.at(self._world.now + back, lambda: self._reply(sent_at, attempt, refusal))

    def _reply(self, sent_at: float, attempt: int, refusal: Refusal | None) -> None:
        now = self._world.now
        if refusal is None:
            self._free += 1
            self._algorithm.accepted(now, sent_at)
        else:
            self._algorithm.refused(now, sent_at, refusal.kind, refusal.hint)
            if pause := self._algorithm.backoff(attempt, refusal.hint):
                self._world.at(now + pause, lambda: self._release(attempt + 1))
            else:
                self._release(attempt + 1)
        self.pump()

    def _release(self, attempt: int) -> None:
        self._free += 1
        self._again.append(attempt)
        self.pump()

    def _task_ended(self, born: float) -> None:
        took = self._world.now - born
        if self._poll is not None:
            self._world.at(self._world.now + self._dice.uniform(0, self._poll), lambda: self._seen(born, took))

    def _seen(self, born: float, took: float) -> None:
        self._algorithm.completed(self._world.now, age=self._world.now - born, took=took)
        self.pump()


Build = Callable[[World, random.Random], Limiter]


def simulate(
    build: Build,
    algorithm: Callable[[random.Random], Algorithm],
    seed: int,
    *,
    seconds: float = 100_000.0,
    jobs: float = math.inf,
    network: Network = FAR,
    poll: float | None = None,
    curve: Callable[[Algorithm], float] | None = None,
) -> Run:
    """One client on one limiter, for so many seconds or jobs; `curve` reads the pace, every second."""
    world, dice, own = World(), random.Random(seed), random.Random(seed * 7)
    limiter, algo = build(world, dice), algorithm(own)
    client = Client(world, limiter, algo, own, network=network, jobs=jobs, poll=poll)

    def sample() -> None:
        assert curve is not None
        client.run.curve.append((world.now, curve(algo), limiter.limit(world.now)))
        world.at(world.now + 1, sample)

    if curve is not None:
        world.at(0.5, sample)
    client.pump()
    world.run(seconds, lambda: client.finished)
    client.run.allowed = limiter.allowed(seconds)
    return client.run


# ----------------------------------------------------------------------------------------------- algorithms


class Learned:
    """`Pacer`, as the client asks."""

    def __init__(self, dice: random.Random, limits: Limits | None = None) -> None:
        self.pacer = Pacer(limits or Limits(), dice=dice.random)
        self.admit, self.accepted = self.pacer.admit, self.pacer.accepted
        self.refused, self.completed = self.pacer.refused, self.pacer.completed

    def backoff(self, attempt: int, hint: float | None) -> float:
        return 0.0


class PerJobBackoff:
    """What everybody ships: each job backs off by itself, exponentially, with jitter, for its hint at least."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def admit(self, now: float) -> float:
        return 0.0

    def accepted(self, now: float, sent_at: float) -> None: ...
    def refused(self, now: float, sent_at: float, kind: Kind | None, hint: float | None) -> None: ...
    def completed(self, now: float, tasks: int = 1, *, age: float | None = None, took: float | None = None) -> None: ...

    def backoff(self, attempt: int, hint: float | None) -> float:
        return max(hint or 0.0, min(5.0, 0.1 * 2.0 ** min(10, attempt - 1) + self._dice.random()))


class PauseAll(PerJobBackoff):
    """One gate for all: shut for the hint, else for 1 s, doubling to 30; then all go again."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__(dice)
        self._gate, self._misses = 0.0, 0

    def admit(self, now: float) -> float:
        return max(0.0, self._gate - now)

    def accepted(self, now: float, sent_at: float) -> None:
        self._misses = 0

    def refused(self, now: float, sent_at: float, kind: Kind | None, hint: float | None) -> None:
        if now < self._gate:
            return
        wait = hint if hint is not None else min(30.0, 2.0**self._misses) * self._dice.uniform(0.5, 1)
        self._misses = min(5, self._misses + 1)
        self._gate = now + wait

    def backoff(self, attempt: int, hint: float | None) -> float:
        return 0.0


class AIMD(PerJobBackoff):
    """Requests in flight: one more per success that used them, a tenth less per refusal; its job rests a second."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__(dice)
        self._limit, self._in_flight = 20.0, 0

    def admit(self, now: float) -> float:
        if self._in_flight >= int(self._limit):
            return math.inf
        self._in_flight += 1
        return 0.0

    def accepted(self, now: float, sent_at: float) -> None:
        if self._in_flight * 2 >= self._limit:
            self._limit = min(64.0, self._limit + 1)
        self._in_flight -= 1

    def refused(self, now: float, sent_at: float, kind: Kind | None, hint: float | None) -> None:
        self._limit = max(1.0, self._limit * 0.9)
        self._in_flight -= 1

    def backoff(self, attempt: int, hint: float | None) -> float:
        return max(1.0, hint or 0.0)
