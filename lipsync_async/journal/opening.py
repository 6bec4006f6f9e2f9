"""A journal by its path or URL: `postgresql://...` is one for many processes, everything else a file."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from attrs import evolve

from lipsync_async.errors import ConfigurationError

from .looks import AnyReader
from .reader import Reader

if TYPE_CHECKING:
    from .face import Journal
    from .shared import SharedJournal

SCHEMES = ("postgresql://", "postgres://")
# The three forms: as it should be, with / in the password, and with more that a URL cannot have there.
_PASSWORD = re.compile(
    r"(//[^/@:]*):(?:[^/?]*|[^?]*|(?!\d+(?:,[^/?@]*)?[/?]).*)@|([?&]password=)[^&]*",
    re.DOTALL,
)
_NEEDED = "a journal in PostgreSQL needs asyncpg: pip install 'lipsync-async[postgres]'"


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether it is a journal that many processes share."""
    return os.fspath(path).startswith(SCHEMES)


def without_password(path: str | os.PathLike[str]) -> str:
    """The path or URL as it can be shown; PGPASSWORD or ~/.pgpass stand in for what is left out of a URL."""
    if not is_url(path):
        return os.fspath(path)
    return _PASSWORD.sub(lambda found: f"{found[1]}@" if found[1] else f"{found[2]}...", os.fspath(path))


async def open_journal(
    path: str | os.PathLike[str], *, gateway: str, account: str = "default", network: bool | None = None
) -> Journal | SharedJournal:
    """Opens or creates it. Raises `JournalError`, or `ConfigurationError` where the extra is missing."""
    if not is_url(path):
        from .face import Journal

        return await Journal.open(path, gateway=gateway, account=account, network=network)
    try:
        from .postgres.opening import open_postgres
    except ModuleNotFoundError as error:
        raise ConfigurationError(_NEEDED) from error
    return await open_postgres(os.fspath(path), gateway=gateway, account=account)


def open_reader(path: str | os.PathLike[str], *, gateway: str = "", account: str = "") -> AnyReader:
    """Looks at a journal that is there; of several in one database, at that of the gateway and account.

    Raises `JournalError`, or `ConfigurationError` where the extra is missing.
    """
    if not is_url(path):
        return Reader(path)
    try:
        from .postgres.opening import read_url
        from .postgres.reader import PgReader
    except ModuleNotFoundError as error:
        raise ConfigurationError(_NEEDED) from error
    address = read_url(os.fspath(path))
    whose = evolve(address, gateway=address.gateway or gateway, account=address.account or account)
    return PgReader(whose).open()
