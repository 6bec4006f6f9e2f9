"""The rules of a shared journal in plain Python: the model that PostgreSQL is compared with, and a table for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from lipsync_async.journal.claims import LEASES_UP, Claim, Elsewhere, Fate, Line, Settled, Table, Taken
from lipsync_async.journal.entries import Entry
from lipsync_async.journal.record import Record, State

ENDS = {State.ACCEPTED, State.REJECTED, State.UNKNOWN, State.NOT_SENT}


@define
class Row:
    """One job."""

    owner: str | None = None
    fence: int = 0
    step: int = 0
    record: Record | None = None

    @property
    def accepted(self) -> bool:
        """Nothing but another acceptance of the same task is written over it."""
        return self.record is not None and self.record.state is State.ACCEPTED


@define
class MemoryTable(Table):
    """Each call is done at once, at the server's time."""

    now: Callable[[], float]
    up_since: float = float("-inf")
    rows: dict[str, Row] = field(factory=dict)
    leases: dict[str, tuple[float, float]] = field(factory=dict)
    """By owner: when it is over, and how many seconds it has."""
    entries: dict[tuple[str, str], Entry] = field(factory=dict)
    notes: dict[str, str] = field(factory=dict)

    def is_over(self, owner: str) -> bool:
        """Whether the owner counts as dead."""
        until, seconds = self.leases.get(owner, (float("-inf"), 0.0))
        return until < self.now() and self.now() > self.up_since + LEASES_UP * seconds

    async def beat(self, owner: str, lease: float, held: tuple[str, ...], step: int) -> None:  # noqa: D102 - told by the base
        self.leases[owner] = (self.now() + lease, lease)
        for name, row in self.rows.items():
            if row.owner == owner and row.step <= step and name not in held:
                row.owner = None

    async def claim(self, owner: str, ids: tuple[str, ...], step: int) -> dict[str, Claim]:  # noqa: D102 - told by the base
        return {name: self._claim(owner, name, step) for name in ids}

    def _claim(self, owner: str, name: str, step: int) -> Claim:
        row = self.rows.setdefault(name, Row())
        if row.accepted:
            assert row.record is not None
            return Settled(row.record)
        free = row.step < step if row.owner == owner else row.owner is None or self.is_over(row.owner)
        if not free:
            return Elsewhere(row.record)
        row.owner, row.fence, row.step = owner, row.fence + 1, step
        return Taken(row.fence, row.record)

    async def write(self, owner: str, lines: tuple[Line, ...]) -> list[Fate]:  # noqa: D102 - told by the base
        return [self._write(owner, line) for line in lines]

    def _write(self, owner: str, line: Line) -> Fate:
        row = self.rows.get(line.external_task_id)
        if row is None:
            return Fate.WRITTEN if line.record is None else Fate.LOST
        record = line.record
        ours = row.owner == owner or (row.owner is None and not line.is_intent)
        if row.accepted:
            assert row.record is not None
            same = record is not None and record.state is State.ACCEPTED and record.task_id == row.record.task_id
            return Fate.WRITTEN if same or record is None else Fate.LOST
        if not (ours and row.fence == line.fence and row.step <= line.step):
            if record is None or record.state is not State.ACCEPTED:
                return Fate.WRITTEN if record is None else Fate.LOST
            row.record, row.owner = record, None
            return Fate.WRITTEN
        until = self.leases.get(owner, (float("-inf"), 0.0))[0]
        if line.is_intent and until <= self.now():
            return Fate.LATE
        row.step = line.step
        if record is not None:
            row.record = record
        if record is None or record.state in ENDS:
            row.owner = None
        return Fate.WRITTEN

    async def keep(self, kept: tuple[Entry, ...]) -> None:  # noqa: D102 - told by the base
        self.entries |= {(entry.kind, entry.name): entry for entry in kept}

    async def note(self, name: str, value: str) -> None:  # noqa: D102 - told by the base
        self.notes[name] = value

    async def recall(self, external_task_id: str) -> Record | None:  # noqa: D102 - told by the base
        row = self.rows.get(external_task_id)
        return None if row is None else row.record

    async def page(self, states: tuple[State, ...], after: int) -> list[tuple[int, Record]]:  # noqa: D102 - told by the base
        found = [(number, row.record) for number, row in enumerate(self.rows.values(), 1) if number > after]
        return [(number, record) for number, record in found if record is not None and record.state in states][:500]

    async def witness(self, key: bytes) -> Record | None:  # noqa: D102 - told by the base
        for row in self.rows.values():
            if row.accepted and row.record is not None and (row.record.key or b"") == key:
                return row.record
        return None

    async def aclose(self) -> None:  # noqa: D102 - told by the base
        pass


class NoReader:
    """Stands where nothing is read at once."""

    def close(self) -> None:
        """Does nothing."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was read at once")
