"""The rules for ids: those that the platform hands out, and the job's own `external_task_id`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lipsync_async.errors import Violation

from .values import has_blank, is_unicode, type_name, unencodable, warning

_is_visible_ascii = re.compile(r"[!-~]+").fullmatch
_runs_of_others = re.compile(r"[^A-Za-z0-9_-]+")
_SHORT = 40
_is_id = re.compile(r"[A-Za-z0-9_-]+").fullmatch


def is_plain_text(value: object) -> bool:
    """Whether an id of the platform is plainly right; anything else goes to `text_faults`."""
    return type(value) is str and _is_visible_ascii(value) is not None


def text_faults(path: str, value: object) -> Iterator[Violation]:
    """The faults of an id that the platform hands out; it is opaque, so only an impossible one is an error."""
    if not isinstance(value, str):
        yield _not_a_string(path, value)
    elif not value.strip():
        yield Violation(path, "empty", "must not be empty")
    elif not is_unicode(value):
        yield unencodable(path)
    elif has_blank(value):
        yield warning(path, "stray_blank", "holds a blank or a control character, which no id of the platform does")


def _not_a_string(path: str, value: object) -> Violation:
    quote = f': write "{value}"' if type(value) is int and value.bit_length() < 200 else ""
    return Violation(path, "not_a_string", f"must be a text, not {type_name(value)}{quote}")


def is_plain_task_id(value: object, longest: int) -> bool:
    """Whether an `external_task_id` is plainly right, or not given; anything else goes to `task_id_faults`."""
    return value is None or (type(value) is str and len(value) <= longest and _is_id(value) is not None)


def _example(task_id: str) -> str:
    """An id that is nearly the one that was given; "" where little would be left of it."""
    near = _runs_of_others.sub("-", task_id).strip("-")
    return f": {near} would do" if 0 < len(near) <= _SHORT and len(near) * 2 > len(task_id) else ""


def task_id_faults(path: str, task_id: object, longest: int) -> Iterator[Violation]:
    """The faults of an `external_task_id`; `longest` is the gateway's limit in characters."""
    if not isinstance(task_id, str):
        yield _not_a_string(path, task_id)
        return
    if task_id and not _is_id(task_id):
        told = "may hold letters A-Z and a-z, digits, - and _ only"
        yield Violation(path, "id_characters", told + _example(task_id))
    if len(task_id) > longest:
        yield Violation(path, "id_too_long", f"must be at most {longest} characters, and has {len(task_id)}")
