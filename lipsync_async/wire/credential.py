"""The API key: what gives it, the headers that carry it, and when a new one is worth asking for."""

from __future__ import annotations

import asyncio
import os
import re
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable
from hashlib import blake2b

import msgspec
from multidict import CIMultiDict

from lipsync_async.errors import ConfigurationError, HookError, WrongArgumentError
from lipsync_async.gateways import Gateway
from lipsync_async.terms import Kind

from .tokens import KlingKey

KEY_PATIENCE = 60.0
"""Seconds for an async callable to give a key: every job waits for it."""
FALLBACK_VARIABLE = "LIPSYNC_API_KEY"
"""The environment variable that any gateway's key may stand in."""
_KEY = re.compile(r"[\x21-\x7e]+")

ApiKey = str | Callable[[], str | Awaitable[str]]


class Headers(CIMultiDict[str]):
    """The headers of a call; a traceback that shows its local names shows no key."""

    def __repr__(self) -> str:
        return f"<Headers {', '.join(self)}>"


class Credential:
    """The API key, or what gives it; a new one is asked for once per generation, by whoever comes first."""

    def __init__(self, key: ApiKey, *, agent: str | None = None, origin: str = "") -> None:
        self._key = key
        self._agent = {} if agent is None else {"User-Agent": agent}
        self.origin = origin
        """Where the key comes from, in words; "" where nobody said."""
        self._lock = asyncio.Lock()
        self._asked = 0
        self._waiting = 0
        self._failure: Exception | None = None
        self.generation = 0
        self.good = 0
        """The last generation with which a job was accepted."""
        self.known_headers: Headers | None = None
        """The headers of every call, once they are known."""
        self._marks: dict[bytes, bytes] = {}

    def __repr__(self) -> str:
        return f"<Credential, generation {self.generation}>"

    def may_refresh(self, generation: int) -> bool:
        """Whether a refusal of this generation is worth a new one: a renewed key that never worked is a dead one."""
        return callable(self._key) and (generation < self.generation or generation in {1, self.good})

    def mark(self, salt: bytes) -> bytes:
        """8 bytes that stand for the account of the key that was used last; b"" before there is one.

        They do not give the key away: it is hashed with a salt.
        """
        mark = self._marks.get(salt)
        if mark is None:
            if self.known_headers is None:
                return b""
            key = self.known_headers["Authorization"].removeprefix("Bearer ")
            mark = self._marks[salt] = blake2b(account_of(key).encode(), key=salt, digest_size=8).digest()
        return mark

    async def headers(self) -> Headers:
        """The headers of every call. Raises `ConfigurationError` where the callable gives no usable key."""
        while self.known_headers is None:  # again where the new key was refused before we had our turn
            await self.refresh(self.generation)
        return self.known_headers

    def forget(self) -> None:
        """The key was refused for good: what is sent after this asks for it anew, where there is somebody to ask."""
        if callable(self._key):
            self.known_headers = None

    async def refresh(self, generation: int) -> None:
        """A new key, unless somebody else has renewed that generation already.

        Who waited while another asked in vain shares its failure, and does not ask again.
        """
        asked = self._asked
        self._waiting += 1
        try:
            async with self._lock:
                if self.generation == generation:
                    await self._renew(asked)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._failure = None  # with its frames: one of them may hold a key

    async def _renew(self, asked: int) -> None:
        if self._asked != asked and self._failure is not None:
            raise self._failure
        try:
            self.known_headers = await self._make()
            self._failure = None
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._asked += 1

    async def _make(self) -> Headers:
        source = self._key
        key = _trimmed(source if isinstance(source, str) else await _ask(source))
        self.generation += 1
        self._marks.clear()
        if key is None:
            del source
            raise unusable_key()
        return Headers(
            {
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                **self._agent,
            }
        )


async def _ask(source: Callable[[], str | Awaitable[str]]) -> object:
    """What the caller's callable gives, at once or in time."""
    try:
        given = source()
    except GeneratorExit as error:  # it would end the worker as if nobody wanted it any more
        raise HookError("the callable for the API key raised GeneratorExit") from error
    return given if isinstance(given, str) else await _in_time(given)


