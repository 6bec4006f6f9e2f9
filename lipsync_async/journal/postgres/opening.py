"""From a URL to an open journal: its options, the tables, and the journal's own row."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from attrs import frozen

from lipsync_async.errors import JournalError
from lipsync_async.journal.claims import LEASE, Away, Lease
from lipsync_async.journal.opening import without_password
from lipsync_async.journal.schema import SALT_BYTES
from lipsync_async.journal.shared import MAX_OUTAGE, SharedJournal

from . import line, statements
from .reader import PgReader
from .refusals import URL_FORM
from .table import PgTable

OPENING = 10.0
"""Seconds for a server that restarts just now."""
T = TypeVar("T")
_OWN = ("lease", "max_outage", "gateway", "account", "statement_cache_size")


@frozen
class Address:
    """A journal's URL, read: `postgresql://user:password@host/database?lease=30`."""

    url: str
    """As asyncpg takes it."""
    name: str
    """Without a password."""
    lease: float = LEASE
    """Seconds for which the jobs of a process that died are left alone."""
    max_outage: float = MAX_OUTAGE
    gateway: str = ""
    account: str = ""
    """Which journal of the database is looked at, where it has several."""
    options: tuple[tuple[str, Any], ...] = ()

    def line(self, patience: float) -> line.Line:
        """A connection that gives up a question after so many seconds."""
        return line.Line(self.url, self.name, patience, dict(self.options))


def read_url(url: str) -> Address:
    """Raises `JournalError` for what is no URL, and for an option that says nothing."""
    name = without_password(url)
    try:
        parts = urlsplit(url)
    except ValueError:  # its text may hold a part of the password
        raise JournalError(f"the journal {name}: {URL_FORM}") from None
    query = parse_qsl(parts.query, keep_blank_values=True)
    own = {key: value for key, value in query if key in _OWN}
    rest = urlencode([(key, value) for key, value in query if key not in _OWN])
    plain = urlunsplit(parts._replace(query=rest))
    try:
        lease, outage = float(own.get("lease", LEASE)), float(own.get("max_outage", MAX_OUTAGE))
        cache = own.get("statement_cache_size")
        options = () if cache is None else (("statement_cache_size", int(cache)),)
    except ValueError as error:
        raise JournalError(f"the journal {name}: {error}") from error
    if not (lease > 0 and outage > 0):
        raise JournalError(f"the journal {name}: lease and max_outage are seconds above 0")
    return Address(plain, name, lease, outage, own.get("gateway", ""), own.get("account", ""), options)


async def open_postgres(url: str, *, gateway: str, account: str = "default") -> SharedJournal:
    """Opens the journal of that gateway and account, and makes what is missing. Raises `JournalError`."""
    address = read_url(url)
    patience = min(10.0, max(1.0, address.lease / 2))
    lines, claims = address.line(patience), address.line(patience)
    try:
        number, salt = await reach(address.name, lambda: claims.ask(lambda one: _prepare(one, gateway, account)))
    finally:
        await claims.aclose()
    reader = PgReader(address, journal=number)
    journal = SharedJournal(
        PgTable(lines, claims, number),
        reader,
        salt=salt,
        name=address.name,
        lease=Lease(address.lease),
        max_outage=address.max_outage,
    )
    try:
        await reach(address.name, journal.begin)
    except BaseException:
        await journal.aclose()
        raise
    return journal


async def reach(name: str, ask: Callable[[], Awaitable[T]]) -> T:
    """The answer of a server that may be about to come up. Raises `JournalError` where it does not."""
    clock = asyncio.get_running_loop().time
    until = clock() + OPENING
    while True:
        try:
            return await ask()
        except Away as error:
            if clock() >= until:
                raise JournalError(f"the journal {name} cannot be reached: {error}") from error
            await asyncio.sleep(0.2)


async def _prepare(connection: line.Connection, gateway: str, account: str) -> tuple[int, bytes]:
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", statements.LOCK)
        if await connection.fetchval("SELECT to_regclass('lipsync_schema')") is None:
            await connection.execute(statements.SCHEMA)
            await connection.execute("INSERT INTO lipsync_schema VALUES ($1)", statements.VERSION)
        version = await connection.fetchval("SELECT max(version) FROM lipsync_schema")
        if version != statements.VERSION:
            known = statements.VERSION
            raise JournalError(f"the tables were made by another version of lipsync-async ({version}, not {known})")
        salt, name = secrets.token_bytes(SALT_BYTES), secrets.token_hex(16)
        await connection.execute(statements.NEW_JOURNAL, gateway, account, name, salt)
        row = await connection.fetchrow(statements.JOURNAL, gateway, account)
    return row["id"], row["salt"]


__all__ = ["Address", "open_postgres", "read_url"]
