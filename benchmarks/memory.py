"""Memory by the length of the list: ours streamed from a generator, against `gather` and a task a job.

A stub takes the place of the network (it answers after one turn of the loop), so only the way of the jobs is measured.
Every figure comes from a process of its own: its peak of resident memory over what it had before the first job.
The bar is on the growth of `stream` from 10 k to 1 M jobs.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from attrs import evolve

from benchmarks import _child
from benchmarks._pairs import table, verdict
from benchmarks._work import TEMPLATE
from lipsync_async import Accepted, Limits, LipSyncClient, LipSyncRequest
from lipsync_async.terms import Reply

FAIL, GOAL = (100.0,), (24.0,)
IN_FLIGHT = 64
NOWHERE = "http://127.0.0.1:9"
SIZES = (10_000, 100_000, 1_000_000)
TOO_MUCH = {"gather + semaphore": 100_000, "a task a job": 100_000, "ours, submit_many": 100_000}
"""The most jobs that these are given: they keep all of them."""


class StubWire:
    """Accepts everything, one turn of the loop later."""

    def __init__(self) -> None:
        self._sent = 0

    def watching(self, _flight: object) -> nullcontext[None]:  # noqa: D102 - told by `account.Wire`
        return nullcontext()

    async def post(self, *_: object) -> Reply:  # noqa: D102
        await asyncio.sleep(0)
        self._sent += 1
        task_id = f"8600000{self._sent:012d}"
        return Reply(status=200, success=True, code=0, task_id=task_id, request_id=f"request-{self._sent}")


def jobs(count: int, start: int = 0) -> Iterator[LipSyncRequest]:
    """Made when asked for; two of the three texts of every job are its own."""
    first = TEMPLATE.external_task_id("first").build()
    (face,) = first.face_choose
    for number in range(start, start + count):
        sound = f"https://cdn.example.com/audio/{number:012d}.mp3"
        yield evolve(first, external_task_id=f"job-{number:08d}", face_choose=(evolve(face, sound_file=sound),))


def resident(*, peak: bool = False) -> float:
    """MB of resident memory, now or at most so far (`ru_maxrss` would carry on what the parent process had)."""
    name = "VmHWM" if peak else "VmRSS"
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


# -- what is compared -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def stubbed_client(wire: StubWire | None = None) -> AsyncIterator[LipSyncClient]:
    limits = Limits(max_in_flight=IN_FLIGHT, initial_per_second=1e6)
    async with LipSyncClient(NOWHERE, api_key="k", limits=limits) as client:
        account: Any = client._account  # noqa: SLF001 - no network here
        account.wire = wire or StubWire()
        yield client


async def streamed(count: int) -> int:
    accepted = 0
    async with stubbed_client() as client, client.stream(jobs(count)) as outcomes:
        async for outcome in outcomes:
            accepted += isinstance(outcome, Accepted)
    return accepted


async def submitted(count: int) -> int:
    async with stubbed_client() as client:
        return len((await client.submit_many(jobs(count))).accepted)


async def gathered(count: int) -> int:
    wire, semaphore = StubWire(), asyncio.Semaphore(IN_FLIGHT)

    async def post(request: LipSyncRequest) -> tuple[str | None, Reply]:
        async with semaphore:
            return request.external_task_id, await wire.post(request)

    return len(dict(await asyncio.gather(*(post(request) for request in jobs(count)))))


async def task_a_job(count: int) -> int:
    wire, semaphore, found = StubWire(), asyncio.Semaphore(IN_FLIGHT), {}

    async def post(request: LipSyncRequest) -> None:
        async with semaphore:
            found[request.external_task_id] = await wire.post(request)

    async with asyncio.TaskGroup() as group:
        for request in jobs(count):
            group.create_task(post(request))
    return len(found)


WAYS: dict[str, Callable[[int], Awaitable[int]]] = {
    "ours, stream": streamed,
    "ours, submit_many": submitted,
    "gather + semaphore": gathered,
    "a task a job": task_a_job,
}


async def growth(way: str, count: int) -> float:
    """MB; in a process of its own."""
    await WAYS[way](1000)  # what is loaded and cached once is not growth
    gc.collect()
    before = resident()
    done = await WAYS[way](count)
    assert done == count
    return resident(peak=True) - before


def measure(quick: bool = False) -> dict[str, dict[int, float]]:
    """MB of growth, by way and number of jobs; two processes at a time, the longest first."""
    sizes = (1_000, 10_000) if quick else SIZES
    wanted = [(way, size) for size in reversed(sizes) for way in WAYS if size <= TOO_MUCH.get(way, size)]
    with ThreadPoolExecutor(2) as pool:
        figures = list(pool.map(lambda one: _child.measured(__name__, "growth", *one), wanted))
    found: dict[str, dict[int, float]] = {way: {} for way in WAYS}
    for (way, size), megabytes in sorted(zip(wanted, figures, strict=True), key=lambda one: one[0][1]):
        found[way][size] = megabytes
    return found


def render(found: dict[str, dict[int, float]]) -> str:
    sizes = list(found["ours, stream"])
    lines = [(way, *(f"{by[size]:.1f}" if size in by else "-" for size in sizes)) for way, by in found.items()]
    ours = found["ours, stream"]
    grown = ours[sizes[-1]] - ours[sizes[0]]
    said = verdict((grown,), FAIL, GOAL) if sizes[-1] == SIZES[-1] else "not judged"
    note = (
        f"`stream` from {sizes[0]:,} to {sizes[-1]:,} jobs: **{grown:.1f} MB** more "
        f"(fail line {FAIL[0]:.0f}, goal {GOAL[0]:.0f}): {said}."
    )
    head = ("MB of growth at ... jobs", *(f"{size:,}" for size in sizes))
    keeps = "All but `stream` keep every outcome until the end; they are not given more than 100,000."
    return table("Memory, from a generator against a stub transport", head, lines, note, keeps)


def run(quick: bool = False) -> str:
    return render(measure(quick))
