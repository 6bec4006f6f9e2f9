"""Where results go: never over what is needed, again over what the journal holds, and what happens without them."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.request.audio import AudioFile
from lipsync_async.sandbox import Sandbox

from .helpers import CLIPS, KEY, job, results, write

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="descriptors and links of POSIX")


def run(*args: object) -> int:
    """The command in this process."""
    return main([str(arg) for arg in args])


@pytest.fixture
def done(tmp_path: Path, lipsync_sandbox: Sandbox) -> Callable[..., int]:
    """A list of two jobs, one with a sound of its own, that has been submitted with a journal; gives the command."""
    (tmp_path / "clip.mp3").write_bytes((CLIPS / "speech_5.mp3").read_bytes())
    write(tmp_path / "jobs.jsonl", [job("a"), job("b", audio_id=..., sound_path="clip.mp3")])

    def submit(*options: str | Path) -> int:
        arguments = ["submit", tmp_path / "jobs.jsonl", "--gateway", lipsync_sandbox.base_url, "--quiet"]
        return run(*arguments, "--journal", tmp_path / "run.db", *options)

    assert submit("--out", tmp_path / "first.jsonl") == 0
    return submit


# --- what is never written over -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jobs.jsonl", "run.db", "run.db.lock", "clip.mp3"])
@pytest.mark.parametrize("way", ["itself", "hard link", "symlink", "dots", "case of a folder's link"])
@POSIX
def test_out_is_never_what_is_needed(
    name: str, way: str, tmp_path: Path, done: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The list, the journal's files, a sound: by whatever name, exit code 2, and not a byte is touched."""
    target = tmp_path / name
    if not target.exists():
        target.write_bytes(b"pid")
    before, out = target.read_bytes(), tmp_path / "other"
    if way == "itself":
        out = target
    elif way == "hard link":
        os.link(target, out)
    elif way == "symlink":
        out.symlink_to(target)
    elif way == "dots":
        out = tmp_path / "." / ".." / tmp_path.name / name
    else:
        out.symlink_to(tmp_path)
        out = out / name
    capsys.readouterr()
    assert done("--out", out, "--overwrite") == 2
    assert "it would be written over" in capsys.readouterr().err
    assert target.read_bytes() == before


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", ".lock"])
def test_out_is_no_journal_that_is_yet_to_be(
    ending: str, tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither is there before the run: they are told apart by where the names lead."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    (tmp_path / "sub").mkdir()
    out = tmp_path / "sub" / ".." / f"new.db{ending}"
    arguments = ["submit", jobs, "--gateway", lipsync_sandbox.base_url, "--journal", tmp_path / "new.db"]
    assert run(*arguments, "--out", out) == 2
    assert "the journal" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jobs.jsonl", "sub"]
    assert lipsync_sandbox.ledger.requests == 0


@POSIX
def test_stdin_and_stdout_are_names_too(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """A list that comes in as standard input, and a standard output that was led to it."""
    line = json.dumps(job("a")) + "\n"
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_text(line)
    base = [sys.executable, "-m", "lipsync_async.cli", "submit"]
    tail = ["--gateway", lipsync_sandbox.base_url, "--overwrite"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "LIPSYNC_API_KEY": KEY}
    for arguments in ([*base, "-", *tail, "--out", "/dev/stdin"], [*base, "-", *tail, "--out", str(jobs)]):
        with jobs.open("r+b") as source:
            assert subprocess.run(arguments, stdin=source, env=env, capture_output=True, check=False).returncode == 2
    for name in ("-", str(jobs)):
        with jobs.open("r+b") as source, jobs.open("ab") as target:
            ended = subprocess.run([*base, name, *tail], stdin=source, stdout=target, env=env, stderr=-1, check=False)
            assert (ended.returncode, b"the list itself" in ended.stderr) == (2, True)
    assert jobs.read_text() == line
    assert lipsync_sandbox.ledger.requests == 0


def test_export_and_reconcile_leave_the_journal_alone(
    tmp_path: Path, done: Callable[..., int], lipsync_sandbox: Sandbox
) -> None:
    """It is what they read."""
    journal = tmp_path / "run.db"
    before = journal.read_bytes()
    assert run("journal", "export", journal, "--out", journal, "--overwrite") == 2
    assert run("reconcile", journal, "--gateway", lipsync_sandbox.base_url, "--out", journal, "--overwrite") == 2
    assert journal.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(
    tmp_path: Path, done: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """`No such file` alone reads as if the results had to be there before."""
    out = tmp_path / "nowhere" / "out.jsonl"
    assert done("--out", out) == 2
    assert f"{out} cannot be written: there is no folder {out.parent}" in capsys.readouterr().err


def test_another_file_is_fine(tmp_path: Path, done: Callable[..., int]) -> None:
    """A copy of the list is not the list."""
    (tmp_path / "copy.jsonl").write_bytes((tmp_path / "jobs.jsonl").read_bytes())
    assert done("--out", tmp_path / "copy.jsonl", "--overwrite") == 0


# --- what may be written again --------------------------------------------------------------------------------------


def test_the_very_same_command_resumes(tmp_path: Path, done: Callable[..., int], lipsync_sandbox: Sandbox) -> None:
    """Results of this journal are written again, also where a crash cut the last line."""
    out = tmp_path / "first.jsonl"
    first = out.read_text()
    assert done("--out", out) == 0
    assert results(out.read_text()) == results(first)
    for cut in (1, 20, 60):
        out.write_text(first + first.splitlines()[0][:-cut])
        assert done("--out", out) == 0
        assert results(out.read_text()) == results(first)
    assert lipsync_sandbox.ledger.tasks == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: [*lines, "a note of mine"],
        lambda lines: ["", *lines],
        lambda lines: [*lines, "{}"],
        lambda lines: [*lines, json.dumps({**json.loads(lines[0]), "external_task_id": "of another journal"})],
        lambda lines: [json.dumps({**json.loads(lines[0]), "task_id": "another task"})],
        lambda lines: [*lines, "7"],
    ],
)
def test_what_the_journal_does_not_hold_is_kept(
    spoil: Callable[[list[str]], list[str]], tmp_path: Path, done: Callable[..., int]
) -> None:
    """One line of something else, and nothing is written over."""
    out = tmp_path / "first.jsonl"
    text = "\n".join(spoil(out.read_text().splitlines())) + "\n"
    out.write_text(text)
    assert done("--out", out) == 2
    assert out.read_text() == text


def test_lines_of_jobs_that_never_began_may_go(tmp_path: Path, done: Callable[..., int]) -> None:
    """What was not sent, or refused before it was, has no page in the journal, and cost nothing."""
    out = tmp_path / "first.jsonl"
    line = json.loads(out.read_text().splitlines()[0])
    others = [{**line, "external_task_id": "x", "task_id": None, "outcome": told} for told in ("not_sent", "rejected")]
    out.write_text("".join(json.dumps(it) + "\n" for it in (line, *others)))
    assert done("--out", out) == 0


# --- files that are closed ------------------------------------------------------------------------------------------


def closed(command: str, tmp_path: Path, sandbox: Sandbox) -> subprocess.CompletedProcess[str]:
    """A shell's line, with `CLI` for the command and `URL` for the gateway."""
    cli = f"{sys.executable} -m lipsync_async.cli"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "LIPSYNC_API_KEY": KEY}
    text = command.replace("CLI", cli).replace("URL", sandbox.base_url)
    return subprocess.run(["/bin/sh", "-c", text], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)


