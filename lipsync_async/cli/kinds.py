"""What the values of options may be; each raises `ArgumentTypeError` for what is none."""

from __future__ import annotations

import argparse
import math
import re
from datetime import UTC, datetime

_PREFIX = re.compile(r"[A-Za-z0-9_-]{0,24}")


def above_zero(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return number


def count(text: str) -> int:
    """A whole number from 1."""
    if not text.isascii() or not text.isdecimal() or len(text) > 12 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def date(text: str) -> float:
    """A day, as the Unix seconds of its beginning in UTC."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a day such as 2026-10-31, not {text!r}") from None


def kinds(text: str) -> tuple[str, ...]:
    """Reasons for which a job is submitted again."""
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not set(kinds) <= {"capacity", "gateway"}:
        raise argparse.ArgumentTypeError("must be capacity, gateway or capacity,gateway")
    return kinds


def prefix(text: str) -> str:
    """What begins every id that is derived."""
    if not _PREFIX.fullmatch(text):
        raise argparse.ArgumentTypeError("must be at most 24 of A-Z a-z 0-9 _ -")
    return text
