"""The thread that commits: what was queued while it was busy is its next group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, TypeAlias

from lipsync_async.errors import JournalError

from .reader import Reader
from .store import Store

CHECKPOINT_AFTER = 2.0
"""Seconds after a commit at which it is also in the main file, so that a copy of that alone lacks no more."""
Done: TypeAlias = Callable[[JournalError | None], None]
"""Told None once it is durable, else why it is not."""
Task: TypeAlias = tuple[Callable[[Store], None] | None, Done]
"""What to do with the store, None to close it, and who is told."""


def serve(
    opener: Callable[[], Store],
    inbox: SimpleQueue[Task],
    loop: asyncio.AbstractEventLoop,
    opened: asyncio.Future[tuple[Store, Reader]],
) -> None:
    """The thread's life; the store and the reader are opened and closed here, off the loop."""
    try:
        store, reader = _open(opener)
    except Exception as error:  # noqa: BLE001 - the one who waits gets it
        _answer(loop, partial(settle, opened, None), error)
        return
    alive = _answer(loop, partial(settle, opened, (store, reader)), None)
    done: Done = nothing
    checkpoint_at: float | None = None
    while alive:
        if checkpoint_at is not None and monotonic() >= checkpoint_at:
            store.checkpoint()
            checkpoint_at = None
        try:
            work, done = inbox.get(timeout=checkpoint_at and max(0.0, checkpoint_at - monotonic()))
        except Empty:
            continue
        if work is None:
            break
        alive = _answer(loop, done, _attempt(work, store))
        checkpoint_at = checkpoint_at or monotonic() + CHECKPOINT_AFTER
        # While this waits it must not keep a forgotten journal alive.
        work, done = None, nothing
    reader.close()
    store.close()
    _answer(loop, done, None)


def _open(opener: Callable[[], Store]) -> tuple[Store, Reader]:
    store = opener()
    try:
        return store, Reader(store.path, any_thread=True, at_home=True)
    except BaseException:
        store.close()
        raise


def _attempt(work: Callable[[Store], None], store: Store) -> JournalError | None:
    try:
        work(store)
    except JournalError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a thread that died would leave its waiters hanging
        return failure_of(store.path, error)
    return None


def failure_of(path: str, error: Exception) -> JournalError:
    """What is told of an error that nobody thought of."""
    failure = JournalError(f"the journal {path} failed: {error!r}")
    failure.__cause__ = error
    return failure


def _answer(loop: asyncio.AbstractEventLoop, done: Callable[[Any], None], error: Exception | None) -> bool:
    try:
        loop.call_soon_threadsafe(done, error)
    except RuntimeError:  # the loop was closed before the journal was: nobody waits any more
        return False
    return True


def settle(waiter: asyncio.Future[Any] | None, result: Any, error: Exception | None) -> None:
    """Give the waiter its result or a new copy of the error; nobody where there is none, or it was cancelled."""
    if waiter is None or waiter.done():
        return
    if error is None:
        waiter.set_result(result)
    else:
        waiter.set_exception(type(error)(*error.args) if isinstance(error, JournalError) else error)


def nothing(_: object) -> None:
    """Tell nobody."""
