"""Several processes at one account behind nginx: without a store, with one in a file, and with one in Redis.

Each process is a real one, with a client of its own; all begin at the same moment, and have as many jobs each.
Time is that of the last to end, over the ideal; Jain's index is taken when the first has ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import attrs

from benchmarks import _child
from benchmarks._pairs import table
from benchmarks._server import NGINX_REPLY, MissingError, free_port, nginx, program, serving
from benchmarks._work import TEMPLATE
from lipsync_async import Event, LipSyncClient

LIMITED = """
limit_req_zone $server_port zone=all:1m rate={rate}r/s;
server {{ listen unix:{folder}/backend.sock; location / {{ return 200 '{reply}'; }} }}
server {{
  listen 127.0.0.1:{port} backlog=4096; error_page 429 @refused;
  location / {{ limit_req zone=all {burst}; limit_req_status 429; proxy_pass http://unix:{folder}/backend.sock; }}
  location @refused {{ add_header Retry-After 1 always; return 429 '{{"message": "too many requests"}}'; }}
}}
"""
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
READY = 8.0
"""Seconds from the start of the processes to their first job."""
RUNS, AT_ONCE = 5, 3


@attrs.frozen(kw_only=True)
class Case:
    """One line of the table."""

    name: str
    store: str = ""
    """"": none; "file", "redis"."""
    seats: int = 4
    jobs: int = 200
    """Of each process."""
    rate: int = 20
    burst: int = 10
    runs: int = RUNS
    clock_ahead: bool = False
    kill_at: float | None = None
    away: tuple[float, float | None] | None = None
    """When the store goes, and when it is back, empty."""
    together: bool = False
    """All seats are clients in one process."""
    delay: float = 0.0
    """Seconds that are added to each exchange."""


@attrs.define
class Result:
    """What one run came to."""

    time: float
    refused: float
    jain: float
    cpu: float
    """Milliseconds a job."""
    worst_gap: float = 0.0
    """Seconds in which nobody was accepted, at most."""


# -- in a process of its own ---------------------------------------------------------------------------------------


async def _one(port: int, jobs: int, shared: str | None, name: str, begin: float, delay: float) -> dict[str, Any]:
    sent, accepted = 0, []

    def count(event: Event) -> None:
        nonlocal sent
        if event.name == "attempt":
            sent += 1
            if event.action == "accept":
                accepted.append(time.monotonic())

    client = LipSyncClient(f"http://127.0.0.1:{port}", api_key="k" * 20, observer=count, shared=shared)
    if delay:
        _slow_down(client, delay)
    async with client:
        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        began, before = time.monotonic(), time.process_time()
        work = [TEMPLATE.external_task_id(f"{name}-{number}").build() for number in range(jobs)]
        result = await client.submit_many(work)
        cpu = time.process_time() - before
    return {"sent": sent, "accepted": accepted, "began": began, "cpu": cpu, "done": len(result.accepted)}


def _slow_down(client: LipSyncClient, delay: float) -> None:
    store = client._sharing._store  # noqa: SLF001 - a longer way to the store, for a measurement
    exchange = store.exchange

    async def slow(report: Any) -> Any:
        await asyncio.sleep(delay / 2)
        grant = await exchange(report)
        await asyncio.sleep(delay / 2)
        return grant

    store.exchange = slow


async def worker(
    port: int, jobs: int, shared: str | None, name: str, begin: float, delay: float, clients: int
) -> list[dict[str, Any]]:
    """What each client of one process did."""
    todo = (_one(port, jobs, shared, f"{name}-{number}", begin, delay) for number in range(clients))
    return list(await asyncio.gather(*todo))


# -- around them ---------------------------------------------------------------------------------------------------


@contextmanager
def gateway(case: Case) -> Iterator[int]:
    port = free_port()
    burst = f"burst={case.burst} nodelay" if case.burst else ""
    with tempfile.TemporaryDirectory() as folder:
        body = LIMITED.format(rate=case.rate, folder=folder, port=port, burst=burst, reply=NGINX_REPLY)
        with nginx(body, port=port):
            yield port


@contextmanager
def redis(port: int) -> Iterator[None]:
    path = program("redis-server", "apt-get install redis-server")
    with tempfile.TemporaryDirectory() as folder:
        words = [path, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        with serving(words, port):
            yield


class Store:
    """The store of one run, which may go and come back."""

    def __init__(self, case: Case, stack: ExitStack) -> None:
        self.address: str | None = None
        self._stack, self._inner = stack, ExitStack()
        if case.store == "file":
            self.address = f"file:{stack.enter_context(tempfile.TemporaryDirectory(dir=_memory()))}"
        elif case.store == "redis":
            self._port = free_port()
            self.address = f"redis://127.0.0.1:{self._port}/0"
            self._inner.enter_context(redis(self._port))
            stack.callback(self._inner.close)

    def go(self) -> None:
        """The server is killed."""
        self._inner.close()

    def come_back(self) -> None:
        """There is a new one, which knows nothing."""
        self._inner.enter_context(redis(self._port))


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _start(case: Case, port: int, store: str | None, name: str, begin: float) -> subprocess.Popen[str]:
    clients = case.seats if case.together else 1
    words = (port, case.jobs, store, name, begin, case.delay, clients)
    command = _child.command(__name__ if __name__ != "__main__" else "benchmarks.sharing", "worker", *words)
    environment = dict(os.environ)
    if case.clock_ahead and name == "p0":
        environment |= {"LD_PRELOAD": FAKETIME, "FAKETIME": "+2s", "DONT_FAKE_MONOTONIC": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_child.ROOT, env=environment)


def one_run(case: Case) -> Result:
    """One run of one case."""
    with ExitStack() as stack:
        port = stack.enter_context(gateway(case))
        store = Store(case, stack)
        begin = time.monotonic() + READY + 0.1 * case.seats
        many = 1 if case.together else case.seats
        workers = [_start(case, port, store.address, f"p{number}", begin) for number in range(many)]
        _later(begin, case, store, workers)
        killed = [workers[-1]] if case.kill_at is not None else []
        told = [row for process in workers if process not in killed for row in _child.result(process)]
        for process in killed:
            process.communicate()
    return _figures(case, told)


def _later(begin: float, case: Case, store: Store, workers: list[subprocess.Popen[str]]) -> None:
    if case.kill_at is not None:
        _at(begin + case.kill_at, lambda: workers[-1].send_signal(signal.SIGKILL))
    if case.away is not None:
        gone, back = case.away
        _at(begin + gone, store.go)
        if back is not None:
            _at(begin + back, store.come_back)


def _at(moment: float, what: Callable[[], None]) -> None:
    timer = threading.Timer(max(0.0, moment - time.monotonic()), what)
    timer.daemon = True
    timer.start()


def _figures(case: Case, told: list[dict[str, Any]]) -> Result:
    begin = min(row["began"] for row in told)
    moments = sorted(at for row in told for at in row["accepted"])
    jobs = len(told) * case.jobs
    assert sum(row["done"] for row in told) == jobs
    first = min(row["accepted"][-1] for row in told)
    shares = [sum(at <= first for at in row["accepted"]) for row in told]
    # Jobs of one that was killed were taken as well, and nobody knows how many: about its share until then.
    extra = 0.0 if case.kill_at is None else case.kill_at * case.rate / case.seats
    ideal = (jobs + extra - case.burst - 1) / case.rate
    return Result(
        time=(moments[-1] - begin) / ideal,
        refused=1 - jobs / sum(row["sent"] for row in told),
        jain=sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares)),
        cpu=1000 * sum(row["cpu"] for row in told) / jobs / (case.seats if case.together else 1),
        worst_gap=max((after - before for before, after in pairwise(moments)), default=0.0),
    )


CASES = [
    Case(name="1 process", seats=1, jobs=800, runs=1),
    Case(name="4 processes, no store", runs=1),
    Case(name="4, file", store="file"),
    Case(name="4, Redis", store="redis"),
    Case(name="12, Redis, 50 jobs each", store="redis", seats=12, jobs=50, runs=1),
    Case(name="strict (no burst), 1 process", seats=1, jobs=400, burst=0, runs=1),
    Case(name="strict, 4, no store", jobs=100, burst=0, runs=1),
    Case(name="strict, 4, file", store="file", jobs=100, burst=0),
    Case(name="strict, 4, Redis", store="redis", jobs=100, burst=0),
    Case(name="a clock 2 s ahead, file", store="file", clock_ahead=True, runs=3),
    Case(name="a clock 2 s ahead, Redis", store="redis", clock_ahead=True, runs=3),
    Case(name="Redis away from 8 to 14 s, back empty, 150 jobs each", store="redis", jobs=150, away=(8, 14), runs=3),
    Case(name="Redis gone for good at 8 s, 150 jobs each", store="redis", jobs=150, away=(8, None), runs=3),
    Case(name="kill -9 one of 4 at 10 s, file", store="file", kill_at=10, runs=3),
    Case(name="kill -9 one of 4 at 10 s, Redis", store="redis", kill_at=10, runs=3),
    Case(name="200/s, burst 100, 1 process", seats=1, jobs=3000, rate=200, burst=100, runs=1),
    Case(name="200/s, burst 100, 4, file", store="file", jobs=750, rate=200, burst=100, runs=3),
    Case(name="200/s, burst 100, 4, Redis", store="redis", jobs=750, rate=200, burst=100, runs=3),
    *(
        Case(
            name=f"{seats} clients, Redis, +{1000 * delay:.0f} ms an exchange",
            store="redis", seats=seats, jobs=1000 // seats, delay=delay, together=True, runs=1,
        )
        for seats in (12, 20, 50)
        for delay in (0.0, 0.002, 0.01)
    ),
]  # fmt: skip


def _line(case: Case, results: list[Result]) -> tuple[object, ...]:
    times = [result.time for result in results]
    return (
        case.name,
        len(results),
        f"{median(times):.3f}",
        f"{min(times):.3f}-{max(times):.3f}",
        f"{median(result.refused for result in results):.2%}",
        f"{median(result.jain for result in results):.4f}",
        f"{median(result.cpu for result in results):.2f}",
        f"{median(result.worst_gap for result in results):.1f}",
    )


def run(quick: bool = False, only: str = "") -> str:
    """One line a case."""
    cases = [case for case in CASES if only in case.name]
    if quick:
        cases = [attrs.evolve(case, jobs=max(5, case.jobs // 5), runs=1) for case in cases if case.away is None][:4]
    results: dict[str, list[Result]] = {case.name: [] for case in cases}
    missing: dict[str, str] = {}

    def go(case: Case) -> None:
        try:
            results[case.name].append(one_run(case))
        except MissingError as error:
            missing[case.name] = str(error)
        except RuntimeError as error:  # a run that failed is told, and the others go on
            print(case.name, repr(error), file=sys.stderr, flush=True)
        print(case.name, *results[case.name][-1:], file=sys.stderr, flush=True)

    with ThreadPoolExecutor(AT_ONCE) as crew:
        list(crew.map(go, [case for case in cases for _ in range(case.runs)]))
    lines = [
        (case.name, "skipped", missing[case.name], "", "", "", "", "")
        if case.name in missing
        else (case.name, 0, "failed", "", "", "", "", "")
        if not results[case.name]
        else _line(case, results[case.name])
        for case in cases
    ]
    return table(
        "Several processes at one account behind nginx (20/s, burst 10, 200 jobs each, unless another is named)",
        ("run", "runs", "time over ideal", "from - to", "refused", "Jain", "CPU ms a job", "longest pause, s"),
        lines,
    )


if __name__ == "__main__":
    print(run(only=sys.argv[1] if len(sys.argv) > 1 else ""))
