"""A server that swallows uploads as fast as the loopback gives them: `python -m benchmarks._sink PORT`.

It reads into one buffer, looks at nothing but Content-Length, and answers when all has come; a process of its own.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks._delayed import answer, content_length
from benchmarks._server import free_port, serving

BUFFER = bytearray(1 << 20)


class Sink(asyncio.BufferedProtocol):
    """One request at a time a connection; only its head is kept."""

    def __init__(self) -> None:
        self._head = b""
        self._left: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def get_buffer(self, _hint: int) -> bytearray:
        return BUFFER

    def buffer_updated(self, count: int) -> None:
        if self._left is None:
            self._read_head(bytes(BUFFER[:count]))
        else:
            self._left -= count
        if self._left is not None and self._left <= 0:
            self._left, self._head = None, b""
            self._transport.write(answer())

    def _read_head(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end:
            self._left = content_length(head) - len(rest)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


@contextmanager
def sink() -> Iterator[int]:
    """Gives its port."""
    port = free_port()
    with serving([sys.executable, "-m", "benchmarks._sink", str(port)], port):
        yield port


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
