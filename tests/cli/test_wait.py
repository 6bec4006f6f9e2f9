"""`submit --wait`, `submit --download` and `wait`: exit codes, result lines, and what a journal shows afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lipsync_async.cli import main
from lipsync_async.outcomes import RESULT_FIELDS
from lipsync_async.sandbox import Sandbox
from lipsync_async.tasks import planner

from .helpers import job, results, write

SOON = {"time_scale": 100_000.0, "failed_share": 0.0}
"""Tasks take a few milliseconds."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come at once, for no task takes longer."""
    monkeypatch.setattr(planner, "COLD", 0.02)
    monkeypatch.setattr(planner.Planner, "closest", lambda *_: 0.02)


def submit(path: Path, sandbox: Sandbox, *options: str, jobs: int = 3) -> int:
    """A list of so many jobs, submitted with a journal beside it."""
    lines = write(path / "jobs.jsonl", [job(f"j{number}") for number in range(jobs)])
    journal = ("--journal", str(path / "j.db"))
    return main(["submit", str(lines), "--gateway", sandbox.base_url, *journal, *options])


def told(captured: Any) -> list[tuple[str, str]]:
    """Id and outcome of each result line."""
    return [(line["external_task_id"], line["outcome"]) for line in results(captured.out)]


@pytest.mark.lipsync_sandbox(**SOON)
def test_all_succeeded_is_0(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line has its video, its length and what was charged; the summary says what it cost."""
    assert submit(tmp_path, lipsync_sandbox, "--wait") == 0
    captured = capsys.readouterr()
    lines = results(captured.out)
    assert [line["outcome"] for line in lines] == ["succeeded"] * 3
    assert all(tuple(line) == RESULT_FIELDS for line in lines)
    assert all(line["video_url"] and line["duration"] == 5.0 and line["units"] == "0.5" for line in lines)
    assert "3 succeeded" in captured.err
    assert "cost: 1.5 units charged, 1.5 units estimated at list price, difference +0" in captured.err


@pytest.mark.lipsync_sandbox(**{**SOON, "ends": {"content": 1.0}})
def test_a_task_that_failed_is_1(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Its line says why, in a word and in the platform's own."""
    assert submit(tmp_path, lipsync_sandbox, "--wait", jobs=1) == 1
    (line,) = results(capsys.readouterr().out)
    assert (line["outcome"], line["kind"], line["task_status"]) == ("failed", "content", "failed")
    assert line["message"]
    assert line["video_url"] is None


@pytest.mark.lipsync_sandbox(task_seconds=(900.0, 900.0))
def test_a_task_that_still_runs_is_5(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The journal shows that it was not seen to end, and the summary how to go on."""
    assert submit(tmp_path, lipsync_sandbox, "--wait", "--wait-timeout", "0.2", jobs=1) == 5
    captured = capsys.readouterr()
    assert told(captured) == [("j0", "running")]
    assert f"next: 1 task still running: lipsync-async wait {tmp_path}/j.db --gateway" in captured.err
    code = main(["wait", str(tmp_path / "j.db"), "--gateway", lipsync_sandbox.base_url, "--wait-timeout", "0.2"])
    captured = capsys.readouterr()
    assert (code, told(captured)) == (5, [("j0", "running")])
    assert "next: 1 task still running: lipsync-async wait" in captured.err
    assert len(lipsync_sandbox.ledger.entries) == 1


@pytest.mark.lipsync_sandbox(**{**SOON, "urls": "none", "no_content": True})
def test_a_success_without_a_video_is_5(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gateway tells of none, at its content path neither."""
    assert submit(tmp_path, lipsync_sandbox, "--wait", jobs=1) == 5
    captured = capsys.readouterr()
    assert [(line["outcome"], line["video_url"]) for line in results(captured.out)] == [("succeeded", None)]
    assert "1 without a video" in captured.err


@pytest.mark.lipsync_sandbox(**SOON)
def test_wait_goes_on_from_a_journal_alone(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twice: what ended is told again, nothing is asked, and `status` and the export have it."""
    assert submit(tmp_path, lipsync_sandbox) == 0
    capsys.readouterr()
    journal, gateway = str(tmp_path / "j.db"), lipsync_sandbox.base_url
    assert main(["wait", journal, "--gateway", gateway]) == 0
    first = told(capsys.readouterr())
    queries = lipsync_sandbox.ledger.queries
    assert main(["wait", journal, "--gateway", gateway]) == 0
    assert told(capsys.readouterr()) == first == [(f"j{number}", "succeeded") for number in range(3)]
    assert lipsync_sandbox.ledger.queries == queries
    assert main(["status", journal]) == 0
    shown = capsys.readouterr().out
    assert "succeeded     3 there is a video" in shown
    assert "cost: 1.5 units charged" in shown
    assert main(["journal", "export", journal]) == 0
    assert told(capsys.readouterr()) == first


def test_wait_without_a_journal_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to wait for."""
    assert main(["wait", str(tmp_path / "none.db"), "--gateway", "http://127.0.0.1:1"]) == 2
    assert "none.db" in capsys.readouterr().err


# --- videos ----------------------------------------------------------------------------------------------------------


@pytest.mark.lipsync_sandbox(**SOON)
def test_videos_are_put_into_a_folder(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--download` waits as well; what is there is not fetched again, and what was removed is."""
    videos = tmp_path / "videos"
    assert submit(tmp_path, lipsync_sandbox, "--download", str(videos)) == 0
    captured = capsys.readouterr()
    assert [line["video_path"] for line in results(captured.out)] == [str(videos / f"j{n}.mp4") for n in range(3)]
    assert "3 downloaded" in captured.err
    assert sorted(path.name for path in videos.iterdir()) == ["j0.mp4", "j1.mp4", "j2.mp4"]
    (videos / "j1.mp4").unlink()
    arguments = [str(tmp_path / "j.db"), "--gateway", lipsync_sandbox.base_url, "--download", str(videos)]
    assert main(["wait", *arguments]) == 0
    capsys.readouterr()
    assert sorted(path.name for path in videos.iterdir()) == ["j0.mp4", "j1.mp4", "j2.mp4"]
    assert {it.external_task_id: it.fetched for it in lipsync_sandbox.ledger.entries} == {"j0": 1, "j1": 2, "j2": 1}


@pytest.mark.lipsync_sandbox(**SOON)
def test_a_video_that_cannot_be_kept_is_5(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The task has succeeded all the same; the line says what was wrong, and the next run puts it right."""
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "j0.mp4").write_text("somebody's notes")
    assert submit(tmp_path, lipsync_sandbox, "--download", str(videos), jobs=2) == 5
    captured = capsys.readouterr()
    bad, good = results(captured.out)
    assert (bad["outcome"], bad["kind"], bad["video_path"]) == ("succeeded", "storage", None)
    assert "another file has that name" in bad["message"]
    assert good["video_path"] == str(videos / "j1.mp4")
    assert "1 not downloaded" in captured.err
    (videos / "j0.mp4").unlink()
    assert submit(tmp_path, lipsync_sandbox, "--download", str(videos), jobs=2) == 0
    assert [line["video_path"] is None for line in results(capsys.readouterr().out)] == [False, False]


@pytest.mark.parametrize("place", ["jobs.jsonl", "jobs.jsonl/videos"])
def test_a_folder_that_is_none_is_2(
    place: str, tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is sent."""
    write(tmp_path / "jobs.jsonl", [job("j0")])
    assert submit(tmp_path, lipsync_sandbox, "--download", str(tmp_path / place), jobs=1) == 2
    assert "no videos can be put there" in capsys.readouterr().err
    assert not lipsync_sandbox.ledger.entries


@pytest.mark.parametrize("kinds", ["content", "capacity,media", ""])
def test_only_two_reasons_may_be_submitted_again(kinds: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The others would fail again."""
    with pytest.raises(SystemExit) as caught:
        main(["submit", "jobs.jsonl", "--gateway", "chainhub", "--wait", "--resubmit", kinds])
    assert caught.value.code == 2
    assert "must be capacity, gateway or capacity,gateway" in capsys.readouterr().err


@pytest.mark.lipsync_sandbox(**SOON)
def test_the_lines_of_a_wait_may_be_written_again(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The very same command resumes: all that its file holds is in the journal."""
    out = tmp_path / "r.jsonl"
    for _ in range(2):
        assert submit(tmp_path, lipsync_sandbox, "--wait", "--out", str(out)) == 0
        assert [json.loads(line)["outcome"] for line in out.read_text().splitlines()] == ["succeeded"] * 3
    capsys.readouterr()
