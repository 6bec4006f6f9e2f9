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
KEEP_ALIVE = 10.0
"""Seconds: a connection that idled for longer may be gone, and finding out costs an `Unknown`."""
_LATE = KEEP_ALIVE - 2 * KEPT
"""Seconds by which a look may be late: what is free then was used after the look before the last."""


class Kept:
    """The connections of one origin that are free; `key` tells an origin."""

    __slots__ = ("_due", "_free", "_key", "_least", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._free: deque[Connection] = deque()
        """The one that was used last comes last."""
        self._key: object = None
        self._least = 0
        """So many were free all the time since the last look."""
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        """When the next look is to be, on the loop's clock."""

    def __len__(self) -> int:
        return len(self._free)

    def take(self, key: object, now: float) -> Connection | None:
        """One that was not closed meanwhile; None where there is none for that origin. `now` is the loop's time."""
        free = self._free
        if free and now - self._due > _LATE:
            self._drop()
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
                self._look_later()

    def _is_of(self, key: object) -> bool:
        """Whether it is the origin whose connections are kept: while there are none, any is."""
        if not self._free:
            self._key = key
        return key == self._key

    def _look(self) -> None:
        """Gives back what was not needed since the last look."""
        if self._loop.time() - self._due > _LATE:
            self._drop()
        for _ in range(self._least):
            self._free.popleft().release()
        self._least = len(self._free)
        self._timer = None
        if self._free:
            self._look_later()

    def _look_later(self) -> None:
        self._due = self._loop.time() + KEPT
        self._timer = self._loop.call_at(self._due, self._look)

    def _drop(self) -> None:
        """Closes all: the loop stood still, in a long call of the caller's say, and what a peer closed was not seen."""
        while self._free:
            self._free.pop().close()
        self._least = 0

    def close(self) -> None:
        """Gives back all, before the session is closed."""
        if self._timer is not None:
            self._timer.cancel()
        self._least = len(self._free)
        self._look()
