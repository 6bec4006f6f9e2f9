"""The README is true: its code runs, and its output is what comes out; `test_docs` looks at the pages."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
    monkeypatch.setattr("lipsync_async.client.Following", lambda: Following(first_look=0.0, closest=0.01))
    with in_thread(Sandbox(time_scale=100_000, task_seconds=(0.0, 0.0), failed_share=0.0)) as running:
        known = {name: gateway.at(running.base_url) for name, gateway in gateways.GATEWAYS.items()}
        monkeypatch.setattr(gateways, "GATEWAYS", known)
        monkeypatch.setenv("LIPSYNC_API_KEY", running.api_key)
        monkeypatch.setenv("LIPSYNC_GATEWAY", running.base_url)
        yield running


def run_python(code: str) -> dict[str, Any]:
    """Runs a block as a script."""
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), names)
    return names


def test_code_comes_before_line_thirty() -> None:
    """A newcomer sees code at once."""
    assert README[: README.index("```python")].count("\n") < 30


def test_the_first_example_comes_to_its_videos(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a key or a network; the second run, told by the journal, says the same and sends nothing."""
    code = python_with("ep1.db")
    shown = re.findall(r"^(ep1-\d \w+) http", README, re.MULTILINE)
    for _ in range(2):
        run_python(code)
        assert re.findall(r"^(ep1-\d \w+) http", capsys.readouterr().out, re.MULTILINE) == shown
    assert sandbox.ledger.requests == len(shown) == 2


def test_the_first_example_is_the_one_of_the_docs() -> None:
    """But for the line that says what it is, and where lines are broken."""
    example = ast.parse((ROOT / "examples" / "first.py").read_text(encoding="utf-8"))
    example.body.pop(0)
    assert ast.dump(example) == ast.dump(ast.parse(python_with("ep1.db")))


def test_the_sandbox_is_started_as_it_says() -> None:
    """With options that there are, and the next command has its address and its key."""
    (typed,) = re.findall(r"^\$ lipsync-async (sandbox .*)$", README, re.MULTILINE)
    args = make_parser().parse_args(shlex.split(typed))
    assert f"API key: {args.api_key}\n" in README
    address = f"http://{args.host}:{args.port}"
    assert f"$ export LIPSYNC_GATEWAY={address} LIPSYNC_API_KEY={args.api_key}\n$ python first.py\n" in README


@pytest.mark.usefixtures("sandbox")
def test_the_script_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The streaming script gives the block of output below it."""
    lines = [f'{{"id": "scene-{n}", "url": "https://cdn.example.com/{n}.mp3", "ms": 4000}}\n' for n in (1, 2)]
    Path("voices.jsonl").write_text("".join(lines), encoding="utf-8")
    run_python(python_with("voices.jsonl"))
    assert capsys.readouterr().out == blocks("text")[0]


@pytest.mark.usefixtures("sandbox")
def test_the_shell_commands_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the shell section runs on the list that is shown, one after the other."""
    monkeypatch.setattr(planner, "COLD", 0.01)
    monkeypatch.setattr(planner.Planner, "closest", lambda *_: 0.01)  # the sandbox's tasks take a few milliseconds
    Path("jobs.csv").write_text(blocks("csv")[0], encoding="utf-8")
    commands = re.findall(r"^\$ lipsync-async ((?!sandbox).*)$", README, re.MULTILINE)
    assert len(commands) == 8
    for command in commands:
        assert main(shlex.split(command)) == 0, (command, capsys.readouterr())
    for name in ("results.jsonl", "videos.jsonl"):
        assert len(Path(name).read_text(encoding="utf-8").splitlines()) == 2


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
    assert len(imported) >= 2
    assert set(imported) == {"lipsync_async"}


def test_it_is_short() -> None:
    """The depth is in the docs."""
    assert README.count("\n") < 220
