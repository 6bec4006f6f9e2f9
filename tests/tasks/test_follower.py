"""One loop for all that wait: real sockets in virtual time, and a gateway that is written out in each test."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from lipsync_async import Following, Limits, LipSyncClient
from lipsync_async.endings import StillRunning, Succeeded, TaskFailed
from lipsync_async.errors import (
    ClientClosedError,
    RejectedError,
    TaskError,
    TaskFailedError,
    TaskLostError,
    TaskNotFoundError,
    WaitTimeoutError,
)
from lipsync_async.outcomes import Accepted
from lipsync_async.task_results import TaskResults
from lipsync_async.terms import TaskStatus
from tests.loopback.acts import client
from tests.loopback.hurried import hurry
from tests.loopback.raw import NOT_FOUND, Connection, RawServer, created, reply
from tests.makers import request, requests

URL = "https://cdn.example/1.mp4"
Answer = Callable[[str, float], bytes]
"""The reply to a query, by task id and the loop's time."""


def state(task_id: str, status: str, message: str = "", external: str | None = None) -> bytes:
    """The platform's answer to a query."""
    data: dict[str, Any] = {"task_id": task_id, "task_status": status, "task_status_msg": message}
    if external is not None:
        data["task_info"] = {"external_task_id": external}
    if status == "succeed":
        data |= {"task_result": {"videos": [{"id": "v", "url": URL, "duration": "5.1"}]}, "final_unit_deduction": "1"}
    return reply({"code": 0, "message": "SUCCEED", "request_id": "r", "data": data})


class Book:
    """A gateway's tasks: each ends after its time; `answer` replaces what is said to a query."""

    def __init__(self, seconds: float = 100.0, answer: Answer | None = None) -> None:
        self.seconds = seconds
        self.answer = answer or self.usual
        self.born: dict[str, float] = {}
        self.asked: Counter[str] = Counter()
        self.asked_at: list[float] = []
        self.fail: set[str] = set()
        self.refuse = {"bad"}
        """Jobs that are refused."""

    def usual(self, task_id: str, now: float) -> bytes:
        """What is so."""
        if task_id not in self.born:
            return NOT_FOUND
        if now < self.born[task_id] + self.seconds:
            return state(task_id, "processing")
        if task_id in self.fail:
            return state(task_id, "failed", "no face in the video")
        return state(task_id, "succeed")

    async def __call__(self, connection: Connection) -> None:
        """The script of a connection."""
        loop = asyncio.get_running_loop()
        while got := await connection.request():
            if got.method == "POST":
                name = json.loads(got.body)["external_task_id"]
                if name in self.refuse:
                    await connection.send(reply({"code": 1200, "message": "bad parameter"}, 400))
                    continue
                task_id = f"task-{name}"
                self.born[task_id] = loop.time()
                await connection.send(created(name, task_id))
                continue
            task_id = got.path.split("?")[0].rsplit("/", 1)[1]
            self.asked[task_id] += 1
            self.asked_at.append(loop.time())
            await connection.send(self.answer(task_id, loop.time()))


def play(act: Callable[[LipSyncClient, Any], Any], book: Book | None = None, **options: Any) -> Book:
    """Runs an act with a client of that gateway; what it is given is the book."""
    book = book or Book()

    async def main() -> None:
        async with RawServer(always=book) as server, client(server, **options) as caller:
            await act(caller, book)

    hurry(main())
    return book


def test_one_job_to_its_video() -> None:
    """`run` submits and waits; a handful of looks is enough."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        done = await caller.run(request("a"))
        assert isinstance(done, Succeeded)
        assert (done.task_id, done.external_task_id, done.video_url) == ("task-a", "a", URL)
        assert (done.seconds, done.units) == (5.1, "1")
        assert book.asked["task-a"] <= 9
        assert caller.statistics().live_tasks == 0

    play(act)


def test_a_failed_task_raises() -> None:
    """With the platform's reason."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        book.fail.add("task-a")
        with pytest.raises(TaskFailedError, match="no face in the video") as caught:
            await caller.run(request("a"))
        assert caught.value.kind == "media"
        assert isinstance(caught.value.ending, TaskFailed)

    play(act)


