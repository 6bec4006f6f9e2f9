"""Every query dialect of the contract and the reply samples, served raw, through `submit --wait`.

The command itself, on real sockets, in virtual time: what stands in its result line, and its exit code.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self

import pytest

from lipsync_async.cli import main

from .acts import KEY
from .hurried import hurry
from .raw import NOT_FOUND, Connection, RawServer, created, reply
from .shapes import SAMPLES, kling, new_api, page, said, sample

JOB, TASK = "batch7-000042", "860000000000000001"
"""As the samples have them."""
URL = "https://cdn.example.test/kling/860000000000000001.mp4?x-kcdn-pid=1&sig=abc"
OTHER = "https://cdn.example.test/other.mp4"


def native(status: object, **values: object) -> dict[str, Any]:
    """The platform's own task object."""
    return {"task_id": TASK, "task_status": status, "task_info": {"external_task_id": JOB}, **values}


def ok(data: object, code: object = 0, **top: object) -> bytes:
    """An envelope around it."""
    return reply({"code": code, "message": "SUCCEED", "data": data, **top})


def nested(status: str, inner: object = None, **values: object) -> bytes:
    """new-api's task object, around the platform's reply."""
    return ok({"task_id": TASK, "status": status, "fail_reason": "", "data": inner, **values}, "success")


def video(url: str = URL) -> dict[str, Any]:
    """A result."""
    return {"task_result": {"videos": [{"id": "1", "url": url, "duration": "7.041"}]}, "final_unit_deduction": "1"}


RUNNING_INSIDE = {"code": 0, "message": "SUCCEED", "data": native("processing")}
DONE_INSIDE = {"code": 0, "message": "SUCCEED", "data": native("succeed", **video())}
FAILED_INSIDE = {"code": 0, "message": "SUCCEED", "data": native("failed", task_status_msg="no face")}

SUCCEEDED: dict[str, tuple[bytes, str | None]] = {
    "native sample": (sample("q02"), URL),
    "nested sample, the URL in fail_reason": (sample("q05"), URL),
    "openai-video sample": (sample("q09"), URL),
    "camel sample": (sample("q15"), URL),
    "the newer word": (ok(native("succeeded", **video())), URL),
    "a word in capitals": (ok(native("SUCCESS", **video())), URL),
    "code 0 as a text": (ok(native("succeed", **video()), "0"), URL),
    "code true": (ok(native("succeed", **video()), True), URL),
    "no code": (reply({"data": native("succeed", **video())}), URL),
    "no task_info": (ok({"task_id": TASK, "task_status": "succeed", **video()}), URL),
    "hybrid": (ok(native("succeed", **video()), task_id=TASK), URL),
    "hybrid around nested": (
        reply(
            {"code": "success", "task_id": TASK, "data": {"task_id": TASK, "status": "SUCCESS", "data": DONE_INSIDE}}
        ),
        URL,
    ),
    "nested, running outside": (nested("IN_PROGRESS", DONE_INSIDE), URL),
    "nested, done outside and running inside": (nested("SUCCESS", RUNNING_INSIDE, fail_reason=URL), URL),
    "flat": (reply({"status": "SUCCESS", "task_id": TASK, "progress": "100%"}), None),
    "flat with a URL": (reply({"status": "SUCCESS", "task_id": TASK, "video_url": OTHER}), OTHER),
    "metadata.url": (reply({"id": TASK, "status": "completed", "metadata": {"url": OTHER}}), OTHER),
    "videoUrl": (ok({"taskId": TASK, "state": "completed", "videoUrl": OTHER}, 200), OTHER),
    "output_url": (ok({"taskId": TASK, "state": "done", "output_url": OTHER}, 200), OTHER),
    "the result before all others": (ok(native("succeed", **video(), url=OTHER)), URL),
    "a relative URL": (ok(native("succeed", **video("/files/1.mp4"))), "/files/1.mp4"),
    "a warning before it": (
        reply("<b>Warning</b>: no\n" + json.dumps({"code": 0, "data": native("succeed", **video())}), kind="text/html"),
        URL,
    ),
    "no URL": (ok(native("succeed")), None),
    "two objects in a row: the first counts": (
        reply(
            json.dumps({"code": 0, "data": native("succeed", **video())})
            + json.dumps({"code": 0, "data": native("failed")})
        ),
        URL,
    ),
    "a 201": (reply({"code": 0, "data": native("succeed", **video())}, 201), URL),
}

