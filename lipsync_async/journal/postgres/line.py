"""A connection to PostgreSQL that comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import asyncpg

from lipsync_async.errors import JournalError
from lipsync_async.journal.claims import Away

from . import refusals

T = TypeVar("T")
Connection: TypeAlias = Any
"""asyncpg's; it has no types of its own."""
_PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.exceptions.OperatorInterventionError,  # shut down, crashed, or not up yet
    asyncpg.exceptions.InsufficientResourcesError,  # too many connections, a full disk
    asyncpg.exceptions.TransactionRollbackError,  # a deadlock
    asyncpg.exceptions.LockNotAvailableError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,  # a standby that is about to take over
    OSError,
    TimeoutError,
)
"""What may be well a moment later."""


_SETTINGS = {
    "application_name": "lipsync-async",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    # Every question is for some rows by their ids. A table that grew since it was last looked through is taken for
    # a small one, and would be read from end to end.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "enable_material": "off",
}


class Line:
    """One connection, for one question at a time; opened when it is needed, and anew after every failure."""

    def __init__(self, url: str, name: str, patience: float, options: dict[str, Any]) -> None:
        self._url = url
        self._name = name
        self._patience = patience
        self._options = options
        # PgBouncer, which the option is for, refuses settings at the start.
        self._settings = {} if options.get("statement_cache_size") == 0 else _SETTINGS
        self._connection: Connection = None
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Line to {self._name}>"

    async def ask(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What `work` makes of the connection.

        Raises `Away` where no answer came in time, and `JournalError` where the server says no.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(self._patience):
                    if self._connection is None:
                        self._connection = await asyncpg.connect(
                            self._url, timeout=self._patience, server_settings=self._settings, **self._options
                        )
                    return await work(self._connection)
            except _PASSING as error:
                self._drop()
                raise Away(refusals.away(error)) from error
            except asyncpg.PostgresError as error:
                self._drop()
                raise JournalError(f"the journal {self._name}: {refusals.refused(error, self._url)}") from error
            except ValueError as error:
                if self._connection is None:  # of the URL: its text may hold a part of the password
                    raise JournalError(f"the journal {self._name}: {refusals.URL_FORM}") from None
                self._drop()
                raise JournalError(f"the journal {self._name}: {error}") from error
            except BaseException:
                self._drop()  # its answer may still be on the way
                raise

    async def aclose(self) -> None:
        """Hangs up."""
        self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
