"""Result lines on their way to a file."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from threading import Event

import pytest

from lipsync_async.cli import results as room
from lipsync_async.cli.results import Results, begin, close_out, open_out


class Slow(io.StringIO):
    """A reader that takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = Event()

    def write(self, text: str) -> int:
        """Waits in the writer's thread."""
        self.go.wait(10)
        return super().write(text)


def test_a_slow_reader_holds_up_only_who_asks_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """`put` returns at once, `room` waits while too much is queued, and the order is kept."""
    monkeypatch.setattr(room, "_MOST_QUEUED", 3)

    async def scene() -> bool:
        out = Slow()
        results = Results(out)
        for number in range(10):
            results.put(f"{number}\n")
        waiting = asyncio.ensure_future(results.room())
        await asyncio.sleep(0)
        waited = not waiting.done()
        out.go.set()
        await waiting
        await results.finish()
        assert out.getvalue() == "".join(f"{number}\n" for number in range(10))
        return waited

    assert asyncio.run(scene())


def test_what_is_lost_is_counted() -> None:
    """A write that fails is told once; nothing is tried after it."""

    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    async def scene() -> Results:
        results = Results(Full())
        for _ in range(3):
            results.put("x\n")
        await results.finish()
        results.put("x\n")
        return results

    results = asyncio.run(scene())
    assert results.failed is not None
    assert results.lost == 4


def test_an_out_is_emptied_only_when_there_is_something_to_write(tmp_path: Path) -> None:
    """What is there stays until the batch begins."""
    path = tmp_path / "out.jsonl"
    path.write_text("old\n")
    out = open_out(str(path), overwrite=True)
    assert path.read_text() == "old\n"
    begin(out).write("new\n")
    assert close_out(out) is None
    assert path.read_text() == "new\n"
