"""Keys: where they are looked for, how they are renewed, and that they show nowhere."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from typing import Any

import pytest

from lipsync_async import CHAINHUB, Event, LipSyncClient
from lipsync_async.errors import ConfigurationError, LipSyncError, NotSentError
from lipsync_async.outcomes import NotSent
from lipsync_async.terms import Kind
from lipsync_async.wire.credential import KEY_PATIENCE
from tests.loopback.acts import KEY, client, tell
from tests.loopback.hurried import hurry
from tests.loopback.raw import Connection, RawServer, answering, created, reply
from tests.makers import request, requests

EXPIRED = reply({"code": 1004, "message": "expired", "request_id": "r"}, 401)

# --- where a key is looked for --------------------------------------------------------------------------------------


def key_sent(server: RawServer) -> str:
    """The key of the last request."""
    return server.requests[-1].headers["authorization"].removeprefix("Bearer ")


@pytest.mark.parametrize(
    ("given", "own", "fallback", "used"),
    [
        ("from-argument", "from-own", "from-fallback", "from-argument"),
        (None, "from-own", "from-fallback", "from-own"),
        (None, None, "from-fallback", "from-fallback"),
        (None, "  ", "from-fallback", "from-fallback"),
        ("", "", "from-fallback", "from-fallback"),
        (" \t", "from-own", None, "from-own"),
        (" padded\n", None, None, "padded"),
    ],
)
def test_a_key_is_looked_for_in_its_order(
    given: str | None, own: str | None, fallback: str | None, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The argument, the gateway's variable, the common one; a blank one counts as missing."""
    for name, value in (("CHAINHUB_API_KEY", own), ("LIPSYNC_API_KEY", fallback)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)

    async def main() -> None:
        async with RawServer() as server:
            async with LipSyncClient(CHAINHUB.at(server.url), api_key=given) as submitter:
                await submitter.submit(request())
            assert key_sent(server) == used

    hurry(main())


def test_no_key_names_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where a key is looked for."""
    monkeypatch.delenv("CHAINHUB_API_KEY", raising=False)
    monkeypatch.setenv("LIPSYNC_API_KEY", "   ")
    with pytest.raises(ConfigurationError, match="CHAINHUB_API_KEY or LIPSYNC_API_KEY") as caught:
        LipSyncClient(CHAINHUB)
    assert caught.value.kind == "auth"


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "nul\0", "\x7f"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str) -> None:
    """Nothing is sent, and the text does not show it."""
    with pytest.raises(ConfigurationError) as caught:
        LipSyncClient("https://gateway.example", api_key=key)
    assert key not in str(caught.value)


def test_a_callable_gives_the_key_when_it_is_needed() -> None:
    """Sync or async; asked once for all jobs."""
    asked: list[str] = []

    def plainly() -> str:
        asked.append("sync")
        return "given-plainly"

    async def later() -> str:
        asked.append("async")
        return "given-later"

    async def main() -> None:
        for source, key in ((plainly, "given-plainly"), (later, "given-later")):
            async with RawServer() as server:
                async with client(server, api_key=source) as submitter:
                    await submitter.submit_many(requests(30))
                assert {sent.headers["authorization"] for sent in server.requests} == {f"Bearer {key}"}

    hurry(main())
    assert asked == ["sync", "async"]


@pytest.mark.parametrize("key", ["", "  ", "two words", None, 7])
def test_a_callable_without_a_usable_key_sends_nothing(key: Any) -> None:
    """Every job comes out as not sent, `auth`, or the callable's own fault is raised."""

    async def source() -> Any:
        return key

    async def main() -> None:
        async with RawServer() as server, client(server, api_key=source) as submitter:
            result = await submitter.submit_many(requests(20))
            assert not server.requests
        assert {outcome.kind for outcome in result.not_sent.values()} == {Kind.AUTH}
        assert len(result.not_sent) == 20

    hurry(main())


# --- renewed --------------------------------------------------------------------------------------------------------


