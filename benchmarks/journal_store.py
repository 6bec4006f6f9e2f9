"""What the journal's store costs alone: an intent and its outcome by group size, and reading back.

Run it as `python benchmarks/journal_store.py [--jobs 20000] [--million]`; each figure is the least of three rounds.
"""

from __future__ import annotations

import argparse
import resource
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lipsync_async.journal import Reader, Record, State, Store, Try, iter_result_lines

GATEWAY = "https://api.example.com"


def intent(name: str, at: float, line: int) -> Record:
    return Record(
        external_task_id=name,
        fingerprint=secrets.token_bytes(16),
        state=State.OPEN,
        first_intent_at=at,
        last_intent_at=at,
        line=line,
    )


def outcome(name: str, at: float, line: int) -> Record:
    return Record(
        external_task_id=name,
        fingerprint=secrets.token_bytes(16),
        state=State.ACCEPTED,
        attempts=1,
        first_intent_at=at,
        last_intent_at=at,
        task_id="8471" + name[:14],
        task_status="submitted",
        http_status=200,
        code=0,
        message="SUCCEED",
        request_id=name,
        phase="answered",
        line=line,
        history=(Try(1, at, "answered", None, 200, 0),),
    )


def pairs(count: int) -> list[tuple[Record, Record]]:
    names = [secrets.token_hex(16) for _ in range(count)]  # like derived ids: in no order
    return [(intent(name, 1.7e9 + line, line), outcome(name, 1.7e9 + line, line)) for line, name in enumerate(names)]


def write(store: Store, jobs: list[tuple[Record, Record]], group: int) -> None:
    for start in range(0, len(jobs), group):
        part = jobs[start : start + group]
        store.write([job[0] for job in part])
        store.write([job[1] for job in part])


def timed(work: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def write_pairs(count: int, group: int, directory: str) -> tuple[float, float]:
    jobs = pairs(count)
    with Store(Path(directory) / f"{secrets.token_hex(4)}.db", gateway=GATEWAY) as store:
        return timed(lambda: write(store, jobs, group))


def bench_writes(count: int, directory: str) -> None:
    for group in (1, 4, 16, 64, 256):
        number = max(256, min(count, group * 1000))
        rounds = [write_pairs(number, group, directory) for _ in range(3)]
        cpu, wall = (min(figures) / number * 1e6 for figures in zip(*rounds, strict=True))
        print(f"groups of {group:3}: {cpu:6.1f} µs CPU, {wall:6.1f} µs wall a job (intent and outcome)")


def bench_million(directory: str) -> None:
    path = Path(directory) / "million.db"
    with Store(path, gateway=GATEWAY) as store:
        for _ in range(100):
            write(store, pairs(10_000), 1000)
    print(f"1,000,000 jobs: {path.stat().st_size / 1e6:.0f} MB")
    with Reader(path) as reader:
        names = [record.external_task_id for record in first(reader, 10_000)]
        before = peak_memory()
        _, wall = timed(lambda: [reader.recall(name) for name in names])
        print(f"recall: {wall / len(names) * 1e6:.1f} µs")
        print(f"counts: {timed(reader.counts)[1]:.2f} s")
        print(f"export: {timed(lambda: sum(1 for _ in iter_result_lines(reader)))[1]:.1f} s")
    print(f"peak memory grew by {peak_memory() - before:.0f} MB while reading")
    print(f"opening: {timed(lambda: Store(path, gateway=GATEWAY).close())[1]:.3f} s")


def peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def first(reader: Reader, count: int) -> list[Record]:
    return [record for record, _ in zip(reader.records(), range(count), strict=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--million", action="store_true", help="read back from a journal of a million jobs too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        bench_writes(options.jobs, directory)
        if options.million:
            bench_million(directory)


if __name__ == "__main__":
    main()
