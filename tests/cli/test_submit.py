"""`submit`: its exit codes, its result lines, and what it keeps to itself."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from lipsync_async.cli import main
from lipsync_async.cli.submit import describe
from lipsync_async.outcomes import RESULT_FIELDS
from lipsync_async.sandbox import Sandbox

from .helpers import KEY, job, results, write

NOT_A_SOUND = "QUJD" * 1000
"""Base64 that passes the pre-flight, which only measures it; the gateway looks into it."""


def ids(told: list[dict[str, Any]]) -> list[str]:
    """The ids of result lines."""
    return [line["external_task_id"] for line in told]


# --- exit codes -----------------------------------------------------------------------------------------------------


def test_all_accepted_is_0(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """One result line a line, with the stable names, and nothing else on stdout."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), "", job("b"), job()])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url]) == 0
    told = results(capsys.readouterr().out)
    assert [(line["line"], line["outcome"]) for line in told] == [(1, "accepted"), (3, "accepted"), (4, "accepted")]
    assert all(tuple(line) == RESULT_FIELDS for line in told)
    assert sorted(ids(told)) == sorted(entry.external_task_id for entry in lipsync_sandbox.ledger.entries)


def test_some_rejected_is_1(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """By the gateway itself: its code and its words are in the line."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), job("b", audio_id=..., sound_file=NOT_A_SOUND)])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url]) == 1
    line = results(capsys.readouterr().out)[1]
    assert (line["outcome"], line["kind"], line["code"], line["http_status"]) == (
        "rejected",
        "invalid_request",
        1201,
        400,
    )


def test_an_unreadable_list_is_2(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """So is an empty one; nothing is sent."""
    empty = write(tmp_path / "empty.jsonl", [""])
    for path in (empty, tmp_path / "none.jsonl"):
        assert main(["submit", str(path), "--gateway", lipsync_sandbox.base_url]) == 2
        assert path.name in capsys.readouterr().err
    assert lipsync_sandbox.ledger.requests == 0


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--gateway", "nowhere"],
        ["--gateway", "http://name:swordfish@example.com"],
        ["--gateway", "kling", "--limit", "0"],
        ["--gateway", "kling", "--max-per-second", "0"],
        ["--gateway", "kling", "--max-stall", "inf"],
        ["--gateway", "kling", "--timeout", "soon"],
        ["--gateway", "kling", "--id-prefix", "ä"],
        ["--gateway", "kling", "--ambiguous", "guess"],
        ["--gateway", "kling", "--out", "/no/such/folder/out.jsonl"],
        ["--gateway", "kling", "--journal", "/no/such/folder/run.db"],
    ],
)
def test_wrong_options_are_2(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a text on stderr, and no traceback."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    try:
        code: int | str | None = main(["submit", str(jobs), *options])
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert "lipsync-async" in captured.err
    assert "swordfish" not in captured.err


def test_a_missing_key_is_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text names the variables; a blank key is a missing one."""
    monkeypatch.setenv("LIPSYNC_API_KEY", "  ")
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    assert main(["submit", str(jobs), "--gateway", "chainhub"]) == 2
    assert "CHAINHUB_API_KEY or LIPSYNC_API_KEY" in capsys.readouterr().err


def test_an_out_that_is_not_empty_is_2(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unless it may be written over; an empty one may be."""
    jobs, out = write(tmp_path / "jobs.jsonl", [job("a")]), tmp_path / "out.jsonl"
    out.write_text("what was paid for\n")
    command = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--out", str(out)]
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_text() == "what was paid for\n"
    assert main([*command, "--overwrite"]) == 0
    assert ids(results(out.read_text())) == ["a"]
    assert capsys.readouterr().out == ""


@pytest.mark.lipsync_sandbox(balance=1.0)
def test_an_empty_account_is_3(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Two jobs are paid, the rest is not sent, and each has its line."""
    jobs = write(tmp_path / "jobs.jsonl", [job(f"j{number}") for number in range(20)])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--max-in-flight", "1"]) == 3
    told = results(capsys.readouterr().out)
    assert [line["outcome"] for line in told] == ["accepted"] * 2 + ["not_sent"] * 18
    assert {line["kind"] for line in told[2:]} == {"quota"}


def test_a_spending_cap_is_3(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """What is sent never costs more than the cap, whatever is in flight at once."""
    jobs = write(tmp_path / "jobs.jsonl", [job(f"j{number}") for number in range(20)])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--max-units", "2.7"]) == 3
    captured = capsys.readouterr()
    assert lipsync_sandbox.ledger.units == 2.5
    outcomes = [line["outcome"] for line in results(captured.out)]
    assert (outcomes.count("accepted"), outcomes.count("not_sent")) == (5, 15)
    assert "cap of 2.7 units" in captured.err


@pytest.mark.lipsync_sandbox(max_running_tasks=1, task_seconds=(0.6, 0.6), time_scale=1.0)
def test_a_wait_is_not_spent_twice(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """A job that was told to wait is counted once under the cap."""
    jobs = write(tmp_path / "jobs.jsonl", [job(f"j{number}") for number in range(2)])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--max-units", "1", "--quiet"]) == 0
    assert lipsync_sandbox.ledger.refused


@pytest.mark.lipsync_sandbox(faults={"lose_reply": 1.0})
def test_some_unknown_is_4(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """A reply that was lost, and nobody may look it up."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--ambiguous", "report"]) == 4
    captured = capsys.readouterr()
    assert results(captured.out)[0]["outcome"] == "unknown"
    assert "next: 1 job may have been paid for: look each up before it is sent again" in captured.err


@pytest.mark.lipsync_sandbox(faults={"lose_reply": 1.0})
def test_a_lost_reply_is_looked_up(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """By default: found is accepted, and the summary says how."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url]) == 0
    captured = capsys.readouterr()
    assert results(captured.out)[0]["outcome"] == "accepted"
    assert "1 accepted (1 found by a look-up)" in captured.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_3(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Intake ends, and the text says what is lost."""
    jobs = write(tmp_path / "jobs.jsonl", [job(f"j{number}") for number in range(200)])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--out", "/dev/full"]) == 3
    captured = capsys.readouterr()
    assert "No space left" in captured.err
    assert "200 lines are lost" in captured.err
    assert "Traceback" not in captured.err
    assert lipsync_sandbox.ledger.tasks < 200


# --- lists ----------------------------------------------------------------------------------------------------------


def test_skip_invalid_sends_the_rest(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broken lines come out rejected, each with its line and all its faults."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), "{", job("c", session_id="", sound_volume=7), job("d")])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--skip-invalid"]) == 1
    told = results(capsys.readouterr().out)
    assert [line["outcome"] for line in told] == ["accepted", "rejected", "rejected", "accepted"]
    assert [line["kind"] for line in told[1:3]] == ["validation"] * 2
    assert ids(told) == ["a", "", "c", "d"]
    assert "session_id" in told[2]["message"]
    assert "volume" in told[2]["message"]


def test_results_speak_of_fields(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Not of the builder's methods, which who writes a list does not know."""
    lines = [job("a"), job("b", audio_id=..., sound_file="clips/line-1.mp3"), job("c", audio_id=..., sound_file="a b")]
    jobs = write(tmp_path / "jobs.jsonl", lines)
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--skip-invalid"]) == 1
    told = [line["message"] or "" for line in results(capsys.readouterr().out)]
    assert all("sound_path" in text and "audio_file" not in text for text in told[1:])


def test_the_same_job_twice_is_paid_once(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both lines get its outcome."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), job("a"), job(), job()])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url]) == 0
    told = results(capsys.readouterr().out)
    assert [line["line"] for line in told] == [1, 2, 3, 4]
    assert told[0]["task_id"] == told[1]["task_id"] != told[2]["task_id"] == told[3]["task_id"]
    assert lipsync_sandbox.ledger.tasks == 2


def test_one_id_for_two_contents_is_an_error(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent; with --skip-invalid the later line is rejected."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), job("a", sound_volume=2)])
    command = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url]
    assert main(command) == 2
    assert lipsync_sandbox.ledger.requests == 0
    capsys.readouterr()
    assert main([*command, "--skip-invalid"]) == 1
    told = results(capsys.readouterr().out)
    assert [(line["outcome"], line["kind"]) for line in told] == [("accepted", None), ("rejected", "duplicate_id")]


def test_many_faults_are_not_all_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty causes, and where the rest can be seen."""
    jobs = write(tmp_path / "jobs.jsonl", [job(sound_end_time=number) for number in range(30)])
    assert main(["submit", str(jobs), "--gateway", "chainhub"]) == 2
    shown = capsys.readouterr().err
    assert sum(line.startswith("line ") for line in shown.splitlines()) == 20
    assert "... and more: lipsync-async check" in shown


def test_limit_tries_the_first(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """What comes after is neither checked nor sent nor told."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), job("b"), "{"])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--limit", "2"]) == 0
    assert ids(results(capsys.readouterr().out)) == ["a", "b"]


def test_a_prefix_begins_derived_ids(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """And given ones stay as they are."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), job()])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--id-prefix", "May-"]) == 0
    given, derived = ids(results(capsys.readouterr().out))
    assert given == "a"
    assert derived.startswith("May-")


def test_the_caps_are_kept(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """No more running tasks than were allowed: without news of an end the batch waits, here until it stalls."""
    jobs = write(tmp_path / "jobs.jsonl", [job(f"j{number}") for number in range(3)])
    options = ["--max-running-tasks", "3", "--max-per-second", "500", "--timeout", "5", "--max-stall", "5"]
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, *options]) == 0


def test_csv_is_a_list_too(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The same columns as the flat form's keys."""
    row = job("a")
    path = tmp_path / "jobs.csv"
    path.write_text(",".join(row) + "\n" + ",".join(map(str, row.values())) + "\n")
    assert main(["submit", str(path), "--gateway", lipsync_sandbox.base_url]) == 0
    assert results(capsys.readouterr().out)[0]["line"] == 2


# --- the journal ----------------------------------------------------------------------------------------------------


def test_a_journal_resumes(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The second run replays what the first one paid for, sends what is new, and writes a line for each."""
    jobs = write(tmp_path / "jobs.jsonl", [job(f"j{number}") for number in range(6)])
    command = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--journal", str(tmp_path / "run.db")]
    assert main([*command, "--limit", "4"]) == 0
    first = results(capsys.readouterr().out)
    assert main(command) == 0
    captured = capsys.readouterr()
    assert results(captured.out)[:4] == first
    assert lipsync_sandbox.ledger.tasks == 6
    assert "6 accepted (4 by an earlier run)" in captured.err


def test_a_list_that_was_checked_is_not_checked_again(
    tmp_path: Path, lipsync_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal knows its digest; a list with repetitions is always checked."""
    from lipsync_async.jobs import JobList

    looks = []
    check = JobList.check

    def counted(self: JobList, *args: Any, **options: Any) -> Any:
        looks.append(self.name)
        return check(self, *args, **options)

    monkeypatch.setattr(JobList, "check", counted)
    for name, lines in (("once.jsonl", [job("a"), job("b")]), ("twice.jsonl", [job("c"), job("c")])):
        path = write(tmp_path / name, lines)
        command = ["submit", str(path), "--gateway", lipsync_sandbox.base_url, "--journal", str(tmp_path / "run.db")]
        assert main(command) == main(command) == 0
    assert [Path(name).name for name in looks] == ["once.jsonl", "twice.jsonl", "twice.jsonl"]
    assert lipsync_sandbox.ledger.tasks == 3


def test_a_journal_of_another_account_is_2(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the label, never by the key."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    command = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--journal", str(tmp_path / "run.db")]
    assert main(command) == 0
    assert main([*command, "--account", "second"]) == 2
    assert "belongs to" in capsys.readouterr().err


def test_rejected_ones_are_sent_again_when_asked(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else they are replayed."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a", audio_id=..., sound_file=NOT_A_SOUND)])
    command = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--journal", str(tmp_path / "run.db")]
    assert main(command) == main(command) == 1
    assert lipsync_sandbox.ledger.requests == 1
    assert main([*command, "--retry-rejected"]) == 1
    assert lipsync_sandbox.ledger.requests == 2


# --- what is said ---------------------------------------------------------------------------------------------------


def test_quiet_says_nothing(tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Where all is well."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a", model="x")])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.lipsync_sandbox(max_per_second=30, burst=2, faults={"lose_reply": 0.2}, api_key="sk-Very-Secret-Key")
def test_the_key_is_in_no_output(
    tmp_path: Path,
    lipsync_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Nor in the journal or in errors, also with -v, with a key that dies, and with one that no header may carry."""
    jobs = write(tmp_path / "jobs.jsonl", [job(f"j{number}") for number in range(20)])
    base = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "-v", "--journal", str(tmp_path / "run.db")]
    monkeypatch.setenv("LIPSYNC_API_KEY", "sk-Very-Secret-Key")
    assert main([*base, "--limit", "10"]) == 0
    lipsync_sandbox.revoke("sk-Very-Secret-Key", 1004)
    assert main(base) == 3
    monkeypatch.setenv("LIPSYNC_API_KEY", "sk-Very-Secret-Key\nX: 1")
    assert main(base) == 2
    captured = capfd.readouterr()
    everything = (
        captured.out + captured.err + "".join(path.read_bytes().decode("latin-1") for path in tmp_path.iterdir())
    )
    assert "attempt" in captured.err
    assert "Very-Secret" not in everything


def test_an_event_is_one_line() -> None:
    """With what is known of it."""
    from lipsync_async.dispatch.account import Event

    event = Event(name="attempt", at=1.0, external_task_id="a", attempt=1, action="wait", kind="rate", http_status=429)
    assert describe(event) == "attempt  a  #1  wait  rate  HTTP 429"
    assert describe(Event(name="pause", at=1.0, seconds=1.5)) == "pause  1.50 s"


@pytest.mark.lipsync_sandbox(max_per_second=400, burst=10)
def test_what_is_told_of_a_long_list_is_true(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last words on stderr agree with the gateway's ledger: accepted, and how often a wait was ordered."""
    jobs = write(tmp_path / "jobs.jsonl", [job(f"j{number}") for number in range(800)])
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url]) == 0
    captured = capsys.readouterr()
    told = results(captured.out)
    refused = lipsync_sandbox.ledger.refused.get(1302, 0)
    assert lipsync_sandbox.ledger.tasks == len(told) == 800
    assert sum(line["refusals"] for line in told) == refused
    last = captured.err.splitlines()[-2]
    assert "800 of 800: 800 accepted" in last
    assert f"{refused:,} rate-limit repl" in last


def test_the_standard_input_is_a_list(
    tmp_path: Path, lipsync_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`-` reads it, and it is spooled for the second look."""
    reading, writing = os.pipe()
    os.write(writing, json.dumps(job("a")).encode())
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert main(["submit", "-", "--gateway", lipsync_sandbox.base_url]) == 0
    assert ids(results(capsys.readouterr().out)) == ["a"]
    assert KEY not in capsys.readouterr().err
