"""A gateway made of bare sockets, in the event loop of the test: each connection plays a script, and bytes are kept."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from attrs import frozen

TASK_ID = "860000000000000001"
"""The task of `job-1`, the job that most tests submit."""


def task_of(external_task_id: str) -> str:
    """Returns the task id that the gateways of this module give a job: always the same, and no other job's."""
    if external_task_id == "job-1":
        return TASK_ID
    return str(870_000_000_000_000_000 + int.from_bytes(sha256(external_task_id.encode()).digest()[:6]))


@frozen
class Request:
    """A request that arrived completely."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def external_task_id(self) -> str:
        """The external_task_id in its body."""
        return str(json.loads(self.body)["external_task_id"])


def read_requests(seen: bytes) -> Iterator[Request]:
    """Returns all complete requests in the bytes that one connection received."""
    while (end := seen.find(b"\r\n\r\n")) >= 0:
        first, *lines = seen[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        stop = end + 4 + int(headers.get("content-length", "0"))
        if stop > len(seen):
            return
        method, path, _ = first.split(" ", 2)
        yield Request(method, path, headers, seen[end + 4 : stop])
        seen = seen[stop:]


class Connection(asyncio.Protocol):
    """The server's end of one connection."""

    def __init__(self, server: RawServer) -> None:
        self.seen = bytearray()
        self.gone = asyncio.Event()
        self.lost = False
        self._server = server
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._taken = 0
        self.transport: Any = None
        self.end_after_send = False
        """The end of a reply is the end of the connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Starts the script of this connection."""
        self.transport = transport
        self._server.welcome(self)

    def data_received(self, data: bytes) -> None:
        """Keeps the bytes that arrived."""
        self.seen += data
        self._news.set()

    def eof_received(self) -> bool:
        """The client has closed its sending side."""
        self._news.set()
        self.gone.set()
        return False

    def connection_lost(self, _: Exception | None) -> None:
        """The connection is closed."""
        self.lost = True
        self.gone.set()
        self._news.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """The client reads too slowly: `write` waits."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client reads again: `write` goes on."""
        self._writable.set()

    async def some(self, count: int) -> None:
        """Waits until this many bytes have arrived in all."""
        while len(self.seen) < count and not self.gone.is_set():
            self._news.clear()
            await self._news.wait()

    async def request(self) -> Request | None:
        """Returns the next complete request; None if the client has closed the connection."""
        while True:
            found = list(read_requests(bytes(self.seen)))
            if len(found) > self._taken:
                self._taken += 1
                return found[self._taken - 1]
            if self.gone.is_set():
                return None
            await self.some(len(self.seen) + 1)

    async def send(self, data: bytes) -> None:
        """Writes, and waits until the client has room for it; does nothing if the connection is closed."""
        await self._writable.wait()
        if not self.transport.is_closing():
            self.transport.write(data)
            if self.end_after_send:
                self.transport.close()

    def reset(self) -> None:
        """Closes with an RST: the bytes in the buffers are lost."""
        self.linger()
        self.transport.abort()

    def linger(self) -> None:
        """Makes every later end of this connection an RST."""
        sock = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def half_close(self) -> None:
        """Closes the sending side with a FIN."""
        if not self.transport.is_closing():
            self.transport.write_eof()

    def deaf(self) -> None:
        """Stops reading."""
        self.transport.pause_reading()

    async def hang(self) -> None:
        """Waits until the client closes the connection."""
        await self.gone.wait()


Script = Callable[[Connection], Awaitable[None]]


def reply(body: bytes | str | object, status: int = 200, *headers: str, kind: str = "application/json") -> bytes:
    """Returns a whole reply; a body that is neither bytes nor text is sent as JSON."""
    if not isinstance(body, bytes | str):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def gzipped(body: bytes, level: int = 9) -> bytes:
    """Returns the body compressed by gzip, without a time in the header, so that the bytes are always the same."""
    return gzip.compress(body, level, mtime=0)


def created(external_task_id: str, task_id: str | None = None) -> bytes:
    """Returns Kling's answer to a create; without a `task_id` each job has a task of its own."""
    task_id = task_id or task_of(external_task_id)
    info = {"task_id": task_id, "task_status": "submitted", "task_info": {"external_task_id": external_task_id}}
    return reply({"code": 0, "message": "SUCCEED", "request_id": "r-1", "data": info})


NOT_FOUND = reply({"code": 1203, "message": "task not exist", "request_id": "r-2"}, 404)


async def gateway(connection: Connection) -> None:
    """A script that accepts every create and finds no task."""
    while request := await connection.request():
        await connection.send(created(request.external_task_id) if request.method == "POST" else NOT_FOUND)


def answering(*replies: bytes | None, found: bytes = NOT_FOUND) -> Script:
    """Returns a script that answers the creates with these replies in turn, and queries with `found`.

    The last reply is repeated; None answers as `gateway` does.
    All connections that play the script share its replies.
    """
    left = list(replies)

    async def play(connection: Connection) -> None:
        while request := await connection.request():
            if request.method == "POST":
                answer = left.pop(0) if len(left) > 1 else left[0]
                await connection.send(answer or created(request.external_task_id))
            else:
                await connection.send(found)

    return play


class RawServer:
    """Plays one script a connection and then `gateway`, or the script `always` for every connection."""

    def __init__(self, *scripts: Script, always: Script | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._scripts = list(scripts)
        self._always = always or gateway
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections: list[Connection] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self.connections:
            if not connection.lost:  # a lost transport has no loop any more
                connection.transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and error is None:
                raise outcome

    def welcome(self, connection: Connection) -> None:
        """Gives the next script to a new connection."""
        self.connections.append(connection)
        script = self._scripts.pop(0) if self._scripts else self._always
        self._tasks.add(asyncio.get_running_loop().create_task(self._play(script, connection)))

    async def _play(self, script: Script, connection: Connection) -> None:
        await script(connection)
        connection.transport.close()

    @property
    def requests(self) -> list[Request]:
        """All complete requests, connection by connection."""
        return [request for connection in self.connections for request in read_requests(bytes(connection.seen))]

    @property
    def creates(self) -> Counter[str]:
        """The number of complete creates of every job."""
        return Counter(request.external_task_id for request in self.requests if request.method == "POST")

    @property
    def total(self) -> int:
        """The number of complete creates."""
        return self.creates.total()

    @property
    def look_ups(self) -> int:
        """The number of queries."""
        return sum(request.method == "GET" for request in self.requests)
