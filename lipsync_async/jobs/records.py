"""The lines of a JSONL or CSV file as values, before it is known whether they make a request."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any, BinaryIO

import msgspec
from attrs import frozen

from lipsync_async.errors import JobListError, Violation

LONGEST_LINE = 32 * 1024 * 1024
"""Bytes; 5 MiB of sound are 7 MB of Base64."""
NUMBERS = frozenset(
    {"sound_start_time", "sound_end_time", "sound_insert_time", "sound_volume", "original_audio_volume"}
)
"""Names of columns that hold a number."""
_OBJECTS = frozenset({"watermark_info", "extra_body"})
TEXTS = frozenset({"session_id", "face_id", "audio_id", "sound_file", "sound_path", "external_task_id", "callback_url"})
"""Names of columns that hold a text."""
BOM = b"\xef\xbb\xbf"
PIECE = 1 << 20
"""Bytes that are read at once."""
_is_whole = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII).fullmatch
_is_number = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII).fullmatch


@frozen
class Record:
    """A line's values, before it is known whether they make a request."""

    line: int
    values: dict[str, Any] | None
    violations: tuple[Violation, ...] = ()


class _NotJsonError(ValueError):
    """What is wrong with a line as a whole."""


def _broken(line: int, rule: str, message: str) -> Record:
    return Record(line, None, (Violation("", rule, message),))


def json_records(source: BinaryIO, *, skim: bool = False) -> Generator[Record, None, None]:
    """The lines that are not blank; `skim` leaves unread what names no file."""
    for number, raw in numbered(source):
        if raw is None:
            yield too_long(number)
        elif skim and b"sound_path" not in raw:
            yield Record(number, None)
        else:
            yield json_record(number, raw)


def too_long(number: int) -> Record:
    """What stands for a line that was not held."""
    return _broken(number, "line_too_long", f"is longer than {LONGEST_LINE // 2**20} MiB")


class _Named(msgspec.Struct, gc=False):
    """As much of a line as names it."""

    external_task_id: str = ""


_decode_name = msgspec.json.Decoder(_Named).decode


def given_id(raw: bytes) -> str:
    """The external_task_id of a JSON line, and no other look at it; "" where there is none."""
    try:
        return _decode_name(raw).external_task_id
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""


def numbered(source: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Lines that are not blank; None for one that is too long to be held."""
    number = 0
    while raw := source.readline(LONGEST_LINE + 1):
        number += 1
        if number == 1:
            raw = raw.removeprefix(BOM)
        if len(raw) > LONGEST_LINE:
            while raw and not raw.endswith(b"\n"):
                raw = source.readline(PIECE)
            yield number, None
        elif raw := raw.strip():
            yield number, raw


def json_record(number: int, raw: bytes) -> Record:
    """A JSON line; never raises."""
    repeated: list[str] = []

    def gather(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            repeated.extend(name for name in values if names.count(name) > 1)
        return values

    try:
        values = json.loads(raw.decode("utf-8"), object_pairs_hook=gather, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return _broken(number, "not_utf8", f"is not UTF-8 (byte {error.start + 1} of the line)")
    except json.JSONDecodeError as error:
        return _broken(number, "not_json", f"is not JSON: {error.msg} (column {error.colno})")
    except _NotJsonError as error:
        return _broken(number, "not_json", str(error))
    except (RecursionError, ValueError):  # a ValueError of int: thousands of digits
        return _broken(number, "not_json", "is nested too deep, or holds a number too long")
    if not isinstance(values, dict):
        return _broken(number, "not_an_object", "must be a JSON object, like {...}")
    text = "stands twice in this line: the last one counts"
    return Record(number, values, tuple(Violation(name, "repeated_key", text, "warning") for name in repeated))


def _refuse_constant(name: str) -> object:
    raise _NotJsonError(f"is not JSON: JSON has no {name}")


def csv_records(source: BinaryIO) -> Generator[Record, None, None]:
    """The rows that are not empty, cells by their column's type. Raises `JobListError` for a header that won't do."""
    # The module's limit is global, and 128 KiB hold no sound; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
    text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        head = text.readline(PIECE)
        reader = csv.reader(chain((head,), text), delimiter=_delimiter(head), strict=True)
        names = _header(next((cells for _, cells in _rows(reader) if cells), []))
        for number, cells in _rows(reader):
            if isinstance(cells, str):
                yield _broken(number, "not_csv", f"is not CSV: {cells}")
            elif any(cells):
                yield _csv_record(number, names, cells)
    finally:
        text.detach()


def _rows(reader: Any) -> Iterator[tuple[int, list[str] | str]]:
    """Each row with the line it begins at; a text says why there is none."""
    while True:
        number = reader.line_num + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, str(error)


def _delimiter(head: str) -> str:
    return max(",;\t", key=head.count)


def _header(cells: list[str] | str) -> list[str]:
    names = [cell.strip() for cell in cells]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise JobListError(f"the CSV names a column twice: {', '.join(doubled) or 'one without a name'}")
    return names


def _csv_record(number: int, names: list[str], cells: list[str]) -> Record:
    if len(cells) > len(names) and any(cells[len(names) :]):
        return _broken(number, "not_csv", f"has {len(cells)} cells, and there are {len(names)} columns")
    if any("\udc80" <= char <= "\udcff" for cell in cells if not cell.isascii() for char in cell):
        return _broken(number, "not_utf8", "is not UTF-8")
    given = {name: _convert(name, cell) for name, cell in zip(names, cells, strict=False) if cell.strip()}
    return Record(number, given)


def _convert(name: str, cell: str) -> Any:
    """A cell by its column's type; what cannot be converted stays a text, and is reported as one."""
    stripped = cell.strip()
    if name in NUMBERS:
        if _is_whole(stripped):
            return int(stripped)
        return float(stripped) if _is_number(stripped) else cell
    if name in _OBJECTS:
        try:
            return json.loads(stripped, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return cell
    return cell
