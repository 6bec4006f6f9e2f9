"""A server that answers after a while, for the rows with latency: `python -m benchmarks._delayed PORT MILLISECONDS`.

A bare asyncio protocol whose replies differ in the task alone, in a process of its own: nginx has no delay.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from benchmarks._server import REPLY, free_port, serving

_WIDTH = 18
_LENGTH = len(REPLY) - len("TASK_ID") + _WIDTH
_BEFORE, _AFTER = (
    (
        "HTTP/1.1 200 OK\r\nServer: delayed\r\nContent-Type: application/json\r\nConnection: keep-alive\r\n"
        f"Content-Length: {_LENGTH}\r\n\r\n{REPLY}"
    )
    .encode()
    .split(b"TASK_ID")
)
_NUMBERS = count(860_000_000_000_000_001)


def answer() -> bytes:
    """A create's answer, with a task of its own."""
    return b"%s%d%s" % (_BEFORE, next(_NUMBERS), _AFTER)


class Delayed(asyncio.Protocol):
    """One request at a time a connection; its end is told by Content-Length."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if end and len(body) >= content_length(head):
            self._got = b""
            asyncio.get_running_loop().call_later(self._delay, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer())


def content_length(head: bytes) -> int:
    """0 where it is not told."""
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0] or b"0")


async def _serve(port: int, delay: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Delayed(delay), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


@contextmanager
def delayed(milliseconds: float) -> Iterator[int]:
    """Gives its port."""
    port = free_port()
    with serving([sys.executable, "-m", "benchmarks._delayed", str(port), str(milliseconds)], port):
        yield port


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))
