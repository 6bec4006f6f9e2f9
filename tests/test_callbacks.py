"""Receiving callbacks: what is answered, what is hinted, and that a flood of forged ones changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import runpy
from base64 import b64encode
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lipsync_async import CallbackVerificationError, LipSyncClient
from lipsync_async.callbacks import REMEMBERED, Callbacks, token_of
from lipsync_async.errors import ConfigurationError
from lipsync_async.wire.callbacks import MAX_BYTES
from tests.loopback.acts import KEY, client
from tests.loopback.hurried import hurry
from tests.loopback.raw import RawServer
from tests.makers import requests
from tests.tasks.test_follower import URL, Book, state

SECRET = b"a secret of thirty-two bytes, ok"
NOW = 1_781_080_794.0
DONE = b'{"task_id":"86","task_status":"succeed"}'


def receiver(*, secret: bool = False, **options: Any) -> tuple[Callbacks, list[str]]:
    """A receiver at a fixed moment, and the hints that it gave."""
    hints: list[str] = []
    secrets = [f"whsec_{b64encode(SECRET).decode()}"] if secret else []
    made = Callbacks(hints.append, token="t", secrets=secrets, clock=lambda: NOW, **options)
    return made, hints


def signed(body: bytes, webhook_id: str = "m1", at: float = NOW) -> dict[str, str]:
    """The headers of a callback that is signed well."""
    text = f"{webhook_id}.{int(at)}.".encode() + body
    signature = b64encode(hmac.digest(SECRET, text, hashlib.sha256)).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": str(int(at)), "webhook-signature": f"v1,{signature}"}


# --- what is answered -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (DONE, 204),
        (b'{"task_id":"86"}', 204),
        (b"", 400),
        (b"[1]", 400),
        (b"{}", 400),
        ("text", 400),
        (None, 400),
        (DONE.ljust(MAX_BYTES), 204),
        (DONE.ljust(MAX_BYTES + 1), 413),
    ],
)
def test_without_secrets_what_can_be_read_is_received(body: Any, status: int) -> None:
    """Few gateways pass a signature on."""
    made, _ = receiver()
    assert made.receive({}, body) == status
    assert made.receive(None, body) == status  # type: ignore[arg-type]


def test_with_secrets_a_signature_is_asked_for() -> None:
    """In time, and with one of them."""
    made, hints = receiver(secret=True)
    assert made.receive({}, DONE) == 401
    assert made.receive(signed(DONE) | {"webhook-timestamp": "5"}, DONE) == 401
    assert made.receive(signed(DONE, at=NOW - 301), DONE) == 401
    assert hints == []
    assert made.receive(signed(DONE, at=NOW - 300), DONE) == 204
    assert hints == ["86"]
    made.verify(signed(DONE), DONE)
    made.verify(signed(DONE), DONE, now=NOW + 300)
    with pytest.raises(CallbackVerificationError):
        made.verify(signed(DONE), DONE, now=NOW + 301)


def test_only_an_end_is_hinted() -> None:
    """Progress is no news, whatever comes after it."""
    made, hints = receiver()
    for status in ("submitted", "processing", "succeed", "processing", "failed", "odd"):
        assert made.receive({}, json.dumps({"task_id": status, "task_status": status}).encode()) == 204
    assert hints == ["succeed", "failed"]


def test_a_callback_that_comes_again_is_heard_once() -> None:
    """By its id, which stays the same over all tries; an unsigned one has none."""
    made, hints = receiver()
    for webhook_id in ("a", "a", "b", "a"):
        assert made.receive({"Webhook-Id": webhook_id}, DONE) == 204
    assert len(hints) == 2
    made.receive({}, DONE)
    made.receive({}, DONE)
    assert len(hints) == 4


def test_what_is_forged_takes_no_id_away() -> None:
    """With secrets, only an id of a callback that is believed is remembered."""
    made, hints = receiver(secret=True)
    assert made.receive(signed(b"{}") | {"webhook-id": "m1"}, DONE) == 401
    assert made.receive(signed(DONE, "m1"), DONE) == 204
    assert hints == ["86"]


def test_ids_that_are_remembered_are_bounded() -> None:
    """The oldest are forgotten."""
    made, hints = receiver()
    for number in range(REMEMBERED + 10):
        made.receive({"webhook-id": str(number)}, DONE)
    assert len(made._heard) == REMEMBERED
    made.receive({"webhook-id": str(REMEMBERED)}, DONE)
    made.receive({"webhook-id": "0"}, DONE)
    assert len(hints) == REMEMBERED + 11


def test_a_hint_that_fails_is_not_the_callers_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the callback was received."""

    def broken(task_id: str) -> None:
        raise RuntimeError(task_id)

    assert Callbacks(broken, token="t").receive({}, DONE) == 204
    assert "hint" in caplog.text


