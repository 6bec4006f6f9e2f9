"""A record as a row of the table, with a checksum that tells a damaged row.

The checksum is the CRC-32 of the row's other values as msgpack, without the columns that the writer left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import add
from types import NoneType
from typing import Any, TypeAlias
from zlib import crc32

import msgspec
from msgspec.structs import astuple

from lipsync_async.errors import JournalError

from .record import Record, State, Try

Row: TypeAlias = tuple[Any, ...]

COLUMNS: tuple[str, ...] = ("checksum", *Record.__struct_fields__)
_BLOBS = tuple(map(COLUMNS.index, ("fingerprint", "core", "key")))
_LINE = COLUMNS.index("line")
_STATES = {state.value: state for state in State}
EMPTY: Row = tuple(0 if name in {"owned", "recovered"} else None for name in COLUMNS)
"""What each column holds that a row leaves out; the first ones are never left out."""
NULL = float("nan")
"""What SQLite takes for NULL, and the sqlite3 module without a search for an adapter: that costs half of a row."""
_FILLING = tuple(NULL if value is None and at not in _BLOBS else value for at, value in enumerate(EMPTY))
# Places in a row's values without its checksum; where the steps of its width begin comes first.
_CORE, _TASK, _REST, _LAST = map(Record.__struct_fields__.index, ("core", "task_id", "recovered", "ended_at"))
_STATE, _OWNED, _RECOVERED, _HISTORY, _STATUS, _FIRST, _LATEST = map(
    Record.__struct_fields__.index,
    ("state", "owned", "recovered", "history", "task_status", "first_intent_at", "last_intent_at"),
)
WIDTHS = (_CORE + 1, _TASK + 1, _REST + 1, _LAST + 1, len(COLUMNS))
"""Columns of a bare intent, of an intent, of a job accepted at its first try, of most others, and of any.

A row has as many as it needs: few columns are half the cost of a write. Columns of later schemas make later steps.
"""
STEP = 8
"""Statements for more rows come in these steps, for every size is a prepared one; the last row fills them up.

