"""What the command says: rows on a terminal, faults by their cause, what to do next, and slips on the command line."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import Accepted, NotSent, Rejected, StillRunning, Succeeded, Unknown, Video
from lipsync_async.cli import main
from lipsync_async.cli.advice import Case, next_steps
from lipsync_async.cli.faults import AllCauses, Causes
from lipsync_async.cli.rows import HEADER, Rows, row, writer_for
from lipsync_async.cli.tally import Tally
from lipsync_async.endings import Downloaded, FailureKind, TaskFailed
from lipsync_async.errors import Violation
from lipsync_async.jobs import LineFault
from lipsync_async.sandbox import Sandbox
from lipsync_async.terms import Kind

from .helpers import job, results, write

VIDEO = Video(url="https://cdn.example.com/1.mp4?signature=" + "a" * 80, watermark_url=None, seconds=5.0)
DONE = Succeeded(task_id="1", external_task_id="a", videos=(VIDEO,), seconds=5.0, units="1")


class Terminal(io.StringIO):
    """A text that says it is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


# --- rows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (Accepted(external_task_id="a", task_id="1"), "a                        accepted  1"),
        (
            Accepted(external_task_id="a", task_id="1", replayed=True),
            "a                        accepted  1                  by an earlier run",
        ),
        (
            Rejected(external_task_id="a", kind=Kind.VALIDATION, message="no\x1b[2J\nsound"),
            "a                        rejected  validation: no\\x1b[2J sound",
        ),
        (
            NotSent(external_task_id="b" * 30, kind=Kind.RATE, message="wait"),
            "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb not sent  rate: wait",
        ),
        (
            NotSent(external_task_id="a", kind=Kind.RATE, message="x" * 100),
            "a                        not sent  rate: " + "x" * 35 + "...",
        ),
        (
            StillRunning(task_id="1", external_task_id="a", state=None, waited=1.0),
            "a                        running   1",
        ),
        (
            StillRunning(task_id="1", external_task_id="a", missing=True, trouble="HTTP 404: none"),
            "a                        running   1                  HTTP 404: none",
        ),
        (DONE, "a                        succeeded 1                  " + VIDEO.url),
    ],
)  # fmt: skip
def test_a_result_is_a_row(result: Any, told: str) -> None:
    """The id, the outcome, the task, and why; what steers a terminal is shown, and an address is never cut."""
    assert row(result, 80) == told + "\n"


