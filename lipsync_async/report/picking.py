"""Which jobs are shown, of however many: all that failed first, then the slowest, then some of the rest. Pure.

Jobs come one by one, and no more than a table's rows are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from heapq import heappush, heapreplace
from typing import Generic, NamedTuple, TypeVar

import msgspec

ROWS = 2_000
"""Jobs that a page shows at most."""
REASONS = 40
"""Reasons that are told apart; those that come later are counted together."""
SLOWEST = 100
"""Jobs that are shown for the time that they took."""


class Reason(NamedTuple):
    """Why jobs came out as they did: the head of a group of rows."""

    came_out: str
    """One of `facts.WORDS`."""
    kind: str = ""
    message: str = ""
    """Of the first one, without its figures."""


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One job as the table shows it; texts are as the journal has them."""

    name: str
    """The external_task_id."""
    line: int | None = None
    task_id: str | None = None
    attempts: int = 0
    refusals: int = 0
    seconds: float | None = None
    """Of the task, from its submit by our clock to its end by the gateway's."""
    units: str | None = None
    at: float | None = None
    """When it was sent last, in Unix seconds."""
    message: str = ""
    path: str = ""
    """Where its video is."""


Key = TypeVar("Key", bound=Hashable)


class Fair(Generic[Key]):
    """The first rows of each group, so that a large group leaves room for the small ones."""

    def __init__(self, most: int = ROWS) -> None:
        self._most = most
        self._kept = 0
        self._cap = most
        self.rows: dict[Key, list[Row]] = {}
        self.counts: Counter[Key] = Counter()
        """All that came, kept or not."""

    def wants(self, group: Key) -> bool:
        """Counts one more of that group, and says whether its row is to be `put`."""
        self.counts[group] += 1
        return len(self.rows.get(group, ())) < self._cap

    def put(self, group: Key, row: Row) -> None:
        """Keeps a row that `wants` asked for; where there is no room, in place of the last of the largest group."""
        self.rows.setdefault(group, []).append(row)
        self._kept += 1
        if self._kept > self._most:
            largest = max(self.rows.values(), key=len)
            largest.pop()
            self._kept -= 1
            # No group may grow beyond the largest again, and those of its size may not grow at all.
            self._cap = max(1, min(self._cap, len(max(self.rows.values(), key=len))))


def shares(wanted: list[int], room: int) -> list[int]:
    """How many rows each group gets of so much room: as equal as can be, and none more than it wants."""
    given = [0] * len(wanted)
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    for served, place in enumerate(order):
        given[place] = min(wanted[place], room // (len(order) - served))
        room -= given[place]
    return given


class Slowest:
    """The rows whose tasks took longest."""

    def __init__(self, most: int = SLOWEST) -> None:
        self._most = most
        self._heap: list[tuple[float, int, Row]] = []
        self._number = 0
        self.least = -1.0
        """Seconds beyond which a row is wanted."""

    def put(self, took: float, row: Row) -> None:
        """Keeps a row that took longer than `least`."""
        self._number += 1
        item = (took, -self._number, row)
        if len(self._heap) < self._most:
            heappush(self._heap, item)
        else:
            heapreplace(self._heap, item)
        if len(self._heap) == self._most:
            self.least = self._heap[0][0]

    @property
    def rows(self) -> list[Row]:
        """The slowest first."""
        return [row for _, _, row in sorted(self._heap, key=lambda item: item[:2], reverse=True)]


class Sample:
    """Every so-manieth row: all of a few, and of many some that lie equally far from each other."""

    def __init__(self, most: int = ROWS) -> None:
        self._most = most
        self._every = 1
        self.seen = 0
        self.rows: list[Row] = []

    def wants(self) -> bool:
        """Counts one more, and says whether its row is to be `put`."""
        self.seen += 1
        return (self.seen - 1) % self._every == 0

    def put(self, row: Row) -> None:
        """Keeps a row that `wants` asked for; where there is no room, only every second one stays."""
        if len(self.rows) == self._most:
            del self.rows[1::2]
            self._every *= 2
            if (self.seen - 1) % self._every:
                return
        self.rows.append(row)


def spread(rows: list[Row], room: int) -> list[Row]:
    """So many of these rows, equally far from each other."""
    if len(rows) <= room:
        return rows
    return [rows[place * len(rows) // room] for place in range(room)]
