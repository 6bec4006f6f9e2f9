"""Connections that are used again, and look-ups that fail: no fault of one job harms another."""

from __future__ import annotations

import asyncio
import json

import pytest

from lipsync_async import Limits, Timeouts
from lipsync_async.outcomes import Accepted, Unknown
from tests.makers import request, requests

from .acts import KEY, client, tell
from .hurried import hurry
from .misdeeds import BODY, GOOD, HEAD, after_request, bomb, hang
from .raw import TASK_ID, Connection, RawServer, Script, created, reply

pytestmark = pytest.mark.usefixtures("way")

# --- connections that are used again --------------------------------------------------------------------------------


def test_an_idle_connection_that_the_server_closed_is_not_used_again() -> None:
    """The next job goes over a new one, on its first attempt."""

    async def main() -> None:
        async with RawServer(after_request(GOOD)) as server, client(server) as submitter:
            await submitter.submit(request())
            await asyncio.sleep(1.0)
            accepted = await submitter.submit(request("job-2"))
        assert accepted.attempts == 1
        assert server.creates == {"job-1": 1, "job-2": 1}
        assert len(server.connections) == 2

    hurry(main())


def test_a_connection_is_kept_for_the_next_job() -> None:
    """Well-behaved, one connection serves all jobs that come one after the other."""

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            for job in requests(5):
                await submitter.submit(job)
        assert (len(server.connections), server.total) == (1, 5)

    hurry(main())


@pytest.mark.parametrize("late", [False, True])
def test_a_reply_that_nobody_asked_for_is_not_taken_for_the_next_jobs(late: bool) -> None:
    """A second reply on one connection belongs to no job: the next one gets its own, over another connection."""

    async def twice(connection: Connection) -> None:
        await connection.request()
        if late:
            await connection.send(GOOD)
            await asyncio.sleep(0.5)
            await connection.send(created("job-1", "666"))
        else:
            await connection.send(GOOD + created("job-1", "666"))
        while await connection.request():
            await connection.send(created("job-1", "667"))

    async def other(connection: Connection) -> None:
        while await connection.request():
            await connection.send(created("job-2", "42"))

    async def main() -> None:
        async with RawServer(twice, other) as server, client(server) as submitter:
            first = await submitter.submit(request())
            await asyncio.sleep(1.0)
            second = await submitter.submit(request("job-2"))
        assert (first.task_id, second.task_id) == (TASK_ID, "42")
        assert server.creates == {"job-1": 1, "job-2": 1}

    hurry(main())


def test_one_bad_connection_harms_no_other_job() -> None:
    """Of forty jobs at once, only those whose connection broke are unknown."""

    async def main() -> None:
        scripts = [after_request(end="reset"), hang, after_request(HEAD, end="hang"), after_request(b"garbage\r\n\r\n")]
        async with RawServer(*scripts) as server, client(server) as submitter:
            result = await submitter.submit_many(requests(40))
        assert (len(result.unknown), len(result.accepted)) == (4, 36)
        assert set(server.creates.values()) == {1}

    hurry(main())


def test_a_gateway_that_resets_everything_leaves_a_bounded_number_in_doubt() -> None:
    """The brake closes the gate: the window and the canaries are unknown, the rest was not sent."""

    async def main() -> None:
        limits = Limits(max_in_flight=8)
        always = after_request(end="reset")
        async with RawServer(always=always) as server, client(server, limits=limits) as submitter:
            result = await submitter.submit_many(requests(200))
        assert len(result) == 200
        assert len(result.unknown) <= 8 + 10
        assert len(result.unknown) + len(result.not_sent) == 200
        assert set(server.creates.values()) == {1}

    hurry(main())


# --- look-ups -------------------------------------------------------------------------------------------------------


def test_a_slow_look_up_is_given_the_whole_time() -> None:
    """A query that takes longer than a connection may, but not longer than `total`, is heard."""

    async def slow(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "POST":
                await connection.send(reply(b"", 500))
            else:
                await asyncio.sleep(6.0)
                await connection.send(created("job-1", "77"))

    told = tell(always=slow)
    assert isinstance(told.outcome, Accepted), told.outcome
    assert (told.outcome.task_id, told.server.total) == ("77", 1)


LOOK_UP_FAULTS: dict[str, Script] = {
    "reset": after_request(end="reset"),
    "closed": after_request(),
    "garbage": after_request(b"garbage\r\n\r\n"),
    "half a body": after_request(HEAD, BODY[:-9]),
    "a gzip bomb": after_request(bomb("gzip")),
    "a list": after_request(reply([1])),
    "100,000 brackets": after_request(reply(b"[" * 100_000)),
    "a page": after_request(reply("<html>", 200, kind="text/html")),
    "500": after_request(reply(b"", 500)),
    "429": after_request(reply(b"", 429)),
    "401": after_request(reply({"code": 1004, "message": "expired"}, 401)),
    "another's task": after_request(created("job-99")),
}


@pytest.mark.parametrize("name", LOOK_UP_FAULTS)
def test_a_look_up_that_fails_proves_nothing(name: str) -> None:
    """Asked again and again, and never sent again: the job stays unknown, in the end."""
    told = tell(after_request(end="reset"), always=LOOK_UP_FAULTS[name])
    assert isinstance(told.outcome, Unknown), told.outcome
    assert told.server.total == 1
    assert told.server.look_ups >= 8  # aiohttp asks once more itself where the connection broke


def test_a_look_up_that_hangs_ends_too() -> None:
    """Eight time-outs and their pauses, then the job is unknown."""
    told = tell(after_request(end="reset"), always=hang, timeouts=Timeouts(total=2.0, connect=1.0))
    assert isinstance(told.outcome, Unknown), told.outcome
    assert told.server.total == 1
    assert told.server.look_ups == 8


# --- the key --------------------------------------------------------------------------------------------------------


def test_a_message_never_repeats_the_key() -> None:
    """A gateway, or garbage, that echoes the key finds it cut out of every text."""
    echo = f"Authorization: Bearer {KEY}"
    shapes: list[bytes] = [
        f"{echo}\r\n\r\n".encode(),
        f"HTTP/1.1 {KEY} {KEY}\r\n\r\n".encode(),
        reply({"code": 1200, "message": f"bad key {KEY}!"}, 400),
        reply({"code": KEY, "message": echo, "request_id": KEY}, 400),
        reply({"error": {"message": json.dumps({"key": KEY}), "code": KEY}}, 500),
        reply(f"<title>{KEY}</title>", 502, kind="text/html"),
        reply(f"no such key: {KEY}", 401, kind="text/plain"),
    ]
    for shape in shapes:
        told = tell(always=after_request(shape))
        assert KEY not in repr(told.outcome), told.outcome
        assert KEY not in repr(told.outcome.error())
