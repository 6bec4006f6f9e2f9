"""Ctrl-C, SIGTERM and readers that go away: every line is written, and no traceback is seen."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lipsync_async.cli.batch import ECHO
from lipsync_async.sandbox import Sandbox

from .helpers import command, job, results, write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
MANY = [job(f"j{number}") for number in range(1500)]


@pytest.mark.lipsync_sandbox(max_per_second=40)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_ends_with_grace(number: signal.Signals, tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """Exit code 130, a line for every line, what was accepted in the ledger, and how to resume; then it resumes."""
    jobs, journal = write(tmp_path / "jobs.jsonl", MANY), tmp_path / "run.db"
    arguments = ("submit", jobs, "--gateway", lipsync_sandbox.base_url, "--journal", journal)
    with command(*arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.send_signal(number)
        # Not communicate(): it would miss what readline() has taken beyond the first line.
        out, err = process.stdout.read(), process.stderr.read()
    told = results(first + out)
    assert process.returncode == 130
    assert [line["line"] for line in told] == list(range(1, len(MANY) + 1))
    outcomes = [line["outcome"] for line in told]
    assert set(outcomes) == {"accepted", "not_sent"}
    assert outcomes.count("accepted") == lipsync_sandbox.ledger.tasks
    assert f"--journal {journal}" in err
    assert "Traceback" not in err
    with command(*arguments, "--limit", "20", "--quiet") as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err, len(results(out))) == (0, "", 20)
    assert lipsync_sandbox.ledger.duplicates == {}


@pytest.mark.lipsync_sandbox(faults={"hang": 0.9}, seed=1)
def test_the_second_signal_ends_at_once(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """Requests that hang hold nothing up; what was in flight is on record, and the next run finds it."""
    jobs, journal = write(tmp_path / "jobs.jsonl", MANY[:40]), tmp_path / "run.db"
    arguments = ("submit", jobs, "--gateway", lipsync_sandbox.base_url, "--journal", journal)
    with command(*arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert any("again ends at once" in line for line in iter(process.stderr.readline, ""))
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2 * ECHO)  # what hangs is waited for
        process.send_signal(signal.SIGINT)
        process.wait(5.0)
        err = process.stderr.read()
    assert process.returncode == 130
    assert "ended at once" in err
    assert "of 40 lines were not told" in err
    lipsync_sandbox.set_faults(None)
    with command(*arguments, "--quiet") as process:
        out, _ = process.communicate(timeout=60)
    assert [line["outcome"] for line in results(out)] == ["accepted"] * 40
    assert lipsync_sandbox.ledger.duplicates == {}


ODD = [{"session_id": "1", "sound_end_time": f"no {number}"} for number in range(12_000)]
"""More causes than are told at once, so that the first are told before the end, and than a pipe holds."""


def test_a_signal_during_the_check_ends_at_once(tmp_path: Path) -> None:
    """Nothing was sent, and it says so."""
    jobs = write(tmp_path / "jobs.jsonl", [*ODD, *MANY * 60])
    with command("check", jobs) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err


@pytest.mark.lipsync_sandbox(max_per_second=100)
def test_a_reader_that_goes_away_is_3(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """Intake ends, the text says so, and nobody complains at the exit."""
    jobs = write(tmp_path / "jobs.jsonl", MANY)
    with command("submit", jobs, "--gateway", lipsync_sandbox.base_url) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 3
    assert "Broken pipe" in err
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert lipsync_sandbox.ledger.tasks < len(MANY)


@pytest.mark.parametrize(("arguments", "code"), [(("check",), 3), (("status",), 0), (("journal", "export"), 0)])
def test_other_commands_take_it_quietly(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    """`check | head` and its like show no traceback; where something is only shown, it is no failure."""
    from lipsync_async.journal import Record, State, Store

    path = tmp_path / "run.db"
    store = Store(path, gateway="http://127.0.0.1")
    store.write(
        [Record(external_task_id=f"j{n}", fingerprint=b"1", state=State.UNKNOWN, message="x" * 400) for n in range(900)]
    )
    store.close()
    if arguments == ("check",):
        path = write(tmp_path / "jobs.jsonl", ODD)
    with command(*arguments, path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == code
    assert "Traceback" not in err
    assert "Exception ignored" not in err
