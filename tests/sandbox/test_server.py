"""The sandbox over real sockets."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import time
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from lipsync_async.errors import WrongArgumentError
from lipsync_async.sandbox import KNOWN_FAULTS, Sandbox
from lipsync_async.sandbox.faults import AFTER_THE_TASK, BEFORE_THE_TASK

from .helpers import ROUTE, Caller, Clock, b64, calling, job, raw, until, wav, with_sandbox

BIG = {"audio_id": "", "sound_file": b64(wav(20))}


def test_a_create_and_its_queries() -> None:
    """A create gives a task that is found by both ids and in the list, below both prefixes, and is in the ledger."""

    async def test(caller: Caller) -> None:
        status, body = await caller.post(job("a"))
        assert (status, body["code"], body["data"]["task_status"]) == (200, 0, "submitted")
        task_id = body["data"]["task_id"]
        for any_id in (task_id, "a"):
            status, found = await caller.get(any_id)
            assert (status, found["data"]["task_id"]) == (200, task_id)
        assert [task["task_id"] for task in (await caller.get())[1]["data"]] == [task_id]
        bare = ROUTE.removeprefix("/kling")
        assert (await caller.raw("GET", f"{bare}/a"))[0] == 200
        assert abs(body["data"]["created_at"] / 1000 - time.time()) < 5

    ledger = with_sandbox(test).ledger
    assert (ledger.requests, ledger.queries, ledger.accepted("a"), ledger.units) == (1, 4, 1, 0.5)
    assert (ledger.refused, ledger.duplicates) == ({}, {})


def test_a_task_lives_by_the_clock() -> None:
    """A task's status follows the scaled clock from submitted to its end."""
    clock = Clock()

    async def test(caller: Caller) -> None:
        await caller.post(job("a"))
        seen = []
        for moment in (0, 1, 4):
            clock.now = 1000.0 + moment
            seen.append((await caller.get("a"))[1]["data"]["task_status"])
        assert seen == ["submitted", "processing", "succeed"]

    with_sandbox(test, clock=clock, task_seconds=(240, 240), time_scale=60, failed_share=0)


def test_the_rate_is_limited() -> None:
    """Creates over the burst are 1302 with a Retry-After, pass again a moment later, and queries are never limited."""
    clock = Clock()

    async def test(caller: Caller) -> None:
        assert [(await caller.post(job(str(n))))[0] for n in range(3)] == [200, 200, 429]
        status, body, response = await caller.raw("POST", ROUTE, json=job("9"))
        assert (status, json.loads(body)["code"], response.headers["Retry-After"]) == (429, 1302, "1")
        assert [(await caller.get("0"))[0] for _ in range(9)] == [200] * 9
        clock.now += 0.5
        assert (await caller.post(job("2")))[0] == 200
        caller.sandbox.set_limits(max_per_second=None)
        assert [(await caller.post(job(str(n))))[0] for n in range(3, 9)] == [200] * 6

    ledger = with_sandbox(test, clock=clock, max_per_second=2, retry_after=True).ledger
    assert ledger.refused == {1302: 2}


def test_no_retry_after_unless_asked() -> None:
    """By default a refusal gives no hint, as no gateway's source does."""

    async def test(caller: Caller) -> None:
        await caller.post(job("a"))
        _, _, response = await caller.raw("POST", ROUTE, json=job("b"))
        assert response.status == 429
        assert "Retry-After" not in response.headers

    with_sandbox(test, clock=Clock(), max_per_second=1)


def test_running_tasks_hold_slots() -> None:
    """A task holds its slot from submitted to its end; then the next is let in."""
    clock = Clock()

    async def test(caller: Caller) -> None:
        assert (await caller.post(job("a")))[0] == 200
        status, body, response = await caller.raw("POST", ROUTE, json=job("b"))
        assert (status, json.loads(body)["code"], response.headers["Retry-After"]) == (429, 1303, "60")
        clock.now += 60
        assert (await caller.post(job("b")))[0] == 200
        caller.sandbox.set_limits(max_running_tasks=2)
        assert (await caller.post(job("c")))[0] == 200

    with_sandbox(test, clock=clock, max_running_tasks=1, task_seconds=(60, 60), retry_after=True)


