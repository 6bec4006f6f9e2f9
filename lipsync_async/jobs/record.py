"""A line's values, before it is known whether they make a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from lipsync_async.errors import Violation

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes; 5 MiB of sound are 7 MB of Base64."""
MOST_VALUES = 10_000
"""Values in a line: a job has some ten of them."""
PIECE = 1 << 20
"""Bytes that are read at once."""
BOM = b"\xef\xbb\xbf"
_NOTHING: Mapping[str, Any] = {}


@frozen
class Record:
    """A line's values, before it is known whether they make a request."""

    line: int
    values: dict[str, Any] | None
    violations: tuple[Violation, ...] = ()
    ignored: Mapping[str, Any] = _NOTHING
    """What stands in a column without a name: version 0.1.0 sent it."""


def broken(line: int, rule: str, message: str) -> Record:
    """A line that has no values."""
    return Record(line, None, (Violation("", rule, message),))


def too_long(line: int) -> Record:
    """What stands for a line that was not held."""
    mib = LONGEST_LINE // 2**20
    return broken(line, "line_too_long", f"is longer than {mib} MiB: a sound has 5 MiB at most, give it by sound_path")


def too_many(line: int) -> Record:
    """What stands for a line that was not taken apart."""
    return broken(line, "too_many_values", f"holds more than {MOST_VALUES:,} values: no job has so many")


class _NotJsonError(ValueError):
    """What is wrong with a text as a whole."""


def refuse_constant(name: str) -> object:
    """For `json.loads`, which takes NaN and Infinity. Raises `_NotJsonError`."""
    raise _NotJsonError(f"is not JSON: JSON has no {name}, leave the field out")
