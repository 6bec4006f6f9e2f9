"""Runs the benchmarks: `python -m benchmarks [--quick] [NAME ...]`.

Without `--quick` every one writes its Markdown (and some an SVG) into `benchmarks/results/`, with date and versions.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from benchmarks import (
    _child,
    _plots,
    audio,
    downloads,
    following,
    following_scale,
    imports,
    journal,
    limiters_real,
    lists,
    memory,
    pacing,
    report,
    sharing,
    slots,
    throughput,
)
from benchmarks._server import MissingError

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("aiohttp", "msgspec", "attrs", "anyio", "uvloop", "httpx", "aiometer", "openai", "stamina")
QUICK_ASIDE = ("pacing", "limiters_real")
"""With `--quick` these run beside the others: they need little of the machine, and nothing is judged."""


def _throughput(quick: bool) -> str:
    found = throughput.measure(quick)
    if not quick and _plots.AVAILABLE:
        _, near = next(iter(found.values()))
        _plots.throughput(near, RESULTS / "throughput.svg")
    return throughput.render(found)


def _memory(quick: bool) -> str:
    found = memory.measure(quick)
    if not quick and _plots.AVAILABLE:
        _plots.memory(found, RESULTS / "memory.svg")
    return memory.render(found)


def _pacing(quick: bool) -> str:
    if not quick and _plots.AVAILABLE:
        _plots.pacing(pacing.curves(), RESULTS / "pacing.svg")
    return pacing.run(quick)


def _slots(quick: bool) -> str:
    found = slots.measure(quick)
    if not quick and _plots.AVAILABLE:
        _plots.slots(found, slots.FRESHNESS, RESULTS / "slots.svg")
    return slots.render(found, 1 if quick else slots.SEEDS)


BENCHMARKS: dict[str, Callable[[bool], str]] = {
    "throughput": _throughput,
    "memory": _memory,
    "audio": audio.run,
    "downloads": downloads.run,
    "pacing": _pacing,
    "following": following.run,
    "slots": _slots,
    "following_scale": following_scale.run,
    "journal": journal.run,
    "report": report.run,
    "lists": lists.run,
    "imports": imports.run,
    "limiters_real": limiters_real.run,
    "sharing": sharing.run,
}


def _version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"no {package}"


def machine() -> str:
    """Date, versions and machine, as they stand above every table."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    memory_size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory_size:.0f} GiB"
    busy = f"load {os.getloadavg()[0]:.1f} at the start"
    versions = ", ".join(map(_version, ("lipsync-async", *PACKAGES)))
    return f"{datetime.now(UTC):%Y-%m-%d}; {python}; {where}; {busy}; {versions}."


def measured(name: str, quick: bool) -> str:
    """Its tables; a line that says what is missing where it cannot be measured."""
    try:
        return BENCHMARKS[name](quick)
    except MissingError as missing:
        return f"{name}: skipped, {missing}\n"


def aside(name: str) -> str:
    """The same in a process of its own, quickly."""
    return measured(name, quick=True)


def _report(name: str) -> None:
    begun, head = time.monotonic(), machine()
    found = measured(name, quick=False)
    command = f"`python -m benchmarks {name}`"
    (RESULTS / f"{name}.md").write_text(f"# {name}\n\n{head}\nWritten by {command}.\n\n{found}".rstrip() + "\n")
    print(found)
    print(f"({name}: {time.monotonic() - begun:.0f} s)\n", file=sys.stderr)


def _quickly(names: list[str]) -> None:
    started = {name: _child.start("benchmarks.__main__", "aside", name) for name in names if name in QUICK_ASIDE}
    for name in names:
        print(_child.result(started[name]) if name in started else measured(name, quick=True), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all, or some of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="less of everything, nothing written")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    names = options.names or list(BENCHMARKS)
    if options.quick:
        _quickly(names)
        return
    RESULTS.mkdir(exist_ok=True)
    for name in names:
        _report(name)


if __name__ == "__main__":
    main()
