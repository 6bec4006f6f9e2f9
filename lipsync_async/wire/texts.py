"""Strings from outside, made fit to be kept: short, printable, and without sound or secrets."""

from __future__ import annotations

import re

MAX_MESSAGE = 500
"""Characters of a message."""
MAX_WORD = 256
"""Characters of an id or a code; what is longer is none."""

_SECRETS = (
    (re.compile(r"bearer\s+[^\s\"',;]+", re.IGNORECASE), "Bearer [...]"),
    # The keys of new-api and its forks, and the JSON web tokens of Kling itself, as an error text may quote them.
    (re.compile(r"\bsk-[\w-]{8,}"), "sk-[...]"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "[token]"),
    # Base64 in one piece (a JSON text inside a text writes \/ for /), or broken into lines.
    (re.compile(r"[A-Za-z0-9+/=_\\-]{101,}|(?:[A-Za-z0-9+/=]{60,}(?:\\[nr]|\s)+)+[A-Za-z0-9+/=]{60,}"), "[...]"),
)


def message(text: str) -> str:
    """At most 500 printable characters, secrets and long Base64 shortened."""
    if text.isalpha() and len(text) <= 100:
        return text
    text = text[: 8 * MAX_MESSAGE]
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return text.strip()[:MAX_MESSAGE]


def word(value: object) -> str | None:
    """An id: a text without white space, or a number without loss; None for anything else (a float has lost digits)."""
    if type(value) is int:
        return str(value) if abs(value) < 10**MAX_WORD else None
    if type(value) is not str:
        return None
    value = value.strip()
    # U+FFFD is what is left of a byte that was no UTF-8: the id is not what was sent.
    whole = value.isprintable() and " " not in value and "\ufffd" not in value
    return value if whole and 0 < len(value) <= MAX_WORD else None


def code(value: object) -> int | str | None:
    """A code: a whole number, or a short text; None for nothing, true and false."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int:
        return value if abs(value) < 2**53 else word(value)
    return message(value)[:100] or None if isinstance(value, str) else None


def number(value: object) -> float | None:
    """A number above zero that can be a time or a length, also as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        figure = float(value)
    except (ValueError, OverflowError):
        return None
    return figure if 0 < figure < 1e15 else None
