"""Clips of 5 MB, read from files and sent as Base64: bytes/s, memory a slot and loop lag, at 8 and 32 in flight.

Against a raw blocking socket that sends a prepared body again and again (pairs, wall time), and against what most
write: read, encode, `json=`.  The receiver is a sink in another process; the files are in the page cache.
Every way has a process of its own, so that its peak of memory is its own; lag is that of a 10 ms ticker in the loop.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import statistics
import tempfile
import time
import wave
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from benchmarks import _child
from benchmarks._pairs import table, verdict
from benchmarks._peers import HEADERS
from benchmarks._server import PATH
from benchmarks._sink import sink
from benchmarks._work import TEMPLATE
from benchmarks.memory import resident
from lipsync_async import Limits, LipSyncClient, LipSyncRequest
from lipsync_async.wire import Body, encode

SIZE = 5_000_000
RATE = 44_100
TICK = 0.010
CLIPS = 64
SPEED = ((0.25,), (0.40,))
SLOT_AND_LAG = ((1.0, 20.0), (0.1, 8.0))
"""Fail line and goal; MB a slot and ms of lag (p99), at 32 in flight."""
Send = Callable[[], Awaitable[None]]


def clip(path: Path, *, settled: bool = True) -> Path:
    """A valid WAV of exactly 5,000,000 bytes: 56.7 s of noise, mono, 16 bits; not as if written this moment."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(Random(5).randbytes(SIZE - 44))
    assert path.stat().st_size == SIZE
    if settled:
        os.utime(path, (0, 0))
    return path


def built(path: Path, count: int) -> list[LipSyncRequest]:
    return [TEMPLATE.audio_file(path).external_task_id(f"clip-{number:04d}").build() for number in range(count)]


def prepared(request: LipSyncRequest) -> bytearray:
    """The whole POST, its body as ours would send it."""
    body: Body = encode(request, "clip-0000")
    assert body.sound is not None
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {body.length}\r\n\r\n"
    post = bytearray(head.encode() + body.head)
    for piece in body.sound.slices():
        post += piece  # in place: parts and whole side by side would be the peak of the process
    post += body.tail
    return post


# -- the ways -------------------------------------------------------------------------------------------------------


def raw(port: int, post: bytearray, count: int) -> float:
    """MB/s of one blocking socket."""
    view = memoryview(post)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        begun = time.perf_counter()
        for _ in range(count):
            connection.sendall(view)
            assert connection.recv(4096)
        return len(post) * count / (time.perf_counter() - begun) / 1e6


@asynccontextmanager
async def ours(port: int, path: Path, count: int, in_flight: int) -> AsyncIterator[Send]:
    jobs = built(path, count)
    limits = Limits(max_in_flight=in_flight, initial_per_second=1e6)
    async with LipSyncClient(f"http://127.0.0.1:{port}", api_key="k", limits=limits) as client:

        async def send() -> None:
            assert len((await client.submit_many(jobs)).accepted) == count

        yield send


@asynccontextmanager
async def with_json(port: int, path: Path, count: int, in_flight: int) -> AsyncIterator[Send]:
    semaphore = asyncio.Semaphore(in_flight)
    async with aiohttp.ClientSession(headers=HEADERS) as session:

        async def post(number: int) -> None:
            async with semaphore:
                sound = b64encode(path.read_bytes()).decode()  # noqa: ASYNC240 - as most write it
                payload = {"external_task_id": f"clip-{number}", "face_choose": [{"sound_file": sound}]}
                async with session.post(f"http://127.0.0.1:{port}{PATH}", json=payload) as response:
                    assert await response.json(content_type=None)

        async def send() -> None:
            await asyncio.gather(*map(post, range(count)))

        yield send


WAYS = {"ours": ours, "json=": with_json}


# -- what is measured -----------------------------------------------------------------------------------------------


