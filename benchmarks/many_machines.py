"""Money with many machines: four processes with one list and one journal in PostgreSQL, and what befalls them.

    python benchmarks/many_machines.py money --seeds 20
    python benchmarks/many_machines.py money --seeds 5 --redis --worker "-m tests.machines.taskiq_worker" --name taskiq
    python benchmarks/many_machines.py speed
    python benchmarks/many_machines.py size --rows 1000000

`money`: 400 jobs at 20/s, duplicates accepted and billed, 4 % of replies lost, three of four machines killed, the last
one frozen past its lease, the database crashed. `speed`: the journal alone. `size`: what a large table costs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from lipsync_async.journal import Record, State, open_journal, prune
from tests.machines.scene import Plan, play
from tests.postgres import Postgres
from tests.redis_server import redis_server

RESULTS = Path(__file__).parent / "results"
GATEWAY = "https://gateway.example"


def money(args: argparse.Namespace) -> Iterator[str]:
    """A line a seed."""
    yield "| seed | paid | twice | lost | stuck | looked up and adopted | seconds | of ideal | after the last trouble |"
    yield "|---|---|---|---|---|---|---|---|---|"
    good = total = 0
    worker = tuple(args.worker.split())
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(fsync=True))
        if args.redis:
            os.environ["REDIS_URL"] = stack.enter_context(redis_server())
        for seed in range(1, args.seeds + 1):
            plan = Plan(seed=seed, jobs=args.jobs, worker=worker)
            result = play(plan, postgres)
            assert plan.per_second is not None
            ideal = plan.jobs / plan.per_second
            good, total = good + result.is_good, total + 1
            yield (
                f"| {seed} | {result.accepted} | {len(result.twice)} | {len(result.lost)} | {int(result.stuck)} |"
                f" {result.recovered} | {result.seconds:.1f} | {result.seconds / ideal:.2f} | {result.after:.1f} |"
            )
    yield f"\n{good} of {total} seeds: none lost, none twice, none stuck."


def _record(name: str, state: State) -> Record:
    paid = {"task_id": "829382938293829", "task_status": "submitted", "http_status": 200, "request_id": "a" * 32}
    return Record(
        name,
        b"f" * 32,
        state,
        attempts=1,
        first_intent_at=1.7e9,
        last_intent_at=1.7e9,
        core=b"c" * 16,
        key=b"k" * 8,
        **paid if state is State.ACCEPTED else {},  # type: ignore[arg-type]
    )


async def _speed(url: str, width: int, jobs: int) -> str:
    names = iter([f"{width:03}-{number:012}" for number in range(jobs)])
    spent = {"claim": 0.0, "write": 0.0}
    async with await open_journal(url, gateway=GATEWAY) as journal:

        async def work(step: str, todo: Iterator[str]) -> None:
            for name in todo:
                if step == "claim":
                    await journal.take(name)
                else:
                    await journal.write(_record(name, State.OPEN))
                    await journal.write(_record(name, State.ACCEPTED))

        every = list(names)
        cpu = time.process_time()
        for step in spent:
            began, todo = time.perf_counter(), iter(every)
            await asyncio.gather(*(work(step, todo) for _ in range(width)))
            spent[step] = time.perf_counter() - began
        cpu = time.process_time() - cpu
    together = sum(spent.values())
    return (
        f"| {width} | {jobs / spent['write']:,.0f} | {jobs / spent['claim']:,.0f} | {jobs / together:,.0f} |"
        f" {cpu / jobs * 1e6:.0f} |"
    )


def speed(args: argparse.Namespace) -> Iterator[str]:
    """A line for each number in flight; several for 64 with the disk waited for, each with the load before it."""
    for fsync in (True, False):
        yield f"\nfsync {'on' if fsync else 'off'}\n"
        yield "| in flight | intent + outcome, jobs/s | claims/s | all three, jobs/s | our CPU, µs a job | load |"
        yield "|---|---|---|---|---|---|"
        for width, jobs in ((1, 300), (16, 4000), *[(64, 20000)] * (args.runs if fsync else 1)):
            load = os.getloadavg()[0]
            with Postgres(fsync=fsync) as postgres:
                yield f"{asyncio.run(_speed(postgres.url, width, jobs))} {load:.1f} |"


_FILL = """
INSERT INTO lipsync_jobs (journal, external_task_id, fingerprint, state, attempts, refusals, first_intent_at,
    last_intent_at, core, key, owned, task_id, task_status, http_status, request_id, recovered, fence, step)
