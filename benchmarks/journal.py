"""What the journal costs: `submit_many` and `stream` with it against the same without, and resuming a long one.

The overhead is paired (CPU time a job, all threads, against nginx), a new file for every leg.
A resumed journal holds a million accepted jobs; the list names them all again and one more, which alone is sent.
The store without the library around it is measured by `journal_store.py`.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from benchmarks import _child, _peers
from benchmarks._pairs import Candidate, paired, table
from benchmarks._server import PATH, MissingError, nginx
from benchmarks.memory import NOWHERE, StubWire, jobs, resident, stubbed_client
from lipsync_async import Accepted, LipSyncRequest
from lipsync_async.journal import Record, State, Store, Try
from lipsync_async.wire.identity import fingerprint

PAIRS, JOBS = 8, 2000
MILLION, GROUP = 1_000_000, 2000


def overhead(quick: bool) -> str:
    count, pairs = (300, 2) if quick else (JOBS, PAIRS)
    ways = (
        ("submit_many", _peers.submitted, _peers.submitted_with_journal),
        ("stream", _peers.streamed, _peers.streamed_with_journal),
    )
    lines = []
    with nginx() as port:
        url = f"http://127.0.0.1:{port}{PATH}"
        for name, without, within in ways:
            base = Candidate(f"{name} against itself", partial(without, url, count, 64), count)
            candidate = Candidate(f"{name} with a journal", partial(within, url, count, 64), count)
            for row, found in paired(base, (base, candidate), pairs).items():
                low, high = found.quartiles
                shown = (f"{found.median:.3f}", f"{low:.3f} to {high:.3f}", f"{found.microseconds:.0f}")
                lines.append((row, *shown))
    return table(
        f"Journal: what it costs ({pairs} pairs of {count} jobs, 64 in flight)",
        ("what", "jobs a CPU second over those without", "quartiles", "µs a job"),
        lines,
    )


# -- resuming -------------------------------------------------------------------------------------------------------


def _accepted(request: LipSyncRequest, number: int) -> Record:
    at = 1.7e9 + number
    return Record(
        external_task_id=request.external_task_id or "",
        fingerprint=fingerprint(request),
        state=State.ACCEPTED,
        attempts=1,
        first_intent_at=at,
        last_intent_at=at,
        task_id=f"8600000{number:012d}",
        task_status="submitted",
        http_status=200,
        request_id=f"request-{number}",
        history=(Try(1, at, "answered", None, 200, 0),),
    )


def write(path: str, count: int) -> float:
    """A journal of so many accepted jobs; gives its size in MB. In a process of its own."""
    records = (_accepted(request, number) for number, request in enumerate(jobs(count)))
    with Store(Path(path), gateway=NOWHERE) as store:
        while group := list(islice(records, GROUP)):
            store.write(group)
    return Path(path).stat().st_size / 1e6


class FirstSend(StubWire):
    """Knows when the first job was sent."""

    at: float | None = None

    async def post(self, *arguments: object) -> Any:  # noqa: D102 - told by the base
        self.at = self.at or time.perf_counter()
        return await super().post(*arguments)


async def resume(path: str, known: int, listed: int) -> tuple[float, float, float, int]:
    """Seconds to the first send, CPU seconds in all, MB of growth, jobs replayed; in a process of its own.

    The list: `listed` of the `known` jobs, then one that is new.
    """
    replayed, wire = 0, FirstSend()
    source = chain(jobs(listed), jobs(1, start=known + listed))
    async with stubbed_client(wire) as client:
        before, begun, cpu = resident(), time.perf_counter(), time.process_time()
        async with client.stream(source, journal=path) as outcomes:
            async for outcome in outcomes:
                replayed += isinstance(outcome, Accepted) and outcome.replayed
    assert wire.at is not None
    return wire.at - begun, time.process_time() - cpu, resident(peak=True) - before, replayed


def resumed(quick: bool) -> str:
    known = 20_000 if quick else MILLION
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "journal.db")
        size = _child.measured(__name__, "write", path, known)
        for listed in (0, known):
            seconds, cpu, grown, replayed = _child.measured(__name__, "resume", path, known, listed)
            assert replayed == listed
            each = f"{cpu / listed * 1e6:.0f}" if listed else "-"
            lines.append((f"{listed:,} done, 1 new", f"{seconds:.2f}", each, f"{grown:.1f}"))
    return table(
        f"Resuming a journal of {known:,} accepted jobs ({size:.0f} MB)",
        ("the list", "seconds to the first send", "CPU µs a job replayed", "MB of growth"),
        lines,
        "Streamed from a generator; what is done comes out as `replayed` and is not sent.",
    )


def run(quick: bool = False) -> str:
    try:
        paired_table = overhead(quick)
    except MissingError as missing:
        paired_table = f"skipped: {missing}\n"
    return paired_table + "\n" + resumed(quick)
