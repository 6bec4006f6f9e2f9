"""A gateway as data: where it is, what it is called with, and what is known of its ways.

Nothing here was observed on a live account: every statement is a default of a profile, never a constant in the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from attrs import evolve, field, frozen

from .errors import ConfigurationError
from .terms import Verdict


def _absolute(_instance: Any, _attribute: Any, value: str) -> None:
    """Says what is wrong by scheme and host alone: the rest of a URL may hold a password or a key."""
    parts = _split(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"a gateway's base URL is like https://api.example.com, not {_shown(value)}")
    if "@" in value:
        raise ConfigurationError(f"a gateway's base URL carries no name and no password: {_shown(value)}")
    if "?" in value or "#" in value:
        raise ConfigurationError(f"a gateway's base URL carries no query and no fragment: {_shown(value)}")


def _split(url: str) -> SplitResult | None:
    """None: it is no URL, or its port is no number (urllib would quote it)."""
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port else None
    except ValueError:
        return None


def _shown(url: str) -> str:
    """Scheme and host; no host beside an @, for what stands there may be the head of a password."""
    parts = _split(url)
    if parts is None or not parts.scheme:
        return "a text that is no URL"
    scheme = parts.scheme if parts.scheme in _SCHEMES else "..."
    return f"{scheme}://{'...' if '@' in url else parts.hostname or ''}"


_SCHEMES = frozenset({"http", "https", "ftp", "ws", "wss"})
"""Those that are shown: what stands before :// may be anything."""


def _without_slash(url: str) -> str:
    return url.rstrip("/")


@frozen(kw_only=True)
class Gateway:
    """One reseller, or Kling itself (contract, sections 1 to 5).

    Raises `ConfigurationError` for an unusable `base_url`.
    """

    name: str
    base_url: str = field(validator=_absolute, converter=_without_slash)
    prefix: str = "/kling"
    """Stands between the base URL and `/v1/...`."""
    key_variable: str = "LIPSYNC_API_KEY"
    """The environment variable that holds the API key."""
    fractional_volumes: bool = False
    """Volumes such as 0.5 are taken."""
    accepts_aac: bool = False
    """Bare ADTS files are taken."""
    drops_zero_volume: bool = True
    """Written in Go, it may drop a volume of 0: the pre-flight warns."""
    lists_tasks: bool = False
    """The task list can be asked for."""
    settle_time: float = 60.0
    """Seconds after which a created task can surely be found."""
    clock_skew: float = 300.0
    """Seconds by which the gateway's clock may be off."""
    max_id_length: int = 64
    """Characters of an external_task_id."""
    codes: Mapping[int | str, Verdict] = field(factory=dict)
    """What codes of its own mean; looked at before the common table."""

    @property
    def create_url(self) -> str:
        """Where a lip-sync task is created, queried (`/{id}`) and listed."""
        return f"{self.base_url}{self.prefix}/v1/videos/advanced-lip-sync"

    def at(self, base_url: str) -> Gateway:
        """The same gateway at another address: Kling's other region, a proxy, a sandbox."""
        return evolve(self, base_url=base_url)


CHAINHUB = Gateway(name="chainhub", base_url="https://api.chainhub.tech", key_variable="CHAINHUB_API_KEY")
ANYAPI = Gateway(name="anyapi", base_url="https://www.anyapi.vip", key_variable="ANYAPI_API_KEY")
KLING = Gateway(
    name="kling",
    base_url="https://api-singapore.klingai.com",
    prefix="",
    key_variable="KLING_API_KEY",
    fractional_volumes=True,
    accepts_aac=True,
    drops_zero_volume=False,
    lists_tasks=True,
)
GATEWAYS: Mapping[str, Gateway] = {gateway.name: gateway for gateway in (CHAINHUB, ANYAPI, KLING)}


def gateway_for(name_or_url: str | Gateway) -> Gateway:
    """A gateway by its name or base URL; `/kling/v1/...` is appended to a URL, as for the resellers.

    Raises `ConfigurationError` where it is neither.
    """
    if isinstance(name_or_url, Gateway):
        return name_or_url
    known = GATEWAYS.get(name_or_url.lower())
    if known is not None:
        return known
    if "://" not in name_or_url:
        # It is not shown: what stands where a gateway's name should may be a key.
        raise ConfigurationError(f"what was given is neither a gateway ({', '.join(GATEWAYS)}) nor a URL")
    parts = _split(name_or_url)
    return Gateway(name=parts.netloc if parts else "", base_url=name_or_url)
