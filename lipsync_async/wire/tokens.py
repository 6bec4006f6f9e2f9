"""Kling's own keys: an access key and its secret make JSON web tokens (contract, section 1)."""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping

import msgspec

from lipsync_async.errors import ConfigurationError
from lipsync_async.terms import Kind

EARLY = 5
"""Seconds by which a token is valid before it is made: the gateway's clock may be slow."""


class KlingKey:
    """Makes the API key of an access key and its secret: `LipSyncClient("kling", api_key=KlingKey(access, secret))`.

    Each call returns a JSON web token (HS256) that is good for `lifetime` seconds.
    The client asks for the next one when the gateway says that the last has expired; nothing is lost by it.
    Neither the secret nor a token is in its repr, and it is not pickled.
    Raises `ConfigurationError` for a key that is empty or no text, and for a lifetime below 60 s or above a day.
    """

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        *,
        lifetime: float = 1800.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._access, self._secret = _text(access_key), _text(secret_key)
        del access_key, secret_key  # the frame of an error holds no secret
        if not self._access or not self._secret:
            raise ConfigurationError("Kling's access key and secret key are two texts, none empty", kind=Kind.AUTH)
        if not 60.0 <= lifetime <= 86_400.0:
            raise ConfigurationError(f"a token lives for 60 to 86400 seconds, not {lifetime!r}")
        self._lifetime = lifetime
        self._clock = clock

    def __repr__(self) -> str:
        return f"<KlingKey, tokens of {self._lifetime:g} s>"

    def __reduce__(self) -> str:
        raise TypeError("a KlingKey is not pickled: it holds a secret")

    def __call__(self) -> str:
        """Returns a new token."""
        now = int(self._clock())
        return sign({"iss": self._access, "exp": now + int(self._lifetime), "nbf": now - EARLY}, self._secret)


def sign(claims: Mapping[str, str | int], secret: str) -> str:
    """Returns claims as a JSON web token that is signed by HMAC-SHA256 (RFC 7515, RFC 7519)."""
    said = f"{_part(msgspec.json.encode({'alg': 'HS256', 'typ': 'JWT'}))}.{_part(msgspec.json.encode(claims))}"
    return f"{said}.{_part(hmac.digest(secret.encode(), said.encode(), 'sha256'))}"


def _text(key: object) -> str:
    return key.strip() if isinstance(key, str) else ""


def _part(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
