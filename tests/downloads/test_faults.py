"""Each fault that a download can meet, on real sockets: in the end the video is there whole, or nothing is."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from lipsync_async.downloads.budget import Patience
from lipsync_async.downloads.fetcher import FetchOptions
from lipsync_async.endings import Download, DownloadKind
from tests.downloads.hosts import (
    KEY,
    LARGE,
    SMALL,
    Turn,
    bad,
    chunked,
    fetched,
    files,
    good,
    head_of,
    host,
    raw,
    saying,
    serving,
    telling,
    video,
)
from tests.loopback.hurried import hurry
from tests.loopback.raw import RawServer, Request

THIRD = len(LARGE) // 3 + 1


def run(where: Path, *turns: Turn, options: FetchOptions | None = None) -> tuple[Download, list[Request], float]:
    """Fetches from a host that takes these turns; and tells its requests, and how many virtual seconds it took."""

    async def main() -> tuple[Download, list[Request], float]:
        begun = asyncio.get_running_loop().time()
        async with host(*turns) as server:
            found = await fetched(f"{server.url}/7.mp4?sig=a%2Fb", where, options=options)
            for request in server.requests:
                assert request.path == "/7.mp4?sig=a%2Fb"
            return found, server.requests, asyncio.get_running_loop().time() - begun

    return hurry(main())


def ranges(requests: list[Request]) -> list[str | None]:
    """What each request asked for."""
    return [request.headers.get("range") for request in requests]


@pytest.mark.parametrize("content", [SMALL, LARGE, video(2**20), video(2**20 + 1), video(2**21)], ids=len)
@pytest.mark.parametrize("etag", ['"v1"', ""])
def test_a_video_is_fetched(tmp_path: Path, content: bytes, etag: str) -> None:
    """One request, one file, and nothing beside it."""
    found, requests, _ = run(tmp_path, serving(content, etag=etag))
    it = good(found)
    assert (it.path, it.size, it.tries) == (str(tmp_path / "job-1.mp4"), len(content), 1)
    assert (it.external_task_id, it.task_id) == ("job-1", "7")
    assert files(tmp_path) == {"job-1.mp4": content}
    assert ranges(requests) == [None]


@pytest.mark.parametrize("end", ["close", "reset", "hang"])
@pytest.mark.parametrize(("content", "cut"), [(SMALL, 1), (SMALL, 1000), (LARGE, 1500), (LARGE, 2 * 2**20 + 5)])
def test_a_stream_that_is_cut_goes_on(tmp_path: Path, content: bytes, cut: int, end: str) -> None:
    """By Range, where it was cut, if it is the same file; whether it was closed, reset, or went silent."""
    found, requests, seconds = run(tmp_path, serving(content, most=cut, end=end), serving(content))
    assert good(found).tries == 2
    assert files(tmp_path) == {"job-1.mp4": content}
    assert ranges(requests) == [None, f"bytes={cut}-"]
    assert requests[1].headers["if-range"] == '"v1"'
    assert seconds < (32.5 if end == "hang" else 2.5)


def test_every_stream_is_cut_after_a_third(tmp_path: Path) -> None:
    """As by a proxy that ends each of them after a minute: three streams make it whole."""
    found, requests, _ = run(tmp_path, serving(LARGE, most=THIRD))
    assert good(found).tries == 3
    assert ranges(requests) == [None, f"bytes={THIRD}-", f"bytes={2 * THIRD}-"]
    assert files(tmp_path) == {"job-1.mp4": LARGE}


def test_a_budget_that_begins_anew(tmp_path: Path) -> None:
    """Twenty cuts are no trouble, as long as each stream brings something."""
    found, requests, _ = run(tmp_path, serving(SMALL, most=150))
    assert good(found).tries == len(requests) == 20
    assert files(tmp_path) == {"job-1.mp4": SMALL}


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=len)
def test_every_stream_is_cut_where_no_range_is_known(tmp_path: Path, content: bytes) -> None:
    """It begins anew each time, makes no progress, and is given up: nothing is left, and nothing is told as whole."""
    for etag in ("", 'W/"v1"'):
        found, requests, seconds = run(tmp_path, serving(content, etag=etag, most=len(content) // 3))
        it = bad(found)
        assert it.kind is DownloadKind.DAMAGED
        assert it.tries == len(requests) == 7  # the first brought something, six more did not
        assert ranges(requests) == [None] * 7
        assert seconds < 121
        assert files(tmp_path) == {}


@pytest.mark.parametrize("cut", [100, 2 * 2**20])
def test_a_range_that_is_answered_with_all(tmp_path: Path, cut: int) -> None:
    """200 to a Range: what was there is forgotten, never appended to; and the stream in hand is used."""
    found, requests, _ = run(tmp_path, serving(LARGE, most=cut), serving(LARGE, ranges=False))
    assert good(found).tries == 2
    assert ranges(requests) == [None, f"bytes={cut}-"]
    assert files(tmp_path) == {"job-1.mp4": LARGE}


@pytest.mark.parametrize("cut", [100, 2 * 2**20])
def test_another_file_after_the_cut(tmp_path: Path, cut: int) -> None:
    """Not a byte of the first one is in the file."""
    other = video(len(LARGE), seed=1)
    found, _, _ = run(tmp_path, serving(LARGE, most=cut), serving(other, etag='"v2"'))
    assert good(found).size == len(other)
    assert files(tmp_path) == {"job-1.mp4": other}


@pytest.mark.parametrize(
    "lie",
    [
        ("Content-Range: bytes 100-2999/3000", 'ETag: "v2"'),
        ("Content-Range: bytes 100-2999/3000",),
        ("Content-Range: bytes 99-2999/3000", 'ETag: "v1"'),
        ("Content-Range: bytes 100-2999/4000", 'ETag: "v1"'),
        ("Content-Range: bytes 0-2999/3000", 'ETag: "v1"'),
        ('ETag: "v1"',),
    ],
)
def test_a_part_that_lies(tmp_path: Path, lie: tuple[str, ...]) -> None:
    """206 of another file, place or size is thrown away."""
    other = video(3000, seed=1)[100:]
    part = raw(head_of(206, f"Content-Length: {len(other)}", *lie) + other)
    found, requests, _ = run(tmp_path, serving(SMALL, most=100), part, serving(SMALL))
    assert good(found).tries == 3
    assert ranges(requests) == [None, "bytes=100-", None]
    assert files(tmp_path) == {"job-1.mp4": SMALL}


def test_a_range_that_cannot_be_had(tmp_path: Path) -> None:
    """416: it begins anew."""
    found, requests, _ = run(tmp_path, serving(SMALL, most=100), saying(416), serving(SMALL))
    assert ranges(requests) == [None, "bytes=100-", None]
    assert good(found).size == len(SMALL)


PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>"
ERROR = b'{"error": {"message": "quota"}}'
SHORT = {
    "short": head_of(200, "Content-Length: 3001") + SMALL,
    "chunked, without its last chunk": chunked(SMALL, last=False),
    "ended by its connection, boxes open": head_of(200) + SMALL[:-1],
    "ended by its connection, between two boxes": head_of(200) + SMALL[:100],
    "packed and cut": head_of(200, "Content-Encoding: gzip") + gzip.compress(SMALL)[:-1],
    "packed, as is said": head_of(200, "Content-Encoding: gzip", f"Content-Length: {len(SMALL)}") + SMALL,
    "packed in another way": head_of(200, "Content-Encoding: br", f"Content-Length: {len(SMALL)}") + SMALL,
    "a page": head_of(200, f"Content-Length: {len(PAGE)}") + PAGE,
    "a page in chunks": chunked(PAGE),
    "an error": head_of(200, f"Content-Length: {len(ERROR)}") + ERROR,
    "an error of two bytes": head_of(200, "Content-Length: 2") + b"{}",
    "nothing": head_of(200, "Content-Length: 0"),
    "words": head_of(200, "Content-Length: 9") + b"not found",
    "no content": head_of(204),
    "server trouble": head_of(503, "Content-Length: 0"),
    "no HTTP": b"garbage\r\n\r\n",
    "a head that is cut": b"HTTP/1.1 200 OK\r\nContent-Le",
    "nothing at all": b"",
}
ASKED_TWICE = {"a head that is cut", "nothing at all"}
"""aiohttp itself asks once more, for such a connection may have been a stale one."""


@pytest.mark.parametrize("fault", SHORT, ids=str)
def test_what_is_no_whole_video_is_tried_again(tmp_path: Path, fault: str) -> None:
    """Once, and then it comes; or for ever, and then it is given up, within two minutes of the last progress."""
    found, requests, _ = run(tmp_path, raw(SHORT[fault]), serving(SMALL))
    assert good(found).tries == (1 if fault in ASKED_TWICE else 2)
    assert ranges(requests) == [None, None]
    assert files(tmp_path) == {"job-1.mp4": SMALL}
    (tmp_path / "job-1.mp4").unlink()
    found, requests, seconds = run(tmp_path, raw(SHORT[fault]))
    it = bad(found)
    assert it.kind is DownloadKind.DAMAGED
    assert 6 <= it.tries <= 7
    assert len(requests) == it.tries * (2 if fault in ASKED_TWICE else 1)
    assert seconds < 130
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("shape", "content"),
    [
        (chunked(SMALL), SMALL),
        (chunked(LARGE, size=50_000), LARGE),
        (head_of(200) + SMALL, SMALL),
        (head_of(200) + LARGE, LARGE),
        (head_of(200, "Content-Encoding: gzip") + gzip.compress(SMALL), SMALL),
        (
            head_of(200, "Content-Encoding: gzip", f"Content-Length: {len(gzip.compress(LARGE))}", 'ETag: "v1"')
            + gzip.compress(LARGE),
            LARGE,
        ),
    ],
    ids=["chunked", "chunked, large", "by connection", "by connection, large", "gzip", "gzip, large"],
)
def test_other_shapes_of_a_whole_video(tmp_path: Path, shape: bytes, content: bytes) -> None:
    """Without a length the last chunk says that it is whole, or its boxes; gzip is taken off."""
    found, _, _ = run(tmp_path, raw(shape))
    assert good(found).size == len(content)
    assert good(found).tries == 1
    assert files(tmp_path) == {"job-1.mp4": content}


def test_all_came_and_the_connection_broke(tmp_path: Path) -> None:
    """What was received is what was expected: it is whole."""
    found, _, _ = run(tmp_path, raw(head_of(200, f"Content-Length: {len(SMALL)}") + SMALL, end="reset"))
    assert good(found).tries == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_fresh_url_is_asked_for(tmp_path: Path, status: int) -> None:
    """The task tells another, and that one is used at once."""

    async def main() -> None:
        asked = 0
        async with host(saying(status)) as old, host(serving(SMALL)) as new:

            async def renew() -> str:
                nonlocal asked
                asked += 1
                return f"{old.url}/7.mp4" if asked == 1 else f"{new.url}/7.mp4"

            begun = asyncio.get_running_loop().time()
            assert good(await fetched(renew, tmp_path)).tries == 2
            assert asked == 2
            assert asyncio.get_running_loop().time() - begun < 0.1
            assert (len(old.requests), len(new.requests)) == (1, 1)

    hurry(main())
    assert files(tmp_path) == {"job-1.mp4": SMALL}


@pytest.mark.parametrize("fault", ["a page", "an error", "an error of two bytes", "nothing", "words"])
def test_a_fresh_url_is_asked_for_where_a_page_came(tmp_path: Path, fault: str) -> None:
    """A page under 200 is how some say that an address ran out."""

    async def main() -> None:
        async with host(raw(SHORT[fault])) as old, host(serving(SMALL)) as new:
            assert good(await fetched(telling(f"{old.url}/7.mp4", f"{new.url}/7.mp4"), tmp_path)).tries == 2

    hurry(main())


def test_a_url_that_runs_out_in_the_middle(tmp_path: Path) -> None:
    """The file goes on from a fresh one: the same total, the same ETag."""

    async def main() -> None:
        async with host(serving(LARGE, most=THIRD), saying(403)) as old, host(serving(LARGE)) as new:
            urls = telling(f"{old.url}/7.mp4", f"{new.url}/7.mp4?fresh")
            assert good(await fetched(urls, tmp_path)).tries == 3
            assert ranges(new.requests) == [f"bytes={THIRD}-"]

    hurry(main())
    assert files(tmp_path) == {"job-1.mp4": LARGE}


def test_not_there_yet(tmp_path: Path) -> None:
    """404 for a while after the task has ended: it is waited for, about a minute."""
    found, requests, seconds = run(tmp_path, *[saying(404)] * 5, serving(SMALL))
    assert good(found).tries == len(requests) == 6
    assert 40 < seconds < 80


@pytest.mark.parametrize("status", [403, 404, 410])
def test_gone_for_good(tmp_path: Path, status: int) -> None:
    """Expired, after six tries."""
    found, requests, seconds = run(tmp_path, saying(status))
    it = bad(found)
    assert it.kind is DownloadKind.EXPIRED
    assert f"{status}" in it.message
    assert len(requests) == 6
    assert seconds < 120
    assert "download it again" in str(it.error())
    assert files(tmp_path) == {}


@pytest.mark.parametrize("status", [402, 405, 451])
def test_refused_for_good(tmp_path: Path, status: int) -> None:
    """At once."""
    found, requests, _ = run(tmp_path, saying(status))
    assert bad(found).kind is DownloadKind.REFUSED
    assert len(requests) == 1


def test_a_retry_after_is_kept(tmp_path: Path) -> None:
    """And one that is longer than the patience ends it at once."""
    found, _, seconds = run(tmp_path, saying(429, "Retry-After: 50"), serving(SMALL))
    assert good(found).tries == 2
    assert seconds >= 50
    found, requests, seconds = run(tmp_path / "b", saying(503, "Retry-After: 121"), serving(SMALL))
    assert bad(found).kind is DownloadKind.DAMAGED
    assert len(requests) == 1
    assert seconds < 1


def test_a_slow_host(tmp_path: Path) -> None:
    """A piece every 29 s: it is waited for; every 31 s: each silence is a cut, and it goes on by Range."""
    pieces = [SMALL[at : at + 500] for at in range(0, len(SMALL), 500)]
    head = head_of(200, f"Content-Length: {len(SMALL)}", 'ETag: "v1"')
    found, _, seconds = run(tmp_path, raw(head + pieces[0], *pieces[1:], pause=29))
    assert good(found).tries == 1
    assert seconds > 100
    found, requests, _ = run(tmp_path / "b", raw(head + pieces[0], *pieces[1:], pause=31), serving(SMALL))
    assert good(found).tries == 2
    assert ranges(requests) == [None, "bytes=500-"]


def test_a_host_that_sends_a_byte_now_and_then(tmp_path: Path) -> None:
    """Holds its place for an hour, and no longer."""
    head = head_of(200, "Content-Length: 100000", 'ETag: "v1"') + SMALL[:100]
    found, _, seconds = run(tmp_path, raw(head, *[b"x"] * 200, pause=25, end="hang"))
    assert bad(found).kind is DownloadKind.DAMAGED
    assert 3570 < seconds <= 3601
    assert files(tmp_path) == {}


def test_a_host_that_says_nothing(tmp_path: Path) -> None:
    """Two minutes, whatever the tries."""
    found, _, seconds = run(tmp_path, raw(end="hang"))
    assert bad(found).kind is DownloadKind.DAMAGED
    assert 118 < seconds <= 121


def test_an_endless_stream(tmp_path: Path) -> None:
    """Ends at `max_bytes`, in chunks, packed, or by its connection; what is told to be larger is not begun."""
    options = FetchOptions(max_bytes=10_000)
    endless = [b"4000\r\n" + bytes(0x4000) + b"\r\n"] * 50
    chunks = head_of(200, "Transfer-Encoding: chunked") + b"bb8\r\n" + SMALL + b"\r\n"
    bomb = head_of(200, "Content-Encoding: gzip") + gzip.compress(SMALL + bytes(50_000_000))
    for turn in (
        raw(chunks, *endless),
        raw(head_of(200) + SMALL, *endless),
        raw(bomb),
        raw(head_of(200, "Content-Length: 10001") + SMALL, end="hang"),
    ):
        found, requests, seconds = run(tmp_path, turn, options=options)
        assert bad(found).kind is DownloadKind.REFUSED
        assert "10000" in bad(found).message
        assert len(requests) == 1
        assert seconds < 1
        assert files(tmp_path) == {}
    found, _, _ = run(tmp_path, serving(video(10_000)), options=options)
    assert good(found).size == 10_000


def test_nobody_is_there(tmp_path: Path) -> None:
    """A refused connection is tried again."""

    async def main() -> None:
        async with RawServer() as server:
            url = server.url
        found = bad(await fetched(f"{url}/7.mp4", tmp_path))
        assert found.kind is DownloadKind.DAMAGED
        assert found.tries == 6
        assert "ClientConnectorError" in found.message

    hurry(main())


def test_a_task_that_tells_no_url(tmp_path: Path) -> None:
    """Whether it says so or the query fails: it is asked again, and then it is expired."""

    async def fails() -> str | None:
        raise ValueError(KEY)

    for renew in (telling(None), fails):
        found = bad(hurry(fetched(renew, tmp_path)))
        assert found.kind is DownloadKind.EXPIRED
        assert found.tries == 0

    async def main() -> None:
        async with host(serving(SMALL)) as server:
            good(await fetched(telling(None, None, f"{server.url}/7.mp4"), tmp_path))

    hurry(main())


def test_a_query_that_hangs(tmp_path: Path) -> None:
    """Costs two minutes, and no more."""

    async def hangs() -> str | None:
        await asyncio.Event().wait()
        return None

    async def main() -> float:
        begun = asyncio.get_running_loop().time()
        assert bad(await fetched(hangs, tmp_path)).kind is DownloadKind.EXPIRED
        return asyncio.get_running_loop().time() - begun

    assert 119 < hurry(main()) < 122


def test_the_patience_is_the_users(tmp_path: Path) -> None:
    """Two tries where two are told."""
    options = FetchOptions(patience=Patience(tries=2))
    found, requests, _ = run(tmp_path, saying(404), options=options)
    assert bad(found).tries == len(requests) == 2
