"""A list on its way: the spending cap, and lines that are told apart."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from lipsync_async.cli.batch import SIGNALS, Booked, Interrupts, Submission, interruptible
from lipsync_async.cli.budget import Budget
from lipsync_async.jobs import JobList
from lipsync_async.jobs.lines import read_request
from lipsync_async.outcomes import Accepted, NotSent, Rejected, Unknown
from lipsync_async.terms import Kind
from lipsync_async.wire.identity import SeenIds

from .helpers import job, write


def request() -> Any:
    """One of 0.5 units."""
    return read_request(job("a"))[0]


def test_a_cap_counts_what_is_under_way() -> None:
    """Held until it comes out; spent when it is accepted or unknown, free again otherwise."""
    budget = Budget(1.0)
    first, second, third = request(), request(), request()
    assert budget.allow(first) is budget.allow(second) is budget.allow(first) is None
    refusal = budget.allow(third)
    assert refusal is not None
    assert "cap of 1 units" in refusal
    budget.settle(first, Rejected(external_task_id="a", kind=Kind.INVALID_REQUEST))
    assert budget.allow(third) is None
    budget.settle(second, Unknown(external_task_id="a", kind=Kind.TIMEOUT))
    budget.settle(third, Accepted(external_task_id="a", task_id="1"))
    assert budget.spent == 1.0
    assert budget.allow(first) is not None
    budget.settle(first, NotSent(external_task_id="a", kind=Kind.QUOTA))


def test_a_cap_counts_what_is_sent() -> None:
    """Times that `extra_body` puts in place are paid, not those it replaces."""
    longer, _ = read_request({**job("a"), "extra_body": {"face_choose": [{"sound_end_time": 60_000}]}})
    assert longer is not None
    assert "costs 6" in str(Budget(1.0).allow(longer))


def test_without_a_cap_all_is_allowed() -> None:
    """And still counted."""
    budget = Budget(None)
    assert all(budget.allow(request()) is None for _ in range(100))


def test_one_signal_told_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """`timeout` signals a process and its group; only what comes later is a second one, and it ends at once."""
    told: list[str] = []
    ends: list[int] = []
    monkeypatch.setattr("lipsync_async.cli.batch.os._exit", ends.append)

    class Stream:
        def stop(self) -> None:
            told.append("stop")

        def abort(self) -> None:
            told.append("abort")

    async def scene() -> None:
        with Interrupts(lambda: told.append("first"), lambda: told.append("second"), grace=0.0) as interrupts:
            interrupts._told()
            interrupts._told()
            interrupts.guard(cast("Any", Stream()))
            interrupts._first_at -= 1.0
            interrupts._told(signal.SIGHUP)  # a shell and the kernel may both tell that the terminal is gone
            interrupts._told(signal.SIGTERM)
        interrupts.over()

    asyncio.run(scene())
    assert told == ["first", "stop", "second"]
    assert ends == [130]


@pytest.mark.parametrize("number", SIGNALS)
def test_after_the_grace_requests_are_broken_off(number: signal.Signals) -> None:
    """What hangs holds up the end for so long and no longer."""
    if signal.getsignal(number) is signal.SIG_IGN:  # the suite itself may run under `nohup`
        signal.signal(number, signal.SIG_DFL)
    broken = asyncio.Event()

    class Stream:
        abort = broken.set
        stop: Callable[[], None] = staticmethod(lambda: None)

    async def scene() -> None:
        with Interrupts(lambda: None, lambda: None, grace=0.0) as interrupts:
            interrupts.guard(cast("Any", Stream()))
            signal.raise_signal(number)
            await broken.wait()
        interrupts.over()

    asyncio.run(asyncio.wait_for(scene(), 10))


def test_what_hangs_is_ended_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the loop itself does not turn any more: what is lost is told, then all ends."""
    told: list[str] = []
    ended = threading.Event()

    def end(code: int) -> None:
        told.append(str(code))
        ended.set()

    monkeypatch.setattr("lipsync_async.cli.batch.os._exit", end)

    async def scene() -> None:
        with Interrupts(lambda: None, lambda: told.append("lost"), deadline=0.0) as interrupts:
            interrupts._told()
            assert ended.wait(10)

    asyncio.run(scene())
    assert told == ["lost", "130"]


def test_an_ignored_hang_up_stays_ignored() -> None:
    """`nohup` asked for it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        async def scene() -> int:
            with Interrupts(lambda: None, lambda: None) as interrupts:
                signal.raise_signal(signal.SIGHUP)
                await asyncio.sleep(0)
                return interrupts.count

        assert asyncio.run(scene()) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_check_can_be_interrupted(tmp_path: Path) -> None:
    """Inside the block Ctrl-C is a KeyboardInterrupt, in the event loop too; outside it is as before."""
    before = signal.getsignal(signal.SIGINT)

    async def scene() -> None:
        with interruptible():
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(scene())
    assert signal.getsignal(signal.SIGINT) is before


def test_in_a_thread_signals_are_left_alone() -> None:
    """Only the main thread may handle them."""

    def inside() -> bool:
        with interruptible():
            return True

    assert asyncio.run(asyncio.to_thread(inside))


def seen(names: str) -> SeenIds:
    """Ids of one letter."""
    ids = SeenIds()
    for name in names:
        ids.add(name)
    return ids


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize(
    ("limit", "pulled", "order"),
    [
        (None, 9, "acdfbe"),  # never stopped: what is settled comes last
        (None, 0, "abdecf"),
        (None, 1, "abdecf"),
        (None, 2, "acbdef"),
        (None, 3, "acdbef"),
        (None, 4, "acdfbe"),
        (5, 2, "acbde"),
    ],
)
def test_once_stopped_what_may_be_paid_comes_first(
    kind: str, limit: int | None, pulled: int, order: str, tmp_path: Path
) -> None:
    """B and e were settled, a and d left open: a list may be too long for the seconds that are left."""
    path = tmp_path / f"jobs.{kind}"
    lines = [job(name) for name in "abcdef"]
    if kind == "csv":
        rows = [",".join(map(str, line.values())) for line in lines]
        path.write_text("\n".join([",".join(lines[0]), *rows]), encoding="utf-8")
    else:
        write(path, lines)
    asked = count()  # once before each line
    with JobList.open(path) as jobs:
        submission = Submission(
            jobs,
            None,
            limit=limit,
            budget=Budget(None),
            booked=Booked(seen("be"), seen("ad")),
            stopping=lambda: next(asked) >= pulled,
        )
        told = [one.request.external_task_id for one in submission.requests()]
    assert told == list(order)
