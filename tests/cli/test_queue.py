"""`feed` and `work`, from the command line, with a real database."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.sandbox import Sandbox, in_thread
from tests import postgres

JOBS = [
    {
        "external_task_id": f"job-{number}",
        "session_id": "s-1",
        "face_id": "0",
        "audio_id": f"82545176049956{number:04}",
        "sound_start_time": 0,
        "sound_end_time": 3000,
        "sound_insert_time": 1000,
    }
    for number in range(1, 21)
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of a database."""
    if not postgres.is_there():
        pytest.skip(postgres.MISSING)
    pytest.importorskip("procrastinate")
    with postgres.Postgres() as server:
        yield server.url


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox takes any."""
    monkeypatch.setenv("LIPSYNC_API_KEY", "sandbox-key")


def test_a_list_is_fed_once_and_worked_at_and_shown(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fed twice it is there once; every job is paid for once, and `status`, `journal export` and `settle` read it."""
    path = tmp_path / "jobs.jsonl"
    path.write_text("\n".join(map(json.dumps, JOBS)))
    with in_thread(Sandbox(duplicates="accept")) as sandbox:
        where = ["--gateway", sandbox.base_url, "--journal", url]
        assert main(["feed", str(path), *where]) == 0
        assert "20 jobs fed" in capsys.readouterr().err
        assert main(["feed", str(path), *where]) == 0
        assert "0 jobs fed" in capsys.readouterr().err
        assert main(["work", *where, "--until-empty"]) == 0
        assert "the journal holds 20 accepted jobs" in capsys.readouterr().err
        assert sandbox.ledger.tasks == 20
    assert main(["status", url]) == 0
    shown = capsys.readouterr().out
    assert "20 jobs begun" in shown
    assert main(["journal", "export", url]) == 0
    lines = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert {line["external_task_id"]: line["outcome"] for line in lines} == {
        job["external_task_id"]: "accepted" for job in JOBS
    }
    assert main(["settle", "job-1", "--journal", url, "--absent"]) == 2
    assert "is not in doubt" in capsys.readouterr().err
    assert main(["journal", "prune", url, "--all"]) == 0
    assert "20 settled jobs forgotten" in capsys.readouterr().err


def test_files_of_this_machine_are_not_fed(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another one would look for them in vain."""
    from tests.makers import wav

    (tmp_path / "a.wav").write_bytes(wav())
    job = {name: value for name, value in JOBS[0].items() if name != "audio_id"} | {
        "sound_path": "a.wav",
        "sound_end_time": 2500,
    }
    path = tmp_path / "jobs.jsonl"
    path.write_text(json.dumps(job))
    assert main(["feed", str(path), "--gateway", "http://127.0.0.1:9", "--journal", url]) == 2
    assert "a sound in a file of this machine" in capsys.readouterr().err


def test_without_a_shared_journal_there_is_no_queue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is one process's."""
    for command in (["feed", str(tmp_path / "jobs.jsonl")], ["work"]):
        assert main([*command, "--gateway", "http://127.0.0.1:9", "--journal", str(tmp_path / "run.db")]) == 2
        assert "needs a journal that many machines can write" in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    monkeypatch.delattr("lipsync_async.journal.postgres", raising=False)  # so that the one that was there comes back
    for name in [name for name in sys.modules if name.startswith("lipsync_async.journal.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["status", "postgresql://127.0.0.1:9/db"]) == 2
    assert "pip install 'lipsync-async[postgres]'" in capsys.readouterr().err


def test_no_command_shows_the_password_of_the_database(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Least of all the page, which is given away."""
    path, page = tmp_path / "jobs.jsonl", tmp_path / "page.html"
    path.write_text("\n".join(map(json.dumps, JOBS[:3])))
    secret = url.replace("lipsync@", "lipsync:hunter2@")
    with in_thread(Sandbox(task_seconds=(0.0, 0.0))) as sandbox:
        named = f"{secret}?gateway={sandbox.base_url}&account=secretive"
        more = ["--gateway", sandbox.base_url, "--account", "secretive"]
        assert main(["submit", str(path), "--journal", named, *more]) == 0
        assert main(["wait", named, *more, "--first-look", "0.01"]) in {0, 1}
        assert main(["reconcile", named, *more]) == 0
        assert main(["status", named]) in {0, 1}
        assert main(["report", named]) == 0
        assert main(["report", named, "--html", str(page)]) == 0
    told = capsys.readouterr()
    assert "hunter2" not in told.out + told.err + page.read_text(encoding="utf-8")
    assert "lipsync@127.0.0.1" in told.out
