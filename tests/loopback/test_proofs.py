"""The numbered proofs of the journal and the look-up, with real sockets against the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import Gateway, Limits, LipSyncClient, Progress, Timeouts
from lipsync_async.dispatch import lookup
from lipsync_async.outcomes import BatchResult
from lipsync_async.sandbox import Sandbox
from lipsync_async.terms import Kind
from tests.loopback.crash_child import request
from tests.loopback.hurried import hurry

JOBS = [request(number) for number in range(200)]


@asynccontextmanager
async def client_of(sandbox: Sandbox, **options: Any) -> AsyncIterator[LipSyncClient]:
    """A client that is in a hurry."""
    gateway = Gateway(name="sandbox", base_url=sandbox.base_url, settle_time=0.5)
    usual: dict[str, Any] = {"api_key": "sandbox-key", "limits": Limits(initial_per_second=500.0)}
    async with LipSyncClient(gateway, **(usual | options)) as client:
        yield client


async def submit_all(sandbox: Sandbox, journal: Path, **options: Any) -> BatchResult:
    """The 200 jobs."""
    async with client_of(sandbox, **options) as client:
        return await client.submit_many(JOBS, journal=journal)


def test_lost_replies_are_found(tmp_path: Path) -> None:
    """200 jobs, 5 % of the replies lost, look-ups answered: 200 accepted, no duplicate in the ledger."""

    async def live() -> None:
        async with Sandbox(faults={"lose_reply": 0.05}, duplicates="accept", seed=3) as sandbox:
            result = await submit_all(sandbox, tmp_path / "run.db", trust_lookups=True)
            assert len(result.accepted) == 200
            assert sandbox.ledger.tasks == 200
            assert not sandbox.ledger.duplicates
            assert result.statistics().recovered == sandbox.ledger.faults["lose_reply"] > 0

    hurry(live())


def test_lost_replies_that_nobody_finds_stay_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway without look-ups: no duplicate, the lost ones are unknown, none is rejected."""
    monkeypatch.setattr(lookup, "UNTRUSTED_DELAYS", (0.05, 0.05, 0.05))

    async def live() -> None:
        faults = {"lose_reply": 0.05}
        async with Sandbox(faults=faults, duplicates="accept", lookups="none", seed=3) as sandbox:
            result = await submit_all(sandbox, tmp_path / "run.db")
            lost = {entry.external_task_id for entry in sandbox.ledger.entries if entry.fault == "lose_reply"}
            assert set(result.unknown) == lost
            assert len(result.accepted) == 200 - len(lost)
            assert not sandbox.ledger.duplicates

    hurry(live())


def test_a_key_that_dies_and_a_run_that_ends_the_batch(tmp_path: Path) -> None:
    """What a dead key left is not sent; the next run with a good one sends just that, and all is accepted."""

    async def live() -> None:
        async with Sandbox(latency=0.01) as sandbox:

            def kill_the_key(progress: Progress) -> None:
                if progress.done == 50:
                    sandbox.revoke("sandbox-key")

            async with client_of(sandbox, limits=Limits(initial_per_second=100.0)) as client:
                first = await client.submit_many(JOBS, journal=tmp_path / "run.db", on_progress=kill_the_key)
            assert {outcome.kind for outcome in first.not_sent.values()} == {Kind.AUTH}
            assert len(first.accepted) + len(first.not_sent) == 200
            assert first.not_sent

            sandbox.add_key("renewed")
            before = sandbox.ledger.requests
            second = await submit_all(sandbox, tmp_path / "run.db", api_key="renewed")
            assert len(second.accepted) == 200
            assert sandbox.ledger.requests - before == len(first.not_sent)
            assert not sandbox.ledger.duplicates

    hurry(live())


def test_a_look_up_may_take_longer_than_a_connection(tmp_path: Path) -> None:
    """`Timeouts.connect` is the time to connect: a slow answer to a query is waited for."""

    async def live() -> None:
        async with Sandbox(faults={"lose_reply": 1.0}, latency=0.6) as sandbox:
            timeouts = Timeouts(connect=0.2, total=5.0)
            async with client_of(sandbox, trust_lookups=True, timeouts=timeouts) as client:
                result = await client.submit_many(JOBS[:3], journal=tmp_path / "run.db")
            assert len(result.accepted) == 3

    hurry(live())
