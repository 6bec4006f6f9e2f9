"""What sends nothing leaves nothing behind: no journal, no lock, no file of results and no folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.cli.target import look_at_folder, results_to
from lipsync_async.errors import ConfigurationError
from lipsync_async.sandbox import Sandbox

from .helpers import job, results, write

BAD = job("a", session_id="")


def submit(tmp_path: Path, sandbox: Sandbox, *options: str) -> int:
    """The list of that folder, with all that can be made beside it."""
    made = ["--journal", str(tmp_path / "run.db"), "--out", str(tmp_path / "out.jsonl")]
    made += ["--download", str(tmp_path / "videos" / "ep2")]
    return main(
        ["submit", str(tmp_path / "jobs.jsonl"), "--gateway", sandbox.base_url, *made, "--first-look", "0.1", *options]
    )


@pytest.mark.parametrize(("lines", "told"), [([], "holds no jobs"), ([BAD], "nothing was sent"), (["{"], "not JSON")])
def test_a_list_that_is_not_sent_leaves_nothing(
    lines: list[object], told: str, tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Empty, broken, or no list at all; neither does a dry run."""
    write(tmp_path / "jobs.jsonl", lines)  # type: ignore[arg-type]
    for options in ((), ("--dry-run",)):
        assert submit(tmp_path, lipsync_sandbox, *options) == 2
        assert os.listdir(tmp_path) == ["jobs.jsonl"]  # noqa: PTH208
    captured = capsys.readouterr()
    assert told in captured.err


def test_what_was_there_stays(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """An empty file that somebody else made, and the journal of an earlier run."""
    write(tmp_path / "jobs.jsonl", [job("b")])
    command = ["submit", str(tmp_path / "jobs.jsonl"), "--gateway", lipsync_sandbox.base_url]
    assert main([*command, "--journal", str(tmp_path / "run.db")]) == 0
    (tmp_path / "out.jsonl").touch()
    before = (tmp_path / "run.db").stat().st_ino
    write(tmp_path / "jobs.jsonl", [BAD])
    assert submit(tmp_path, lipsync_sandbox) == 2
    assert (tmp_path / "out.jsonl").read_bytes() == b""
    assert (tmp_path / "run.db").stat().st_ino == before


@pytest.mark.lipsync_sandbox(task_seconds=(0.1, 0.1), failed_share=0)
def test_a_list_that_is_sent_leaves_all_of_it(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """The journal is new, and knows the list; the folder comes with the first video."""
    write(tmp_path / "jobs.jsonl", [job("a")])
    for _ in range(2):
        assert submit(tmp_path, lipsync_sandbox) == 0
        assert [line["outcome"] for line in results((tmp_path / "out.jsonl").read_text())] == ["succeeded"]
    assert (tmp_path / "run.db").stat().st_size
    assert [video.name for video in (tmp_path / "videos" / "ep2").iterdir()] == ["a.mp4"]
    assert len(lipsync_sandbox.ledger.entries) == 1


def test_only_an_empty_file_of_our_own_is_removed(tmp_path: Path) -> None:
    """Not one with a line in it, and not what took its place meanwhile."""
    place = tmp_path / "out.jsonl"
    with results_to(str(place), overwrite=False, journal=None):
        assert place.exists()
    assert not place.exists()
    with results_to(str(place), overwrite=False, journal=None) as out:
        out.write("a line\n")
    assert place.read_text() == "a line\n"
    place.unlink()
    with results_to(str(place), overwrite=False, journal=None):
        place.rename(tmp_path / "moved")
        place.touch()
    assert place.exists()


def test_a_folder_is_looked_at_and_not_made(tmp_path: Path) -> None:
    """What is above it must be a folder that can be written to."""
    look_at_folder(str(tmp_path / "new" / "videos"))
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for place in ("file", "file/videos", "nowhere", "nowhere/videos"):
        with pytest.raises(ConfigurationError, match="no videos can be put there"):
            look_at_folder(str(tmp_path / place))
