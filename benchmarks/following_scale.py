"""A hundred thousand followed tasks in one process: memory, CPU seconds and queries.

Virtual time (the loop's clock jumps), and a stub for the network, which answers with the platform's own bytes: a
query costs what planning, reading and judging cost, and no HTTP.
All tasks are created at once and take 60 to 180 s.
Every figure comes from a process of its own.
Memory: resident, over what the process had before; what following adds is judged.
`wait`: a journal of tasks that were accepted an hour ago is resumed by `client.follow`, and every ending is written
to it; the first query counts from the opening of the journal, by the real clock.
`wait, told again`: all endings are on record.

    python benchmarks/following_scale.py [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager, nullcontext
from email.utils import formatdate
from pathlib import Path
from typing import Any

import attrs
from yarl import URL

if __name__ == "__main__":  # run as a script: the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _child
from benchmarks._pairs import table, verdict
from benchmarks._work import generated
from benchmarks.memory import resident
from lipsync_async import CHAINHUB, Accepted, Following, Limits, LipSyncClient
from lipsync_async.dispatch.jobbook import accepted_of
from lipsync_async.dispatch.queries import PAGE
from lipsync_async.journal import Journal, Record, State, Store
from lipsync_async.terms import Reply
from lipsync_async.wire.tasks import TaskReply, read_task, read_task_list
from tests.loopback import hurried

COUNT = 100_000
FAIL, GOAL = (60.0,), (45.0,)
"""MB that following adds."""
EPOCH = 1_700_000_000.0
NOWHERE = CHAINHUB.at("http://127.0.0.1:9")
KEPT, READ = "stream, outcomes kept", "a journal, outcomes kept"
AGE = 3600.0
"""Seconds of the tasks of a journal."""
FIRST = 860_000_000_000_000_000
"""The first task id."""


@attrs.frozen
class Figures:
    """What one process saw."""

    tasks: int
    memory: float
    """MB at most."""
    seconds: float
    """Of CPU."""
    looks: int
    hours: float
    """Of virtual time, from the first create to the last ending."""
    first: float = math.nan
    """Real seconds from the opening of the journal to the first query."""


class Gateway:
    """Tasks that are made out of their numbers, so that the model itself needs no memory for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int, age: float) -> None:
        self._loop = loop
        self._count = count
        self._sent = 0
        self._date = (0, "")
        self._born = loop.time() - age
        self.queries = 0
        self.asked = asyncio.Event()

    def watching(self, _flight: object) -> nullcontext[None]:  # noqa: D102 - told by `queries.Wire`
        return nullcontext()

    async def post(self, *_: object) -> Reply:  # noqa: D102
        await asyncio.sleep(0)
        self._sent += 1
        return Reply(status=200, success=True, code=0, task_id=str(FIRST + self._sent), request_id="request")

    async def get_task(self, url: URL, *_: object) -> TaskReply:  # noqa: D102
        self._ask()
        await asyncio.sleep(0)
        row = self._row(int(url.name) - FIRST)
        return read_task(200, self._headers(), b'{"code":0,"message":"SUCCEED","request_id":"r","data":%b}' % row)

    async def list_tasks(self, url: URL, *_: object) -> list[TaskReply] | None:  # noqa: D102
        self._ask()
        await asyncio.sleep(0)
        newest = self._count - (int(url.query["pageNum"]) - 1) * PAGE
        rows = b",".join(map(self._row, range(newest, max(0, newest - PAGE), -1)))
        return read_task_list(
            200, self._headers(), b'{"code":0,"message":"SUCCEED","request_id":"r","data":[%b]}' % rows
        )

    async def has_video(self, *_: object) -> bool:  # noqa: D102
        raise AssertionError("every task that ends has its video")

    def _ask(self) -> None:
        self.queries += 1
        self.asked.set()

    def _headers(self) -> dict[str, str]:
        second = int(self._loop.time())
        if second != self._date[0]:
            self._date = second, formatdate(EPOCH + second, usegmt=True)
        return {"Content-Type": "application/json", "Date": self._date[1]}

    def _row(self, number: int) -> bytes:
        """A task as the platform tells it."""
        ends = self._born + 60.0 + 120.0 * (number * 0.6180339887 % 1.0)
        state: dict[str, Any] = {"task_id": str(FIRST + number), "task_status": "processing", "task_status_msg": ""}
        state["task_info"] = {"parent_video": {"id": "p", "url": "https://cdn.example.com/p.mp4", "duration": "5.1"}}
        changed = self._born
        if self._loop.time() >= ends:
            changed, url = ends, f"https://cdn.example.com/kling/{FIRST + number}.mp4"
            videos = [{"id": "v", "url": url, "duration": "5.1"}]
            state |= {"task_status": "succeed", "task_result": {"videos": videos}, "final_unit_deduction": "0.5"}
        state |= {"created_at": int((EPOCH + self._born) * 1000), "updated_at": int((EPOCH + changed) * 1000)}
        return json.dumps(state, separators=(",", ":")).encode()