FAILED: dict[str, tuple[bytes, str, str]] = {
    "native, the envelope says SUCCEED": (
        ok(native("failed", task_status_msg="Failure to pass the risk control system")),
        "content",
        "Failure to pass the risk control system",
    ),
    "media": (ok(native("failed", task_status_msg="no face in the video")), "media", "no face in the video"),
    "capacity after it was accepted": (
        ok(native("failed", task_status_msg="parallel task over resource pack limit")),
        "capacity",
        "parallel task over resource pack limit",
    ),
    "no reason": (ok(native("failed")), "unknown", ""),
    "new-api's own end": (nested("FAILURE", RUNNING_INSIDE, fail_reason="任务超时"), "gateway", "任务超时"),
    "nested all through": (nested("FAILURE", FAILED_INSIDE, fail_reason="no face"), "media", "no face"),
    "openai-video": (
        reply({"id": TASK, "object": "video", "status": "failed", "error": {"message": "no face", "code": "x"}}),
        "media",
        "no face",
    ),
    "flat": (reply({"status": "FAILURE", "task_id": TASK, "fail_reason": "no face"}), "media", "no face"),
    "camel": (ok({"taskId": TASK, "state": "fail", "failMsg": "no face"}, 200), "media", "no face"),
    **{
        word: (ok(native(word)), "unknown", "")
        for word in (
            "fail", "failure", "error", "cancelled", "canceled", "expired", "timeout", "timed_out", "rejected",
            "aborted", "EXPIRED",
        )
    },
}  # fmt: skip

RUNNING: dict[str, bytes] = {
    "native sample": sample("q01"),
    "nested sample": sample("q07"),
    "a word that nobody knows": ok(native("warming_up")),
    "an empty word": reply({"id": TASK, "object": "video", "status": "", "progress": 0}),
    "no word": ok({"task_id": TASK}),
    "camel": ok({"taskId": TASK, "state": "running"}, 200),
    "a task of another job": ok({**native("succeed", **video()), "task_info": {"external_task_id": "another"}}),
    **{word: ok(native(word)) for word in ("submitted", "processing", "queued", "pending", "NOT_START", "IN_PROGRESS")},
}
"""Nothing has ended."""

NO_NEWS: dict[str, bytes] = {
    **{
        path.name.split("_")[0]: sample(path.name.split("_")[0])
        for path in sorted(SAMPLES.glob("[egs]*.json"))
    },
    "a list": sample("q04"),
    "not stored yet": sample("q11"),
    "not found by another gateway": sample("q13"),
    "not found by the platform": NOT_FOUND,
    "1303 for a query": kling(1303, 429),
    "1304 for a query": kling(1304, 429),
    "5000": kling(5000, 500),
    "fail_to_fetch_task": new_api("fail_to_fetch_task", 500),
    "402": said(402),
    "a page": page(502),
    "an empty body": reply(b""),
    "a text": reply("OK", kind="text/plain"),
    "half a success": reply('{"code":0,"data":{"task_id":"860000000000000001","task_status":"succ'),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "302": reply(b"", 302, "Location: /elsewhere"),
}  # fmt: skip
"""Trouble of the gateway's or of the account's: it says nothing about the task."""


class Gateway(RawServer):
    """Accepts the job, and answers queries with these replies, the last one again and again."""

    def __init__(self, sock: socket.socket, answers: tuple[bytes, ...], content: bytes) -> None:
        super().__init__(always=self._serve)
        self._sock = sock
        self._answers = list(answers)
        self._content = content

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), sock=self._sock)
        return self

    async def _serve(self, connection: Connection) -> None:
        while got := await connection.request():
            if got.method == "POST":
                await connection.send(created(JOB, TASK))
            elif got.path.endswith("/content"):
                await connection.send(self._content)
            else:
                await connection.send(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])


