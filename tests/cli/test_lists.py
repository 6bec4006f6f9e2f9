"""Lists without a list: examples to begin with, a folder of sounds; and what a submit would do, told before."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.jobs import JobLine, JobList
from lipsync_async.sandbox import Sandbox

from .helpers import CLIPS, job, results, write

VIDEO = "https://films.example.com/scene-1.mp4"

# --- template -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jobs.csv", "jobs.jsonl"])
def test_the_template_runs_as_it_stands(
    name: str, tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against a sandbox: every sort of job is accepted."""
    place = tmp_path / name
    assert main(["template", str(place)]) == 0
    told = capsys.readouterr()
    assert not told.out
    assert "lipsync-async sandbox --port 8904" in told.err
    assert main(["submit", str(place), "--gateway", lipsync_sandbox.base_url]) == 0
    told = capsys.readouterr()
    assert [line["outcome"] for line in results(told.out)] == ["accepted"] * 3
    assert "warning" not in told.err
    assert sorted(it.kind for it in lipsync_sandbox.ledger.preparations) == ["identify", "speech"]


def test_a_template_never_writes_over_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless that is wished; other endings are refused."""
    place = tmp_path / "jobs.csv"
    place.write_text("mine", encoding="utf-8")
    assert main(["template", str(place)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert place.read_text(encoding="utf-8") == "mine"
    assert main(["template", str(place), "--overwrite"]) == 0
    assert place.read_text(encoding="utf-8").startswith("external_task_id,")
    assert main(["template", str(tmp_path / "jobs.xlsx")]) == 2
    assert ".csv or .jsonl" in capsys.readouterr().err
    assert main(["template", str(tmp_path / "none" / "jobs.csv")]) == 2
    assert main(["template", "-"]) == 0
    assert capsys.readouterr().out == place.read_text(encoding="utf-8")


# --- a folder of sounds ---------------------------------------------------------------------------------------------


def folder(tmp_path: Path, *names: str) -> Path:
    """A folder with these sounds."""
    place = tmp_path / "sounds"
    place.mkdir()
    for name in names:
        shutil.copy(CLIPS / "speech_2.mp3", place / name)
    return place


def test_a_folder_of_sounds_is_a_list(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """One job a sound, whose id is its name; the video is identified once, and a second run sends nothing."""
    sounds = folder(tmp_path, "line-2.mp3", "line-1.MP3", "第三场.mp3")
    (sounds / "notes.txt").write_text("mine", encoding="utf-8")
    (sounds / ".hidden.mp3").write_bytes(b"")
    (sounds / "more").mkdir()
    submit = ["submit", "--sounds", str(sounds), "--video-url", VIDEO, "--face", "first", "--id-prefix", "s1-"]
    submit += ["--gateway", lipsync_sandbox.base_url, "--journal", str(tmp_path / "run.db")]
    for _ in range(2):
        assert main(submit) == 0
        told = capsys.readouterr()
        names = [line["external_task_id"] for line in results(told.out)]
        assert names == ["s1-line-1", "s1-line-2", "s1-id-abb85bedac10b5d3"]
        assert "1 other file in" in told.err
    assert len(lipsync_sandbox.ledger.entries) == 3
    assert [it.kind for it in lipsync_sandbox.ledger.preparations] == ["identify"]


def test_an_id_does_not_depend_on_the_other_sounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two that would have one id are a fault that names both, and nothing is sent."""
    sounds = folder(tmp_path, "a.mp3", "a.wav")
    assert main(["check", "--sounds", str(sounds), "--video-url", VIDEO]) == 2
    assert "a.mp3 and a.wav would have one id (a): rename one" in capsys.readouterr().err
    (sounds / "a.wav").unlink()
    assert main(["check", "--sounds", str(sounds), "--video-url", VIDEO]) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "a list (JOBS), or --sounds"),
        (["jobs.jsonl", "--sounds", "."], "one of both"),
        (["--sounds", "."], "needs a --video-url"),
        (["jobs.jsonl", "--video-url", VIDEO], "belongs to --sounds"),
        (["--sounds", "none", "--video-url", VIDEO], "No such file"),
        (["--sounds", ".", "--video-url", VIDEO], "no file in it ends in .aac, .m4a, .mp3, .wav"),
    ],
)
def test_a_list_is_named_in_one_way(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the error says what is missing."""
    monkeypatch.chdir(tmp_path)
    for command in ("check", "submit"):
        assert main([command, *words, "--gateway", "chainhub"]) == 2
        assert told in capsys.readouterr().err


def test_the_environment_names_the_gateway(
    tmp_path: Path, lipsync_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every command that needs one."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    monkeypatch.setenv("LIPSYNC_GATEWAY", lipsync_sandbox.base_url)
    assert main(["submit", str(jobs)]) == 0
    assert len(lipsync_sandbox.ledger.entries) == 1


# --- a dry run ------------------------------------------------------------------------------------------------------


def test_a_dry_run_tells_what_would_be_sent(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a journal would skip, what it would cost; it sends nothing, and makes no file and no folder."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), job("b"), job("c")])
    book, out, videos = tmp_path / "run.db", tmp_path / "out.jsonl", tmp_path / "videos"
    submit = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--journal", str(book)]
    dry = [*submit, "--dry-run", "--out", str(out), "--download", str(videos)]
    assert main(dry) == 0
    told = capsys.readouterr()
    assert told.out.split("\n")[0].split() == ["what", "jobs"]
    assert "to be sent    3" in told.out
    assert "cost: 1.5 units" in told.out
    assert "nothing was sent: this was a dry run" in told.err
    assert not book.exists() | out.exists() | videos.exists()
    assert lipsync_sandbox.ledger.requests == 0

    assert main([*submit, "--limit", "1"]) == 0
    capsys.readouterr()
    before = book.read_bytes()
    assert main([*dry, "--max-units", "0.9"]) == 0
    told = capsys.readouterr()
    assert "accepted      1" in told.out
    assert "to be sent    2" in told.out
    assert "cost: 1 units" in told.out
    assert "the cap of 0.9 units would end it" in told.out
    assert book.read_bytes() == before
    assert len(lipsync_sandbox.ledger.entries) == 1


def test_a_dry_run_sees_whose_journal_it_is(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of another gateway or account is refused, as a run would refuse it."""
    jobs, book = write(tmp_path / "jobs.jsonl", [job("a")]), str(tmp_path / "run.db")
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--journal", book]) == 0
    for options in (["--gateway", "chainhub"], ["--gateway", lipsync_sandbox.base_url, "--account", "other"]):
        capsys.readouterr()
        assert main(["submit", str(jobs), *options, "--journal", book, "--dry-run"]) == 2
        assert "belongs to the gateway" in capsys.readouterr().err


def test_a_dry_run_of_a_broken_list_is_2(
    tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """With every fault; with --skip-invalid the rest would be sent."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), job("b", audio_id=""), job("a"), job("a", audio_id="7")])
    submit = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--dry-run"]
    assert main(submit) == 2
    told = capsys.readouterr()
    assert "line 2:" in told.out
    assert "of a list with faults, which is not sent" in told.err
    assert main([*submit, "--skip-invalid"]) == 0
    told = capsys.readouterr()
    assert "to be sent    1" in told.out, "the repetition is the same job"
    assert "broken        2" in told.out
    assert lipsync_sandbox.ledger.requests == 0


# --- a part of a list -----------------------------------------------------------------------------------------------


def is_one_of(names: set[str], line: JobLine) -> bool:
    """Whether a line is wanted."""
    return line.given_id in names


def test_a_part_of_a_list_keeps_its_lines_where_they_were(tmp_path: Path) -> None:
    """Of JSON and of a table, whose cells may hold line feeds."""
    table = (
        'external_task_id,session_id,face_id,audio_id,sound_end_time,note\na,s,0,x,5000,"one\ntwo"\n\nb,s,0,x,5000,\n'
    )
    for name, text, lines in (
        ("l.csv", table + 'c,s,x,"three\nfour"\n', {"a": 2, "b": 5, "c": 6}),
        ("l.jsonl", "".join(f'\n{{"external_task_id":"{it}","x":1}}\n' for it in "abc"), {"a": 2, "b": 4, "c": 6}),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with JobList.open(tmp_path / name) as jobs:
            assert {line.given_id: line.line for line in jobs} == lines
            for wanted in ("a", "b", "c", "ac", ""):
                with jobs.part(partial(is_one_of, set(wanted))) as part:
                    assert {line.given_id: line.line for line in part} == {it: lines[it] for it in wanted}
                    assert part.format == jobs.format
                    assert part.name == jobs.name
