"""Bodies in, replies out, and what is done to a connection on purpose."""

from __future__ import annotations

import socket
import struct

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from lipsync_async.sandbox.checks import Refused
from lipsync_async.sandbox.replies import Answer

BODY_LIMIT = 10 * 1024 * 1024
_LINGER_OFF = struct.pack("ii", 1, 0)  # close() sends a reset


async def body_of(request: web.BaseRequest) -> bytes | None:
    """Read the body; None when it is over the limit.

    Raises ConnectionError when the client goes, and Refused for a body that can't be unpacked.
    """
    if (request.content_length or 0) > BODY_LIMIT:
        return None
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    chunks, size = [], 0
    try:
        while chunk := await request.content.readany():
            chunks.append(chunk)
            size += len(chunk)
            if size > BODY_LIMIT:
                return None
    except (web.RequestPayloadError, HttpProcessingError):
        raise Refused(1200, "request body cannot be read") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def response(reply: Answer) -> web.Response:
    """Make it a reply of aiohttp's."""
    headers = {"Content-Type": reply.content_type, **reply.headers}
    return web.Response(body=reply.body, status=reply.status, headers=headers)


def close_after(reply: web.Response) -> web.Response:
    """End the connection after this reply."""
    reply.force_close()
    return reply


def reset(request: web.BaseRequest) -> web.Response:
    """Reset the connection, so that the client sees ECONNRESET and no end of file."""
    transport = request.transport
    if transport is not None:
        wire: socket.socket | None = transport.get_extra_info("socket")
        if wire is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
        transport.abort()
    return web.Response()  # goes nowhere: the transport is closing


def truncated(request: web.BaseRequest, reply: Answer) -> web.Response:
    """Send the whole head and half of the body, then end the connection."""
    transport = request.transport
    if transport is not None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {reply.content_type}\r\nContent-Length: {len(reply.body)}\r\n\r\n"
        transport.write(head.encode() + reply.body[: len(reply.body) // 2])
        transport.close()
    return web.Response()  # goes nowhere: the transport is closing
