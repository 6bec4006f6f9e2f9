"""Results as dicts, tables and parts of themselves."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async import RESULT_FIELDS, BatchResult, DownloadFailed, Succeeded, TaskFailed, TaskResults, Video
from lipsync_async.endings import DownloadKind, FailureKind
from lipsync_async.errors import ConfigurationError
from lipsync_async.outcomes import NotSent, Rejected, result_line
from lipsync_async.rows import csv_line
from lipsync_async.terms import Kind
from tests.makers import requests
from tests.test_outcomes import ONE_OF_EACH

ENDINGS = TaskResults(
    {
        "a": Succeeded(task_id="1", external_task_id="a", videos=(Video(url="https://v/1"),), seconds=4.5, units="0.5"),
        "b": TaskFailed(task_id="2", external_task_id="b", kind=FailureKind.CONTENT, reason="no, \n never"),
        "c": Succeeded(
            task_id="3",
            external_task_id="c",
            download=DownloadFailed(external_task_id="c", task_id="3", kind=DownloadKind.EXPIRED, message="gone"),
        ),
        "d": NotSent(external_task_id="d", kind=Kind.RATE),
    }
)


def batch() -> BatchResult:
    """One of each, by their ids."""
    return BatchResult(
        {str(job.external_task_id): job for job in requests(4)}, {it.external_task_id: it for it in ONE_OF_EACH}
    )


@pytest.mark.parametrize("result", [*ONE_OF_EACH, *ENDINGS.values()], ids=lambda it: it.name)
def test_a_result_is_a_flat_dict_with_the_names_of_a_line(result: NotSent | Succeeded) -> None:
    """In their order, of JSON's own types and no others."""
    told = result.to_dict()
    assert tuple(told) == RESULT_FIELDS
    assert told["outcome"] == result.name
    assert {type(value) for value in told.values()} <= {str, int, float, bool, type(None)}
    assert json.loads(json.dumps(told)) == told


def test_a_dict_says_what_the_line_says() -> None:
    """One result, told in two ways."""
    for outcome in ONE_OF_EACH:
        assert outcome.to_dict() == result_line(outcome)
    written = io.StringIO()
    ENDINGS.write_jsonl(written)
    assert [json.loads(line) for line in written.getvalue().splitlines()] == ENDINGS.to_dicts()
    assert [row["external_task_id"] for row in ENDINGS.to_dicts()] == ["a", "b", "c", "d"]


def test_where_takes_names_kinds_and_a_test() -> None:
    """All that is given must fit; the order stays, and what comes out is a result again."""
    result = batch()
    assert list(result.where("rejected")) == ["job-1"]
    assert list(result.where(["not_sent", "unknown"])) == ["job-2", "job-3"]
    assert list(result.where(kind="rate")) == ["job-3"]
    assert list(result.where(kind={"validation", "timeout"})) == ["job-1", "job-2"]
    assert list(result.where("rejected", kind="rate")) == []
    assert list(result.where(test=lambda outcome: outcome.attempts > 1)) == ["job-2"]
    assert list(result.where()) == list(result)
    assert [job.external_task_id for job in result.where("not_sent").safe_to_submit_again] == ["job-3"]
    assert result.where("rejected").statistics().jobs == 1


def test_where_knows_the_kind_of_a_video_that_was_not_fetched() -> None:
    """As the result line tells it."""
    assert list(ENDINGS.where("succeeded", kind="expired")) == ["c"]
    assert list(ENDINGS.where(kind="content")) == ["b"]
    assert ENDINGS.where(["succeeded", "failed"]).money().tasks == 3


def test_a_name_that_no_result_has_is_an_error() -> None:
    """A slip of the finger is not an empty answer; `accepted` is none where tasks were waited for."""
    with pytest.raises(ConfigurationError, match=r"called 'reject': there are accepted, not_sent, rejected, unknown"):
        batch().where("reject")
    with pytest.raises(ConfigurationError, match="'accepted'"):
        ENDINGS.where("accepted")


def test_a_table_has_a_header_and_a_row_a_job(tmp_path: Path) -> None:
    """To a path with a mark that spreadsheets look for, to an open file without; one line a row whatever it says."""
    place = tmp_path / "results.csv"
    ENDINGS.write_csv(place)
    assert place.read_bytes().startswith(b"\xef\xbb\xbfexternal_task_id,outcome,")
    lines = place.read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 5
    rows = list(csv.DictReader(lines))
    assert [row["external_task_id"] for row in rows] == ["a", "b", "c", "d"]
    assert [row["outcome"] for row in rows] == ["succeeded", "failed", "succeeded", "not_sent"]
    assert rows[0]["duration"] == "4.5"
    assert rows[0]["kind"] == ""
    assert rows[1]["message"] == "no,   never"
    opened = io.StringIO()
    batch().write_csv(opened)
    assert opened.getvalue().startswith("external_task_id,")
    assert len(opened.getvalue().splitlines()) == 5


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ('=HYPERLINK("http://x")', '"\'=HYPERLINK(""http://x"")"'),
        ("+1 of 2", "'+1 of 2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("-ep1-4", "-ep1-4"),
        (-0.5, "-0.5"),
        ("a=b", "a=b"),
        (None, ""),
    ],
)
def test_no_cell_is_a_formula(value: object, cell: str) -> None:
    """What a gateway says is shown, and does nothing; an id that begins with a hyphen stays what it is."""
    assert csv_line([value, 1]) == f"{cell},1\n"


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_is_one_line_of_as_many_cells(texts: list[str]) -> None:
    """And a reader of tables finds as many again."""
    line = csv_line(["first", *texts])
    assert line.endswith("\n")
    (row,) = csv.reader(io.StringIO(line, newline=""))
    assert len(row) == len(texts) + 1


def test_the_errors_of_a_part_are_its_own() -> None:
    """`raise_for_failures` of those that were rejected says nothing of the others."""
    (error,) = [outcome.error() for outcome in batch().where("rejected").values()]
    assert error is not None
    assert isinstance(error.outcome, Rejected)
