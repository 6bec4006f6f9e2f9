"""Videos of a call: each is fetched once, what is there stays; whatever happens to a download, its task succeeded."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import LipSyncClient, Result
from lipsync_async.endings import Downloaded, DownloadFailed, Succeeded
from lipsync_async.errors import JournalError
from lipsync_async.journal import InlineJournal, Reader
from lipsync_async.tasks import fetching
from lipsync_async.tasks.fetching import UNDER_WAY
from lipsync_async.tasks.taskbook import VIDEO, Taskbook
from tests.downloads.hosts import SMALL, Turn, saying, serving
from tests.loopback.acts import client
from tests.loopback.hurried import hurry
from tests.loopback.raw import Connection, RawServer, created, reply
from tests.makers import requests
from tests.tasks.test_results import opened


class Studio:
    """A gateway whose tasks are done at once, and which serves their videos itself."""

    def __init__(self, turn: Turn | None = None) -> None:
        self.turn = turn or serving(SMALL)
        self.made: list[str] = []
        self.fetched: Counter[str] = Counter()
        self.urls = True
        """It tells where a video is; else it has none."""
        self.asked: Counter[str] = Counter()

    async def __call__(self, connection: Connection) -> None:
        """The script of a connection."""
        while got := await connection.request():
            last = got.path.split("?")[0].rsplit("/", 1)[1]
            if got.method == "POST":
                self.made.append(got.external_task_id)
                await connection.send(created(got.external_task_id, f"task-{got.external_task_id}"))
            elif last.endswith(".mp4"):
                self.fetched[last] += 1
                await self.turn(connection, got)
            elif last == "content":
                await connection.send(reply(b"", 404))
            else:
                self.asked[last] += 1
                await connection.send(self.state(last))

    def state(self, task_id: str) -> bytes:
        """What is said of a task."""
        videos = [{"id": "v", "url": f"/files/{task_id}.mp4", "duration": "5"}] if self.urls else []
        data = {"task_id": task_id, "task_status": "succeed", "task_result": {"videos": videos}}
        return reply({"code": 0, "data": data})


class Shelf:
    """A store of the caller's: it keeps in memory, or raises."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.kept: dict[str, bytes] = {}

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str:
        """Keeps a video."""
        if self.error is not None:
            raise self.error
        self.kept[name] = b"".join([chunk async for chunk in chunks])
        return f"shelf/{name}"


def lives(studio: Studio, *acts: Any) -> None:
    """One client after the other at the same gateway."""

    async def main() -> None:
        async with RawServer(always=studio) as server:
            for act in acts:
                async with client(server) as caller:
                    await act(caller)

    hurry(main())


def downloads(results: Any) -> list[Any]:
    """What became of the videos; every task succeeded."""
    assert all(isinstance(it, Succeeded) for it in results)
    return [it.download for it in results]


def test_each_video_is_fetched_once_and_is_whole(tmp_path: Path) -> None:
    """With a journal: a later run of either kind finds it there, and asks for nothing."""
    studio, folder = Studio(), tmp_path / "videos"

    async def first(caller: LipSyncClient) -> None:
        async with opened(tmp_path / "j.db", caller) as journal:
            results = await caller.run_many(requests(3), journal=journal, download=folder)
        assert all(isinstance(it, Downloaded) and it.size == len(SMALL) for it in downloads(results.values()))
        assert [(folder / f"job-{number}.mp4").read_bytes() for number in range(3)] == [SMALL] * 3

    async def again(caller: LipSyncClient) -> None:
        before = studio.fetched.copy(), studio.asked.copy()
        async with opened(tmp_path / "j.db", caller) as journal:
            told = downloads((await caller.run_many(requests(3), journal=journal, download=folder)).values())
            async with caller.follow(journal, download=folder) as stream:
                alone = downloads([result async for result in stream])
        assert sorted(it.path for it in told) == sorted(it.path for it in alone)
        assert (studio.fetched, studio.asked) == before

    lives(studio, first, again)
    assert set(studio.fetched.values()) == {1}


