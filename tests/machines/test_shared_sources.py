"""Videos that several processes need at the same time: one identifies each, and the others use its session."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from lipsync_async import Accepted, LipSyncRequest, RequestBuilder
from lipsync_async.journal import Entry
from lipsync_async.journal.shared import SharedJournal
from lipsync_async.models import VideoSource
from lipsync_async.sources.resolving import SESSION, Kept
from lipsync_async.wire.identity import name_of_video
from tests.journal.memory_table import MemoryTable, NoReader, Row
from tests.loopback.hurried import hurry
from tests.machines.pods import LEASE, Pods, pods

URL = "https://films.example/{}.mp4"


class EntryReader(NoReader):
    """What is read at once of a table: an entry."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def entry(self, kind: str, name: str) -> Entry | None:
        """As every reader."""
        return self._table.entries.get((kind, name))


def journal(world: Pods) -> SharedJournal:
    """One of a process."""
    made = world.journal()
    made.reader = EntryReader(world.table)  # type: ignore[assignment]
    return made


def jobs(first: int, count: int, videos: int = 3) -> list[LipSyncRequest]:
    """Each of one of the videos."""
    return [
        RequestBuilder()
        .video(URL.format(number % videos))
        .audio_id(f"82545176049956{number:04}")
        .window(start=0, end=3000, insert=number)
        .external_task_id(f"job-{number}")
        .build()
        for number in range(first, first + count)
    ]


def test_a_video_that_two_processes_need_is_identified_by_one() -> None:
    """Each has jobs of its own, of the same videos; all claims are given back."""

    async def main() -> None:
        async with (
            pods(latency=0.3) as world,
            world.pod(journal(world)) as (one, left),
            world.pod(journal(world)) as (two, right),
        ):
            told = await asyncio.gather(
                one.submit_many(jobs(0, 9), journal=left), two.submit_many(jobs(100, 9), journal=right)
            )
            assert {type(outcome) for result in told for outcome in result.values()} == {Accepted}
            assert sorted(world.sandbox.ledger.identified.values()) == [1, 1, 1]
            assert world.sandbox.ledger.tasks == 18
            assert all(row.owner is None for row in world.table.rows.values())

    hurry(main())


def test_what_a_dead_process_began_is_made_once_more_after_its_lease() -> None:
    """And not before: it may still be at it."""

    async def main() -> None:
        async with pods() as world:
            clock = asyncio.get_running_loop().time
            left_by_the_dead(world, until=clock() + LEASE)
            began = clock()
            async with world.pod(journal(world)) as (client, own):
                result = await client.submit_many(jobs(0, 1), journal=own)
            assert clock() - began >= LEASE
            assert len(result.accepted) == 1
            assert list(world.sandbox.ledger.identified.values()) == [1]
            kept = msgspec.json.decode(next(iter(world.table.entries.values())).value, type=Kept)
            assert (kept.state, kept.cut_off) == ("done", 1)

    hurry(main())


def left_by_the_dead(world: Pods, until: float) -> None:
    """A call that left, and was not answered; its owner's lease ends then."""
    name = name_of_video(VideoSource(url=URL.format(0)))
    value: Any = msgspec.json.encode(Kept(state="open", calls=1))
    world.table.entries[SESSION, name] = Entry(kind=SESSION, name=name, state="open", value=value)
    world.table.leases["dead"] = (until, LEASE)
    world.table.rows[f"\x01make {SESSION} {name}"] = Row("dead", 1, 1, None)
