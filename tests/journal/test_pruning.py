"""What is old and settled is forgotten, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import Entry, Record, State, open_journal, open_reader, prune
from tests import postgres

GATEWAY = "https://gateway.example"
KINDS = ("task", "video")


@pytest.fixture(params=["file", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A path, and a URL."""
    if request.param == "file":
        yield str(tmp_path / "run.db")
    elif not postgres.is_there():
        pytest.skip(postgres.MISSING)
    else:
        with postgres.Postgres() as server:
            yield server.url


async def fill(place: str, records: list[Record]) -> None:
    """Writes them, each with an ending."""
    async with await open_journal(place, gateway=GATEWAY) as journal:
        for record in records:
            with contextlib.suppress(NotImplementedError):
                await journal.take(record.external_task_id)
            await journal.write(record)
            for kind in KINDS:
                kept = asyncio.Event()
                entry = Entry(kind=kind, name=record.external_task_id, state="succeeded", value=b"{}")
                journal.keep(entry, lambda _, kept=kept: kept.set())  # type: ignore[misc]
                await kept.wait()


def test_what_is_settled_and_old_goes_with_what_is_kept_for_it(place: str) -> None:
    """What is in doubt stays, however old; and so does what is as old as the day itself."""
    settled = {State.ACCEPTED, State.REJECTED, State.NOT_SENT}
    old = [Record(f"old-{state}", b"x", state, last_intent_at=99.0, task_id="1") for state in State]
    new = [Record(f"new-{state}", b"x", state, last_intent_at=100.0, task_id="1") for state in State]
    asyncio.run(fill(place, old + new))
    assert prune(place, before=100.0) == len(settled)
    with open_reader(place) as reader:
        left = {record.external_task_id for record in reader.records()}
        assert left == {f"new-{state}" for state in State} | {f"old-{state}" for state in State if state not in settled}
        for kind in KINDS:
            assert {entry.name for entry in reader.entries(kind)} == left
    assert prune(place, before=100.0) == 0
    asyncio.run(fill(place, [Record("another", b"x", State.ACCEPTED, last_intent_at=101.0, task_id="2")]))


def test_what_goes_piece_by_piece_goes_whole(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old lie among the new, so pieces end anywhere."""
    monkeypatch.setattr("lipsync_async.journal.postgres.pruning.AT_ONCE", 2)
    moments = [1.0, 200.0, 2.0, 3.0, 201.0, 202.0, 4.0, 5.0, 203.0]
    records = [
        Record(f"job-{n}", b"x", State.ACCEPTED, last_intent_at=moment, task_id="1") for n, moment in enumerate(moments)
    ]
    asyncio.run(fill(place, records))
    assert prune(place, before=100.0) == 5
    with open_reader(place) as reader:
        left = {record.external_task_id for record in reader.records()}
        assert left == {"job-1", "job-4", "job-5", "job-8"}
        for kind in KINDS:
            assert {entry.name for entry in reader.entries(kind)} == left


@pytest.mark.skipif(not postgres.is_there(), reason=postgres.MISSING)
@pytest.mark.parametrize(
    ("lives", "before", "left"), [(0.0, math.inf, set()), (0.0, 1.0, {"\x01p"}), (60.0, math.inf, {"\x01p"})]
)
def test_a_process_that_is_gone_leaves_no_history_for_ever(
    lives: float, before: float, left: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written since the day, or a moment ago, stays."""
    monkeypatch.setattr("lipsync_async.journal.postgres.pruning.LIVES", lives)

    async def write(url: str) -> None:
        async with await open_journal(url, gateway=GATEWAY) as journal:
            for name in ("\x01p", "job-1"):
                kept = asyncio.Event()
                journal.keep(Entry(kind="paces", name=name, state="", value=b"{}"), lambda _, kept=kept: kept.set())  # type: ignore[misc]
                await kept.wait()

    with postgres.Postgres() as server:
        asyncio.run(write(server.url))
        assert prune(server.url, before=before) == 0
        with open_reader(server.url) as reader:
            assert {entry.name for entry in reader.entries("paces")} == {"job-1", *left}


def test_a_file_whose_newest_jobs_go_is_not_taken_for_an_older_copy(tmp_path: Path) -> None:
    """The newest row stays, for the side file knows its number."""
    place = str(tmp_path / "run.db")
    asyncio.run(
        fill(place, [Record(f"job-{n}", b"x", State.ACCEPTED, last_intent_at=1.0, task_id="1") for n in (1, 2)])
    )
    assert prune(place, before=100.0) == 1
    asyncio.run(fill(place, [Record("job-3", b"x", State.ACCEPTED, last_intent_at=1.0, task_id="1")]))


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    """As by any other look at a journal."""
    with pytest.raises(JournalError):
        prune(tmp_path / "none.db", before=100.0)
    assert not (tmp_path / "none.db").exists()
