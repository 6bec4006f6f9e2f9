"""Which addresses may be fetched, and whether with the key (contract, section 5b).

Pure: `session` asks `Rules` once more with the addresses that a name was resolved to.

| what was told                                   | what is done                                                  |
|-------------------------------------------------|---------------------------------------------------------------|
| `https:`, `http:`                               | fetched; with the key if it is the gateway's own origin       |
| relative                                        | the same, from the gateway's origin, or from what redirected  |
| `data:`                                         | decoded; never from a redirect                                |
| any other scheme, a name or password in the URL | refused                                                       |
| a host in numbers that is no plain address      | refused: 2130706433, 0177.0.0.1, 127.1, 0x7f.1                |
| an address nearer than the gateway's own        | refused, as a literal and after its name was resolved         |

The key goes no further once a redirect has left the gateway's origin, even where another one leads back.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes, urljoin

import msgspec
from yarl import URL


class Reach(Enum):
    """From where an address can be reached."""

    GLOBAL = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    NOWHERE = "reserved"
    """Unspecified, multicast, broadcast, or of no use that is known."""


ADMITTED: Mapping[Reach, frozenset[Reach]] = {
    Reach.GLOBAL: frozenset({Reach.GLOBAL}),
    Reach.PRIVATE: frozenset({Reach.GLOBAL, Reach.PRIVATE}),
    Reach.LOOPBACK: frozenset({Reach.GLOBAL, Reach.PRIVATE, Reach.LOOPBACK}),
    Reach.LINK_LOCAL: frozenset({Reach.GLOBAL, Reach.LINK_LOCAL}),
    Reach.NOWHERE: frozenset({Reach.GLOBAL, Reach.PRIVATE, Reach.LOOPBACK, Reach.NOWHERE}),
}
"""What a gateway at such an address may name: nothing nearer than itself; http://0.0.0.0 is this machine, too."""

_NETWORKS: Final = [
    (ip_network(network), reach)
    for reach, networks in {
        Reach.LOOPBACK: "127.0.0.0/8 ::1/128",
        Reach.LINK_LOCAL: "169.254.0.0/16 fe80::/10",
        # 100.64/10 is of carriers and of private overlays. 198.18/15 is for benchmarks by its standard, and what the
        # resolver of some proxies gives every name; the gateway is in it as well there, and so it is admitted.
        Reach.PRIVATE: "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 198.18.0.0/15 fc00::/7 fec0::/10",
        Reach.NOWHERE: "0.0.0.0/8 192.0.0.0/24 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3"
        " ::/128 100::/64 2001::/23 2001:db8::/32 3fff::/20 ff00::/8",
    }.items()
    for network in networks.split()
]
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 behind a NAT64; the last 32 bits are the address."""
_LOCAL_TRANSLATED = IPv6Network("64:ff9b:1::/48")


def reach_of(address: str | IPv4Address | IPv6Address) -> Reach:
    """From where an address can be reached; an IPv6 address that carries an IPv4 one is as near as that.

    Raises ValueError for what is no address.
    """
    it = ip_address(address.partition("%")[0]) if isinstance(address, str) else address
    carried = _carried(it) if isinstance(it, IPv6Address) else []
    if carried:
        return max(map(reach_of, carried), key=_nearness)
    if isinstance(it, IPv6Address) and it in _LOCAL_TRANSLATED:
        return Reach.PRIVATE
    return next((reach for network, reach in _NETWORKS if it in network), Reach.GLOBAL)


def _nearness(reach: Reach) -> int:
    return (Reach.GLOBAL, Reach.PRIVATE, Reach.LINK_LOCAL, Reach.LOOPBACK, Reach.NOWHERE).index(reach)


def _carried(it: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses inside: mapped, compatible, translated, of 6to4 and of Teredo."""
    if it.ipv4_mapped is not None:
        return [it.ipv4_mapped]
    if it.sixtofour is not None:
        return [it.sixtofour]
    if it.teredo is not None:
        return list(it.teredo)
    if it in _TRANSLATED or (int(it) < 2**32 and int(it) > 1):
        return [IPv4Address(int(it) & 0xFFFF_FFFF)]
    return []


class Origin(NamedTuple):
    """Scheme, host and port: to whom a key belongs."""

    scheme: str
    host: str
    port: int | None


def origin_of(url: URL) -> Origin:
    """Of an absolute URL; the port is told where it is the scheme's own."""
    return Origin(url.scheme.lower(), (url.raw_host or "").lower(), url.port)


