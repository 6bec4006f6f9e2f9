"""The page about a batch: seconds, memory and bytes for 100, 10,000 and 100,000 jobs, each in a process of its own.

The journals are made up: a batch that ran into everything, whose videos were fetched and are linked to.
The figure is that of `lipsync-async report JOURNAL --html FILE` without the interpreter's start; its imports count.
It is judged by CPU time: wall time says little on a machine that has something else to do.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from pathlib import Path

from benchmarks import _child
from benchmarks._pairs import table, verdict
from benchmarks.memory import resident
from tests.report import batches

COUNTS = (100, 10_000, 100_000)
FAIL, GOAL = (500.0, 5.0), (300.0, 2.0)
"""kB and seconds."""


def write(path: str, count: int) -> float:
    """A journal of so many jobs; gives its size in MB."""
    return batches.write(Path(path), count, folder=str(Path(path).parent / "videos")).stat().st_size / 1e6


def reported(path: str, page: str) -> tuple[float, float, float, float]:
    """CPU seconds, wall seconds, MB at most and kB of the page; in a process of its own."""
    before, cpu, wall = resident(), time.process_time(), time.perf_counter()
    from lipsync_async.cli import main

    with contextlib.redirect_stderr(io.StringIO()):
        assert main(["report", path, "--html", page]) == 0
    seconds, waited = time.process_time() - cpu, time.perf_counter() - wall
    return seconds, waited, resident(peak=True) - before, Path(page).stat().st_size / 1e3


def run(quick: bool = False) -> str:
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for count in COUNTS[:2] if quick else COUNTS:
            path, page = f"{folder}/{count}.db", f"{folder}/{count}.html"
            size = _child.measured("benchmarks.report", "write", path, count)
            cpu, wall, memory, kilobytes = _child.measured("benchmarks.report", "reported", path, page)
            judged = verdict((kilobytes, cpu), FAIL, GOAL) if count == COUNTS[-1] else ""
            figures = (f"{kilobytes:.0f}", f"{cpu:.2f}", f"{wall:.2f}", f"{memory:.0f}", judged)
            lines.append((f"{count:,}", f"{size:.1f}", *figures))
    head = ("jobs", "MB of journal", "kB of the page", "CPU s", "wall s", "MB of memory", "")
    note = f"Fail line: {FAIL[0]:g} kB and {FAIL[1]:g} s; goal: {GOAL[0]:g} kB and {GOAL[1]:g} s."
    return table("The report of a batch", head, lines, note)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="fewer jobs")
    print(run(parser.parse_args().quick))


if __name__ == "__main__":
    main()
