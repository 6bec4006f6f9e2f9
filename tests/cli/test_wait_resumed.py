"""`wait` on what a journal has: endings of every kind, jobs that are open, none at all; and jobs submitted again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.endings import FailureKind, Succeeded, TaskFailed, TaskLost, Video
from lipsync_async.journal import Record, State, Store
from lipsync_async.journal.entries import to_row
from lipsync_async.sandbox import Sandbox
from lipsync_async.tasks import planner
from lipsync_async.tasks.taskbook import to_entry

from .helpers import job, write

QUICK = ("--first-look", "0.01", "--max-queries-per-second", "200", "--quiet")
AT_ONCE = {"task_seconds": (0.0, 0.0)}
FOR_EVER = {"task_seconds": (1e6, 1e6)}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """First looks are not spread over the seconds after a task's birth: the command lives by the wall clock."""
    monkeypatch.setattr(planner, "_share_of", lambda _: 0.0)


def submit(folder: Path, sandbox: Sandbox, *options: str, jobs: int = 3) -> int:
    """Submits a list with a journal, and waits."""
    jobs_file = write(folder / "jobs.jsonl", [job(f"job-{number}") for number in range(jobs)])
    journal = ("--journal", str(folder / "run.db"))
    return main(["submit", str(jobs_file), "--gateway", sandbox.base_url, *journal, *QUICK, "--wait", *options])


def go_on(folder: Path, sandbox: Sandbox, *options: str) -> int:
    """Waits from the journal alone."""
    return main(["wait", str(folder / "run.db"), "--gateway", sandbox.base_url, *QUICK, *options])


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The ids and outcomes of the result lines."""
    lines = capsys.readouterr().out.splitlines()
    return sorted(f"{line['external_task_id']} {line['outcome']}" for line in map(json.loads, lines))


def journal_of(folder: Path, sandbox: Sandbox, *records: Record, endings: tuple[object, ...] = ()) -> None:
    """A journal as an earlier run left it."""
    store = Store(folder / "run.db", gateway=sandbox.base_url)
    store.write(list(records))
    store.keep([to_row(to_entry(it, str(it.external_task_id))) for it in endings])  # type: ignore[attr-defined, arg-type]
    store.close()


def left(name: str, state: State, task_id: str | None = None) -> Record:
    """A job of an earlier run."""
    return Record(name, b"f", state, 1, task_id=task_id, first_intent_at=1.0, last_intent_at=1.0)


@pytest.mark.lipsync_sandbox(**AT_ONCE, failed_share=0.0)
def test_open_and_unknown_jobs_are_looked_up(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the gateway has is waited for; what it has not stays unknown, which is a 4."""
    jobs = write(tmp_path / "jobs.jsonl", [job("open"), job("unknown")])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--quiet"]) == 0
    capsys.readouterr()
    records = [left("open", State.OPEN), left("unknown", State.UNKNOWN)]
    journal_of(tmp_path, lipsync_sandbox, *records)
    assert go_on(tmp_path, lipsync_sandbox) == 0
    assert told(capsys) == ["open succeeded", "unknown succeeded"]
    assert lipsync_sandbox.ledger.requests == 2


@pytest.mark.lipsync_sandbox(**AT_ONCE)
def test_every_ending_on_record_is_told_and_counted(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `wait`, by `status` and in the export; nothing is asked for."""
    video = Video(url="https://cdn.example/1.mp4", watermark_url=None, seconds=5.0)
    endings = (
        Succeeded(task_id="1", external_task_id="a", videos=(video,), seconds=5.0, units="1"),
        TaskFailed(task_id="2", external_task_id="b", kind=FailureKind.MEDIA, reason="no face"),
        TaskLost(task_id="3", external_task_id="c"),
    )
    records = [left(name, State.ACCEPTED, task_id) for name, task_id in zip("abc", "123", strict=True)]
    journal_of(tmp_path, lipsync_sandbox, *records, left("d", State.REJECTED), endings=endings)
    assert go_on(tmp_path, lipsync_sandbox) == 1
    assert told(capsys) == ["a succeeded", "b failed", "c lost"]
    assert lipsync_sandbox.ledger.queries == 0
    assert main(["status", str(tmp_path / "run.db")]) == 1
    shown = capsys.readouterr().out.split()
    assert [shown[shown.index(name) + 1] for name in ("succeeded", "failed", "lost")] == ["1", "1", "1"]
    assert main(["journal", "export", str(tmp_path / "run.db")]) == 0
    assert told(capsys) == ["a succeeded", "b failed", "c lost", "d rejected"]


@pytest.mark.lipsync_sandbox(**AT_ONCE)
def test_a_journal_without_jobs(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to wait for is no error."""
    journal_of(tmp_path, lipsync_sandbox)
    assert go_on(tmp_path, lipsync_sandbox) == 0
    assert told(capsys) == []


@pytest.mark.lipsync_sandbox(**AT_ONCE, ends={"capacity": 1.0})
@pytest.mark.parametrize(("leave", "made"), [((), 1), (("--resubmit", "capacity"), 4)])
def test_a_job_is_submitted_again_where_that_was_said(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str], leave: tuple[str, ...], made: int
) -> None:
    """At most three times; the next run makes no more, and tells the same."""
    for _ in range(2):
        assert submit(tmp_path, lipsync_sandbox, *leave, jobs=1) == 1
        assert told(capsys) == ["job-0 failed"]
        names = [it.external_task_id for it in lipsync_sandbox.ledger.entries]
        assert names == ["job-0", *(f"job-0-r{number}" for number in range(1, made))]
