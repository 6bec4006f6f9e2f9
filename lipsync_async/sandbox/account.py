"""What the account allows: keys, a request rate, running tasks and a balance; plain arithmetic on a handed-in `now`."""

from __future__ import annotations

import heapq
import math

_ROUNDING = 1e-9  # a client that waits exactly as long as it was told must not be refused for a rounding error


class TokenBucket:
    """A limit of `rate` requests a second that lets `burst` of them through at once (never less than one)."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float | None, now: float) -> None:
        if rate <= 0:
            raise ValueError("max_per_second must be above 0 (None: no limit)")
        self.rate = rate
        self.burst = max(1.0, rate if burst is None else burst)
        self._tokens = self.burst
        self._at = now

    def take(self, now: float) -> float:
        """Take a token and return 0.0, or take none and return the seconds until there will be one."""
        self._tokens = min(self.burst, self._tokens + max(0.0, now - self._at) * self.rate)
        self._at = max(self._at, now)
        if self._tokens >= 1.0 - _ROUNDING:
            self._tokens = max(0.0, self._tokens - 1.0)
            return 0.0
        return (1.0 - self._tokens) / self.rate


class RunningTasks:
    """The slots that tasks hold from `submitted` until they end; no timer runs, ends are looked at when asked for."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: list[float] = []

    def count(self, now: float) -> int:
        """How many tasks have not ended yet."""
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        return len(self._ends)

    def start(self, ends_at: float) -> None:
        """Take a slot until `ends_at`."""
        heapq.heappush(self._ends, ends_at)

    def seconds_until_free(self, now: float) -> float:
        """When the next task ends; 0.0 where none runs."""
        return self._ends[0] - now if self.count(now) else 0.0


class Purse:
    """The units that may still be spent; what is refunded is there again from the moment its task ends."""

    __slots__ = ("_left", "_refunds")

    def __init__(self, balance: float | None) -> None:
        self._left = balance
        self._refunds: list[tuple[float, float]] = []

    def left(self, now: float) -> float:
        """What may be spent now; infinite without a balance."""
        if self._left is None:
            return math.inf
        while self._refunds and self._refunds[0][0] <= now:
            self._left += heapq.heappop(self._refunds)[1]
        return self._left

    def pay(self, units: float) -> None:
        """Spend units, whether they are there or not."""
        if self._left is not None:
            self._left -= units

    def refund(self, units: float, at: float) -> None:
        """Give units back at a moment to come."""
        if self._left is not None and units:
            heapq.heappush(self._refunds, (at, units))


class Keys:
    """The keys that open the account, and those that once did with the code that refuses them now."""

    __slots__ = ("_codes",)

    def __init__(self, key: str) -> None:
        self._codes: dict[str, int] = {key: 0}

    @property
    def known(self) -> tuple[str, ...]:
        """Every key that opens the account, or once did."""
        return tuple(self._codes)

    def add(self, key: str) -> None:
        """Let a key in (again)."""
        self._codes[key] = 0

    def revoke(self, key: str, code: int) -> None:
        """Refuse a key from now on, with this code."""
        self._codes[key] = code

    def judge(self, authorization: str) -> int:
        """Give the code that refuses an Authorization header (contract, section 4), or 0 for one that is let in."""
        if not authorization:
            return 1001
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            return 1002
        return self._codes.get(key.strip(), 1002)
