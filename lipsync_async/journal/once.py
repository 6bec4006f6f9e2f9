"""One open journal for all who use its path at the same time, such as the web requests of one service."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Lock

from lipsync_async.errors import JournalError

from .face import AnyJournal, Journal
from .files import identity, stat
from .opening import is_url, open_journal
from .place import locate
from .trouble import elsewhere, strange


class _Entry:
    """An open journal, its users, and its opening and closing, each a task of its own that no user can cancel."""

    def __init__(self, path: str, owner: tuple[str, str]) -> None:
        self.path = path
        self.owner = owner
        self.loop = asyncio.get_running_loop()
        self.users = 0
        self.opening: asyncio.Task[AnyJournal] | None = None
        self.closing: asyncio.Task[None] | None = None

    def is_of(self, path: str) -> bool:
        """Whether that path means this journal."""
        here, there = stat(self.path), stat(path)
        same = here is not None and there is not None and identity(here) == identity(there)
        return same or path == self.path


# Guarded, for event loops in several threads may ask at once; whatever is in an entry is its loop's alone.
_guard = Lock()
_entries: list[_Entry] = []


@asynccontextmanager
async def share(
    path: str | os.PathLike[str], *, gateway: str, account: str = "default", network: bool | None = None
) -> AsyncIterator[AnyJournal]:
    """See `Journal.shared`."""
    home = f"{os.fspath(path)} {gateway} {account}" if is_url(path) else _home(path)
    entry = await _enter(home, (gateway, account))
    try:
        if entry.opening is None:
            opener = open_journal(path, gateway=gateway, account=account, network=network)
            entry.opening = entry.loop.create_task(opener)
        yield await _opened(entry)
    finally:
        entry.users -= 1
        if not entry.users:
            entry.closing = entry.loop.create_task(_close(entry))
            await asyncio.shield(entry.closing)


def _home(path: str | os.PathLike[str]) -> str:
    return locate(os.path.realpath(path))


async def _enter(path: str, owner: tuple[str, str]) -> _Entry:
    """The entry of that path with one user more; where it is being closed, a new one afterwards."""
    loop = asyncio.get_running_loop()
    while True:
        with _guard:
            entry = next((one for one in _entries if one.is_of(path)), None)
            if entry is None:
                entry = _Entry(path, owner)
                _entries.append(entry)
            if entry.loop is loop and entry.closing is None:
                if entry.owner != owner:
                    raise strange(path, entry.owner, *owner)
                entry.users += 1
                return entry
        if entry.loop is loop:
            assert entry.closing is not None
            await asyncio.shield(entry.closing)
        elif entry.loop.is_closed():
            await _bury(entry)
        else:
            raise elsewhere(path)


async def _opened(entry: _Entry) -> AnyJournal:
    assert entry.opening is not None
    try:
        journal = await asyncio.shield(entry.opening)
    except JournalError as error:
        raise JournalError(*error.args) from error  # a new one for each: a traceback grows with every raise
    if journal.failed is not None:
        raise JournalError(*journal.failed.args) from journal.failed
    return journal


async def _close(entry: _Entry) -> None:
    """Close what was opened; the entry is gone when another opening of the path can succeed."""
    assert entry.opening is not None
    try:
        journal = await entry.opening
    except JournalError:
        pass
    else:
        await journal.aclose()
    _forget(entry)


async def _bury(entry: _Entry) -> None:
    """A loop that was closed with its journal open leaves a thread that ends by itself: wait for that."""
    opening = entry.opening
    if opening is not None and opening.done() and not opening.cancelled() and opening.exception() is None:
        journal = opening.result()
        if isinstance(journal, Journal):
            await asyncio.to_thread(journal.abandon)
    _forget(entry)


def _forget(entry: _Entry) -> None:
    with _guard:
        if entry in _entries:
            _entries.remove(entry)
