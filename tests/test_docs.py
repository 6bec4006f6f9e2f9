"""The documentation is true and whole: its code runs, and its lists name everything that there is."""

from __future__ import annotations

import argparse
import ast
import asyncio
import inspect
import logging
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

import lipsync_async
from docs import _made, links
from lipsync_async import DownloadKind, FailureKind, Following, Kind, LipSyncClient, RequestBuilder, gateways
from lipsync_async.cli import main
from lipsync_async.cli.arguments import make_parser
from lipsync_async.sandbox import Sandbox, in_thread
from lipsync_async.tasks import planner

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
CLIP = Path(__file__).parent / "clips" / "mp3_cbr128_xing_id3.mp3"

pytest_plugins = ["pytester"]


def blocks(page: str, language: str) -> list[str]:
    """All blocks of one language on a page, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)


FRAGMENTS = [
    pytest.param(text, id=f"{page}-{number}") for page in PAGES for number, text in enumerate(blocks(page, "python"))
]


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The gateways' names lead to a sandbox whose tasks end at once; sounds lie in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sounds").mkdir()
    for name in ("sounds/line-1.mp3", "sounds/line-2.m4a", "line-1.mp3"):
        shutil.copy(CLIP, tmp_path / name)
    monkeypatch.setattr("lipsync_async.client.Following", lambda: Following(first_look=0.0, closest=0.01))
    with in_thread(Sandbox(time_scale=100_000, task_seconds=(0.0, 0.0), failed_share=0.0)) as running:
        known = {name: gateway.at(running.base_url) for name, gateway in gateways.GATEWAYS.items()}
        monkeypatch.setattr(gateways, "GATEWAYS", known)
        monkeypatch.setenv("LIPSYNC_API_KEY", running.api_key)
        yield running


class Instrument:
    """What a meter gives."""

    def add(self, *_: object) -> None:
        """A counter's."""

    def record(self, *_: object) -> None:
        """A histogram's."""


