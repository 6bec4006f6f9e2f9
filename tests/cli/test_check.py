"""`check`: every fault with its line, counts and estimates."""

from __future__ import annotations

from pathlib import Path

import pytest

from lipsync_async.cli import main

from .helpers import CLIPS, job, write


def test_a_sound_list_is_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its cost and the time it takes."""
    jobs = write(tmp_path / "jobs.jsonl", [*[job(f"j{number}") for number in range(100)], job("j1")])
    assert main(["check", str(jobs), "--max-per-second", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "101 lines: 100 jobs, 0 broken, 1 repeated",
        "cost: 50 units, about USD 7.00 or CNY 50.00 at list price (an estimate)",
        "time: at least 0:50 at 2 requests a second",
    ]


def test_every_fault_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout, all of them, also two in one line."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), "{", *[job(session_id="", sound_volume=9)] * 1100])
    assert main(["check", str(jobs), "--gateway", "kling"]) == 2
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert len(lines) == 2201
    assert lines[0].startswith("line 2: is not JSON")
    assert lines[-1] == "line 1102: face_choose[0].sound_volume: must be from 0 to 2"
    assert "1,102 lines: 1 job, 1,101 broken" in captured.err


def test_a_warning_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the first line it is about, and how many more."""
    jobs = write(tmp_path / "jobs.jsonl", [job(f"j{number}", model="x") for number in range(3)])
    assert main(["check", str(jobs), "--limit", "2"]) == 0
    err = capsys.readouterr().err
    assert err.count("warning") == 1
    assert "(and in 1 more line)" in err
    assert "line 1: model: is no field of the call: it is not sent, and no part of the job's id" in err


def test_the_bundled_list_has_just_its_two_faults(capsys: pytest.CaptureFixture[str]) -> None:
    """One clip is too long, one too short."""
    assert main(["check", str(CLIPS / "jobs.jsonl"), "--gateway", "anyapi"]) == 2
    assert {line.split(":")[0] for line in capsys.readouterr().out.splitlines()} == {"line 13", "line 30"}
