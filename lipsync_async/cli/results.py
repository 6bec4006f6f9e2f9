"""Where result lines go: written by a thread as they come, so that a slow reader never holds up the requests."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from lipsync_async.errors import ConfigurationError

_MOST_QUEUED = 1_000


def open_out(name: str, *, overwrite: bool) -> TextIO:
    """The file of that name, or stdout for `-`; what it holds stays until `begin`.

    Raises `ConfigurationError`, also where it would write over something.
    """
    if name == "-":
        return sys.stdout
    path = Path(name)
    try:
        if not overwrite and path.is_file() and path.stat().st_size:
            raise ConfigurationError(f"{name} is not empty: use another --out, or --overwrite")
        return path.open("a", encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be written: {error.strerror or error}") from error


def begin(out: TextIO) -> TextIO:
    """Empties a file that may be written over, now that there is something to write."""
    if out is not sys.stdout and out.seekable() and out.tell():
        out.truncate(0)
    return out


def close_out(out: TextIO) -> OSError | None:
    """Closes the file; gives what went wrong with it."""
    try:
        if out is sys.stdout:
            out.flush()
        else:
            out.close()
    except OSError as error:
        give_up(out)
        return error
    return None


def give_up(out: TextIO) -> None:
    """A stdout that nobody reads would complain once more at the interpreter's exit."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)


class Results:
    """Lines on their way to a file: `put` never waits, `room` does when too many are queued."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._loop = asyncio.get_running_loop()
        self._lines: list[str] = []
        self._writing: asyncio.Future[None] | None = None
        self.failed: OSError | None = None
        """Why nothing more can be written."""
        self.lost = 0
        """Lines that were not written."""

    def put(self, line: str) -> None:
        """One more line, its line feed included."""
        if self.failed is not None:
            self.lost += 1
            return
        self._lines.append(line)
        if self._writing is None:
            self._start()

    async def room(self) -> None:
        """Waits while too much is queued."""
        while len(self._lines) > _MOST_QUEUED and self._writing is not None:
            await asyncio.wait([self._writing])

    async def finish(self) -> None:
        """Waits until all is written."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    def _start(self) -> None:
        lines, self._lines = self._lines, []
        self._writing = self._loop.run_in_executor(None, self._write, "".join(lines))
        self._writing.add_done_callback(lambda done: self._written(done, len(lines)))

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _written(self, done: asyncio.Future[None], count: int) -> None:
        self._writing = None
        error = done.exception()
        if isinstance(error, OSError):
            self.failed = error
            self.lost += count + len(self._lines)
            self._lines.clear()
            give_up(self._out)
        elif error is not None:
            raise error
        elif self._lines:
            self._start()
