"""What a process that shares limits says, and what it is told. All times are the store's, all spans are seconds."""

from __future__ import annotations

import math

import msgspec

from lipsync_async.config import Limits
from lipsync_async.terms import Kind


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """The leave to send one request at a moment, and not before."""

    number: int
    at: float
    granted: float
    """When it was given."""
    epoch: int
    aside: bool = False
    """For a request that makes no task."""


class News(msgspec.Struct, frozen=True, array_like=True):
    """One thing that happened at a member; the table of `book.py` says what each means."""

    what: str
    age: float = 0.0
    """Seconds before the report."""
    turn: int = 0
    """0: it was sent without one, while the store was away."""
    kind: Kind | None = None
    first: float | None = None
    second: float | None = None
    count: int = 1
    text: str = ""


class Known(msgspec.Struct, frozen=True, array_like=True):
    """What is known of the account, in short."""

    pace: float
    lo: float = 0.0
    hi: float = math.inf
    ceiling: float = math.inf
    live: int = 0


class Rules(msgspec.Struct, frozen=True, array_like=True):
    """The limits that somebody told, as far as they are the account's."""

    initial: float
    target_waste: float
    max_per_second: float | None = None
    max_running_tasks: int | None = None

    @classmethod
    def of(cls, limits: Limits) -> Rules:
        """Those of a client."""
        return cls(limits.initial_per_second, limits.target_waste, limits.max_per_second, limits.max_running_tasks)

    def limits(self) -> Limits:
        """For a pacer that many share: how many are in flight is each member's own affair."""
        return Limits(
            max_in_flight=1_000_000_000,
            initial_per_second=self.initial,
            target_waste=self.target_waste,
            max_per_second=self.max_per_second,
            max_running_tasks=self.max_running_tasks,
        )


class Report(msgspec.Struct, frozen=True, array_like=True):
    """What became of a member's turns since its last report."""

    member: str
    number: int
    """Counts up from 1: a report that comes twice is applied once."""
    rules: Rules
    waiting: int = 0
    """Requests at the door that have no turn, and may be in flight as well."""
    asides: int = 0
    """The same, of those that make no task."""
    news: tuple[News, ...] = ()
    known: Known | None = None
    """What it remembers, for a store that remembers nothing."""
    leaving: bool = False


class StopWord(msgspec.Struct, frozen=True, array_like=True):
    """What stopped one, and stops all."""

    number: int
    kind: Kind
    message: str


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """What a member is told."""

    number: int
    """Of the report that it answers."""
    now: float
    epoch: int
    """Turns of earlier ones are void: they are given back unused."""
    turns: tuple[Turn, ...]
    again: float
    """Seconds after which to ask again, for who waits."""
    known: Known
    members: int
    """Those that send or wait, the asker included."""
    accepted: int = 0
    refused: int = 0
    shut: bool = False
    """The gate is shut: the next reply is news for all."""
    holding: str = ""
    """What holds the next request back (`Pacer.waiting_for`)."""
    stop: StopWord | None = None
