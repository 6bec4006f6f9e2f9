"""The sandbox as a command."""

from __future__ import annotations

import argparse
import inspect
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from lipsync_async.sandbox import Sandbox, add_arguments, serve
from lipsync_async.sandbox.choices import DUPLICATES, URLS
from lipsync_async.sandbox.command import CHANCES, CHOICES, FLAGS, VALUES, main
from lipsync_async.sandbox.replies import DIALECTS, REFUSALS
from lipsync_async.sandbox.tasks import LOOKUPS
from lipsync_async.sandbox.webhooks import CALLBACKS

from .helpers import ROUTE, job, raw

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-W", "error", "-m", "lipsync_async.sandbox"]


def test_every_option_of_the_sandbox_has_its_flag() -> None:
    """The command offers what the class does, with the same defaults and choices."""
    chances = {field for field, _, _ in CHANCES.values()}
    offered = (
        {name.replace("-", "_") for name in (*VALUES, *CHOICES, *FLAGS)}
        | {"task_seconds", "callback_secrets"}
        | chances
    )
    options = inspect.signature(Sandbox).parameters
    assert offered == set(options) - {"clock"}
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    defaults = vars(parser.parse_args([]))
    alike = offered - chances - {"callback_secrets"}
    assert {name: defaults[name] for name in alike} == {name: options[name].default for name in alike}
    assert {name: set(known) for name, known in CHOICES.items()} == {
        "dialect": set(DIALECTS),
        "refusals": set(REFUSALS),
        "duplicates": set(DUPLICATES),
        "lookups": set(LOOKUPS),
        "urls": set(URLS),
        "callbacks": set(CALLBACKS),
    }


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """It says where it listens, serves, and prints the ledger's summary at SIGTERM."""
    path = tmp_path / "ledger.jsonl"
    options = ["--fault", "slow=1", "--slow-seconds", "0", "--ledger-path", str(path), "--task-seconds", "1", "2"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True, env=env, cwd=tmp_path) as process:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        assert said[:2] == ["listening", "on"]
        assert process.stdout.readline().startswith("videos at http://127.0.0.1:")
        assert process.stdout.readline() == "API key: sandbox-key\n"
        headers = {"Authorization": "Bearer sandbox-key", "Content-Type": "application/json"}
        with urllib.request.urlopen(
            urllib.request.Request(said[2] + ROUTE, raw(job("a")), headers), timeout=5
        ) as reply:
            assert json.load(reply)["code"] == 0
        process.send_signal(signal.SIGTERM)
        summary = process.communicate(timeout=10)[0]
    assert process.returncode == 0
    assert "accepted  1 (0.5 units)" in summary
    assert json.loads(path.read_text())["external_task_id"] == "a"


def test_help_loads_nothing_heavy() -> None:
    """`--help` answers without aiohttp."""
    code = (
        "import sys; from lipsync_async.sandbox.command import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: assert not {'aiohttp', 'tinytag'} & set(sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert "--max-running-tasks" in run.stdout


@pytest.mark.parametrize("given", ["x=1", "hang", "hang=often"])
def test_a_wrong_fault_is_told(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A fault that is not known, or has no chance, ends the command with 2 and the right form."""
    with pytest.raises(SystemExit, match="2"):
        main(["--fault", given])
    assert "hang" in capsys.readouterr().err


def test_wrong_values_end_with_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    """What the class refuses is one line on stderr and exit code 2."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert serve(parser.parse_args(["--time-scale", "0"])) == 2
    assert "time_scale" in capsys.readouterr().err
