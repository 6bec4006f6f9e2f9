"""What a `SharedJournal` asks, in PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Sequence
from typing import Any

from lipsync_async.journal.claims import Claim, Elsewhere, Fate, Line, Settled, Table, Taken
from lipsync_async.journal.entries import Entry
from lipsync_async.journal.record import Record, State

from . import line, statements
from .rows import COLUMNS, clean, from_values, to_values, transposed

_ENDS = frozenset({State.ACCEPTED, State.REJECTED, State.UNKNOWN, State.NOT_SENT})
_STATE, _ID = COLUMNS.index("state"), COLUMNS.index("external_task_id")
_log = logging.getLogger("lipsync_async")


class PgTable(Table):
    """The rows of one gateway and account. Lines go over one connection, claims and beats over another."""

    def __init__(self, lines: line.Line, claims: line.Line, journal: int) -> None:
        self._lines = lines
        self._claims = claims
        self._journal = journal
        self._who = f"pid {os.getpid()} on {socket.gethostname()}"

    async def beat(self, owner: str, lease: float, held: tuple[str, ...], step: int) -> None:  # noqa: D102
        async def work(connection: line.Connection) -> None:
            await connection.execute(statements.BEAT, owner, lease, self._who)
            await connection.execute(statements.STRAYS, owner, self._journal, step, list(map(clean, held)))

        await self._claims.ask(work)

    async def claim(self, owner: str, ids: tuple[str, ...], step: int) -> dict[str, Claim]:  # noqa: D102
        names = {clean(name): name for name in ids}

        async def work(connection: line.Connection) -> dict[str, Claim]:
            claims = await self._claim(connection, owner, set(names), step)
            return {names[name]: claim for name, claim in claims.items()}

        return await self._claims.ask(work)

    async def _claim(self, connection: line.Connection, owner: str, ids: set[str], step: int) -> dict[str, Claim]:
        journal = self._journal
        claims = _taken(await connection.fetch(statements.CLAIM, journal, owner, list(ids), step))
        left = list(ids - claims.keys())
        if not left:
            return claims
        standing = await connection.fetch(statements.STANDING, journal, left, owner)
        dead = [row["owner"] for row in standing if row["over"] and row["owner"] is not None]
        for row in standing:
            record = _record(row)
            if record is not None and record.state is State.ACCEPTED:
                claims[row[_ID]] = Settled(record)
            else:
                claims[row[_ID]] = Elsewhere(record)
        if dead:
            claims |= _taken(await connection.fetch(statements.TAKE_OVER, journal, owner, left, step, dead))
        return {name: claims.get(name, Elsewhere()) for name in ids}

    async def write(self, owner: str, lines: tuple[Line, ...]) -> list[Fate]:  # noqa: D102
        records = [one for one in lines if one.record is not None]
        gone = [one for one in lines if one.record is None]

        async def work(connection: line.Connection) -> dict[str, Fate]:
            if gone:
                ids = [clean(one.external_task_id) for one in gone]
                fences, steps = [one.fence for one in gone], [one.step for one in gone]
                await connection.fetch(statements.RELEASE, self._journal, owner, ids, fences, steps)
            return await self._put(connection, owner, records) if records else {}

        fates = await self._lines.ask(work)
        return [fates.get(clean(one.external_task_id), Fate.WRITTEN) for one in lines]

    async def _put(self, connection: line.Connection, owner: str, lines: Sequence[Line]) -> dict[str, Fate]:
        rows = [to_values(one.record) for one in lines if one.record is not None]
        fences, steps = [one.fence for one in lines], [one.step for one in lines]
        ends = [one.record is not None and one.record.state in _ENDS for one in lines]
        columns = transposed(rows, len(COLUMNS))
        written = await connection.fetch(statements.WRITE, self._journal, owner, fences, steps, ends, *columns)
        fates = {row[0]: Fate.WRITTEN for row in written}
        if len(fates) < len(rows):
            left = [(one, row) for one, row in zip(lines, rows, strict=True) if row[_ID] not in fates]
            fates |= await self._put_late(connection, owner, left)
        return fates

    async def _put_late(
        self, connection: line.Connection, owner: str, left: list[tuple[Line, list[Any]]]
    ) -> dict[str, Fate]:
        """Of lines that were not written: an acceptance is, whoever has the claim; of the others it is found why."""
        accepted = [row for _, row in left if row[_STATE] == State.ACCEPTED.value]
        fates: dict[str, Fate] = {}
        if accepted:
            put = await connection.fetch(statements.ACCEPT, self._journal, *transposed(accepted, len(COLUMNS)))
            fates = {row[0]: Fate.WRITTEN for row in put}
        ids = [row[_ID] for _, row in left if row[_ID] not in fates]
        there = {row[0]: row for row in await connection.fetch(statements.WHY, self._journal, ids)} if ids else {}
        for one, _ in left:
            name = clean(one.external_task_id)
            if name not in fates:
                fates[name] = why(owner, one, there.get(name))
        return fates

    async def keep(self, kept: tuple[Entry, ...]) -> None:  # noqa: D102
        columns = transposed([(one.kind, clean(one.name), one.state, one.value) for one in kept], 4)
        await self._lines.ask(lambda connection: connection.execute(statements.KEEP, self._journal, *columns))

    async def note(self, name: str, value: str) -> None:  # noqa: D102
        values = self._journal, clean(name), clean(value)
        await self._lines.ask(lambda connection: connection.execute(statements.NOTE, *values))

    async def recall(self, external_task_id: str) -> Record | None:  # noqa: D102
        found = await self._fetch(statements.RECALL, clean(external_task_id))
        return from_values(found[0]) if found else None

    async def page(self, states: tuple[State, ...], after: int) -> list[tuple[int, Record]]:  # noqa: D102
        found = await self._fetch(statements.PAGE, [state.value for state in states], after)
        return [(row["seq"], from_values(row)) for row in found]

    async def witness(self, key: bytes) -> Record | None:  # noqa: D102
        found = await self._fetch(statements.WITNESS, key or None)
        return from_values(found[0]) if found else None

    async def _fetch(self, query: str, *values: Any) -> list[Any]:
        return await self._claims.ask(lambda connection: connection.fetch(query, self._journal, *values))

    async def aclose(self) -> None:  # noqa: D102
        await asyncio.gather(self._lines.aclose(), self._claims.aclose())


def why(owner: str, one: Line, row: Any) -> Fate:
    """What became of a line that was not written, by the row as it is now."""
    if row is None or one.record is None:
        return Fate.LOST
    if row["state"] == State.ACCEPTED.value and one.record.state is State.ACCEPTED:
        if row["task_id"] == clean(one.record.task_id):
            return Fate.WRITTEN  # before, and the answer was lost
        text = "%s was accepted as task %s and as task %s: it may have been paid for twice"
        _log.error(text, one.external_task_id, row["task_id"], one.record.task_id)
        return Fate.LOST
    ours = row["owner"] == owner and row["fence"] == one.fence and row["step"] <= one.step
    return Fate.LATE if one.is_intent and ours and row["state"] != State.ACCEPTED.value else Fate.LOST


def _taken(rows: list[Any]) -> dict[str, Claim]:
    return {row[_ID]: Taken(row["fence"], _record(row)) for row in rows}


def _record(row: Any) -> Record | None:
    """None for a job that was claimed, and never intended."""
    return None if row[_STATE] is None else from_values(row)
