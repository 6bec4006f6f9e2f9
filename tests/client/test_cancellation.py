"""Calls that are cancelled or run out of time: what is in flight gets its grace, and no outcome is lost."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from lipsync_async import Event, Limits, Progress
from lipsync_async.outcomes import Outcome, Unknown
from lipsync_async.terms import Kind
from tests.loopback.acts import client
from tests.loopback.hurried import hurry
from tests.loopback.misdeeds import hang
from tests.loopback.raw import Connection, RawServer, created
from tests.makers import request, requests


def test_a_cancelled_batch_ends_after_its_grace_with_all_outcomes() -> None:
    """In flight: unknown; the rest: not sent; the cancellation is raised, and `into` has it all."""

    async def main() -> None:
        into: dict[str, Outcome] = {}
        loop = asyncio.get_running_loop()
        limits = Limits(max_in_flight=4, initial_per_second=10_000.0)
        async with RawServer(always=hang) as server, client(server, limits=limits) as submitter:
            batch = asyncio.ensure_future(submitter.submit_many(requests(20), into=into))
            await asyncio.sleep(1.0)
            batch.cancel()
            begun = loop.time()
            with pytest.raises(asyncio.CancelledError):
                await batch
            assert 2.0 <= loop.time() - begun < 3.0
            assert server.total == 4
        assert sorted(outcome.name for outcome in into.values()) == ["not_sent"] * 16 + ["unknown"] * 4

    hurry(main())


def test_a_cancelled_submit_lets_a_request_in_flight_finish() -> None:
    """Answered within the grace it is accepted at the gateway, told to the observer, and the cancellation is raised."""
    events: list[Event] = []

    async def slow(connection: Connection) -> None:
        await connection.request()
        await asyncio.sleep(1.5)
        await connection.send(created("job-1"))

    async def main() -> None:
        async with RawServer(slow) as server, client(server, observer=events.append) as submitter:
            job = asyncio.ensure_future(submitter.submit(request()))
            await asyncio.sleep(0.5)
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job

    hurry(main())
    assert [event.action for event in events if event.name == "outcome"] == ["accepted"]


def test_a_second_cancellation_ends_the_grace_at_once() -> None:
    """Whoever is in such a hurry loses no outcome all the same."""

    async def main() -> None:
        into: dict[str, Outcome] = {}
        loop = asyncio.get_running_loop()
        async with RawServer(always=hang) as server, client(server) as submitter:
            batch = asyncio.ensure_future(submitter.submit_many([request()], into=into))
            await asyncio.sleep(1.0)
            batch.cancel()
            await asyncio.sleep(0.2)
            begun = loop.time()
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch
            assert loop.time() - begun < 1.0
        assert isinstance(into["job-1"], Unknown)
        assert into["job-1"].kind is Kind.CANCELLED

    hurry(main())


@pytest.mark.parametrize("kind", ["move_on_after", "asyncio.timeout", "wait_for", "task group"])
def test_time_limits_of_the_callers_are_kept(kind: str) -> None:
    """Scopes of anyio and asyncio's timeouts see their own cancellation come back."""

    async def main() -> None:
        into: dict[str, Outcome] = {}
        async with RawServer(always=hang) as server, client(server) as submitter:
            call = submitter.submit_many([request()], into=into)
            match kind:
                case "move_on_after":
                    with anyio.move_on_after(1.0) as scope:
                        await call
                    assert scope.cancelled_caught
                case "asyncio.timeout":
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(1.0):
                            await call
                case "wait_for":
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(call, 1.0)
                case _:
                    async with anyio.create_task_group() as group:
                        group.start_soon(lambda: call)
                        await anyio.sleep(1.0)
                        group.cancel_scope.cancel()
            task = asyncio.current_task()
            assert task is not None
            assert not task.cancelling()
        assert isinstance(into["job-1"], Unknown)

    hurry(main())


def test_a_job_cancelled_before_its_request_was_not_sent() -> None:
    """Held back at the gate, nothing is in doubt, and there is nothing to wait for."""

    async def main() -> None:
        into: dict[str, Outcome] = {}
        loop = asyncio.get_running_loop()
        limits = Limits(max_per_second=0.01)
        async with RawServer() as server, client(server, limits=limits) as submitter:
            batch = asyncio.ensure_future(submitter.submit_many(requests(3), into=into))
            await asyncio.sleep(1.0)
            begun = loop.time()
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch
            assert loop.time() == begun
        assert sorted(outcome.name for outcome in into.values()) == ["accepted", "not_sent", "not_sent"]
        assert server.total == 1

    hurry(main())


def test_a_hook_that_hangs_does_not_hold_up_a_cancellation_for_ever() -> None:
    """It is cancelled itself when the last words are over."""

    async def stuck(_: Progress) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        into: dict[str, Outcome] = {}
        async with RawServer() as server, client(server) as submitter:
            batch = asyncio.ensure_future(submitter.submit_many(requests(2), into=into, on_progress=stuck))
            await asyncio.sleep(1.0)
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch
        assert len(into) == 2

    hurry(main())
