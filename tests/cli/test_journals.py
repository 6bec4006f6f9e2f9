"""`status`, `journal export` and `reconcile`: what an earlier run left, seen and settled."""

from __future__ import annotations

import fcntl
import json
import time
from hashlib import blake2b
from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.journal import Entry, Reader, Record, State, Store, entries, holder_of
from lipsync_async.outcomes import RESULT_FIELDS
from lipsync_async.sandbox import Sandbox

from .helpers import KEY, job, results, write


def journal(path: Path, *records: Record, gateway: str = "http://127.0.0.1") -> Path:
    """A journal that holds these."""
    store = Store(path, gateway=gateway)
    store.write(records)
    store.close()
    return path


def record(name: str, state: State, **values: object) -> Record:
    """A job's page."""
    return Record(external_task_id=name, fingerprint=b"1", state=state, **values)  # type: ignore[arg-type]


def key_of(path: Path) -> bytes:
    """The mark that this journal has for the key of the sandbox."""
    with Reader(path) as reader:
        return blake2b(KEY.encode(), key=reader.salt, digest_size=8).digest()


def test_status_shows_the_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts by state, and all that is known of what is not certain."""
    now = time.time()
    path = journal(
        tmp_path / "run.db",
        record("a", State.ACCEPTED, task_id="1"),
        record("b", State.UNKNOWN, last_intent_at=now, attempts=1, phase="sent", kind="timeout", message="slow"),
        record("c", State.OPEN, last_intent_at=86_400.0 * 365, attempts=2),
        record("d", State.NOT_SENT),
        *[record(f"e{number}", State.OPEN) for number in range(25)],
    )
    assert main(["status", str(path)]) == 3
    out = capsys.readouterr().out
    assert "gateway http://127.0.0.1, account default, 29 jobs begun\nno run is at work on it now\n" in out
    assert "left: 1 job to send again, 27 jobs to look up\n" in out
    assert "accepted 1 paid for" in " ".join(out.split())
    assert "1 sent timeout slow" in " ".join(out.split())
    assert "1971-01-01" in out
    assert "6 more: lipsync-async journal export" in out


@pytest.mark.parametrize(
    ("records", "lists", "code", "left"),
    [
        ([("a", State.ACCEPTED)], [1], 0, "nothing to send; 1 task that nobody has waited for"),
        ([("a", State.ACCEPTED), ("b", State.REJECTED)], [2], 1, "nothing to send; 1 task that nobody has waited for"),
        ([("a", State.REJECTED)], [1], 1, "nothing"),
        ([("a", State.ACCEPTED), ("b", State.REJECTED)], [5], 3, "3 jobs of the list never begun"),
        ([("a", State.NOT_SENT), ("b", State.UNKNOWN)], [2], 3, "1 job to send again, 1 job to look up"),
        ([("a", State.UNKNOWN), ("b", State.OPEN), ("c", State.REJECTED)], [3], 4, "2 jobs to look up"),
        ([("a", State.ACCEPTED)], [1, 7], 0, "nothing to send; 1 task that nobody has waited for"),
    ],
)  # fmt: skip
def test_status_ends_as_the_batch_did(
    records: list[tuple[str, State]],
    lists: list[int],
    code: int,
    left: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And counts what is left; of two lists nobody can say how many jobs were never begun."""
    path = tmp_path / "run.db"
    store = Store(path, gateway="http://127.0.0.1")
    store.write(
        [record(name, state, **({"task_id": name} if state is State.ACCEPTED else {})) for name, state in records]
    )
    for length in lists:
        store.remember_list(f"digest{length}", length)
    store.close()
    assert main(["status", str(path)]) == code
    out = capsys.readouterr().out
    assert f"\nleft: {left}\n" in out
    assert ("2 lists, or versions of one, were written to this journal (1, 7 jobs)" in out) == (len(lists) == 2)
    assert ("says what to do next" in out) == (left != "nothing")


