"""Several downloads at a time: bounded, told one by one, and nothing is left of those that are broken off."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lipsync_async.downloads.budget import Patience
from lipsync_async.downloads.crew import AT_A_TIME, Crew, DownloadStatistics
from lipsync_async.downloads.fetcher import Fetcher, FetchOptions
from lipsync_async.downloads.folder import Folder
from lipsync_async.downloads.names import Names, hashed_name
from lipsync_async.downloads.store import Store
from lipsync_async.endings import Downloaded, DownloadFailed, DownloadKind
from tests.downloads.hosts import (
    LARGE,
    SMALL,
    bad,
    files,
    good,
    head_of,
    host,
    raw,
    saying,
    serving,
    telling,
    the_key,
    video,
)
from tests.loopback.hurried import hurry
from tests.loopback.raw import Connection, RawServer, Request


class Opened:
    """A crew, its fetcher and a host of videos."""

    def __init__(self, store: Store | Path, *turns: Any, options: FetchOptions | None = None, **given: Any) -> None:
        self.store = Folder(store, owner="me") if isinstance(store, Path) else store
        self.turns, self.options, self.given = turns or (serving(SMALL),), options, given

    async def __aenter__(self) -> tuple[Crew, RawServer]:
        self._host = host(*self.turns)
        self._fetcher = Fetcher("http://127.0.0.1:9", the_key, self.options)
        server = await self._host.__aenter__()
        self._crew = Crew(await self._fetcher.__aenter__(), self.store, **self.given)
        return await self._crew.__aenter__(), server

    async def __aexit__(self, *of: Any) -> None:
        await self._crew.__aexit__(*of)
        await self._fetcher.__aexit__(*of)
        await self._host.__aexit__(*of)


def test_many_are_told_one_by_one(tmp_path: Path) -> None:
    """Each once; the statistics add up; what fails says why, and takes nothing away from the others."""

    async def main() -> None:
        async with Opened(tmp_path) as (crew, server):
            for number in range(50):
                crew.add(f"job-{number}", str(number), telling(f"{server.url}/{number}"))
            crew.add("no-url", "x", telling("file:///x"))
            crew.close()
            found = [it async for it in crew]
            assert [it async for it in crew] == []
            told = {str(it.external_task_id): it for it in found}
            assert len(found) == len(told) == 51
            assert bad(told.pop("no-url")).kind is DownloadKind.REFUSED
            assert all(isinstance(it, Downloaded) for it in told.values())
            assert crew.statistics == DownloadStatistics(
                waiting=0,
                running=0,
                done=50,
                failed=1,
                bytes_kept=50 * len(SMALL),
                bytes_received=50 * len(SMALL),
                bytes_per_second=crew.statistics.bytes_per_second,
            )
            assert crew.statistics.bytes_per_second > 0
            assert repr(crew) == "<Crew, 0 running, 0 waiting, 50 done, 1 failed>"
            with pytest.raises(RuntimeError, match="closed"):
                crew.add("late", "1", telling(None))

    hurry(main())
    assert files(tmp_path) == {f"job-{number}.mp4": SMALL for number in range(50)}


@pytest.mark.parametrize("bound", [None, 1, 3])
def test_so_many_at_a_time(tmp_path: Path, bound: int | None) -> None:
    """Eight, or as many as are told; and never fewer while others wait."""
    running, most = 0, 0

    async def slow(connection: Connection, request: Request) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(5)
        running -= 1
        await serving(SMALL)(connection, request)

    async def main() -> None:
        given: dict[str, Any] = {} if bound is None else {"at_a_time": bound}
        async with Opened(tmp_path, slow, **given) as (crew, server):
            for number in range(20):
                crew.add(f"job-{number}", str(number), telling(f"{server.url}/{number}"))
            await asyncio.sleep(1)
            assert (crew.statistics.running, crew.statistics.waiting) == (bound or 8, 20 - (bound or 8))
            crew.close()
            assert len([it async for it in crew]) == 20

    hurry(main())
    assert most == (bound or AT_A_TIME) == (bound or 8)


def test_at_least_one_at_a_time(tmp_path: Path) -> None:
    """None would wait for ever."""
    with pytest.raises(ValueError, match="at least one"):
        Crew(Fetcher("http://127.0.0.1:9"), Folder(tmp_path), at_a_time=0)


def test_it_begins_with_the_first(tmp_path: Path) -> None:
    """A result is told while others are handed in; and a fresh URL is asked for only when its turn comes."""

    async def main() -> None:
        async with Opened(tmp_path, at_a_time=1) as (crew, server):
            asked = []

            def asking(number: int) -> Any:
                async def renew() -> str:
                    asked.append(number)
                    return f"{server.url}/{number}"

                return renew

            results = aiter(crew)
            for number in range(3):
                crew.add(f"job-{number}", str(number), asking(number))
            assert good(await anext(results)).external_task_id == "job-0"
            crew.add("job-3", "3", asking(3))
            assert asked in ([0], [0, 1])
            crew.close()
            assert [it.external_task_id async for it in results] == ["job-1", "job-2", "job-3"]

    hurry(main())


def test_one_after_the_other(tmp_path: Path) -> None:
    """Whoever hands in the next one on a result finds a worker, although the last one has just seen that none waits."""

    async def main() -> None:
        async with Opened(tmp_path, at_a_time=1) as (crew, server):
            results = aiter(crew)
            for number in range(5):
                crew.add(f"job-{number}", str(number), telling(f"{server.url}/{number}"))
                assert good(await anext(results)).external_task_id == f"job-{number}"

    hurry(main())


def test_names_that_fold_are_two_files(tmp_path: Path) -> None:
    """On any disk; which has the plain name is said by the order, or by who knew the ids before."""

    async def main() -> None:
        async with Opened(tmp_path, names=Names(["JOB"])) as (crew, server):
            for ident in ("job", "JOB", "e\u0301", "\xe9", "con", "a/b"):
                crew.add(ident, "7", telling(f"{server.url}/7"))
            crew.add(None, "860000000000000001", telling(f"{server.url}/7"))
            crew.close()
            async for it in crew:
                assert Path(good(it).path).parent == tmp_path

    hurry(main())
    expected = {"JOB.mp4", hashed_name("job"), "e\u0301.mp4", hashed_name("\xe9"), hashed_name("con")}
    assert set(files(tmp_path)) == expected | {hashed_name("a/b"), "860000000000000001.mp4"}


def test_a_crew_that_is_left(tmp_path: Path) -> None:
    """In the middle of every stream: nothing is left in the folder, on no connection and in no task."""

    async def main() -> None:
        body = raw(head_of(200, f"Content-Length: {len(LARGE)}") + LARGE[: 2 * 2**20], end="hang")
        async with Opened(tmp_path, body) as (crew, server):
            for number in range(20):
                crew.add(f"job-{number}", str(number), telling(f"{server.url}/{number}"))
            await asyncio.sleep(10)
            assert len(files(tmp_path)) == 8
            assert all(name.endswith(".part") for name in files(tmp_path))
            await crew.stop()
            assert files(tmp_path) == {}
            assert [it for it in asyncio.all_tasks() if "RawServer" not in repr(it)] == [asyncio.current_task()]
            await asyncio.gather(*(it.gone.wait() for it in server.connections))
            await crew.stop()
            assert [it async for it in crew] == []
            assert crew.statistics.running == crew.statistics.waiting == 0

    hurry(main())


def test_one_is_fetched_alone(tmp_path: Path) -> None:
    """By the same bound; one that is cancelled, running or waiting, leaves its place to the next."""

    async def main() -> None:
        hanging = raw(head_of(200, f"Content-Length: {len(LARGE)}") + LARGE[:-1], end="hang")
        async with Opened(tmp_path, hanging, serving(SMALL), at_a_time=1) as (crew, server):
            first, second, third = (
                asyncio.create_task(crew.fetch(f"job-{number}", "7", telling(f"{server.url}/7"))) for number in range(3)
            )
            await asyncio.sleep(1)
            for task in (second, first):
                task.cancel()
            assert good(await third).size == len(SMALL)
            assert first.cancelled()
            assert second.cancelled()

    hurry(main())
    assert files(tmp_path) == {"job-2.mp4": SMALL}


def test_one_that_is_fetched_alone_is_stopped_with_the_others(tmp_path: Path) -> None:
    """Whoever waits for it is told, and is not cancelled; a fetcher that is closed asks nobody any more."""

    async def main() -> None:
        hanging = raw(head_of(200, f"Content-Length: {len(LARGE)}") + LARGE[:-1], end="hang")
        async with host(hanging) as server:
            renew = telling(f"{server.url}/7")
            async with Fetcher("http://127.0.0.1:9", the_key) as fetcher:
                crew = Crew(fetcher, Folder(tmp_path), at_a_time=1)
                tasks = [asyncio.create_task(crew.fetch(f"job-{number}", "7", renew)) for number in range(2)]
                await asyncio.sleep(1)
                assert crew.statistics.running == crew.statistics.waiting == 1
                await crew.stop()
                for task in tasks:
                    assert bad(await task).message == "the downloads were stopped"
            assert bad(await crew.fetch("job-3", "7", renew)).message == "the client was closed"
            assert len(server.requests) == 1

    hurry(main())
    assert files(tmp_path) == {}


def test_a_failed_one_is_tried_again_alone(tmp_path: Path) -> None:
    """The same call, later, makes the file."""

    async def main() -> None:
        async with Opened(tmp_path, *[saying(404)] * 6, serving(SMALL)) as (crew, server):
            renew = telling(f"{server.url}/7")
            assert bad(await crew.fetch("job-1", "7", renew)).kind is DownloadKind.EXPIRED
            assert good(await crew.fetch("job-1", "7", renew)).tries == 1

    hurry(main())
    assert files(tmp_path) == {"job-1.mp4": SMALL}


def test_somebody_elses_file(tmp_path: Path) -> None:
    """Is not overwritten: that is `storage`; the very same video is as good as ours."""
    (tmp_path / "job-1.mp4").write_bytes(b"somebody's")
    (tmp_path / "job-2.mp4").write_bytes(SMALL)

    async def main() -> None:
        async with Opened(tmp_path) as (crew, server):
            found = bad(await crew.fetch("job-1", "7", telling(f"{server.url}/7")))
            assert found.kind is DownloadKind.STORAGE
            assert "job-1.mp4" in found.message
            good(await crew.fetch("job-2", "8", telling(f"{server.url}/8")))

    hurry(main())
    assert files(tmp_path) == {"job-1.mp4": b"somebody's", "job-2.mp4": SMALL}


def test_a_full_disk(tmp_path: Path) -> None:
    """A disk of 2 MiB: what fits is there whole, what does not is `storage`, and nothing else is there."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2M", "none", str(tmp_path)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a small disk: this system lets nobody mount one")

    async def main() -> None:
        async with Opened(tmp_path, serving(LARGE), serving(video(3 * 2**19))) as (crew, server):
            found = bad(await crew.fetch("large", "7", telling(f"{server.url}/7")))
            assert found.kind is DownloadKind.STORAGE
            assert found.message == "no space is left: free some, then download again"
            assert found.tries == 1
            good(await crew.fetch("fits", "8", telling(f"{server.url}/8")))
            assert bad(await crew.fetch("no more", "9", telling(f"{server.url}/9"))).kind is DownloadKind.STORAGE

    try:
        hurry(main())
        assert {name: len(content) for name, content in files(tmp_path).items()} == {"fits.mp4": 3 * 2**19}
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


