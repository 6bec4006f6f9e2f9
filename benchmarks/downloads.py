"""Eight videos of 50 MB at a time into a folder: memory, loop lag and bytes a second.

Against what most write: `await response.read()`, then `write_bytes`; and against chunks that the loop itself writes.
The file host is a process of its own, and sends from memory as fast as it is read.
Every way has a process of its own, so that its peak of memory is its own; lag is that of a 10 ms ticker in the loop.
"""

from __future__ import annotations

import asyncio
import socketserver
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import _child
from benchmarks._pairs import table, verdict
from benchmarks._server import free_port, serving
from benchmarks.audio import idle_lags, tick
from benchmarks.memory import resident
from lipsync_async.downloads.crew import Crew
from lipsync_async.downloads.fetcher import Fetcher
from lipsync_async.downloads.folder import Folder

SIZE = 50_000_000
AT_A_TIME = 8
COUNTS = (8, 64)
"""Videos; memory is to depend on how many there are at a time, and on nothing else."""
MEMORY, LAG = ((64.0,), (40.0,)), ((20.0,), (8.0,))
"""Fail line and goal: MB of growth with eight streams, ms of lag (p99)."""
HEAD = f'HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {SIZE}\r\nETag: "v1"\r\n\r\n'.encode()


# -- the file host, in a process of its own -------------------------------------------------------------------------


class Host(socketserver.BaseRequestHandler):
    """Answers every request with the same video."""

    video = memoryview(b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + bytes(SIZE - 24))

    def handle(self) -> None:  # noqa: D102 - told by its base
        seen = b""
        while data := self.request.recv(65536):
            seen += data
            while b"\r\n\r\n" in seen:
                _, _, seen = seen.partition(b"\r\n\r\n")
                self.request.sendall(HEAD)
                self.request.sendall(self.video)


class Server(socketserver.ThreadingTCPServer):
    """A thread a connection."""

    allow_reuse_address = daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that leaves is no news."""


# -- what is compared -----------------------------------------------------------------------------------------------


async def ours(url: str, folder: Path, count: int) -> None:
    async def renew() -> str:
        return url

    async with Fetcher(url) as fetcher, Crew(fetcher, Folder(folder), at_a_time=AT_A_TIME) as crew:
        for number in range(count):
            crew.add(f"job-{number}", str(number), renew)
        crew.close()
        async for found in crew:
            assert found.error() is None, found


async def _each(url: str, count: int, one: Callable[[aiohttp.ClientResponse, int], Awaitable[None]]) -> None:
    semaphore = asyncio.Semaphore(AT_A_TIME)

    async def fetch(session: aiohttp.ClientSession, number: int) -> None:
        async with semaphore, session.get(url) as response:
            await one(response, number)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(fetch(session, number) for number in range(count)))


async def read_and_write(url: str, folder: Path, count: int) -> None:
    async def one(response: aiohttp.ClientResponse, number: int) -> None:
        (folder / f"job-{number}.mp4").write_bytes(await response.read())

    await _each(url, count, one)


async def chunks_in_the_loop(url: str, folder: Path, count: int) -> None:
    async def one(response: aiohttp.ClientResponse, number: int) -> None:
        with (folder / f"job-{number}.mp4").open("wb") as file:
            async for chunk in response.content.iter_chunked(2**16):
                file.write(chunk)

    await _each(url, count, one)


WAYS: dict[str, Callable[[str, Path, int], Awaitable[None]]] = {
    "ours": ours,
    "read, then write": read_and_write,
    "chunks, written in the loop": chunks_in_the_loop,
}


async def measure(way: str, url: str, place: str, count: int) -> dict[str, Any]:
    """MB of growth, MB/s and lags; in a process of its own."""
    with tempfile.TemporaryDirectory(dir=place) as warm:
        await WAYS[way](url, Path(warm), 1)
    lags: list[float] = []
    with tempfile.TemporaryDirectory(dir=place) as folder:
        before, ticker = resident(), asyncio.create_task(tick(lags))
        begun = time.perf_counter()
        await WAYS[way](url, Path(folder), count)
        seconds = time.perf_counter() - begun
        ticker.cancel()
        sizes = [it.stat().st_size for it in Path(folder).iterdir()]  # noqa: ASYNC240 - nothing else is going on
        assert sizes == [SIZE] * count, sizes
    return {"growth": resident(peak=True) - before, "speed": count * SIZE / seconds / 1e6, "lags": sorted(lags)}


def _line(way: str, count: int, found: dict[str, Any], *, judged: bool) -> tuple[object, ...]:
    lags = found["lags"]
    p99 = lags[int(len(lags) * 0.99)]
    said = [verdict((found["growth"],), *MEMORY), verdict((p99,), *LAG)] if judged and way == "ours" else ["", ""]
    told = f"{lags[len(lags) // 2]:.1f}; {p99:.1f}; {lags[-1]:.1f}"
    return way, count, f"{found['growth']:.0f}", said[0], told, said[1], f"{found['speed']:.0f}"


def run(quick: bool = False) -> str:
    """One table, as Markdown."""
    port = free_port()
    with tempfile.TemporaryDirectory() as place, serving([sys.executable, "-m", __name__, str(port)], port):
        url = f"http://127.0.0.1:{port}/video.mp4"
        lines = [
            _line(way, count, _child.measured(__name__, "measure", way, url, place, count), judged=not quick)
            for count in (COUNTS[:1] if quick else COUNTS)
            for way in WAYS
        ]
    idle = asyncio.run(idle_lags(0.5 if quick else 3.0))
    head = ("what", "videos", "MB of growth", "verdict", "lag p50; p99; worst (ms)", "verdict", "MB/s")
    spread = f"{idle[len(idle) // 2]:.1f}; {idle[int(len(idle) * 0.99)]:.1f}; {idle[-1]:.1f} ms"
    noise = f"An idle loop on this machine: {spread}."
    synced = "*ours* syncs every file before it has its name, and the others do not: MB/s is that of the disk there."
    return table(f"{AT_A_TIME} videos of {SIZE // 1_000_000} MB at a time, into a folder", head, lines, noise, synced)


def main() -> None:
    with Server(("127.0.0.1", int(sys.argv[1])), Host) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
