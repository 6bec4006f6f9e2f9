"""A client in virtual time that meets a limiter (`_limiters`), and the algorithms of others that it can be given."""
# ruff: noqa: ARG002 - protocols hand in more than every model needs

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Protocol

import attrs

from lipsync_async.config import Limits
from lipsync_async.dispatch.pacing import Pacer
from lipsync_async.terms import Kind

from ._limiters import Alarm, Limiter, Refusal, Slots, World


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
        self._alarm = Alarm(world, self.pump)
        if isinstance(limiter, Slots):
            limiter.ended = self._task_ended

    @property
    def finished(self) -> bool:
        return self._jobs == self.run.accepted

    def pump(self) -> None:
        while self._free and (self._again or self._begun < self._jobs):
            wait = self._algorithm.admit(self._world.now)
            if wait:
                self._alarm.set(self._world.now + wait)
                return
            if not self._again:
                self._begun += 1
            self._send(self._again.pop() if self._again else 1)

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