def test_the_balance_runs_out() -> None:
    """When the units are used up a create is 1102, until there are more; lookups go on."""

    async def test(caller: Caller) -> None:
        await caller.post(job("a"))
        status, body = await caller.post(job("b"))
        assert (status, body["code"]) == (429, 1102)
        assert (await caller.get("a"))[0] == 200
        caller.sandbox.set_limits(balance=10)
        assert (await caller.post(job("b")))[0] == 200

    with_sandbox(test, balance=0.9)


def test_a_setting_that_is_not_given_stays() -> None:
    """Changing one limit leaves the others as they are."""

    async def test(caller: Caller) -> None:
        caller.sandbox.set_limits(max_running_tasks=5)
        assert [(await caller.post(job(str(n))))[0] for n in range(2)] == [200, 429]

    with_sandbox(test, clock=Clock(), max_per_second=1)


def test_keys_open_and_close() -> None:
    """A wrong key is 1002, a revoked one what it was revoked with, and a new one is let in."""

    async def test(caller: Caller) -> None:
        sandbox = caller.sandbox
        assert (await caller.post(job(), headers={"Authorization": "Bearer x"}))[1]["code"] == 1002
        assert (await caller.post(job(), headers={"Authorization": ""}))[1]["code"] == 1001
        sandbox.revoke("sandbox-key", 1004)
        status, body = await caller.post(job())
        assert (status, body["code"]) == (401, 1004)
        assert (await caller.get("a"))[0] == 401
        sandbox.add_key("new")
        assert (await caller.post(job(), headers={"Authorization": "Bearer new"}))[0] == 200
        with pytest.raises(ValueError, match="code must be one of"):
            sandbox.revoke("new", 5)

    assert with_sandbox(test).ledger.refused == {1001: 1, 1002: 1, 1004: 1}


@pytest.mark.parametrize(
    ("duplicates", "status", "count"), [("refuse", 400, 1), ("accept", 200, 2), ("overwrite", 200, 2)]
)
def test_a_second_create_under_one_id(duplicates: str, status: int, count: int) -> None:
    """A known id is refused as 1201, or paid for twice; overwritten, the first task is not found any more."""

    async def test(caller: Caller) -> None:
        first = (await caller.post(job("a")))[1]["data"]["task_id"]
        again, body = await caller.post(job("a"))
        assert again == status
        if status == 400:
            assert body["code"] == 1201
            assert "exists" in body["message"]
        old, _ = await caller.get(first)
        assert old == (404 if duplicates == "overwrite" else 200)

    ledger = with_sandbox(test, duplicates=duplicates).ledger
    assert ledger.accepted("a") == count
    assert ledger.duplicates == ({"a": 2} if count == 2 else {})


@pytest.mark.parametrize(
    ("lookups", "found"), [("external", (200, 200, 200)), ("task_id", (404, 200, 200)), ("none", (404, 404, 404))]
)
def test_what_a_lookup_finds(lookups: str, found: tuple[int, int, int]) -> None:
    """A gateway finds tasks by external id, by its own only, or not at all."""

    async def test(caller: Caller) -> None:
        task_id = (await caller.post(job("a")))[1]["data"]["task_id"]
        seen = [(await caller.get(any_id))[0] for any_id in ("a", task_id, "")]
        assert tuple(seen) == found

    with_sandbox(test, lookups=lookups)


def test_a_new_api_gateway_speaks_its_own_way() -> None:
    """Not found is 400 `task_not_exist`, a limit is masked, and a duplicate is quoted in a message."""

    async def test(caller: Caller) -> None:
        status, body = await caller.get("a")
        assert (status, body["code"]) == (400, "task_not_exist")
        assert (await caller.post(job("a")))[1]["status"] == ""
        status, body = await caller.post(job("a"))
        assert (status, body["code"], json.loads(body["message"])["code"]) == (400, "task_failed", 1201)
        status, body = await caller.post(job("b"))
        assert (status, body["code"]) == (429, "fail_to_fetch_task")

    sandbox = with_sandbox(test, refusals="new-api", dialect="openai-video", max_running_tasks=1)
    assert sandbox.ledger.refused == {1201: 1, 1303: 1}


@pytest.mark.parametrize("query", ["?pageNum=0", "?pageNum=1001", "?pageSize=501", "?pageSize=x", "?pageSize=-1"])
def test_pages_have_bounds(query: str) -> None:
    """A page outside the contract's bounds is 1201."""

    async def test(caller: Caller) -> None:
        status, body = await caller.get(query=query)
        assert (status, body["code"]) == (400, 1201)

    with_sandbox(test)


