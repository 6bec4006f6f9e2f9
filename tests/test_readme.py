"""The README is true: its code runs, its output is what comes out, and it names every command and option."""

from __future__ import annotations

import argparse
import asyncio
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from lipsync_async import Following, gateways
from lipsync_async.cli import main
from lipsync_async.cli.arguments import make_parser
from lipsync_async.sandbox import Sandbox, in_thread
from lipsync_async.tasks import planner

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
CLIP = Path(__file__).parent / "clips" / "mp3_cbr128_xing_id3.mp3"


def blocks(language: str) -> list[str]:
    """All blocks of one language, in order."""
    return [text for name, text in BLOCKS if name == language]


def python_with(word: str) -> str:
    """The one Python block that holds a word."""
    (found,) = [text for text in blocks("python") if word in text]
    return found


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The gateways' names lead to a sandbox, with a key in the environment and clips in the working folder."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        shutil.copy(CLIP, tmp_path / f"line-{number}.mp3")
    with in_thread(Sandbox(time_scale=100_000)) as running:
        known = {name: gateway.at(running.base_url) for name, gateway in gateways.GATEWAYS.items()}
        monkeypatch.setattr(gateways, "GATEWAYS", known)
        monkeypatch.setenv("LIPSYNC_API_KEY", running.api_key)
        yield running


def without_task_ids(text: str) -> str:
    """Which of the jobs under way at once becomes which task is the gateway's to say."""
    return re.sub(r"[0-9]{18}", "TASK", text)


def run_python(code: str) -> dict[str, Any]:
    """Runs a block as a script."""
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), names)
    return names


def test_code_comes_before_line_thirty() -> None:
    """A newcomer sees code at once."""
    assert README[: README.index("```python")].count("\n") < 30


@pytest.mark.usefixtures("sandbox")
def test_the_first_example_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The first block of code gives the first block of output, and the second run, told by the journal, the same."""
    code = python_with("ep1.db")
    run_python(code)
    first = capsys.readouterr().out
    run_python(code)
    assert capsys.readouterr().out == first
    assert without_task_ids(first) == without_task_ids(blocks("text")[0])


def test_the_second_run_sends_nothing(sandbox: Sandbox) -> None:
    """What the README says of running it again."""
    code = python_with("ep1.db")
    run_python(code)
    run_python(code)
    assert sandbox.ledger.requests == 3


@pytest.mark.usefixtures("sandbox")
def test_the_script_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The streaming script gives the second block of output."""
    lines = [f'{{"id": "scene-{n}", "url": "https://cdn.example.com/{n}.mp3", "ms": 4000}}\n' for n in (1, 2)]
    Path("voices.jsonl").write_text("".join(lines), encoding="utf-8")
    run_python(python_with("voices.jsonl"))
    assert capsys.readouterr().out == blocks("text")[1]


def test_the_list_comes_to_its_videos(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Submitted and waited for; the second run submits nothing, and tells the same."""
    monkeypatch.setattr("lipsync_async.client.Following", lambda: Following(first_look=0.0, closest=0.01))
    sandbox.set_lives(task_seconds=(0.0, 0.0), failed_share=0.0)
    code = python_with("run_many(jobs, journal")
    for _ in range(2):
        run_python(code)
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[:2] for line in lines] == [[f"ep2-{n}", "succeeded"] for n in range(3)]
        assert all(line.split()[2].startswith("http") for line in lines)
    assert len(sandbox.ledger.entries) == 3


def test_the_jobs_of_a_video_print_what_is_shown(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The video is identified once and the text spoken once, in both runs together."""
    for _ in range(2):
        run_python(python_with("ep3.db"))
        assert capsys.readouterr().out == blocks("text")[2]
    assert sorted(it.kind for it in sandbox.ledger.preparations) == ["identify", "speech"]
    assert sandbox.ledger.tasks == 2


def test_the_table_of_videos_is_a_list(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Both of its lines are accepted, for one video and one text."""
    Path("jobs.csv").write_text(blocks("csv")[0], encoding="utf-8")
    assert main(["submit", "jobs.csv", "--gateway", "chainhub"]) == 0
    assert capsys.readouterr().out.count('"outcome":"accepted"') == 2
    assert sorted(it.kind for it in sandbox.ledger.preparations) == ["identify", "speech"]


def test_the_service_answers(sandbox: Sandbox) -> None:
    """The web service takes a job, and tells a wrong one."""

    async def ask() -> list[int]:
        names = run_python(python_with("aiohttp import web"))
        async with TestClient(TestServer(names["app"])) as client:
            good = await client.post("/dub", json={"session": "s", "face": "0", "audio": "a"})
            bad = await client.post("/dub", json={"session": "", "face": "0", "audio": "a"})
            return [good.status, bad.status]

    assert asyncio.run(ask()) == [202, 422]
    assert len(sandbox.ledger.entries) == 1


def test_the_pytest_example_passes(tmp_path: Path) -> None:
    """The block for users' own tests is a test that passes."""
    (tmp_path / "test_example.py").write_text(python_with("lipsync_sandbox"), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("sandbox")
def test_the_shell_commands_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the shell section runs on the list that is shown, one after the other."""
    monkeypatch.setattr(planner, "COLD", 0.01)
    monkeypatch.setattr(planner.Planner, "closest", lambda *_: 0.01)  # the sandbox's tasks take a few milliseconds
    Path("jobs.jsonl").write_text(blocks("json")[0], encoding="utf-8")
    commands = re.findall(r"^\$ lipsync-async (.*)$", README, re.MULTILINE)
    assert len(commands) == 8
    for command in commands:
        assert main(shlex.split(command)) == 0, (command, capsys.readouterr())
    for name in ("results.jsonl", "videos.jsonl"):
        assert len(Path(name).read_text(encoding="utf-8").splitlines()) == 2


def parsers(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its parser."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield name, parser
    for action in inner:
        for word, child in action.choices.items():
            yield from parsers(child, f"{name} {word}".strip())


@pytest.mark.parametrize(("command", "parser"), list(parsers(make_parser())), ids=lambda value: str(value)[:20])
def test_every_command_and_option_is_named(command: str, parser: argparse.ArgumentParser) -> None:
    """The table of commands has a row a command, and each row all its options."""
    (row,) = re.findall(rf"^\| `{command}(?: [A-Z]+)?` \|(.*)$", README, re.MULTILINE)
    options = {name for action in parser._actions for name in action.option_strings if name.startswith("--")}
    assert {name for name in options - {"--help"} if f"`{name}`" not in row} == set()
    assert set(re.findall(r"`(--[a-z-]+)`", row)) <= options


def test_the_two_commands_are_targets_of_make() -> None:
    """What the README asks a newcomer to type exists."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    typed = re.findall(r"^make ([a-z-]+)$", README, re.MULTILINE)
    assert typed == ["demo", "test"]
    assert set(typed) <= set(targets)


def test_the_examples_import_from_the_top_alone() -> None:
    """Deep imports are no API, as the README says."""
    imported = [
        name for text in blocks("python") for name in re.findall(r"^(?:from|import) (lipsync\S*)", text, re.MULTILINE)
    ]
    assert len(imported) >= 4
    assert set(imported) == {"lipsync_async"}


def test_linked_files_exist() -> None:
    """No link of the README leads nowhere."""
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []
