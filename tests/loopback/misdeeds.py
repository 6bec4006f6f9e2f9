"""What a server may do to a request: cut, drip, hang, reset, or answer with too much."""

from __future__ import annotations

import asyncio
import zlib
from itertools import repeat

from .raw import Connection, Script, created, reply

GOOD = created("job-1")
HEAD, _, BODY = GOOD.partition(b"\r\n\r\n")
HEAD += b"\r\n\r\n"


def after_request(*pieces: bytes, end: str = "fin") -> Script:
    """Reads the request, sends these bytes, and ends: `fin`, `reset`, or `hang`."""

    async def play(connection: Connection) -> None:
        await connection.request()
        for piece in pieces:
            await connection.send(piece)
        await _end(connection, end)

    return play


def after_bytes(count: int, *pieces: bytes, end: str = "reset") -> Script:
    """The same after a part of the request."""

    async def play(connection: Connection) -> None:
        await connection.some(count)
        for piece in pieces:
            await connection.send(piece)
        await _end(connection, end)

    return play


async def _end(connection: Connection, end: str) -> None:
    if end == "reset":
        # What was sent before must arrive: the client reads it in the loop's next rounds.
        for _ in range(20):
            await asyncio.sleep(0)
        connection.reset()
    elif end == "hang":
        await connection.hang()


def dripping(data: bytes, pause: float) -> Script:
    """Reads the request, then sends the reply byte by byte."""

    async def play(connection: Connection) -> None:
        await connection.request()
        for place in range(len(data)):
            await connection.send(data[place : place + 1])
            await asyncio.sleep(pause)

    return play


def endless(head: bytes, piece: bytes) -> Script:
    """Reads the request, then sends without end for as long as the client takes it."""

    async def play(connection: Connection) -> None:
        await connection.request()
        await connection.send(head)
        for again in repeat(piece):
            if connection.gone.is_set():
                return
            await connection.send(again)
            await asyncio.sleep(0.01)

    return play


async def at_once(connection: Connection) -> None:
    """Resets what has just been accepted."""
    connection.reset()


async def deaf(connection: Connection) -> None:
    """Half-open: accepts, never reads, never answers."""
    connection.deaf()
    await connection.hang()


async def hang(connection: Connection) -> None:
    """Reads all and never answers."""
    await connection.hang()


async def leave(connection: Connection) -> None:
    """Closes what has just been accepted."""


def encoded(body: bytes, encoding: str) -> bytes:
    """A reply that says that it is encoded so."""
    return reply(body, 200, f"Content-Encoding: {encoding}")


def bomb(encoding: str) -> bytes:
    """64 MB of spaces and a task, in some 64 KB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    spaces = b" " * (1 << 20)
    packed = b"".join(packer.compress(spaces) for _ in range(64)) + packer.compress(BODY) + packer.flush()
    return encoded(packed, encoding)
