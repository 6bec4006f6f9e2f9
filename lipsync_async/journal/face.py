"""The journal as asyncio sees it: a thread that commits whatever is queued, or the same without a thread."""

from __future__ import annotations

import asyncio
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self

from lipsync_async.errors import JournalError

from . import entries
from .claims import Claim
from .entries import Entry, EntryRow
from .looks import AnyReader
from .reader import MEMORY, Reader
from .record import Record, State
from .rows import Group, grouped, to_rows
from .store import Store
from .thread import Done, Task, failure_of, nothing, serve, settle
from .trouble import gone

__all__ = ["ENOUGH", "AnyJournal", "Done", "InlineJournal", "Journal"]

ENOUGH = 128
"""Rows that are committed without waiting for more."""
QUIET = 4
"""Rounds of the loop that bring nothing new before less is committed.

What a commit let go is on the wire after one; after the others a gateway that is near has answered, so that the next
commit has most of a window. A round without work takes microseconds.
"""
_PATIENCE = 30.0
"""Seconds for the commit that may be under way when a loop is closed."""


class AnyJournal(ABC):
    """A journal as asyncio sees it."""

    failed: JournalError | None = None
    """What broke the journal; from then on every write raises it, for what comes after a lost write proves nothing."""
    needs_claims = False
    """Other processes may write it at the same time: a job is claimed before it is sent."""
    reader: AnyReader
    """Sees what is durable: `records`, `counts`, `note`, `knows_list`; each may read the disk at once."""
    runs = 0
    """How many runs have begun to write to it since it was opened.

    It only grows: a run that has ended may have written jobs that the next one has to know.
    """

    def __init__(self) -> None:
        self.under_way: dict[str, Any] = {}
        """Ids of jobs that are on their way, whichever run or client of this journal has them; kept by the runs."""

    @property
    def salt(self) -> bytes:
        """16 random bytes, made with the journal, for salted marks of API keys."""
        return self.reader.salt

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def recall(self, external_task_id: str) -> Record | None:
        """The job of that id as it is on disk, or None; what is only queued is not seen.

        A point lookup of some 10 µs, made at once; on a network file system it may wait for a commit.
        Raises `JournalError`.
        """
        return self.reader.recall(external_task_id)

    async def find(self, external_task_id: str) -> Record | None:
        """The same for one who can wait. Raises `JournalError`."""
        return self.recall(external_task_id)

    async def find_witness(self, key: bytes) -> Record | None:
        """An accepted job that was sent with the key of that mark, or None. Raises `JournalError`."""
        accepted = self.reader.records(State.ACCEPTED)
        return next((record for record in accepted if record.task_id and (record.key or b"") == key), None)

    async def each_of(self, states: Collection[State]) -> AsyncIterator[Record]:
        """The jobs that are in one of these states, for one who can wait. Raises `JournalError`."""
        for record in self.reader.records_of(states):
            yield record

    def records_of(self, states: Collection[State]) -> Iterator[Record]:
        """The jobs that are in one of these states on disk, in the order of first arrival. Raises `JournalError`."""
        return self.reader.records_of(states)

    async def take(self, external_task_id: str) -> Claim:
        """Claims the job among the processes that share the journal. Raises `JournalError`."""
        raise NotImplementedError

    def let_go(self, external_task_id: str) -> None:  # noqa: ARG002
        """Gives the claim back; nothing where there are no claims."""
        return

    def may_send(self) -> bool:
        """Whether a first byte may leave now."""
        return True

    @abstractmethod
    def post(self, record: Record, done: Done | None = None) -> None:
        """Put this in, in place of what its id had; `done` is called when it is durable, or will never be.

        Once one has failed all fail. Raises `JournalError` where the journal is closed and nobody would be told.
        What is posted in turns of the loop that follow each other, and while a commit is under way, is committed
        together, and told in order.
        """

    @abstractmethod
    def keep(self, entry: Entry, done: Done) -> None:
        """The same for an entry: put in place of what its kind and name had."""

    def write(self, record: Record) -> asyncio.Future[None]:
        """The same to wait for: durable when it is over.

        Raises `JournalError` where that fails, and from then on at once.
        Cancelled, the record may be written or not.
        """
        self._check()
        waiter = asyncio.get_running_loop().create_future()
        self.post(record, partial(settle, waiter, None))
        return waiter

    @abstractmethod
    async def remember(self, name: str, value: str) -> None:
        """Keep a small note, in place of what it was; durable on return. Raises `JournalError`."""

    @abstractmethod
    async def remember_list(self, digest: str, count: int) -> None:
        """Keep that the list of that digest, of so many jobs, was checked; durable on return. Raises `JournalError`."""

    @abstractmethod
    async def aclose(self) -> None:
        """Write what is queued, then close; again does nothing.

        Raises nothing: `failed` says whether all was written.
        """

    def _check(self) -> None:
        if self.failed is not None:
            # A new one for each: a traceback grows with every raise.
            raise JournalError(*self.failed.args) from self.failed


