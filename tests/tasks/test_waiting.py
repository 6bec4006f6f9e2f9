"""A call that waits: what it hears, and what it leaves behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lipsync_async.endings import Ending, FailureKind, StillRunning, Succeeded, TaskFailed
from lipsync_async.errors import ClientClosedError
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted, Outcome
from lipsync_async.tasks.again import Resubmission
from lipsync_async.tasks.waiting import Waiting
from lipsync_async.tasks.wanted import Wanted
from tests.makers import request
from tests.simulation import virtual


class Fake:
    """A follower that is told what happens."""

    def __init__(self, known: Ending | None = None) -> None:
        self.known = known
        self.followed: list[str] = []
        self.wanted: list[Wanted] = []
        self.left: list[str] = []

    def follow(self, wanted: Wanted, listener: Any) -> None:
        """Tells at once what is known."""
        self.followed.append(wanted.task_id)
        self.wanted.append(wanted)
        if self.known is not None:
            listener.hear(wanted.task_id, self.known)

    def leave(self, task_id: str, _: Any) -> None:
        """Somebody waits no longer."""
        self.left.append(task_id)

    def still_running(self, wanted: Wanted, waited: float) -> StillRunning:
        """As the follower tells it."""
        return StillRunning(task_id=wanted.task_id, waited=waited)


DONE = Succeeded(task_id="a")


class Wait(Waiting):
    """One of a follower that is a fake; it keeps what it is told."""

    def __init__(self, follower: Any, **options: Any) -> None:
        self.told: dict[str, Ending] = {}
        super().__init__(follower, lambda ending: self.told.__setitem__(ending.task_id, ending), **options)

    async def endings(self, timeout: float | None) -> dict[str, Ending]:
        """As the client's calls wait."""
        try:
            await self.finish(timeout)
        finally:
            self.leave()
        return self.told


def waiting(follower: Any) -> Wait:
    """One of a follower that is a fake."""
    return Wait(follower)


def test_what_has_ended_is_not_waited_for() -> None:
    """It is told at once, and there is nothing to leave."""

    async def main() -> None:
        fake = Fake(known=DONE)
        it = waiting(fake)
        it.add(Wanted(task_id="a"))
        assert await it.endings(None) == {"a": DONE}
        assert fake.left == []

    virtual.run(main())


def test_nothing_is_over_at_once() -> None:
    """No task, no wait."""

    async def main() -> None:
        assert await waiting(Fake()).endings(None) == {}

    virtual.run(main())


def test_patience_ends_for_those_that_did_not_end() -> None:
    """One ended in time; the other is left alone, and told as running."""

    async def main() -> None:
        fake = Fake()
        it = waiting(fake)
        for name in ("a", "b", "a"):
            it.add(Wanted(task_id=name))
        assert fake.followed == ["a", "b"]
        asyncio.get_running_loop().call_later(5.0, it.hear, "a", DONE)
        found = await it.endings(10.0)
        assert found["a"] == DONE
        assert found["b"] == StillRunning(task_id="b", waited=10.0)
        assert fake.left == ["b"]

    virtual.run(main())


def test_a_cancelled_wait_leaves_all() -> None:
    """And is cancelled."""

    async def main() -> None:
        fake = Fake()
        it = waiting(fake)
        it.add(Wanted(task_id="a"))
        task = asyncio.ensure_future(it.endings(None))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert fake.left == ["a"]

    virtual.run(main())


@pytest.mark.parametrize("early", [True, False])
def test_a_client_that_is_closed_ends_it(early: bool) -> None:
    """Before it waited, or while it does."""

    async def main() -> None:
        it = waiting(Fake())
        it.add(Wanted(task_id="a"))
        if early:
            it.hear("a", None)
        else:
            asyncio.get_running_loop().call_later(5.0, it.hear, "a", None)
        with pytest.raises(ClientClosedError):
            await it.endings(None)

    virtual.run(main())


def test_a_job_that_is_submitted_again_keeps_what_it_should_cost() -> None:
    """Its new task is of the same sound, and its ending tells the same estimate."""
    failed = TaskFailed(task_id="a", kind=FailureKind.CAPACITY)

    async def submit(again: LipSyncRequest) -> Outcome:
        assert again.external_task_id == "job-r1"
        return Accepted(external_task_id="job-r1", task_id="b")

    async def main() -> None:
        fake = Fake()
        leave = Resubmission(frozenset({FailureKind.CAPACITY}), submit, 64)
        it = Wait(fake, resubmission=leave)
        first = Wanted(task_id="a", external_task_id="job", sound=5.0, units=0.5)
        it.add(first, Accepted(external_task_id="job", task_id="a"), request("job"))
        loop = asyncio.get_running_loop()
        loop.call_later(1.0, it.hear, "a", failed)
        loop.call_later(2.0, it.hear, "b", Succeeded(task_id="b"))
        (ended,) = (await it.endings(10.0)).values()
        assert (ended.name, ended.external_task_id, ended.estimated_units) == ("succeeded", "job-r1", 0.5)
        assert [it.estimated_units for it in ended.earlier] == [0.5]
        assert fake.wanted[1] == Wanted(task_id="b", external_task_id="job-r1", sound=5.0, units=0.5)

    virtual.run(main())