To put the same row in once more changes nothing, and costs less than to leave empty ones out.
"""
_NOTHING = EMPTY[1:]
_NO_CONTENT, _NO_TASK = _NOTHING[_CORE:_TASK], _NOTHING[_TASK:_REST]
_NO_REST, _NO_LAST = _NOTHING[_REST:_LAST], _NOTHING[_LAST:]
_PLAIN = (False, None, None, None, None, (), None, None)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Try, ...]).decode
_pack = msgspec.msgpack.Encoder().encode


class DamagedRowError(JournalError):
    """A row does not hold what was written; the text says how that shows."""


def to_rows(records: Iterable[Record]) -> list[Row]:
    """The records as SQLite takes them, each as one of `WIDTHS`: trailing columns that say nothing are left out.

    Exact types only: for any other type the sqlite3 module looks for an adapter.
    Made column by column, in loops of C: a job has two, and row by row they cost it twice as much.
    """
    columns: list[Sequence[Any]] = list(zip(*map(astuple, records), strict=True))
    if not columns:
        return []
    columns[_STATE] = [state._value_ for state in columns[_STATE]]
    columns[_OWNED] = list(map(int, columns[_OWNED]))
    columns[_FIRST] = _floats(columns[_FIRST])
    columns[_LATEST] = _floats(columns[_LATEST])
    columns[_STATUS] = _texts(columns[_STATUS])
    heads, rests = zip(*columns[:_REST], strict=True), zip(*columns[_REST:], strict=True)
    rows = [
        (head if head[_TASK:] != _NO_TASK else head[:_TASK] if head[_CORE:_TASK] != _NO_CONTENT else head[:_CORE])
        if rest == _PLAIN  # nearly always
        else (*head, *_rest(*rest))
        for head, rest in zip(heads, rests, strict=True)
    ]
    try:
        return _sealed(rows)
    except (UnicodeEncodeError, OverflowError):
        return _sealed([tuple(map(storable, row)) for row in rows])


def to_row(record: Record) -> Row:
    """The same for one."""
    return to_rows([record])[0]


def _floats(column: Sequence[Any]) -> Sequence[float | None]:
    """A column of times as SQLite gives them back: whatever number it got as a float, and no zero below zero.

    The checksum must be of the same.
    """
    if set(map(type, column)) <= {float, NoneType} and 0.0 not in column:
        return column
    return [None if value is None else float(value) + 0.0 for value in column]


def _texts(column: Sequence[Any]) -> Sequence[str | None]:
    """A column of words as plain texts."""
    if set(map(type, column)) <= {str, NoneType}:
        return column
    return [None if value is None else str(value) for value in column]


def _rest(
    recovered: bool,
    kind: str | None,
    code: int | str | None,
    message: str | None,
    phase: str | None,
    history: tuple[Try, ...],
    ended_at: float | None,
    found_task_id: str | None,
) -> Row:
    """The columns from `recovered` on, as many as are needed."""
    stored = (
        1 if recovered else 0,
        None if kind is None else str(kind),
        code,
        message,
        None if phase is None else str(phase),
        _history(history) if history else None,
    )
    if ended_at is None and found_task_id is None:
        return stored
    return (*stored, None if ended_at is None else ended_at + 0.0, found_task_id)


def storable_rows(rows: Iterable[Row]) -> list[Row]:
    """The rows with every value as SQLite can hold it, and their checksums made anew."""
    return _sealed([tuple(map(storable, row[1:])) for row in rows])


class Group(msgspec.Struct, frozen=True):
    """Rows that one statement puts in, ready to be bound: what the thread that commits would do is done before."""

    rows: Sequence[Row]
    width: int
    """Columns of each."""
    size: int
    """Rows of the statement: those and, after them, the last of them again."""
    values: list[Any]


def grouped(rows: Sequence[Row], most: int) -> list[Group]:
    """The rows in groups of at most so many, a multiple of `STEP`."""
    return [_group(rows[start : start + most]) for start in range(0, len(rows), most)]


def _group(rows: Sequence[Row]) -> Group:
    count = len(rows)
    size = count if count < STEP else -(-count // STEP) * STEP
    width = max(map(len, rows))
    values = bound(rows, width)
    values += values[-width:] * (size - count)
    return Group(rows, width, size, values)


def bound(rows: Sequence[Row], width: int) -> list[Any]:
    """The values of all rows one after the other, each of so many columns, as they cost least to hand to SQLite.

    For bytes and for None the sqlite3 module looks for an adapter, for a bytearray and for NaN it does not.
    """
    values: list[Any] = []
    for row in rows:
        values += row
        if len(row) < width:
            values += _FILLING[len(row) : width]
    for place in _BLOBS:
        if place >= width:
            break
        column = values[place::width]
        if None in column:
            values[place::width] = [NULL if value is None else bytearray(value) for value in column]
        else:
            values[place::width] = list(map(bytearray, column))
    column = values[_LINE::width]
    if None in column:
        values[_LINE::width] = [NULL if value is None else value for value in column]
    return values


def from_row(row: Row) -> Record:
    """The record that a row holds. Raises `DamagedRowError`."""
    values = [*row[1:], *EMPTY[len(row) :]]
    try:
        sound = crc32(_pack(_narrow(tuple(values)))) == row[0]
    except (UnicodeEncodeError, OverflowError):
        sound = False
    if not sound:
        raise DamagedRowError("its checksum does not fit")
    return _record(values)


def from_unsealed(row: Row) -> Record:
    """The same for a row of schema 1, which has no checksum: the type of every value is looked at instead."""
    record = _record([*row[1:], *EMPTY[len(row) :]])
    if not all(is_text(value) for value in row if isinstance(value, str)):
        raise DamagedRowError("a text of it is no UTF-8")
    try:
        return msgspec.convert(msgspec.structs.asdict(record), Record, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise DamagedRowError(str(error)) from error


def checksum(*values: Any) -> int:
    """The checksum of a row that has these values in all columns but its own."""
    return crc32(_pack(_narrow(values)))


def storable(value: Any) -> Any:
    """As text what a gateway may say and SQLite cannot hold: half a surrogate pair, a giant number. Else as it is."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return str(value)
    return value


def is_text(value: object) -> bool:
    """Whether it is a text that was read without damage, so without half a surrogate pair."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sealed(rows: list[Row]) -> list[Row]:
    """Each with its checksum before it."""
    return list(map(add, zip(map(crc32, map(_pack, rows))), rows))


def _narrow(values: Row) -> Row:
    """Without the columns that say nothing, as the writer left them out."""
    if values[_LAST:] != _NO_LAST:
        return values
    if values[_REST:_LAST] != _NO_REST:
        return values[:_LAST]
    if values[_TASK:_REST] != _NO_TASK:
        return values[:_REST]
    return values[: _TASK if values[_CORE:_TASK] != _NO_CONTENT else _CORE]


def _record(fields: list[Any]) -> Record:
    try:
        fields[_STATE] = _STATES[fields[_STATE]]
        fields[_OWNED] = bool(fields[_OWNED])
        fields[_RECOVERED] = bool(fields[_RECOVERED])
        fields[_HISTORY] = _decode(fields[_HISTORY]) if fields[_HISTORY] else ()
    except KeyError:
        raise DamagedRowError(f"it has the unknown state {fields[_STATE]!r}") from None
    except (TypeError, ValueError, msgspec.MsgspecError) as error:  # no ValueError before msgspec 0.20
        raise DamagedRowError(f"its history cannot be read ({error})") from error
    return Record(*fields)


def _history(history: tuple[Try, ...]) -> str:
    try:
        return _encode(history).decode()
    except UnicodeEncodeError:
        return _encode([[storable(value) for value in one] for one in history]).decode()