class InlineJournal(AnyJournal):
    """A journal without a thread, over a store of its own: every write is a commit, made at once. For virtual time."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = self.reader = store

    @classmethod
    async def open(
        cls, path: str | os.PathLike[str], *, gateway: str, account: str = "default", network: bool | None = None
    ) -> Self:
        """As `Journal.open`; `":memory:"` too."""
        return cls(Store(path, gateway=gateway, account=account, network=network))

    def post(self, record: Record, done: Done | None = None) -> None:  # noqa: D102 - told by the base
        if self.failed is None:
            self._do(lambda: self.store.write([record]))
        if done is not None:
            done(self.failed)

    def keep(self, entry: Entry, done: Done) -> None:  # noqa: D102 - told by the base
        if self.failed is None:
            self._do(lambda: self.store.keep([entries.to_row(entry)]))
        done(self.failed)

    async def remember(self, name: str, value: str) -> None:  # noqa: D102
        self._check()
        self._do(lambda: self.store.remember(name, value))
        self._check()

    async def remember_list(self, digest: str, count: int) -> None:  # noqa: D102
        self._check()
        self._do(lambda: self.store.remember_list(digest, count))
        self._check()

    async def aclose(self) -> None:  # noqa: D102
        self.store.close()

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except JournalError as error:
            self.failed: JournalError | None = error


class Journal(AnyJournal):
    """The journal of a running batch: `async with await Journal.open(...) as journal`.

    A thread commits whatever is queued, and while it does so the next group gathers: no timer, and one hop a group.
    Belongs to the loop that opened it; there, any number of runs and clients may write to it at the same time.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reader: Reader,
        inbox: SimpleQueue[Task],
        store: Store,
        thread: Thread,
    ) -> None:
        super().__init__()
        self.reader = reader
        self.thread = thread
        """Ends when the journal is closed and the file is let go."""
        self._loop = loop
        self._inbox = inbox
        self._lock = store.lock
        self._most_rows = store.most_rows
        self._records: list[Record] = []
        self._entries: list[EntryRow] = []
        self._dones: list[Done] = []
        self._busy = False
        self._closed: asyncio.Future[None] | None = None

    @classmethod
    async def open(
        cls, path: str | os.PathLike[str], *, gateway: str, account: str = "default", network: bool | None = None
    ) -> Self:
        """Open or create the journal at `path` (see `Store`). Raises `JournalError`."""
        if os.fspath(path) == MEMORY:
            raise JournalError("a journal in memory survives nothing: give a path (tests use InlineJournal)")
        loop = asyncio.get_running_loop()
        inbox: SimpleQueue[Task] = SimpleQueue()
        opened: asyncio.Future[tuple[Store, Reader]] = loop.create_future()
        opener = partial(Store, path, gateway=gateway, account=account, network=network)
        # A daemon: at the interpreter's exit nobody waits for it, and what was confirmed is on disk already.
        thread = Thread(target=serve, args=(opener, inbox, loop, opened), name="lipsync-journal", daemon=True)
        thread.start()
        try:
            store, reader = await opened
        except BaseException:
            inbox.put((None, nothing))
            raise
        return cls(loop, reader, inbox, store, thread)

    @staticmethod
    def shared(
        path: str | os.PathLike[str], *, gateway: str, account: str = "default", network: bool | None = None
    ) -> AbstractAsyncContextManager[AnyJournal]:
        """The journal at `path`, or at a URL, open once for all who use it in this loop at the same time.

        `async with` gives it.

        The first opens it and the last to leave closes it; nobody else may.
        Raises `JournalError` as `open` does, where another event loop of this process has it, or once it has failed.
        """
        from .once import share  # sharing opens journals

        return share(path, gateway=gateway, account=account, network=network)

    def __repr__(self) -> str:
        story = "closed" if self._closed else "broken" if self.failed else f"{self._queued} queued"
        return f"<Journal {self.reader.path}, {story}>"

    def __del__(self) -> None:
        if self._closed is None and self._lock.held:
            warnings.warn(f"unclosed {self!r}: call aclose()", ResourceWarning, source=self, stacklevel=1)
            self._inbox.put((None, nothing))

    def post(self, record: Record, done: Done | None = None) -> None:  # noqa: D102 - told by the base
        if self.failed is None and self._closed is None and self._lock.held:
            self._records.append(record)
            if done is not None:
                self._dones.append(done)
            if not self._busy:
                self._start()
        elif done is not None:
            done(self.failed or gone(self.reader.path))
        else:
            self._check_open()

    def keep(self, entry: Entry, done: Done) -> None:  # noqa: D102 - told by the base
        error = self.failed or self._gone()
        if error is not None:
            return done(error)
        self._entries.append(entries.to_row(entry))
        self._dones.append(done)
        if not self._busy:
            self._start()
        return None

    async def remember(self, name: str, value: str) -> None:  # noqa: D102
        await self._apart(lambda store: store.remember(name, value))

    async def remember_list(self, digest: str, count: int) -> None:  # noqa: D102
        await self._apart(lambda store: store.remember_list(digest, count))

    async def aclose(self) -> None:  # noqa: D102
        if self._closed is None:
            self._closed = self._loop.create_future()
            if not self._lock.held:  # forked: the file and the thread are the parent's
                self._closed.set_result(None)
            elif not self._busy:
                self._end()
        # A second caller, or one that was cancelled before, waits for the same end.
        await asyncio.shield(self._closed)

    def abandon(self) -> None:
        """Let go of the file from any thread when the loop was closed too early; returns when others can have it."""
        self._inbox.put((None, nothing))
        self.thread.join(_PATIENCE)

    def _check(self) -> None:
        if self.failed is not None or self._closed is not None or not self._lock.held:
            super()._check()
            self._check_open()

    def _check_open(self) -> None:
        if (error := self._gone()) is not None:
            raise error

    def _gone(self) -> JournalError | None:
        return gone(self.reader.path) if self._closed is not None or not self._lock.held else None

    def _start(self) -> None:
        self._busy = True
        self._loop.call_soon(self._hand_over, self._queued, 0)

    @property
    def _queued(self) -> int:
        return len(self._records) + len(self._entries)

    def _hand_over(self, before: int, quiet: int) -> None:
        """Hands over what is queued, where enough is, or nothing came for some rounds; `quiet` had passed before."""
        queued = self._queued
        quiet = quiet + 1 if queued == before else 0
        if quiet < QUIET and queued < ENOUGH:
            self._loop.call_soon(self._hand_over, queued, quiet)
            return
        records, kept, dones = self._records, self._entries, self._dones
        self._records, self._entries, self._dones = [], [], []
        try:
            groups = grouped(to_rows(records), self._most_rows)
        except Exception as error:  # noqa: BLE001 - too little memory, say: those who wait would do so for ever
            self._committed(dones, [], failure_of(self.reader.path, error))
            return
        # What was made here is let go here: the other thread is on another core, and what it touches has to come over.
        self._inbox.put((partial(_commit, groups=groups, kept=kept), partial(self._committed, dones, groups)))

    def _committed(self, dones: list[Done], _: list[Group], error: JournalError | None) -> None:
        if error is not None:
            # What was queued meanwhile is given up too: it may stand on what was lost.
            self.failed: JournalError | None = self.failed or error
            dones += self._dones
            self._records, self._entries, self._dones = [], [], []
        try:
            for done in dones:
                done(error)
        finally:  # also where one of them ends the program
            self._busy = False
            if self._queued:
                self._start()
            elif self._closed is not None:
                self._end()

    async def _apart(self, work: Callable[[Store], None]) -> None:
        self._check()
        waiter = self._loop.create_future()

        def done(error: JournalError | None) -> None:
            self.failed = self.failed or error
            settle(waiter, None, error)

        self._inbox.put((work, done))
        await waiter

    def _end(self) -> None:
        self._inbox.put((None, partial(settle, self._closed, None)))


def _commit(store: Store, groups: list[Group], kept: list[EntryRow]) -> None:
    if groups:
        store.write_rows(groups)
    if kept:
        store.keep(kept)