LIMITED = """
import asyncio, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
from tests.downloads.hosts import LARGE, SMALL, fetched, files, host, serving
from tests.loopback.hurried import hurry
async def main():
    async with host(serving(LARGE), serving(SMALL)) as server:
        for name in ("large.mp4", "small.mp4"):
            print(await fetched(server.url + "/7", Path(sys.argv[1]), name=name))
hurry(main())
print(sorted(files(Path(sys.argv[1]))))
"""


def test_a_process_that_may_write_little(tmp_path: Path) -> None:
    """The system's limit on the size of a file is `storage`, too; the process goes on."""
    if sys.platform == "win32":
        pytest.skip("there is no such limit")
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], timeout=60
    )
    assert done.returncode == 0, done.stderr
    large, small, left = done.stdout.splitlines()
    assert "DownloadFailed" in large
    assert "storage" in large
    assert "Downloaded" in small
    assert left == "['small.mp4']"


def test_a_store_that_raises_what_cancels(tmp_path: Path) -> None:
    """Is `storage`, like any other error of a store's; and so it is with who is asked for an address."""

    async def cancelling() -> str:
        raise asyncio.CancelledError

    class Cancelling:
        async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str:
            if name == "bad.mp4":
                raise asyncio.CancelledError
            return await Folder(tmp_path).put(name, chunks)

    async def main() -> None:
        async with Opened(Cancelling()) as (crew, server):
            crew.add("bad", "1", telling(f"{server.url}/1"))
            crew.add("fine", "2", telling(f"{server.url}/2"))
            crew.close()
            found = {it.external_task_id: it async for it in crew}
            assert bad(found["bad"]).kind is DownloadKind.STORAGE
            good(found["fine"])
            assert bad(await crew.fetch("no-url", "3", cancelling)).kind is DownloadKind.EXPIRED

    hurry(main())


def test_patience_is_per_video(tmp_path: Path) -> None:
    """One that fails for long holds one place, and no more."""

    async def main() -> None:
        options = FetchOptions(patience=Patience(tries=2))
        async with Opened(tmp_path, options=options, at_a_time=2) as (crew, server):
            async with RawServer(always=raw_hang) as silent:
                crew.add("silent", "1", telling(f"{silent.url}/1"))
                for number in range(10):
                    crew.add(f"job-{number}", str(number), telling(f"{server.url}/{number}"))
                crew.close()
                found = [it async for it in crew]
            assert [it.external_task_id for it in found[:10]] == [f"job-{number}" for number in range(10)]
            assert isinstance(found[10], DownloadFailed)

    hurry(main())


async def raw_hang(connection: Connection) -> None:
    """A host that never says a word."""
    await connection.hang()