def test_a_video_that_is_here_is_told_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is typed from this folder, where it lies below it."""
    monkeypatch.chdir(tmp_path)
    path = os.path.join(os.getcwd(), "videos", "a.mp4")  # noqa: PTH109, PTH118 - as the downloads name it
    ended = Succeeded(
        task_id="1", external_task_id="a", download=Downloaded(task_id="1", external_task_id="a", path=path, size=5)
    )
    assert row(ended, 80).endswith(" videos/a.mp4\n")


def test_only_a_terminal_gets_rows() -> None:
    """A pipe gets JSON lines, and so does who asks for them."""
    assert isinstance(writer_for(Terminal(), json=False), Rows)
    assert not isinstance(writer_for(Terminal(), json=True), Rows)
    assert not isinstance(writer_for(io.StringIO(), json=False), Rows)


def test_rows_begin_with_a_header_and_may_stand_above_a_picture() -> None:
    """What is counted as written are the results alone."""
    out = Terminal()
    rows, above = Rows(out), list[str]()
    rows.write(["a\n"])
    rows.above = above.append
    rows.write(["b\n", "c\n"])
    rows.above = None
    rows.write(["d\n"])
    assert out.getvalue() == HEADER + "a\nd\n"
    assert above == ["b\nc"]
    assert rows.written == 4


def test_the_command_writes_rows_to_a_terminal_and_json_where_asked(
    tmp_path: Path, lipsync_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same list, seen by a person and by a program."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    command = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--journal", str(tmp_path / "run.db")]
    seen = []
    for options in ([], ["--json"]):
        out = Terminal()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr("lipsync_async.cli.target.standard_output", lambda out=out: out)
        assert main([*command, *options, "--quiet"]) == 0
        seen.append(out.getvalue())
    assert seen[0].startswith(HEADER + "a ")
    assert [line["external_task_id"] for line in results(seen[1])] == ["a"]


# --- faults ---------------------------------------------------------------------------------------------------------


def fault(line: int, message: str = "is missing", path: str = "session_id") -> LineFault:
    """A fault of a line."""
    return LineFault(line=line, violation=Violation(path, "missing", message))


def told_of(*faults: LineFault, most: int = 9) -> list[str]:
    """What is said of them."""
    causes = Causes(most)
    for found in faults:
        causes.add(found)
    return causes.told()


def test_one_cause_is_one_line() -> None:
    """With the lines that have it, all of five and the first of six; another cause is another line."""
    told = told_of(fault(2), fault(3, "is odd"), *(fault(line) for line in range(4, 1203)))
    assert told == ["1,200 lines (2, 4, 5 ...): session_id: is missing", "line 3: session_id: is odd"]
    assert told_of(*map(fault, range(2, 7))) == ["5 lines (2, 3, 4, 5, 6): session_id: is missing"]
    assert told_of(*map(fault, range(2, 8))) == ["6 lines (2, 3, 4 ...): session_id: is missing"]
    assert told_of(fault(2), fault(3, path="face_id")) == [
        "line 2: session_id: is missing",
        "line 3: face_id: is missing",
    ]


def test_causes_beyond_the_room_are_counted() -> None:
    """What is known by then is counted on."""
    causes = Causes(1)
    assert [causes.add(fault(2)), causes.add(fault(3, "is odd")), causes.add(fault(4))] == [True, False, True]
    assert causes.told() == ["2 lines (2, 4): session_id: is missing"]
    assert causes.left == 1


def test_very_many_causes_are_told_in_parts() -> None:
    """None is lost, and each part is in the order of the list."""
    told: list[str] = []
    causes = AllCauses(told.append)
    for line in range(20_001):
        causes.add(fault(line, f"is odd: {line}"))
    assert len(told) == 20_000
    causes.end()
    causes.end()
    assert told == [f"line {line}: session_id: is odd: {line}" for line in range(20_001)]


def test_a_list_without_a_column_has_one_fault(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no price: nothing of it can be sent."""
    (tmp_path / "jobs.csv").write_text("face_id,audio_id,sound_end_time\n0,a,5000\n0,b,5000\n0,c,5000\n")
    assert main(["submit", str(tmp_path / "jobs.csv"), "--gateway", lipsync_sandbox.base_url]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "3 lines (2, 3, 4): session_id: is missing",
        "nothing was sent: 3 of 3 lines cannot be sent",
    ]


# --- what to do next ------------------------------------------------------------------------------------------------


def tally_of(*outcomes: Any, **values: Any) -> Tally:
    """A batch that came out so."""
    tally = Tally(**values)
    for outcome in outcomes:
        tally.add(outcome)
    return tally


def not_sent(kind: Kind) -> NotSent:
    """A job that was not sent."""
    return NotSent(external_task_id="a", kind=kind, message="x")


MAY_SUCCEED = "failed for a reason of the gateway's, and may succeed if paid again"


def failed(kind: str) -> TaskFailed:
    """A task that failed."""
    return TaskFailed(task_id="1", external_task_id="a", kind=FailureKind(kind))


ACCEPTED = Accepted(external_task_id="a", task_id="1")
UNKNOWN = Unknown(external_task_id="a", kind=Kind.TIMEOUT)
REFUSED = Rejected(external_task_id="a", kind=Kind.INVALID_REQUEST)
WAIT = "lipsync-async wait 'my run.db' --gateway kling --download videos"
PLAIN, WITH = Case(gateway="kling"), Case(gateway="kling", journal="my run.db")


