"""A gateway as data: its address, the variable that holds its key, and how it behaves.

Nothing here was observed on a live account, so every statement is a default that a profile may change.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import SplitResult, urlsplit

from attrs import evolve, field, frozen

from .errors import ConfigurationError, WrongArgumentError
from .given import shown
from .terms import Verdict


def _absolute(_instance: Any, _attribute: Any, value: str) -> None:
    """Raises `ConfigurationError`; it shows only scheme and host, because the rest may contain a password or a key."""
    parts = _split(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"a gateway's base URL is like https://api.example.com, not {_shown(value)}")
    if "@" in value:
        raise ConfigurationError(f"a gateway's base URL carries no name and no password: {_shown(value)}")
    if "?" in value or "#" in value:
        raise ConfigurationError(f"a gateway's base URL carries no query and no fragment: {_shown(value)}")


def _split(url: str) -> SplitResult | None:
    """Returns the parts of a URL, or None if it is no URL or its port is not valid."""
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port else None
    except ValueError:
        return None


def _shown(url: str) -> str:
    """Returns scheme and host for a message; no host if there is an @, because it may be part of a password."""
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
    """The profile of a reseller, or of Kling itself (contract, sections 1 to 5).

    Raises `ConfigurationError` if `base_url` is no http or https URL, or contains a password, a query or a fragment.
    """

    name: str
    """How messages call it."""
    base_url: str = field(validator=_absolute, converter=_without_slash)
    prefix: str = "/kling"
    """The part of the path between the base URL and `/v1/...`."""
    key_variable: str = "LIPSYNC_API_KEY"
    """The environment variable that holds the API key."""
    pair_variables: tuple[str, str] | None = None
    """The environment variables of an access key and its secret, of which tokens are made (contract, section 1)."""
    fractional_volumes: bool = False
    """It accepts volumes such as 0.5."""
    accepts_aac: bool = False
    """It accepts bare AAC files (ADTS)."""
    drops_zero_volume: bool = True
    """It may ignore a volume of 0, as gateways written in Go do; the pre-flight warns of it."""
    lists_tasks: bool = False
    """It has a list of tasks that can be queried."""
    settle_time: float = 60.0
    """Seconds after which a task that was created can certainly be found."""
    hold_time: float = 120.0
    """Seconds for which the gateway may go on working at a request that this client no longer waits for."""
    clock_skew: float = 300.0
    """Seconds by which the gateway's clock may be wrong."""
    max_id_length: int = 64
    """The longest external_task_id, in characters."""
    codes: Mapping[int | str, Verdict] = field(factory=dict)
    """The meaning of this gateway's own codes; they are looked up before the common table."""

    @property
    def create_url(self) -> str:
        """The URL that creates and lists lip-sync tasks; with `/{id}` appended it queries one."""
        return f"{self.base_url}{self.prefix}/v1/videos/advanced-lip-sync"

    @property
    def faces_url(self) -> str:
        """The URL that identifies the faces of a video; with `/{id}` appended it queries a task of it."""
        return f"{self.base_url}{self.prefix}/v1/videos/identify-face"

    @property
    def speech_url(self) -> str:
        """The URL that makes speech of a text; with `/{id}` appended it queries a task of it."""
        return f"{self.base_url}{self.prefix}/v1/audio/tts"

    def at(self, base_url: str) -> Gateway:
        """Returns the same gateway at another address, such as Kling's other region, a proxy or a sandbox."""
        return evolve(self, base_url=base_url)


CHAINHUB = Gateway(name="chainhub", base_url="https://api.chainhub.tech", key_variable="CHAINHUB_API_KEY")
ANYAPI = Gateway(name="anyapi", base_url="https://www.anyapi.vip", key_variable="ANYAPI_API_KEY")
KLING = Gateway(
    name="kling",
    base_url="https://api-singapore.klingai.com",
    prefix="",
    key_variable="KLING_API_KEY",
    pair_variables=("KLING_ACCESS_KEY", "KLING_SECRET_KEY"),
    fractional_volumes=True,
    accepts_aac=True,
    drops_zero_volume=False,
    lists_tasks=True,
)
GATEWAYS: Mapping[str, Gateway] = {gateway.name: gateway for gateway in (CHAINHUB, ANYAPI, KLING)}


GATEWAY_VARIABLE = "LIPSYNC_GATEWAY"
"""The environment variable that names the gateway where none is given: a name or a base URL."""


def gateway_from_environment() -> str:
    """Returns what `LIPSYNC_GATEWAY` says. Raises `ConfigurationError` where it says nothing."""
    given = os.environ.get(GATEWAY_VARIABLE, "").strip()
    if not given:
        told = f"give one ({', '.join(GATEWAYS)}, or a base URL), or set {GATEWAY_VARIABLE}"
        raise ConfigurationError(f"no gateway: {told}")
    return given


def gateway_for(name_or_url: str | Gateway) -> Gateway:
    """Returns the gateway with that name or base URL; a base URL gets the resellers' path `/kling/v1/...`.

    Raises `ConfigurationError` if it is neither.
    """
    if isinstance(name_or_url, Gateway):
        return name_or_url
    if not isinstance(name_or_url, str):
        told = f"gateway must be one of {', '.join(GATEWAYS)}, a base URL or a Gateway"
        raise WrongArgumentError(f"{told}, not {shown(name_or_url)}")
    known = GATEWAYS.get(name_or_url.lower())
    if known is not None:
        return known
    if "://" not in name_or_url:
        # It is not shown: what stands where a gateway's name should may be a key.
        told = f"what was given is neither a gateway ({', '.join(GATEWAYS)}) nor a URL"
        raise ConfigurationError(told + _meant(name_or_url))
    parts = _split(name_or_url)
    if parts is not None and _ROUTE.search(parts.path):
        told = "a gateway's base URL ends before /kling/v1/..., which is appended"
        plain = not _ROUTE.split(parts.path)[0]  # a path before it may hold a secret
        raise ConfigurationError(f"{told}: write {_shown(name_or_url)}{_port(parts)}" if plain else told)
    return Gateway(name=parts.netloc if parts else "", base_url=name_or_url)


_ROUTE = re.compile(r"/(?:kling/v1|v1/videos|v1/audio)(?:/.*)?$")
"""What is appended to a base URL, or the end of it."""
_HOST = re.compile(
    r"(?:localhost|(?:\d{1,3}\.){3}\d{1,3}|(?:[a-z0-9-]{1,30}\.)+[a-z]{2,10})(?::\d{1,5})?", re.IGNORECASE
)
_NEAR = re.compile(r"(?i)localhost|127\.|10\.|192\.168\.")


def _port(parts: SplitResult) -> str:
    return "" if parts.port is None else f":{parts.port}"


def _meant(text: str) -> str:
    """What was meant, it seems: an address without its scheme, or a name with a slip; "" where nothing is near."""
    near = get_close_matches(text.lower(), GATEWAYS, n=1)
    if near:
        return f": did you mean {near[0]}?"
    if _HOST.fullmatch(text):
        return f": write {'http' if _NEAR.match(text) else 'https'}://{text}"
    return ""