@asynccontextmanager
async def _client(
    count: int, rate: float, *, lists: bool = False, age: float = 0.0
) -> AsyncIterator[tuple[LipSyncClient, Gateway]]:
    loop = asyncio.get_running_loop()
    profile = attrs.evolve(NOWHERE, lists_tasks=lists)
    limits = Limits(initial_per_second=1e6)
    following = Following(max_queries_per_second=rate)
    async with LipSyncClient(profile, api_key="k", limits=limits, following=following) as client:
        account: Any = client._account  # noqa: SLF001 - no network here
        account.wire = account.queries._wire = gateway = Gateway(loop, count, age)  # noqa: SLF001
        account.wall_clock = lambda: EPOCH + loop.time()
        yield client, gateway


class _Meter:
    """Memory, CPU and time since it was made."""

    def __init__(self) -> None:
        gc.collect()
        self._before, self._cpu = resident(), time.process_time()
        self._begun = asyncio.get_running_loop().time()

    def figures(self, tasks: int, looks: int) -> Figures:
        cpu = time.process_time() - self._cpu
        virtual = asyncio.get_running_loop().time() - self._begun
        return Figures(tasks, resident(peak=True) - self._before, cpu, looks, virtual / 3600.0)


# -- what is measured -----------------------------------------------------------------------------------------------


async def _waited(count: int, rate: float) -> Figures:
    """`wait_many` with outcomes that the caller has."""
    given = [
        Accepted(external_task_id=f"job-{number:08d}", task_id=str(FIRST + number), created_at=EPOCH + 1000.0)
        for number in range(1, count + 1)
    ]
    async with _client(count, rate) as (client, gateway):
        meter = _Meter()
        results = await client.wait_many(given)
        return meter.figures(len(results.succeeded), gateway.queries)


async def _streamed(count: int, rate: float) -> Figures:
    """`stream(wait=True)` of jobs that are made when asked for; results are read and let go."""
    async with _client(count, rate) as (client, gateway):
        meter, told = _Meter(), 0
        async with client.stream(generated(count), wait=True) as results:
            async for result in results:
                told += result.name == "succeeded"
        return meter.figures(told, gateway.queries)


async def _submitted(count: int, rate: float) -> Figures:
    """The same without waiting; the outcomes are kept, for a result tells its job's."""
    async with _client(count, rate) as (client, gateway):
        meter, kept = _Meter(), list[object]()
        async with client.stream(generated(count)) as outcomes:
            async for outcome in outcomes:
                kept.append(outcome)
        return meter.figures(len(kept), gateway.queries)


async def _resumed(count: int, rate: float, path: str, lists: bool) -> Figures:
    """`client.follow` of a journal, as `wait` does it."""
    async with _client(count, rate, lists=lists, age=AGE) as (client, gateway):
        meter, told = _Meter(), 0
        async with (
            await Journal.open(path, gateway=NOWHERE.base_url) as journal,
            client.follow(journal) as results,
        ):
            async for result in results:
                told += result.name == "succeeded"
        return meter.figures(told, gateway.queries)


async def _read(count: int, _rate: float, path: str, _lists: bool) -> Figures:
    """The journal's outcomes are read and kept, for each task's ending tells them; nothing is asked."""
    meter = _Meter()
    async with await Journal.open(path, gateway=NOWHERE.base_url) as journal:
        kept = [accepted_of(record, record.line) for record in journal.records_of([State.ACCEPTED])]
        assert len(kept) == count
    return meter.figures(len(kept), 0)


async def _first_query(count: int, rate: float, path: str, lists: bool) -> Figures:
    """The same until something is asked."""
    async with _client(count, rate, lists=lists, age=AGE) as (client, gateway):
        meter, begun = _Meter(), time.perf_counter()
        async with await Journal.open(path, gateway=NOWHERE.base_url) as journal, client.follow(journal):
            await gateway.asked.wait()
            first = time.perf_counter() - begun
        return attrs.evolve(meter.figures(count, gateway.queries), first=first)


def _write_journal(path: str, count: int) -> None:
    store = Store(path, gateway=NOWHERE.base_url)
    for begin in range(1, count + 1, 1000):
        store.write([_record(number) for number in range(begin, min(begin + 1000, count + 1))])
    store.close()