def test_a_job_that_is_refused_is_not_waited_for() -> None:
    """`run` raises what `submit` raises."""

    async def act(caller: LipSyncClient, _: Book) -> None:
        with pytest.raises(RejectedError):
            await caller.run(request("bad"))

    assert not play(act).asked


def test_a_list_to_its_videos_overlapping() -> None:
    """The account takes five at once, so that the others are submitted while the first are waited for."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        book.fail.add("task-job-3")
        results = await caller.run_many([*requests(20), request("bad")])
        assert isinstance(results, TaskResults)
        assert list(results) == [*(f"job-{number}" for number in range(20)), "bad"]
        assert len(results.succeeded) == 19
        assert list(results.failed) == ["job-3"]
        assert list(results.without_task) == ["bad"]
        assert caller.statistics().live_tasks == 0
        begins = sorted(book.born.values())
        assert begins[-1] - begins[0] < 600.0

    play(act, limits=Limits(max_running_tasks=5))


def test_many_waits_share_the_looks() -> None:
    """Fifty requests of a web service that wait for one task cost what one costs."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        task = await caller.submit(request("a"))
        done = await asyncio.gather(*(caller.wait(task) for _ in range(50)))
        assert {it.video_url for it in done} == {URL}
        assert book.asked["task-a"] <= 12

    play(act)


def test_an_ended_task_is_not_asked_for_again() -> None:
    """Its ending is remembered."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        await caller.run(request("a"))
        asked = book.asked["task-a"]
        assert (await caller.wait("task-a")).video_url == URL
        assert book.asked["task-a"] == asked

    play(act)


def test_looks_keep_to_their_rate() -> None:
    """All tasks together, two a second."""

    async def act(caller: LipSyncClient, _: Book) -> None:
        results = await caller.run_many(requests(40))
        assert len(results.succeeded) == 40

    moments = sorted(play(act, following=Following(max_queries_per_second=2.0)).asked_at)
    assert all(later - earlier > 0.4 for earlier, later in pairwise(moments))


def test_a_cancelled_wait_leaves_all_else_alone() -> None:
    """The task goes on, and so does the other wait; where it was the last, nobody asks any more."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        task = await caller.submit(request("a"))
        first, second = (asyncio.ensure_future(caller.wait(task)) for _ in range(2))
        await asyncio.sleep(20.0)
        first.cancel()
        assert (await second).video_url == URL
        with pytest.raises(asyncio.CancelledError):
            await first
        other = await caller.submit(request("b"))
        third = asyncio.ensure_future(caller.wait(other))
        await asyncio.sleep(60.0)
        third.cancel()
        await asyncio.wait([third])
        asked = book.asked["task-b"]
        await asyncio.sleep(500.0)
        assert book.asked["task-b"] == asked

    play(act)


def test_patience_ends_and_the_task_does_not() -> None:
    """The error names the task and is a TimeoutError; a second wait goes on with it."""

    async def act(caller: LipSyncClient, _: Book) -> None:
        task = await caller.submit(request("a"))
        with pytest.raises(TimeoutError) as caught:
            await caller.wait(task, timeout=60.0)
        assert isinstance(caught.value, WaitTimeoutError)
        ending = caught.value.ending
        assert isinstance(ending, StillRunning)
        assert ending.state is not None
        assert ending.state.status is TaskStatus.PROCESSING
        assert ending.waited == pytest.approx(60.0)
        assert caught.value.task_id is not None
        assert (await caller.wait(caught.value.task_id)).video_url == URL

    play(act)


