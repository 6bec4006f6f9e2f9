"""A record as PostgreSQL takes it: the columns of the SQLite file, in PostgreSQL's types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from lipsync_async.journal.record import Record, State, Try
from lipsync_async.journal.rows import storable

TYPES: dict[str, str] = {
    "external_task_id": "text",
    "fingerprint": "bytea",
    "state": "text",
    "attempts": "int",
    "refusals": "int",
    "first_intent_at": "float8",
    "last_intent_at": "float8",
    "line": "bigint",
    "core": "bytea",
    "key": "bytea",
    "owned": "bool",
    "task_id": "text",
    "task_status": "text",
    "http_status": "int",
    "request_id": "text",
    "recovered": "bool",
    "kind": "text",
    "code": "text",
    "message": "text",
    "phase": "text",
    "history": "text",
    "ended_at": "float8",
    "found_task_id": "text",
}
"""The columns, in the order of the record's fields. `code` and `history` are JSON."""
COLUMNS = tuple(TYPES)
assert Record.__struct_fields__ == COLUMNS
_CODE, _HISTORY, _STATE = map(COLUMNS.index, ("code", "history", "state"))
_FOREIGN = [COLUMNS.index(name) for name in ("external_task_id", "task_id", "request_id", "message", "found_task_id")]
"""Texts of others."""
_encode = msgspec.json.Encoder().encode
_decode_history = msgspec.json.Decoder(tuple[Try, ...]).decode
_decode_code = msgspec.json.Decoder(int | str).decode


def to_values(record: Record) -> list[Any]:
    """The values of its columns."""
    values = list(msgspec.structs.astuple(record))
    values[_STATE] = record.state.value
    for place in _FOREIGN:
        text = values[place]
        if text is not None and not (text.isascii() and "\0" not in text):
            values[place] = clean(text)
    if record.code is not None:
        values[_CODE] = _encode(clean(record.code)).decode()
    history = record.history
    values[_HISTORY] = _encode([[clean(one) for one in try_] for try_ in history]).decode() if history else None
    return values


def from_values(values: Sequence[Any]) -> Record:
    """The record of a row, whose columns come first."""
    fields = list(values[: len(COLUMNS)])
    fields[_STATE] = State(fields[_STATE])
    fields[_CODE] = None if fields[_CODE] is None else _decode_code(fields[_CODE])
    fields[_HISTORY] = _decode_history(fields[_HISTORY]) if fields[_HISTORY] else ()
    return Record(*fields)


def clean(value: Any) -> Any:
    """As PostgreSQL can hold it: its texts have no NUL and no half surrogates."""
    value = storable(value)
    return value.replace("\0", "\\x00") if isinstance(value, str) else value


def transposed(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """One list a column."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]
