"""Crashes and full disks, for real."""

from __future__ import annotations

from pathlib import Path

from lipsync_async.journal import (
    Reader,
    State,
)
from tests.journal.helpers import finish, open_store, posix, start

WORKERS = """
import asyncio, os, sys
from lipsync_async.errors import JournalError
from lipsync_async.journal import Journal, Record, State

async def main(path, run, limit):
    if limit:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    numbers = iter(range(1_000_000))
    async with await Journal.open(path, gateway="https://api.example.com") as journal:
        async def worker():
            for number in numbers:
                for state in (State.OPEN, State.ACCEPTED):
                    name = f"{run}-{number}"
                    record = Record(external_task_id=name, fingerprint=name.encode(), state=state, message=name * 9)
                    await journal.write(record)
                    os.write(1, f"{name} {state.value}\\n".encode())
        try:
            await asyncio.gather(*(worker() for _ in range(32)))
        except JournalError as error:
            os.write(2, str(error).encode())

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def check_all_there(path: Path, lines: list[str]) -> None:
    """All that was confirmed is in the file, and every row is whole."""
    confirmed = dict(line.split() for line in lines)
    with Reader(path) as reader:
        kept = {record.external_task_id: record for record in reader.records()}
        assert reader._execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for name, state in confirmed.items():
        # A later state may be committed and not confirmed yet; an earlier one would be a lie.
        assert kept[name].state in {state, State.ACCEPTED}
    for name, record in kept.items():
        assert (record.fingerprint, record.message) == (name.encode(), name * 9)


@posix
def test_kill_9_loses_nothing_that_was_confirmed(path: Path) -> None:
    """Killed amid its commits again and again: what was confirmed is there, no row is torn, the claim is free."""
    lines: list[str] = []
    for run, until in enumerate((1, 40, 333, 1000, 2500)):
        child = start(WORKERS, path, f"run{run}", 0)
        assert child.stdout is not None
        lines += [child.stdout.readline() for _ in range(until)]
        child.kill()
        rest, errors = finish(child)
        assert errors == ""
        lines += rest.splitlines()
        check_all_there(path, lines)
        open_store(path).close()


@posix
def test_a_file_that_may_not_grow_stops_the_writers(path: Path) -> None:
    """A real limit on the file's size: the writers get a JournalError, and what was confirmed before is in the file."""
    said, errors = finish(start(WORKERS, path, "run", 300_000))
    assert "failed to read or write" in errors or "no space left" in errors
    assert "Traceback" not in errors
    assert said.count("\n") > 100
    check_all_there(path, said.splitlines())
