"""Lists that name videos and texts, by the command: checked, estimated, capped, paid once, and told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lipsync_async.cli import main
from lipsync_async.sandbox import Sandbox, in_thread

from .helpers import CLIPS, results, write

WORDS = "Good morning, everybody."
SOON = ("--first-look", "1", "--max-queries-per-second", "100")


def line(number: int, **changes: Any) -> dict[str, Any]:
    """A line of one of three videos, with a sound file."""
    usual = {
        "video_url": f"https://films.example.com/{number % 3}.mp4?X-Amz-Signature={number}",
        "face": "first",
        "sound_path": str(CLIPS / "speech_5.mp3"),
        "sound_insert_time": number,
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not ...}


def speaks(number: int, **changes: Any) -> dict[str, Any]:
    """A line that says something."""
    return line(number, sound_path=..., text=WORDS, voice_id="voice", **changes)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A gateway that knows its sessions, faces and audios."""
    with in_thread(Sandbox(check_ids=True, time_scale=600, failed_share=0.0)) as running:
        yield running


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """Six sounds and two texts, of three videos."""
    return write(tmp_path / "jobs.jsonl", [*map(line, range(6)), speaks(6), speaks(7)])


def test_the_estimate_counts_what_is_made_first(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three videos and one text, 0.05 unit each; eight jobs; no video is asked about."""
    assert main(["check", str(jobs)]) == 0
    said = capsys.readouterr().err
    assert "8 lines: 8 jobs" in said
    assert "cost: 7.2 units" in said
    assert "3 videos to identify and 1 text to speak" in said


def test_a_list_of_videos_comes_to_its_tasks_once(
    sandbox: Sandbox, jobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each video is identified once, and the text spoken once, however often the command runs; `status` tells of it."""
    command = ["submit", str(jobs), "--gateway", sandbox.base_url, "--journal", str(tmp_path / "run.db"), "--wait"]
    for _ in range(2):
        assert main([*command, "--out", str(tmp_path / "out.jsonl"), *SOON]) == 0
    told = capsys.readouterr().err
    assert told.count("3 videos identified and 1 text spoken for 0.2 units") == 1
    lines = results((tmp_path / "out.jsonl").read_text("utf-8"))
    assert [it["outcome"] for it in lines] == ["succeeded"] * 8
    assert sorted(sandbox.ledger.identified.values()) == [1, 1, 1]
    assert sum(it.kind == "speech" for it in sandbox.ledger.preparations) == 1
    assert (sandbox.ledger.tasks, sandbox.ledger.duplicates) == (8, {})
    assert main(["status", str(tmp_path / "run.db")]) == 0
    assert "3 videos identified and 1 text spoken for 0.2 units" in capsys.readouterr().out


def test_a_new_signature_is_the_same_job(sandbox: Sandbox, tmp_path: Path) -> None:
    """The list is written anew, with other signatures: nothing is sent."""
    for signature in ("a", "b"):
        url = f"https://films.example.com/0.mp4?X-Amz-Signature={signature}"
        jobs = write(tmp_path / "jobs.jsonl", [line(number, video_url=url) for number in range(4)])
        command = ["submit", str(jobs), "--gateway", sandbox.base_url, "--journal", str(tmp_path / "run.db")]
        assert main([*command, "--out", str(tmp_path / "out.jsonl")]) == 0
    assert (sandbox.ledger.tasks, sandbox.ledger.duplicates, len(sandbox.ledger.preparations)) == (4, {}, 1)


@pytest.mark.parametrize(("cap", "accepted"), [("0.04", 0), ("1.04", 0), ("1.05", 1), ("2.04", 1), ("2.05", 2)])
def test_the_cap_counts_what_is_made_first(
    sandbox: Sandbox, tmp_path: Path, cap: str, accepted: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A video is 0.05 unit and a job is 1: on both sides of each edge, one job after the other."""
    jobs = write(tmp_path / "jobs.jsonl", [line(0, sound_insert_time=n) for n in range(2)])
    out = tmp_path / "out.jsonl"
    command = ["submit", str(jobs), "--gateway", sandbox.base_url, "--out", str(out), "--max-in-flight", "1"]
    assert main([*command, "--max-units", cap]) == (0 if accepted == 2 else 3)
    assert [it["outcome"] for it in results(out.read_text("utf-8"))].count("accepted") == accepted
    assert sandbox.ledger.tasks == accepted
    if accepted < 2:
        assert f"the cap of {cap} units is reached" in capsys.readouterr().err
    spent = accepted + 0.05 * len(sandbox.ledger.preparations)
    assert spent <= float(cap) + 1e-9


def test_a_face_that_cannot_be_chosen_rejects_its_line_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With every face that there is, in the result line."""
    jobs = write(tmp_path / "jobs.jsonl", [line(0), line(1, face=...), line(2, face="9")])
    with in_thread(Sandbox(check_ids=True, faces={"two": 1.0})) as sandbox:
        out = tmp_path / "out.jsonl"
        assert main(["submit", str(jobs), "--gateway", sandbox.base_url, "--out", str(out)]) == 1
        assert sandbox.ledger.tasks == 1
    lines = results(out.read_text("utf-8"))
    assert [it["outcome"] for it in lines] == ["accepted", "rejected", "rejected"]
    assert [it["kind"] for it in lines] == [None, "validation", "validation"]
    assert all("'0' (0 to " in it["message"] and ".jpg" in it["message"] for it in lines[1:])


def test_a_local_video_of_a_list(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a fault without a place to put it; with one it is put there once."""
    from tests.request.test_video import film

    put: list[Path] = []

    class Uploads:
        def __init__(self, url: str) -> None:
            assert url == "s3://bucket/films"

        async def __call__(self, path: Path) -> str:
            put.append(path)
            return f"https://bucket.example/{path.name}?X-Amz-Signature=1"

    monkeypatch.setattr("lipsync_async.sources.uploads.StoreUploads", Uploads)
    (tmp_path / "a.mp4").write_bytes(film())
    (tmp_path / "short.mp4").write_bytes(film(milliseconds=1_000))
    local = [line(number, video_url=..., video_path="a.mp4") for number in range(3)]
    jobs = write(tmp_path / "jobs.jsonl", local)
    submit = ["submit", str(jobs), "--gateway", sandbox.base_url, "--out", str(tmp_path / "out.jsonl")]
    assert main(submit) == 2
    assert "--upload puts it into a bucket" in capsys.readouterr().err
    write(jobs, [*local, line(9, video_url=..., video_path="short.mp4")])
    assert main(["check", str(jobs), "--upload", "s3://bucket/films"]) == 2
    assert "line 4: video_path: must be 2 to 60 s long" in capsys.readouterr().out
    assert not sandbox.ledger.requests
    write(jobs, local)
    assert main([*submit, "--upload", "s3://bucket/films"]) == 0
    assert put == [tmp_path / "a.mp4"]
    assert sandbox.ledger.identified == {"https://bucket.example/a.mp4": 1}


def test_no_video_leads_out_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--sounds-under` holds for videos, too."""
    from tests.request.test_video import film

    (tmp_path / "a.mp4").write_bytes(film())
    inside = tmp_path / "inside"
    inside.mkdir()
    led_out = line(0, video_url=..., video_path="../a.mp4", sound_path=..., audio_id="1", sound_end_time=5000)
    jobs = write(inside / "jobs.jsonl", [led_out])
    assert main(["check", str(jobs), "--upload", "s3://bucket", "--sounds-under", str(inside)]) == 2
    assert "lies outside of" in capsys.readouterr().out
