"""A sandbox for code without an event loop of its own: it runs in a thread beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread

from lipsync_async.sandbox.server import Sandbox

_PATIENCE = 10.0  # seconds to start, and to stop


@contextmanager
def in_thread(sandbox: Sandbox) -> Iterator[Sandbox]:
    """Serve a sandbox from a daemon thread with its own event loop while the block runs."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        try:
            async with sandbox:
                started.set_result((asyncio.get_running_loop(), stop))
                await stop.wait()
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = Thread(target=asyncio.run, args=(serve(),), name="lipsync-sandbox", daemon=True)
    thread.start()
    loop, stop = started.result(_PATIENCE)
    try:
        yield sandbox
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(_PATIENCE)
