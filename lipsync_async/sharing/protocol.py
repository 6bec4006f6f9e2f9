"""What a store of shared limits is."""

from __future__ import annotations

from typing import Protocol

from lipsync_async.dispatch.pacing.exchange import Grant, Report
from lipsync_async.errors import LipSyncError


class StoreAwayError(LipSyncError):
    """The store did not answer, or not in time; the same report may be sent again."""


class SharedLimits(Protocol):
    """A store that keeps the book of one account; every process has one of its own, and they meet in the store."""

    async def exchange(self, report: Report) -> Grant:
        """Has a report applied, once by member and number, and returns the answer.

        Raises `StoreAwayError`, or `OtherVersionError` where another version of this library keeps the book.
        """
        ...

    async def aclose(self) -> None:
        """Lets go of the store."""
        ...

    def __str__(self) -> str:
        """Where it is, for people; no password."""
        ...
