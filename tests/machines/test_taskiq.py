"""The example for taskiq: one message delivered many times, at two workers, is one job."""

from __future__ import annotations

import asyncio
import runpy
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from taskiq import InMemoryBroker

from lipsync_async.engines.packing import pack
from lipsync_async.sandbox import Sandbox, in_thread
from tests import postgres
from tests.loopback.crash_child import request
from tests.test_examples import EXAMPLES


class Worker(InMemoryBroker):
    """One that begins and ends as a worker does."""

    async def startup(self) -> None:
        """As a worker."""
        self.is_worker_process = True
        await super().startup()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of a database."""
    if not postgres.is_there():
        pytest.skip(postgres.MISSING)
    with postgres.Postgres() as server:
        yield server.url


def test_what_is_delivered_five_times_is_paid_for_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker is in memory: how Redis redelivers is taskiq's affair."""
    module: Any = ModuleType("taskiq_redis")
    module.RedisStreamBroker = lambda *_, **__: Worker()
    monkeypatch.setitem(sys.modules, "taskiq_redis", module)
    monkeypatch.setenv("REDIS_URL", "redis://nowhere")
    monkeypatch.setenv("LIPSYNC_API_KEY", "sandbox-key")
    monkeypatch.setenv("JOURNAL", url)

    async def main() -> list[str]:
        workers = [runpy.run_path(str(EXAMPLES / "taskiq_worker.py"), run_name=f"worker{n}") for n in range(2)]
        for worker in workers:
            await worker["broker"].startup()
        told = [await worker["dub"].kiq(pack(request(7))) for worker in 5 * workers]
        results = [await one.wait_result(timeout=60) for one in told]
        for worker in workers:
            await worker["broker"].shutdown()
        return [result.return_value for result in results]

    with in_thread(Sandbox(duplicates="accept", latency=0.2)) as sandbox:
        monkeypatch.setenv("GATEWAY", sandbox.base_url)
        results = asyncio.run(main())
    assert len(results) == 10
    assert len(set(results)) == 1
    assert results[0].startswith("accepted ")
    assert sandbox.ledger.tasks == 1
