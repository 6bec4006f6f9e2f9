"""One request for a video: the address is judged, redirects are followed by the rules, and the head is read.

The key goes along as `addresses` says; there is no HEAD, no Referer and no cookie.
No message shows anything of a URL but its host, nor any word of a server's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import msgspec
from attrs import frozen

from lipsync_async.about import user_agent
from lipsync_async.endings import DownloadKind
from lipsync_async.errors import ConfigurationError
from lipsync_async.wire.texts import message
from lipsync_async.wire.transport import MISCONFIGURED

from .addresses import Hop, Inline, Refused, Rules, decode, shown
from .folder import in_thread
from .heads import Again, GiveUp, Redirect, Take, Version, judge
from .session import Proxies, refusal_in

MOST_REDIRECTS = 5

Key = Callable[[], Awaitable[Mapping[str, str]]]
"""Gives the headers that carry the key, of which `Authorization` alone is sent."""


class Cut(msgspec.Struct, frozen=True):
    """A body ended before its time."""

    reason: str


@frozen(kw_only=True)
class Asked:
    """What is asked for."""

    url: str
    """As the gateway told it."""
    offset: int = 0
    version: Version | None = None
    """Of what is there already; needed for an offset."""
    seconds: float
    """Until the head is to be there, redirects included."""


class Body:
    """A body on its way."""

    def __init__(self, take: Take, response: aiohttp.ClientResponse) -> None:
        self.take = take
        self.received = 0
        self._response = response

    async def read(self, seconds: float) -> bytes | Cut:
        """What came, as soon as anything does; b"" at the end. A silence of so many seconds is a cut."""
        try:
            async with asyncio.timeout(seconds):
                data = await self._response.content.readany()
        except TimeoutError:
            return Cut(f"no byte came for {seconds:.0f} s")
        except (aiohttp.ClientError, OSError) as error:
            # A body that came whole is whole, whatever its connection did afterwards (aiohttp issue 13348).
            if self.take.length is not None and self.received == self.take.length:
                return b""
            return Cut(f"the connection broke ({type(error).__name__})")
        self.received += len(data)
        return data

    def close(self) -> None:
        """A body that was not read to its end takes its connection with it."""
        if not self._response.closed:
            self._response.close()


class InlineBody(Body):
    """A video that stood in its URL."""

    def __init__(self, content: bytes) -> None:
        self.take = Take(length=len(content), total=len(content))
        self.received = 0
        self._content = content

    async def read(self, seconds: float) -> bytes | Cut:
        """All of it, once."""
        del seconds
        data, self._content = self._content, b""
        self.received += len(data)
        return data

    def close(self) -> None:
        """It has no connection."""


class Source:
    """Where the videos of one gateway come from."""

    def __init__(
        self, session: aiohttp.ClientSession, rules: Rules, proxies: Proxies, key: Key | None, *, most: int
    ) -> None:
        self.most = most
        """Bytes that a video may have."""
        self._session = session
        self._rules = rules
        self._proxies = proxies
        self._key = key

    async def open(self, asked: Asked) -> Body | Again | GiveUp:
        """Asks once. Raises only what cancels."""
        try:
            async with asyncio.timeout(asked.seconds):
                return await self._open(asked)
        except TimeoutError:
            return Again(reason=f"no answer came within {asked.seconds:.0f} s")

    async def _open(self, asked: Asked) -> Body | Again | GiveUp:
        if self._session.closed:
            return GiveUp(DownloadKind.REFUSED, "the client was closed")
        hop: Hop | Inline | Refused = self._rules.begin(asked.url)
        for _ in range(MOST_REDIRECTS + 1):
            if isinstance(hop, Inline):
                content = await in_thread(lambda url=hop.url: decode(url))  # type: ignore[misc]
                return InlineBody(content) if content is not None else Again(reason=_UNREADABLE, renew=True)
            if isinstance(hop, Refused):
                return GiveUp(DownloadKind.REFUSED, f"the video's address is not fetched: {hop.reason}")
            found = await self._request(hop, asked)
            if not isinstance(found, Redirect):
                return found
            hop = self._rules.follow(hop, found.location)
        return Again(reason=f"more than {MOST_REDIRECTS} redirects", kind=DownloadKind.REFUSED, renew=True)

    async def _request(self, hop: Hop, asked: Asked) -> Body | Again | GiveUp | Redirect:
        try:
            headers = await self._headers(hop, asked)
            response = await self._session.get(
                hop.url, headers=headers, allow_redirects=False, raise_for_status=False, proxy=self._proxies.of(hop.url)
            )
        except ConfigurationError as error:
            return GiveUp(DownloadKind.REFUSED, message(str(error)))
        except Exception as error:  # noqa: BLE001 - whatever a connection can do wrong, the download must come out
            return _trouble(error, hop)
        body: Body | None = None
        try:
            meaning = judge(
                response.status,
                response.headers,
                offset=asked.offset,
                version=asked.version,
                most=self.most,
                now=time.time(),
            )
            if isinstance(meaning, Take):
                body = Body(meaning, response)
                return body
            return meaning
        finally:
            if body is None:
                response.close()

    async def _headers(self, hop: Hop, asked: Asked) -> dict[str, str]:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": user_agent()}
        if asked.offset and asked.version is not None:
            headers |= {"Range": f"bytes={asked.offset}-", "If-Range": asked.version.etag}
        if hop.with_key and self._key is not None:
            headers["Authorization"] = (await self._key())["Authorization"]
        return headers


_UNREADABLE = "the video stands in its URL, and cannot be read"


def _trouble(error: Exception, hop: Hop) -> Again | GiveUp:
    """What went wrong before there was a head."""
    where = shown(hop.url)
    if (reason := refusal_in(error)) is not None:
        return GiveUp(DownloadKind.REFUSED, f"the video's address is not fetched: {where} is {reason}")
    if isinstance(error, MISCONFIGURED):
        return GiveUp(DownloadKind.REFUSED, f"{where} cannot be trusted, or is no address ({type(error).__name__})")
    return Again(reason=f"no connection to {where} ({type(error).__name__})")
