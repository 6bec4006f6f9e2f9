"""Result lines on their way to a file: written by a thread as they come, so that a slow reader holds up no request."""

from __future__ import annotations

import asyncio
import codecs
import json
import os
import re
import select
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, TextIO

from lipsync_async.endings import Ending, StillRunning, Succeeded, TaskFailed, TaskLost
from lipsync_async.outcomes import Accepted, Outcome, Unknown
from lipsync_async.rows import csv_line
from lipsync_async.task_results import job_id, line_of, to_line

from .printing import give_up, printable, say

_MOST_QUEUED = 1_000
_PAID = (Accepted, Unknown, Succeeded, TaskFailed, TaskLost, StillRunning)
"""What stands for a task that was paid for, or may have been."""
_odd = re.compile(r"[^ -~]")


def json_line(outcome: Outcome | Ending, *, ascii_only: bool = False) -> str:
    """A result line, its line feed included, that any terminal may show.

    What is not printable stands as a JSON escape; so does half a surrogate pair, and all but ASCII if so wished.
    """
    try:
        line = to_line(outcome)[:-1]
    except UnicodeEncodeError:
        line = json.dumps(line_of(outcome), separators=(",", ":"), default=str)
    return f"{escaped(line, ascii_only=ascii_only)}\n"


def is_table(name: object) -> bool:
    """Whether results that go to a file of this name are a table, and no JSON."""
    return isinstance(name, str) and name.lower().endswith(".csv")


def table_line(values: Iterable[Any]) -> str:
    """A row of a table, its line feed included, that any terminal may show."""
    return f"{printable(csv_line(values)[:-1])}\n"


def escaped(line: str, *, ascii_only: bool = False) -> str:
    """A JSON text in which what is not printable, or no ASCII if so wished, stands as an escape."""
    if ascii_only and not line.isascii():
        return _odd.sub(_escape, line)
    if not line.isprintable():
        return _odd.sub(lambda found: found[0] if found[0].isprintable() else _escape(found), line)
    return line


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def close_out(out: TextIO) -> OSError | None:
    """Closes the file; gives what went wrong with it."""
    try:
        if out is sys.stdout:
            out.flush()
        else:
            out.close()
    except (OSError, ValueError) as error:
        give_up(out)
        return error if isinstance(error, OSError) else OSError(str(error))
    return None


class Writer:
    """Whole lines into a file, and an exact count of those that reached it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.is_table = is_table(getattr(out, "name", None))
        try:
            out.flush()
            self._number: int | None = out.fileno()
        except (OSError, ValueError):
            self._number = None  # a text in memory, or a stdout that was replaced
        encoding = getattr(out, "encoding", None) or "utf-8"
        self.ascii_only = codecs.lookup(encoding).name != "utf-8"
        self._by_bytes = self._number is not None and (not self.ascii_only or _is_ascii_like(encoding))
        self.written = 0
        """Lines that are in the file as a whole."""

    def line(self, result: Outcome | Ending) -> str:
        """A result as it is written."""
        if self.is_table:
            return table_line(line_of(result).values())
        return json_line(result, ascii_only=self.ascii_only)

    def write(self, lines: list[str]) -> None:
        """All of them, or it raises what writing raises; half a line is taken back where that can be done."""
        if not self._by_bytes or self._number is None:
            self._out.write("".join(lines))
            self._out.flush()
            self.written += len(lines)
            return
        data = memoryview("".join(lines).encode("utf-8"))
        done = 0
        try:
            while done < len(data):
                done += self._write_some(self._number, data[done:])
        finally:
            whole = bytes(data[:done]).count(b"\n")
            self.written += whole
            if done < len(data):
                self._take_back(self._number, done - (bytes(data[:done]).rfind(b"\n") + 1))

    def _write_some(self, number: int, data: memoryview) -> int:
        try:
            return os.write(number, data)
        except BlockingIOError:  # somebody else made the pipe non-blocking
            select.select([], [number], [], 1.0)
            return 0

    def _take_back(self, number: int, half: int) -> None:
        """The half line of a full disk."""
        try:
            found = os.fstat(number)
            if half and stat.S_ISREG(found.st_mode):
                os.ftruncate(number, found.st_size - half)
        except OSError:
            pass


def _is_ascii_like(encoding: str) -> bool:
    try:
        return "{".encode(encoding) == b"{"
    except (LookupError, UnicodeError):
        return False


class Results:
    """Outcomes on their way to a file: `put` never waits, `room` does when too many are queued."""

    def __init__(self, out: TextIO, writer: Writer | None = None) -> None:
        self._out = out
        self._writer = writer or Writer(out)
        self._loop = asyncio.get_running_loop()
        self._queued: deque[Outcome | Ending] = deque()
        self._under_way: list[Outcome | Ending] = []
        self._before = 0
        self._writing: asyncio.Future[None] | None = None
        self._lock = Lock()
        self.failed: BaseException | None = None
        """Why nothing more can be written."""
        self.lost = 0
        """Lines that were not written."""
        self._paid: list[Outcome | Ending] = []

    @property
    def written(self) -> int:
        """Lines that are in the file as a whole."""
        return self._writer.written

    def put(self, outcome: Outcome | Ending) -> None:
        """One more."""
        if self.failed is not None:
            self._lose([outcome])
            return
        self._queued.append(outcome)
        if self._writing is None:
            self._start()

    async def room(self) -> None:
        """Waits while too much is queued."""
        while len(self._queued) > _MOST_QUEUED and self._writing is not None:
            await asyncio.wait([self._writing])

    async def finish(self) -> None:
        """Waits until all is written."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    def why(self) -> str:
        """What keeps the lines from being written, in a few words."""
        error = self.failed
        return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__

    def tell_lost(self, tell: Callable[[str], None] = say) -> None:
        """Says which of the lines that are lost stand for tasks that were paid for, or may have been.

        Also asked for by a thread, when time is up in the midst of a write.
        """
        with self._lock:
            stuck = self._under_way[self._writer.written - self._before :]
            paid: list[Any] = [*self._paid, *(it for it in (*stuck, *self._queued) if isinstance(it, _PAID))]
            self._paid.clear()
        for outcome in paid:
            task = "may have been accepted" if isinstance(outcome, Unknown) else f"task {outcome.task_id}"
            number = line_of(outcome)["line"]
            line = f", line {number}" if number is not None else ""
            tell(f"{outcome.name}, and not written: {job_id(outcome)} ({task}{line})")

    def _lose(self, outcomes: list[Outcome | Ending]) -> None:
        self.lost += len(outcomes)
        self._paid += [outcome for outcome in outcomes if isinstance(outcome, _PAID)]

    def _start(self) -> None:
        with self._lock:
            self._under_way = list(self._queued)
            self._queued.clear()
            self._before = self._writer.written
        self._writing = self._loop.run_in_executor(None, self._write, self._under_way)
        self._writing.add_done_callback(self._written)

    def _write(self, outcomes: list[Outcome | Ending]) -> None:
        self._writer.write([self._writer.line(outcome) for outcome in outcomes])

    def _written(self, done: asyncio.Future[None]) -> None:
        self._writing = None
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        with self._lock:
            unwritten = self._under_way[self._writer.written - self._before :] if error is not None else []
            self._under_way = []
            self._before = self._writer.written
        if error is not None:
            self.failed = error
            self._lose([*unwritten, *self._queued])
            self._queued.clear()
            give_up(self._out)
        elif self._queued:
            self._start()
