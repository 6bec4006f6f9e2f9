"""A job is sent again only where its absence was proven freshly: from both sides, over real sockets in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from lipsync_async import LipSyncClient
from lipsync_async.errors import OutcomeUnknownError
from lipsync_async.outcomes import Accepted, Unknown

from .acts import SMALL, request
from .hurried import hurry
from .raw import NOT_FOUND, Connection, RawServer, Request, reply, task_of
from .shop import HOLD, Shop, at, earn_trust, submitter

pytestmark = pytest.mark.usefixtures("way")


def test_what_was_lost_before_it_was_read_is_sent_again() -> None:
    """The honest case: trusted look-ups, a witness that is found, three not-founds; it is sent once more."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        await earn_trust(client, shop)
        shop.forget.add("job-1")
        assert (await client.submit(request())).attempts == 2

    at(shop, scene)
    assert not shop.twice


def test_no_look_up_can_be_answered_by_a_cache() -> None:
    """A cache that keeps what an address was answered with proves no absence, for no address comes twice."""
    shop, cache, stored = Shop(), dict[str, bytes](), set[str]()

    def find(sent: Request) -> bytes:
        name = sent.path.split("?")[0].rsplit("/", 1)[1]
        truth = Shop.find(shop, sent) if name in stored or name in {"witness", "found"} else NOT_FOUND
        stored.add(name)  # the first answer is too early, and is kept
        assert "no-cache" in sent.headers["cache-control"]
        return cache.setdefault(sent.path, truth)

    shop.find = find  # type: ignore[method-assign]

    async def scene(server: RawServer, client: LipSyncClient) -> None:
        await earn_trust(client, shop)
        shop.lose.add("job-1")
        assert (await client.submit(request())).recovered
        paths = [sent.path for sent in server.requests if sent.method == "GET"]
        assert len(paths) == len(set(paths))

    at(shop, scene)
    assert not shop.twice


FRAMEWORKS = {
    "FastAPI": '{"detail":"Not Found"}',
    "Spring": '{"timestamp":"2026","status":404,"error":"Not Found","path":"/kling"}',
    "Kong": '{"message":"no Route matched with those values"}',
    "APISIX": '{"error_msg":"404 Route Not Found"}',
    "a page": "<html><body>404 Not Found</body></html>",
    "nothing": "",
}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_frameworks_404_proves_no_absence(name: str) -> None:
    """The route of look-ups dies after it was trusted: what is in doubt stays unknown, and is not sent again."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        await earn_trust(client, shop)
        shop.answer = lambda _: reply(FRAMEWORKS[name], 404)
        shop.lose.add("job-1")
        with pytest.raises(OutcomeUnknownError):
            await client.submit(request())

    at(shop, scene)
    assert not shop.twice


def test_a_half_blind_gateway_proves_no_absence() -> None:
    """It forgets what it had, the witness too: the platform's own words prove nothing then."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        await earn_trust(client, shop)
        shop.answer = lambda _: NOT_FOUND
        shop.lose.add("job-1")
        with pytest.raises(OutcomeUnknownError):
            await client.submit(request())

    at(shop, scene)
    assert not shop.twice


@pytest.mark.parametrize("own", [True, False], ids=["told for another job", "told for none"])
def test_a_get_that_answers_anything_is_not_believed(own: bool) -> None:
    """It answers every id with one task, without saying whose: nothing is adopted."""
    shop = Shop()
    task = task_of("witness") if own else "12345"
    shop.answer = lambda _: reply({"code": 0, "data": {"task_id": task, "task_status": "processing"}})

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        await client.submit(request("witness"))
        shop.lose.add("job-1")
        with pytest.raises(OutcomeUnknownError):
            await client.submit(request())

    at(shop, scene)
    assert not shop.twice


@pytest.mark.parametrize("pages", [3, 25])
def test_a_list_that_was_not_read_to_its_end_proves_nothing(pages: int) -> None:
    """Short pages are read on until an empty one; 20 pages without an end leave the job unknown."""
    shop = Shop()
    by_id = shop.find
    last = reply({"code": 0, "data": []})

    def find(sent: Request) -> bytes:
        if "pageNum=" not in sent.path:
            return by_id(sent) if "/witness" in sent.path or "/found" in sent.path else NOT_FOUND
        number = int(sent.path.split("pageNum=")[1].split("&")[0])
        names = {1: "witness", 2: "found", pages: "job-1"}
        name = names.get(number, f"other-{number}")
        row = {"task_id": task_of(name), "task_status": "processing", "task_info": {"external_task_id": name}}
        return reply({"code": 0, "data": [row]}) if number <= pages else last

    shop.find = find  # type: ignore[method-assign]

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        await earn_trust(client, shop)
        shop.lose.add("job-1")
        told = (await client.submit_many([request()]))["job-1"]
        assert isinstance(told, Accepted if pages == 3 else Unknown), told

    at(shop, scene, profile={"lists_tasks": True})
    assert not shop.twice


@pytest.mark.parametrize("late", [HOLD - 8.0, 10.0])
def test_a_slow_gateway_is_not_paid_twice_after_our_time_out(late: float) -> None:
    """It makes the task after we hung up, but within its hold time: the job is found, and was sent once."""
    shop = Shop()

    async def slow(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "POST" and sent.external_task_id == "job-1" and not shop.paid["job-1"]:
                await asyncio.sleep(SMALL.total + late)
            await connection.send(shop.make(sent) if sent.method == "POST" else shop.find(sent))

    async def main() -> None:
        async with RawServer(always=slow) as server, submitter(server) as client:
            await client.submit(request("witness"))
            client._ready().trust.proven = True
            told = await client.submit(request())
            assert (told.recovered, told.attempts) == (True, 1)

    hurry(main())
    assert not shop.twice


def test_after_the_hold_time_absence_is_proven() -> None:
    """The other side: it never made the task. It is sent again, and not before the hold time is over."""
    shop, moments = Shop(), list[float]()

    async def deaf_once(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "POST" and sent.external_task_id == "job-1":
                moments.append(asyncio.get_running_loop().time())
                if len(moments) == 1:
                    return await connection.hang()
            await connection.send(shop.make(sent) if sent.method == "POST" else shop.find(sent))
        return None

    async def main() -> None:
        async with RawServer(always=deaf_once) as server, submitter(server) as client:
            await client.submit(request("witness"))
            client._ready().trust.proven = True
            assert (await client.submit(request())).attempts == 2

    hurry(main())
    first, second = moments
    assert second - first >= SMALL.total + HOLD
    assert not shop.twice


def test_the_users_word_replaces_hold_time_and_witness_only() -> None:
    """With `trust_lookups=True` a time-out waits for the settle time; a framework's 404 still proves nothing."""
    shop = Shop()

    async def scene(server: RawServer, client: LipSyncClient) -> None:
        shop.forget.add("job-1")
        assert (await client.submit(request())).attempts == 2
        shop.answer = lambda _: reply(FRAMEWORKS["FastAPI"], 404)
        shop.lose.add("job-2")
        with pytest.raises(OutcomeUnknownError):
            await client.submit(request("job-2"))
        assert server.creates["job-2"] == 1

    at(shop, scene, trust_lookups=True)
    assert not shop.twice
