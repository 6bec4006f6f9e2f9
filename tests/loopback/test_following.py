"""From a list to its videos at the sandbox, over real sockets in virtual time: every dialect, and what goes wrong."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attrs import evolve

from lipsync_async import CHAINHUB, Limits, LipSyncClient
from lipsync_async.endings import FailureKind
from lipsync_async.sandbox import Sandbox
from lipsync_async.task_results import TaskResults
from tests.loopback.hurried import hurry
from tests.makers import requests


def followed(count: int, *, client: dict[str, Any] | None = None, **options: Any) -> tuple[TaskResults, Any, float]:
    """The results, what the client learned of the tasks, and how long all of it took."""

    async def main() -> tuple[TaskResults, Any, float]:
        loop = asyncio.get_running_loop()
        async with Sandbox(clock=loop.time, **options) as sandbox:
            profile = evolve(CHAINHUB, base_url=sandbox.base_url)
            async with LipSyncClient(profile, api_key=sandbox.api_key, **client or {}) as caller:
                begun = loop.time()
                results = await caller.run_many(requests(count))
                return results, caller.following(), loop.time() - begun

    return hurry(main())


@pytest.mark.parametrize("dialect", ["native", "openai-video", "nested", "hybrid", "flat", "camel"])
def test_every_dialect_is_followed(dialect: str) -> None:
    """Each task to its end, with its video where the dialect tells of one, or the content route has it."""
    results, learned, _ = followed(20, dialect=dialect, failed_share=0.2)
    assert all(it.video_url for it in results.succeeded.values())
    results, learned, _ = followed(20, dialect=dialect, failed_share=0.2, no_content=True)
    assert len(results) == 20
    assert len(results.succeeded) + len(results.failed) == 20
    assert results.failed
    assert all((it.video_url is None) is (dialect == "flat") for it in results.succeeded.values())
    assert {it.kind for it in results.failed.values()} <= {FailureKind.MEDIA, FailureKind.UNKNOWN}
    assert learned.tasks == 0
    assert learned.looks <= 20 * 12


def test_an_account_of_five_slots_is_used() -> None:
    """Completions fill the slots: forty tasks of 60 to 180 s at five slots take little more than their sum."""
    results, learned, seconds = followed(
        40, client={"limits": Limits(max_running_tasks=5)}, max_running_tasks=5, failed_share=0.0
    )
    assert len(results.succeeded) == 40
    assert seconds < 1.35 * (40 / 5) * 120.0
    assert 90.0 < learned.median_duration < 150.0
    assert learned.freshness < 5.0


def test_tasks_that_are_stored_late_are_not_lost() -> None:
    """The gateway says *no such task* for the first minute."""
    results, _, _ = followed(10, store_delay=50.0, failed_share=0.0)
    assert len(results.succeeded) == 10


def test_a_gateway_that_finds_no_task_at_all_loses_none() -> None:
    """Without a witness that is found, nothing is proved: patience alone ends the wait."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with Sandbox(clock=loop.time, lookups="none") as sandbox:
            profile = evolve(CHAINHUB, base_url=sandbox.base_url)
            async with LipSyncClient(profile, api_key=sandbox.api_key) as caller:
                results = await caller.run_many(requests(5), timeout=1000.0)
        assert len(results.running) == 5

    hurry(main())


@pytest.mark.parametrize("dialect", ["native", "openai-video", "nested", "hybrid", "flat", "camel"])
@pytest.mark.parametrize(
    ("end", "kind"),
    [
        ("gateway", FailureKind.GATEWAY),
        ("capacity", FailureKind.CAPACITY),
        ("content", FailureKind.CONTENT),
    ],
)
def test_each_bad_end_is_told_by_its_kind(end: str, kind: FailureKind, dialect: str) -> None:
    """Also where the platform's own part still says *processing*, for ever."""
    results, learned, _ = followed(3, dialect=dialect, ends={end: 1.0})
    assert [it.kind for it in results.failed.values()] == [kind] * 3
    assert learned.tasks == 0


@pytest.mark.parametrize("dialect", ["native", "openai-video", "nested", "hybrid", "flat", "camel"])
def test_an_expired_task_has_ended(dialect: str) -> None:
    """Whatever word the dialect has for it."""
    results, _, _ = followed(3, dialect=dialect, ends={"expired": 1.0})
    assert len(results.failed) == 3


def test_a_gateway_that_tells_ends_late_is_known_for_it() -> None:
    """Twenty tasks, looked at every five seconds one after the other: ends are told up to 100 s late."""
    results, learned, _ = followed(60, refresh=5.0, max_running_tasks=20, failed_share=0.0)
    assert len(results.succeeded) == 60
    assert 30.0 < learned.freshness < 120.0
