"""`kill -9` at random instants while the gateway loses replies: the ledger and the journal agree, job by job."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import crashes, waits


@pytest.mark.parametrize("mode", ["many", "stream"])
def test_killed_and_resumed(mode: str, tmp_path: Path) -> None:
    """300 jobs survive three kills: every one was accepted, and paid for once."""
    account = crashes.run(tmp_path, jobs=300, kills=3, seed=len(mode), mode=mode, per_second=400.0, life=0.35)
    assert account.agrees, account
    assert account.told == {"accepted": 300}


@pytest.mark.parametrize("download", [False, True])
def test_killed_while_tasks_are_waited_for(download: bool, tmp_path: Path) -> None:
    """`submit --wait` survives three kills: forty tasks are paid for once, and each ending is told once, the same.

    With `--download` every video is on disk, whole, and nothing else is in its folder.
    """
    pace, tasks = 40.0, (1.0, 3.0)
    account = waits.run(
        tmp_path, jobs=40, kills=3, seed=3, per_second=pace, task_seconds=tasks, life=0.8, download=download
    )
    assert account.kills == 3
    assert account.faults == [], account
    assert sum(account.told.values()) == account.creates == 40
