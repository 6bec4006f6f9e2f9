"""One origin on loopback: a listening socket and the HTTP server behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from aiohttp import web

GRACE = 0.5  # seconds that replies under way get when it closes

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Origin:
    """Listens while it is open; opened again, at the same port."""

    def __init__(self, host: str, port: int, handle: Handle) -> None:
        self._address = (host, port)
        self._handle = handle
        self._listener: asyncio.Server | None = None
        self._http: web.Server | None = None
        self.url = ""
        """Scheme, host and port; empty before it was opened first."""

    async def open(self) -> None:
        """Listen; raises OSError where that cannot be."""
        self._http = web.Server(self._handle, access_log=None, lingering_time=5.0)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._http, *self._address, backlog=1024)
        host, port = self._listener.sockets[0].getsockname()[:2]
        self._address = (host, port)
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def aclose(self) -> None:
        """Stop listening, give replies under way half a second, then drop the rest; may be called twice."""
        listener, http = self._listener, self._http
        if listener is None or http is None:
            return
        self._listener = self._http = None
        listener.close()
        transports = [connection.transport for connection in http.connections]
        http.pre_shutdown()  # connections that are idle go at once
        await http.shutdown(GRACE)
        for transport in transports:
            if transport is not None:
                transport.abort()  # whoever does not read its reply must not hold the sandbox open
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(listener.wait_closed(), GRACE)
        await asyncio.sleep(0)  # the transports close their sockets in the loop's next round
