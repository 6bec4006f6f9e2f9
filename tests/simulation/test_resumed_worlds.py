"""Worlds of waits with a journal: runs are killed, left, stopped and impatient, and the next one goes on.

Whatever happens: a job is paid for once, and every leave to pay again is used once; an accepted job ends once, as the
gateway's book has it; an ending that was told is told again as it was, and is not asked for; no look makes a create.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from random import Random
from typing import Any

import pytest
from attrs import define, field
from multidict import CIMultiDict
from yarl import URL

from lipsync_async import CHAINHUB, Following, Result
from lipsync_async.endings import Ended, FailureKind, Succeeded, TaskFailed
from lipsync_async.journal import InlineJournal
from lipsync_async.outcomes import Rejected
from lipsync_async.task_results import job_id
from lipsync_async.tasks import fates
from lipsync_async.tasks.again import MOST_AGAIN
from lipsync_async.tasks.fates import Sign
from lipsync_async.tasks.planner import Planner
from lipsync_async.tasks.taskbook import Taskbook
from lipsync_async.tasks.ties import Ties
from lipsync_async.tasks.waiting import Waiting
from lipsync_async.terms import Failure, Kind, Phase, Reply, TaskStatus
from lipsync_async.wire import TaskReply, read_reply, read_task
from tests.amounts import how_many
from tests.makers import request
from tests.simulation.replies import EPOCH
from tests.simulation.stand import CrashingStore, GroupJournal, SimClient
from tests.simulation.virtual import Crash, VirtualLoop

WORLDS = int(os.environ.get("LIPSYNC_WORLDS") or how_many(80))
RARE = 255
"""A world in which a job fails so often that `submit_again_without_end` shows."""
SEEDS = range(800)
"""Looked through for a planted bug, until the first that complains."""
REASONS = {"": None, "parallel task over resource pack limit": "capacity", "no face": "media", "任务超时": "gateway"}
"""What a task ends with, and the kind of failure that it is; the first is no failure."""


_BAD = (Rejected(external_task_id="bad", kind=Kind.INVALID_REQUEST),)
"""What a run tells of it that has the list; a journal's tasks have none of it."""
TOLD = ("name", "reason", "video_url", "units")


@define
class Task:
    """A task in the gateway's book."""

    task_id: str
    born: float
    ends: float
    reason: str


@define
class Book:
    """A gateway as a wire, which outlives the runs."""

    dice: Random
    trouble: float
    lost: float
    """The share of creates whose reply is lost."""
    freshness: float
    tasks: dict[str, Task] = field(factory=dict)
    """By external id."""
    creates: Counter[str] = field(factory=Counter)
    over: set[str] = field(factory=set)
    """Tasks whose end was told in a run that is over."""
    silent: bool = False
    """Only looks are expected."""
    dead: bool = False
    faults: list[str] = field(factory=list)

    def watching(self, _: Any) -> AbstractContextManager[None]:
        """No deadlines here."""
        return nullcontext()

    async def list_tasks(self, *_: Any) -> None:
        """There is none."""

    async def has_video(self, *_: Any) -> bool:
        """None is there."""
        return False

    async def post(self, _url: URL, _headers: CIMultiDict[str], body: Any, _flight: Any) -> Reply | Failure:
        """A create: made, refused, or made and its reply lost."""
        assert not self.dead
        name = json.loads(body.head + body.tail)["external_task_id"]
        await asyncio.sleep(self.dice.choice((0.01, 0.2, 2.0)))
        if self.dice.random() < self.trouble:
            return read_reply(429, {"Retry-After": "2"}, b'{"code": 1302, "message": "too fast"}')
        if name.endswith("bad"):
            return read_reply(400, {}, b'{"code": 1200, "message": "bad"}')
        if self.silent:
            self.faults.append(f"{name} was sent by a run that only waits")
        self.creates[name] += 1
        now = asyncio.get_running_loop().time()
        reason = self.dice.choice(tuple(REASONS)) if self.dice.random() < 0.4 else ""
        self.tasks.setdefault(name, Task(f"task-{name}", now, now + self.dice.uniform(0.0, 300.0), reason))
        if self.dice.random() < self.lost:
            return Failure(kind=Kind.CONNECTION, phase=Phase.SENT)
        await asyncio.sleep(self.dice.choice((0.0, 0.1, 1.0)))
        return read_reply(200, {}, self._told(name, "submitted"))

    async def get_task(self, url: URL, _headers: CIMultiDict[str], _flight: Any) -> TaskReply | Failure:
        """A look, by either id."""
        assert not self.dead
        name, now = url.name.removeprefix("task-"), asyncio.get_running_loop().time()
        if url.name in self.over:
            self.faults.append(f"{url.name} was asked for after its end was told")
        await asyncio.sleep(self.dice.choice((0.01, 0.3, 3.0)))
        if self.dice.random() < self.trouble:
            return self._trouble()
        task = self.tasks.get(name)
        if task is None:
            return read_task(404, {}, b'{"code": 1203, "message": "task not exist"}')
        shown = math.ceil(task.ends / self.freshness) * self.freshness if self.freshness else task.ends
        status = "processing" if now < shown else "failed" if task.reason else "succeed"
        return read_task(200, {}, self._told(name, status))

    def _told(self, name: str, status: str) -> bytes:
        task = self.tasks[name]
        told: dict[str, Any] = {
            "task_id": task.task_id,
            "task_status": status,
            "task_info": {"external_task_id": name},
            "created_at": 1000 * (EPOCH + task.born),
        }
        if status == "succeed":
            told["task_result"] = {"videos": [{"url": f"https://cdn.example/{name}.mp4", "duration": "5"}]}
        elif status == "failed":
            told["task_status_msg"] = task.reason
        return json.dumps({"code": 0, "message": "SUCCEED", "data": told}).encode()

    def _trouble(self) -> TaskReply | Failure:
        status = self.dice.choice((0, 401, 403, 429, 500, 200))
        if not status:
            return Failure(kind=Kind.TIMEOUT, phase=Phase.SENT)
        return read_task(status, {}, b"<html>a page</html>")