def test_pages_are_newest_first() -> None:
    """A list gives the newest tasks first, page by page, thirty without a size."""

    async def test(caller: Caller) -> None:
        for n in range(32):
            await caller.post(job(str(n)))
        names = [task["task_info"]["external_task_id"] for task in (await caller.get())[1]["data"]]
        assert names == [str(n) for n in range(31, 1, -1)]
        page = (await caller.get(query="?pageNum=2&pageSize=30"))[1]["data"]
        assert [task["task_info"]["external_task_id"] for task in page] == ["1", "0"]

    with_sandbox(test)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/kling/v1/videos/other", ""),
        ("GET", "/", ""),
        ("POST", "/kling/kling/v1/videos/advanced-lip-sync", ""),
        ("DELETE", ROUTE, 1202),
        ("POST", ROUTE + "/a", 1202),
    ],
)
def test_wrong_routes(method: str, path: str, code: int | str) -> None:
    """A route that is not there is named; a wrong method of one that is there is 1202."""

    async def test(caller: Caller) -> None:
        status, body, _ = await caller.raw(method, path)
        said = json.loads(body)
        assert status == 404
        assert said.get("code", "") == code
        assert code or said["error"]["message"] == f"Invalid URL ({method} {path})"

    with_sandbox(test)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_the_content_type_is_json(kind: str) -> None:
    """Anything but application/json is refused; a charset beside it is fine."""

    async def test(caller: Caller) -> None:
        status, body = await caller.post(None, json=None, data=raw(job()), headers={"Content-Type": kind})
        assert (status, body["code"]) == (400, 1200)
        good = {"Content-Type": "application/json; charset=utf-8"}
        assert (await caller.post(None, json=None, data=raw(job()), headers=good))[0] == 200

    with_sandbox(test)


@pytest.mark.parametrize("fault", KNOWN_FAULTS)
def test_every_fault(fault: str) -> None:
    """A fault creates a task or does not, as its group says, and is counted; without it the next create is answered."""

    async def test(caller: Caller) -> None:
        caller.session._timeout = aiohttp.ClientTimeout(total=0.3 if fault == "hang" else 10)
        seen = await outcome(caller)
        assert seen == EXPECTED[fault]
        caller.sandbox.set_faults(None)
        caller.session._timeout = aiohttp.ClientTimeout(total=10)
        assert (await caller.post(job("b")))[0] == 200

    ledger = with_sandbox(test, faults={fault: 1.0}, slow_seconds=0.01).ledger
    assert ledger.accepted("a") == int(fault in AFTER_THE_TASK)
    assert (fault in BEFORE_THE_TASK) is (ledger.accepted("a") == 0)
    assert ledger.faults == {fault: 1}
    assert [entry.fault for entry in ledger.entries if entry.external_task_id == "a"] == [fault] * ledger.accepted("a")


async def outcome(caller: Caller) -> str:
    """What a plain client makes of a create."""
    try:
        status, body, _ = await caller.raw("POST", ROUTE, json=job("a"))
    except TimeoutError:
        return "timeout"
    except aiohttp.ClientPayloadError:
        return "payload"
    except aiohttp.ClientOSError as error:
        return errno.errorcode[error.errno or 0]
    try:
        return f"{status} {json.loads(body)['code']}"
    except ValueError:
        return f"{status} {body[:1]!r}"


EXPECTED = {
    "reset_before": "ECONNRESET",
    "503_before": "503 5001",
    "502_before": "502 b'<'",
    "lose_reply": "ECONNRESET",
    "hang": "timeout",
    "502_after": "502 b'<'",
    "500_insert_task_failed": "500 insert_task_failed",
    "truncate": "payload",
    "garbage": "200 b'\\x1f'",
    "html_200": "200 b'<'",
    "double_json": "200 b'{'",
    "slow": "200 0",
}


def test_a_refused_create_meets_no_later_fault() -> None:
    """A create that the checks refuse is refused plainly, whatever the dice said about its reply."""

    async def test(caller: Caller) -> None:
        assert (await caller.post(job("a", session_id="")))[1]["code"] == 1201

    ledger = with_sandbox(test, faults={"lose_reply": 1.0}).ledger
    assert (ledger.faults, ledger.refused) == ({}, {1201: 1})


