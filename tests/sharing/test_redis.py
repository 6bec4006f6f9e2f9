"""The store in Redis, against a server of its own: the sums are done by whoever has the lock, and for all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

redis = pytest.importorskip("redis", reason="redis is not installed: pip install redis")

from lipsync_async import CHAINHUB  # noqa: E402 - not before it is known that Redis can be spoken to
from lipsync_async.dispatch.pacing.book import Book  # noqa: E402
from lipsync_async.dispatch.pacing.exchange import News  # noqa: E402
from lipsync_async.dispatch.pacing.kept import OtherVersionError  # noqa: E402
from lipsync_async.errors import ConfigurationError  # noqa: E402
from lipsync_async.sharing import redis as store_module  # noqa: E402
from lipsync_async.sharing.address import store_at  # noqa: E402
from lipsync_async.sharing.protocol import StoreAwayError  # noqa: E402
from lipsync_async.sharing.redis import RedisLimits  # noqa: E402
from lipsync_async.terms import Kind  # noqa: E402
from tests.redis_server import SERVER, redis_server  # noqa: E402
from tests.sharing.saying import say  # noqa: E402


@pytest.fixture(scope="module")
def socket() -> Iterator[Path]:
    """The socket of a server that listens at no port, and writes nothing."""
    if SERVER is None:
        pytest.skip("no redis-server is installed: apt-get install redis-server")
    with redis_server() as url:
        yield Path(url.removeprefix("unix://"))


@pytest.fixture
def home(socket: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's address, emptied; time-outs that no slow machine reaches."""
    monkeypatch.setattr(store_module, "TIMEOUT", 30.0)
    monkeypatch.setattr(store_module, "WAIT", 2.0)
    monkeypatch.setattr(store_module, "TRIES", 20)
    with redis.Redis(unix_socket_path=str(socket)) as client:
        client.flushall()
    return f"unix://{socket}"


def test_many_at_once_are_all_answered(home: str) -> None:
    """One does the sums for the others; every report is applied once, and no turn is given twice."""

    async def one(store: RedisLimits, name: str) -> list[int]:
        turns: list[int] = []
        for number in range(1, 11):
            grant = await store.exchange(say(name, number, 1))
            assert grant.number == number
            turns += [turn.number for turn in grant.turns]
        return turns

    async def story() -> None:
        stores = [RedisLimits(home, "a") for _ in range(8)]
        turns = await asyncio.gather(*(one(store, f"m{place}") for place, store in enumerate(stores)))
        numbers = [number for row in turns for number in row]
        assert numbers
        assert len(set(numbers)) == len(numbers)
        last = await stores[0].exchange(say("m0", 11))
        assert last.members == 8
        for store in stores:
            await store.aclose()

    asyncio.run(story())


def test_who_closes_while_others_come_without_end_lets_go_of_the_lock(home: str) -> None:
    """Nobody does the sums for ever; what lies in the inbox is left to the next one."""

    async def story() -> None:
        busy, leaving = RedisLimits(home, "a"), RedisLimits(home, "a")

        async def come() -> None:
            number = 0
            while not leaving.closing:
                number += 1
                await busy.exchange(say("busy", number, 1))

        coming = [asyncio.create_task(come())]
        for number in range(1, 60):
            await leaving.exchange(say("m", number, 1))
        await leaving.aclose()
        await asyncio.gather(*coming)
        assert not leaving._leading
        assert (await busy.exchange(say("after", 1))).number == 1
        await busy.aclose()

    asyncio.run(story())


def test_a_report_that_comes_twice_is_answered_alike(home: str) -> None:
    """The first answer was lost on its way."""

    async def story() -> None:
        store = RedisLimits(home, "a")
        first = await store.exchange(say("m", 1, 1))
        again = await store.exchange(say("m", 1, 1))
        assert again.turns == first.turns
        after = await store.exchange(say("m", 2, 0, News("refused", turn=first.turns[0].number, kind=Kind.RATE)))
        assert (await store.exchange(say("m", 2, 0))).epoch == after.epoch
        await store.aclose()

    asyncio.run(story())


def test_a_leader_that_died_is_followed_by_another(home: str) -> None:
    """Its lock runs out, and the report is left once more."""

    async def story() -> None:
        store = RedisLimits(home, "a")
        client = store._client
        await client.set(store._keys[2], "of one that died", px=store_module.LOCK)
        grant = await store.exchange(say("m", 1, 1))
        assert grant.turns
        await store.aclose()

    asyncio.run(story())


def test_another_versions_book_is_left_alone_and_its_reports_are_not_answered(home: str) -> None:
    """It is an error of its own; rubbish in the inbox is passed over."""

    async def story() -> None:
        store = RedisLimits(home, "a")
        await store._client.rpush(store._keys[1], b"rubbish")
        await store.exchange(say("m", 1))
        kept = await store._client.get(store._keys[0])
        assert isinstance(kept, bytes)
        other = kept[:1] + b"\x63" + kept[2:]  # the first field is the format
        await store._client.set(store._keys[0], other)
        with pytest.raises(OtherVersionError):
            await store.exchange(say("m", 2))
        assert await store._client.get(store._keys[0]) == other
        await store.aclose()

    asyncio.run(story())


def test_what_lies_in_the_store_is_the_book_of_the_account_and_no_key(home: str) -> None:
    """Three keys under one hash tag, and a mailbox a member that waited."""
    key = "sk-very-secret-0123456789"

    async def story() -> None:
        store = store_at(home, CHAINHUB, key)
        assert isinstance(store, RedisLimits)
        await store.exchange(say("m", 1, 1))
        names: list[Any] = await store._client.keys("*")
        values: list[Any] = [await store._client.get(name) for name in names]
        await store.aclose()
        assert all(name.startswith(b"{lipsync:") for name in names)
        assert key.encode() not in b"".join([*names, *filter(None, values)])
        assert Book.thaw(values[0], say("m", 1).rules, 0.0).members

    asyncio.run(story())


def test_a_server_that_is_not_there_is_away_and_shows_no_password(tmp_path: Path) -> None:
    """Its name is told without one."""

    async def story() -> None:
        store = store_at(f"unix://:hidden@{tmp_path}/none", CHAINHUB, "k" * 20)
        assert "hidden" not in str(store)
        with pytest.raises(StoreAwayError) as caught:
            await store.exchange(say("m", 1))
        assert "hidden" not in str(caught.value)
        await store.aclose()

    asyncio.run(story())


def test_addresses() -> None:
    """Valkey's are Redis's; a database that is no number is a fault of the address."""
    assert str(store_at("valkey://:pw@cache:7000/3", CHAINHUB, "k")) == "redis://cache:7000/3"
    with pytest.raises(ConfigurationError, match="no store of limits"):
        store_at("redis://cache:port/0", CHAINHUB, "k")
