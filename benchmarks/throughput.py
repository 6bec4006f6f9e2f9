"""CPU a job: ours against the loop that an expert writes on bare aiohttp, and against what people use instead.

Base: 64 workers on one `aiohttp.ClientSession` with its defaults, prepared bytes out, `read()` in.
Every figure is the base's CPU time a job over the candidate's, pairs alternating in one process (`_pairs`).
The server is nginx with a fixed reply; for 50 ms of latency a small asyncio server in another process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.util import find_spec

from benchmarks import _peers
from benchmarks._delayed import delayed
from benchmarks._pairs import Candidate, Paired, Runner, paired, table, verdict
from benchmarks._server import FIXED, PATH, SPARSE_REPLY, MissingError, free_port, nginx

Make = Callable[[str, int, int], Awaitable[float]]
PAIRS = 12
JOBS = 1500
WHOLE, WITH_JOURNAL = ((1.25,), (1.50,)), ((0.90,), (1.05,))
PLAIN, PLAIN_WITH_JOURNAL = ((0.80,), (1.00,)), ((0.60,), (0.85,))
BARS = {
    "ours, submit_many": WHOLE,
    "ours, stream": WHOLE,
    "ours, submit_many, journal": WITH_JOURNAL,
    "ours, stream, journal": WITH_JOURNAL,
    "ours, submit_many, session.request": PLAIN,
    "ours, submit_many, journal, session.request": PLAIN_WITH_JOURNAL,
}
"""Fail line and goal; they hold for 64 in flight without latency."""
BASE = "bare aiohttp loop (the base against itself)"
HEAD = ("what", "ratio", "quartiles", "µs a job", "fail line", "goal", "verdict")

Row = tuple[str, Make, float, bool, tuple[str, ...]]
"""Name, leg, its share of the jobs (what is slow does fewer), whether on uvloop, the packages it needs."""
OURS: list[Row] = [
    (BASE, _peers.bare, 1, False, ()),
    ("bare aiohttp loop, total time-out off", _peers.bare_without_total, 1, False, ()),
    ("ours, submit_many", _peers.submitted, 1, False, ()),
    ("ours, stream", _peers.streamed, 1, False, ()),
]
MORE: list[Row] = [
    ("ours, submit_many, journal", _peers.submitted_with_journal, 1, False, ()),
    ("ours, stream, journal", _peers.streamed_with_journal, 1, False, ()),
    ("ours, submit_many, session.request", _peers.submitted_plainly, 1, False, ()),
    ("ours, submit_many, journal, session.request", _peers.submitted_plainly_with_journal, 1, False, ()),
    ("ours, submit_many, uvloop", _peers.submitted, 1, True, ("uvloop",)),
    ("ours, submit_many, journal, uvloop", _peers.submitted_with_journal, 1, True, ("uvloop",)),
    ("bare aiohttp loop, uvloop", _peers.bare, 1, True, ("uvloop",)),
    ("gather + semaphore, json=", _peers.gathered, 1, False, ()),
    ("aiohttp + stamina, json=", _peers.stamina_loop, 1, False, ("stamina",)),
    ("parallel-processor script", _peers.parallel_processor, 0.2, False, ()),
    ("aiometer + httpx", _peers.aiometer_httpx, 0.1, False, ("aiometer", "httpx")),
    ("openai's client", _peers.openai_client, 0.1, False, ("openai",)),
]


def _runner(on_uvloop: bool) -> Runner:
    if not on_uvloop:
        return asyncio.run
    import uvloop

    return uvloop.run


def _missing(packages: tuple[str, ...]) -> str:
    gone = [name for name in packages if find_spec(name) is None]
    return f"skipped: pip install {' '.join(gone)}" if gone else ""


def _candidate(row: Row, url: str, jobs: int, in_flight: int) -> Candidate:
    name, leg, share, on_uvloop, _ = row
    count = int(jobs * share)
    return Candidate(name, partial(leg, url, count, in_flight), count, _runner(on_uvloop))  # type: ignore[arg-type]


def measured(rows: list[Row], port: int, jobs: int, in_flight: int, pairs: int) -> dict[str, Paired]:
    """By name; what is missing is left out."""
    url = f"http://127.0.0.1:{port}{PATH}"
    there = [_candidate(row, url, jobs, in_flight) for row in rows if not _missing(row[4])]
    base = _candidate((BASE, _peers.bare, 1, False, ()), url, jobs, in_flight)
    return dict(paired(base, there, pairs))


def _line(name: str, found: Paired, judged: bool) -> tuple[str, ...]:
    fail, goal = BARS.get(name, (None, None)) if judged else (None, None)
    low, high = found.quartiles
    bars = (f"{bar[0]:.2f}" if bar else "" for bar in (fail, goal))
    said = verdict((found.median,), fail, goal, more_is_better=True)
    return (name, f"{found.median:.3f}", f"{low:.3f} to {high:.3f}", f"{found.microseconds:.0f}", *bars, said)


def _table(title: str, rows: list[Row], found: dict[str, Paired], judged: bool = False) -> str:
    lines = [_line(name, figures, judged) for name, figures in found.items()]
    skipped = [f"{row[0]}: {_missing(row[4])}." for row in rows if _missing(row[4])]
    return table(title, HEAD, lines, *skipped)


def run(quick: bool = False) -> str:
    """Four tables: without latency, with a sparse reply, with 50 ms of latency, and with 256 in flight."""
    return render(measure(quick))


def measure(quick: bool) -> dict[str, tuple[list[Row], dict[str, Paired]]]:
    """By title: its rows and what was found."""
    jobs, pairs = (300, 2) if quick else (JOBS, PAIRS)
    titled = f"({pairs} pairs of {jobs} jobs)"
    every, few = [*OURS, *MORE], OURS
    wide = [*OURS, MORE[0]]
    with nginx() as port:
        near = measured(every, port, jobs, 64, pairs)
        broad = measured(wide, port, jobs, 256, pairs)
    sparse_port = free_port()
    with nginx(FIXED.format(port=sparse_port, reply=SPARSE_REPLY), port=sparse_port) as port:
        sparse = measured(wide, port, jobs, 64, pairs)
    with delayed(50) as port:
        late = measured(few, port, min(jobs, 1280), 64, pairs)
    return {
        f"64 in flight, no latency {titled}": (every, near),
        f"64 in flight, a reply without request_id, created_at and updated_at {titled}": (wide, sparse),
        f"64 in flight, 50 ms of latency ({pairs} pairs of {min(jobs, 1280)} jobs)": (few, late),
        f"256 in flight, no latency: reported, not judged {titled}": (wide, broad),
    }


def render(found: dict[str, tuple[list[Row], dict[str, Paired]]]) -> str:
    first = next(iter(found))
    return "\n".join(_table(title, *rows_and_figures, title == first) for title, rows_and_figures in found.items())


__all__ = ["MissingError", "measure", "render", "run"]