SELECT (SELECT min(id) FROM lipsync_journals), 'big-' || n, decode(md5(n::text) || md5(n::text), 'hex'),
    'accepted', 1, 0, 1.7e9 + n, 1.7e9 + n, decode(md5(n::text), 'hex'), 'k', false, (8e17::bigint + n)::text,
    'submitted', 200, md5(n::text), false, 1, 3
FROM generate_series($1::bigint, $2::bigint) AS n
"""


async def _fill(connection: asyncpg.Connection, rows: int) -> str:
    began = time.perf_counter()
    for start in range(1, rows, 100_000):
        await connection.execute(_FILL, start, min(rows, start + 99_999))
    return f"filled in {time.perf_counter() - began:.0f} s"


async def _size(url: str, rows: int) -> AsyncIterator[str]:
    async with await open_journal(url, gateway=GATEWAY) as journal:
        await journal.take("first")
    connection = await asyncpg.connect(url)
    filled = await _fill(connection, rows)
    heap, indexes, database = await connection.fetchrow(
        "SELECT pg_table_size('lipsync_jobs'), pg_indexes_size('lipsync_jobs'), pg_database_size(current_database())"
    )
    for _ in range(3):
        yield await _speed(url, 64, 10_000)
        await connection.execute("DELETE FROM lipsync_jobs WHERE external_task_id LIKE '064-%'")
    yield f"\nload {os.getloadavg()[0]:.1f}; {filled}: {heap / rows:.0f} bytes a row in the table,"
    yield f"{indexes / rows:.0f} in its indexes; {database / 1e9:.2f} GB on the disk"
    for share in (100, 10):
        began = time.perf_counter()
        gone = await asyncio.to_thread(prune, f"{url}?gateway={GATEWAY}", before=1.7e9 + rows / share)
        spent = time.perf_counter() - began
        yield f"\n`journal prune` of the oldest {gone:,}: {spent:.1f} s, {gone / spent:,.0f} jobs/s"
    yield await _speed(url, 64, 10_000)
    await connection.close()


def size(args: argparse.Namespace) -> Iterator[str]:
    """What a large table weighs, and what it does to speed."""
    with Postgres(fsync=True) as postgres, asyncio.Runner() as runner:
        yield f"{args.rows:,} rows\n"
        yield "| in flight | intent + outcome, jobs/s | claims/s | all three, jobs/s | our CPU, µs a job |"
        yield "|---|---|---|---|---|"
        lines = _size(postgres.url, args.rows)
        with suppress(StopAsyncIteration):
            while True:
                yield runner.run(anext(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["money", "speed", "size"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5, help="`speed`: at 64 in flight")
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--worker", default="-m tests.machines.worker", help="what Python runs as a machine")
    parser.add_argument("--redis", action="store_true", help="`money`: with a Redis, named by REDIS_URL")
    parser.add_argument("--name", default="", help="a part of the file's name")
    args = parser.parse_args()
    path = RESULTS / f"many_machines_{args.name or args.what}.md"
    now = datetime.now(UTC).date().isoformat()
    with path.open("w", encoding="utf-8") as out:
        heading = f"# Many machines: {args.name or args.what}\n\n{now}, Python {platform.python_version()}\n"
        out.write(heading + "\n")
        for line in {"money": money, "speed": speed, "size": size}[args.what](args):
            print(line, flush=True)
            out.write(line + "\n")
            out.flush()


if __name__ == "__main__":
    main()