class Hop(msgspec.Struct, frozen=True):
    """A URL that may be fetched."""

    url: URL
    """To be sent as it is: the order of its signature is kept, and nothing is quoted anew."""
    with_key: bool


class Inline(msgspec.Struct, frozen=True):
    """The video stands in the URL itself."""

    url: str


class Refused(msgspec.Struct, frozen=True):
    """Not to be fetched."""

    reason: str
    """Without what a URL may hold of a secret."""


class Rules:
    """What one gateway's words may make this client fetch."""

    def __init__(self, gateway_url: str, reaches: Iterable[Reach] = ()) -> None:
        """`reaches` are those of the addresses that the gateway's name resolves to; a literal address tells its own."""
        self.gateway = URL(gateway_url)
        self.own = origin_of(self.gateway)
        host = literal(self.own.host)
        found = {reach_of(host)} if host is not None else set(reaches)
        self.admitted = frozenset().union(*(ADMITTED[reach] for reach in found or {Reach.GLOBAL}))

    def begin(self, told: str) -> Hop | Inline | Refused:
        """Judges an address as a gateway told it."""
        if told[:5].lower() == "data:":
            return Inline(told)
        return self._judge(told, str(self.gateway.origin()) + "/", keyed=True)

    def follow(self, hop: Hop, location: str) -> Hop | Refused:
        """Judges where a redirect leads."""
        return self._judge(location, str(hop.url), keyed=hop.with_key)

    def refuses(self, address: str) -> str | None:
        """Why an address that a name was resolved to is not connected to; None: it may be."""
        reach = reach_of(address)
        return None if reach in self.admitted else f"a {reach.value} address, which the gateway itself is not at"

    def _judge(self, told: str, base: str, *, keyed: bool) -> Hop | Refused:
        url = _read(told, base)
        if isinstance(url, Refused):
            return url
        if reason := self._fault_of(url):
            return Refused(reason)
        return Hop(url, keyed and origin_of(url) == self.own)

    def _fault_of(self, url: URL) -> str | None:
        if url.scheme not in {"http", "https"}:
            return "only http and https are fetched"
        host = (url.raw_host or "").lower()
        if not host:
            return "it names no host"
        if url.raw_user is not None or url.raw_password is not None:
            return "a name or a password stands in the URL"
        address = literal(host)
        if address is None and _NUMBERS.search(host.rstrip(".")):
            return "its host is a number in disguise"
        if address is None and _is_local(host):
            address = "127.0.0.1"
        return self.refuses(address) if address is not None else None


_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_NUMBERS = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)$")
"""How a host ends that a resolver may take for a number (of the URL standard: "ends in a number")."""


def _read(told: str, base: str) -> URL | Refused:
    """The absolute URL; what is plain ASCII stays as it was written, for a signature may be about its very letters."""
    if _UNSAFE.search(told):
        return Refused("blanks, control characters or backslashes stand in the URL")
    try:
        absolute = told if _SCHEME.match(told) else urljoin(base, told)
        url = URL(absolute, encoded=absolute.isascii())
        url.origin() if url.raw_host else None  # raises for a port that is none
    except ValueError:
        return Refused("it cannot be read as a URL")
    return url.with_fragment(None)


def _is_local(host: str) -> bool:
    name = host.rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


def literal(host: str) -> str | None:
    """The address that a host is, if it is one in plain form."""
    try:
        return str(ip_address(host.removeprefix("[").removesuffix("]").partition("%")[0]))
    except ValueError:
        return None


def shown(url: URL) -> str:
    """Scheme and host, for messages: what follows them may be a signature."""
    return f"{url.scheme}://{url.raw_host or ''}"


_DATA = re.compile(r"data:([^,]*),", re.IGNORECASE)


def decode(url: str) -> bytes | None:
    """What a `data:` URL holds; None where it cannot be read."""
    head = _DATA.match(url)
    if head is None:
        return None
    raw = unquote_to_bytes(url[head.end() :])
    if not head[1].lower().endswith(";base64"):
        return raw
    raw = raw.translate(_URL_SAFE, b" \t\r\n")
    try:
        return b64decode(raw.rstrip(b"=") + b"=" * (-len(raw.rstrip(b"=")) % 4), validate=True)
    except ValueError:
        return None


_URL_SAFE = bytes.maketrans(b"-_", b"+/")
