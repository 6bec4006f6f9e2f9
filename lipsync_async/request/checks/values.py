"""Small tests on single values that several rules share; none of them raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lipsync_async.errors import Violation

_blank = re.compile(r"[\s\x00-\x20\x7f]").search


def is_given(value: object) -> bool:
    """Whether a field was given: None and "" mean "not given", as in the example of the seed documents."""
    return value is not None and not (isinstance(value, str) and not value)


def is_unicode(text: str) -> bool:
    """Whether a text can be sent as UTF-8: half a surrogate pair cannot."""
    return text.isascii() or text == text.encode("utf-8", "replace").decode("utf-8")


def has_blank(text: str) -> bool:
    """Whether a text holds white space or a control character."""
    return _blank(text) is not None


def fields_of(value: object) -> dict[Any, Any] | None:
    """A mapping as a dict; None for a value that is no mapping, or cannot be read."""
    if not isinstance(value, Mapping):
        return None
    try:
        return dict(value)
    except Exception:  # noqa: BLE001 - a mapping of the user's own may do anything, and the pre-flight never raises
        return None


def type_name(value: object) -> str:
    """The name of a value's type, for a message; the value's repr may raise, be long, or contain a secret."""
    return "None" if value is None else type(value).__name__


def warning(path: str, rule: str, message: str) -> Violation:
    """A violation that does not forbid sending."""
    return Violation(path, rule, message, "warning")


def unencodable(path: str) -> Violation:
    """The violation for a text that is not `is_unicode`."""
    return Violation(path, "not_unicode", "must be Unicode text: it holds half a surrogate pair, which can't be sent")
