"""Callbacks: their bytes and signatures, and when they come."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.sandbox import KNOWN_CALLBACK_FAULTS, Sandbox
from lipsync_async.sandbox.webhooks import headers_of, key_of, signature

from .fetching import with_files
from .helpers import Caller, job

SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
OLD = "whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0"
STEPS = ["submitted", "processing", "succeed"]


def test_the_official_vector() -> None:
    """Sample c02: the platform's own id, timestamp, body and signature."""
    body = (
        b'{"id":"1234567890","status":"succeeded","message":"","create_time":1781080778802,"update_time":1781080794151}'
    )
    assert signature(SECRET, "9876543210", "1781080794", body) == "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4="


@given(st.binary(min_size=1, max_size=64), st.integers(0, 2**33), st.binary(max_size=200))
def test_signatures_are_what_the_standard_says(key: bytes, timestamp: int, body: bytes) -> None:
    """One part a secret, over id, timestamp and body."""
    secret = f"whsec_{base64.b64encode(key).decode()}"
    assert key_of(secret) == key
    headers = headers_of((secret, OLD), "msg_1", timestamp, body)
    first, second = headers["webhook-signature"].split(" ")
    expected = hmac.digest(key, f"msg_1.{timestamp}.".encode() + body, hashlib.sha256)
    assert first == f"v1,{base64.b64encode(expected).decode()}"
    assert second == signature(OLD, "msg_1", str(timestamp), body)
    assert set(headers_of((), "msg_1", timestamp, body)) == {"Content-Type"}


@pytest.mark.parametrize("secret", ["", "dGVzdA==", "whsec_", "whsec_???", "whsec_dGVzd"])
def test_wrong_secrets_are_told(secret: str) -> None:
    """Without the prefix, without Base64, without a key."""
    with pytest.raises(ValueError, match="callback_secret"):
        Sandbox(callback_secrets=(secret,))


@pytest.mark.parametrize("options", [{"callbacks": "shouted"}, {"callback_faults": {"loud": 1.0}}])
def test_wrong_options_are_told(options: dict[str, Any]) -> None:
    """By the names that are known."""
    with pytest.raises(ValueError, match="callback"):
        Sandbox(**options)


class Receiver:
    """What came to a callback URL, and when."""

    def __init__(self) -> None:
        self.came: list[tuple[float, dict[str, str], bytes]] = []
        self.answers: list[int] = []

    async def handle(self, request: web.Request) -> web.Response:
        """Take a callback."""
        now = asyncio.get_running_loop().time()
        self.came.append((now, {name.lower(): it for name, it in request.headers.items()}, await request.read()))
        return web.Response(status=self.answers.pop(0) if self.answers else 204)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Decoded."""
        return [json.loads(body) for _, _, body in self.came]

    @property
    def statuses(self) -> list[str]:
        """What each claimed."""
        return [(it.get("data") or it)["task_status"] for it in self.bodies]

    def signed_by(self, secret: str) -> list[bool]:
        """Which hold a good signature."""
        good = []
        for _, headers, body in self.came:
            mine = signature(secret, headers["webhook-id"], headers["webhook-timestamp"], body)
            good.append(mine in headers["webhook-signature"].split(" "))
        return good


def received(receiver: Receiver, count: int = 1, after: float = 200.0, **options: Any) -> Sandbox:
    """Create tasks with a callback URL, in virtual time, and wait until all is over."""
    app = web.Application()
    app.router.add_post("/cb", receiver.handle)

    async def test(caller: Caller) -> None:
        async with TestServer(app, host="127.0.0.1") as server:
            for n in range(count):
                url = str(server.make_url("/cb"))
                assert (await caller.post(job(str(n), callback_url=url)))[0] == 200
            await asyncio.sleep(after)

    usual: dict[str, Any] = {"task_seconds": (100.0, 100.0), "callbacks": "task", "callback_secrets": (SECRET,)}
    return with_files(test, **usual | options)


def test_each_change_is_told_and_signed() -> None:
    """Submitted at once, processing at a tenth, the end at the end; the task object at top level, with its video."""
    receiver = Receiver()
    ledger = received(receiver).ledger
    assert receiver.statuses == STEPS
    begun = receiver.came[0][0]
    assert [at - begun for at, _, _ in receiver.came] == pytest.approx([0, 10, 100], abs=0.5)
    assert all(receiver.signed_by(SECRET))
    last = receiver.bodies[-1]
    (entry,) = ledger.entries
    assert (last["task_id"], last["task_info"]["external_task_id"]) == (entry.task_id, "0")
    assert f"/files/{entry.task_id}.mp4" in last["task_result"]["videos"][0]["url"]
    times = [int(headers["webhook-timestamp"]) for _, headers, _ in receiver.came]
    assert [at - times[0] for at in times] == pytest.approx([0, 10, 100], abs=1)
    assert [(it.status, it.fault, it.answered) for it in ledger.callbacks] == [(it, None, 204) for it in STEPS]


@pytest.mark.parametrize("callbacks", ["task", "envelope", "bare"])
def test_how_a_body_looks(callbacks: str) -> None:
    """The task object at top level, in the envelope, or without the customer's id."""
    receiver = Receiver()
    received(receiver, callbacks=callbacks)
    for body in receiver.bodies:
        assert ("code" in body) is (callbacks == "envelope")
        task = body["data"] if callbacks == "envelope" else body
        assert ("task_info" in task) is (callbacks != "bare")
    assert receiver.statuses == STEPS