def test_wait_many_keeps_its_order_and_raises_nothing() -> None:
    """A batch's result is taken as it is; what did not end is told as running."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        batch = await caller.submit_many([*requests(3), request("bad")])
        early = await caller.wait_many(batch, timeout=30.0)
        assert list(early) == ["job-0", "job-1", "job-2", "bad"]
        assert len(early.running) == 3
        book.fail.add("task-job-1")
        late = await caller.wait_many([*early.running.values(), "task-job-0"])
        assert list(late.failed) == ["job-1"]
        assert set(late.succeeded) == {"job-0", "job-2"}  # a task that was given twice is one
        assert len(await caller.wait_many([])) == 0

    play(act)


def test_closing_the_client_ends_the_waits() -> None:
    """Whoever waits is told, and the loop is gone."""

    async def main() -> None:
        async with RawServer(always=Book()) as server:
            async with client(server) as caller:
                task = await caller.submit(request("a"))
                waits = [asyncio.ensure_future(caller.wait(task)) for _ in range(3)]
                await asyncio.sleep(50.0)
            for wait in waits:
                with pytest.raises(ClientClosedError, match="go on at the gateway"):
                    await wait
            with pytest.raises(ClientClosedError):
                await caller.wait(task)
        assert not [it for it in asyncio.all_tasks() if it.get_name().startswith("lipsync-")]

    hurry(main())


# -- answers that say nothing -----------------------------------------------------------------------------------------

TROUBLE = {
    "401": reply({"code": 1002, "message": "wrong key"}, 401),
    "403": reply({"code": "insufficient_user_quota", "message": "no"}, 403),
    "429": reply({"code": 1302, "message": "too many requests"}, 429),
    "500": reply({"code": 5000, "message": "server internal error"}, 500),
    "502": reply("<html><title>Bad Gateway</title></html>", 502, kind="text/html"),
    "page": reply("<html>start</html>", 200, kind="text/html"),
    "404": reply({"detail": "Not Found"}, 404),
    "none": NOT_FOUND,
}


@pytest.mark.parametrize("name", TROUBLE)
def test_no_trouble_ends_a_task(name: str) -> None:
    """For ten minutes every look meets it; then the task is seen to have succeeded. Looks grow no denser by it."""
    book = Book()
    begun: list[float] = []

    def answer(task_id: str, now: float) -> bytes:
        begun.append(now)
        return TROUBLE[name] if now < begun[0] + 600.0 else book.usual(task_id, now)

    book.answer = answer

    async def act(caller: LipSyncClient, _: Book) -> None:
        assert (await caller.run(request("a"))).video_url == URL

    play(act, book)
    assert sum(book.asked.values()) < 60


def test_a_refusal_for_rate_slows_no_create() -> None:
    """The looks have a pause of their own."""
    book = Book(answer=lambda *_: TROUBLE["429"])

    async def act(caller: LipSyncClient, _: Book) -> None:
        loop = asyncio.get_running_loop()
        first = await caller.submit(request("a"))
        wait = asyncio.ensure_future(caller.wait(first))
        await asyncio.sleep(300.0)
        begun = loop.time()
        assert isinstance(await caller.submit(request("b")), Accepted)
        assert loop.time() - begun < 1.0
        wait.cancel()

    play(act, book)


def test_a_lost_task() -> None:
    """The gateway forgets it, and finds another that is followed."""
    book = Book(seconds=1e6)

    def answer(task_id: str, now: float) -> bytes:
        return NOT_FOUND if task_id == "task-a" and now > book.born["task-a"] + 100.0 else book.usual(task_id, now)

    book.answer = answer

    async def act(caller: LipSyncClient, _: Book) -> None:
        first, second = await caller.submit(request("a")), await caller.submit(request("b"))
        other = asyncio.ensure_future(caller.wait(second))
        with pytest.raises(TaskLostError, match="finds other tasks"):
            await caller.wait(first)
        other.cancel()

    play(act, book)


def test_without_a_witness_no_task_is_lost() -> None:
    """It stays running until patience ends, and the error says that the gateway does not know it."""
    book = Book(answer=lambda *_: NOT_FOUND)

    async def act(caller: LipSyncClient, _: Book) -> None:
        for timeout in (12.0, 2000.0):  # before it must be stored, and long after
            with pytest.raises(WaitTimeoutError, match="the gateway does not know this task") as caught:
                await caller.wait("task-of-another-day", timeout=timeout)
            assert "goes on" not in str(caught.value)
            assert isinstance(caught.value.ending, StillRunning)
            assert caught.value.ending.missing

    play(act, book)


@pytest.mark.parametrize(
    ("early", "late", "told"),
    [
        (NOT_FOUND, state("a", "processing"), "it goes on at the gateway"),
        (reply(b"busy", 503), reply(b"busy", 503), "no look told how it stands (the last: HTTP 503"),
        (state("a", "processing"), reply(b"busy", 503), "it goes on at the gateway"),
        (state("a", "processing"), NOT_FOUND, "the gateway does not know this task"),
        (NOT_FOUND, reply(b"busy", 503), "the gateway does not know this task (HTTP 404"),
        (reply(b"busy", 503), NOT_FOUND, "the gateway does not know this task (HTTP 404"),
    ],
)
def test_a_wait_that_ends_says_what_is_known(early: bytes, late: bytes, told: str) -> None:
    """The last word that was told of the task counts, and trouble tells none."""
    book = Book()
    book.answer = lambda *_: early if book.asked["a"] <= 2 else late

    async def act(caller: LipSyncClient, _: Book) -> None:
        with pytest.raises(WaitTimeoutError) as caught:
            await caller.wait("a", timeout=900.0)
        assert told in str(caught.value)

    play(act, book)


def test_a_key_that_expires_is_renewed() -> None:
    """Once; the wait goes on."""
    keys: list[str] = []
    book = Book()

    def key() -> str:
        keys.append(f"key-{len(keys)}")
        return keys[-1]

    def answer(task_id: str, now: float) -> bytes:
        return TROUBLE["401"] if len(keys) == 1 else book.usual(task_id, now)

    book.answer = answer

    async def act(caller: LipSyncClient, _: Book) -> None:
        assert (await caller.run(request("a"))).video_url == URL

    play(act, book, api_key=key)
    assert len(keys) == 2


def test_a_key_that_cannot_be_had_loses_nothing() -> None:
    """The caller's function raises for a while."""
    broken = False

    def key() -> str:
        if broken:
            raise OSError("the vault is sealed")
        return "key"

    async def act(caller: LipSyncClient, _: Book) -> None:
        nonlocal broken
        task = await caller.submit(request("a"))
        wait = asyncio.ensure_future(caller.wait(task))
        broken = True
        await asyncio.sleep(400.0)
        broken = False
        assert (await wait).video_url == URL

    play(act, api_key=key)


