"""Result lines on their way to a file: in any encoding, counted exactly, and what is lost is told."""

from __future__ import annotations

import asyncio
import io
import json
import os
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest

from lipsync_async.cli import results as room
from lipsync_async.cli.results import Results, Writer, close_out, json_line
from lipsync_async.cli.target import begin, open_out
from lipsync_async.outcomes import Accepted, Outcome, Rejected, Unknown, to_json_line
from lipsync_async.terms import Kind


def accepted(number: int) -> Accepted:
    """One that was paid for."""
    return Accepted(external_task_id=f"j{number}", task_id=f"86{number}", line=number)


REJECTED = Rejected(external_task_id="bad", kind=Kind.VALIDATION, line=9)
UNKNOWN = Unknown(external_task_id="odd", kind=Kind.TIMEOUT, line=8)


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
            results.put(accepted(number))
        waiting = asyncio.ensure_future(results.room())
        await asyncio.sleep(0)
        waited = not waiting.done()
        out.go.set()
        await waiting
        await results.finish()
        assert out.getvalue() == "".join(to_json_line(accepted(number)) for number in range(10))
        return waited

    assert asyncio.run(scene())


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        BrokenPipeError(32, "Broken pipe"),
        OSError(5, "Input/output error"),
        ValueError("I/O operation on closed file"),
        UnicodeEncodeError("ascii", "é", 0, 1, "no"),
        MemoryError(),
    ],
)
def test_what_is_lost_is_counted_and_the_paid_are_named(error: Exception) -> None:
    """A write that fails in whatever way is told once; nothing is tried after it."""

    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise error

    told: list[str] = []

    async def scene() -> Results:
        results = Results(Full())
        for outcome in cast("list[Outcome]", [accepted(1), REJECTED, UNKNOWN]):
            results.put(outcome)
        await results.finish()
        results.put(accepted(2))
        results.tell_lost(told.append)
        results.tell_lost(told.append)
        return results

    results = asyncio.run(scene())
    assert results.failed is error
    assert results.why()
    assert results.lost == 4
    assert told == [
        "accepted, and not written: j1 (task 861, line 1)",
        "unknown, and not written: odd (may have been accepted, line 8)",
        "accepted, and not written: j2 (task 862, line 2)",
    ]


def test_of_a_disk_that_fills_up_whole_lines_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reached the file is not told as lost, and no half a line is left behind."""
    lines = [to_json_line(accepted(number)) for number in range(5)]
    room_left = len("".join(lines[:3])) + 7
    write = os.write

    def full(number: int, data: Any) -> int:
        nonlocal room_left
        if not room_left:
            raise OSError(28, "No space left on device")
        done = write(number, bytes(data[: min(len(data), room_left, 100)]))
        room_left -= done
        return done

    told: list[str] = []

    async def scene() -> None:
        with (tmp_path / "out").open("a", encoding="utf-8") as out:
            results = Results(out)
            with monkeypatch.context() as patched:
                patched.setattr("lipsync_async.cli.results.os.write", full)
                for number in range(5):
                    results.put(accepted(number))
                await results.finish()
            results.tell_lost(told.append)
            assert results.lost == 2

    asyncio.run(scene())
    assert (tmp_path / "out").read_text() == "".join(lines[:3])
    assert [line.split()[4] for line in told] == ["j3", "j4"]


def test_what_is_stuck_is_told_too() -> None:
    """When time is up in the midst of a write, its lines and those behind it are named."""
    told: list[str] = []

    async def scene() -> None:
        out = Slow()
        results = Results(out)
        for number in range(3):
            results.put(accepted(number))
        results.tell_lost(told.append)
        out.go.set()
        await results.finish()

    asyncio.run(scene())
    assert len(told) == 3


def test_a_pipe_that_does_not_wait_is_waited_for() -> None:
    """Another process may have made it non-blocking."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(writing, "w", encoding="utf-8") as out:
        lines = [to_json_line(accepted(number)) for number in range(2_000)]

        async def scene() -> bytes:
            sent = asyncio.ensure_future(asyncio.to_thread(Writer(out).write, lines))
            got = b""
            while len(got) < len("".join(lines)):
                got += await asyncio.to_thread(os.read, reading, 65536)
            await sent
            return got

        assert asyncio.run(scene()).decode() == "".join(lines)
    os.close(reading)


# --- encodings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252", "gbk", "utf-16", "cp037"])
def test_any_encoding_of_stdout_will_do(encoding: str, tmp_path: Path) -> None:
    """Where it is not UTF-8, escapes say the same."""
    outcome = Accepted(external_task_id="é日本😀", task_id="1")
    with (tmp_path / "out").open("w", encoding=encoding, newline="\n") as out:
        writer = Writer(out)
        writer.write([json_line(outcome, ascii_only=writer.ascii_only)])
    text = (tmp_path / "out").read_text(encoding)
    assert json.loads(text)["external_task_id"] == "é日本😀"
    assert ("é" in text) is (encoding == "utf-8")


@pytest.mark.parametrize("odd", ["\ud800", "a\udfffb", "\x1b[2J", "\x9b31m", "\u202e", "\x7f", "\u2028", "\x00\n"])
def test_no_text_steers_a_terminal(odd: str) -> None:
    """Nor is any too odd to be written; what is read back is what it was."""
    for ascii_only in (True, False):
        line = json_line(Rejected(external_task_id=odd, kind=Kind.VALIDATION), ascii_only=ascii_only)
        assert line[:-1].isprintable()
        assert line.endswith("\n")
        assert json.loads(line)["external_task_id"] == odd


def test_a_plain_line_is_as_it_was() -> None:
    """Letters of any script are written as they are."""
    outcome = Accepted(external_task_id="日本é", task_id="1")
    assert json_line(outcome) == to_json_line(outcome)


# --- the file -------------------------------------------------------------------------------------------------------


def test_an_out_is_emptied_only_when_there_is_something_to_write(tmp_path: Path) -> None:
    """What is there stays until the batch begins."""
    path = tmp_path / "out.jsonl"
    path.write_text("old\n")
    out = open_out(str(path), overwrite=True)
    assert path.read_text() == "old\n"
    begin(out).write("new\n")
    assert close_out(out) is None
    assert path.read_text() == "new\n"
