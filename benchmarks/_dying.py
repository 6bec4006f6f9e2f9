"""A gateway whose connections die at random, for the soak of the lean way; it keeps books of what it made."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from attrs import evolve

from benchmarks._delayed import content_length
from lipsync_async import Accepted, BatchResult, Gateway, Limits, LipSyncClient, NotSent, RunOptions, Timeouts, Unknown
from tests.loopback.acts import in_use
from tests.makers import requests

TIMEOUTS = Timeouts(total=1.5, connect=1.5, grace=1.0)
SETTLED = {"settle_time": 0.3, "hold_time": 0.5}
JOBS = 300


class Books:
    """What was made for whom."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.made: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()
        self.connections: set[Dying] = set()

    def make(self, name: str) -> None:
        self.made[name] += 1

    def answer(self, head: bytes, body: bytes) -> tuple[str, bytes]:
        """The job's id, which is empty for a query, and the whole reply that it deserves."""
        if head.startswith(b"GET"):
            name = head.split(b" ", 2)[1].decode().partition("?")[0].rpartition("/")[2]
            return "", _created(name) if self.made[name] else _reply(b'{"code":1203,"message":"task not exist"}', 404)
        name = json.loads(body)["external_task_id"]
        return name, _created(name)


def task_of(name: str) -> str:
    return f"task-of-{name}"


def _created(name: str) -> bytes:
    told = {"task_id": task_of(name), "task_status": "submitted", "task_info": {"external_task_id": name}}
    return _reply(json.dumps({"code": 0, "message": "SUCCEED", "data": told}).encode())


def _reply(body: bytes, status: int = 200, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


class Dying(asyncio.Protocol):
    """Answers well mostly."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._books.connections.add(self)
        if self._books.dice.random() < 0.02:
            self._books.deaths["at once"] += 1
            transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._books.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, rest = self._got.partition(b"\r\n\r\n")
        if not end or len(rest) < (length := content_length(head)):
            return
        self._got = rest[length:]
        name, answer = self._books.answer(head, rest[:length])
        self._play(name, answer)

    def _play(self, name: str, answer: bytes) -> None:
        """Whatever else it does, a job is made unless the connection dies before that."""
        (fate,) = self._books.dice.choices(_NAMES, _SHARES)
        if fate != "well":
            self._books.deaths[fate] += 1
        if name and fate != "before it acts":
            self._books.make(name)
        FATES[fate][1](self._transport, answer, self._books.dice)


def _within(out: asyncio.Transport, answer: bytes, dice: random.Random) -> None:
    out.write(answer[: dice.randrange(len(answer))])
    out.close()


def _after(out: asyncio.Transport, answer: bytes, _: random.Random) -> None:
    out.write(answer)
    out.close()


def _idle(out: asyncio.Transport, answer: bytes, dice: random.Random) -> None:
    out.write(answer)
    asyncio.get_running_loop().call_later(dice.random() * 0.05, out.abort)


def _slowly(out: asyncio.Transport, answer: bytes, _: random.Random) -> None:
    half = len(answer) // 2
    out.write(b"HTTP/1.1 102 Processing\r\n\r\n" + answer[:half])
    asyncio.get_running_loop().call_later(0.01, out.write, answer[half:])


Fate = Callable[[asyncio.Transport, bytes, random.Random], object]
FATES: dict[str, tuple[float, Fate]] = {
    "before it acts": (2.0, lambda out, _, __: out.abort()),
    "without an answer": (1.0, lambda out, _, __: out.abort()),
    "within the answer": (1.0, _within),
    "silence": (0.2, lambda *_: None),
    "a second answer": (2.0, lambda out, answer, _: out.write(answer + _created("nobody"))),
    "after the answer": (2.0, _after),
    "while it is idle": (4.0, _idle),
    "it says that it closes": (3.0, lambda out, answer, _: out.write(answer.replace(b"\r\n\r\n", _CLOSES, 1))),
    "slowly": (5.0, _slowly),
    "well": (79.8, lambda out, answer, _: out.write(answer)),
}
"""Per cent of the requests, and what is done; all but the first act on the request."""
_NAMES, _SHARES = list(FATES), [share for share, _ in FATES.values()]
_CLOSES = b"\r\nConnection: close\r\n\r\n"


def faults_of(result: BatchResult, jobs: list[str], made: Counter[str]) -> list[str]:
    """What the books and the outcomes do not agree about."""
    faults = [f"{name}: no outcome" for name in jobs if name not in result]
    for name, told in result.items():
        if made[name] > 1:
            faults.append(f"{name}: made {made[name]} times")
        if isinstance(told, Accepted):
            if (told.task_id, made[name]) != (task_of(name), 1):
                faults.append(f"{name}: accepted as {told.task_id}, made {made[name]} times")
        elif isinstance(told, NotSent):
            if made[name]:
                faults.append(f"{name}: not sent, and made")
        elif not isinstance(told, Unknown):
            faults.append(f"{name}: {told}")
    return faults


async def _batch(client: LipSyncClient, books: Books, number: int, tally: Counter[str]) -> list[str]:
    jobs = [evolve(request, external_task_id=f"b{number}-{i}") for i, request in enumerate(requests(JOBS))]
    names = [job.external_task_id or "" for job in jobs]
    options = RunOptions(ambiguous="report" if number % 2 else "lookup")
    call = asyncio.ensure_future(client.submit_many(jobs, into=(into := {}), options=options))
    if number % 5 == 4:  # the caller gives up: what is under way is broken off, and every job comes out all the same
        await asyncio.wait([call], timeout=books.dice.random())
        call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    result = BatchResult(dict(zip(names, jobs, strict=True)), into)
    tally.update(type(told).__name__ for told in result.values())
    if call.cancelled() and not into and not any(books.made[name] for name in names):
        return []  # it was cancelled while the list was still looked through
    return faults_of(result, names, books.made)


async def soak(minutes: float, seed: int) -> tuple[list[str], str]:
    """What broke, and what was played."""
    books, tally, faults, number = Books(random.Random(seed)), Counter[str](), list[str](), 0
    server = await asyncio.get_running_loop().create_server(lambda: Dying(books), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    gateway = Gateway(name="dying", base_url=f"http://127.0.0.1:{port}", **SETTLED)  # type: ignore[arg-type]
    until, before = time.monotonic() + 60 * minutes, _open_files()
    limits = Limits(max_in_flight=32, initial_per_second=1e6)
    while time.monotonic() < until and not faults:
        async with LipSyncClient(gateway, api_key="key-of-the-soak", limits=limits, timeouts=TIMEOUTS) as client:
            assert "lean" in repr(client), client
            for _ in range(20):
                faults += await _batch(client, books, number, tally)
                number += 1
                held = in_use(client)
                if held:
                    faults.append(f"batch {number}: {len(held)} connections were not given back")
                if time.monotonic() > until or faults:
                    break
        for _ in range(20):  # both ends of a connection close in rounds of their own
            await asyncio.sleep(0.01)
    gc.collect()
    if books.connections or _open_files() > before:
        faults.append(f"{len(books.connections)} connections, {_open_files() - before} files are still open")
    server.close()
    return faults, f"{number} batches, {dict(tally)}; deaths: {dict(books.deaths)}"


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