class World:
    """One seed's gateway, journal and lives."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = Random(f"resumed-{seed}")
        self.book = Book(
            Random(f"book-{seed}"),
            trouble=dice.choice((0.0, 0.05, 0.2)),
            lost=dice.choice((0.0, 0.1, 0.3)),
            freshness=dice.choice((0.0, 15.0, 60.0)),
        )
        self.faults = self.book.faults
        self.names = [f"job-{number}" for number in range(dice.choice((1, 4, 25)))] + ["bad"] * (dice.random() < 0.3)
        self.resubmit = dice.choice(((), (), ("capacity",), ("capacity", "gateway")))
        self.in_groups = dice.random() < 0.5
        self.store = CrashingStore(":memory:", gateway=CHAINHUB.base_url)
        self.now = 1000.0
        self.seen: dict[str, Ended] = {}
        """Endings by task, as they were told first."""

    def live(self) -> World:
        """Some lives that end in all kinds of ways, and three that go to their end: each tells the same."""
        for number in range(self.dice.randint(1, 4)):
            kinds = ("submit", "submit", "follow", "plain") if number else ("submit",)
            self._live(self.dice.choice(kinds), calm=False)
        self.book.lost = 0.0
        self.book.trouble *= self.dice.random() < 0.5
        self._check(self._live("submit", calm=True))
        self._check(self._live("plain", calm=True))
        self._check([*self._live("follow", calm=True), *(_BAD if "bad" in self.names else ())])
        self.store.close()
        return self

    def _live(self, kind: str, *, calm: bool) -> list[Result]:
        told: list[Result] = []
        self.store.dead = self.book.dead = False
        self.book.silent = kind == "follow"
        how = "to the end" if calm else self.dice.choice(("killed", "killed", "left", "stopped", "impatient"))
        after = self.dice.uniform(0.0, 250.0)
        loop = VirtualLoop(self.now)
        if how == "killed":
            loop.call_at(self.now + after, self._kill)
        ended = loop.run_until(self._run(kind, how, after, told), self.now + 100_000.0)
        self.now = loop.now
        if not ended and not self.book.dead:
            self.faults.append(f"a {kind} that was to be {how} has no end")
        self.faults += [str(it.get("exception") or it["message"]) for it in loop.complaints if not self.book.dead]
        self._take(told, how)
        return told

    def _kill(self) -> None:
        self.store.dead = self.book.dead = True
        raise Crash

    async def _run(self, kind: str, how: str, after: float, told: list[Result]) -> None:
        journal = GroupJournal(self.store, self.dice) if self.in_groups else InlineJournal(self.store)
        following = Following(
            first_look=self.dice.choice((None, 5.0)), max_queries_per_second=self.dice.choice((2.0, 20.0))
        )
        client = SimClient(
            CHAINHUB, api_key="key", dice=self.dice, wire=lambda: self.book, trust_lookups=True,
            following=following,
        )  # fmt: skip
        timeout = after if how == "impatient" else None
        async with client:
            if kind == "follow":
                stream = client.follow(journal, timeout=timeout)
            else:
                jobs = [request(name, audio_id=name) for name in self.names]
                leave = self.resubmit if kind == "submit" else ()
                stream = client.stream(jobs, wait=True, timeout=timeout, resubmit=leave, journal=journal)
            reading = asyncio.ensure_future(self._read(stream, how, after, told, journal))
            if how == "left":
                asyncio.get_running_loop().call_later(after, reading.cancel)
            await asyncio.wait([reading])
            if not reading.cancelled():
                reading.result()
            told.extend(stream.rest)
        if isinstance(journal, GroupJournal):
            journal.commit()

    async def _read(self, stream: Any, how: str, after: float, told: list[Result], journal: InlineJournal) -> None:
        taskbook = Taskbook(journal)
        async with stream:
            if how == "stopped":
                asyncio.get_running_loop().call_later(after, stream.stop)
            async for result in stream:
                told.append(result)
                if isinstance(result, Ended) and taskbook.ending(result.external_task_id, result.task_id) is None:
                    self.faults.append(f"{result.task_id} was told before it was written down")
                if self.dice.random() < 0.1:
                    await asyncio.sleep(5.0)

    def _take(self, told: list[Result], how: str) -> None:
        """Looks at what one life told."""
        strangers = set(map(job_id, told)) - set(self.names)
        if strangers:
            self.faults.append(f"{sorted(strangers)} were told as jobs")
        for name, count in Counter(map(job_id, told)).items():
            if count > 1:
                self.faults.append(f"{name} was told {count} times")
        for result in told:
            if isinstance(result, Ended):
                for one in (*result.earlier, result):
                    self._compare(one)
            elif result.name == "running" and how == "to the end":
                self.faults.append(f"{result} although nothing ended its wait")
        self.book.over |= set(self.seen)

    def _compare(self, ending: Any) -> None:
        """With the book, and with what was told before."""
        task = self.book.tasks.get(ending.external_task_id or "")
        if task is None or task.task_id != ending.task_id:
            self.faults.append(f"{ending} is of no task")
        elif isinstance(ending, Succeeded):
            if task.reason or ending.video_url != f"https://cdn.example/{ending.external_task_id}.mp4":
                self.faults.append(f"{ending}, and the book has {task}")
        elif not isinstance(ending, TaskFailed) or task.reason != ending.reason or ending.kind != REASONS[task.reason]:
            self.faults.append(f"{ending}, and the book has {task}")
        first = self.seen.setdefault(ending.task_id, ending)
        if any(
            getattr(ending, it, None) != getattr(first, it, None) for it in ("name", "reason", "video_url", "units")
        ):
            self.faults.append(f"{ending}, and before it was {first}")

    def _check(self, told: list[Result]) -> None:
        """After the last life: every job has come out, and was paid for as often as its leave says."""
        results = {job_id(result): result for result in told}
        if set(results) != set(self.names):
            self.faults.append(f"of {self.names} came out {sorted(results)}")
        for name, count in self.book.creates.items():
            if count > 1:
                self.faults.append(f"{name} was paid for {count} times")
        for name, result in results.items():
            chain = list(self._chain(name))
            if name == "bad":
                sound = isinstance(result, Rejected) and not chain
            else:
                sound = isinstance(result, Ended) and [it.task_id for it in (*result.earlier, result)] == chain
            if not sound:
                self.faults.append(f"{name} has the tasks {chain}, and came out {result}")
        known = {f"task-{name}" for name in self.book.creates}
        if known - set(self.seen):
            self.faults.append(f"{sorted(known - set(self.seen))} were never told")

    def _chain(self, name: str) -> Iterator[str]:
        """The tasks that a job must have had."""
        for number in range(MOST_AGAIN + 1):
            task = self.book.tasks.get(f"{name}-r{number}" if number else name)
            if task is None:
                return
            yield task.task_id
            if REASONS[task.reason] not in self.resubmit:
                return


@contextmanager
def quietly() -> Iterator[None]:
    """Thousands of warnings that are to be expected."""
    logger = logging.getLogger("lipsync_async")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def lived(seed: int) -> list[str]:
    """What a world complains of."""
    with quietly():
        return World(seed).live().faults


@pytest.mark.parametrize("seed", range(0, WORLDS, 10))
def test_worlds(seed: int) -> None:
    """Ten worlds each."""
    for one in range(seed, seed + 10):
        assert not (faults := lived(one)), (one, faults[:3])


# -- planted bugs: what the worlds must notice -------------------------------------------------------------------------


def forget_what_failed(patch: pytest.MonkeyPatch) -> None:
    """A task whose look failed is not planned again."""
    again = Planner.again

    def forgetful(self: Planner, task: Any, now: float, *, running: bool) -> None:
        if running:
            again(self, task, now, running=True)

    patch.setattr(Planner, "again", forgetful)


def ask_after_the_end(patch: pytest.MonkeyPatch) -> None:
    """What is on record is asked for all the same."""
    patch.setattr(Waiting, "_on_record", lambda *_: None)


def take_running_for_failed(patch: pytest.MonkeyPatch) -> None:
    """The table of statuses is wrong."""
    patch.setattr(fates, "SIGNS", dict(fates.SIGNS) | {TaskStatus.PROCESSING: Sign.FAILED})


def take_failed_for_running(patch: pytest.MonkeyPatch) -> None:
    """A failed task goes on for ever."""
    patch.setattr(fates, "SIGNS", dict(fates.SIGNS) | {TaskStatus.FAILED: Sign.RUNNING})


def mistake_the_reason(patch: pytest.MonkeyPatch) -> None:
    """The table of reasons has capacity for the gateway's own trouble."""
    patch.setattr("lipsync_async.tasks.fates.REASONS", fates.REASONS[1:])


