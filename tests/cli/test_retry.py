"""`retry`: what failed for a reason of the gateway's, what was not sent, what was corrected; never what is unknown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.journal import Reader, State
from lipsync_async.sandbox import Sandbox
from lipsync_async.tasks import planner

from .helpers import job, results, write

pytestmark = pytest.mark.lipsync_sandbox(time_scale=100_000, ends={"capacity": 1.0})


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox's tasks take a few milliseconds."""
    monkeypatch.setattr(planner, "COLD", 0.01)
    monkeypatch.setattr(planner.Planner, "closest", lambda *_: 0.01)


def submit(sandbox: Sandbox, jobs: Path, book: Path, *more: str) -> list[str]:
    """The command that submits a list, and waits."""
    return ["submit", str(jobs), "--gateway", sandbox.base_url, "--journal", str(book), *more]


def retry(sandbox: Sandbox, jobs: Path, book: Path, *more: str) -> list[str]:
    """The command that is tested."""
    return ["retry", str(book), "--jobs", str(jobs), "--gateway", sandbox.base_url, *more]


def test_what_failed_is_sent_under_the_next_id(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """And paid anew; the journal knows both as one job, under the line that it had."""
    jobs, book = write(tmp_path / "jobs.jsonl", ["", job("a")]), tmp_path / "run.db"
    assert main(submit(lipsync_sandbox, jobs, book, "--wait")) == 1
    capsys.readouterr()
    assert main(retry(lipsync_sandbox, jobs, book, "--dry-run")) == 0
    told = capsys.readouterr()
    assert "1 job whose tasks failed for a reason of the gateway's" in told.err
    assert not told.out
    assert len(lipsync_sandbox.ledger.entries) == 1
    lipsync_sandbox.set_lives(ends={}, failed_share=0.0)
    assert main(retry(lipsync_sandbox, jobs, book, "--failed")) == 0
    (line,) = results(capsys.readouterr().out)
    assert (line["external_task_id"], line["line"], line["outcome"]) == ("a", 2, "succeeded")
    assert [it.external_task_id for it in lipsync_sandbox.ledger.entries] == ["a", "a-r1"]
    assert main(retry(lipsync_sandbox, jobs, book)) == 0
    assert "nothing of this list is to be sent again" in capsys.readouterr().err
    assert len(lipsync_sandbox.ledger.entries) == 2
    assert main(["status", str(book)]) == 0  # its first task failed, and the job has a video all the same
    told = capsys.readouterr()
    assert ", 1 job begun\n" in told.out
    assert "there is none: journal export says why; 1 was submitted again" in told.out


def test_what_was_corrected_or_not_sent_keeps_its_id(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is still wrong, what never began and what may have been paid for stay where they are."""
    lipsync_sandbox.set_lives(ends={}, failed_share=0.0)
    wrong = {"audio_id": ..., "sound_file": "QUJD" * 1000}
    names = ("wrong", "mended", "cut", "unknown")
    lines = [job(name, **(wrong if name in {"wrong", "mended"} else {})) for name in names]
    jobs, book = write(tmp_path / "jobs.jsonl", lines), tmp_path / "run.db"
    assert main(submit(lipsync_sandbox, jobs, book)) == 1
    put(book, "cut", State.NOT_SENT)
    put(book, "unknown", State.UNKNOWN)
    capsys.readouterr()
    lines[1] = job("mended")
    jobs = write(jobs, [*lines, job("new")])
    before = lipsync_sandbox.ledger.requests
    assert main(retry(lipsync_sandbox, jobs, book, "--failed")) == 0
    assert "nothing of this list is to be sent again: lipsync-async status" in capsys.readouterr().err
    assert lipsync_sandbox.ledger.requests == before
    assert main(retry(lipsync_sandbox, jobs, book, "--dry-run")) == 0
    told = capsys.readouterr().err
    assert "1 job that were surely not acted upon" in told
    assert "1 job that were rejected, and have been corrected" in told
    assert lipsync_sandbox.ledger.requests == before
    assert main(retry(lipsync_sandbox, jobs, book)) == 1  # of `cut` there is a task at the gateway after all
    ends = {line["external_task_id"]: line["outcome"] for line in results(capsys.readouterr().out)}
    assert ends == {"mended": "succeeded", "cut": "rejected"}
    assert sorted(it.external_task_id for it in lipsync_sandbox.ledger.entries) == ["cut", "mended", "unknown"]
    with Reader(book) as reader:
        states = {record.external_task_id: record.state for record in reader.records()}
        assert (states["unknown"], states["wrong"]) == (State.UNKNOWN, State.REJECTED)
        assert "new" not in states


def put(book: Path, name: str, state: State) -> None:
    """Changes what the journal says of a job, as an earlier run might have left it."""
    import asyncio

    from msgspec.structs import replace

    from lipsync_async import Journal

    async def change() -> None:
        with Reader(book) as reader:
            gateway, record = reader.gateway, reader.recall(name)
        assert record is not None
        async with await Journal.open(book, gateway=gateway) as journal:
            await journal.write(replace(record, state=state, task_id=None))

    asyncio.run(change())


def test_a_second_submission_in_doubt_is_not_sent_again(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its fate is for `reconcile`."""
    jobs, book = write(tmp_path / "jobs.jsonl", [job("a")]), tmp_path / "run.db"
    assert main(submit(lipsync_sandbox, jobs, book, "--wait", "--resubmit", "capacity")) == 1
    names = [it.external_task_id for it in lipsync_sandbox.ledger.entries]
    assert names == ["a", "a-r1", "a-r2", "a-r3"]
    put(book, "a-r3", State.UNKNOWN)
    capsys.readouterr()
    assert main(retry(lipsync_sandbox, jobs, book)) == 0
    assert "nothing of this list is to be sent again: lipsync-async status" in capsys.readouterr().err
    assert len(lipsync_sandbox.ledger.entries) == 4


def test_a_list_on_standard_input_cannot_be_retried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a journal that is not there has nothing."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    assert main(["retry", "run.db", "--jobs", "-", "--gateway", "chainhub"]) == 2
    assert "standard input" in capsys.readouterr().err
    assert main(["retry", str(tmp_path / "none.db"), "--jobs", str(jobs), "--gateway", "chainhub"]) == 2
    assert json.dumps(str(tmp_path))[1:-1] in capsys.readouterr().err
