"""What the loopback tests share: a client of a raw gateway, and one job submitted to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

from attrs import frozen

from lipsync_async import AudioBytes, LipSyncClient, LipSyncRequest, Timeouts
from lipsync_async.outcomes import Outcome
from tests.makers import request, requests, wav

from .hurried import hurry
from .raw import RawServer, Script

__all__ = ["KEY", "SMALL", "Told", "big_clip", "client", "request", "requests", "tell", "wav"]

KEY = "key-that-nobody-may-see"
SMALL = Timeouts(total=8.0, connect=4.0, grace=2.0, submit_grace=2.0)


def client(server: RawServer | str, **options: Any) -> LipSyncClient:
    """Returns a client of that gateway."""
    url = server if isinstance(server, str) else server.url
    usual: dict[str, Any] = {"api_key": KEY, "timeouts": SMALL}
    return LipSyncClient(url, **usual | options)


def in_use(submitter: LipSyncClient) -> set[Any]:
    """Returns the connections that are neither closed nor free, once nothing is under way any more."""
    assert submitter._session is not None
    assert submitter._session.connector is not None
    transport = submitter._transport
    assert transport is not None
    kept = () if transport._lean is None else transport._lean.kept._free
    return set(submitter._session.connector._acquired) - {connection.protocol for connection in kept}


@frozen
class Told:
    """The outcome of one job, and the gateway that it was submitted to."""

    outcome: Outcome
    server: RawServer
    seconds: float
    """How long it took, on the clock of the loop."""


def tell(
    *scripts: Script,
    always: Script | None = None,
    job: LipSyncRequest | None = None,
    url: Callable[[RawServer], str] = lambda server: server.url,
    tls: Any = None,
    **options: Any,
) -> Told:
    """Submits one job, by default `job-1`, to a gateway that plays these scripts."""

    async def main() -> Told:
        loop = asyncio.get_running_loop()
        async with RawServer(*scripts, always=always, tls=tls) as server:
            begun = loop.time()
            async with client(url(server), **options) as submitter:
                result = await submitter.submit_many([job or request()])
                assert not in_use(submitter), "a connection was not given back"
            return Told(next(iter(result.values())), server, loop.time() - begun)

    return hurry(main())


@cache
def big_clip() -> AudioBytes:
    """A sound slightly smaller than the 5 MiB that a create takes."""
    return AudioBytes(wav(60.0, 43_600))
