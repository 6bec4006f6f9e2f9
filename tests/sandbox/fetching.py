"""Finished tasks, and a plain client that fetches their files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import attrs

from lipsync_async.sandbox import Sandbox
from tests.loopback.hurried import hurry

from .helpers import Caller, calling, job


@attrs.frozen
class Got:
    """What a plain client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    broken: bool = False
    """The stream ended before its time."""


async def fetch(
    url: str,
    *,
    idle: float = 5.0,
    most: int = 1 << 24,
    method: str = "GET",
    more: Mapping[str, str] | None = None,
    **headers: str,
) -> Got:
    """Fetch a URL, following nothing; status 0 where no reply came."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=idle)
    body = b""
    async with aiohttp.ClientSession(auto_decompress=False, timeout=timeout) as session:
        session._retry_connection = False  # aiohttp would send a GET again whose connection was reset
        try:
            asked = {name.replace("_", "-"): value for name, value in headers.items()} | dict(more or {})
            async with session.request(method, url, headers=asked, allow_redirects=False) as reply:
                try:
                    async for piece in reply.content.iter_any():
                        body += piece
                        if len(body) > most:
                            break
                except (aiohttp.ClientPayloadError, aiohttp.ClientOSError, TimeoutError):
                    return Got(reply.status, reply.headers, body, broken=True)
                return Got(reply.status, reply.headers, body)
        except aiohttp.ClientOSError:
            return Got(0, {}, body, broken=True)


async def finished(caller: Caller, name: str = "a") -> tuple[str, str]:
    """A task that has succeeded: its id and the URL of its video."""
    status, body = await caller.post(job(name))
    assert status == 200
    return body["data"]["task_id"], await url_of(caller, name)


async def url_of(caller: Caller, any_id: str) -> str:
    """What a query tells now."""
    url: str = (await caller.get(any_id))[1]["data"]["task_result"]["videos"][0]["url"]
    return url


def with_files(test: Callable[[Caller], Awaitable[None]], **options: Any) -> Sandbox:
    """Run a test in virtual time against a sandbox whose tasks succeed at once; gives the closed sandbox."""

    async def main() -> Sandbox:
        usual = {"task_seconds": (0.0, 0.0), "failed_share": 0.0, "clock": asyncio.get_running_loop().time}
        async with calling(**usual | options) as caller:
            await test(caller)
        return caller.sandbox

    return hurry(main())