@pytest.mark.parametrize(
    ("tally", "case", "told"),
    [
        (tally_of(ACCEPTED), PLAIN, []),
        (
            tally_of(ACCEPTED),
            WITH,
            [f"next: {WAIT} waits for the videos and fetches them"],
        ),
        (tally_of(DONE, waits=True), Case(gateway="kling", journal="r.db", wait=True), []),
        (
            tally_of(UNKNOWN),
            WITH,
            ["next: 1 job may have been paid for: lipsync-async reconcile 'my run.db' --gateway kling finds out"],
        ),
        (
            tally_of(StillRunning(task_id="1", missing=True, trouble="none"), StillRunning(task_id="2"), waits=True),
            WITH,
            [
                "next: 1 task was not known to kling: see that --gateway and the key are those that made them",
                "next: 1 task still running: lipsync-async wait 'my run.db' --gateway kling goes on",
            ],
        ),
        (
            tally_of(not_sent(Kind.AUTH), not_sent(Kind.AUTH), not_sent(Kind.CANCELLED)),
            WITH,
            ["next: correct the API key; then run the same command again: --journal 'my run.db' knows what is done"],
        ),
        (
            tally_of(not_sent(Kind.QUOTA)),
            Case(gateway="kling", journal="r.db", capped=True),
            ["next: raise --max-units; then run the same command again: --journal r.db knows what is done"],
        ),
        (
            tally_of(not_sent(Kind.CONNECTION)),
            PLAIN,
            ["next: see that the gateway can be reached from here; then run it again: 1 job was surely not sent"],
        ),
        (
            tally_of(not_sent(Kind.CANCELLED), interrupted=True),
            WITH,
            ["next: run the same command again: --journal 'my run.db' knows what is done"],
        ),
        (
            tally_of(failed("capacity"), failed("gateway"), failed("media"), waits=True),
            Case(gateway="kling", journal="r.db", jobs="my jobs.csv", wait=True),
            [
                f"next: 2 tasks {MAY_SUCCEED}: lipsync-async retry r.db --gateway kling --jobs 'my jobs.csv'",
                "next: 1 job failed: correct the sound or the video, and submit with a new id",
            ],
        ),
        (
            tally_of(failed("capacity"), waits=True),
            WITH,
            [
                f"next: 1 task {MAY_SUCCEED}: lipsync-async retry 'my run.db' --gateway kling --jobs JOBS",
            ],
        ),
        (
            tally_of(failed("gateway"), waits=True),
            PLAIN,
            [
                f"next: 1 task {MAY_SUCCEED}: submit these jobs alone with new ids (with a --journal, `retry` does)",
            ],
        ),
        (tally_of(REFUSED), PLAIN, ["next: correct the 1 job that was refused, and submit these lines alone"]),
        (
            tally_of(REFUSED, Rejected(external_task_id="b", kind=Kind.ALREADY_EXISTS)),
            WITH,
            [
                "next: 1 job was not paid for: tasks have their ids already; keep these, or give new ids",
                "next: correct the 1 job that was refused and run it again",
            ],
        ),
    ],
)  # fmt: skip
def test_the_end_says_what_to_do_in_this_case_alone(tally: Tally, case: Case, told: list[str]) -> None:
    """With the exact command; nothing where nothing is left to do."""
    assert list(next_steps(tally, case)) == told


# --- slips ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["submti", "x"], "lipsync-async: there is no command 'submti': did you mean submit?"),
        (["zzz"], "lipsync-async: there is no command 'zzz': there are template, check, submit, wait, retry"),
        (
            ["submit", "x"],
            "lipsync-async submit: --gateway must be given: one of chainhub, anyapi, kling, or a base URL (or set",
        ),
        (
            ["submit", "x", "--gateway", "kling", "--jurnal=x.db"],
            "lipsync-async submit: there is no option --jurnal here: did you mean --journal?",
        ),
        (["submit", "x", "y", "--gateway", "kling"], "lipsync-async submit: more was given than is taken: y"),
        (
            ["submit", "x", "--gateway", "kling", "--limit", "0"],
            "lipsync-async submit: --limit: must be a whole number from 1, not '0'",
        ),
    ],
)  # fmt: skip
def test_a_slip_on_the_command_line_takes_two_lines(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong and what was meant, it seems; the usage is a command away."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(told)
    assert second.endswith("--help` explains all that can be given")
