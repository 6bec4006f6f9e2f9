"""Clients that share limits: from the outside, on real sockets."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import evolve

from lipsync_async import CHAINHUB, Limits, LipSyncClient, LipSyncRequest
from lipsync_async.errors import ConfigurationError
from lipsync_async.sharing import file
from lipsync_async.sharing.file import NAME, FileLimits
from lipsync_async.terms import Kind
from tests.loopback.acts import KEY
from tests.loopback.hurried import hurry
from tests.loopback.raw import Connection, RawServer, created, reply
from tests.makers import REQUEST

DEAD = reply({"code": 1002, "message": "invalid key", "request_id": "r"}, 401)


@pytest.fixture(autouse=True)
def _virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's clock is that of the loop."""
    monkeypatch.setattr(file, "monotonic", lambda: asyncio.get_running_loop().time())


def jobs(count: int, prefix: str) -> list[LipSyncRequest]:
    """As many, with ids of their own."""
    return [evolve(REQUEST, external_task_id=f"{prefix}-{number}") for number in range(count)]


def client(url: str, place: Path | str, key: str = KEY, **more: Any) -> LipSyncClient:
    """One of several processes, as far as the store knows."""
    limits = Limits(max_per_second=20.0)
    return LipSyncClient(CHAINHUB.at(url), api_key=key, shared=f"file:{place}", limits=limits, **more)


async def by_key(connection: Connection) -> None:
    """A gateway that refuses one key."""
    while request := await connection.request():
        dead = request.headers["authorization"] == "Bearer dead"
        await connection.send(DEAD if dead else created(request.external_task_id))


def test_two_clients_share_a_rate_and_leave_nothing_behind(tmp_path: Path) -> None:
    """Each sees both; when they have left, no turn is out, and no key is in the file."""

    async def main() -> None:
        async with RawServer() as server, client(server.url, tmp_path) as one, client(server.url, tmp_path) as two:
            results = await asyncio.gather(one.submit_many(jobs(20, "a")), two.submit_many(jobs(20, "b")))
            assert all(len(result.accepted) == 20 for result in results)
            assert one.statistics().accepted == 20
            assert one.statistics().live_tasks >= 20
        assert KEY.encode() not in (tmp_path / NAME).read_bytes()

    hurry(main())


def test_what_stops_one_stops_all_and_is_told_once(tmp_path: Path) -> None:
    """The other client hears of the dead key at its next exchange; one that comes later is not stopped by it."""
    place = f"{tmp_path}?account=team"

    async def main() -> None:
        async with RawServer(always=by_key) as server:
            async with (
                client(server.url, place, "dead") as one,
                client(server.url, place) as two,
                client(server.url, place) as ended,
            ):
                working = asyncio.create_task(two.submit_many(jobs(400, "b")))
                await asyncio.sleep(1.0)
                ended.stop()
                await asyncio.sleep(1.0)
                assert not working.done()
                await one.submit_many(jobs(5, "a"))
                result = await working
            left = list(result.not_sent.values())
            assert left
            assert {outcome.kind for outcome in left} == {Kind.AUTH}
            assert left[0].message.startswith("another process was stopped: ")
            async with client(server.url, place) as three:
                assert len((await three.submit_many(jobs(3, "c"))).accepted) == 3

    hurry(main())


def test_a_store_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Nothing is sent."""
    place = tmp_path / "file"
    place.write_bytes(b"something else" * 100)

    async def main() -> None:
        async with RawServer() as server:
            with pytest.raises(ConfigurationError, match=f"cannot be reached at file:{place}"):
                async with client(server.url, place):
                    pass
            assert not server.requests

    hurry(main())


def test_a_store_that_need_not_be_there_costs_nine_tenths_of_the_first_pace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The client says so once, and goes on."""
    place = tmp_path / "file"
    place.write_bytes(b"something else" * 100)

    async def main() -> None:
        async with RawServer() as server, client(server.url, place, shared_required=False) as alone:
            begun = asyncio.get_running_loop().time()
            assert len((await alone.submit_many(jobs(9, "a"))).accepted) == 9
            assert asyncio.get_running_loop().time() - begun == pytest.approx(8 / 0.8, abs=0.5)

    with caplog.at_level(logging.WARNING, "lipsync_async"):
        hurry(main())
    assert len([record for record in caplog.records if "a share of its own" in record.message]) == 1


def test_another_version_in_the_store_means_a_share_of_ones_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no error, and is said once; the other version's book is left alone."""

    async def main() -> None:
        async with RawServer() as server, client(server.url, tmp_path) as one:
            await one.submit_many(jobs(1, "a"))
            store = one._sharing._store
            assert isinstance(store, FileLimits)
            assert store._connection is not None
            kept = store._connection.execute("SELECT book FROM limits").fetchone()[0]
            fields = msgspec.msgpack.decode(kept)
            other = msgspec.msgpack.encode([fields[0] + 1, *fields[1:]])
            store._connection.execute("UPDATE limits SET book = ?", (other,))
            async with client(server.url, tmp_path) as two:
                assert len((await two.submit_many(jobs(3, "b"))).accepted) == 3
                assert "its own share" in repr(two)
            assert store._connection.execute("SELECT book FROM limits").fetchone()[0] == other

    with caplog.at_level(logging.WARNING, "lipsync_async"):
        hurry(main())
    told = {record.message for record in caplog.records if "another version" in record.message}
    assert len(told) == 1
