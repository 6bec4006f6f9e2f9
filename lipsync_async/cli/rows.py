"""Results on a terminal: a row each, as they come, above the display where there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from lipsync_async.endings import Ending
from lipsync_async.outcomes import Accepted, Outcome
from lipsync_async.task_results import job_id, line_of

from .printing import printable
from .results import Writer

_ID, _OUTCOME, _TASK = 24, 9, 18
"""Columns; a longer id, or task id, shifts what stands behind it."""
_LEAST = 20
"""Columns that the details get, however narrow the terminal is."""
HEADER = f"{'JOB':{_ID}} {'OUTCOME':{_OUTCOME}} {'TASK':{_TASK}} DETAILS\n"


def writer_for(out: TextIO, *, json: bool) -> Writer:
    """Rows for a terminal, JSON lines for anything else, and where they are asked for."""
    return Writer(out) if json or not out.isatty() else Rows(out)


class Rows(Writer):
    """Rows into a terminal; `above` prints them where a display is drawn over."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self.above: Callable[[str], None] | None = None
        self._begun = False

    def line(self, result: Outcome | Ending) -> str:
        """One row."""
        return row(result, shutil.get_terminal_size().columns)

    def write(self, lines: list[str]) -> None:
        """All of them; the header comes before the first."""
        head, self._begun = "" if self._begun else HEADER, True
        if self.above is not None:
            self.above((head + "".join(lines))[:-1])
            self.written += len(lines)
            return
        if head:
            super().write([head])
            self.written -= 1
        super().write(lines)


def row(result: Outcome | Ending, width: int) -> str:
    """A job's id, outcome, task and whatever else is to be said, with a line feed; an address is never cut."""
    told = line_of(result)
    name, outcome = job_id(result), str(told["outcome"]).replace("_", " ")
    task = f"{told['task_id']:{_TASK}} " if told["task_id"] else ""  # without one there is more room for the reason
    head = f"{name:{_ID}} {outcome:{_OUTCOME}} {task}"
    room, detail = max(_LEAST, width - 1 - len(head)), _detail(result, told)
    if len(detail) > room and "://" not in detail:
        detail = f"{detail[: room - 3]}..."
    return printable(f"{head}{detail}".rstrip().replace("\n", " ")) + "\n"


def _detail(result: Outcome | Ending, told: dict[str, Any]) -> str:
    job = result.outcome if isinstance(result, Ending) else result
    reason = ": ".join(str(part) for part in (told["kind"], told["message"]) if part)
    if told["outcome"] == "succeeded":
        missing = f"no video here ({reason})" if reason else ""
        return str(_near(told["video_path"]) or missing or told["video_url"] or "no video")
    if isinstance(job, Accepted) and not reason:
        return "by an earlier run" if job.replayed else "found by a look-up" if job.recovered else ""
    return reason


def _near(path: str | None) -> str | None:
    """A path as it is typed from here, where it lies below this folder."""
    if path is None or "://" in path:
        return path
    here = f"{Path.cwd()}{os.sep}"
    return path.removeprefix(here)