@pytest.mark.parametrize("gone", ["deleted", "shorter", "elsewhere"])
def test_what_is_not_there_is_fetched_again(gone: str, tmp_path: Path) -> None:
    """The one file, and no other; into another folder all of them."""
    studio, folder = Studio(), tmp_path / "videos"

    async def first(caller: LipSyncClient) -> None:
        async with opened(tmp_path / "j.db", caller) as journal:
            await caller.run_many(requests(2), journal=journal, download=folder)

    async def again(caller: LipSyncClient) -> None:
        path = folder / "job-1.mp4"
        if gone == "deleted":
            path.unlink()
        elif gone == "shorter":
            path.write_bytes(b"another's")
        to = tmp_path / "other" if gone == "elsewhere" else folder
        async with opened(tmp_path / "j.db", caller) as journal:
            results = await caller.run_many(requests(2), journal=journal, download=to)
        found = results["job-1"].download  # type: ignore[union-attr]
        if gone == "shorter":
            assert isinstance(found, DownloadFailed)
            assert path.read_bytes() == b"another's"
        else:
            assert isinstance(found, Downloaded)
            assert (to / "job-1.mp4").read_bytes() == SMALL

    lives(studio, first, again)
    assert studio.fetched["task-job-0.mp4"] == (2 if gone == "elsewhere" else 1)
    assert studio.made == ["job-0", "job-1"]


def test_a_download_that_failed_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    """It is told beside the success, and is on record as what it was."""
    studio = Studio(saying(404))

    async def first(caller: LipSyncClient) -> None:
        async with opened(tmp_path / "j.db", caller) as journal:
            results = await caller.run_many(requests(1), journal=journal, download=tmp_path)
        assert isinstance(downloads(results.values())[0], DownloadFailed)
        with Reader(tmp_path / "j.db") as reader:
            assert reader.entry_counts(VIDEO) == {"download_failed": 1}
        studio.turn = serving(SMALL)

    async def again(caller: LipSyncClient) -> None:
        async with opened(tmp_path / "j.db", caller) as journal:
            results = await caller.run_many(requests(1), journal=journal, download=tmp_path)
        assert isinstance(downloads(results.values())[0], Downloaded)

    lives(studio, first, again)


@pytest.mark.parametrize("how", ["left", "stopped"])
def test_a_download_that_is_broken_off_loses_no_ending(how: str, tmp_path: Path) -> None:
    """It is told without a file, no part of one is left, and the host that hangs holds nobody up."""

    async def hang(connection: Connection, _: Any) -> None:
        await connection.gone.wait()

    async def act(caller: LipSyncClient) -> None:
        loop = asyncio.get_running_loop()
        told: list[Result] = []
        async with caller.stream(requests(2), wait=True, download=tmp_path) as results:
            await asyncio.sleep(60.0)
            begun = loop.time()
            if how == "stopped":
                results.stop()
                told += [result async for result in results]
        told += results.rest
        assert loop.time() - begun < 3.0
        assert downloads(told) == [None, None]

    lives(Studio(hang), act)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, UNDER_WAY, UNDER_WAY + 1, 3 * UNDER_WAY])
def test_a_long_list_of_videos_makes_few_tasks(count: int, tmp_path: Path) -> None:
    """The others queue, are counted as waiting, and are told like those that were broken off."""

    async def hang(connection: Connection, _: Any) -> None:
        await connection.gone.wait()

    async def act(caller: LipSyncClient) -> None:
        async with caller.stream(requests(count), wait=True, download=tmp_path) as results:
            await asyncio.sleep(60.0)
            names = [task.get_name() for task in asyncio.all_tasks()]
            assert names.count("lipsync-download") == min(count, UNDER_WAY)
            progress = results.downloads
            assert progress is not None
            assert progress.waiting + progress.running == count
            results.stop()
            told = [result async for result in results]
        assert sorted(it.external_task_id or "" for it in told) == sorted(f"job-{n}" for n in range(count))
        assert downloads(told) == [None] * count

    lives(Studio(hang), act)


