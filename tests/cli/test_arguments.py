"""The command line itself: what it knows, and what it loads."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from lipsync_async.cli import main
from lipsync_async.cli.arguments import make_parser

from .helpers import command

COMMANDS = (
    "template",
    "check",
    "submit",
    "wait",
    "retry",
    "reconcile",
    "look-up",
    "faces",
    "settle",
    "status",
    "report",
    "journal",
    "journal export",
    "journal prune",
    "feed",
    "work",
    "demo",
    "sandbox",
)


def parsers(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """A parser and all below it."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, inner in action.choices.items():
                yield from parsers(inner, f"{name} {word}".strip())


def test_the_commands_are_these() -> None:
    """No more and no less."""
    assert tuple(name for name, _ in parsers(make_parser()) if name) == COMMANDS


def test_every_option_says_what_it_does() -> None:
    """Nobody has to guess."""
    for name, parser in parsers(make_parser()):
        for action in parser._actions:
            assert action.help or isinstance(action, argparse._SubParsersAction), f"{name} {action.dest}"


def test_no_option_takes_a_key() -> None:
    """Keys come from the environment; the sandbox's own, which it lets in, is no secret."""
    for name, parser in parsers(make_parser()):
        options = [option for action in parser._actions for option in action.option_strings]
        assert name == "sandbox" or not any("key" in option for option in options)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_a_terminal_and_ends_with_0(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main([*name.split(), "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert max(map(len, lines)) <= 110


def test_help_loads_nothing_heavy() -> None:
    """Neither aiohttp nor rich nor what comes with them."""
    code = (
        "import sys\nfrom lipsync_async.cli import main\n"
        "try: main(['submit', '--help'])\n"
        "except SystemExit: assert not {'aiohttp', 'anyio', 'cattrs', 'rich', 'sqlite3', 'tinytag'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """As the package has it."""
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"lipsync-async {version('lipsync-async')}\n"


def test_it_runs_as_a_module() -> None:
    """`python -m lipsync_async.cli` without a command is a usage error."""
    with command() as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "COMMAND" in err


def test_the_sandbox_runs_alone() -> None:
    """It says where it listens, ends at a signal, and prints its ledger."""
    with command("sandbox", "--max-per-second", "5") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on http://127.0.0.1:")
        process.terminate()
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "accepted  0 (0 units)" in out
