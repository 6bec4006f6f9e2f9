"""Another account's key, another's task and another's reply are never taken for ours."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lipsync_async import LipSyncClient
from lipsync_async.errors import RejectedError
from lipsync_async.journal import Journal
from lipsync_async.outcomes import Accepted, Rejected, Unknown
from lipsync_async.terms import Kind

from .acts import client, request, requests
from .hurried import hurry
from .raw import Connection, RawServer, answering, created, reply, task_of
from .shop import Shop, at, earn_trust, submitter

pytestmark = pytest.mark.usefixtures("way")

CHILD = """
import asyncio, sys
from tests.loopback.acts import SMALL, requests
from lipsync_async import Gateway, LipSyncClient

async def main():
    async with LipSyncClient(Gateway(name="shop", base_url=sys.argv[1]), api_key="key-of-A") as client:
        await client.submit_many(requests(3), journal=sys.argv[2])

asyncio.run(main())
"""


@pytest.mark.parametrize("key", ["key-of-A", "key-of-B"])
def test_another_accounts_key_proves_no_absence(key: str, tmp_path: Path) -> None:
    """Killed with -9 amid its creates; the next run has another account's key: unknown, nothing is sent again."""
    shop = Shop()

    async def killed() -> str:
        shop.gate = asyncio.Event()
        async with RawServer(always=shop) as server:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", CHILD, server.url, str(tmp_path / "run.db"), stderr=subprocess.DEVNULL
            )
            await shop.enough.wait()
            child.send_signal(signal.SIGKILL)
            await child.wait()
            return server.url

    url = asyncio.run(killed())
    shop.gate = None

    async def main() -> None:
        async with RawServer(always=shop) as server, submitter(server, api_key=key) as client:
            await earn_trust(client, shop)
            async with await Journal.open(tmp_path / "run.db", gateway=url, account="default") as journal:
                result = await client.submit_many(requests(3), journal=journal)
        kinds = {type(outcome) for outcome in result.values()}
        assert kinds == ({Accepted} if key == "key-of-A" else {Unknown})

    hurry(main())
    assert not shop.twice


def test_a_duplicate_of_another_is_never_adopted(tmp_path: Path) -> None:
    """Refused as a duplicate, no attempt of ours in doubt: rejected, named, by this run, the next, and `reconcile`."""
    exists = reply({"code": 1201, "message": "external_task_id already exists"}, 400)

    async def main() -> None:
        path = tmp_path / "run.db"
        async with RawServer(always=answering(exists, found=created("job-1", "77"))) as server:
            for _ in range(2):
                async with client(server) as submitter:
                    told = (await submitter.submit_many([request()], journal=path))["job-1"]
                    assert isinstance(told, Rejected), told
                    assert (told.kind, told.found_task_id) == (Kind.ALREADY_EXISTS, "77")
                    async with submitter.reconcile(path) as outcomes:
                        assert [outcome async for outcome in outcomes] == []
            async with client(server) as submitter:
                with pytest.raises(RejectedError) as caught:
                    await submitter.submit(request())
                assert caught.value.found_task_id == "77"

    hurry(main())


def test_a_duplicate_after_a_lost_reply_of_ours_is_adopted() -> None:
    """The other side: our own attempt may have made it, so the task that is found is ours."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        shop.lose.add("job-1")
        told = await client.submit(request())
        assert (told.recovered, told.task_id) == (True, task_of("job-1"))

    at(shop, scene)
    assert shop.paid == {"job-1": 1}


def test_swapped_replies_tell_no_job_the_others_task() -> None:
    """Each of two jobs is answered with the other's task: both are looked up, and get their own."""
    shop, waiting = Shop(), list[tuple[Connection, bytes]]()

    async def swapping(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "GET":
                await connection.send(shop.find(sent))
                continue
            waiting.append((connection, shop.make(sent)))
            if len(waiting) == 2:
                (one, first), (two, second) = waiting
                await one.send(second)
                await two.send(first)

    async def main() -> None:
        async with RawServer(always=swapping) as server, submitter(server) as client:
            result = await client.submit_many(requests(2))
        assert {name: told.task_id for name, told in result.accepted.items()} == {
            name: task_of(name) for name in ("job-0", "job-1")
        }

    hurry(main())
    assert not shop.twice


def test_one_task_for_all_is_told_once() -> None:
    """A gateway that answers every create with one task id: the first job has it, the others are unknown."""

    async def main() -> None:
        same = reply({"code": 0, "data": {"task_id": "42"}})
        async with RawServer(always=answering(same)) as server, submitter(server) as client:
            result = await client.submit_many(requests(4))
        assert (len(result.accepted), len(result.unknown)) == (1, 3)
        assert set(server.creates.values()) == {1}

    hurry(main())