def test_nothing_secret_is_shown() -> None:
    """Neither path nor secret."""
    made, _ = receiver(secret=True)
    assert repr(made) == "<Callbacks, 1 secrets, 0 heard>"
    assert made.path == "/kling/t"


def test_a_path_has_a_token() -> None:
    """One that stays the same as long as the key does, and does not hold it."""
    with pytest.raises(ConfigurationError):
        Callbacks(print, token="")
    token = token_of(KEY)
    assert token == token_of(KEY) != token_of(KEY + "x")
    assert len(token) == 40
    assert KEY not in token
    for key in (lambda: KEY, "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhayJ9.c2ln"):
        with pytest.raises(ConfigurationError, match="token="):
            token_of(key)


def test_a_client_makes_receivers() -> None:
    """With a path of its own, and secrets that are looked at."""
    caller = LipSyncClient("chainhub", api_key=KEY)
    assert caller.callbacks().path == caller.callbacks().path == f"/kling/{token_of(KEY)}"
    assert caller.callbacks(token="mine").path == "/kling/mine"
    assert caller.callbacks(secrets=f"whsec_{b64encode(SECRET).decode()}").receive({}, DONE) == 401
    assert caller.callbacks().receive({}, DONE) == 204  # nobody waits for anything
    with pytest.raises(ConfigurationError):
        caller.callbacks(secrets=["!"])


# --- what it costs --------------------------------------------------------------------------------------------------


def waiting(book: Book, act: Any, count: int = 5) -> tuple[Any, float]:
    """The results of some jobs while an act goes on beside them, and how long it took."""

    async def main() -> tuple[Any, float]:
        loop = asyncio.get_running_loop()
        async with RawServer(always=book) as server, client(server) as caller:
            begun = loop.time()
            beside = loop.create_task(act(caller))
            results = await caller.run_many(requests(count))
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)
            return results, loop.time() - begun

    return hurry(main())


def test_a_callback_makes_the_client_look_sooner() -> None:
    """The end is known as soon as it is told, at one query."""

    async def tell(caller: LipSyncClient) -> None:
        await asyncio.sleep(3.0)
        assert caller.callbacks().receive({}, b'{"task_id":"task-job-0","task_status":"succeed"}') == 204

    book = Book(seconds=2.5)
    results, seconds = waiting(book, tell, 1)
    assert len(results.succeeded) == 1
    assert 3.0 <= seconds < 4.0
    assert book.asked == {"task-job-0": 1}


def test_a_callback_that_is_ahead_of_the_query_is_no_loop() -> None:
    """The gateway does not know of the end yet: one look, and then as before."""

    async def tell(caller: LipSyncClient) -> None:
        receive = caller.callbacks().receive
        for number in range(100):
            await asyncio.sleep(0.05)
            receive({"webhook-id": str(number)}, b'{"task_id":"task-job-0","task_status":"succeed"}')

    book = Book(seconds=100.0)
    waiting(book, tell, 1)
    plain = Book(seconds=100.0)
    waiting(plain, lambda _: asyncio.sleep(0), 1)
    assert book.asked["task-job-0"] <= plain.asked["task-job-0"] + 3