def test_an_expired_key_is_renewed_once_for_all() -> None:
    """Forty jobs refused with 1004: one new key, no attempt used up, all accepted."""
    keys = iter(["key-one-1", "key-two-2", "key-three-3"])

    async def strict(connection: Connection) -> None:
        while sent := await connection.request():
            good = sent.headers["authorization"] == "Bearer key-two-2"
            await connection.send(created(sent.external_task_id) if good else EXPIRED)

    async def main() -> None:
        async with RawServer(always=strict) as server, client(server, api_key=lambda: next(keys)) as submitter:
            result = await submitter.submit_many(requests(40))
        assert len(result.accepted) == 40
        assert {outcome.attempts for outcome in result.values()} == {1}
        assert next(keys) == "key-three-3"

    hurry(main())


def test_a_renewed_key_that_never_worked_stops_the_batch() -> None:
    """One renewal, then the key is dead: nothing is asked for ever."""
    asked: list[int] = []

    def source() -> str:
        asked.append(1)
        return f"key-number-{len(asked)}"

    told = tell(always=answering(EXPIRED), api_key=source)
    assert isinstance(told.outcome, NotSent)
    assert told.outcome.kind is Kind.AUTH
    assert len(asked) == 2
    assert told.server.total <= 4


def test_a_renewal_that_fails_stops_the_batch() -> None:
    """What the callable raises at the second call is told by its name alone."""
    answers = iter(["key-that-works"])

    def source() -> str:
        try:
            return next(answers)
        except StopIteration:
            raise RuntimeError("the vault's own secret") from None

    told = tell(always=answering(EXPIRED), api_key=source)
    assert isinstance(told.outcome, NotSent)
    assert told.outcome.kind is Kind.AUTH
    assert "vault" not in told.outcome.message


# --- a key that never comes -----------------------------------------------------------------------------------------


async def never() -> str:
    """A vault that does not answer."""
    await asyncio.Event().wait()
    raise AssertionError


def test_a_key_that_never_comes_leaves_a_job_unsent() -> None:
    """After a minute, `auth`; nobody waits for ever, and nothing is sent."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with RawServer() as server, client(server, api_key=never) as submitter, asyncio.timeout(1000.0):
            begun = loop.time()
            with pytest.raises(NotSentError) as caught:
                await submitter.submit(request())
            assert caught.value.kind is Kind.AUTH
            assert loop.time() - begun == pytest.approx(KEY_PATIENCE)
            assert not server.requests

    hurry(main())


def test_a_key_that_never_comes_costs_a_batch_one_minute() -> None:
    """Not one a worker: whoever waited for the same key shares what became of it."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with RawServer() as server, client(server, api_key=never) as submitter, asyncio.timeout(1000.0):
            begun = loop.time()
            result = await submitter.submit_many(requests(5))
            assert len(result.not_sent) == 5
            assert {outcome.kind for outcome in result.not_sent.values()} == {Kind.AUTH}
            assert loop.time() - begun < 2 * KEY_PATIENCE
            assert not server.requests

    hurry(main())


# --- nowhere --------------------------------------------------------------------------------------------------------


def test_the_key_is_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Not in a repr, a log line at DEBUG of any logger, an exception, its traceback, a pickle, or an event."""
    caplog.set_level(logging.DEBUG)
    for name in ("aiohttp", "aiohttp.client", "asyncio", "lipsync_async"):
        caplog.set_level(logging.DEBUG, logger=name)
    events: list[Event] = []
    seen: list[str] = []
    framed: list[object] = []
    shapes = (None, reply({"code": 1200, "message": f"key {KEY}"}, 400), b"garbage\r\n\r\n", reply(b"", 401))

    async def main() -> None:
        asyncio.get_running_loop().set_debug(True)
        for shape in shapes:
            async with (
                RawServer(always=answering(shape)) as server,
                client(server, observer=events.append) as submitter,
            ):
                seen.append(repr(submitter))
                seen.append(repr(vars(submitter._account)))
                try:
                    await submitter.submit(request())
                except LipSyncError as error:
                    seen.append(repr(error) + "".join(traceback.format_exception(error)))
                    seen.append(repr(pickle.dumps(error)) + repr(vars(error)))
                    seen.append(repr(error.__cause__) + repr(vars(error.__cause__ or error)))
                    framed.append(getattr(error.__cause__, "__traceback__", None))
                result = await submitter.submit_many(requests(2))
                seen.append(repr(result) + repr(dict(result)))

    hurry(main())
    assert events
    everything = "\n".join([*seen, *map(repr, events), caplog.text])
    assert KEY not in everything
    assert KEY[4:] not in everything
    assert framed == [None] * len(framed), "frames hold the headers, and with them the key"
