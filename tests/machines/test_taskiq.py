"""The example for taskiq: one message delivered many times is one job, in memory, and on a real Redis."""

from __future__ import annotations

import asyncio
import runpy
import sys
from collections.abc import Callable, Iterator
from itertools import count
from types import ModuleType
from typing import Any

import pytest
from taskiq import AckableMessage, BrokerMessage, InMemoryBroker

from lipsync_async.engines.packing import pack
from lipsync_async.errors import JournalError
from lipsync_async.sandbox import Sandbox, in_thread
from tests import postgres
from tests.loopback.crash_child import request
from tests.machines.scene import Plan, play
from tests.redis_server import MISSING, SERVER, redis_server
from tests.test_examples import EXAMPLES


class Worker(InMemoryBroker):
    """One that begins and ends as a worker does, and counts what is acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.acknowledged = 0
        self.working: list[asyncio.Task[None]] = []

    async def startup(self) -> None:
        """As a worker."""
        self.is_worker_process = True
        await super().startup()

    async def kick(self, message: BrokerMessage) -> None:
        """As it comes from a stream."""
        came = AckableMessage(data=message.message, ack=self._acknowledge)
        self.working.append(asyncio.create_task(self.receiver.callback(came)))

    async def _acknowledge(self) -> None:
        self.acknowledged += 1


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of a database."""
    if not postgres.is_there():
        pytest.skip(postgres.MISSING)
    with postgres.Postgres() as server:
        yield server.url


@pytest.fixture
def start(url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, Any]]:
    """Makes a worker: the example's names. Its broker is in memory."""
    module: Any = ModuleType("taskiq_redis")
    module.RedisStreamBroker = lambda *_, **__: Worker()
    monkeypatch.setitem(sys.modules, "taskiq_redis", module)
    monkeypatch.setenv("REDIS_URL", "redis://nowhere")
    monkeypatch.setenv("LIPSYNC_API_KEY", "sandbox-key")
    monkeypatch.setenv("JOURNAL", url)
    monkeypatch.setenv("GATEWAY", "http://127.0.0.1:9")
    numbers = count()
    return lambda: runpy.run_path(str(EXAMPLES / "taskiq_worker.py"), run_name=f"worker{next(numbers)}")


def test_what_is_delivered_five_times_is_paid_for_once(
    start: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each of two workers; all of it is acknowledged."""

    async def main() -> list[str]:
        workers = [start() for _ in range(2)]
        for worker in workers:
            await worker["broker"].startup()
        told = [await worker["dub"].kiq(pack(request(7))) for worker in 5 * workers]
        results = [await one.wait_result(timeout=60) for one in told]
        for worker in workers:
            await asyncio.gather(*worker["broker"].working)
            await worker["broker"].shutdown()
        acknowledged = [worker["broker"].acknowledged for worker in workers]
        assert min(acknowledged) >= 6, acknowledged  # five, and what keeps it awake
        return [result.return_value for result in results]

    with in_thread(Sandbox(duplicates="accept", latency=0.2)) as sandbox:
        monkeypatch.setenv("GATEWAY", sandbox.base_url)
        results = asyncio.run(main())
    assert len(results) == 10
    assert len(set(results)) == 1
    assert results[0].startswith("accepted ")
    assert sandbox.ledger.tasks == 1


def test_what_was_not_sent_stays_in_the_queue(start: Callable[[], dict[str, Any]]) -> None:
    """An acknowledged message would be gone, and its job with it."""

    async def main() -> None:
        worker = start()
        broker = worker["broker"]
        await broker.startup()
        await asyncio.sleep(0)
        worker["dub"].original_func.__globals__["submit_delivered"] = broken
        told = await worker["dub"].kiq(pack(request(8)))
        assert (await told.wait_result(timeout=60)).is_err
        await asyncio.gather(*broker.working)
        await broker.shutdown()
        assert len(broker.working) - broker.acknowledged == 1

    async def broken(*_: object, **__: object) -> str:
        raise JournalError("the journal does not answer")

    asyncio.run(main())


@pytest.mark.skipif(SERVER is None or not postgres.is_there(), reason=f"{MISSING}, or {postgres.MISSING}")
def test_on_a_real_redis_nobody_pays_twice_and_nothing_stays_with_the_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of four workers are killed, one stands still, the database crashes, and replies are lost."""
    pytest.importorskip("taskiq_redis", reason="taskiq-redis is not installed")
    plan = Plan(seed=3, jobs=60, per_second=25.0, span=4.0, outage=1.0, worker=("-m", "tests.machines.taskiq_worker"))
    with postgres.Postgres() as server, redis_server() as redis:
        monkeypatch.setenv("REDIS_URL", redis)
        result = play(plan, server)
    assert result.is_good, result
    assert result.accepted == result.told["accepted"] == 60
    assert result.after < 60.0, result


@pytest.mark.skipif(SERVER is None or not postgres.is_there(), reason=f"{MISSING}, or {postgres.MISSING}")
def test_what_a_dead_worker_had_comes_back_though_nothing_new_is_sent(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker looks for it after each message it reads, and only then: the example keeps it awake."""
    pytest.importorskip("taskiq_redis", reason="taskiq-redis is not installed")
    from redis.asyncio import Redis
    from taskiq.api import run_receiver_task

    async def main(redis: str) -> None:
        example = runpy.run_path(str(EXAMPLES / "taskiq_worker.py"), run_name="waking")
        broker = example["broker"]
        await broker.startup()
        await example["dub"].kiq(pack(request(9)))
        async with Redis.from_url(redis) as dead:
            read: Any = await dead.xreadgroup(broker.consumer_group_name, "dead", {broker.queue_name: ">"})
            assert len(read[0][1]) == 1
            broker.is_worker_process = True
            receiving = asyncio.create_task(run_receiver_task(broker, run_startup=True))
            async with asyncio.timeout(30):
                while True:
                    pending = await dead.xpending(broker.queue_name, broker.consumer_group_name)
                    if sandbox.ledger.tasks and not pending["pending"]:
                        break
                    await asyncio.sleep(0.05)
        receiving.cancel()
        await asyncio.wait([receiving])
        await broker.shutdown()

    monkeypatch.setenv("LIPSYNC_API_KEY", "sandbox-key")
    monkeypatch.setenv("JOURNAL", url)
    monkeypatch.setenv("IDLE_SECONDS", "0.4")
    with redis_server() as address, in_thread(Sandbox(duplicates="accept")) as sandbox:
        monkeypatch.setenv("REDIS_URL", address)
        monkeypatch.setenv("GATEWAY", sandbox.base_url)
        asyncio.run(main(address))
    assert sandbox.ledger.tasks == 1
