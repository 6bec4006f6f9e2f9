"""Result lines keep their schema: `docs/result-line.schema.json` and the rule of `RESULT_FIELDS`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from lipsync_async import RESULT_FIELDS, Accepted, FailureKind, Kind, NotSent, Outcome, Rejected, TaskStatus, Unknown
from lipsync_async.journal.record import Record, State
from lipsync_async.journal.record import result_line as journal_line
from lipsync_async.outcomes import RESULT_SCHEMA, to_json_line

DOCS = Path(__file__).parent.parent / "docs"
SCHEMA = json.loads((DOCS / "result-line.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

FIRST = (
    "external_task_id outcome task_id task_status attempts refusals kind "
    "http_status code message request_id line schema"
)
"""The names of schema 1. They are never edited: they are what users' programs read."""

REFUSED = [cls(external_task_id="job-1", kind=kind) for cls in (Rejected, Unknown, NotSent) for kind in Kind]
ACCEPTED: list[Outcome] = [
    Accepted(external_task_id="job-1", task_id="86", task_status=status) for status in (*TaskStatus, None)
]
FULL: list[Outcome] = [
    Accepted(
        external_task_id="job-1",
        attempts=1,
        refusals=2,
        line=3,
        task_id="86",
        request_id="r",
        http_status=200,
        created_at=1.5,
        recovered=True,
    ),
    Rejected(
        external_task_id="", line=1, kind=Kind.CONTENT_POLICY, message="no", http_status=400, code=1301, request_id="r"
    ),
    Unknown(external_task_id="job-1", kind=Kind.SERVER, code="do_request_failed", found_task_id="86"),
]


def line_of(outcome: Outcome) -> Any:
    """A result line, as a program reads it."""
    return json.loads(to_json_line(outcome))


def test_the_schema_is_one() -> None:
    """By its own standard; it describes the names that there are, in their order, and demands them all."""
    Draft202012Validator.check_schema(SCHEMA)
    assert tuple(SCHEMA["properties"]) == tuple(SCHEMA["required"]) == RESULT_FIELDS
    assert all(told["description"] for told in SCHEMA["properties"].values())


def test_names_are_added_at_the_end() -> None:
    """The names of schema 1 come first in every version; the number is higher where there are more."""
    first = tuple(FIRST.split())
    assert RESULT_FIELDS[: len(first)] == first
    assert (RESULT_SCHEMA > 1) is (len(RESULT_FIELDS) > len(first))


def test_the_page_has_the_names() -> None:
    """In their order."""
    assert f"`{' '.join(RESULT_FIELDS)}`" in (DOCS / "result-lines.md").read_text("utf-8")


def test_the_schema_knows_every_word() -> None:
    """Kinds and states of a task."""
    words = [*Kind, *FailureKind, "expired", "refused", "damaged"]
    assert SCHEMA["properties"]["kind"]["enum"] == [*dict.fromkeys(map(str, words)), None]
    assert SCHEMA["properties"]["task_status"]["enum"] == [*TaskStatus, None]


@pytest.mark.parametrize("outcome", [*ACCEPTED, *REFUSED, *FULL], ids=repr)
def test_every_outcome_is_a_valid_line(outcome: Outcome) -> None:
    """Whatever its kind."""
    VALIDATOR.validate(line_of(outcome))
    assert line_of(outcome)["schema"] == RESULT_SCHEMA


@pytest.mark.parametrize("state", State)
def test_every_record_of_a_journal_is_a_valid_line(state: State) -> None:
    """An export holds jobs that are not over, too; its lines have the same names and the same number."""
    task_id = "86" if state is State.ACCEPTED else None
    line = journal_line(Record(external_task_id="job-1", fingerprint=b"x", state=state, task_id=task_id))
    VALIDATOR.validate(json.loads(json.dumps(line)))
    assert tuple(line) == RESULT_FIELDS
    assert line["schema"] == RESULT_SCHEMA


@pytest.mark.parametrize(
    "change",
    [{"outcome": "gone"}, {"attempts": -1}, {"task_id": None}, {"kind": "rate"}, {"line": 0}, {"schema": "1"}],
    ids=str,
)
def test_a_line_that_is_wrong_is_refused(change: dict[str, Any]) -> None:
    """The schema is not satisfied with anything."""
    with pytest.raises(ValidationError):
        VALIDATOR.validate(line_of(ACCEPTED[0]) | change)


def test_a_line_of_a_later_version_is_valid() -> None:
    """With a higher number, and a name that this version does not know."""
    VALIDATOR.validate(line_of(ACCEPTED[0]) | {"schema": RESULT_SCHEMA + 1, "to_come": None})
