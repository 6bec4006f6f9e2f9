"""Every fault of a finished video's file, as a plain client meets it."""

from __future__ import annotations

import asyncio
import gzip
import re

import pytest

from lipsync_async.sandbox import KNOWN_FILE_FAULTS, Sandbox
from lipsync_async.sandbox.file_faults import FILE_FAULTS, FileFaults

from .fetching import Got, fetch, finished, url_of, with_files
from .helpers import Caller

CUT, WHOLE, GONE = "200 cut", "200 whole", "404 page"
SEEN = {
    "cut_once": (CUT, WHOLE, WHOLE),
    "cut_always": (CUT, CUT, CUT),
    "range_ignored": (CUT, WHOLE),
    "other_file": (CUT, "200 other", "200 other"),
    "short": (CUT, WHOLE),
    "reset": ("nothing", "nothing", WHOLE),
    "html_200": ("200 page", "200 page", WHOLE),
    "json_200": ("200 page", "200 page", WHOLE),
    "503": ("503 page", "503 page", WHOLE),
    "not_yet": (GONE, GONE, GONE, WHOLE),
    "gone": (GONE,) * 8,
    "stale_url": ("403 page",) * 4,
    "redirect": ("302 page", "302 page"),
    "chunked": (WHOLE, WHOLE),
    "chunked_cut": (CUT, WHOLE),
    "until_close": (WHOLE, WHOLE),
    "until_close_cut": ("200 part", WHOLE),  # nothing tells that it is one
    "slow": (WHOLE,),
    "stall": (CUT, WHOLE),
    "endless": ("200 more", "200 more"),
    "gzip": ("200 packed", "200 packed"),
}


