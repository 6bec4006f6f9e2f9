"""`kill -9` at random instants while the gateway loses replies: the ledger and the journal agree, job by job."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import crashes


@pytest.mark.parametrize("mode", ["many", "stream"])
def test_killed_and_resumed(mode: str, tmp_path: Path) -> None:
    """300 jobs survive three kills: every one was accepted, and paid for once."""
    account = crashes.run(tmp_path, jobs=300, kills=3, seed=len(mode), mode=mode, per_second=400.0, life=0.35)
    assert account.agrees, account
    assert account.told == {"accepted": 300}