def test_ten_thousand_forged_callbacks_change_nothing() -> None:
    """No query beyond the cap, no exception, and every outcome is the gateway's own."""

    async def forge(caller: LipSyncClient) -> None:
        dice, callbacks = Random(3), caller.callbacks()
        statuses: set[int] = set()
        for number in range(10_000):
            task_id = dice.choice([f"task-job-{dice.randrange(5)}", f"other-{number}", ""])
            videos = [{"url": "https://evil.example/v.mp4"}]
            told = {"task_id": task_id, "task_status": dice.choice(["succeed", "failed", "processing"])}
            body = json.dumps(told | {"task_result": {"videos": videos}}).encode()
            if dice.random() < 0.1:
                body = dice.randbytes(40)
            statuses.add(callbacks.receive({"webhook-id": str(dice.randrange(6000))}, body))
            await asyncio.sleep(0.008)
        assert statuses == {204, 400}

    book, plain = Book(seconds=100.0), Book(seconds=100.0)
    results, seconds = waiting(book, forge)
    expected, usual = waiting(plain, lambda _: asyncio.sleep(0))
    assert len(results.succeeded) == len(expected.succeeded) == 5
    assert {ending.video_url for ending in results.values()} == {URL}
    assert set(book.asked) == set(plain.asked)
    for task_id, looks in book.asked.items():
        assert looks <= plain.asked[task_id] + 100.0 / 10.0 + 1
    assert seconds <= usual + 10.0


def test_a_forged_end_of_a_task_that_failed_is_not_believed() -> None:
    """Only the gateway's answer to a query ends a task."""

    async def forge(caller: LipSyncClient) -> None:
        await asyncio.sleep(1.0)
        caller.callbacks().receive({}, b'{"task_id":"task-job-0","task_status":"succeed"}')

    book = Book(seconds=50.0)
    book.fail.add("task-job-0")
    results, _ = waiting(book, forge, 1)
    assert len(results.failed) == 1
    assert state("x", "failed")  # the gateway's word


# --- the examples ---------------------------------------------------------------------------------------------------

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_the_example_for_aiohttp_receives() -> None:
    """Its handler answers, over real sockets."""
    import aiohttp
    from aiohttp import web

    example = runpy.run_path(str(EXAMPLES / "callbacks_aiohttp.py"))

    async def main() -> None:
        callbacks, hints = receiver(secret=True)
        runner = web.AppRunner(example["application"](callbacks))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
        async with aiohttp.ClientSession() as session:
            for headers, status in ((signed(DONE), 204), ({}, 401)):
                async with session.post(url + callbacks.path, data=DONE, headers=headers) as answer:
                    assert answer.status == status
            async with session.post(url + "/kling/guessed", data=DONE) as answer:
                assert answer.status == 404
        await runner.cleanup()
        assert hints == ["86"]

    hurry(main())


def test_the_example_for_fastapi_receives() -> None:
    """Its application answers, spoken to as a server would."""
    pytest.importorskip("fastapi", reason="FastAPI is not installed")
    example = runpy.run_path(str(EXAMPLES / "callbacks_fastapi.py"))
    callbacks, hints = receiver(secret=True)
    app = example["application"](callbacks)

    async def call(path: str, headers: dict[str, str]) -> int:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        sent: list[dict[str, Any]] = []

        async def take() -> dict[str, Any]:
            return {"type": "http.request", "body": DONE, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await app(scope, take, send)
        return int(sent[0]["status"])

    assert asyncio.run(call(callbacks.path, signed(DONE))) == 204
    assert asyncio.run(call(callbacks.path, {})) == 401
    assert asyncio.run(call("/kling/guessed", signed(DONE))) == 404
    assert hints == ["86"]
