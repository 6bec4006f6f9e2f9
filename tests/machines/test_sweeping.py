"""The sweeper beside a worker of the queue ends with it, whatever becomes of a cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attrs import define

from tests.simulation import virtual

queue = pytest.importorskip("lipsync_async.engines.postgres_queue")


@define
class App:
    """Stands for procrastinate's: a look for stalled jobs takes its time, and takes a cancellation for an error."""

    worker_seconds: float
    error: type[Exception] | None
    looks: int = 0

    @property
    def job_manager(self) -> App:
        """The same."""
        return self

    async def get_stalled_jobs(self, **_: Any) -> list[Any]:
        """None is stalled."""
        self.looks += 1
        try:
            await asyncio.sleep(1.0)
        except asyncio.CancelledError:
            if self.error is None:
                raise
            raise self.error("the connection is gone") from None
        return []

    async def run_worker_async(self, **_: Any) -> None:
        """Nothing is left to do after a while."""
        await asyncio.sleep(self.worker_seconds)


def _errors() -> list[type[Exception] | None]:
    return [None, *queue._TROUBLE]


@pytest.mark.parametrize("error", _errors())
@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.0, 4.5])
def test_a_sweeper_ends_with_its_worker(seconds: float, error: type[Exception] | None) -> None:
    """Also where the library takes its cancellation for an error, which is suppressed."""

    async def scene() -> float:
        loop, app = asyncio.get_running_loop(), App(seconds, error)
        began = loop.time()
        async with asyncio.timeout(60.0):
            await queue._work_once(app, 1, until_empty=True)
        looks = app.looks
        await asyncio.sleep(60.0)
        assert app.looks == looks
        return loop.time() - 60.0 - began

    assert virtual.run(scene()) == pytest.approx(seconds)
