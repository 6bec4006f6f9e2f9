"""The plain way: `session.request`, for bodies of any size, any session, and proxies."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from lipsync_async.config import Timeouts
from lipsync_async.terms import Phase

from .bodies import Body
from .flight import Flight
from .unpacking import Arrived
from .upload import Upload


class Plain:
    """Requests over a session."""

    def __init__(self, session: aiohttp.ClientSession, timeouts: Timeouts, proxy: str | None = None) -> None:
        self._session = session
        self._no_timers = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect)
        self._proxy = proxy

    async def post(self, url: URL, headers: CIMultiDict[str], body: Body, flight: Flight) -> Arrived | None:
        """A create's reply; None where the connection held a reply before the request, which was not sent."""
        response = await self._request("POST", url, headers, Upload(body, flight))
        if flight.phase is Phase.CONNECTING:
            response.close()
            return None
        return _arrived(response)

    async def get(self, url: URL, headers: CIMultiDict[str]) -> Arrived | None:
        """A query's reply; aiohttp asks once more itself where the connection broke."""
        return _arrived(await self._request("GET", url, headers))

    def _request(
        self, method: str, url: URL, headers: CIMultiDict[str], data: Upload | None = None
    ) -> Awaitable[aiohttp.ClientResponse]:
        return self._session.request(
            method,
            url,
            headers=headers,
            data=data,
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=False,
            timeout=self._no_timers,
            proxy=self._proxy,
        )


def _arrived(response: aiohttp.ClientResponse) -> Arrived:
    return Arrived(response.status, response.headers, response.content, partial(_leave, response))


def _leave(response: aiohttp.ClientResponse) -> None:
    """Closes the connection of a reply that was not read to its end; any other is back in the pool already."""
    if not response.closed:
        response.close()
