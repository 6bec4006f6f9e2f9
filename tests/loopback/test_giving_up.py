"""A caller that gave up never pays twice: what arrived is told to who asks again, and what did not is looked up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lipsync_async import Event, LipSyncClient
from lipsync_async.errors import OutcomeUnknownError, RejectedError
from lipsync_async.journal import Journal
from lipsync_async.outcomes import Accepted, Outcome, Unknown
from lipsync_async.terms import Kind

from .acts import request, requests
from .hurried import hurry
from .raw import RawServer, task_of
from .shop import Shop, at, submitter

pytestmark = pytest.mark.usefixtures("way")


@pytest.mark.parametrize("way", ["submit", "submit_many", "stream"])
def test_what_arrived_within_the_grace_is_told_to_who_asks_again(way: str) -> None:
    """The note, `outcome_of` and `Event.task_id` name the task; the same job again is replayed, in every way."""
    shop, events = Shop(), list[Event]()
    task = task_of("job-1")

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        shop.gate = asyncio.Event()
        call = asyncio.ensure_future(client.submit(request()))
        await asyncio.sleep(1.0)
        call.cancel()
        await asyncio.sleep(0.5)
        shop.gate.set()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
        assert any(task in note for note in caught.value.__notes__)
        known = client.outcome_of("job-1")
        assert isinstance(known, Accepted)
        assert known.task_id == task
        assert [event.task_id for event in events if event.name == "outcome"] == [task]
        again: Outcome
        if way == "submit":
            again = await client.submit(request())
        elif way == "submit_many":
            again = (await client.submit_many([request()]))["job-1"]
        else:
            async with client.stream([request()]) as outcomes:
                (again,) = [outcome async for outcome in outcomes]
        assert isinstance(again, Accepted)
        assert (again.task_id, again.replayed) == (task, True)
        with pytest.raises(RejectedError) as refused:  # other content under the id
            await client.submit(request(sound_end_time=4000))
        assert (refused.value.kind, refused.value.found_task_id) == (Kind.ALREADY_EXISTS, task)
        assert client.outcome_of("another") is None

    at(shop, scene, observer=events.append)
    assert shop.paid == {"job-1": 1}


@pytest.mark.parametrize("made", [True, False])
def test_what_did_not_arrive_within_the_grace_is_looked_up(made: bool) -> None:
    """Timed out by the caller, unknown: the same job again is looked up, and never sent while absence is not proven."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        shop.gate = asyncio.Event()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.submit(request()), 1.0)
        assert isinstance(client.outcome_of("job-1"), Unknown)
        shop.gate.set()
        if not made:
            shop.made.clear()
        try:
            again = await client.submit(request())
        except OutcomeUnknownError:
            assert not made
        else:
            assert made
            assert again.task_id == task_of("job-1")

    at(shop, scene)
    assert (shop.paid, bool(shop.asked)) == ({"job-1": 1}, True)


def test_a_second_submit_joins_the_first() -> None:
    """Five calls with one id: one create, one task; another content is refused while it is under way."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        shop.gate = asyncio.Event()
        calls = [asyncio.ensure_future(client.submit(request())) for _ in range(5)]
        await asyncio.sleep(1.0)
        with pytest.raises(RejectedError) as refused:
            await client.submit(request(sound_end_time=4000))
        assert refused.value.kind is Kind.ALREADY_EXISTS
        shop.gate.set()
        assert {told.task_id for told in await asyncio.gather(*calls)} == {task_of("job-1")}

    at(shop, scene)
    assert shop.paid == {"job-1": 1}


def test_who_joins_outlives_the_cancellation_of_the_first() -> None:
    """The first call is cancelled, and its grace ends; the second one looks the job up."""
    shop = Shop()

    async def scene(_: RawServer, client: LipSyncClient) -> None:
        shop.gate = asyncio.Event()
        first = asyncio.ensure_future(client.submit(request()))
        await asyncio.sleep(1.0)
        second = asyncio.ensure_future(client.submit(request()))
        await asyncio.sleep(0.1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        (end,) = await asyncio.gather(second, return_exceptions=True)
        assert isinstance(end, Accepted | OutcomeUnknownError), end

    at(shop, scene)
    assert shop.paid == {"job-1": 1}


def test_one_open_journal_serves_several_tasks_and_clients(tmp_path: Path) -> None:
    """`submit(journal=)` by ten tasks of two clients: each id is one job; a later run replays."""
    shop = Shop()

    async def main() -> None:
        async with RawServer(always=shop) as server, submitter(server) as one, submitter(server) as two:
            path = tmp_path / "run.db"
            async with await Journal.open(path, gateway=server.url, account="default") as journal:
                jobs = requests(5)
                calls = [client.submit(job, journal=journal) for job in jobs for client in (one, two)]
                told = await asyncio.gather(*calls)
            assert {accepted.task_id for accepted in told} == {task_of(f"job-{number}") for number in range(5)}
            assert (await one.submit(jobs[0], journal=path)).replayed

    hurry(main())
    assert shop.paid == {f"job-{number}": 1 for number in range(5)}
