"""What a start costs: `import lipsync_async` against `import aiohttp`, a client made, `lipsync-async --help`, peers.

Each is a Python of its own, `-c` with compiled modules in place; pairs alternate, and what an empty Python takes beside
them is taken off both.  CPU seconds of the child: user and system.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from benchmarks._child import ROOT
from benchmarks._pairs import Paired, table, verdict

FAIL, GOAL = (0.33,), (0.22,)
PAIRS, QUICK_PAIRS = 9, 2
EMPTY = "pass"
BASE = "import aiohttp"
OURS = "import lipsync_async"
CLIENT = """
import asyncio
from lipsync_async import LipSyncClient
async def main():
    async with LipSyncClient("http://127.0.0.1:9", api_key="k"): pass
asyncio.run(main())"""
SESSION = """
import asyncio, aiohttp
async def main():
    async with aiohttp.ClientSession(): pass
asyncio.run(main())"""
HELP = """
import sys
sys.argv = ["lipsync-async", "--help"]
from lipsync_async.cli import main
main()"""
STARTS = {
    "import aiohttp (the base against itself)": BASE,
    "import lipsync_async": OURS,
    "import attrs": "import attrs",
    "a LipSyncClient, made and closed": CLIENT,
    "an aiohttp.ClientSession, made and closed": SESSION,
    "lipsync-async --help": HELP,
}
PEERS = ("openai", "httpx", "aiometer", "stamina")


def cpu(code: str) -> float:
    """Seconds of user and system time of a Python that does this."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=environment, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _pairs(code: str, pairs: int) -> Paired:
    """Base and candidate, the empty Python taken off; the base is what `aiohttp` takes."""
    cpu(code)  # compiled modules are written, the file cache is warm
    base, own = [], []
    for number in range(pairs):
        order = (EMPTY, BASE, code) if number % 2 else (code, BASE, EMPTY)
        found = [cpu(one) for one in order]
        empty, of_base, of_code = found if number % 2 else found[::-1]
        base.append(of_base - empty)
        own.append(max(of_code - empty, 1e-4))
    return Paired(tuple(base), tuple(own))


def _share(found: Paired) -> tuple[float, float, float]:
    """The candidate's over the base's: less is better here."""
    shares = [1 / ratio for ratio in found.ratios]
    low, middle, high = statistics.quantiles(shares, n=4, method="inclusive")
    return low, middle, high


def _lines(pairs: int, *, peers: bool) -> Iterator[tuple[str, ...]]:
    theirs = {f"import {name}": f"import {name}" for name in PEERS if peers and find_spec(name) is not None}
    for name, code in (STARTS | theirs).items():
        found = _pairs(code, pairs)
        low, middle, high = _share(found)
        judged = name == OURS
        yield (
            name,
            f"{middle:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{found.microseconds / 1000:.0f}",
            f"{FAIL[0]:g}" if judged else "",
            f"{GOAL[0]:g}" if judged else "",
            verdict((middle,), FAIL, GOAL) if judged else "",
        )


def run(quick: bool = False) -> str:
    """One line a start."""
    pairs = QUICK_PAIRS if quick else PAIRS
    skipped = [f"import {name}: skipped, pip install {name}." for name in PEERS if find_spec(name) is None]
    return table(
        f"Import and start ({pairs} pairs; CPU time over an empty Python's)",
        ("what", "share of `import aiohttp`", "quartiles", "ms", "fail line", "goal", "verdict"),
        _lines(pairs, peers=not quick),
        *skipped,
    )