async def tick(lags: list[float]) -> None:
    """How much later than asked for the loop came round, in ms."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK
        await asyncio.sleep(TICK)
        lags.append((loop.time() - due) * 1000)


async def _timed(send: Send, lags: list[float]) -> float:
    gc.collect()
    ticker = asyncio.create_task(tick(lags))
    await asyncio.sleep(2 * TICK)
    begun = time.perf_counter()
    await send()
    seconds = time.perf_counter() - begun
    ticker.cancel()
    return seconds


async def measure(way: str, port: int, path: str, in_flight: int, count: int, rounds: int) -> dict[str, Any]:
    """Speeds of each round with the raw socket's beside them, MB of growth, lags; in a process of its own."""
    post = prepared(built(Path(path), 1)[0])
    own, beside, lags = [], [], []
    async with WAYS[way](port, Path(path), 1, 1) as send:
        await send()  # warm
    raw(port, post, 4)
    before = resident()
    async with WAYS[way](port, Path(path), count, in_flight) as send:
        for _ in range(rounds):
            beside.append(raw(port, post, count))
            own.append(len(post) * count / await _timed(send, lags) / 1e6)
    return {"own": own, "raw": beside, "growth": resident(peak=True) - before, "lags": sorted(lags)}


async def idle_lags(seconds: float) -> list[float]:
    """What the ticker finds in a loop that does nothing else: the machine's own noise."""
    lags: list[float] = []
    ticker = asyncio.create_task(tick(lags))
    await asyncio.sleep(seconds)
    ticker.cancel()
    return sorted(lags)


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def _spread(lags: list[float]) -> tuple[float, float, float]:
    return lags[len(lags) // 2], lags[int(len(lags) * 0.99)], lags[-1]


def _line(way: str, in_flight: int, found: dict[str, Any]) -> tuple[str, ...]:
    low, ratio, high = _quartiles([own / beside for own, beside in zip(found["own"], found["raw"], strict=True)])
    slot = found["growth"] / in_flight
    p50, p99, worst = _spread(found["lags"])
    said = ["", ""]
    if way == "ours":
        said[0] = verdict((ratio,), *SPEED, more_is_better=True)
        said[1] = verdict((slot, p99), *SLOT_AND_LAG) if in_flight == 32 else ""
    return (
        way,
        str(in_flight),
        f"{statistics.median(found['own']):.0f}",
        f"{statistics.median(found['raw']):.0f}",
        f"{ratio:.2f} ({low:.2f} to {high:.2f})",
        said[0],
        f"{slot:.2f}",
        f"{p50:.1f}; {p99:.1f}; {worst:.1f}",
        said[1],
    )


HEAD = (
    "what", "in flight", "MB/s", "raw MB/s", "over raw (quartiles)", "verdict", "MB a slot",
    "lag p50; p99; worst (ms)", "verdict",
)  # fmt: skip


def run(quick: bool = False) -> str:
    """One line a way and width."""
    lines = []
    with tempfile.TemporaryDirectory() as folder, sink() as port:
        path = str(clip(Path(folder) / "clip.wav"))
        for way in WAYS:
            for in_flight in (8, 32):
                rounds = 1 if quick else 8 if way == "ours" else 3
                count = in_flight if quick else CLIPS
                found = _child.measured(__name__, "measure", way, port, path, in_flight, count, rounds)
                lines.append(_line(way, in_flight, found))
    idle = _spread(asyncio.run(idle_lags(0.5 if quick else 3)))
    lines.append(("the loop, idle", *["-"] * 6, "{:.1f}; {:.1f}; {:.1f}".format(*idle), ""))
    return table(
        "Clips of 5 MB (6.7 MB of Base64)",
        HEAD,
        lines,
        f"Over raw: fail line {SPEED[0][0]}, goal {SPEED[1][0]}. "
        f"At 32 in flight: fail line {SLOT_AND_LAG[0][0]:g} MB a slot and {SLOT_AND_LAG[0][1]:g} ms (p99), "
        f"goal {SLOT_AND_LAG[1][0]:g} MB and {SLOT_AND_LAG[1][1]:g} ms.",
        "MB/s count what goes over the wire, the Base64. Ours reads and encodes each clip as it sends it. "
        "The clip is an old file; one written in the 3 s before it was checked is hashed as well, which is not shown.",
    )
