"""Whose a job is, where many processes write one journal: claims, fences, and leases. Pure.

A claim is (owner, fence). The owner is one open journal of one process; the fence grows with every claim of the job,
so what an earlier owner writes late does not count.
An owner lives by a lease in the server's time. It looks at a deadline of its own, which is never later than the lease:
it begins to count before the beat is sent, by a clock that also runs while the process or the machine is stopped.
An intent is written only while claim and lease hold, and the first byte leaves only while the deadline holds. So when
a lease is over, whatever its owner sent is out, and a look-up can find it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

import msgspec

from lipsync_async.errors import LipSyncError

from .entries import Entry
from .record import Record, State

LEASE = 30.0
"""Seconds for which an owner lives after a beat."""
BEATS = 3
"""Beats in a lease."""
MARGIN = 0.05
"""The share of a lease by which the own deadline is earlier: two clocks do not run at quite the same speed."""
LEASES_UP = 2
"""Leases for which the server must have been up before any lease counts as over.

After an outage all have run out, and who came back first would take over what lives.
"""


class Taken(msgspec.Struct, frozen=True):
    """The job is ours, with what was known of it."""

    fence: int
    record: Record | None


class Settled(msgspec.Struct, frozen=True):
    """It was accepted, and nobody claims it any more."""

    record: Record


class Elsewhere(msgspec.Struct, frozen=True):
    """Another process has it, and lives; `record` is what is known of it so far."""

    record: Record | None = None


Claim: TypeAlias = Taken | Settled | Elsewhere


class Line(msgspec.Struct, frozen=True):
    """One thing to be written for a claimed job."""

    external_task_id: str
    fence: int
    step: int
    """Grows with every line and claim of an owner: what comes late does not undo what came after it."""
    record: Record | None
    """None: the claim is given back."""

    @property
    def is_intent(self) -> bool:
        """It needs the lease as well."""
        return self.record is not None and self.record.state is State.OPEN


class Fate(Enum):
    """What became of a line."""

    WRITTEN = "written"
    """Also where it had been written before, and only the answer was lost."""
    LOST = "lost"
    """The claim is another's."""
    LATE = "late"
    """The claim is ours, and our lease ran out: it is renewed, and the intent is written again."""


class Table:
    """What a shared journal asks of its server; each call is one transaction, and durable when it returns.

    Raises `Away` where no answer came: what was asked may have been done or not.
    """

    async def beat(self, owner: str, lease: float, held: tuple[str, ...], step: int) -> None:
        """The owner lives for `lease` seconds from now; what it got up to `step` beyond `held` is given back."""
        raise NotImplementedError

    async def claim(self, owner: str, ids: tuple[str, ...], step: int) -> dict[str, Claim]:
        """Claims jobs. One that the owner got at an earlier step is claimed anew: the answer to that was lost."""
        raise NotImplementedError

    async def write(self, owner: str, lines: tuple[Line, ...]) -> list[Fate]:
        """Writes lines of different jobs. An acceptance is recorded whoever has the claim."""
        raise NotImplementedError

    async def keep(self, kept: tuple[Entry, ...]) -> None:
        """Puts entries in, each in place of what its kind and name had."""
        raise NotImplementedError

    async def note(self, name: str, value: str) -> None:
        """Keeps a note, in place of what it was."""
        raise NotImplementedError

    async def recall(self, external_task_id: str) -> Record | None:
        """The job of that id; reads, and does no more."""
        raise NotImplementedError

    async def page(self, states: tuple[State, ...], after: int) -> list[tuple[int, Record]]:
        """Some jobs in one of these states whose number is above `after`, in order."""
        raise NotImplementedError

    async def witness(self, key: bytes) -> Record | None:
        """An accepted job of that key."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Ends the connections."""


class Away(LipSyncError):  # noqa: N818 - a state, and no fault
    """The server gave no answer."""


def unstoppable() -> float:
    """Seconds on a clock that also runs while the machine sleeps, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Lease:
    """An owner's own look at its lease."""

    def __init__(self, seconds: float = LEASE, clock: Callable[[], float] = unstoppable) -> None:
        self.seconds = seconds
        self.clock = clock
        self.until = float("-inf")
        """By `clock`; from then on nothing is sent."""

    @property
    def pause(self) -> float:
        """Seconds between two beats."""
        return self.seconds / BEATS

    def beaten(self, asked_at: float) -> None:
        """A beat that was sent at `asked_at` was answered."""
        self.until = max(self.until, asked_at + self.seconds * (1.0 - MARGIN))

    def holds(self) -> bool:
        """Whether the owner is alive for sure."""
        return self.clock() < self.until
