"""File hosts made of bare sockets: each answers its requests by a list of turns, on however many connections."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from random import Random

from lipsync_async.downloads.fetcher import Fetcher, FetchOptions
from lipsync_async.downloads.folder import Folder
from lipsync_async.downloads.store import Store
from lipsync_async.downloads.stream import Renew
from lipsync_async.endings import Download, Downloaded, DownloadFailed
from tests.loopback.raw import Connection, RawServer, Request, Script, reply

KEY = "sk-the-key-of-these-tests-0123456789"
MIB = 2**20


def box(name: bytes, content: bytes) -> bytes:
    """One box of an MP4 file."""
    return (len(content) + 8).to_bytes(4, "big") + name + content


def video(size: int, seed: int = 0) -> bytes:
    """So many bytes that look like an MP4 file."""
    head = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41") + box(b"moov", bytes(64))
    return head + box(b"mdat", Random(seed).randbytes(size - len(head) - 8))


SMALL, LARGE = video(3000), video(3 * MIB + 17)
"""One that is less than a block, and one of several."""

Turn = Callable[[Connection, Request], Awaitable[None]]


def taking(*turns: Turn) -> Script:
    """A script that answers requests by these turns, the last one again and again."""
    left = list(turns)

    async def play(connection: Connection) -> None:
        while request := await connection.request():
            turn = left.pop(0) if len(left) > 1 else left[0]
            await turn(connection, request)

    return play


def saying(status: int, *headers: str, body: bytes = b"", kind: str = "text/plain") -> Turn:
    """Answers with a status."""
    answer = reply(body, status, *headers, kind=kind)

    async def turn(connection: Connection, _: Request) -> None:
        await connection.send(answer)

    return turn


def head_of(status: int, *headers: str) -> bytes:
    """The head of a reply whose body comes after it."""
    lines = (f"HTTP/1.1 {status} Whatever", "Content-Type: video/mp4", "Set-Cookie: seen=1; Path=/", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def raw(*pieces: bytes, end: str = "close", pause: float = 0.0) -> Turn:
    """Sends these bytes as they are, a pause after each, and then closes, resets, hangs or stays."""

    async def turn(connection: Connection, _: Request) -> None:
        for piece in pieces:
            await connection.send(piece)
            if pause:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(connection.gone.wait(), pause)
        if end == "close":
            connection.transport.close()
        elif end == "reset":
            await asyncio.sleep(0.001)  # what was sent is read first: an RST takes with it what was not
            connection.reset()
        elif end == "hang":
            await connection.hang()

    return turn


def serving(
    content: bytes, *, etag: str = '"v1"', most: int | None = None, ranges: bool = True, end: str = "close"
) -> Turn:
    """A good host; with `most` it closes, resets or hangs after so many bytes of a body, in one try after the other.

    Without an ETag, or with `ranges` off, it knows nothing of ranges.
    """

    async def turn(connection: Connection, request: Request) -> None:
        first = wanted(request, etag) if ranges and etag else 0
        part = content[first:]
        headers = [f"Content-Length: {len(part)}", *([f"ETag: {etag}"] if etag else [])]
        if first:
            headers.append(f"Content-Range: bytes {first}-{len(content) - 1}/{len(content)}")
        cut = most is not None and most < len(part)
        await connection.send(head_of(206 if first else 200, *headers) + part[:most])
        if cut:
            await raw(end=end)(connection, request)

    return turn


def wanted(request: Request, etag: str) -> int:
    """The first byte that a request asks for; 0 where its If-Range names another file."""
    told = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    return int(told[1]) if told and request.headers.get("if-range") == etag else 0


def chunked(content: bytes, *, last: bool = True, size: int = 700) -> bytes:
    """A body in chunks, with its last one or without."""
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head_of(200, "Transfer-Encoding: chunked") + body + (b"0\r\n\r\n" if last else b"")


async def the_key() -> dict[str, str]:
    """The headers of a call to the gateway, one more than is to be sent."""
    return {"Authorization": f"Bearer {KEY}", "X-Own": "of the gateway alone"}


def telling(*urls: str | None) -> Renew:
    """Gives these addresses in turn, the last one again and again."""
    left = list(urls)

    async def renew() -> str | None:
        return left.pop(0) if len(left) > 1 else left[0]

    return renew


async def fetched(
    renew: Renew | str,
    store: Store | Path,
    *,
    gateway: str = "http://127.0.0.1:9",
    options: FetchOptions | None = None,
    name: str = "job-1.mp4",
) -> Download:
    """Fetches the video of `job-1`; whatever comes of it shows no key."""
    store = Folder(store) if isinstance(store, Path) else store
    async with Fetcher(gateway, the_key, options) as fetcher:
        renew = telling(renew) if isinstance(renew, str) else renew
        found = await fetcher.fetch("job-1", "7", renew, store, name)
    assert KEY not in repr(found)
    return found


@contextlib.asynccontextmanager
async def host(*turns: Turn) -> AsyncIterator[RawServer]:
    """A file host, which must see no key, no cookie, no referrer and nothing but GET."""
    async with RawServer(always=taking(*turns)) as server:
        yield server
        for request in server.requests:
            assert request.method == "GET"
            assert not {"authorization", "cookie", "referer", "x-own", "proxy-authorization"} & set(request.headers)
            assert request.headers["accept-encoding"] == "identity"
            assert KEY not in repr(request)


def good(found: Download) -> Downloaded:
    """One that went well."""
    assert isinstance(found, Downloaded), found
    return found


def bad(found: Download) -> DownloadFailed:
    """One that did not."""
    assert isinstance(found, DownloadFailed), found
    return found


def files(where: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {it.name: it.read_bytes() for it in _files(where)}


def _files(where: Path) -> Iterator[Path]:
    return where.iterdir() if where.exists() else iter(())
