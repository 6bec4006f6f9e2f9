"""Every example runs against the sandbox, as a reader would run it; `test_callbacks` has those that receive."""

from __future__ import annotations

import asyncio
import json
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from lipsync_async import Following
from lipsync_async.journal.store import Store
from lipsync_async.sandbox import Sandbox, in_thread
from tests import postgres

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
PAGES = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
FILES = sorted(EXAMPLES.glob("*.py"))

pytest_plugins = ["pytester"]


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox whose tasks end at once, named by the environment, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lipsync_async.client.Following", lambda: Following(first_look=0.0, closest=0.01))
    with in_thread(Sandbox(time_scale=100_000, task_seconds=(0.0, 0.0), failed_share=0.0)) as running:
        monkeypatch.setenv("LIPSYNC_GATEWAY", running.base_url)
        monkeypatch.setenv("LIPSYNC_API_KEY", running.api_key)
        yield running


def run(name: str) -> dict[str, Any]:
    """Runs an example as a script."""
    return runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def load(name: str) -> dict[str, Any]:
    """Runs an example as a module."""
    return runpy.run_path(str(EXAMPLES / name), run_name="example")


PRINTED = {
    "first.py": "ep1-1 succeeded http\\S+\nep1-2 succeeded http\\S+\n",
    "script.py": "scene-1 [0-9]{18}\nscene-2 [0-9]{18}\n",
    "spreadsheet.py": "3 jobs, about 2.6 units at list price\n3 of 3 accepted\n",
    "to_the_video.py": "(ep3-[0-2] \\S+/videos/ep3-[0-2].mp4\n){3}1.5 units were charged\n",
    "from_a_video.py": "'\\S+' \\(\\d+ to \\d+ ms, http\\S+\\)\nep4-1 accepted\n",
    "watching.py": "([1-5] of 5 ep5-[0-4] accepted\n){5}PacerStatistics(?s:.*)attempt accept 5\n(?s:.*)",
    "when_it_goes_wrong.py": "(ep6-[0-2] accepted as task [0-9]{18}\n){3}",
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_script_prints_what_it_promises(name: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is charged twice."""
    run(name)
    assert re.fullmatch(PRINTED[name], capsys.readouterr().out)
    assert sandbox.ledger.duplicates == {}


def test_videos_are_fetched(sandbox: Sandbox, tmp_path: Path) -> None:
    """Each whole, and a second run fetches and pays nothing."""
    for _ in range(2):
        run("to_the_video.py")
    assert sorted(path.name for path in (tmp_path / "videos").glob("*.mp4")) == [f"ep3-{n}.mp4" for n in range(3)]
    assert sandbox.ledger.tasks == 3


def test_the_table_is_told_with_its_faults(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is sent for a list with a broken line."""
    example = load("spreadsheet.py")
    broken = tmp_path / "broken.csv"
    text = (EXAMPLES / "jobs.csv").read_text(encoding="utf-8").replace("sounds/line-1.mp3", "sounds/line-9.mp3")
    broken.write_text(text, encoding="utf-8")
    monkeypatch.setitem(example["main"].__globals__, "TABLE", broken)
    with pytest.raises(SystemExit, match=r"(?s)line 2: .*line-9\.mp3"):
        asyncio.run(example["main"]())
    assert sandbox.ledger.requests == 0


def test_what_is_not_sent_is_sent_again(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The last lines of the example for trouble: after a stop for want of money."""
    with in_thread(Sandbox(balance=1.0)) as poor, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIPSYNC_GATEWAY", poor.base_url)
        run("when_it_goes_wrong.py")
        assert "may be submitted again (quota)" in capsys.readouterr().out
        assert poor.ledger.tasks == 2


JOB = {"id": "ep1-1", "session": "s", "face": "0", "audio": "a"}


def test_the_service_with_aiohttp(sandbox: Sandbox) -> None:
    """The same id again is the same task; what is wrong is told to the caller."""

    async def ask() -> None:
        async with TestClient(TestServer(load("service_aiohttp.py")["application"]())) as client:
            replies = [await client.post("/dub", json=JOB) for _ in range(2)]
            assert [reply.status for reply in replies] == [202, 202]
            told, again = [await reply.json() for reply in replies]
            assert told == again
            assert (await client.post("/dub", json=JOB | {"session": ""})).status == 422
            assert await (await client.get("/dub/ep1-1")).json() == {
                "found": True,
                "task": told["task"],
                "status": "succeed",
            }

    asyncio.run(ask())
    assert sandbox.ledger.tasks == 1


async def spoken(app: Any, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """What an ASGI application answers, spoken to as a server would."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[dict[str, Any]] = []

    async def take() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, take, send)
    return int(sent[0]["status"]), json.loads(b"".join(part.get("body", b"") for part in sent[1:]))


def test_the_service_with_fastapi(sandbox: Sandbox) -> None:
    """As the one with aiohttp."""
    app = load("service_fastapi.py")["app"]

    async def ask() -> None:
        async with app.router.lifespan_context(app):
            status, told = await spoken(app, "POST", "/dub", JOB)
            assert status == 202
            assert await spoken(app, "POST", "/dub", JOB) == (202, told)
            assert (await spoken(app, "POST", "/dub", JOB | {"session": ""}))[0] == 422
            found = {"found": True, "task": told["task"], "status": "succeed"}
            assert await spoken(app, "GET", "/dub/ep1-1") == (200, found)

    asyncio.run(ask())
    assert sandbox.ledger.tasks == 1


def test_a_journal_that_another_worker_has_is_no_fault_of_the_services(sandbox: Sandbox) -> None:
    """With several workers on one file it would be an answer of 500, and a traceback, for every second request."""
    fastapi = load("service_fastapi.py")["app"]

    async def ask() -> None:
        async with TestClient(TestServer(load("service_aiohttp.py")["application"]())) as client:
            assert (await client.post("/dub", json=JOB)).status == 503
        async with fastapi.router.lifespan_context(fastapi):
            assert (await spoken(fastapi, "POST", "/dub", JOB))[0] == 503

    with Store("service.db", gateway=sandbox.base_url):
        asyncio.run(ask())
    assert sandbox.ledger.tasks == 0


def test_the_environment_names_the_services_journal(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a second process has one of its own beside the first."""

    async def ask() -> None:
        async with TestClient(TestServer(load("service_aiohttp.py")["application"]())) as client:
            assert (await client.post("/dub", json=JOB)).status == 202
        fastapi = load("service_fastapi.py")["app"]
        async with fastapi.router.lifespan_context(fastapi):
            assert (await spoken(fastapi, "POST", "/dub", JOB))[0] == 202

    monkeypatch.setenv("DUB_JOURNAL", "second.db")
    with Store("service.db", gateway=sandbox.base_url):
        asyncio.run(ask())
    assert (tmp_path / "second.db").exists()
    assert sandbox.ledger.tasks == 1


@pytest.mark.skipif(not postgres.is_there(), reason=postgres.MISSING)
def test_workers_with_one_journal_tell_one_task(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them at the same time, each with a client of its own."""

    async def ask() -> None:
        workers = [load("service_fastapi.py")["app"] for _ in range(2)]
        async with workers[0].router.lifespan_context(workers[0]), workers[1].router.lifespan_context(workers[1]):
            both = await asyncio.gather(*(spoken(worker, "POST", "/dub", JOB) for worker in workers))
        assert [status for status, _ in both] == [202, 202]
        assert both[0] == both[1]

    with postgres.Postgres() as server:
        monkeypatch.setenv("DUB_JOURNAL", server.url)
        asyncio.run(ask())
    assert sandbox.ledger.tasks == 1


LINE = {"id": "a-1", "video": "https://films.example.com/1.mp4", "text": "Good evening.", "voice": "v"}


def test_the_service_comes_to_the_videos(sandbox: Sandbox, tmp_path: Path) -> None:
    """After a restart, too: nothing is submitted again."""

    async def ask(posts: list[dict[str, str]]) -> None:
        app = load("service_videos.py")["app"]
        async with app.router.lifespan_context(app):
            for line in posts:
                assert (await spoken(app, "POST", "/lines", line))[0] == 202
            await asyncio.gather(*app.state.background)
            assert await spoken(app, "GET", "/lines/a-1") == (200, {"state": "succeeded"})
            assert (await spoken(app, "GET", "/lines/a-2"))[0] == 404
            assert (await spoken(app, "POST", "/lines", LINE | {"id": "?"}))[0] == 422

    for posts in ([LINE], []):
        asyncio.run(ask(posts))
        assert [path.name for path in (tmp_path / "videos").glob("*.mp4")] == ["a-1.mp4"]
    assert sandbox.ledger.tasks == 1


def test_the_callbacks_with_fastapi_start(sandbox: Sandbox) -> None:
    """The application itself, with its client and its route."""
    app = load("callbacks_fastapi.py")["app"]

    async def ask() -> None:
        async with app.router.lifespan_context(app):
            path = app.state.client.callbacks().path
            assert (await spoken(app, "GET", path))[0] == 405

    asyncio.run(ask())


def test_the_callbacks_with_aiohttp_run_a_list(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole script, with a list."""
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setattr(sys, "argv", ["callbacks_aiohttp.py", "jobs.csv"])
    monkeypatch.setattr("aiohttp.web.TCPSite", on_loopback)
    copy_of_the_list(tmp_path)
    run("callbacks_aiohttp.py")
    assert capsys.readouterr().out.count("Succeeded(") == 3
    assert sandbox.ledger.tasks == 3


def on_loopback(runner: Any, port: int) -> Any:
    """The site of an example, where nobody else can reach it."""
    from aiohttp.web_runner import TCPSite

    return TCPSite(runner, "127.0.0.1", port)


def copy_of_the_list(folder: Path) -> None:
    """The list and its sounds, where its journal may lie beside it."""
    (folder / "sounds").mkdir()
    for path in (EXAMPLES / "jobs.csv", *(EXAMPLES / "sounds").iterdir()):
        (folder / path.relative_to(EXAMPLES)).write_bytes(path.read_bytes())


def test_the_workers_do_all_of_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each its part, and each job once."""
    for number in ("0", "1"):
        monkeypatch.setattr(sys, "argv", ["machines.py", number, "2"])
        run("machines.py")
    told = re.findall(r"worker [01]: (\d+) of (\d+) accepted", capsys.readouterr().out)
    assert [one for one, _ in told] == [whole for _, whole in told]
    assert sum(int(one) for one, _ in told) == sandbox.ledger.tasks == 10


def test_the_tests_pass(pytester: pytest.Pytester) -> None:
    """The example for users' own tests, by a pytest of its own."""
    pytester.makeini("[pytest]\n")
    pytester.makepyfile(test_dubbing=(EXAMPLES / "test_dubbing.py").read_text(encoding="utf-8"))
    pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=2)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.name))
def test_every_example_stands_on_a_page(path: Path) -> None:
    """And says at its top what it shows; it imports what is public alone."""
    text = path.read_text(encoding="utf-8")
    assert f"../examples/{path.name}" in PAGES
    assert text.startswith('"""')
    imported = set(re.findall(r"^(?:from|import) (lipsync\S*)", text, re.MULTILINE))
    assert imported - {"lipsync_async.metrics", "lipsync_async.sandbox"} == {"lipsync_async"}
