"""The ledger, the witness of what was accepted and billed."""

from __future__ import annotations

import json
from pathlib import Path

import attrs

from lipsync_async.sandbox.ledger import Ledger
from lipsync_async.sandbox.tasks import Task

from .helpers import Clock


def enter(ledger: Ledger, external_task_id: str, fault: str | None = None, ending: str = "succeed") -> Task:
    """Enter a task that runs from 1000 to 1100."""
    task = Task(
        task_id=f"86000000000000000{ledger.tasks + 1}",
        external_task_id=external_task_id,
        units=1.5,
        window_ms=12_000,
        created=1000.0,
        starts=1010.0,
        ends=1100.0,
        found_from=1000.0,
        ending=ending,
        watermark=False,
    )
    ledger.accept(task, accepted_at=1.78e9, body_sha256="b", audio_sha256=None, fault=fault)
    return task


def test_two_tasks_under_one_id_are_duplicates() -> None:
    """An id that was paid for twice is told, one that was paid for once is not, and tasks without an id never are."""
    ledger = Ledger(Clock())
    for name in ("a", "b", "a", "", ""):
        enter(ledger, name)
    assert ledger.duplicates == {"a": 2}
    assert [ledger.accepted(name) for name in ("a", "b", "c")] == [2, 1, 0]
    assert (ledger.tasks, ledger.units) == (5, 7.5)


def test_an_entry_knows_the_tasks_present_state() -> None:
    """An entry's status is read off the clock when it is asked for."""
    clock = Clock()
    ledger = Ledger(clock)
    enter(ledger, "a", fault="lose_reply")
    before = ledger.entries[0]
    clock.now = 1100.0
    assert (before.status, ledger.entries[0].status) == ("submitted", "succeed")
    assert before.fault == "lose_reply"


def test_the_file_has_each_entry_at_once(tmp_path: Path) -> None:
    """Each accepted create is a flushed line of JSON; a second run appends; what is counted outlives the file."""
    path = tmp_path / "ledger.jsonl"
    for name in ("a", "b"):
        ledger = Ledger(Clock())
        ledger.open(path)
        enter(ledger, name)
        lines = path.read_text().splitlines()
        assert json.loads(lines[-1]) == attrs.asdict(ledger.entries[0])
        ledger.close()
        ledger.close()
        assert ledger.accepted(name) == 1
    assert [json.loads(line)["external_task_id"] for line in path.read_text().splitlines()] == ["a", "b"]


def test_the_summary_tells_the_story() -> None:
    """The summary has every count, sorted, and names what was paid twice."""
    ledger = Ledger(Clock())
    for _ in range(4):
        ledger.arrived()
    ledger.asked()
    ledger.refuse(1303)
    ledger.refuse(1302)
    ledger.fault("hang")
    enter(ledger, "a")
    enter(ledger, "a")
    assert ledger.summary().splitlines() == [
        "creates   4",
        "accepted  2 (3 units)",
        "refused   1302: 1, 1303: 1",
        "faults    hang: 1",
        "twice     a",
        "queries   1",
        "ended     none (0 units refunded)",
        "files     0 requests, 0 whole, 0 leaked",
        "prepared  0 faces and speech (0 units)",
    ]
    assert repr(ledger) == "<Ledger 2 accepted, 3 units, 2 refused>"
    assert "twice     none\nqueries   0" in Ledger(Clock()).summary()
