"""`check`: every fault with its line, counts and estimates."""

from __future__ import annotations

from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.errors import JobListError, Violation
from lipsync_async.jobs import JobList, LineFault
from lipsync_async.jobs.inspection import Tell
from lipsync_async.sandbox import Sandbox

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


def test_every_cause_has_its_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout, all of them, each once, also two in one line; a dry run says the same."""
    bad = [job(session_id="", sound_volume=9)] * 1100
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), "{", *bad, job("b", session_id="")])
    told = []
    for command in (["check"], ["submit", "--dry-run"]):
        assert main([*command, str(jobs), "--gateway", "kling"]) == 2
        captured = capsys.readouterr()
        told.append(captured.out.splitlines()[:3])
        assert "1,102 broken" in captured.err or command[0] == "submit"
    assert told[0] == told[1]
    assert told[0][0].startswith("line 2: is not JSON")
    assert told[0][1:] == [
        "1,101 lines (3, 4, 5 ...): session_id: must not be empty",
        "1,100 lines (3, 4, 5 ...): face_choose[0].sound_volume: must be from 0 to 2",
    ]


def test_a_list_that_breaks_off_tells_its_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of the lines that were read."""

    def breaks_off(jobs: JobList, gateway: object, *, tell: Tell, **_: object) -> None:
        tell(LineFault(2, Violation("session_id", "missing", "is missing")))
        raise JobListError("the list has changed")

    monkeypatch.setattr(JobList, "check", breaks_off)
    assert main(["check", str(write(tmp_path / "jobs.jsonl", [job("a")]))]) == 2
    captured = capsys.readouterr()
    assert captured.out == "line 2: session_id: is missing\n"
    assert "the list has changed" in captured.err


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


def test_a_face_that_is_no_rule_is_refused_before_anything_is_paid(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the name of its column; nothing is identified."""
    row = "https://films.example.com/1.mp4,{},https://cdn.example.com/1.mp3,5000"
    rows = ["video_url,face,sound_file,sound_end_time", row.format("longest"), row.format("biggest")]
    (tmp_path / "jobs.csv").write_text("\n".join(rows))
    told = "line 3: face: must be only, first or longest, or the id of a face such as 0: 'biggest' is none of them"
    assert main(["check", str(tmp_path / "jobs.csv")]) == 2
    assert told in capsys.readouterr().out
    assert main(["submit", str(tmp_path / "jobs.csv"), "--gateway", lipsync_sandbox.base_url]) == 2
    assert told in capsys.readouterr().err
    assert not lipsync_sandbox.ledger.preparations
