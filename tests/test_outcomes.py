"""Outcomes and the batch of them: order, figures, errors, lines."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import msgspec
import pytest

from lipsync_async import Accepted, BatchResult, NotSent, Rejected, Unknown, Violation
from lipsync_async.errors import BatchError, InvalidRequestError, NotSentError, OutcomeUnknownError, RejectedError
from lipsync_async.outcomes import RESULT_FIELDS, Outcome, caused, result_line, to_json_line
from lipsync_async.terms import Kind, Phase, TaskStatus
from tests.makers import requests

ONE_OF_EACH: tuple[Outcome, ...] = (
    Accepted(external_task_id="job-0", attempts=1, task_id="77", task_status=TaskStatus.SUBMITTED, recovered=True),
    Rejected(
        external_task_id="job-1", kind=Kind.VALIDATION, message="no", violations=(Violation("a", "b", "c"),), line=7
    ),
    Unknown(
        external_task_id="job-2",
        attempts=2,
        kind=Kind.TIMEOUT,
        message="late",
        phase=Phase.SENT,
        attempt=2,
        sent_at=9.0,
    ),
    NotSent(external_task_id="job-3", refusals=3, kind=Kind.RATE, http_status=429, code=1302, request_id="r"),
)


def batch() -> BatchResult:
    """One of each, handed in backwards."""
    jobs = {str(job.external_task_id): job for job in requests(4)}
    return BatchResult(jobs, {outcome.external_task_id: outcome for outcome in reversed(ONE_OF_EACH)})


def test_a_batch_is_a_mapping_in_input_order() -> None:
    """Whatever order the outcomes came in."""
    result = batch()
    assert list(result) == ["job-0", "job-1", "job-2", "job-3"]
    assert tuple(result.values()) == ONE_OF_EACH
    assert len(result) == 4
    assert repr(result) == "<BatchResult 1 accepted, 1 rejected, 1 unknown, 1 not_sent>"
    assert repr(BatchResult({}, {})) == "<BatchResult empty>"


def test_a_batch_is_told_apart_by_outcome() -> None:
    """Each by id; and what is safe to submit again is what was surely not acted upon."""
    result = batch()
    parts = (result.accepted, result.rejected, result.unknown, result.not_sent)
    assert [list(part) for part in parts] == [["job-0"], ["job-1"], ["job-2"], ["job-3"]]
    assert [job.external_task_id for job in result.safe_to_submit_again] == ["job-3"]


def test_statistics_count_what_happened() -> None:
    """Jobs, attempts, refusals, and why."""
    figures = batch().statistics()
    assert (figures.jobs, figures.accepted, figures.rejected, figures.unknown, figures.not_sent) == (4, 1, 1, 1, 1)
    assert (figures.recovered, figures.attempts, figures.refusals) == (1, 3, 3)
    assert figures.kinds == {"validation": 1, "timeout": 1, "rate": 1}


def test_each_outcome_knows_the_error_that_submit_raises() -> None:
    """Accepted has none; an unknown one says how far it got and what to do."""
    accepted, *others = ONE_OF_EACH
    assert accepted.error() is None
    errors = [outcome.error() for outcome in others]
    assert [type(error) for error in errors] == [RejectedError, OutcomeUnknownError, NotSentError]
    unknown = errors[1]
    assert unknown is not None
    assert unknown.phase == "sent"
    assert "look it up" in str(unknown)


def test_raise_for_failures_raises_one_error_with_all() -> None:
    """Nothing is raised where all were accepted."""
    with pytest.raises(BatchError, match="3 of 4") as caught:
        batch().raise_for_failures()
    assert [error.external_task_id for error in caught.value.errors] == ["job-1", "job-2", "job-3"]
    BatchResult({"job-0": requests(1)[0]}, {"job-0": ONE_OF_EACH[0]}).raise_for_failures()


def test_a_result_line_has_stable_names() -> None:
    """All of them, in order; what does not apply is null."""
    for outcome in ONE_OF_EACH:
        assert tuple(result_line(outcome)) == RESULT_FIELDS
        assert tuple(json.loads(to_json_line(outcome))) == RESULT_FIELDS
    first = json.loads(to_json_line(ONE_OF_EACH[0]))
    assert (first["outcome"], first["task_id"], first["task_status"], first["kind"]) == (
        "accepted",
        "77",
        "submitted",
        None,
    )
    assert to_json_line(ONE_OF_EACH[3]).endswith("\n")


def test_a_batch_is_written_as_lines(tmp_path: Path) -> None:
    """To a path or an open file."""
    path, file = tmp_path / "out.jsonl", io.StringIO()
    batch().write_jsonl(path)
    batch().write_jsonl(str(path))
    batch().write_jsonl(file)
    assert path.read_text("utf-8") == file.getvalue()
    assert [json.loads(line)["external_task_id"] for line in file.getvalue().splitlines()] == list(batch())


@pytest.mark.parametrize("outcome", ONE_OF_EACH)
def test_outcomes_are_frozen_values(outcome: Outcome) -> None:
    """Equal by value, picklable, never changed."""
    assert pickle.loads(pickle.dumps(outcome)) == outcome
    with pytest.raises(AttributeError):
        outcome.attempts = 9  # type: ignore[misc]


@pytest.mark.parametrize("plainly", [one for one in ONE_OF_EACH[1:] if not getattr(one, "violations", ())])
def test_the_exception_that_was_met_is_the_cause_of_the_error(plainly: NotSent | Unknown) -> None:
    """The very object; the outcome is the same value as without it, whatever is made of it."""
    met = ConnectionResetError(104, "Connection reset by peer")
    outcome = caused(msgspec.structs.replace(plainly), met)
    assert outcome.cause is met
    assert outcome.error().__cause__ is met
    assert outcome == plainly
    assert (hash(outcome), repr(outcome), outcome.to_dict()) == (hash(plainly), repr(plainly), plainly.to_dict())
    assert msgspec.json.encode(outcome) == msgspec.json.encode(plainly)
    again = pickle.loads(pickle.dumps(outcome))
    assert (again, again.cause) == (plainly, None)
    assert plainly.cause is None


def test_where_nothing_was_met_the_cause_has_the_same_words() -> None:
    """As of an outcome out of a journal; broken rules are told as they are; a gateway's refusal has no cause."""
    late = NotSent(external_task_id="a", kind=Kind.TIMEOUT, message="late").error().__cause__
    assert (type(late), str(late)) == (TimeoutError, "late")
    assert isinstance(ONE_OF_EACH[1].error().__cause__, InvalidRequestError)  # type: ignore[union-attr]
    assert ONE_OF_EACH[3].error().__cause__ is None  # type: ignore[union-attr]
    assert caused(NotSent(external_task_id="a", kind=Kind.RATE), None).cause is None
