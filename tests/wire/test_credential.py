"""Keys: asked for once a generation, in time, and never shown."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lipsync_async.errors import ConfigurationError
from lipsync_async.gateways import CHAINHUB
from lipsync_async.terms import Kind
from lipsync_async.wire.credential import KEY_PATIENCE, Credential, find_key, usable_key
from tests.loopback.hurried import hurry


def slow_source() -> tuple[list[int], Callable[[], Awaitable[str]]]:
    """A source of keys that takes a second, and a list with one entry each time that it was asked."""
    asked: list[int] = []

    async def source() -> str:
        asked.append(1)
        await asyncio.sleep(1.0)
        return f"key-number-{len(asked)}"

    return asked, source


def test_a_key_is_asked_for_once_and_renewed_once_a_generation() -> None:
    """By whoever comes first; the others find it done."""
    asked, source = slow_source()

    async def main() -> None:
        credential = Credential(source)
        assert repr(credential) == "<Credential, generation 0>"
        headers = await asyncio.gather(*(credential.headers() for _ in range(5)))
        assert {found["Authorization"] for found in headers} == {"Bearer key-number-1"}
        assert credential.may_refresh(1)
        await asyncio.gather(*(credential.refresh(1) for _ in range(5)))
        assert (await credential.headers())["Authorization"] == "Bearer key-number-2"
        assert credential.generation == len(asked) == 2
        assert not credential.may_refresh(2), "a renewed key that never worked is a dead one"
        credential.good = 2
        assert credential.may_refresh(2)

    hurry(main())


def test_a_fixed_key_is_never_renewed() -> None:
    """There is no other."""

    async def main() -> None:
        credential = Credential("a-fixed-key")
        await credential.headers()
        assert not credential.may_refresh(1)
        assert "a-fixed" not in repr(credential)

    hurry(main())


@pytest.mark.parametrize("key", [None, "", " ", 7, b"bytes", "a b", "a\r\nX: y", "ключ", "x\x00"])
def test_a_key_that_is_none_is_refused_unseen(key: Any) -> None:
    """The error never shows it."""
    with pytest.raises(ConfigurationError) as caught:
        usable_key(key)
    assert caught.value.kind == "auth"
    assert str(caught.value) == "the API key is empty, or holds characters that no header may carry"


def test_white_space_around_a_key_is_nobodys_intention() -> None:
    """It comes with files and shells."""
    assert usable_key("\tkey\r\n") == "key"


async def never() -> str:
    """A vault that does not answer."""
    await asyncio.Event().wait()
    raise AssertionError


def test_a_key_that_never_comes_is_an_error_in_time() -> None:
    """The first one and its renewal, for all that wait, each after `KEY_PATIENCE`."""
    given: list[str] = []

    async def once() -> str:
        if given:
            return await never()
        given.append("key-number-1")
        return given[0]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.timeout(10 * KEY_PATIENCE):
            with pytest.raises(ConfigurationError, match="no API key came in 60 s") as caught:
                await Credential(never).headers()
            assert caught.value.kind is Kind.AUTH
            assert loop.time() - begun == pytest.approx(KEY_PATIENCE)
            credential = Credential(once)
            await credential.headers()
            with pytest.raises(ConfigurationError):
                await credential.refresh(1)
            assert loop.time() - begun == pytest.approx(2 * KEY_PATIENCE)

    hurry(main())


def test_a_forgotten_key_is_asked_for_again() -> None:
    """Where there is somebody to ask; a fixed one stays what it is."""
    keys = iter(["key-number-1", "key-number-2"])

    async def main() -> None:
        credential, fixed = Credential(lambda: next(keys)), Credential("a-fixed-key")
        for one in (credential, fixed):
            await one.headers()
            one.forget()
        assert fixed.known_headers is not None
        assert (await credential.headers())["Authorization"] == "Bearer key-number-2"
        assert credential.generation == 2

    hurry(main())


def test_who_waited_for_a_key_that_is_refused_meanwhile_asks_anew() -> None:
    """It is forgotten before the one who waited has its turn."""
    _, source = slow_source()

    async def main() -> None:
        credential = Credential(source)

        async def use() -> str:
            headers = await credential.headers()
            credential.forget()
            return headers["Authorization"]

        assert [*await asyncio.gather(use(), use())] == ["Bearer key-number-1", "Bearer key-number-2"]

    hurry(main())


# --- what an error keeps ------------------------------------------------------------------------------------------

SECRET = "secret-key-0123456789"


def locals_of(error: BaseException) -> str:
    """What a tool shows that prints a traceback with its local names."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in shown.stack if "lipsync_async" in frame.filename]
    assert frames
    return repr([frame.locals for frame in frames])


@pytest.mark.parametrize("source", [f"{SECRET}\u00e9", lambda: f"{SECRET}\u00e9"])
def test_no_frame_of_an_error_holds_the_key(source: Any) -> None:
    """Neither where it is given nor where it is asked for."""

    async def main() -> None:
        credential = Credential(source)
        with pytest.raises(ConfigurationError) as caught:
            await credential.headers()
        assert SECRET not in locals_of(caught.value)
        assert credential._failure is None

    hurry(main())
    with pytest.raises(ConfigurationError) as caught:
        usable_key(f"{SECRET} and more")
    assert SECRET not in locals_of(caught.value)


def test_a_client_that_can_not_be_made_lets_go_of_the_key() -> None:
    """The error outlives it, and may be shown with all its frames."""
    with pytest.raises(ConfigurationError) as caught:
        find_key(CHAINHUB, f"{SECRET} and more")
    assert SECRET not in locals_of(caught.value)


def test_headers_show_their_names_alone() -> None:
    """Whatever prints the frames of a call that was cancelled."""

    async def main() -> None:
        headers = await Credential(SECRET).headers()
        assert "Authorization" in repr(headers)
        assert SECRET not in repr(headers)
        assert headers["authorization"] == f"Bearer {SECRET}"

    hurry(main())


def test_who_waited_shares_the_failure_and_nobody_keeps_it() -> None:
    """Five ask, the vault is asked once; the next one asks it anew."""
    asked: list[int] = []

    async def source() -> str:
        asked.append(1)
        await asyncio.sleep(1.0)
        raise RuntimeError("the vault said no")

    async def main() -> None:
        credential = Credential(source)
        outcomes = await asyncio.gather(*(credential.headers() for _ in range(5)), return_exceptions=True)
        assert {str(outcome) for outcome in outcomes} == {"the vault said no"}
        assert (len(asked), credential._failure) == (1, None)
        with pytest.raises(RuntimeError):
            await credential.headers()
        assert len(asked) == 2

    hurry(main())
