"""What people write or install for a list of POSTs, each as a leg of a pair: (URL, jobs, in flight) -> CPU seconds.

`bare` is the base of every ratio.  All are given their bodies (or payloads) ready made; ours makes its own.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks._pairs import Clock
from benchmarks._work import requests
from lipsync_async import Accepted, Limits, LipSyncClient
from lipsync_async.wire import encode
from lipsync_async.wire.transport import make_session

HEADERS = {"Authorization": "Bearer k", "Content-Type": "application/json"}
FAST = 1e6


@cache
def bodies(count: int) -> list[bytes]:
    return [encode(request, request.external_task_id or "").head for request in requests(count)]


@cache
def payloads(count: int) -> list[dict[str, Any]]:
    return [json.loads(body) for body in bodies(count)]


built = cache(requests)


async def _workers(post: Callable[[Any], Awaitable[object]], jobs: Iterable[Any], in_flight: int) -> float:
    """An expert's loop: workers that share one iterator."""
    shared, out = iter(jobs), []

    async def work() -> None:
        for job in shared:
            out.append(await post(job))  # noqa: PERF401 - the list is shared

    with Clock() as clock:
        await asyncio.gather(*(work() for _ in range(in_flight)))
    assert all(out)
    return clock.seconds


async def bare(url: str, jobs: int, in_flight: int, **session_options: Any) -> float:
    """A `ClientSession` with its defaults, prepared bytes out, `read()` in."""
    ready = bodies(jobs)
    async with aiohttp.ClientSession(headers=HEADERS, **session_options) as session:

        async def post(body: bytes) -> bytes:
            async with session.post(url, data=body) as response:
                return await response.read()

        return await _workers(post, ready, in_flight)


async def bare_without_total(url: str, jobs: int, in_flight: int) -> float:
    """The same with the total time-out off."""
    return await bare(url, jobs, in_flight, timeout=aiohttp.ClientTimeout(total=None))


async def gathered(url: str, jobs: int, in_flight: int) -> float:
    """A task a job, a semaphore, `json=` out and `json()` in: what most scripts do."""
    ready = payloads(jobs)
    semaphore = asyncio.Semaphore(in_flight)
    connector = aiohttp.TCPConnector(limit=max(100, in_flight))
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:

        async def post(payload: dict[str, Any]) -> Any:
            async with semaphore, session.post(url, json=payload) as response:
                return await response.json()

        with Clock() as clock:
            replies = await asyncio.gather(*map(post, ready))
    assert all(replies)
    return clock.seconds


async def stamina_loop(url: str, jobs: int, in_flight: int) -> float:
    """The base's workers, with `json=` and a retry library around every call."""
    import stamina

    ready = payloads(jobs)
    async with aiohttp.ClientSession(headers=HEADERS) as session:

        @stamina.retry(on=aiohttp.ClientError, attempts=5)
        async def post(payload: dict[str, Any]) -> Any:
            async with session.post(url, json=payload, raise_for_status=True) as response:
                return await response.json()

        return await _workers(post, ready, in_flight)


async def aiometer_httpx(url: str, jobs: int, in_flight: int) -> float:
    """The `max_at_once` of aiometer over an httpx client."""
    import aiometer
    import httpx

    ready = bodies(jobs)
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx.AsyncClient(headers=HEADERS, limits=limits) as client:

        async def post(body: bytes) -> None:
            response = await client.post(url, content=body)
            assert response.json()

        with Clock() as clock:
            await aiometer.run_on_each(post, ready, max_at_once=in_flight)
    return clock.seconds


async def openai_client(url: str, jobs: int, in_flight: int) -> float:
    """The client of openai posts the same body to the same URL, with its own retries and parsing."""
    from openai import AsyncOpenAI

    ready = payloads(jobs)
    base, _, path = url.partition("/kling")
    async with AsyncOpenAI(api_key="k", base_url=base) as client:

        async def post(payload: dict[str, Any]) -> object:
            return await client.post(f"/kling{path}", cast_to=object, body=payload)

        return await _workers(post, ready, in_flight)


async def parallel_processor(url: str, jobs: int, in_flight: int) -> float:
    """The loop of the well-known script: a poll a millisecond, a task and an appended line a job.

    Written anew after its pattern.
    """
    waiting, out, capacity = iter(payloads(jobs)), [], float(in_flight)
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.jsonl"
        async with aiohttp.ClientSession() as session:

            async def call(payload: dict[str, Any]) -> None:
                async with session.post(url, headers=HEADERS, json=payload) as response:
                    reply = await response.json()
                with results.open("a") as file:
                    file.write(json.dumps([payload, reply]) + "\n")
                out.append(reply)

            with Clock() as clock:
                tasks: set[asyncio.Task[None]] = set()
                last, payload = loop.time(), next(waiting, None)
                while payload is not None or tasks:
                    now = loop.time()
                    capacity, last = min(capacity + (now - last) * FAST / 60, float(in_flight)), now
                    if payload is not None and capacity >= 1 and len(tasks) < in_flight:
                        capacity -= 1
                        task = loop.create_task(call(payload))
                        tasks.add(task)
                        task.add_done_callback(tasks.discard)
                        payload = next(waiting, None)
                    await asyncio.sleep(0.001)
    assert len(out) == jobs
    return clock.seconds


# -- ours -----------------------------------------------------------------------------------------------------------


def _client(url: str, in_flight: int, session: aiohttp.ClientSession | None = None) -> LipSyncClient:
    limits = Limits(max_in_flight=in_flight, initial_per_second=FAST)
    return LipSyncClient(url.partition("/kling")[0], api_key="k", limits=limits, session=session)


async def submitted(url: str, jobs: int, in_flight: int, journal: Path | None = None) -> float:
    """`submit_many`: check, encode, pacer, deadline, typed outcome, keyed result."""
    ready = built(jobs)
    async with _client(url, in_flight) as client:
        with Clock() as clock:
            result = await client.submit_many(ready, journal=journal)
        assert len(result.accepted) == jobs
    return clock.seconds


async def submitted_plainly(url: str, jobs: int, in_flight: int, journal: Path | None = None) -> float:
    """The same over `session.request`, as with every session of the caller's."""
    ready = built(jobs)
    async with make_session() as session, _client(url, in_flight, session) as client:
        with Clock() as clock:
            result = await client.submit_many(ready, journal=journal)
        assert len(result.accepted) == jobs
    return clock.seconds


async def submitted_plainly_with_journal(url: str, jobs: int, in_flight: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return await submitted_plainly(url, jobs, in_flight, Path(folder) / "journal.db")


async def submitted_with_journal(url: str, jobs: int, in_flight: int) -> float:
    """The same with a new journal, opened and closed inside of what is measured."""
    with tempfile.TemporaryDirectory() as folder:
        return await submitted(url, jobs, in_flight, Path(folder) / "journal.db")


async def streamed(url: str, jobs: int, in_flight: int, journal: Path | None = None) -> float:
    """`stream`, from a list of requests."""
    ready, accepted = built(jobs), 0
    async with _client(url, in_flight) as client:
        with Clock() as clock:
            async with client.stream(ready, journal=journal) as outcomes:
                async for outcome in outcomes:
                    accepted += isinstance(outcome, Accepted)
    assert accepted == jobs
    return clock.seconds


async def streamed_with_journal(url: str, jobs: int, in_flight: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return await streamed(url, jobs, in_flight, Path(folder) / "journal.db")