def test_none_are_sent_unless_asked_for_and_only_on_loopback() -> None:
    """By default nothing leaves; and never to a host elsewhere, nor without a URL."""
    receiver = Receiver()
    received(receiver, callbacks="none")
    assert receiver.came == []

    async def test(caller: Caller) -> None:
        for n, url in enumerate(("http://192.0.2.1/cb", "https://example.test/cb", None)):
            await caller.post(job(str(n), callback_url=url))
        assert not caller.sandbox._callbacks._tasks

    assert with_files(test, callbacks="task").ledger.callbacks == []


def test_two_secrets_while_one_rotates_and_none() -> None:
    """A signature each; without secrets no header of the three."""
    receiver = Receiver()
    received(receiver, callback_secrets=(SECRET, OLD))
    assert all(receiver.signed_by(SECRET) + receiver.signed_by(OLD))
    bare = Receiver()
    received(bare, callback_secrets=())
    assert not any(name.startswith("webhook") for _, headers, _ in bare.came for name in headers)


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("twice", ["submitted", "submitted", "processing", "processing", "succeed", "succeed"]),
        ("late", ["succeed", "processing", "submitted"]),
        ("lost", []),
        ("forged", ["succeed", "submitted", "succeed", "processing", "succeed", "succeed"]),
        ("replayed", [*STEPS, "succeed", "processing", "submitted"]),
    ],
)
def test_what_can_go_wrong(fault: str, statuses: list[str]) -> None:
    """Each fault at each change; the ledger names those that are not as they should be."""
    receiver = Receiver()
    sandbox = received(receiver, callback_faults={fault: 1.0})
    assert set(KNOWN_CALLBACK_FAULTS) == {"twice", "late", "lost", "forged", "replayed"}
    assert receiver.statuses == statuses
    wrong = [it.fault for it in sandbox.ledger.callbacks]
    assert [it for it in wrong if it] == ([] if fault == "lost" else [fault] * 3)
    good = receiver.signed_by(SECRET)
    assert good == [fault != "forged" or n % 2 == 1 for n in range(len(good))]
    ids = [headers["webhook-id"] for _, headers, _ in receiver.came]
    assert len(set(ids)) == (3 if fault == "twice" else len(ids))


def test_a_forged_one_leads_to_a_stranger() -> None:
    """Its URL is none of ours."""
    receiver = Receiver()
    received(receiver, callback_faults={"forged": 1.0})
    urls = [it["task_result"]["videos"][0]["url"] for it in receiver.bodies if "task_result" in it]
    assert [url.startswith("https://attacker.example/") for url in urls] == [True, True, True, False]


def test_a_replayed_one_is_an_hour_old() -> None:
    """Well signed: only its timestamp tells."""
    receiver = Receiver()
    received(receiver, callback_faults={"replayed": 1.0})
    stamps = [int(headers["webhook-timestamp"]) for _, headers, _ in receiver.came]
    assert [new - old for new, old in zip(stamps[:3], stamps[:2:-1], strict=True)] == [3600] * 3


def test_it_is_sent_again_until_it_is_taken() -> None:
    """Three times at most, and the next change is told all the same."""
    receiver = Receiver()
    receiver.answers = [500, 500, 200, 404, 302, 503]
    ledger = received(receiver).ledger
    assert receiver.statuses == ["submitted"] * 3 + ["processing"] * 3 + ["succeed"]
    assert [it.answered for it in ledger.callbacks] == [500, 500, 200, 404, 302, 503, 204]


def test_a_receiver_that_is_not_there_holds_nobody_up() -> None:
    """Neither creates nor the sandbox's end."""

    async def test(caller: Caller) -> None:
        assert (await caller.post(job("a", callback_url="http://127.0.0.1:9/cb")))[0] == 200
        await asyncio.sleep(1.0)

    sandbox = with_files(test, callbacks="task", task_seconds=(1000.0, 1000.0))
    assert {it.answered for it in sandbox.ledger.callbacks} == {0}


def test_faults_can_be_changed() -> None:
    """For the changes to come."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/cb", receiver.handle)

    async def test(caller: Caller) -> None:
        async with TestServer(app, host="127.0.0.1") as server:
            await caller.post(job("a", callback_url=str(server.make_url("/cb"))))
            await asyncio.sleep(5.0)
            caller.sandbox.set_callback_faults(None)
            await asyncio.sleep(200.0)

    options: dict[str, Any] = {"callbacks": "task", "callback_faults": {"lost": 1.0}}
    with_files(test, task_seconds=(100.0, 100.0), **options)
    assert receiver.statuses == ["processing", "succeed"]
