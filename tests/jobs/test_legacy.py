"""What version 0.1.0 made of columns and fields that are none; the golden ids were made by running it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lipsync_async.jobs import JobList, legacy_id, legacy_request
from lipsync_async.wire.identity import derive_id, fingerprint

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "lists_of_0_1_0.json").read_text("utf-8"))


@pytest.mark.parametrize("name", list(GOLDEN))
def test_old_ids_are_found_again(name: str, tmp_path: Path) -> None:
    """Each line has its old id and fingerprint, with a prefix too; where nothing was left out they are the new ones."""
    text, expected = GOLDEN[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    lines = list(JobList.open(tmp_path / name))
    assert len(lines) == len(expected)
    for line, (plain, prefixed, content) in zip(lines, expected, strict=True):
        request = line.request
        assert request is not None
        old = legacy_request(request, line.legacy_extra) or request
        assert fingerprint(old).hex() == content
        if request.external_task_id:
            assert legacy_id(request, line.legacy_extra) is None
            continue
        for prefix, golden in (("", plain), ("p-", prefixed)):
            new = derive_id(request, prefix=prefix)
            assert (legacy_id(request, line.legacy_extra, prefix) or new) == golden
            assert (new == golden) is (line.legacy_extra is None)


def test_the_columns_are_no_part_of_the_new_ids(tmp_path: Path) -> None:
    """Two rows that differ in their index alone are one job."""
    (tmp_path / "a.csv").write_text(GOLDEN["index.csv"][0], encoding="utf-8")
    jobs = JobList.open(tmp_path / "a.csv")
    report = jobs.check()
    assert dict(report.repeats) == {3: 2}
    assert [str(warned.first) for warned in report.warnings.values()] == [
        "line 2: column 1: has no name: it is not sent, and no part of the job's id"
    ]


def test_two_nameless_columns_were_refused(tmp_path: Path) -> None:
    """So there is no old id to look for; they are read, and told where they hold something."""
    header, row, *_ = GOLDEN["index.csv"][0].split("\n")
    (tmp_path / "a.csv").write_text(f"{header},\n{row},x\n", encoding="utf-8")
    (line,) = JobList.open(tmp_path / "a.csv")
    assert line.legacy_extra is None
    assert [fault.path for fault in line.violations] == ["column 1", "column 10"]
