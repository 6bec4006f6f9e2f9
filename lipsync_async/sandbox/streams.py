"""Writing a file to a socket, well or as its fault says."""

from __future__ import annotations

import asyncio
import gzip
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping

from aiohttp import web

from lipsync_async.sandbox.entries import FileRequest
from lipsync_async.sandbox.file_faults import Behaviour
from lipsync_async.sandbox.ranges import Part, part_of
from lipsync_async.sandbox.sockets import reset
from lipsync_async.sandbox.state import State
from lipsync_async.sandbox.video import Video

VIDEO = "video/mp4"
_PIECE = 64 * 1024
_TRICKLES = 10  # pieces of a file that trickles
_UNSATISFIABLE = 416
_FLUSH = 0.005  # seconds between two looks at whether the socket took all

_Write = Callable[[bytes], Awaitable[None]]


async def send(
    state: State, request: web.BaseRequest, video: Video, behaviour: Behaviour, seen: FileRequest
) -> web.StreamResponse:
    """Answer a request with a video's part; what was written is noted in `seen`.

    Raises:
        ConnectionError: the client has left.

    """
    if behaviour.share == 0:
        return reset(request)
    if behaviour.gzip:
        return await _packed(state, video, seen)
    part = _part(request, video, behaviour)
    seen.status = part.status
    end = part.end
    if behaviour.share < 1:
        end = min(end, part.start + math.ceil(video.size * behaviour.share))
    reply, write = await _begin(request, behaviour, _headers(video, behaviour, part), part)
    for piece in _pieces(video, part.start, end, slow=behaviour.slow):
        if behaviour.slow:
            await asyncio.sleep(state.options.slow_seconds / _TRICKLES)
        await write(piece)
        seen.sent += len(piece)
    while behaviour.endless:
        await write(bytes(_PIECE))
        seen.sent += _PIECE
        await asyncio.sleep(0)  # a client in the same loop has its turn
    if end < part.end:
        await _stop(state, request, behaviour)
    elif behaviour.framing == "close":
        _close(request)
    seen.whole = end == video.size and part.status != _UNSATISFIABLE
    return reply


def _part(request: web.BaseRequest, video: Video, behaviour: Behaviour) -> Part:
    wanted = request.headers.get("Range", "") if behaviour.ranges else ""
    return part_of(wanted, request.headers.get("If-Range", ""), video.size, video.etag)


def _headers(video: Video, behaviour: Behaviour, part: Part) -> dict[str, str]:
    # The cookie is there to be sent back by a client that has a jar: the ledger would see it.
    headers = {"Content-Type": VIDEO, "ETag": video.etag, "Set-Cookie": "visited=1; Path=/"}
    headers |= {"Accept-Ranges": "bytes"} if behaviour.ranges else {}
    return headers | ({"Content-Range": part.content_range} if part.content_range else {})


def _pieces(video: Video, start: int, end: int, *, slow: bool) -> Iterator[bytes]:
    size = max(1, math.ceil((end - start) / _TRICKLES)) if slow else _PIECE
    for at in range(start, end, size):
        yield video.read(at, min(end, at + size))


async def _begin(
    request: web.BaseRequest, behaviour: Behaviour, headers: Mapping[str, str], part: Part
) -> tuple[web.StreamResponse, _Write]:
    """Send the head; gives the reply, and what writes a piece of its body."""
    if behaviour.framing == "close":
        return web.Response(), _raw(request, part.status, headers)  # goes nowhere: the connection ends with the body
    reply = web.StreamResponse(status=part.status, headers=headers)
    if behaviour.framing == "chunks":
        reply.enable_chunked_encoding()
    else:
        reply.content_length = part.end - part.start
    await reply.prepare(request)
    return reply, reply.write


def _raw(request: web.BaseRequest, status: int, headers: Mapping[str, str]) -> _Write:
    """Write a head that tells no length, past aiohttp, which would choose chunks."""
    told = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "Connection": "close"}.items())

    async def write(piece: bytes) -> None:
        if request.transport is None:
            raise ConnectionResetError
        request.transport.write(piece)
        await _flushed(request)

    if request.transport is not None:
        request.transport.write(f"HTTP/1.1 {status} OK\r\n{told}\r\n".encode())
    return write


async def _packed(state: State, video: Video, seen: FileRequest) -> web.Response:
    loop = asyncio.get_running_loop()
    body = await loop.run_in_executor(state.threads, gzip.compress, video.read(), 1)
    headers = {"Content-Type": VIDEO, "ETag": f"W/{video.etag}", "Content-Encoding": "gzip"}
    seen.status, seen.sent, seen.whole = 200, len(body), True
    return web.Response(body=body, headers=headers)


async def _stop(state: State, request: web.BaseRequest, behaviour: Behaviour) -> None:
    """End a stream before its time; what was written before has left this process by then."""
    await _flushed(request)
    match behaviour.stop:
        case "stall":
            await state.hang(request)
        case "reset":
            reset(request)
        case "close":
            _close(request)


async def _flushed(request: web.BaseRequest) -> None:
    while request.transport is not None and not request.transport.is_closing():
        if not request.transport.get_write_buffer_size():
            return
        await asyncio.sleep(_FLUSH)


def _close(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.close()
