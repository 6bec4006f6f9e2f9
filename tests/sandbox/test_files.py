"""The file host, the gateway's content route, and the ways in which a finished video is told."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lipsync_async.sandbox import Sandbox

from .fetching import fetch, finished, url_of, with_files
from .helpers import Caller, Clock, job, with_sandbox


def test_a_finished_video_is_at_an_origin_of_its_own() -> None:
    """It is whole, has a length, a strong ETag and a type, and nobody is asked for a key."""

    async def test(caller: Caller) -> None:
        sandbox = caller.sandbox
        task_id, url = await finished(caller)
        assert url.startswith(f"{sandbox.file_url}/files/{task_id}.mp4?expires=")
        assert sandbox.file_url != sandbox.base_url
        got = await fetch(url)
        video = sandbox.video(task_id)
        assert (got.status, got.body) == (200, video.read())
        assert (got.headers["Content-Type"], got.headers["ETag"]) == ("video/mp4", video.etag)
        assert (got.headers["Content-Length"], got.headers["Accept-Ranges"]) == (str(video.size), "bytes")

    ledger = with_files(test).ledger
    (entry,) = ledger.entries
    assert (entry.ending, entry.file_requests, entry.fetched) == ("succeed", 1, 1)
    assert ledger.leaks == []
    assert "files     1 requests, 1 whole, 0 leaked" in ledger.summary()


@pytest.mark.parametrize(
    ("wanted", "status", "start", "end"),
    [
        ("bytes=100-", 206, 100, None),
        ("bytes=0-0", 206, 0, 1),
        ("bytes=-10", 206, -10, None),
        ("lines=1-", 200, 0, None),
    ],
)
def test_ranges_are_answered(wanted: str, status: int, start: int, end: int | None) -> None:
    """A part with its place and the whole length; what is no range of bytes gets the whole."""

    async def test(caller: Caller) -> None:
        task_id, url = await finished(caller)
        whole = caller.sandbox.video(task_id).read()
        got = await fetch(url, Range=wanted)
        assert (got.status, got.body) == (status, whole[start:end])
        first = start % len(whole)
        told = f"bytes {first}-{first + len(got.body) - 1}/{len(whole)}"
        assert got.headers.get("Content-Range", told) == told

    (seen,) = with_files(test).ledger.files
    assert seen.range == wanted
    assert seen.whole is (end is None)


def test_a_range_behind_the_end_is_416() -> None:
    """With the length, so that a client can see that it has all."""

    async def test(caller: Caller) -> None:
        task_id, url = await finished(caller)
        size = caller.sandbox.video(task_id).size
        got = await fetch(url, Range=f"bytes={size}-")
        assert (got.status, got.headers["Content-Range"], got.body) == (416, f"bytes */{size}", b"")

    assert not with_files(test).ledger.files[0].whole


@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_a_url_runs_out(scale: float) -> None:
    """It is good for its seconds, scaled, and not for one moment more; a fresh one is."""
    clock = Clock()

    async def test(caller: Caller) -> None:
        _, url = await finished(caller)
        clock.now += 599.9 / scale
        assert (await fetch(url)).status == 200
        clock.now += 0.2 / scale
        got = await fetch(url)
        assert (got.status, b"expired" in got.body) == (403, True)
        assert (await fetch(await url_of(caller, "a"))).status == 200

    with_sandbox(test, clock=clock, time_scale=scale, task_seconds=(0, 0), failed_share=0, url_seconds=600)


def test_a_url_cannot_be_made_up() -> None:
    """Another task's name, another moment, another signature and none are refused; a path that is none is missing."""

    async def test(caller: Caller) -> None:
        task_id, url = await finished(caller)
        other, _ = await finished(caller, "b")
        for wrong in (
            url.replace(task_id, other),
            url.replace("expires=", "expires=9"),
            url[:-1] + ("0" if url[-1] != "0" else "1"),
            url.partition("?")[0],
            url.partition("&")[0],
            url.replace("signature=", "signature=x"),
        ):
            assert (await fetch(wrong)).status == 403, wrong
        assert (await fetch(caller.sandbox.file_url + "/other")).status == 404
        assert (await fetch(url.replace(".mp4", ".mov"))).status == 404

    assert {it.status for it in with_files(test).ledger.files} == {403}


