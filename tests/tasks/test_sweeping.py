"""The list of tasks: what it tells of is not asked for, and what it does not tell of is, one by one."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from attrs import define, field
from yarl import URL

from lipsync_async import CHAINHUB, KLING, Following, Gateway, Limits, RetryPolicy
from lipsync_async.dispatch.account import Account
from lipsync_async.dispatch.pacing import Pacer
from lipsync_async.endings import Ending, StillRunning
from lipsync_async.tasks.follower import Follower
from lipsync_async.tasks.sweeping import FROM, MOST_IN_VAIN, REST, may_be_in_vain
from lipsync_async.tasks.waiting import Waiting
from lipsync_async.tasks.wanted import Wanted
from lipsync_async.wire import TaskReply, read_task
from lipsync_async.wire.credential import Credential
from tests.simulation import virtual
from tests.simulation.replies import EPOCH

ROWS = 10
"""Of a page."""


@define
class Book:
    """A gateway's tasks and its list, as a wire; a task that is in `running` has not ended."""

    names: list[str] = field(factory=list)
    """As the list has them."""
    running: set[str] = field(factory=set)
    broken_from: int = 10**6
    """The first page that cannot be read."""
    pages: list[tuple[float, int]] = field(factory=list)
    asked: Counter[str] = field(factory=Counter)
    open_pages: int = 0
    latency: float = 0.3
    """Seconds to every answer."""

    def watching(self, _: Any) -> AbstractContextManager[None]:
        """No deadlines here."""
        return nullcontext()

    async def list_tasks(self, url: URL, *_: Any) -> list[TaskReply] | None:
        """A page."""
        number = int(url.query["pageNum"])
        self.pages.append((asyncio.get_running_loop().time(), number))
        self.open_pages += 1
        assert self.open_pages == 1, "two sweeps at once"
        await asyncio.sleep(self.latency)
        self.open_pages -= 1
        if number >= self.broken_from:
            return None
        return [self._row(name) for name in self.names[(number - 1) * ROWS : number * ROWS]]

    async def get_task(self, url: URL, *_: Any) -> TaskReply:
        """One look."""
        self.asked[url.name] += 1
        await asyncio.sleep(self.latency)
        return self._row(url.name)

    async def has_video(self, *_: Any) -> bool:
        """None is there."""
        return False

    async def post(self, *_: Any) -> Any:
        """No look makes a create."""
        raise AssertionError

    def _row(self, name: str) -> TaskReply:
        status = "processing" if name in self.running else "failed"
        body = f'{{"code": 0, "message": "SUCCEED", "data": {{"task_id": "{name}", "task_status": "{status}"}}}}'
        return read_task(200, {}, body.encode())


def swept(
    book: Book,
    followed: list[str],
    *,
    patience: float | None = None,
    gateway: Gateway = KLING,
    spread: float = 0.01,
    rate: float = 10.0,
) -> tuple[dict[str, Ending], float]:
    """The endings of the tasks that were followed, an hour old, and how long it took.

    `spread`: seconds over which their first looks are spread; the first task is asked for before others are due.
    `rate`: looks a second.
    """

    async def main() -> tuple[dict[str, Ending], float]:
        loop = asyncio.get_running_loop()
        wire: Any = book
        account = Account(
            gateway, wire, Credential("key"), Pacer(Limits()), RetryPolicy(), wall_clock=lambda: EPOCH + loop.time()
        )
        follower, begun = Follower(account, Following(max_queries_per_second=rate, closest=spread)), loop.time()
        endings: dict[str, Ending] = {}
        waiting = Waiting(follower, lambda it: endings.__setitem__(it.task_id, it))
        for name in followed:
            waiting.add(Wanted(task_id=name, created_at=EPOCH + begun - 3600.0))
        try:
            await waiting.finish(patience)
        finally:
            waiting.leave()
            await follower.aclose()
        assert follower.statistics().looks == len(book.pages) + book.asked.total()
        return endings, loop.time() - begun

    return virtual.run(main())


def names(count: int, word: str = "task") -> list[str]:
    """As many task ids."""
    return [f"{word}-{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("missing", "pages"), [(0, 1), (19, 1), (20, 2), (199, 19), (200, MOST_IN_VAIN), (10**6, MOST_IN_VAIN)]
)
def test_pages_in_vain_spare_ten_looks_each(missing: int, pages: int) -> None:
    """At least one, at most twenty."""
    assert may_be_in_vain(missing) == pages


