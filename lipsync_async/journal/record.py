"""One job as the journal keeps it, as a row of the table, and as a result line."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

Row: TypeAlias = tuple[Any, ...]


class State(StrEnum):
    """How far a job has come."""

    OPEN = "open"
    """An intent: it may have been sent."""
    CLEARED = "cleared"
    """Surely refused or unsent so far, and waiting to be tried again."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"


class Try(NamedTuple):
    """One attempt at a job: when, how far it got, and what was said."""

    number: int
    """From 1."""
    at: float
    """Unix seconds."""
    phase: str
    """A `Phase` name in lower case."""
    kind: str | None = None
    http_status: int | None = None
    code: int | str | None = None


# A msgspec struct, for two are made for every job: no other value is made as fast.
class Record(msgspec.Struct, frozen=True, gc=False):
    """One job: all that a later run, or a person, has to know of it."""

    external_task_id: str
    fingerprint: bytes
    """Of the job's content: what was sent under this id."""
    state: State
    attempts: int = 0
    """Tries that count against `max_attempts`."""
    refusals: int = 0
    """Tries that were told to wait."""
    first_intent_at: float | None = None
    """Unix seconds."""
    last_intent_at: float | None = None
    """Unix seconds."""
    line: int | None = None
    """Of the job list, from 1."""
    task_id: str | None = None
    task_status: str | None = None
    http_status: int | None = None
    request_id: str | None = None
    recovered: bool = False
    """Accepted by a look-up: the reply itself was lost."""
    kind: str | None = None
    code: int | str | None = None
    message: str | None = None
    phase: str | None = None
    """How far the last try got: a `Phase` name in lower case."""
    history: tuple[Try, ...] = ()
    """Of a job that was accepted at its first try: empty, for the rest says it all."""


COLUMNS: tuple[str, ...] = Record.__struct_fields__
_STATE, _RECOVERED, _HISTORY = map(COLUMNS.index, ("state", "recovered", "history"))
_STATES = {state.value: state for state in State}
EMPTY: Row = (None,) * _RECOVERED + (0,) + (None,) * (_HISTORY - _RECOVERED)
"""What a column holds that a row leaves out, but for the first ones."""
_OPEN, _ACCEPTED = COLUMNS.index("task_id"), _RECOVERED
WIDTHS = (_OPEN, _ACCEPTED, len(COLUMNS))
"""Columns of an intent, of a job accepted at its first try, and of any other: few columns are half the cost."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Try, ...]).decode


def to_row(record: Record) -> Row:
    """The record as SQLite takes it, as one of `WIDTHS`: trailing columns that say nothing are left out.

    Exact types only, for the module looks for an adapter to every other.
    """
    row = (
        record.external_task_id,
        record.fingerprint,
        record.state._value_,
        record.attempts,
        record.refusals,
        record.first_intent_at,
        record.last_intent_at,
        record.line,
        record.task_id,
        record.task_status and str(record.task_status),
        record.http_status,
        record.request_id,
        int(record.recovered),
        record.kind and str(record.kind),
        record.code,
        record.message,
        record.phase and str(record.phase),
        _history(record.history) if record.history else None,
    )
    if row[_ACCEPTED:] != EMPTY[_ACCEPTED:]:
        return row
    return row[:_ACCEPTED] if row[_OPEN:_ACCEPTED] != EMPTY[_OPEN:_ACCEPTED] else row[:_OPEN]


def from_row(row: Row) -> Record:
    """The record that a row holds."""
    values = [*row, *EMPTY[len(row) :]]
    values[_STATE] = _STATES[values[_STATE]]
    values[_RECOVERED] = bool(values[_RECOVERED])
    values[_HISTORY] = _decode(values[_HISTORY]) if values[_HISTORY] else ()
    return Record(*values)


def storable(value: Any) -> Any:
    """As text what a gateway may say and SQLite cannot hold: half a surrogate pair, a giant number. Else as it is."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return str(value)
    return value


def _history(history: tuple[Try, ...]) -> str:
    try:
        return _encode(history).decode()
    except UnicodeEncodeError:
        return _encode([[storable(value) for value in one] for one in history]).decode()


class _Source(Protocol):
    def records(self, state: State | None = None) -> Iterator[Record]: ...


# Nobody is left to say what became of an open intent; a cleared one was surely not acted upon.
_OUTCOMES = {State.OPEN: "unknown", State.CLEARED: "not_sent"}


def iter_result_lines(store: _Source) -> Iterator[dict[str, Any]]:
    """The result line of every job of a store or reader, in the order of first arrival.

    An open intent ends as `unknown`, a cleared one as `not_sent`.
    """
    return map(result_line, store.records())


def result_line(record: Record) -> dict[str, Any]:
    """A record under the stable names of the result lines."""
    return {
        "external_task_id": record.external_task_id,
        "outcome": _OUTCOMES.get(record.state, record.state.value),
        "task_id": record.task_id,
        "task_status": record.task_status,
        "attempts": record.attempts,
        "refusals": record.refusals,
        "kind": record.kind,
        "http_status": record.http_status,
        "code": record.code,
        "message": record.message,
        "request_id": record.request_id,
        "line": record.line,
        "schema": 1,  # outcomes.RESULT_SCHEMA
    }
