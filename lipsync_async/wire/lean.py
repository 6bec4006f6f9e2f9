"""The lean way: aiohttp's own connections and its C parser, a head that is made once, and one write a request.

It serves small bodies on a session of our own.
They don't need what `session.request` does besides: a task that writes, a response, timers, cookies, redirects, traces.
The pool, DNS, TLS, keep-alive and all reading stay aiohttp's; `NEEDS` lists the names that this rests on.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine, Mapping
from functools import cache, partial
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from lipsync_async.config import Timeouts
from lipsync_async.terms import Phase

from .bodies import Body
from .flight import Flight
from .kept import Kept
from .unpacking import Arrived

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

LARGEST = 1 << 16
"""Bytes of a body that goes this way: it is copied once, and fits the buffer of a connection."""

MOST_READ = 1 << 16
"""Bytes that are read at once. For asyncio's 256 KiB malloc may ask the system for pages anew with each read."""

NEEDS: tuple[tuple[str, str, tuple[str, ...] | None], ...] = (
    ("aiohttp", "ClientRequest", ("method", "url", "headers", "data", "loop")),
    ("aiohttp", "ClientRequest.connection_key", None),
    ("aiohttp", "TCPConnector.connect", ("self", "req", "traces", "timeout")),
    ("aiohttp.connector", "Connection.closed", None),
    ("aiohttp.connector", "Connection.protocol", None),
    ("aiohttp.connector", "Connection.release", ("self",)),
    ("aiohttp.connector", "Connection.close", ("self",)),
    ("aiohttp.client_proto", "ResponseHandler.read", ("self",)),
    ("aiohttp.client_proto", "ResponseHandler.set_response_params", ("self", "read_until_eof", "auto_decompress")),
    ("aiohttp.client_proto", "ResponseHandler.should_close", None),
    ("aiohttp.client_proto", "ResponseHandler.transport", None),
    ("aiohttp.http_writer", "_serialize_headers", None),
)
"""Of aiohttp: the module, the name in it, and the parameters that it is called with; None: no plain function."""


@cache
def missing() -> str:
    """What aiohttp lacks of `NEEDS`, or has in another form; "" where the lean way can be taken.

    It is called inside of an event loop; looked at once a process.
    """
    for module, name, parameters in NEEDS:
        try:
            found = attrgetter(name)(import_module(module))
            if parameters is not None:
                _check_call(found, parameters)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            return f"aiohttp {aiohttp.__version__} has no {name} as is needed ({error})"
    try:
        Prepared("POST", URL("http://localhost/"), CIMultiDict(), asyncio.get_running_loop())
    except Exception as error:  # noqa: BLE001 - whatever it is, `session.request` will do
        return f"aiohttp {aiohttp.__version__} prepares no head ({error})"
    return ""


def _check_call(function: Any, parameters: tuple[str, ...]) -> None:
    """Raises TypeError where these parameters, by name, are too many or too few."""
    given = dict.fromkeys(name for name in parameters if name != "self")
    inspect.signature(function).bind(*(name for name in parameters if name == "self"), **given)


class Prepared:
    """A request whose head is made once. It shows no key."""

    __slots__ = ("_after", "_before", "_headers", "_url", "key", "request")

    def __init__(self, method: str, url: URL, headers: CIMultiDict[str], loop: asyncio.AbstractEventLoop) -> None:
        from aiohttp.http_writer import _serialize_headers

        self._url = url
        self._headers = headers
        data = None if method == "GET" else aiohttp.BytesPayload(b"", content_type="application/json")
        self.request = request = aiohttp.ClientRequest(method, url, headers=headers, data=data, loop=loop)
        self.key = request.connection_key
        """Tells which connections will do."""
        head = _serialize_headers(f"{method} {request.url.raw_path_qs} HTTP/1.1", request.headers)
        self._before, length, self._after = head.partition(b"Content-Length: 0\r\n")
        if (method == "GET") is bool(length):
            raise ValueError("a POST has a length, and a GET has none")

    def is_for(self, url: URL, headers: Mapping[str, str]) -> bool:
        """Whether it was made of these two objects, which nobody changes."""
        return self._url is url and self._headers is headers

    def around(self, body: bytes) -> bytes:
        """All the bytes of the request."""
        if not body:
            return self._before
        return b"%bContent-Length: %d\r\n%b%b" % (self._before, len(body), self._after, body)


class Lean:
    """Requests over the connections of a session of our own, which has a `TCPConnector`."""

    def __init__(self, session: aiohttp.ClientSession, timeouts: Timeouts) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect)
        self._create: Prepared | None = None
        self.kept = Kept(self._loop)
        """Connections that are free."""

    def post(
        self, url: URL, headers: CIMultiDict[str], body: Body, flight: Flight
    ) -> Coroutine[Any, Any, Arrived | None]:
        """A create's reply; None where the connection held a reply before the request, which was not sent."""
        prepared = self._create
        if prepared is None or not prepared.is_for(url, headers):
            prepared = self._create = Prepared("POST", url, headers, self._loop)
        return self._exchange(prepared, body.head, flight)

    async def get(self, url: URL, headers: CIMultiDict[str]) -> Arrived | None:
        """A query's reply; like aiohttp it asks once more where the connection broke. None: as for a create."""
        prepared = Prepared("GET", url, headers, self._loop)
        try:
            arrived = await self._exchange(prepared)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            arrived = None
        return await self._exchange(prepared) if arrived is None else arrived

    async def _exchange(self, prepared: Prepared, body: bytes = b"", flight: Flight | None = None) -> Arrived | None:
        now = self._loop.time() if flight is None or flight.begun is None else flight.begun
        connection = self.kept.take(prepared.key, now) or await self._connect(prepared)
        try:
            protocol = connection.protocol
            assert protocol is not None
            if protocol.should_close:
                connection.close()
                return None
            protocol.set_response_params(read_until_eof=True, auto_decompress=False)
            _write(protocol, prepared, body, flight)
            message, content = await protocol.read()
            while 100 <= message.code <= 199 and message.code != 101:
                message, content = await protocol.read()
        except BaseException:
            connection.close()
            raise
        leave = partial(self.kept.leave, prepared.key, connection, protocol)
        return Arrived(message.code, message.headers, content, leave)

    async def _connect(self, prepared: Prepared) -> Connection:
        """One from the pool, or a new one."""
        connector = self._session.connector
        if connector is None:
            raise RuntimeError("Session is closed")
        try:
            connection = await connector.connect(prepared.request, traces=[], timeout=self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {prepared.request.url}") from error
        if getattr(connection.transport, "max_size", 0) > MOST_READ:
            connection.transport.max_size = MOST_READ  # type: ignore[union-attr]
        return connection


def _write(protocol: ResponseHandler, prepared: Prepared, body: bytes, flight: Flight | None) -> None:
    """Hands all over at once; a create is `SENT` right before.

    The bytes hold the key, so no frame keeps them: a traceback may show its local names.
    """
    if flight is not None:
        flight.phase = Phase.SENDING
    transport = protocol.transport
    if transport is None or transport.is_closing():
        raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
    if flight is not None:
        flight.sending()
    transport.write(prepared.around(body))
