"""The lines of a JSONL file as values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO

import msgspec

from lipsync_async.errors import Violation

from . import record as records
from .names import shown
from .record import BOM, Record, _NotJsonError, broken, refuse_constant, too_long, too_many

_TOLD = 10
"""Repeated names of one line that are told."""


def json_records(source: BinaryIO, *, skim: bool = False) -> Generator[Record, None, None]:
    """The lines that are not blank; `skim` leaves unread what names no file."""
    for number, raw in numbered(source):
        if raw is None:
            yield too_long(number)
        elif skim and b"sound_path" not in raw and b"video_path" not in raw:
            yield Record(number, None)
        else:
            yield json_record(number, raw)


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
    while raw := source.readline(records.LONGEST_LINE + 1):
        number += 1
        if number == 1:
            raw = raw.removeprefix(BOM)
        if len(raw) > records.LONGEST_LINE:
            while raw and not raw.endswith(b"\n"):
                raw = source.readline(records.PIECE)
            yield number, None
        elif raw := raw.strip():
            yield number, raw


def json_record(number: int, raw: bytes) -> Record:
    """A JSON line; never raises."""
    if len(raw) > records.MOST_VALUES and raw.count(b",") > records.MOST_VALUES:
        return too_many(number)
    repeated: list[str] = []

    def gather(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.extend(name for name, count in counts.items() if count > 1)
        return values

    try:
        values = json.loads(raw.decode("utf-8"), object_pairs_hook=gather, parse_constant=refuse_constant)
    except UnicodeDecodeError as error:
        return broken(number, "not_utf8", f"is not UTF-8 (byte {error.start + 1} of the line): save the list as UTF-8")
    except json.JSONDecodeError as error:
        return broken(number, "not_json", _why(raw, error))
    except _NotJsonError as error:
        return broken(number, "not_json", str(error))
    except (RecursionError, ValueError):  # a ValueError of int: thousands of digits
        return broken(number, "not_json", "is nested too deep, or holds a number too long")
    if not isinstance(values, dict):
        return broken(number, "not_an_object", "must be a JSON object, like {...}")
    return Record(number, values, tuple(_told(repeated)))


def _told(repeated: list[str]) -> Iterator[Violation]:
    text = "stands twice in this line: the last one counts"
    for name in repeated[:_TOLD]:
        yield Violation(shown(name) or "(no name)", "repeated_key", text, "warning")
    if len(repeated) > _TOLD:
        yield Violation("*", "repeated_key", f"{len(repeated) - _TOLD} more names stand twice in this line", "warning")


def _why(raw: bytes, error: json.JSONDecodeError) -> str:
    """What JSON's reader says, and the cure of what is seen often."""
    if error.msg.startswith("Extra data"):
        if raw.endswith(b"},"):
            return "is not JSON: a comma stands behind the object; one object per line, and nothing between them"
        return f"is not JSON: more stands behind its end (column {error.colno}); one object per line"
    if raw.startswith((b"{'", b"{ '")):
        return "is not JSON but Python: names and texts stand in double quotes; json.dumps writes them so"
    return f"is not JSON: {error.msg} (column {error.colno})"