async def run_fragment(code: str) -> None:
    """Runs a block as if it stood in a program with a client and some jobs."""
    names: dict[str, Any] = {name: getattr(lipsync_async, name) for name in lipsync_async.__all__}
    template = RequestBuilder().session("s").face("0").audio_id("a")
    jobs = [template.window(0, 3000).external_task_id(f"ep3-{n}").build() for n in range(3)]
    meter = dict.fromkeys(("requests", "outcomes", "duration"), Instrument())
    async with LipSyncClient("chainhub") as client:
        await client.submit_many(jobs, journal="ep3.db")
        names |= {"client": client, "jobs": jobs, "Path": Path, "logging": logging, **meter}
        found = eval(compile(code, "fragment", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.isawaitable(found):
            await found
        for watch in [names["observe"]] if "observe" in names else []:
            watch(SimpleNamespace(name="attempt", action="accept", kind=None, seconds=1.0))
            watch(SimpleNamespace(name="outcome", kind=None))


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("code", FRAGMENTS)
def test_every_block_of_python_runs(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the sandbox."""
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    asyncio.run(run_fragment(code))


def test_the_test_on_the_page_passes(pytester: pytest.Pytester) -> None:
    """The block for tasks that end soon."""
    (code,) = blocks("testing", "python")
    pytester.makeini("[pytest]\n")
    pytester.makepyfile(test_soon=code)
    pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("given", ["jobs.csv", "jobs.jsonl"])
def test_the_commands_of_the_spreadsheet_run(
    given: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, with the table and with the JSON that are shown."""
    monkeypatch.setattr(planner, "COLD", 0.01)
    monkeypatch.setattr(planner.Planner, "closest", lambda *_: 0.01)
    shutil.copy(ROOT / "examples" / "jobs.csv", "jobs.csv")
    Path("jobs.jsonl").write_text(blocks("spreadsheet", "json")[0], encoding="utf-8")
    commands = re.findall(r"^\$ lipsync-async (.*)$", PAGES["spreadsheet"], re.MULTILINE)
    assert len(commands) == 6
    for command in commands:
        assert main(shlex.split(command.replace("jobs.csv", given))) == 0, (command, capsys.readouterr())
    lines = len(Path(given).read_text(encoding="utf-8").splitlines()) - given.endswith(".csv")
    assert len(list(Path("videos").glob("*.mp4"))) == lines
    assert Path("folder.csv").read_text(encoding="utf-8-sig").count(",accepted,") == 2


PAGES_OF_COMMANDS = [text for name, text in PAGES.items() if name != "mistakes"]  # which are to fail, and do so there
TYPED = sorted(
    {
        typed
        for text in (*PAGES_OF_COMMANDS, (ROOT / "README.md").read_text(encoding="utf-8"))
        for typed in re.findall(r"lipsync-async ([a-z][^`\n]* --[^`\n]*)", text)
    }
)


@pytest.mark.parametrize("typed", TYPED)
def test_every_command_that_is_told_can_be_typed(typed: str) -> None:
    """Its options are there, and take such values."""
    assert make_parser().parse_args(shlex.split(typed)).module


# --- lists that name everything -------------------------------------------------------------------------------------


def table(page: str, heading: str) -> list[str]:
    """The names in the first column of the table below a heading."""
    text = PAGES[page].split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [name for row in re.findall(r"^\| (.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]


@pytest.mark.parametrize(
    ("heading", "kinds"),
    [
        ("Kinds of outcomes", Kind),
        ("Why a task failed", FailureKind),
        ("Why a video could not be fetched", DownloadKind),
    ],
)
def test_every_kind_has_its_cause_and_cure(heading: str, kinds: type[Kind]) -> None:
    """Each once, and nothing that is none."""
    assert sorted(table("trouble", heading)) == sorted(map(str, kinds))


def test_every_error_is_told() -> None:
    """All that can be raised, on the same page."""
    errors = {
        name
        for name in lipsync_async.__all__
        if inspect.isclass(getattr(lipsync_async, name)) and issubclass(getattr(lipsync_async, name), Exception)
    }
    assert errors - {"LipSyncError", "JobError", "TaskError"} <= {*re.findall(r"`(\w+)`", PAGES["trouble"])}


def test_every_public_name_is_in_the_reference() -> None:
    """Once, and nothing that is not public."""
    text, _, rest = PAGES["api"].partition("## Metrics")
    sandbox = rest.partition("## The sandbox")[2]
    named = re.findall(r"^\.\. auto\w+:: (\w+)$", text, re.MULTILINE)
    assert sorted(named) == sorted(lipsync_async.__all__)
    assert set(re.findall(r"^\.\. auto\w+:: (\w+)$", sandbox, re.MULTILINE)) <= set(lipsync_async.sandbox.__all__)


@pytest.mark.parametrize("name", ["Limits", "RetryPolicy", "Timeouts", "Following", "RunOptions"])
def test_every_setting_is_on_its_page(name: str) -> None:
    """By the name of its field."""
    rows = [row for row in PAGES["settings"].splitlines() if row.startswith(f"| `{name}.")]
    named = {word for row in rows for word in re.findall(r"`(?:\w+\.)?(\w+)`", row.split(" | ")[0])}
    assert named == {field.name for field in attrs.fields(getattr(lipsync_async, name))}


@pytest.mark.parametrize(("command", "parser"), list(_made.parsers(make_parser())), ids=lambda value: str(value)[:20])
def test_every_option_is_on_the_page_of_the_command(command: str, parser: argparse.ArgumentParser) -> None:
    """The page is made of the parser; each option has a row with a text."""
    section = _made.options().split(f"## {command}\n", 1)[1].split("\n## ", 1)[0]
    options = {name for action in parser._actions for name in action.option_strings} - {"-h", "--help"}
    rows = re.findall(r"^\| (.*?) \| .+ \|$", section, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(-[\w-]+)", row)} == options


def test_a_page_without_its_place_is_a_fault() -> None:
    """So that no text is lost without a word."""
    with pytest.raises(ValueError, match="has no <!-- made: options -->"):
        _made.fill("command", "# The command\n")


def test_a_link_to_code_is_told_as_its_path() -> None:
    """And must be there."""
    assert _made.fill("x", "see [tests](../tests/simulation)") == "see tests (`tests/simulation`)"
    with pytest.raises(ValueError, match="there is no tests/nothing"):
        _made.fill("x", "see [tests](../tests/nothing)")


# --- links ----------------------------------------------------------------------------------------------------------


def test_every_page_is_in_the_index() -> None:
    """A page that nothing leads to is not read."""
    listed = re.findall(r"^([a-z-]+)$", PAGES["index"], re.MULTILINE)
    assert sorted(listed) == sorted(PAGES.keys() - {"index"})


def faults_of(folder: Path, text: str) -> list[str]:
    """What is wrong with a page of a site of two."""
    (folder / "a.html").write_text(text, encoding="utf-8")
    (folder / "b.html").write_text('<h1 id="top-of-b">b</h1>', encoding="utf-8")
    return list(links.faults(folder))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('<a href="c.html">', "c.html: leads nowhere"),
        ('<a href="b.html#c">', "b.html#c: has no such anchor"),
        ('<a href="#c">', "#c: has no such anchor"),
        ('<script src="https://github.com/x.js">', "https://github.com/x.js: is loaded from another host"),
        ('<link rel="stylesheet" href="//github.com/x.css">', "//github.com/x.css: is loaded from another host"),
        ('<a href="https://elsewhere.example">', "https://elsewhere.example: is a host that is not known"),
    ],
)
def test_a_broken_link_is_told(tmp_path: Path, text: str, told: str) -> None:
    """With the page that it is on."""
    assert faults_of(tmp_path, text) == [f"a.html: {told}"]


def test_links_in_order_are_not_told(tmp_path: Path) -> None:
    """To a page, an anchor, a known host, and a picture that lies in the page."""
    good = (
        '<a href="b.html"><a href="b.html#top-of-b"><a href="https://github.com/x"><img src="data:image/gif;base64,R0">'
    )
    assert faults_of(tmp_path, good) == []


def test_a_folder_without_pages_is_a_fault(tmp_path: Path) -> None:
    """A check of nothing proves nothing."""
    assert len(list(links.faults(tmp_path))) == 1
