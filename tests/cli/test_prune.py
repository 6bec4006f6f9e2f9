"""`journal prune`: a day that is over, or all in so many words."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.sandbox import Sandbox

from .helpers import job, write


@pytest.fixture
def journal(tmp_path: Path, lipsync_sandbox: Sandbox) -> str:
    """Of two jobs, the last of which stays whatever is forgotten."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), job("b")])
    name = str(tmp_path / "run.db")
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--journal", name]) == 0
    return name


def day(days: int) -> str:
    """A date so many days from now."""
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400 * days))


def test_a_day_to_come_is_refused(journal: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Today is not, for its beginning is over; nothing younger goes."""
    capsys.readouterr()
    for wrong in ("2999-01-01", day(1)):
        assert main(["journal", "prune", journal, "--before", wrong]) == 2
        assert "--before is a day to come" in capsys.readouterr().err
    assert main(["journal", "prune", journal, "--before", day(-1)]) == 0
    assert main(["journal", "prune", journal, "--before", day(0)]) == 0
    assert capsys.readouterr().err.count("0 settled jobs forgotten") == 2


def test_all_is_said_in_so_many_words(journal: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In place of a day, and not beside one."""
    for words in ([], ["--all", "--before", "2026-10-31"]):
        with pytest.raises(SystemExit) as caught:
            main(["journal", "prune", journal, *words])
        assert caught.value.code == 2
    assert main(["journal", "prune", journal, "--all"]) == 0
    assert "1 settled jobs forgotten" in capsys.readouterr().err
