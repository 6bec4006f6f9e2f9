"""`look-up` and `settle`: what a person can do where look-ups prove nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.journal import Reader, Record, State, Store
from lipsync_async.sandbox import Sandbox

from .helpers import job, write


def test_look_up_tells_a_task_and_an_absence(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 with the task's id; 1 where the gateway says that there is none, and that this is no proof."""
    url = lipsync_sandbox.base_url
    assert main(["submit", str(write(tmp_path / "a.jsonl", [job("a")])), "--gateway", url, "--quiet"]) == 0
    capsys.readouterr()
    assert main(["look-up", "a", "--gateway", url]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["found"], told["task_id"]) == (True, lipsync_sandbox.ledger.entries[0].task_id)
    assert main(["look-up", "b", "--gateway", url]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["found"] is False
    assert "does not prove" in captured.err


def test_settle_writes_down_what_was_found_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A task, or none; an id that is not in doubt is an error that says so."""
    path = tmp_path / "run.db"
    store = Store(path, gateway="https://g.example", account="default")
    store.write([Record(name, b"f", State.UNKNOWN, attempts=1, first_intent_at=1.0) for name in ("a", "b")])
    store.close()
    assert main(["settle", "a", "--journal", str(path), "--task", "86"]) == 0
    assert main(["settle", "b", "--journal", str(path), "--absent"]) == 0
    assert main(["settle", "a", "--journal", str(path), "--task", "87"]) == 2
    assert "not in doubt: it is accepted as task 86" in capsys.readouterr().err
    with Reader(path) as reader:
        assert [(record.external_task_id, record.state) for record in reader.records()] == [
            ("a", State.ACCEPTED),
            ("b", State.CLEARED),
        ]