@POSIX
@pytest.mark.parametrize(
    "command",
    [
        "CLI submit jobs.jsonl --gateway URL >&-",
        "CLI submit jobs.jsonl --gateway URL >&- <&- 2>err",
        "CLI submit jobs.jsonl --gateway URL 1</dev/null",
        "CLI submit - --gateway URL <&-",
        "CLI submit - --gateway URL <&- >&-",
        "CLI journal export run.db >&-",
    ],
)
def test_without_a_place_for_it_nothing_is_sent(command: str, tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """No stdout and no --out, no stdin and a list of `-`: exit code 2, before anything else."""
    write(tmp_path / "jobs.jsonl", [job("a")])
    from lipsync_async.journal import Store

    Store(tmp_path / "run.db", gateway="http://127.0.0.1").close()
    ended = closed(command, tmp_path, lipsync_sandbox)
    told = ended.stderr or (tmp_path / "err").read_text()
    assert (ended.returncode, "Traceback" in told) == (2, False)
    assert "standard" in told
    assert lipsync_sandbox.ledger.requests == 0


@POSIX
@pytest.mark.parametrize("closing", ["2>&-", "<&- 2>&-", "<&-"])
def test_without_stderr_stdout_has_results_only(closing: str, tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """As usual otherwise."""
    write(tmp_path / "jobs.jsonl", [job("a", note="x"), job("b"), "{"])
    options = f"--gateway URL --skip-invalid --verbose --journal run.db {closing}"
    ended = closed(f"CLI submit jobs.jsonl {options}", tmp_path, lipsync_sandbox)
    assert ended.returncode == 1
    assert [line["outcome"] for line in results(ended.stdout)] == ["accepted", "accepted", "rejected"]


@POSIX
def test_an_out_is_never_given_a_standard_number(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """With stdout and stderr closed the file of the results would be number 1, and take what anybody prints."""
    write(tmp_path / "jobs.jsonl", [job("a", note="x")])
    ended = closed("CLI submit jobs.jsonl --gateway URL --out out >&- 2>&- <&-", tmp_path, lipsync_sandbox)
    assert ended.returncode == 0
    assert [line["external_task_id"] for line in results((tmp_path / "out").read_text())] == ["a"]


@POSIX
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16", "utf-8"])
def test_stdout_of_any_encoding(encoding: str, tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """Half a surrogate pair, letters of any script: every job has its line."""
    write(tmp_path / "jobs.jsonl", [job("a"), job("日本"), json.dumps(job("x")).replace('"x"', '"\\ud800"'), job("b")])
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "LIPSYNC_API_KEY": KEY}
    arguments = [sys.executable, "-m", "lipsync_async.cli", "submit", "jobs.jsonl", "--skip-invalid", "--gateway"]
    ended = subprocess.run(
        [*arguments, lipsync_sandbox.base_url],
        cwd=tmp_path,
        env={**env, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    told = results(ended.stdout.decode(encoding))
    assert ended.returncode == 1
    assert [line["external_task_id"] for line in told] == ["a", "日本", "\ud800", "b"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("command", ["check jobs.jsonl", "status run.db", "journal export run.db"])
def test_a_full_output_is_3(command: str, tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """Of any command, and the interpreter has nothing to add at its end."""
    from lipsync_async.journal import Record, State, Store

    write(tmp_path / "jobs.jsonl", ["{"])
    store = Store(tmp_path / "run.db", gateway="http://127.0.0.1")
    store.write([Record(external_task_id="a", fingerprint=b"1", state=State.UNKNOWN)])
    store.close()
    ended = closed(f"CLI {command} >/dev/full", tmp_path, lipsync_sandbox)
    assert (ended.returncode, "Traceback" in ended.stderr, "Exception ignored" in ended.stderr) == (3, False, False)
    assert "No space left" in ended.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_the_paid_are_named_where_the_results_are_lost(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every task in the gateway's ledger is on stderr, with --quiet too."""
    jobs = write(tmp_path / "jobs.jsonl", [job(f"j{number}") for number in range(30)])
    assert run("submit", jobs, "--gateway", lipsync_sandbox.base_url, "--out", "/dev/full", "--quiet") == 3
    told = capsys.readouterr().err
    paid = lipsync_sandbox.ledger.entries
    assert paid
    assert all(f"not written: {entry.external_task_id} (task {entry.task_id}," in told for entry in paid)


def test_an_uncaught_error_is_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 would say that some jobs were rejected."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    for error in (RuntimeError("odd"), MemoryError(), KeyError("x"), RecursionError(), asyncio.CancelledError()):

        def broken(_: object, error: BaseException = error) -> int:
            raise error

        monkeypatch.setattr("lipsync_async.cli.check.run", broken)
        assert run("check", jobs) == 3
        assert "a fault of its own" in capsys.readouterr().err


# --- the rest -------------------------------------------------------------------------------------------------------


def test_a_wide_window_costs_no_more_than_the_list(
    tmp_path: Path, lipsync_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three jobs need three workers, whatever was allowed."""
    from lipsync_async import client

    windows: list[int] = []
    made = client.LipSyncClient.__init__

    def counted(self: client.LipSyncClient, *args: object, **options: object) -> None:
        windows.append(options["limits"].max_in_flight)  # type: ignore[attr-defined]
        made(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(client.LipSyncClient, "__init__", counted)
    jobs = write(tmp_path / "jobs.jsonl", [job(f"j{number}") for number in range(3)])
    arguments = ["submit", jobs, "--gateway", lipsync_sandbox.base_url, "--quiet", "--max-in-flight", "300000"]
    assert run(*arguments) == 0
    assert windows[-1] == 3
    write(jobs, [job(f"k{number}") for number in range(3)])
    for _ in range(2):  # a list that is known to be sound is not looked through again
        assert run(*arguments, "--limit", "2", "--journal", tmp_path / "run.db") == 0
    assert windows[-1] == 2


def test_sounds_lie_under_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A list of a stranger's names no file elsewhere."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for place in (folder, tmp_path):
        (place / "a.mp3").write_bytes((CLIPS / "speech_5.mp3").read_bytes())
    (folder / "link.mp3").symlink_to(tmp_path / "a.mp3")
    paths = ["clips/a.mp3", "a.mp3", "clips/link.mp3", "clips/../a.mp3", "/etc/passwd", "clips/none.mp3"]
    lines = [job(f"j{n}", audio_id=..., sound_path=path) for n, path in enumerate(paths)]
    jobs = write(tmp_path / "jobs.jsonl", lines)
    assert run("check", jobs, "--sounds-under", folder) == 2
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told] == ["line 2", "line 3", "line 4", "line 5", "line 6"]
    assert ["lies outside of" in line for line in told] == [True] * 4 + [False]
    assert run("check", jobs, "--sounds-under", tmp_path / "none") == 2
    assert "is no folder" in capsys.readouterr().err
    assert run("check", jobs, "--limit", "4") == 0


def test_a_gateway_that_is_none_is_not_echoed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What stands there may be a key."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    for text in (
        "swordfish",
        "swordfish-0123",
        "swordfish://host",
        "https://swordfish@host",
        "https://host/?k=swordfish",
    ):
        assert run("submit", jobs, "--gateway", text) == 2
        assert "swordfish" not in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE])
def test_a_fault_of_the_machine_is_not_the_jobs(
    number: int,
    tmp_path: Path,
    done: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    lipsync_sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A sound that cannot be opened just now comes out as not sent, and the next run sends it."""
    lines = [job(f"k{n}", audio_id=..., sound_path="clip.mp3", sound_insert_time=n) for n in range(3)]
    write(tmp_path / "jobs.jsonl", lines)
    monkeypatch.setattr("lipsync_async.jobs.values.AudioFile", _failing(number, times=2))
    assert done("--skip-invalid") == 3
    told = results(capsys.readouterr().out)
    assert {line["outcome"] for line in told} <= {"not_sent", "accepted"}
    assert [line["kind"] for line in told if line["outcome"] == "not_sent"] == ["storage"]
    assert done() == 0
    assert lipsync_sandbox.ledger.duplicates == {}
    assert lipsync_sandbox.ledger.tasks == 5


def _failing(number: int, *, times: int) -> Callable[[Path], AudioFile]:
    """Opens sounds, but for the second of each of the first passes over a list of three."""
    calls = 0

    def opened(path: Path) -> AudioFile:
        nonlocal calls
        calls += 1
        if calls % 3 == 2 and calls <= 3 * times:
            raise OSError(number, os.strerror(number))
        return AudioFile(path)

    return opened
