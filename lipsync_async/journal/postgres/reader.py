"""A look at a journal in PostgreSQL that is had at once: for commands, and for what a run reads rarely.

The questions are asked in a thread of its own, for asyncpg has no other way.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from lipsync_async.errors import JournalError
from lipsync_async.journal.claims import Away
from lipsync_async.journal.entries import Entry
from lipsync_async.journal.looks import AnyReader, NoJournalError
from lipsync_async.journal.record import Record, State

from . import line, statements
from .rows import clean, from_values

if TYPE_CHECKING:
    from .opening import Address

PATIENCE = 10.0
"""Seconds for one question."""
OUTAGE = 5.0
"""Seconds for which a question is asked again while the server restarts. The caller stands still meanwhile."""
_T = TypeVar("_T")
_ENTRY = "SELECT kind, name, state, value, seq FROM lipsync_entries WHERE journal = $1 AND kind = $2"
_SETTLED = """SELECT external_task_id, seq FROM lipsync_jobs
WHERE journal = $1 AND seq > $2 AND state IN ('accepted', 'rejected') ORDER BY seq LIMIT 500"""
_HOLDERS = """SELECT o.who FROM lipsync_owners o WHERE o.lease > clock_timestamp()
AND EXISTS (SELECT 1 FROM lipsync_jobs j WHERE j.owner = o.owner AND j.journal = $1) ORDER BY o.who"""
_COUNTS = "SELECT state, count(*) FROM lipsync_jobs WHERE journal = $1 AND state IS NOT NULL GROUP BY state"


class PgReader(AnyReader):
    """Reads one journal of a database; connects when it is first asked."""

    def __init__(self, address: Address, journal: int | None = None) -> None:
        self.path = address.name
        self._address = address
        self._number = journal
        self._portal: BlockingPortal | None = None
        self._thread: AbstractContextManager[BlockingPortal] | None = None
        self._line: line.Line | None = None
        self._whose: tuple[str, str, str, bytes] | None = None

    def open(self) -> PgReader:
        """Looks whether it is there. Raises `JournalError`."""
        try:
            self._journal()
        except BaseException:
            self.close()
            raise
        return self

    @property
    def journal_id(self) -> str:  # noqa: D102 - told by the base
        return self._journal()[2]

    @property
    def gateway(self) -> str:  # noqa: D102
        return self._journal()[0]

    @property
    def account(self) -> str:  # noqa: D102
        return self._journal()[1]

    @property
    def salt(self) -> bytes:  # type: ignore[override]  # noqa: D102
        return self._journal()[3]

    def holder(self) -> str:  # noqa: D102
        rows = self._rows(_HOLDERS)
        if not rows:
            return ""
        return rows[0][0] if len(rows) == 1 else f"{rows[0][0]}, and {len(rows) - 1} more"

    def recall(self, external_task_id: str) -> Record | None:  # noqa: D102
        rows = self._rows(statements.RECALL, clean(external_task_id))
        return from_values(rows[0]) if rows else None

    def is_empty(self) -> bool:  # noqa: D102
        return not self._rows("SELECT 1 FROM lipsync_jobs WHERE journal = $1 AND state IS NOT NULL LIMIT 1")

    def records_of(self, states: Collection[State]) -> Iterator[Record]:  # noqa: D102
        for rows in self._pages(statements.PAGE, [state.value for state in states]):
            yield from map(from_values, rows)

    def settled_ids(self) -> Iterator[str]:  # noqa: D102
        for rows in self._pages(_SETTLED):
            for row in rows:
                yield row[0]

    def counts(self) -> dict[State, int]:  # noqa: D102
        found = dict(map(tuple, self._rows(_COUNTS)))
        return {state: found.get(state.value, 0) for state in State}

    def entry(self, kind: str, name: str) -> Entry | None:  # noqa: D102
        rows = self._rows(f"{_ENTRY} AND name = $3", kind, clean(name))
        return _entry(rows[0]) if rows else None

    def entries(self, kind: str) -> Iterator[Entry]:  # noqa: D102
        for rows in self._pages(f"{_ENTRY} AND seq > $3 ORDER BY seq LIMIT 500", kind):
            yield from map(_entry, rows)

    def entries_of(self, kind: str, names: Sequence[str]) -> dict[str, Entry]:  # noqa: D102
        rows = self._rows(f"{_ENTRY} AND name = ANY($3::text[])", kind, list(map(clean, names))) if names else []
        return {row["name"]: _entry(row) for row in rows}

    def entry_counts(self, kind: str) -> dict[str, int]:  # noqa: D102
        query = "SELECT state, count(*) FROM lipsync_entries WHERE journal = $1 AND kind = $2 GROUP BY state"
        return dict(map(tuple, self._rows(query, kind)))

    def note(self, name: str) -> str | None:  # noqa: D102
        return self._value(f"note:{name}")

    def knows_list(self, digest: str) -> bool:  # noqa: D102
        return self._value(f"list:{digest}") is not None

    def list_lengths(self) -> list[int]:  # noqa: D102
        rows = self._rows("SELECT value FROM lipsync_notes WHERE journal = $1 AND name LIKE 'list:%'")
        return [int(row[0]) for row in rows if row[0].isdecimal()]

    def close(self) -> None:  # noqa: D102
        thread, self._thread, portal, self._portal = self._thread, None, self._portal, None
        if thread is not None and portal is not None:
            if self._line is not None:
                portal.call(self._line.aclose)
            thread.__exit__(None, None, None)

    def _value(self, name: str) -> str | None:
        rows = self._rows("SELECT value FROM lipsync_notes WHERE journal = $1 AND name = $2", clean(name))
        return rows[0][0] if rows else None

    def _pages(self, query: str, *values: Any) -> Iterator[list[Any]]:
        last = 0
        while rows := self._rows(query, *values, last):
            last = rows[-1]["seq"]
            yield rows

    def _rows(self, query: str, *values: Any) -> list[Any]:
        number = self._number
        if number is None:
            self._journal()
            number = self._number
        return self._ask(lambda connection: connection.fetch(query, number, *values))

    def _journal(self) -> tuple[str, str, str, bytes]:
        """Whose it is; finds out which one, where the database has only one that it can be."""
        if self._whose is None:
            row = _the_one(self._address, self._ask(self._look))
            if self._number is None:
                self._number = row["id"]
            self._whose = row["gateway"], row["account"], row["journal_id"], row["salt"]
        return self._whose

    async def _look(self, connection: line.Connection) -> list[Any]:
        if await connection.fetchval("SELECT to_regclass('lipsync_journals')") is None:
            return []
        rows = await connection.fetch("SELECT * FROM lipsync_journals ORDER BY id")
        return [row for row in rows if self._number in (None, row["id"])]

    def _ask(self, work: Callable[[line.Connection], Awaitable[_T]]) -> _T:
        if self._portal is None:
            self._thread = start_blocking_portal()
            self._portal = self._thread.__enter__()
            self._line = None
        if self._line is None:
            self._line = self._portal.call(self._address.line, PATIENCE)
        until = time.monotonic() + OUTAGE
        while True:
            try:
                return self._portal.call(self._line.ask, work)
            except Away as error:  # at once again: a connection that nobody used is found to be dead only now
                if time.monotonic() >= until:
                    raise JournalError(f"the journal {self.path} cannot be read: {error}") from error
                time.sleep(0.1)


def _the_one(address: Address, rows: list[Any]) -> Any:
    wanted = [
        row for row in rows if address.gateway in {"", row["gateway"]} and address.account in {"", row["account"]}
    ]
    if len(wanted) == 1:
        return wanted[0]
    if not wanted:
        raise NoJournalError(f"there is no journal in {address.name}: no list was run with it")
    names = ", ".join(f"gateway={row['gateway']} account={row['account']}" for row in wanted)
    raise JournalError(f"{address.name} has several journals ({names}): add ?gateway=...&account=... to the URL")


def _entry(row: Any) -> Entry:
    return Entry(kind=row["kind"], name=row["name"], state=row["state"], value=row["value"])