async def _in_time(key: Awaitable[str]) -> str:
    try:
        async with asyncio.timeout(KEY_PATIENCE):
            return await key
    except TimeoutError as error:
        raise ConfigurationError(f"no API key came in {KEY_PATIENCE:.0f} s", kind=Kind.AUTH) from error


def usable_key(key: object) -> str:
    """A key that can stand in a header, without the white space around it; the error never shows it.

    Nor does the frame that raises hold it; who calls this with a key of its own has to let go of it as well.
    """
    trimmed = _trimmed(key)
    del key
    if trimmed is None:
        raise unusable_key()
    return trimmed


def _trimmed(key: object) -> str | None:
    """A key without the white space around it; None for one that no header can carry."""
    trimmed = key.strip() if isinstance(key, str) else ""
    return trimmed if _KEY.fullmatch(trimmed) else None


def unusable_key() -> ConfigurationError:
    """The error for a key that can't stand in a header."""
    return ConfigurationError("the API key is empty, or holds characters that no header may carry", kind=Kind.AUTH)


def account_of(key: str) -> str:
    """What stays the same over all keys of one account: the issuer of a JSON web token (Kling's own), else the key."""
    parts = key.split(".")
    if len(parts) == 3:
        try:
            payload = msgspec.json.decode(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (ValueError, msgspec.MsgspecError):
            return key
        issuer = payload.get("iss") if isinstance(payload, dict) else None
        if isinstance(issuer, str) and issuer:
            return f"iss:{issuer}"
    return key


def find_key(gateway: Gateway, given: str | None) -> ApiKey:
    """Returns `given`, else the value of the gateway's variable, else that of `LIPSYNC_API_KEY`; a blank key is none.

    Kling's own pair, where it is set, comes before `LIPSYNC_API_KEY`.
    Raises `ConfigurationError`, with the names of the variables, if there is no key.
    """
    if given is not None and not isinstance(given, str):
        raise WrongArgumentError(f"api_key must be a text, or a function that returns one, not {_kind_of(given)}")
    names = variables_of(gateway)
    own, fallback = map(os.environ.get, (gateway.key_variable, FALLBACK_VARIABLE))
    if not any(key and key.strip() for key in (given, own)) and (pair := _pair(gateway)) is not None:
        return pair
    found = next((key for key in (given, own, fallback) if key and key.strip()), None)
    del given, own, fallback  # the frame of an error holds no key
    if found is not None:
        try:
            return usable_key(found)
        finally:
            del found
    told = f"no API key: set {' or '.join(names)}, or give api_key= in Python"
    raise ConfigurationError(told, kind=Kind.AUTH)


def _pair(gateway: Gateway) -> KlingKey | None:
    """What makes tokens, where the environment has an access key and its secret; None where it has not both."""
    access, secret = (os.environ.get(name, "").strip() for name in gateway.pair_variables or ("", ""))
    return KlingKey(access, secret) if access and secret else None


def _kind_of(given: object) -> str:
    return f"of the type {type(given).__name__}"


def variables_of(gateway: Gateway) -> tuple[str, ...]:
    """The environment variables that a gateway's key may stand in, the first that holds one counts."""
    return tuple(dict.fromkeys((gateway.key_variable, FALLBACK_VARIABLE)))


def origin_of_key(gateway: Gateway, given: ApiKey | None) -> str:
    """Where the key comes from, in words; "" where there is none. The key itself is not kept."""
    if given is not None and given != "":
        return "the key is from the function that api_key= names" if callable(given) else "the key is that of api_key="
    own, fallback = (os.environ.get(name, "").strip() for name in (gateway.key_variable, FALLBACK_VARIABLE))
    if not own and _pair(gateway) is not None:
        return f"the key is made of {' and '.join(gateway.pair_variables or ())}"
    found = gateway.key_variable if own else FALLBACK_VARIABLE if fallback else ""
    return found and f"the key is that of {found}"
