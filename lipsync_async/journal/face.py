"""The journal as asyncio sees it: a thread that commits whatever is queued, or the same without a thread."""

from __future__ import annotations

import asyncio
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self, TypeAlias

from lipsync_async.errors import JournalError

from .record import Record, Row, to_row
from .store import MEMORY, Reader, Store
from .trouble import gone

ENOUGH = 128
"""Rows that are committed without waiting for more."""
Done: TypeAlias = Callable[[JournalError | None], None]
"""Told None once it is durable, else why it is not."""
_Task: TypeAlias = tuple[Callable[[Store], None] | None, Done]


class AnyJournal(ABC):
    """A journal as asyncio sees it."""

    failed: JournalError | None = None
    """What broke the journal; from then on every write raises it, for what comes after a lost write proves nothing."""
    reader: Reader
    """Sees what is durable: `records`, `counts`, `note`, `knows_list`; each may read the disk at once."""
    runs = 0
    """How many runs have begun to write to it since it was opened."""

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

    @abstractmethod
    def post(self, record: Record, done: Done | None = None) -> None:
        """Put this in, in place of what its id had; `done` is called when it is durable, or will never be.

        Once one has failed all fail. Raises `JournalError` where the journal is closed and nobody would be told.
        What is posted in turns of the loop that follow each other, and while a commit is under way, is committed
        together, and told in order.
        """

    def write(self, record: Record) -> asyncio.Future[None]:
        """The same to wait for: durable when it is over.

        Raises `JournalError` where that fails, and from then on at once.
        Cancelled, the record may be written or not.
        """
        self._check()
        waiter = asyncio.get_running_loop().create_future()
        self.post(record, partial(_settle, waiter, None))
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
        self.store: Store = store
        self.reader: Reader = store

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
    Belongs to the loop that opened it.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, reader: Reader, inbox: SimpleQueue[_Task], store: Store
    ) -> None:
        self.reader: Reader = reader
        self._loop = loop
        self._inbox = inbox
        self._claim = store.claim
        self._rows: list[Row] = []
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
        inbox: SimpleQueue[_Task] = SimpleQueue()
        opened: asyncio.Future[tuple[Store, Reader]] = loop.create_future()
        opener = partial(Store, path, gateway=gateway, account=account, network=network)
        # A daemon: at the interpreter's exit nobody waits for it, and what was confirmed is on disk already.
        Thread(target=_serve, args=(opener, inbox, loop, opened), name="lipsync-journal", daemon=True).start()
        try:
            store, reader = await opened
        except BaseException:
            inbox.put((None, _nothing))
            raise
        return cls(loop, reader, inbox, store)

    def __repr__(self) -> str:
        story = "closed" if self._closed else "broken" if self.failed else f"{len(self._rows)} queued"
        return f"<Journal {self.reader.path}, {story}>"

    def __del__(self) -> None:
        if self._closed is None and self._claim.held:
            warnings.warn(f"unclosed {self!r}: call aclose()", ResourceWarning, source=self, stacklevel=1)
            self._inbox.put((None, _nothing))

    def post(self, record: Record, done: Done | None = None) -> None:  # noqa: D102 - told by the base
        error = self.failed or self._gone()
        if error is not None:
            if done is not None:
                return done(error)
            return self._check_open()
        self._rows.append(to_row(record))
        if done is not None:
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
            if not self._claim.held:  # forked: the file and the thread are the parent's
                self._closed.set_result(None)
            elif not self._busy:
                self._end()
        # A second caller, or one that was cancelled before, waits for the same end.
        await asyncio.shield(self._closed)

    def _check(self) -> None:
        super()._check()
        self._check_open()

    def _check_open(self) -> None:
        if (error := self._gone()) is not None:
            raise error

    def _gone(self) -> JournalError | None:
        return gone(self.reader.path) if self._closed is not None or not self._claim.held else None

    def _start(self) -> None:
        self._busy = True
        self._loop.call_soon(self._hand_over, len(self._rows))

    def _hand_over(self, before: int) -> None:
        # Not before a round of the loop brings nothing new: replies that come together are written together.
        if before < len(self._rows) < ENOUGH:
            self._loop.call_soon(self._hand_over, len(self._rows))
            return
        rows, self._rows = self._rows, []
        dones, self._dones = self._dones, []
        self._inbox.put((lambda store: store.write_rows(rows), partial(self._committed, dones)))

    def _committed(self, dones: list[Done], error: JournalError | None) -> None:
        if error is not None:
            # What was queued meanwhile is given up too: it may stand on what was lost.
            self.failed: JournalError | None = self.failed or error
            dones += self._dones
            self._rows, self._dones = [], []
        try:
            for done in dones:
                done(error)
        finally:  # also where one of them ends the program
            self._busy = False
            if self._rows:
                self._start()
            elif self._closed is not None:
                self._end()

    async def _apart(self, work: Callable[[Store], None]) -> None:
        self._check()
        waiter = self._loop.create_future()

        def done(error: JournalError | None) -> None:
            self.failed = self.failed or error
            _settle(waiter, None, error)

        self._inbox.put((work, done))
        await waiter

    def _end(self) -> None:
        self._inbox.put((None, partial(_settle, self._closed, None)))


def _serve(
    opener: Callable[[], Store],
    inbox: SimpleQueue[_Task],
    loop: asyncio.AbstractEventLoop,
    opened: asyncio.Future[tuple[Store, Reader]],
) -> None:
    """The thread's life; the store and the reader are opened and closed here, off the loop."""
    try:
        store, reader = _open(opener)
    except Exception as error:  # noqa: BLE001 - the one who waits gets it
        _answer(loop, partial(_settle, opened, None), error)
        return
    alive = _answer(loop, partial(_settle, opened, (store, reader)), None)
    done: Done = _nothing
    while alive:
        work, done = inbox.get()
        if work is None:
            break
        alive = _answer(loop, done, _attempt(work, store))
        # While this waits it must not keep a forgotten journal alive.
        work, done = None, _nothing
    reader.close()
    store.close()
    _answer(loop, done, None)


def _open(opener: Callable[[], Store]) -> tuple[Store, Reader]:
    store = opener()
    try:
        return store, Reader(store.path, any_thread=True)
    except BaseException:
        store.close()
        raise


def _attempt(work: Callable[[Store], None], store: Store) -> JournalError | None:
    try:
        work(store)
    except JournalError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a thread that died would leave its waiters hanging
        failure = JournalError(f"the journal {store.path} failed: {error!r}")
        failure.__cause__ = error
        return failure
    return None


def _answer(loop: asyncio.AbstractEventLoop, done: Callable[[Any], None], error: Exception | None) -> bool:
    try:
        loop.call_soon_threadsafe(done, error)
    except RuntimeError:  # the loop was closed before the journal was: nobody waits any more
        return False
    return True


def _settle(waiter: asyncio.Future[Any] | None, result: Any, error: Exception | None) -> None:
    if waiter is None or waiter.done():  # cancelled
        return
    if error is None:
        waiter.set_result(result)
    else:
        waiter.set_exception(JournalError(*error.args) if isinstance(error, JournalError) else error)


def _nothing(_: object) -> None:
    return
