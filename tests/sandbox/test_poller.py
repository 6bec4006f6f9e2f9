"""The gateway that looks at one running task after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.sandbox.poller import Poller
from lipsync_async.sandbox.tasks import Task

from .helpers import Caller, Clock, job, with_sandbox


def task(number: int, created: float, ends: float) -> Task:
    """A task that starts at once."""
    return Task(
        task_id=str(number),
        external_task_id="",
        units=0.5,
        window_ms=5000,
        created=created,
        starts=created,
        ends=ends,
        found_from=created,
        ending="succeed",
        watermark=False,
        number=number,
    )


def test_a_pass_takes_a_pause_a_task() -> None:
    """The first is looked at once it is there, the others in the next pass; from then on each every third second."""
    poller = Poller(1.0)
    tasks = [task(n, 0.0, 100.0) for n in range(3)]
    for it in tasks:
        poller.add(it)
    assert [poller.seen(it, 0.9) for it in tasks] == [0.0, 0.0, 0.0]
    assert [poller.seen(it, 2.9) for it in tasks] == [1.0, 2.0, 0.0]
    assert [poller.seen(it, 3.0) for it in tasks] == [1.0, 2.0, 3.0]
    assert [poller.seen(it, 5.5) for it in tasks] == [4.0, 5.0, 3.0]


def test_a_task_that_was_seen_to_end_is_looked_at_no_more() -> None:
    """The pass is shorter from then on, and what is told of the task stays."""
    poller = Poller(1.0)
    long, short = task(1, 0.0, 100.0), task(2, 0.0, 0.5)
    poller.add(long)
    poller.add(short)
    assert [poller.seen(short, now) for now in (1.9, 2.0)] == [0.0, 2.0]
    assert [poller.seen(long, now) for now in (3.0, 4.0, 5.0)] == [3.0, 4.0, 5.0]
    assert poller.seen(short, 50.0) == 2.0


def test_without_a_pause_all_is_fresh() -> None:
    """A pause of nothing tells every moment as it is."""
    poller = Poller(0.0)
    it = task(1, 0.0, 5.0)
    poller.add(it)
    assert [poller.seen(it, now) for now in (0.0, 4.9, 5.0)] == [0.0, 4.9, 5.0]


def test_a_poller_that_had_nothing_to_do_begins_with_the_next_task() -> None:
    """Time without a task is not made up for."""
    poller = Poller(10.0)
    first, second = task(1, 0.0, 0.0), task(2, 1000.0, 2000.0)
    poller.add(first)
    poller.add(second)
    assert [poller.seen(second, now) for now in (1009.9, 1010.0)] == [1000.0, 1010.0]


LIVES = st.lists(st.tuples(st.floats(0, 50), st.floats(0, 100)), min_size=1, max_size=12)


@given(LIVES, st.floats(0.5, 20), st.lists(st.floats(0, 2000), min_size=1, max_size=20))
def test_an_end_is_told_within_two_passes_and_never_early(
    lives: list[tuple[float, float]], pause: float, moments: list[float]
) -> None:
    """What is seen is of the past and never goes back; an end is seen at most a pass late, the pass being under way."""
    poller = Poller(pause)
    tasks = [task(n, gap, gap + life) for n, (gap, life) in enumerate(sorted(lives))]
    for it in tasks:
        poller.add(it)
    before = {it.task_id: 0.0 for it in tasks}
    for now in sorted(moment + 50 for moment in moments):
        for it in tasks:
            seen = poller.seen(it, now)
            assert before[it.task_id] <= seen <= now
            before[it.task_id] = seen
            if now >= max(it.ends, 50.0) + 2 * pause * len(tasks):
                assert it.ended(seen)


@given(LIVES, st.floats(0.5, 20), st.lists(st.floats(50, 500), max_size=20))
def test_it_does_not_matter_who_asks_when(lives: list[tuple[float, float]], pause: float, moments: list[float]) -> None:
    """Asked often or once, it tells the same."""
    asked, silent = Poller(pause), Poller(pause)
    tasks = [task(n, gap, gap + life) for n, (gap, life) in enumerate(sorted(lives))]
    for it in tasks:
        asked.add(it)
        silent.add(it)
    for now in sorted(moments):
        asked.seen(tasks[0], now)
    assert [asked.seen(it, 600.0) for it in tasks] == [silent.seen(it, 600.0) for it in tasks]


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_ends_are_told_late_and_with_their_true_moment(scale: float) -> None:
    """Looks at 0, 10, 40, 70 s and 20, 50, 80 s and 30, 60, 90 s tell the ends at 60 s late; the scale counts."""
    clock = Clock()

    async def test(caller: Caller) -> None:
        for name in "abc":
            assert (await caller.post(job(name)))[0] == 200
        told, page = {}, []
        for moment in (59.9, 60.1, 69.9, 70.1, 79.9, 80.1):
            clock.now = 1000.0 + moment / scale
            page = (await caller.get())[1]["data"]
            told[moment] = {it["task_info"]["external_task_id"] for it in page if it["task_status"] == "succeed"}
            for name in "abc":
                data = (await caller.get(name))[1]["data"]
                assert (data["task_status"] == "succeed") is (name in told[moment])
        assert list(told.values()) == [set(), {"c"}, {"c"}, {"a", "c"}, {"a", "c"}, {"a", "b", "c"}]
        assert all(abs(it["updated_at"] - it["created_at"] - 60_000 / scale) <= 1 for it in page)

    ledger = with_sandbox(
        test, clock=clock, refresh=10, time_scale=scale, task_seconds=(60, 60), failed_share=0, max_running_tasks=3
    ).ledger
    assert ledger.endings == {"succeed": 3}
    late = [(it.told_at or 0) - (it.ended_at or 0) for it in ledger.entries]
    assert late == pytest.approx([10.1 / scale, 20.1 / scale, 0.1 / scale], abs=1e-4)


def test_a_place_is_free_when_a_task_ends_and_not_when_it_is_told() -> None:
    """The limit of running tasks is the platform's, which knows at once."""
    clock = Clock()

    async def test(caller: Caller) -> None:
        await caller.post(job("a"))
        clock.now += 60.0
        assert (await caller.get("a"))[1]["data"]["task_status"] != "succeed"
        assert (await caller.post(job("b")))[0] == 200

    with_sandbox(test, clock=clock, refresh=50, task_seconds=(60, 60), max_running_tasks=1)
