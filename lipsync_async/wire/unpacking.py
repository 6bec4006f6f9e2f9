"""The body of a reply: read up to a cap, and decompressed up to the same cap."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import aiohttp
from aiohttp import hdrs
from msgspec import Struct

MAX_REPLY = 1 << 20
"""Bytes of a reply's body, decompressed."""


class Arrived(Struct, frozen=True):
    """A reply whose status and headers were read, whichever way it came."""

    status: int
    headers: Mapping[str, str]
    content: aiohttp.StreamReader
    leave: Callable[[], None]
    """Gives its connection back; closes it where the body was not read to its end."""


def body_at_hand(reply: Arrived) -> tuple[bytes, bool] | None:
    """What `read_body` returns, where all of it came with the head; else None."""
    if not reply.content.is_eof():
        return None
    try:
        return _unpack(reply, reply.content.read_nowait())
    except (aiohttp.ClientError, OSError):
        return b"", True


async def read_body(reply: Arrived) -> tuple[bytes, bool]:
    """The body, at most `MAX_REPLY` bytes of it, and whether it is broken.

    Broken is what was over the cap, was cut short, or is not encoded as it says.
    """
    try:
        raw = await _read_capped(reply.content)
    except (aiohttp.ClientError, OSError):
        return b"", True
    return _unpack(reply, raw)


def _unpack(reply: Arrived, raw: bytes) -> tuple[bytes, bool]:
    if len(raw) > MAX_REPLY:
        return b"", True
    encoding = reply.headers.get(hdrs.CONTENT_ENCODING)
    return (raw, False) if encoding is None else inflate(raw, encoding.strip().lower())


async def _read_capped(content: aiohttp.StreamReader) -> bytes:
    """All of it, or just more than the cap."""
    pieces = []
    size = 0
    while size <= MAX_REPLY and (piece := await content.readany()):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


_WINDOW_BITS: Mapping[str, int] = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def inflate(raw: bytes, encoding: str) -> tuple[bytes, bool]:
    """Decompresses at most `MAX_REPLY` bytes; the flag says that it ended early, was over the cap, or can't be read."""
    if encoding in {"", "identity"}:
        return raw, False
    bits = _WINDOW_BITS.get(encoding)
    if bits is None:
        return b"", True
    inflater = zlib.decompressobj(bits)
    try:
        body = inflater.decompress(raw, MAX_REPLY)
    except zlib.error:
        return b"", True
    return body, not inflater.eof
