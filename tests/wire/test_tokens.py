"""Tokens of Kling's own keys: what stands in them, that they are signed as the standard has it, when they are new."""

from __future__ import annotations

import hmac
import json
import pickle
from base64 import urlsafe_b64decode

import pytest

from lipsync_async import KLING, KlingKey
from lipsync_async.errors import ConfigurationError
from lipsync_async.gateways import CHAINHUB
from lipsync_async.wire.credential import account_of, find_key, usable_key
from lipsync_async.wire.tokens import sign
from tests.loopback.acts import client
from tests.loopback.hurried import hurry
from tests.loopback.raw import RawServer, answering, reply
from tests.makers import request

SECRET = "a-secret-that-nobody-may-see"


def read(part: str) -> bytes:
    """A part of a token."""
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_says_who_and_how_long() -> None:
    """Header and claims are those of the contract, section 1, and the signature is right."""
    token = KlingKey("the-access", SECRET, clock=lambda: 1_700_000_000.9)()
    head, claims, signature = token.split(".")
    assert json.loads(read(head)) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(read(claims)) == {"iss": "the-access", "exp": 1_700_001_800, "nbf": 1_699_999_995}
    assert read(signature) == hmac.digest(SECRET.encode(), f"{head}.{claims}".encode(), "sha256")
    assert "=" not in token
    assert usable_key(token) == token


def test_a_token_is_what_every_reader_of_tokens_knows() -> None:
    """The well-known example of jwt.io, byte for byte."""
    known = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
        "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
    )
    assert sign({"sub": "1234567890", "name": "John Doe", "iat": 1516239022}, "your-256-bit-secret") == known


def test_all_tokens_are_of_one_account() -> None:
    """So a new one proves as much as the old one did."""
    times = iter([1_000_000.0, 2_000_000.0])
    key = KlingKey("the-access", SECRET, clock=lambda: next(times))
    first, second = key(), key()
    assert first != second
    assert account_of(first) == account_of(second) == "iss:the-access"


@pytest.mark.parametrize(("access", "secret"), [("", SECRET), ("a", " "), (None, SECRET), ("a", b"bytes")])
def test_a_pair_that_is_none_is_refused_unseen(access: str, secret: str) -> None:
    """No message shows it."""
    with pytest.raises(ConfigurationError, match="two texts") as caught:
        KlingKey(access, secret)
    assert SECRET not in str(caught.value)
    assert caught.value.kind == "auth"


@pytest.mark.parametrize("lifetime", [59.9, 86_400.1, float("nan")])
def test_a_lifetime_has_bounds(lifetime: float) -> None:
    """Both of them hold."""
    with pytest.raises(ConfigurationError, match="60 to 86400"):
        KlingKey("a", "b", lifetime=lifetime)
    assert KlingKey("a", "b", lifetime=60.0)()
    assert KlingKey("a", "b", lifetime=86_400.0)()


def test_a_pair_shows_and_keeps_nothing() -> None:
    """Its repr has no secret, and no pickle has it."""
    key = KlingKey("the-access", SECRET)
    assert repr(key) == "<KlingKey, tokens of 1800 s>"
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(key)


def test_the_environment_may_hold_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """For Kling itself, where both are there; a key that is given or set for Kling comes first."""
    for name in ("KLING_API_KEY", "LIPSYNC_API_KEY", "CHAINHUB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KLING_ACCESS_KEY", "the-access")
    with pytest.raises(ConfigurationError, match="no API key"):
        find_key(KLING, None)
    monkeypatch.setenv("KLING_SECRET_KEY", SECRET)
    monkeypatch.setenv("LIPSYNC_API_KEY", "any")
    assert isinstance(find_key(KLING, None), KlingKey)
    assert find_key(CHAINHUB, None) == "any"
    assert find_key(KLING, "given") == "given"
    monkeypatch.setenv("KLING_API_KEY", "own")
    assert find_key(KLING, " ") == "own"


def test_a_token_that_expires_is_replaced_by_the_next() -> None:
    """The job goes out again under the new one, and nobody sees a fault."""
    clock = iter([1_000_000.0, 2_000_000.0])
    key = KlingKey("the-access", SECRET, clock=lambda: next(clock))
    expired = reply({"code": 1004, "message": "Authorization has expired"}, 401)

    async def main() -> None:
        async with RawServer(always=answering(expired, None)) as server, client(server, api_key=key) as submitter:
            accepted = await submitter.submit(request())
            assert accepted.attempts == 1
            sent = [it.headers["authorization"].removeprefix("Bearer ") for it in server.requests]
            assert [json.loads(read(token.split(".")[1]))["exp"] for token in sent] == [1_001_800, 2_001_800]

    hurry(main())