def test_a_second_authorization_is_refused_and_is_a_leak() -> None:
    """A signed URL takes no header beside it, whatever is in it; the ledger tells the key from another's."""

    async def test(caller: Caller) -> None:
        _, url = await finished(caller)
        assert (await fetch(url, Authorization="Bearer sandbox-key")).status == 403
        assert (await fetch(url, Authorization="Basic eDp5")).status == 403
        assert (await fetch(url)).status == 200

    ledger = with_files(test).ledger
    assert [(it.authorization, it.key, it.leaked) for it in ledger.files] == [
        (True, True, True),
        (True, False, True),
        (False, False, False),
    ]
    assert "3 requests, 1 whole, 2 leaked" in ledger.summary()


@pytest.mark.parametrize(
    ("headers", "flag"),
    [
        ({"Referer": "https://example.test/"}, "referer"),
        ({"Cookie": "a=b"}, "cookies"),
        ({"X-Key": "sandbox-key"}, "key"),
        ({"X-Key": "revoked"}, "key"),
    ],
)
def test_what_a_file_host_must_not_learn_is_in_the_ledger(headers: dict[str, str], flag: str) -> None:
    """Each by its name; the file is served all the same."""

    async def test(caller: Caller) -> None:
        _, url = await finished(caller)
        caller.sandbox.revoke("revoked")
        assert (await fetch(url, more=headers)).status == 200

    (seen,) = with_files(test).ledger.leaks
    told = {name for name in ("authorization", "key", "referer", "cookies") if getattr(seen, name)}
    assert told == {flag}


def test_a_key_in_the_url_is_a_leak() -> None:
    """Wherever it stands."""

    async def test(caller: Caller) -> None:
        _, url = await finished(caller)
        await fetch(url + "&key=sandbox-key")

    assert [it.key for it in with_files(test).ledger.leaks] == [True]


def test_a_client_with_a_jar_is_found_out() -> None:
    """The host sets a cookie; a client that keeps it sends it back."""

    async def test(caller: Caller) -> None:
        _, url = await finished(caller)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            for _ in range(2):
                async with session.get(url) as reply:
                    await reply.read()

    assert [it.cookies for it in with_files(test).ledger.files] == [False, True]


def test_head_is_refused() -> None:
    """The signature is for GET."""

    async def test(caller: Caller) -> None:
        _, url = await finished(caller)
        assert (await fetch(url, method="HEAD")).status == 403

    with_files(test)


def test_the_ledger_knows_who_asked_for_the_file_as_it_is() -> None:
    """`Accept-Encoding: identity`, and nothing else."""

    async def test(caller: Caller) -> None:
        _, url = await finished(caller)
        await fetch(url, Accept_Encoding="identity")
        await fetch(url, Accept_Encoding="gzip, identity")

    assert [it.identity for it in with_files(test).ledger.files] == [True, False]


def content(task_id: str) -> str:
    """The content route of a task."""
    return f"/v1/videos/{task_id}/content"


def test_the_content_route_is_behind_the_key() -> None:
    """With it the video comes, without it 401; a task that is not there is 404, one that runs 400."""
    clock = Clock()

    async def test(caller: Caller) -> None:
        task_id = (await caller.post(job("a")))[1]["data"]["task_id"]
        assert (await caller.raw("GET", content(task_id)))[0] == 400
        clock.now += 60
        status, body, reply = await caller.raw("GET", content(task_id))
        assert (status, body) == (200, caller.sandbox.video(task_id).read())
        assert reply.headers["Content-Type"] == "video/mp4"
        part = await caller.raw("GET", content(task_id), headers={"Range": "bytes=5-9"})
        assert part[:2] == (206, body[5:10])
        assert (await fetch(caller.sandbox.base_url + content(task_id))).status == 401
        assert (await caller.raw("GET", content("1")))[0] == 404
        assert (await caller.raw("GET", content("a")))[0] == 404, "it knows no external ids"
        assert (await caller.raw("POST", content(task_id)))[0] == 404

    ledger = with_sandbox(test, clock=clock, task_seconds=(60, 60), failed_share=0).ledger
    assert ledger.leaks == [], "the key is the gateway's own"
    assert ledger.entries[0].fetched == 1
    assert ledger.refused_queries == {1001: 1}
    assert (ledger.queries, ledger.requests) == (0, 1)