def kind(got: Got, sandbox: Sandbox, task_id: str) -> str:
    """A reply in two words."""
    video, other = sandbox.video(task_id).read(), sandbox.video(task_id, 1).read()
    if not got.status:
        return "nothing"
    if got.broken:
        assert video.startswith(got.body)
        assert len(got.body) <= -(-len(video) // 3)
        return f"{got.status} cut"
    names = {video: "whole", other: "other", video[: -(-len(video) // 3)]: "part"}
    if got.body.startswith(video) and len(got.body) > len(video):
        return f"{got.status} more"
    if got.headers.get("Content-Encoding") == "gzip":
        assert gzip.decompress(got.body) == video
        return f"{got.status} packed"
    return f"{got.status} {names.get(got.body, 'page')}"


def test_every_fault_is_in_the_table() -> None:
    """The table of this test is the sandbox's, and each fault says what it does."""
    assert set(SEEN) == set(KNOWN_FILE_FAULTS)
    assert all(KNOWN_FILE_FAULTS.values())


@pytest.mark.parametrize("fault", SEEN)
@pytest.mark.parametrize("least", [0, 300_000])
def test_what_comes_request_by_request(fault: str, least: int) -> None:
    """Each request gets what the table says, a small file as well as one of many pieces; the ledger names the fault."""

    async def test(caller: Caller) -> None:
        task_id, url = await finished(caller)
        got = [await fetch(url, most=400_000) for _ in SEEN[fault]]
        assert tuple(kind(it, caller.sandbox, task_id) for it in got) == SEEN[fault]
        asked = caller.sandbox.ledger.files
        assert [it.status for it in asked] == [it.status for it in got]
        well = [it.fault is None for it in asked]
        times = FILE_FAULTS[fault].times
        after = FILE_FAULTS[fault].then != FILE_FAULTS["slow"].then
        assert well == [times is not None and n >= times and not after for n in range(len(got))]

    ledger = with_files(test, file_faults={fault: 1.0}, video_bytes=least).ledger
    honest = {"200 whole", "200 other", "200 packed"}
    assert [it.whole for it in ledger.files] == [it in honest for it in SEEN[fault]]
    assert ledger.faults == {}, "those are the creates'"


@pytest.mark.parametrize("fault", ["cut_once", "cut_always", "short"])
def test_a_client_that_goes_on_by_range_gets_it_whole(fault: str) -> None:
    """Range from where it was cut, If-Range with the ETag: three streams at most for the one that is always cut."""

    async def test(caller: Caller) -> None:
        task_id, url = await finished(caller)
        video = caller.sandbox.video(task_id)
        body = b""
        for _ in range(3):
            got = await fetch(url, Range=f"bytes={len(body)}-", If_Range=video.etag)
            assert (got.status, got.headers["ETag"]) == (206, video.etag)
            assert got.headers["Content-Range"] == f"bytes {len(body)}-{video.size - 1}/{video.size}"
            body += got.body
            if not got.broken:
                break
        assert body == video.read()

    (entry,) = with_files(test, file_faults={fault: 1.0}).ledger.entries
    assert entry.fetched == 1
    assert entry.file_requests == (3 if fault == "cut_always" else 2)


def test_a_range_that_is_ignored_is_answered_by_the_whole_file() -> None:
    """200 and the first byte again."""

    async def test(caller: Caller) -> None:
        task_id, url = await finished(caller)
        await fetch(url)
        got = await fetch(url, Range="bytes=7000-")
        assert kind(got, caller.sandbox, task_id) == WHOLE
        assert "Accept-Ranges" not in got.headers

    with_files(test, file_faults={"range_ignored": 1.0})


def test_another_file_shows_by_its_etag_and_its_total() -> None:
    """Without If-Range a part of the other file comes; with it, the other file from its beginning."""

    async def test(caller: Caller) -> None:
        task_id, url = await finished(caller)
        first, other = await fetch(url), caller.sandbox.video(task_id, 1)
        blind = await fetch(url, Range="bytes=7000-")
        assert (blind.status, blind.headers["ETag"]) == (206, other.etag)
        assert blind.headers["Content-Range"].endswith(f"/{other.size}")
        assert other.etag != first.headers["ETag"]
        assert other.size != int(first.headers["Content-Length"])
        careful = await fetch(url, Range="bytes=7000-", If_Range=first.headers["ETag"])
        assert (careful.status, careful.body) == (200, other.read())

    with_files(test, file_faults={"other_file": 1.0})


def test_a_stale_url_is_cured_by_a_fresh_one() -> None:
    """The URLs that were told before the first request are refused, one that is told after it is not."""

    async def test(caller: Caller) -> None:
        _, url = await finished(caller)
        unused = await url_of(caller, "a")
        assert [(await fetch(it)).status for it in (url, unused)] == [403, 403]
        fresh = await url_of(caller, "a")
        assert [(await fetch(it)).status for it in (fresh, url)] == [200, 403]

    with_files(test, file_faults={"stale_url": 1.0})


def test_a_redirect_leads_to_another_origin_that_sees_what_comes_along() -> None:
    """Neither the gateway's nor the file host's; it serves without a key, and a key that it is sent is a leak."""

    async def test(caller: Caller) -> None:
        task_id, url = await finished(caller)
        there = (await fetch(url)).headers["Location"]
        origins = {re.match(r"http://[^/]+", it)[0] for it in (there, url, caller.sandbox.base_url)}  # type: ignore[index]
        assert len(origins) == 3
        assert kind(await fetch(there), caller.sandbox, task_id) == WHOLE
        assert caller.sandbox.ledger.leaks == []
        assert (await fetch(there, Authorization="Bearer sandbox-key")).status == 200
        assert (await fetch(there.replace(task_id, "1"))).status == 404
        assert (await fetch(there.replace("/files/", "/"))).status == 404

    ledger = with_files(test, file_faults={"redirect": 1.0}).ledger
    assert [(it.place, it.authorization, it.key) for it in ledger.leaks] == [("elsewhere", True, True)]
    assert ledger.entries[0].fetched == 2


def test_a_slow_file_takes_its_time() -> None:
    """As long as was asked for, in pieces that keep an idle time-out quiet; one that stands still does not."""

    async def test(caller: Caller) -> None:
        loop = asyncio.get_running_loop()
        _, url = await finished(caller)
        begun = loop.time()
        assert not (await fetch(url, idle=3.0)).broken
        assert loop.time() - begun == pytest.approx(20.0, abs=0.5)
        caller.sandbox.set_file_faults({"stall": 1.0})
        begun = loop.time()
        assert (await fetch(url, idle=3.0)).broken
        assert loop.time() - begun == pytest.approx(3.0, abs=0.5)

    with_files(test, file_faults={"slow": 1.0}, slow_seconds=20.0)


def test_a_client_that_leaves_an_endless_file_ends_it() -> None:
    """Nothing goes on behind it; the ledger has what was written."""

    async def test(caller: Caller) -> None:
        _, url = await finished(caller)
        got = await fetch(url, most=3_000_000)
        assert len(got.body) > 3_000_000

    (seen,) = with_files(test, file_faults={"endless": 1.0}).ledger.files
    assert seen.sent > 3_000_000
    assert not seen.whole


def test_the_draw_is_the_files_own() -> None:
    """Whoever comes first, a task's file meets the same fault; another seed meets others."""
    chances = {"gone": 0.5, "slow": 0.2}
    names = [str(n) for n in range(300)]
    first, second, other = (FileFaults(chances, seed) for seed in (1, 1, 2))
    drawn = {name: first.meet(name, 0, 0)[0] for name in names}
    assert {name: second.meet(name, 0, 0)[0] for name in reversed(names)} == drawn
    assert {name: other.meet(name, 0, 0)[0] for name in names} != drawn
    assert 110 < list(drawn.values()).count("gone") < 190
    assert 30 < list(drawn.values()).count("slow") < 90


@pytest.mark.parametrize("chances", [{"cut": 1.0}, {"gone": 0.6, "slow": 0.6}, {"gone": -0.1}])
def test_wrong_chances_are_told(chances: dict[str, float]) -> None:
    """An unknown name with the known ones; and chances that are none."""
    with pytest.raises(ValueError, match="file fault"):
        Sandbox(file_faults=chances)


def test_faults_can_end() -> None:
    """Without chances every file is served well, also one that had met a fault."""

    async def test(caller: Caller) -> None:
        _, url = await finished(caller)
        assert (await fetch(url)).status == 404
        caller.sandbox.set_file_faults(None)
        assert (await fetch(url)).status == 200

    with_files(test, file_faults={"gone": 1.0})