@pytest.mark.parametrize(
    ("fetched", "code", "left"), [("download_failed", 5, "1 video not fetched"), ("downloaded", 0, "nothing")]
)
def test_a_video_that_was_not_fetched_is_left(
    fetched: str, code: int, left: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run ended with 5 for it; until it is there, so does `status`."""
    path = journal(tmp_path / "run.db", record("a", State.ACCEPTED, task_id="1"))
    with Store(path, gateway="http://127.0.0.1") as store:
        ended = Entry(kind="task", name="a", state="succeeded", value=b"{}")
        store.keep(
            [entries.to_row(entry) for entry in (ended, Entry(kind="video", name="a", state=fetched, value=b"{}"))]
        )
    assert main(["status", str(path)]) == code
    assert f"\nleft: {left}\n" in capsys.readouterr().out


def test_status_says_that_a_run_is_at_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it has under way is not in doubt; when it has ended, it is."""
    path = tmp_path / "run.db"
    store = Store(path, gateway="http://127.0.0.1")
    store.write([record("a", State.OPEN)])
    assert main(["status", str(path)]) == 5
    during = capsys.readouterr().out
    store.close()
    assert main(["status", str(path)]) == 4
    assert "running now: pid" in during
    assert "under way in the run that is at work now" in during
    assert "no run is at work on it now" in capsys.readouterr().out


def test_another_process_that_has_the_journal_is_named(tmp_path: Path) -> None:
    """By the lock on its side file, which ends with its holder; a look leaves it as it is."""
    path = tmp_path / "run.db"
    journal(path)
    assert holder_of(str(path)) == ""
    with (tmp_path / "run.db.lock").open("rb") as side:
        fcntl.flock(side, fcntl.LOCK_EX)
        assert holder_of(str(path)).startswith("pid ")
    assert holder_of(str(path)) == ""
    assert holder_of(str(tmp_path / "none.db")) == ""


def test_no_journal_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """None is made by a look."""
    path = tmp_path / "none.db"
    for command in (["status"], ["journal", "export"], ["reconcile", "--gateway", "kling"]):
        assert main([*command, str(path)]) == 2
        assert "none.db" in capsys.readouterr().err
    assert not path.exists()


def test_export_writes_the_result_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the stable names; an open intent is unknown."""
    path = journal(tmp_path / "run.db", record("a", State.ACCEPTED, task_id="1", line=3), record("b", State.OPEN))
    assert main(["journal", "export", str(path)]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert tuple(first) == RESULT_FIELDS
    assert (first["outcome"], first["line"], second["outcome"]) == ("accepted", 3, "unknown")
    out = tmp_path / "out.jsonl"
    assert main(["journal", "export", str(path), "--out", str(out)]) == 0
    assert main(["journal", "export", str(path), "--out", str(out)]) == 0  # the very same lines
    assert len(out.read_text().splitlines()) == 2
    out.write_text("something else\n")
    assert main(["journal", "export", str(path), "--out", str(out)]) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_export_to_a_full_disk_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a text, and no traceback."""
    path = journal(tmp_path / "run.db", *[record(f"a{number}", State.OPEN) for number in range(100)])
    assert main(["journal", "export", str(path), "--out", "/dev/full"]) == 3
    assert "No space left" in capsys.readouterr().err


@pytest.mark.lipsync_sandbox(faults={"lose_reply": 1.0})
def test_reconcile_adopts_what_it_finds(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """By look-ups alone; a second time there is nothing left."""
    jobs, path = write(tmp_path / "jobs.jsonl", [job("a"), job("b")]), str(tmp_path / "run.db")
    gateway = ["--gateway", lipsync_sandbox.base_url]
    assert main(["submit", str(jobs), *gateway, "--journal", path, "--ambiguous", "report", "--quiet"]) == 4
    capsys.readouterr()
    assert main(["reconcile", path, *gateway]) == 0
    captured = capsys.readouterr()
    told = results(captured.out)
    assert [(line["outcome"], line["line"]) for line in told] == [("accepted", 1), ("accepted", 2)]
    assert {line["task_id"] for line in told} == {entry.task_id for entry in lipsync_sandbox.ledger.entries}
    assert "2 looked up: 2 accepted" in captured.err
    assert lipsync_sandbox.ledger.requests == 2
    with Reader(path) as reader:
        assert reader.counts()[State.ACCEPTED] == 2
    assert main(["reconcile", path, *gateway]) == 0
    assert capsys.readouterr().out == ""


def test_reconcile_sends_nothing(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is proven absent is set free for the next run; what cannot be proven stays unknown (here: nobody trusts)."""
    monkeypatch.setattr("lipsync_async.dispatch.lookup.UNTRUSTED_DELAYS", (0.0, 0.0, 0.0))
    url = lipsync_sandbox.base_url
    path = journal(tmp_path / "run.db", gateway=url)
    journal(path, record("a", State.OPEN, first_intent_at=1.0, attempts=1, key=key_of(path)), gateway=url)
    assert main(["reconcile", str(path), "--gateway", url]) == 4
    assert results(capsys.readouterr().out.replace('"line":null', '"line":1'))[0]["outcome"] == "unknown"
    from attrs import evolve

    from lipsync_async.gateways import gateway_for

    hasty = evolve(gateway_for(url), settle_time=0.1)
    monkeypatch.setattr("lipsync_async.cli.resuming.gateway_for", lambda _: hasty)
    assert main(["reconcile", str(path), "--gateway", url, "--trust-lookup", "--quiet"]) == 3
    assert '"outcome":"not_sent"' in capsys.readouterr().out
    with Reader(path) as reader:
        assert reader.counts()[State.NOT_SENT] == 1
    assert lipsync_sandbox.ledger.requests == 0


def test_reconcile_calls_a_witness(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An accepted job of the journal that can be found makes a not-found mean something."""
    from attrs import evolve

    from lipsync_async.gateways import gateway_for

    url, path = lipsync_sandbox.base_url, tmp_path / "run.db"
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    assert main(["submit", str(jobs), "--gateway", url, "--journal", str(path), "--quiet"]) == 0
    lost = record("lost", State.UNKNOWN, first_intent_at=time.time(), attempts=1, line=2, key=key_of(path))
    journal(path, lost, gateway=url)
    capsys.readouterr()
    hasty = evolve(gateway_for(url), settle_time=0.2)
    monkeypatch.setattr("lipsync_async.cli.resuming.gateway_for", lambda _: hasty)
    assert main(["reconcile", str(path), "--gateway", url]) == 3
    assert results(capsys.readouterr().out)[0]["outcome"] == "not_sent"
