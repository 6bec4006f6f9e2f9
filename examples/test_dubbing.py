"""Tests of your own code, against the gateway that comes with the library."""

import asyncio

import pytest
from lipsync_async import BatchResult, Gateway, LipSyncClient, RequestBuilder
from lipsync_async.sandbox import Sandbox


async def dub(gateway: Gateway, lines: list[str]) -> BatchResult:
    """The code under test: it stands for yours."""
    template = RequestBuilder().session("s").face("0").audio_id("a").window(0, 5000)
    jobs = [template.external_task_id(name).build() for name in lines]
    async with LipSyncClient(gateway) as client:
        return await client.submit_many(jobs)


@pytest.mark.lipsync_sandbox(max_per_second=50, faults={"lose_reply": 0.1}, seed=7)
def test_dubbing_survives_lost_replies(
    lipsync_sandbox: Sandbox, lipsync_gateway: Gateway
) -> None:
    """Every job has one task, although one reply in ten is lost."""
    names = [f"job-{n}" for n in range(40)]
    result = asyncio.run(dub(lipsync_gateway, names))
    assert list(result.accepted) == names
    assert lipsync_sandbox.ledger.duplicates == {}


@pytest.mark.lipsync_sandbox(balance=1.0)
def test_dubbing_stops_when_the_money_is_gone(lipsync_gateway: Gateway) -> None:
    """Two jobs are paid for; the others were not sent, and may be submitted again."""
    result = asyncio.run(dub(lipsync_gateway, ["a", "b", "c", "d"]))
    assert len(result.accepted) == 2
    assert {outcome.kind for outcome in result.not_sent.values()} == {"quota"}
