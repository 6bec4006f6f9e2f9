"""The HTTP session of downloads, which connects to no address that the rules refuse.

It is a session of its own: no cookies, no default headers, no key but where a request is given one.
A name is judged by the very addresses that are connected to, so no name that changes its mind in between gets through.
Behind a proxy the proxy resolves the names; there only an address that stands in the URL is judged.
"""

from __future__ import annotations

import asyncio
import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from lipsync_async.wire.transport import proxy_from_environment

from .addresses import Rules, literal, origin_of, reach_of


class _RefusedAddressError(OSError):
    """All addresses of a name are refused."""


class GuardedResolver(AbstractResolver):
    """Gives only addresses that the rules admit; to proxies, which the user named, all."""

    def __init__(self, rules: Rules, trusted: frozenset[str] = frozenset()) -> None:
        self._rules = rules
        self._trusted = trusted
        self._names = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name; raises OSError where there is none that may be connected to."""
        found = await self._names.resolve(host, port, family)
        if host in self._trusted:
            return found
        faults = {it["host"]: self._rules.refuses(it["host"]) for it in found}
        admitted = [it for it in found if faults[it["host"]] is None]
        if not admitted:
            raise _RefusedAddressError(next(filter(None, faults.values()), "no address"))
        return admitted

    async def close(self) -> None:
        """There is nothing to close."""


def refusal_in(error: BaseException) -> str | None:
    """Why the rules refused the address of a name; None: that is not what happened."""
    cause = getattr(error, "os_error", error)
    return str(cause) if isinstance(cause, _RefusedAddressError) else None


async def rules_of(gateway_url: str) -> Rules:
    """The rules for a gateway; its name is resolved once, for what is as near as the gateway may be fetched."""
    host = URL(gateway_url).host or ""
    if literal(host) is not None:
        return Rules(gateway_url)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:  # behind a proxy, perhaps: a public one is assumed
        found = []
    return Rules(gateway_url, {reach_of(str(it[4][0])) for it in found})


class Proxies:
    """The proxies that the environment names, each looked up once; none where it is not asked."""

    def __init__(self, *, trust_env: bool = False) -> None:
        self._trust_env = trust_env
        self._known: dict[tuple[str, str], str | None] = {}

    def of(self, url: URL) -> str | None:
        """The proxy for a URL. Raises `ConfigurationError` for one that speaks anything but HTTP."""
        if not self._trust_env:
            return None
        scheme, host, _ = origin_of(url)
        if (scheme, host) not in self._known:
            self._known[scheme, host] = proxy_from_environment(str(url.origin()))
        return self._known[scheme, host]

    def hosts(self) -> frozenset[str]:
        """Those whose names may resolve to any address, for the user named them."""
        named = (self.of(URL(f"{scheme}://a.example")) for scheme in ("http", "https"))
        return frozenset(URL(it).host or "" for it in named if it)


def make_session(rules: Rules, proxies: Proxies) -> aiohttp.ClientSession:
    """A session for downloads alone; how many there are at a time is bounded by who uses it."""
    resolver = GuardedResolver(rules, proxies.hosts())
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, resolver=resolver, ttl_dns_cache=10),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
    )
