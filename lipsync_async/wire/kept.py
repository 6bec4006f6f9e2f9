"""Connections that are kept from one request to the next: to go back to aiohttp's pool costs a tenth of a request.

The pool stays the owner: it opens connections, and what is not needed for a moment is given back to it, where it
idles, and is closed in time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

KEPT = 0.5
"""Seconds after which a connection that nobody needed is given back."""


class Kept:
    """The connections of one origin that are free; `key` tells an origin."""

    __slots__ = ("_free", "_key", "_least", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._free: deque[Connection] = deque()
        """The one that was used last comes last."""
        self._key: object = None
        self._least = 0
        """So many were free all the time since the last look."""
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._free)

    def take(self, key: object) -> Connection | None:
        """One that was not closed meanwhile; None where there is none for that origin."""
        free = self._free
        while free and (key is self._key or key == self._key):
            connection = free.pop()
            if len(free) < self._least:
                self._least = len(free)
            if not connection.closed:
                return connection
            connection.close()
        return None

    def leave(self, key: object, connection: Connection, protocol: ResponseHandler) -> None:
        """Keeps the connection; closes it where the reply was not read to its end, or says so.

        A reply that came before the request had left means that the rest of the request still waits: closed as well.
        """
        transport = protocol.transport
        if transport is None or protocol.should_close or transport.get_write_buffer_size():
            connection.close()
        elif key is not self._key and not self._is_of(key):
            connection.release()
        else:
            self._free.append(connection)
            if self._timer is None:
                self._timer = self._loop.call_later(KEPT, self._look)

    def _is_of(self, key: object) -> bool:
        """Whether it is the origin whose connections are kept: while there are none, any is."""
        if not self._free:
            self._key = key
        return key == self._key

    def _look(self) -> None:
        """Gives back what was not needed since the last look."""
        for _ in range(self._least):
            self._free.popleft().release()
        self._least = len(self._free)
        self._timer = self._loop.call_later(KEPT, self._look) if self._free else None

    def close(self) -> None:
        """Gives back all, before the session is closed."""
        if self._timer is not None:
            self._timer.cancel()
        self._least = len(self._free)
        self._look()
