"""`demo`: it runs anywhere, and what it shows is true."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from threading import Thread

import pytest

from lipsync_async.cli import demo, main
from lipsync_async.endings import Downloaded, Succeeded

from .helpers import CLIPS, command


def test_the_demo_shows_every_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a key: 44 lines, the two that were refused, a video of every other, no duplicates, and exit code 0."""
    monkeypatch.delenv("LIPSYNC_API_KEY")
    assert main(["demo", "--download", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    rows = re.findall(r"^demo-\d\d .*$", captured.out, re.MULTILINE)
    assert len(rows) == 44
    assert [row.split()[0] for row in rows if "rejected" in row] == ["demo-13", "demo-30"]
    lines = [line for line in captured.out.splitlines() if not line.startswith("The videos are in ")]
    assert max(map(len, lines)) <= 80
    assert "42 succeeded" in captured.out
    assert "ledger: 42 tasks, 26 units, duplicates: 0." in captured.out
    assert "cost: 26 units charged, 26 units estimated" in captured.out
    assert "3 videos identified and 2 texts spoken for 0.25 units." in captured.out
    videos = list(tmp_path.iterdir())
    assert {path.stem for path in videos} == {row.split()[0] for row in rows if "succeeded" in row}
    assert all(path.read_bytes()[4:8] == b"ftyp" for path in videos)
    assert "not sent: line 13" in captured.err


def test_the_clips_are_small() -> None:
    """They come with every installation."""
    assert sum(path.stat().st_size for path in CLIPS.iterdir()) < 700_000


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo terminals")
def test_on_a_terminal_it_is_live(tmp_path: Path) -> None:
    """A bar on stderr that is drawn over itself; stdout has the table alone."""
    ours, theirs = os.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(ours, 1 << 16):
                seen.append(data)
        except OSError:
            """The other end was closed."""

    reader = Thread(target=read)
    reader.start()
    videos = str(tmp_path / "videos")
    process = command("demo", "--download", videos, env={"TERM": "xterm-256color", "COLUMNS": "80"}, stderr=theirs)
    os.close(theirs)
    with process:
        out, _ = process.communicate(timeout=60)
    reader.join()
    os.close(ours)
    shown = b"".join(seen).decode()
    assert process.returncode == 0
    assert "44 of 44" in shown
    assert all(f"{stage} " in shown for stage in ("submitted", "running", "finished", "downloaded"))
    assert "\x1b[" in shown
    assert "\x1b" not in out
    assert out.startswith("job ")


def test_a_demo_that_goes_wrong_says_so() -> None:
    """A video of which the ledger knows no task, and a list that came to nothing, are exit code 1."""

    class Ledger:
        duplicates: dict[str, int] = {}  # noqa: RUF012
        entries: list[object] = []  # noqa: RUF012

    fetched = Downloaded(external_task_id="a", task_id="1", path="a.mp4", size=1)
    made = Succeeded(external_task_id="a", task_id="1", download=fetched)
    assert demo._wrong([made], Ledger())  # type: ignore[arg-type]
    assert demo._wrong([], Ledger())  # type: ignore[arg-type]