def test_more_videos_than_tasks_are_all_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, where one is to be under way at a time."""
    monkeypatch.setattr(fetching, "UNDER_WAY", 1)
    shelf = Shelf()

    async def act(caller: LipSyncClient) -> None:
        results = await caller.run_many(requests(9), download=shelf)
        assert all(isinstance(it, Downloaded) for it in downloads(results.values()))

    lives(Studio(), act)
    assert len(shelf.kept) == 9


def test_a_video_that_another_process_fetches_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is asked for again each second, and gives its place to the next meanwhile."""
    monkeypatch.setattr(fetching, "UNDER_WAY", 1)
    asked: list[str] = []

    async def may_fetch(_: Taskbook, name: str) -> bool:
        asked.append(name)
        return name != asked[0] or asked.count(name) > 30

    monkeypatch.setattr(Taskbook, "may_fetch", may_fetch)
    shelf = Shelf()

    async def act(caller: LipSyncClient) -> None:
        async with opened(tmp_path / "j.db", caller) as journal:
            results = await caller.run_many(requests(3), journal=journal, download=shelf)
        assert all(isinstance(it, Downloaded) for it in downloads(results.values()))

    lives(Studio(), act)
    assert list(shelf.kept)[-1] == f"{asked[0]}.mp4"


@pytest.mark.parametrize("error", [OSError("no room"), ValueError("a bug of the caller's")])
def test_a_store_that_raises_holds_nobody_up(error: Exception) -> None:
    """The task has its video all the same."""

    async def act(caller: LipSyncClient) -> None:
        results = await caller.run_many(requests(2), download=Shelf(error))
        assert all(isinstance(it, DownloadFailed) for it in downloads(results.values()))

    lives(Studio(), act)


def test_a_store_of_the_callers_gets_whole_videos() -> None:
    """Under the names that files would have."""
    shelf = Shelf()

    async def act(caller: LipSyncClient) -> None:
        results = await caller.run_many(requests(2), download=shelf)
        assert [it.path for it in downloads(results.values())] == ["shelf/job-0.mp4", "shelf/job-1.mp4"]

    lives(Studio(), act)
    assert shelf.kept == {"job-0.mp4": SMALL, "job-1.mp4": SMALL}


def test_a_success_without_a_video_is_not_fetched(tmp_path: Path) -> None:
    """There is nothing to fetch, and no failure."""
    studio = Studio()
    studio.urls = False

    async def act(caller: LipSyncClient) -> None:
        results = await caller.run_many(requests(1), download=tmp_path)
        assert downloads(results.values()) == [None]

    lives(studio, act)


class Gone(InlineJournal):
    """A journal whose file cannot be read any more when the first video is there."""

    def break_it(self) -> None:
        """From now on."""
        usual = self.reader.entry

        def entry(kind: str, name: str) -> Any:
            if kind == VIDEO:
                raise JournalError("input/output error")
            return usual(kind, name)

        self.reader.entry = entry  # type: ignore[method-assign]


def test_a_journal_that_cannot_be_read_any_more_holds_nobody_up(tmp_path: Path) -> None:
    """Whether it was fetched is not known, so it is fetched; the ending is told."""

    async def act(caller: LipSyncClient) -> None:
        async with await Gone.open(tmp_path / "j.db", gateway=caller._gateway.base_url) as journal:
            journal.break_it()
            results = await caller.run_many(requests(2), journal=journal, download=tmp_path / "videos")
        assert all(isinstance(it, Downloaded) for it in downloads(results.values()))

    lives(Studio(), act)


def test_a_damaged_record_of_a_video_is_told_at_once(tmp_path: Path) -> None:
    """A journal that is damaged is not gone on with."""

    async def first(caller: LipSyncClient) -> None:
        async with opened(tmp_path / "j.db", caller) as journal:
            await caller.run_many(requests(1), journal=journal, download=tmp_path)

    async def again(caller: LipSyncClient) -> None:
        connection = sqlite3.connect(tmp_path / "j.db")
        connection.execute("UPDATE entries SET value = x'00' WHERE kind = 'video'")
        connection.commit()
        connection.close()
        async with opened(tmp_path / "j.db", caller) as journal:
            with pytest.raises(JournalError, match="damaged"):
                await caller.run_many(requests(1), journal=journal, download=tmp_path)

    lives(Studio(), first, again)
