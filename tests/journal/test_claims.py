"""Claims: nobody pays twice and nothing gets stuck, whatever happens to owners, server, answers and clocks."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_async.journal.claims import MARGIN, Away, Lease, unstoppable
from lipsync_async.journal.shared import SharedJournal
from tests.amounts import how_many
from tests.journal.claim_world import Trouble, play
from tests.journal.memory_table import MemoryTable, NoReader
from tests.simulation import virtual

OWNERS = 4
TROUBLES = st.builds(
    Trouble,
    what=st.sampled_from(["freeze", "freeze", "die", "outage"]),
    whom=st.integers(0, OWNERS - 1),
    at=st.integers(1, 80),
    seconds=st.floats(0.1, 15.0),
)


@settings(max_examples=how_many(300), deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    faults=st.sampled_from([0.0, 0.04, 0.3, 0.6]),
    jobs=st.integers(1, 6),
    troubles=st.lists(TROUBLES, max_size=12),
)
def test_every_job_is_paid_for_once(seed: int, faults: float, jobs: int, troubles: list[Trouble]) -> None:
    """Owners that die, freeze and come back at any await; answers lost, questions that come late, clocks anywhere."""
    tasks = play(seed, faults, jobs, OWNERS, troubles)
    assert {name: len(found) for name, found in tasks.items()} == {f"job-{number}": 1 for number in range(jobs)}


class DeafTable(MemoryTable):
    """Beats take long, and a cancellation meanwhile comes out as an error of the connection, as libraries have it."""

    beats = 0

    async def beat(self, owner: str, lease: float, held: tuple[str, ...], step: int) -> None:  # noqa: D102 - told by the base
        self.beats += 1
        try:
            await asyncio.sleep(0.5)
        except asyncio.CancelledError:
            raise Away("the connection is gone") from None


@pytest.mark.parametrize("after", [0.0, 0.25, 0.75, 1.3, 2.0])
def test_a_cancellation_that_gets_lost_does_not_keep_a_journal_open(after: float) -> None:
    """Whether it comes while a beat is under way or between two: none follows."""

    async def scene() -> float:
        loop = asyncio.get_running_loop()
        table = DeafTable(now=loop.time)
        lease = Lease(3.0, clock=loop.time)
        journal = SharedJournal(table, NoReader(), salt=b"", name="memory", lease=lease)
        await journal.begin()
        await asyncio.sleep(after)
        beats, began = table.beats, loop.time()
        async with asyncio.timeout(60.0):
            await journal.aclose()
        assert table.beats <= beats + 1  # the one that gives all back
        return loop.time() - began

    assert virtual.run(scene()) <= 0.5


def test_the_deadline_counts_from_before_the_beat_and_ends_before_the_lease() -> None:
    """An own deadline is never later than the lease."""
    now = 100.0
    lease = Lease(30.0, clock=lambda: now)
    assert not lease.holds()
    lease.beaten(90.0)
    assert lease.until == 90.0 + 30.0 * (1.0 - MARGIN)
    assert lease.holds()
    now = lease.until
    assert not lease.holds()


def test_an_answer_that_comes_late_does_not_shorten_the_lease() -> None:
    """The later beat counts."""
    lease = Lease(30.0, clock=lambda: 0.0)
    lease.beaten(20.0)
    lease.beaten(10.0)
    assert lease.until == 20.0 + 30.0 * (1.0 - MARGIN)


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="the clock that runs on in sleep is Linux's")
def test_the_clock_runs_on_while_the_machine_sleeps() -> None:
    """CLOCK_MONOTONIC stands still while a laptop sleeps."""
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= unstoppable() <= time.clock_gettime(time.CLOCK_BOOTTIME)
