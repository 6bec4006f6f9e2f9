"""The rows of a CSV file as values, cells by their column's type."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Generator, Iterator, Sequence
from typing import Any, BinaryIO

from attrs import frozen

from lipsync_async.errors import JobListError, Violation

from . import record as records
from .names import EXTRA, NUMBERS, OBJECTS, known_among, misnamed, quoted, shown
from .record import Record, broken, refuse_constant, too_long, too_many

DELIMITERS = ",;\t"
_is_whole = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII).fullmatch
_is_number = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII).fullmatch
_is_json = re.compile(r"true|false|[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?|[\[{\"].*", re.ASCII | re.DOTALL).fullmatch
_sep = re.compile(r"\"?sep=(.)\"?\s*", re.IGNORECASE).fullmatch


def csv_records(source: BinaryIO) -> Generator[Record, None, None]:
    """The rows that are not empty. Raises `JobListError` for a header that won't do."""
    # The module's limit is global, and 128 KiB hold no sound; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), records.LONGEST_LINE))
    text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        lines = _Lines(text)
        reader = csv.reader(lines, delimiter=lines.delimiter, strict=True)
        columns: _Columns | None = None
        for number, cells in _rows(reader, lines):
            if columns is None:
                columns = _header(cells)
            elif isinstance(cells, Record):
                yield cells
            elif any(cells):
                yield _record(number, columns, cells)
    finally:
        text.detach()


class _HeldBackError(Exception):
    """A line that is not handed out: the record that stands for it."""

    def __init__(self, record: Record) -> None:
        self.record = record


class _Lines:
    """The file's lines, none of them without end; the first one tells the delimiter, or is only there to tell it."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.number = 0
        head = self._read()
        told = _sep(head)
        self.delimiter = told[1] if told else max(DELIMITERS, key=head.count)
        self._head = "" if told else head
        if not told:
            self.number = 0

    def _read(self) -> str:
        self.number += 1
        line = self._text.readline(records.LONGEST_LINE + 1)
        if len(line) > records.LONGEST_LINE:
            while line and not line.endswith("\n"):
                line = self._text.readline(records.PIECE)
            raise _HeldBackError(too_long(self.number))
        return line

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line, self._head = self._head, ""
        if line:
            self.number += 1
        elif not (line := self._read()):
            raise StopIteration
        if len(line) > records.MOST_VALUES and line.count(self.delimiter) > records.MOST_VALUES:
            raise _HeldBackError(too_many(self.number))
        return line


def _rows(reader: Iterator[list[str]], lines: _Lines) -> Iterator[tuple[int, list[str] | Record]]:
    """Each row with the line it begins at; a record says why there is none."""
    while True:
        number = lines.number + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except _HeldBackError as held:
            yield number, held.record
        except csv.Error as error:
            yield number, broken(number, "not_csv", _why(str(error)))


def _why(error: str) -> str:
    if "unexpected end of data" in error:
        return 'is not CSV: a quote (") is opened and never closed'
    if "expected after" in error:
        return 'is not CSV: behind a closing quote (") something stands; a quote inside of a cell is written twice'
    return f"is not CSV: {error}"


# --- the header -----------------------------------------------------------------------------------------------------


@frozen
class _Columns:
    names: Sequence[str]
    """"" where a column has none."""
    one_nameless: bool
    """Just one has no name: version 0.1.0 took such lists, and sent it."""


def _header(cells: list[str] | Record) -> _Columns | None:
    """The columns; None for a row that is empty."""
    if isinstance(cells, Record):
        raise JobListError("the CSV's header cannot be read", cells.violations)
    names = [cell.strip() for cell in cells]
    if not any(names):
        return None
    fields = known_among(names)
    meant = {name: field for name in names[:500] if name not in fields and (field := misnamed(name, names))}
    if not fields & {*names, *meant.values()}:
        raise JobListError(_no_header(names))
    doubled = sorted({name for name in names if name and names.count(name) > 1})
    if doubled:
        raise JobListError(f"the CSV names a column twice: {', '.join(map(shown, doubled[:10]))}")
    if meant:
        faults = [_misnamed_column(name, field) for name, field in meant.items()]
        raise JobListError("the CSV's header has names that are nearly fields", faults)
    return _Columns(names, names.count("") == 1)


def _misnamed_column(name: str, field: str) -> Violation:
    return Violation(f"column {quoted(name)}", "misnamed_field", f"{field} is meant, it seems: name it so")


def _no_header(names: Sequence[str]) -> str:
    if len(names) == 1:
        return "the CSV has no header that is known: columns are parted by , or ; or a tab, and named in its first line"
    first = ", ".join(map(shown, names[:4]))
    return f"the CSV has no header: its first line must name the columns (session_id, face_id, ...), and holds {first}"


# --- a row ----------------------------------------------------------------------------------------------------------


def _record(number: int, columns: _Columns, cells: list[str]) -> Record:
    names = columns.names
    if len(cells) > len(names) and any(cells[len(names) :]):
        text = f"has {len(cells)} cells, and there are {len(names)} columns"
        return broken(number, "not_csv", f"{text}: a decimal comma, or a text with a comma that is not in quotes?")
    if any("\udc80" <= char <= "\udcff" for cell in cells if not cell.isascii() for char in cell):
        return broken(number, "not_utf8", 'is not UTF-8: save the list as "CSV UTF-8"')
    given = {name: _convert(name, cell) for name, cell in zip(names, cells, strict=False) if name and cell.strip()}
    if "" not in names:
        return Record(number, given)
    nameless = [
        place for place, (name, cell) in enumerate(zip(names, cells, strict=False), 1) if not name and cell.strip()
    ]
    text = "has no name: it is not sent, and no part of the job's id"
    told = tuple(Violation(f"column {place}", "ignored_field", text, "warning") for place in nameless)
    ignored = {"": cells[nameless[0] - 1]} if nameless and columns.one_nameless else {}
    return Record(number, given, told, ignored)


def _convert(name: str, cell: str) -> Any:
    """A cell by its column's type; what cannot be converted stays a text, and is reported as one."""
    stripped = cell.strip()
    if name in NUMBERS:
        if _is_whole(stripped):
            return int(stripped)
        return float(stripped) if _is_number(stripped) else cell
    if name in OBJECTS or (name.startswith(EXTRA) and _is_json(stripped)):
        try:
            return json.loads(stripped, parse_constant=refuse_constant)
        except (ValueError, RecursionError):
            return cell
    return cell