def test_a_list_of_any_length_spares_all_looks() -> None:
    """Sixty pages in no order tell of six hundred tasks; hardly one is asked for by itself."""
    book = Book(names=Random(1).sample(names(600), 600))
    endings, seconds = swept(book, names(600))
    assert len(endings) == 600
    assert book.asked.total() < FROM
    assert seconds < 60.0


def test_few_tasks_are_asked_for_one_by_one() -> None:
    """A page costs a look, too."""
    book = Book(names=names(FROM - 1))
    endings, _ = swept(book, names(FROM - 1))
    assert len(endings) == FROM - 1
    assert book.pages == []


def test_a_gateway_without_a_list_is_not_asked_for_one() -> None:
    """Whatever is due."""
    book = Book(names=names(200))
    assert len(swept(book, names(200), gateway=CHAINHUB)[0]) == 200
    assert book.pages == []
    assert book.asked.total() == 200


def test_what_the_list_does_not_tell_of_is_asked_for() -> None:
    """Others' tasks fill it: the sweep ends when it spares too little, and is not repeated soon."""
    book = Book(names=names(5000, "other"))
    endings, _ = swept(book, names(155))
    assert len(endings) == 155
    assert all(book.asked[name] == 1 for name in names(155))
    assert [number for _, number in book.pages] == list(range(1, may_be_in_vain(155) + 1))


def test_a_sweep_in_vain_is_repeated_after_a_rest() -> None:
    """The tasks run on, and a list that told of none may tell of them later."""
    book = Book(names=names(5000, "other"), running=set(names(150)))
    endings, _ = swept(book, names(150), patience=300.0, rate=1.0)
    assert {type(it) for it in endings.values()} == {StillRunning}
    begins = [at for at, number in book.pages if number == 1]
    assert 3 <= len(begins) <= 5
    assert all(later - earlier >= REST for earlier, later in pairwise(begins))


@pytest.mark.parametrize("page", [1, 3])
def test_a_list_that_cannot_be_read_ends_nothing(page: int) -> None:
    """What it told of counts, and the rest is asked for."""
    book = Book(names=names(150), broken_from=page)
    endings, _ = swept(book, names(150))
    assert len(endings) == 150
    assert book.asked.total() == 150 - (page - 1) * ROWS


def test_an_error_in_a_sweep_ends_nothing() -> None:
    """Whatever it is."""

    class Failing(Book):
        async def list_tasks(self, *_: Any) -> list[TaskReply] | None:
            """Never a page."""
            self.pages.append((0.0, 1))
            raise RuntimeError("the key cannot be had")

    book = Failing(names=names(100))
    endings, _ = swept(book, names(100))
    assert len(endings) == 100
    assert book.asked.total() == 100


def test_a_row_of_a_task_that_runs_is_a_look() -> None:
    """It is planned again from its age, and not asked for by itself."""
    book = Book(names=names(100), running=set(names(100)))
    endings, _ = swept(book, names(100), patience=55.0)
    assert {type(it) for it in endings.values()} == {StillRunning}
    assert all(isinstance(it, StillRunning) and it.state is not None for it in endings.values())
    assert book.asked.total() <= 1


def test_what_falls_due_during_a_sweep_is_told_by_it() -> None:
    """First looks are spread over ten seconds; a sweep of a hundred pages is under way for longer."""
    book = Book(names=names(1000))
    endings, _ = swept(book, names(1000), spread=10.0)
    assert len(endings) == 1000
    assert book.asked.total() < 2 * FROM
    assert [number for _, number in book.pages].count(1) <= 2


def test_a_wait_that_is_left_in_a_sweep_is_not_asked_for_again() -> None:
    """Patience ends while the list is looked through."""
    book = Book(names=names(5000, "other"), running=set(names(150)))
    endings, _ = swept(book, names(150), patience=2.0)
    assert len(endings) == 150
    assert book.asked.total() <= 1


@pytest.mark.parametrize(("latency", "rate", "seconds"), [(3.5, 50.0, 11.5), (8.0, 50.0, 20.0), (7.5, 2.0, 207.0)])
def test_slow_answers_do_not_slow_the_looks(latency: float, rate: float, seconds: float) -> None:
    """Up to four seconds to an answer; then two hundred looks, or sixteen, are out at once."""
    book = Book(names=names(400), latency=latency)
    endings, took = swept(book, names(400), gateway=CHAINHUB, rate=rate)
    assert len(endings) == 400
    assert took == pytest.approx(seconds, abs=1.0)