def lose_at_once(patch: pytest.MonkeyPatch) -> None:
    """A refused key is taken for a missing task, and one not-found for a proof."""
    patch.setattr(fates, "STATUS_SIGNS", {**fates.STATUS_SIGNS, 401: Sign.MISSING})
    patch.setattr("lipsync_async.tasks.fates.Absence.heard", lambda *_, **__: True)


def tell_before_it_is_written(patch: pytest.MonkeyPatch) -> None:
    """An ending is told at once."""

    def settle(book: Taskbook, ending: Ended, external_task_id: str, told: Any) -> None:
        told()
        keep(book, ending, external_task_id, lambda: None)

    keep = Taskbook.settle
    patch.setattr(Taskbook, "settle", settle)


def submit_again_without_end(patch: pytest.MonkeyPatch) -> None:
    """There is no most."""
    patch.setattr("lipsync_async.tasks.again.MOST_AGAIN", 99)


def submit_again_whatever_failed(patch: pytest.MonkeyPatch) -> None:
    """Media and content as well."""
    patch.setattr("lipsync_async.tasks.fates.kind_of", lambda _: FailureKind.CAPACITY)


def forget_whose_it_is(patch: pytest.MonkeyPatch) -> None:
    """A second submission is a job of its own to whoever has the journal alone."""
    patch.setattr(Taskbook, "ties", lambda _: Ties())


def forget_the_second_task(patch: pytest.MonkeyPatch) -> None:
    """A run without leave takes the first failure for the end."""
    patch.setattr(Taskbook, "tied", lambda *_: None)


PLANTS = (
    forget_what_failed, ask_after_the_end, take_running_for_failed, take_failed_for_running, mistake_the_reason,
    lose_at_once, tell_before_it_is_written, submit_again_without_end, submit_again_whatever_failed,
    forget_whose_it_is, forget_the_second_task,
)  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.__name__ for plant in PLANTS])
def test_a_planted_bug_is_caught(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some world complains; of some bugs only a few do."""
    assert not any(lived(seed) for seed in range(3))
    plant(monkeypatch)
    assert any(map(lived, (RARE, *SEEDS)))