def test_the_content_route_proxies_faults_too() -> None:
    """A proxy cuts every stream; a failed task has no content; the route may not be there at all."""

    async def test(caller: Caller) -> None:
        task_id, _ = await finished(caller)
        got = await fetch(caller.sandbox.base_url + content(task_id), Authorization="Bearer sandbox-key")
        assert (got.status, got.broken) == (200, True)
        caller.sandbox.set_lives(failed_share=1.0)
        failed = (await caller.post(job("b")))[1]["data"]["task_id"]
        assert (await caller.raw("GET", content(failed)))[0] == 400

    with_files(test, file_faults={"cut_always": 1.0})

    async def without(caller: Caller) -> None:
        task_id, _ = await finished(caller)
        status, body, _ = await caller.raw("GET", content(task_id))
        assert (status, "Invalid URL" in json.loads(body)["error"]["message"]) == (404, True)

    assert with_files(without, no_content=True).ledger.files == []


@pytest.mark.parametrize("dialect", ["native", "openai-video", "nested", "hybrid", "camel"])
@pytest.mark.parametrize("urls", ["signed", "content", "relative", "data", "none"])
def test_where_a_video_is_told_to_be(urls: str, dialect: str) -> None:
    """Every way in every dialect that tells of one; where none is told, the content route has it."""

    async def test(caller: Caller) -> None:
        task_id = (await caller.post(job("a")))[1]
        task_id = task_id.get("task_id") or task_id["data"].get("task_id") or task_id["data"]["taskId"]
        sandbox, video = caller.sandbox, caller.sandbox.video(task_id).read()
        told = json.dumps((await caller.get("a"))[1])
        expected = {
            "signed": f"{sandbox.file_url}/files/{task_id}.mp4?",
            "content": f"{sandbox.base_url}{content(task_id)}",
            "relative": f'"{content(task_id)}"',
            "data": f"data:video/mp4;base64,{base64.b64encode(video).decode()}",
        }
        assert {name for name, text in expected.items() if text in told} == {urls} - {"none"}
        assert (await caller.raw("GET", content(task_id)))[1] == video

    with_files(test, urls=urls, dialect=dialect)


def test_a_big_file_is_made_up_while_it_is_sent() -> None:
    """The least size is kept, and each task's file is its own."""

    async def test(caller: Caller) -> None:
        got = []
        for name in ("a", "b"):
            task_id, url = await finished(caller, name)
            got.append((await fetch(url)).body)
            assert got[-1] == caller.sandbox.video(task_id).read()
        assert [len(body) for body in got] == [2_000_000, 2_000_000]
        assert got[0] != got[1]

    with_files(test, video_bytes=2_000_000)


def test_the_report_tells_the_whole_story(tmp_path: Path) -> None:
    """A line a task: accepted once, ended how, charged, and each request of its file."""

    async def test(caller: Caller) -> None:
        _, url = await finished(caller)
        await fetch(url)
        await fetch(url, Referer="x")
        caller.sandbox.set_lives(ends={"gateway": 1.0})
        await caller.post(job("b"))

    path = tmp_path / "report.jsonl"
    with_files(test, report_path=path)
    told: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(it["external_task_id"], it["ending"], it["units"], it["charged"]) for it in told] == [
        ("a", "succeed", 0.5, 0.5),
        ("b", "gateway", 0.5, 0.0),
    ]
    assert [(it["whole"], it["referer"], it["place"]) for it in told[0]["files"]] == [
        (True, False, "files"),
        (True, True, "files"),
    ]
    assert told[1]["files"] == []


def test_a_sandbox_that_comes_back_has_its_file_host_where_it_was() -> None:
    """A URL that was told before is still good after it was closed and entered again."""

    async def test(caller: Caller) -> None:
        sandbox = caller.sandbox
        _, url = await finished(caller)
        await sandbox.aclose()
        assert (await fetch(url)).status == 0
        async with sandbox:
            assert (await fetch(url)).status == 200

    with_files(test)


def test_a_file_port_in_use_is_an_error() -> None:
    """The gateway that was opened already is closed again."""

    async def test(caller: Caller) -> None:
        taken = int(caller.sandbox.file_url.rpartition(":")[2])
        second = Sandbox(file_port=taken)
        with pytest.raises(OSError, match="address already in use"):
            await second.__aenter__()
        assert (await fetch(second.base_url)).status == 0

    with_files(test)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg to decode it")
@pytest.mark.parametrize("least", [0, 100_000])
def test_what_is_fetched_can_be_played(tmp_path: Path, least: int) -> None:
    """Ffmpeg decodes picture and sound without a complaint."""

    async def test(caller: Caller) -> None:
        _, url = await finished(caller)
        (tmp_path / "a.mp4").write_bytes((await fetch(url)).body)

    with_files(test, video_bytes=least)
    command = ["ffmpeg", "-v", "error", "-i", "a.mp4", "-map", "0:v", "-map", "0:a", "-f", "null", "-"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
