"""Results as a table: `--out x.csv`, for `submit`, `wait` and `journal export`."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.cli.results import table_line
from lipsync_async.outcomes import RESULT_FIELDS
from lipsync_async.sandbox import Sandbox

from .helpers import job, write


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table, sorted by line."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return sorted(csv.DictReader(file), key=lambda row: int(row["line"] or 0))


def test_a_table_has_the_names_of_the_lines(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """One row a job, whatever came of it; the names of the header are those of a result line."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), job("b"), job("c", audio_id="")])
    out = tmp_path / "Results.CSV"
    submit = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--out", str(out), "--skip-invalid"]
    assert main(submit) == 1
    found = rows(out)
    assert tuple(found[0]) == RESULT_FIELDS
    assert [(row["external_task_id"], row["outcome"]) for row in found] == [
        ("a", "accepted"),
        ("b", "accepted"),
        ("c", "rejected"),
    ]
    assert found[0]["task_id"].isdecimal()
    assert found[0]["video_url"] == ""
    assert out.read_bytes().startswith(b"\xef\xbb\xbfexternal_task_id,")


def test_the_same_command_writes_the_same_table_again(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """With the journal of its jobs; nothing is sent twice, and there is one header."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a"), job("b")])
    out, book = tmp_path / "r.csv", tmp_path / "run.db"
    submit = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--out", str(out), "--journal", str(book)]
    assert main(submit) == main(submit) == 0
    assert [row["external_task_id"] for row in rows(out)] == ["a", "b"]
    assert len(lipsync_sandbox.ledger.entries) == 2
    cut = out.read_text(encoding="utf-8")
    out.write_text(cut[: cut.index("accepted", cut.index("accepted") + 1) + 4], encoding="utf-8")
    assert main(submit) == 0
    assert [row["external_task_id"] for row in rows(out)] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "name,size\nx,1\n",
        "\ufeff{head}\nother,accepted,77,submitted,1,0,,200,,,,1,2,,,,\n",
        "\ufeff{head}\na,accepted,77,submitted,1,0,,200,,,,1,2,,,,\n",
        "\ufeff{head}\nx,rejected,,,0,0,validation,,,,,1,2,,,,,,and,more\n",
    ],
)
def test_no_other_table_is_written_over(
    text: str, tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither one of something else nor one of tasks that the journal does not know."""
    jobs = write(tmp_path / "jobs.jsonl", [job("a")])
    out, book = tmp_path / "r.csv", tmp_path / "run.db"
    submit = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--journal", str(book)]
    assert main(submit) == 0
    before = text.replace("{head}", ",".join(RESULT_FIELDS))
    out.write_text(before, encoding="utf-8")
    assert main([*submit, "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == before
    assert main([*submit, "--out", str(out), "--overwrite"]) == 0
    assert [row["external_task_id"] for row in rows(out)] == ["a"]


def test_a_journal_is_exported_as_a_table(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """All that it knows."""
    jobs = write(tmp_path / "jobs.jsonl", [job(name) for name in ("a", "b", "c")])
    book, out = str(tmp_path / "run.db"), tmp_path / "all.csv"
    assert main(["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--journal", book]) == 0
    assert main(["journal", "export", book, "--out", str(out)]) == 0
    assert [row["external_task_id"] for row in rows(out)] == ["a", "b", "c"]


def test_nothing_in_a_row_steers_a_terminal() -> None:
    """Nor is it a formula, or another row."""
    line = table_line(["=1+1", "a\nb", "\x1b[31mred", "第三场", "\ud800"])
    assert line == "'=1+1,a b,\\x1b[31mred,第三场,\\ud800\n"