def _record(number: int) -> Record:
    at = EPOCH + 1000.0 - AGE
    return Record(
        external_task_id=f"job-{number:08d}",
        fingerprint=number.to_bytes(16, "big"),
        state=State.ACCEPTED,
        attempts=1,
        first_intent_at=at,
        last_intent_at=at,
        line=number,
        core=number.to_bytes(16, "little"),
        key=b"12345678",
        task_id=str(FIRST + number),
        task_status="submitted",
        http_status=200,
        request_id=f"5f0e4a53-{number:08d}-9a0e-3f7b6f2c9a11",
    )


WAYS: dict[str, Any] = {
    "waited": _waited,
    "streamed": _streamed,
    "submitted": _submitted,
    "resumed": _resumed,
    "first_query": _first_query,
    "read": _read,
}


def child(way: str, count: int, *arguments: Any) -> dict[str, float]:
    """In a process of its own; a few tasks go first, for what is loaded and cached once is not growth."""
    run = asyncio.run if way == "first_query" else _hurry
    run(WAYS[way](*_smaller(way, arguments)))
    return attrs.asdict(run(WAYS[way](count, *arguments)))


def _smaller(way: str, arguments: Iterable[Any]) -> tuple[Any, ...]:
    """The same with a journal of its own for the few."""
    few, given = 300, list(arguments)
    if len(given) > 1:
        given[1] = f"{given[1]}.few-{way}"
        if not Path(given[1]).exists():
            _write_journal(given[1], few)
    return (few, *given)


def _hurry(coroutine: Coroutine[Any, Any, Figures]) -> Figures:
    hurried.GLANCES = 0  # there are no sockets that the kernel could be about to fill
    with asyncio.Runner(loop_factory=hurried.HurriedLoop) as runner:
        loop: Any = runner.get_loop()
        loop.deadline = math.inf
        return runner.run(coroutine)


# -- the tables -----------------------------------------------------------------------------------------------------


def measured(way: str, count: int, *arguments: Any) -> Figures:
    return Figures(**_child.measured("benchmarks.following_scale", "child", way, count, *arguments))


def measure(count: int) -> dict[str, Figures]:
    """One process after the other."""
    found = {
        KEPT: measured("submitted", count, 1000.0),
        "stream(wait=True), 1000 looks/s": measured("streamed", count, 1000.0),
        "wait_many, 1000 looks/s": measured("waited", count, 1000.0),
        "wait_many, 10 looks/s": measured("waited", count, 10.0),
    }
    with tempfile.TemporaryDirectory() as directory:
        for lists in (False, True):
            path = f"{directory}/{lists}.db"
            _write_journal(path, count)
            found[READ] = measured("read", count, 10.0, path, lists)
            name = f"wait, 10 looks/s, {'a list' if lists else 'no list'}"
            first = measured("first_query", count, 10.0, path, lists).first
            found[name] = attrs.evolve(measured("resumed", count, 10.0, path, lists), first=first)
        found["wait, told again"] = measured("resumed", count, 10.0, path, lists)
    return found


def _line(name: str, it: Figures, base: float | None, *, judged: bool) -> tuple[str, ...]:
    added = "-" if base is None else f"{it.memory - base:.0f}"
    if base is not None and judged:
        added += f" ({verdict((it.memory - base,), FAIL, GOAL)})"
    cost = f"{1e6 * it.seconds / it.looks:.0f}" if it.looks else "-"
    first = "-" if math.isnan(it.first) else f"{it.first:.2f}"
    return (name, f"{it.memory:.0f}", added, f"{it.seconds:.1f}", f"{it.looks:,}", cost, f"{it.hours:.2f}", first)


HEAD = ("way", "MB", "of following", "CPU s", "queries", "CPU µs a query", "virtual hours", "s to the first query")


def render(found: dict[str, Figures]) -> str:
    """All ways, as Markdown."""
    count = max(it.tasks for it in found.values())
    bases = {"stream(": found[KEPT].memory, "wait,": found[READ].memory}
    lines = []
    for name, it in found.items():
        base = next((base for word, base in bases.items() if name.startswith(word) and it.looks), None)
        lines.append(_line(name, it, base, judged=count >= COUNT))
    notes = (
        f"*Of following*: fail line {FAIL[0]:g} MB, goal {GOAL[0]:g}; over the outcomes, which endings tell, too.",
        "`wait_many` keeps every ending and its video until all are known.",
    )
    return table(f"{count:,} tasks in one process", HEAD, lines, *notes)


def run(quick: bool = False) -> str:
    return render(measure(500 if quick else COUNT))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="fewer tasks")
    print(run(parser.parse_args().quick))


if __name__ == "__main__":
    main()
