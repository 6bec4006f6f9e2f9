"""The rules for `watermark_info` and `extra_body`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from lipsync_async.errors import Violation

from .limits import MAX_EXTRA_DEPTH, MAX_EXTRA_VALUES, MAX_INTEGER
from .values import fields_of, is_unicode, type_name, unencodable, warning

_OURS = frozenset({"session_id", "face_choose", "external_task_id", "callback_url", "watermark_info"})


def watermark_faults(path: str, watermark: object) -> Iterator[Violation]:
    """The only form of `watermark_info` is one boolean under the name `enabled`."""
    fields = fields_of(watermark)
    if fields is None or len(fields) != 1 or not isinstance(fields.get("enabled"), bool):
        yield Violation(path, "watermark_shape", 'must be {"enabled": True} or {"enabled": False}')


def extra_faults(path: str, extra: object, task_id: object) -> Iterator[Violation]:
    """`extra_body` must be JSON, and must not change the request's `external_task_id`."""
    fields = fields_of(extra)
    if fields is None:
        yield Violation(path, "not_a_mapping", f"must be a mapping of names to values, not {type_name(extra)}")
        return
    for name in fields:
        if isinstance(name, str) and name in _OURS:
            yield from _override_faults(path, name, fields[name], task_id)
    yield from _json_faults(path, fields)


def _override_faults(path: str, name: str, value: object, task_id: object) -> Iterator[Violation]:
    if name == "external_task_id" and not (isinstance(value, str) and isinstance(task_id, str) and value == task_id):
        told = "must not change the id: set the request's external_task_id"
        yield Violation(f"{path}.{name}", "extra_changes_id", told)
    else:
        yield warning(f"{path}.{name}", "extra_overrides", f"replaces the request's own {name}, unchecked")


def _json_faults(path: str, fields: Mapping[Any, Any]) -> Iterator[Violation]:
    """The values that JSON cannot express; the search is bounded, because a value may contain itself."""
    waiting: list[tuple[str, object, int]] = [(path, fields, 1)]
    left = MAX_EXTRA_VALUES
    while waiting:
        place, value, depth = waiting.pop()
        if not isinstance(value, dict | list | tuple):
            yield from _scalar_faults(place, value)
            continue
        left -= len(value)
        if depth > MAX_EXTRA_DEPTH or left < 0:
            yield _too_large(path)
            return
        yield from _key_faults(place, value)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        waiting += ((_join(place, key), item, depth + 1) for key, item in pairs)


def _too_large(path: str) -> Violation:
    told = f"must hold at most {MAX_EXTRA_VALUES} values, at most {MAX_EXTRA_DEPTH} levels deep"
    return Violation(path, "extra_too_large", told)


def _join(path: str, key: object) -> str:
    if isinstance(key, str):
        return f"{path}.{key[:40]}" if is_unicode(key) else f"{path}.?"
    return f"{path}[{key}]" if type(key) is int and 0 <= key < MAX_EXTRA_VALUES else f"{path}.?"


def _key_faults(path: str, value: object) -> Iterator[Violation]:
    for key in value if isinstance(value, dict) else ():
        if not isinstance(key, str):
            yield Violation(path, "key_not_a_string", f"names must be strings, not {type_name(key)}")
        elif not is_unicode(key):
            yield unencodable(path)


def _scalar_faults(path: str, value: object) -> Iterator[Violation]:
    if isinstance(value, str):
        if not is_unicode(value):
            yield unencodable(path)
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield Violation(path, "not_json", "JSON has no NaN and no infinity")
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            yield Violation(path, "not_json", "must be an integer that fits 64 bits: send a larger one as a string")
    elif value is not None:
        told = f"must be what JSON has (texts, numbers, lists, objects), not {type_name(value)}"
        yield Violation(path, "not_json", told)