# -- one look ---------------------------------------------------------------------------------------------------------


def test_get_task_looks_once() -> None:
    """And tells the state as it is."""

    async def act(caller: LipSyncClient, book: Book) -> None:
        task = await caller.submit(request("a"))
        assert (await caller.get_task(task)).status is TaskStatus.PROCESSING
        await asyncio.sleep(200.0)
        told = await caller.get_task("task-a")
        assert told.status is TaskStatus.SUCCEED
        assert [video.url for video in told.videos] == [URL]
        assert book.asked["task-a"] == 2

    play(act)


@pytest.mark.parametrize(
    ("name", "error", "kind"),
    [
        ("none", TaskNotFoundError, "protocol"),
        ("401", TaskError, "auth"),
        ("403", TaskError, "permission"),
        ("429", TaskError, "rate"),
        ("500", TaskError, "server"),
        ("page", TaskError, "protocol"),
    ],
)
def test_get_task_says_when_nothing_was_told(name: str, error: type[TaskError], kind: str) -> None:
    """A not-found says nothing about its fate, and the rest even less."""

    async def act(caller: LipSyncClient, _: Book) -> None:
        with pytest.raises(TaskError) as caught:
            await caller.get_task("task-a")
        assert type(caught.value) is error
        assert caught.value.kind == kind
        assert caught.value.task_id == "task-a"

    play(act, Book(answer=lambda *_: TROUBLE[name]))