def test_the_file_is_ahead_of_the_reply(tmp_path: Path) -> None:
    """When a reply is lost its entry is in the ledger's file already."""
    path = tmp_path / "ledger.jsonl"

    async def test(caller: Caller) -> None:
        assert await outcome(caller) == "ECONNRESET"
        assert json.loads(path.read_text())["external_task_id"] == "a"

    with_sandbox(test, ledger_path=path, faults={"lose_reply": 1.0})


def test_a_client_that_leaves_after_the_last_byte_has_its_task() -> None:
    """The task is created although the client is gone before the reply: this is what makes a reset dangerous."""

    async def test(caller: Caller) -> None:
        body = raw(job("a", face_fields=BIG))
        _, writer = await asyncio.open_connection("127.0.0.1", int(caller.sandbox.base_url.rpartition(":")[2]))
        head = f"POST {ROUTE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sandbox-key\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        await until(lambda: caller.sandbox.ledger.tasks)
        writer.close()
        await writer.wait_closed()

    assert with_sandbox(test, latency=0.05).ledger.accepted("a") == 1


def test_closing_takes_bounded_time() -> None:
    """Hanging requests, silent connections and clients that never read do not hold the sandbox open."""

    async def main() -> float:
        async with calling(faults={"hang": 1.0}) as caller:
            port = int(caller.sandbox.base_url.rpartition(":")[2])
            hanging = [asyncio.create_task(outcome(caller)) for _ in range(5)]
            silent = socket.create_connection(("127.0.0.1", port))
            await until(lambda: caller.sandbox.ledger.requests == 5)
            begun = time.monotonic()
            await caller.sandbox.aclose()
            taken = time.monotonic() - begun
            silent.close()
            assert "<Sandbox http" in repr(caller.sandbox)
            await asyncio.gather(*hanging)
        return taken

    assert asyncio.run(main()) < 3


def test_a_sandbox_comes_back_where_it_was() -> None:
    """Closed and entered again it listens at the same port and knows its tasks; in between nobody is there."""

    async def main() -> None:
        sandbox = Sandbox()
        with pytest.raises(RuntimeError, match="not started"):
            _ = sandbox.base_url
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            caller = Caller(sandbox, session)
            async with sandbox:
                url = sandbox.base_url
                await caller.post(job("a"))
            with pytest.raises(aiohttp.ClientConnectionError):
                await caller.get("a")
            async with sandbox:
                assert sandbox.base_url == url
                assert (await caller.get("a"))[0] == 200

    asyncio.run(main())


def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    """A second sandbox on the same port raises, and leaves nothing open."""

    async def test(caller: Caller) -> None:
        port = int(caller.sandbox.base_url.rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"):
            await Sandbox(port=port, ledger_path=tmp_path / "ledger.jsonl").__aenter__()

    with_sandbox(test)


@pytest.mark.parametrize(
    "options",
    [
        {"dialect": "klingon"},
        {"refusals": "rude"},
        {"duplicates": "maybe"},
        {"lookups": "sometimes"},
        {"faults": {"x": 1}},
        {"time_scale": 0},
        {"task_seconds": (5, 1)},
        {"max_per_second": 0},
        {"urls": "nowhere"},
        {"refresh": -1},
        {"url_seconds": 0},
        {"video_bytes": -1},
        {"video_bytes": 2**31},
        {"failed_share": 1.1},
        {"callbacks": "shouted"},
        {"session_seconds": 0},
        {"identify_seconds": -1},
        {"foreign_share": 1.5},
    ],
)
def test_wrong_options_are_told_at_once(options: dict[str, Any]) -> None:
    """An option outside its choices raises an error that names it."""
    with pytest.raises(WrongArgumentError, match=next(iter(options)).removesuffix("s")):
        Sandbox(**options)


def test_many_at_once() -> None:
    """A thousand creates over 32 connections are each accepted once."""

    async def test(caller: Caller) -> None:
        numbers = iter(range(1000))

        async def worker() -> None:
            for n in numbers:
                assert (await caller.post(job(f"j-{n}")))[0] == 200

        await asyncio.gather(*(worker() for _ in range(32)))

    ledger = with_sandbox(test).ledger
    assert (ledger.tasks, ledger.duplicates) == (1000, {})
    assert len({entry.task_id for entry in ledger.entries}) == 1000


def test_options_cannot_be_changed_in_silence() -> None:
    """What was told stays; what may change has a method of its own."""
    sandbox = Sandbox(latency=1.0)
    with pytest.raises(attrs.exceptions.FrozenAttributeError):
        sandbox.latency = 0.0
    assert sandbox.latency == 1.0
