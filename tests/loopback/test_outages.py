"""Pages, giant hints and shares of ambiguity cost no more than they must."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from lipsync_async import LipSyncClient, RunOptions, Timeouts
from lipsync_async.errors import NotSentError, OutcomeUnknownError
from lipsync_async.outcomes import Accepted, NotSent, Unknown

from .acts import request, requests
from .hurried import hurry
from .raw import NOT_FOUND, Connection, RawServer, answering, created, reply, task_of
from .shop import Shop, at, submitter

pytestmark = pytest.mark.usefixtures("way")


@pytest.mark.parametrize("there", [True, False], ids=["the route is there", "the route is missing"])
def test_a_page_costs_one_create(there: bool) -> None:
    """HTML with status 200 as the first reply: a GET tells whether the route is there, never a second create."""
    page = reply("<html>Welcome</html>", kind="text/html")

    async def main() -> None:
        async with RawServer(always=answering(page, found=NOT_FOUND if there else page)) as server:
            async with submitter(server) as client:
                told = (await client.submit_many([request()]))["job-1"]
            assert isinstance(told, Unknown if there else NotSent), told
            assert server.creates == {"job-1": 1}

    hurry(main())


def test_a_notice_before_the_json_is_read_by_its_json() -> None:
    """A warning of PHP before the answer: accepted, after one create."""
    body = created("job-1").split(b"\r\n\r\n", 1)[1]
    warned = reply(b"<br />\n<b>Warning</b>: Undefined key in <b>/www/relay.php</b><br />\n" + body, kind="text/html")

    async def main() -> None:
        async with RawServer(always=answering(warned)) as server, submitter(server) as client:
            assert (await client.submit(request())).task_id == task_of("job-1")
            assert server.total == 1

    hurry(main())


@pytest.mark.parametrize("status", [429, 503])
def test_a_giant_retry_after_ends_one_batch(status: int) -> None:
    """The job that met it ends; what comes later on that client is not held up for years."""
    giant = reply({"code": 1302, "message": "slow"} if status == 429 else b"", status, "Retry-After: 999999999")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with RawServer(always=answering(giant, None)) as server, submitter(server) as client:
            with pytest.raises(NotSentError if status == 429 else OutcomeUnknownError):
                await client.submit(request())
            begun = loop.time()
            (end,) = await asyncio.gather(client.submit(request("job-2")), return_exceptions=True)
            assert isinstance(end, Accepted | NotSentError), end
            assert loop.time() - begun < 3600.0

    hurry(main())


def test_a_share_of_ambiguity_brakes() -> None:
    """Accepted creates answered with 500, and a clean 429 between: a few dozen are in doubt, not all 400."""
    shop = Shop()
    busy = reply({"code": 1302, "message": "slow"}, 429)

    async def half_broken(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "GET":
                await connection.send(reply(b"", 500))
            elif sum(shop.paid.values()) % 5 == 4 and not shop.lose:
                shop.lose.add("a refusal")
                await connection.send(busy)
            else:
                shop.lose.clear()
                shop.make(sent)
                await connection.send(reply(b"", 500))

    async def main() -> None:
        quick = Timeouts(total=8.0, connect=4.0, grace=2.0)
        async with RawServer(always=half_broken) as server, submitter(server, timeouts=quick) as client:
            result = await client.submit_many(requests(400), options=RunOptions(ambiguous="report"))
        assert len(result.unknown) == shop.paid.total() < 150
        assert len(result.not_sent) == 400 - len(result.unknown)

    hurry(main())
    assert not shop.twice


def test_a_list_without_faults_is_none_the_worse() -> None:
    """The usual case: 200 jobs, 200 creates, no look-up."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        jobs = [evolve(request(), external_task_id=f"job-{number}") for number in range(200)]
        assert len((await client.submit_many(jobs)).accepted) == 200

    at(shop, scene)
    assert (shop.paid.total(), shop.twice, shop.asked) == (200, [], [])