class Command:
    """`submit --wait` at such a gateway."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = patch
        self.creates = 0

    def __call__(self, *answers: bytes, patience: float = 3000.0, content: bytes = NOT_FOUND) -> tuple[int, Any]:
        """Returns the exit code and the one result line."""
        sock = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        server = Gateway(sock, answers, content)

        async def beside(command: Coroutine[Any, Any, int]) -> int:
            async with server:
                return await command

        self._patch.setattr(asyncio, "run", lambda command: hurry(beside(command)))
        self._patch.setenv("LIPSYNC_API_KEY", KEY)
        jobs, out = self._folder / "jobs.jsonl", self._folder / "out.jsonl"
        jobs.write_text(json.dumps({**LINE, "external_task_id": JOB}) + "\n")
        told = ("--quiet", "--out", str(out), "--overwrite")
        code = main(["submit", str(jobs), "--gateway", url, *told, "--wait", "--wait-timeout", str(patience)])
        (line,) = map(json.loads, out.read_text("utf-8").splitlines())
        assert (line["external_task_id"], line["task_id"]) == (JOB, TASK)
        assert server.total == 1
        return code, line


LINE = {
    "session_id": "825465778199224380",
    "face_id": "-1",
    "audio_id": "825451760499568680",
    "sound_start_time": 0,
    "sound_end_time": 5000,
    "sound_insert_time": 1000,
    "sound_volume": 1,
    "original_audio_volume": 1,
}


@pytest.fixture
def submit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command."""
    return Command(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", SUCCEEDED)
def test_a_success(name: str, submit: Command) -> None:
    """Its URL is told as the gateway told it; a success without one is a 5."""
    answer, url = SUCCEEDED[name]
    code, line = submit(ok(native("processing")), answer)
    assert (line["outcome"], line["video_url"]) == ("succeeded", url)
    assert code == (5 if url is None else 0)


def test_what_a_success_tells_beside_its_url(submit: Command) -> None:
    """Seconds and units, where they are told."""
    told = {name: submit(sample(name))[1] for name in ("q02", "q05", "q09", "q15")}
    assert {name: (it["duration"], it["units"]) for name, it in told.items()} == {
        "q02": (7.041, "1"), "q05": (7.041, "1"), "q09": (7.041, None), "q15": (None, None),
    }  # fmt: skip


def test_a_video_at_the_content_route(submit: Command) -> None:
    """It is tried once, where no reply tells of a URL."""
    code, line = submit(SUCCEEDED["flat"][0], content=reply(b"....ftypisom", kind="video/mp4"))
    assert code == 0
    assert line["video_url"].endswith(f"/v1/videos/{TASK}/content")


@pytest.mark.parametrize("name", FAILED)
def test_a_failure(name: str, submit: Command) -> None:
    """1, with the task's own reason and never the envelope's."""
    answer, kind, reason = FAILED[name]
    code, line = submit(ok(native("processing")), answer)
    assert (code, line["outcome"], line["kind"], line["message"] or "") == (1, "failed", kind, reason)


@pytest.mark.parametrize("name", RUNNING)
def test_what_has_not_ended(name: str, submit: Command) -> None:
    """It runs until patience ends, which is a 5; and what ends later is told."""
    code, line = submit(RUNNING[name])
    assert (code, line["outcome"], line["video_url"]) == (5, "running", None)
    code, line = submit(RUNNING[name], RUNNING[name], sample("q02"))
    assert (code, line["outcome"], line["video_url"]) == (0, "succeeded", URL)


@pytest.mark.parametrize("name", NO_NEWS)
def test_what_says_nothing_of_the_task(name: str, submit: Command) -> None:
    """No task is lost or failed by it, however often it comes; and the end is seen behind it."""
    code, line = submit(NO_NEWS[name])
    assert (code, line["outcome"]) == (5, "running")
    code, line = submit(NO_NEWS[name], NO_NEWS[name], NO_NEWS[name], sample("q02"))
    assert (code, line["outcome"], line["video_url"]) == (0, "succeeded", URL)
