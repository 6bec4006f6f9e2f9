"""A job line to a request: what people write, read strictly, with all its faults at once.

A line is the create call's own JSON body, or its flat form with one face's fields at top level.
`sound_path` names a local file, beside `face_id` in either form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import fields, frozen

from lipsync_async.errors import Violation
from lipsync_async.models import FaceChoice, LipSyncRequest, Sound
from lipsync_async.request.audio import AudioFile

if TYPE_CHECKING:
    from cattrs import BaseValidationError, Converter

_REQUEST_KEYS = frozenset(attribute.name for attribute in fields(LipSyncRequest) if attribute.init)
_FACE_KEYS = frozenset(attribute.name for attribute in fields(FaceChoice)) | {"sound_path"}
_EMPTY_IS_ABSENT = frozenset({"audio_id", "sound_file", "sound_path", "callback_url", "external_task_id"})
"""The seeds' own example has an empty `sound_file` beside an `audio_id`."""


class _FieldError(ValueError):
    """What is wrong with one value."""

    def __init__(self, rule: str, message: str, name: str = "") -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.name = name
        """The field to blame where it is not the one that was read."""


@frozen
class _Local:
    """A `sound_path` on its way to becoming a sound."""

    path: object
    alone: bool


def read_request(line: Mapping[str, Any], base: Path | None = None) -> tuple[LipSyncRequest | None, list[Violation]]:
    """The request that a parsed job line stands for (None where it is broken), and all that is to be said about it.

    `base` is the folder that `sound_path` starts from.
    Fields of the wire have no defaults here, and nothing is converted but whole floats: `0.0` is 0.
    """
    from cattrs import BaseValidationError

    values, found = _sort_out(line)
    try:
        request = _reader(base).structure(values, LipSyncRequest)
    except BaseValidationError as error:
        return None, [*_explain(error), *found]
    broken = any(violation.severity == "error" for violation in found)
    return None if broken else request, found


def _sort_out(line: Mapping[str, Any]) -> tuple[dict[str, Any], list[Violation]]:
    """Either form as the create call's body; what is not of the wire goes to `extra_body`, with a warning."""
    values = _given({name: value for name, value in line.items() if name in _REQUEST_KEYS})
    face = {name: value for name, value in line.items() if name in _FACE_KEYS}
    extra = {name: value for name, value in line.items() if name not in _REQUEST_KEYS | _FACE_KEYS}
    found = [_unknown(name) for name in extra]
    if "face_choose" in line:
        found += [_misplaced(name) for name in face]
    else:
        values["face_choose"] = [face]
    given = values.get("extra_body") or {}
    if extra and isinstance(given, dict):
        values["extra_body"] = {**given, **extra}
    return values, found


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty and thereby not given."""
    return {name: value for name, value in values.items() if value != "" or name not in _EMPTY_IS_ABSENT}


def _unknown(name: str) -> Violation:
    return Violation(name, "unknown_field", "is no field of the create call; it is sent as it is", "warning")


def _misplaced(name: str) -> Violation:
    return Violation(name, "misplaced_field", "belongs into face_choose[0], for this line has face_choose")


# --- strict rules of conversion -----------------------------------------------------------------------------------

_IS: Mapping[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def _wrong(wanted: str, value: object) -> _FieldError:
    return _FieldError("wrong_type", f"must be {wanted}, not {_IS.get(type(value), type(value).__name__)}")


def _text(value: object, _: object = None) -> str:
    if not isinstance(value, str):
        raise _wrong("text", value)
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise _FieldError("wrong_type", "must be Unicode text; it holds half of a surrogate pair")
    return value


def _whole_number(value: object, _: object = None) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, float):
        raise _FieldError("wrong_type", f"must be a whole number, not {value}")
    if type(value) is not int:
        raise _wrong("a whole number", value)
    return value


def _number(value: object, _: object = None) -> float:
    if isinstance(value, float) and not value.is_integer():
        if math.isfinite(value):
            return value
        raise _FieldError("wrong_type", f"must be a number, not {value}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("a number", value)
    return int(value)


def _object(value: object, _: object = None) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise _wrong("an object", value)
    return value


def _sound(value: object, base: Path | None) -> Sound | None:
    if value is None:
        return None
    return _open(value, base) if isinstance(value, _Local) else _text(value)


def _open(local: _Local, base: Path | None) -> AudioFile:
    if not isinstance(local.path, str):
        raise _FieldError("wrong_type", "must be the path of a file, as text", "sound_path")
    if not local.alone:
        raise _FieldError("two_sounds", "stands beside sound_file: only one of them can be the sound", "sound_path")
    try:
        return AudioFile((base or Path()) / local.path)
    except OSError as error:
        raise _FieldError("unreadable_file", f"cannot be read: {error.strerror or error}", "sound_path") from error
    except ValueError as error:
        raise _FieldError("unreadable_file", f"cannot be read: {error}", "sound_path") from error


def _prepare_face(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong("an object", value)
    face = _given(value)
    path = face.pop("sound_path", None)
    if path is not None:
        face["sound_file"] = _Local(path, alone=face.get("sound_file") is None)
    return face


@lru_cache(maxsize=8)
def _reader(base: Path | None) -> Converter:
    """One a folder: cattrs compiles its functions, which takes a millisecond."""
    from cattrs import Converter
    from cattrs.gen import make_dict_structure_fn

    reader = Converter(detailed_validation=True)
    reader.register_structure_hook(str, _text)
    reader.register_structure_hook(int, _whole_number)
    reader.register_structure_hook(float, _number)
    reader.register_structure_hook_func(lambda kind: kind == Mapping[str, Any] | None, _object)
    reader.register_structure_hook_func(lambda kind: kind == Sound | None, lambda value, _: _sound(value, base))
    plain: Callable[..., FaceChoice] = make_dict_structure_fn(FaceChoice, reader, _cattrs_forbid_extra_keys=True)
    reader.register_structure_hook(FaceChoice, lambda value, kind: plain(_prepare_face(value), kind))

    def faces(value: object, _: object) -> tuple[FaceChoice, ...]:
        if not isinstance(value, list | tuple):
            raise _wrong("a list of one face", value)
        return tuple(reader.structure(value, list[FaceChoice]))

    reader.register_structure_hook_func(lambda kind: kind == tuple[FaceChoice, ...], faces)
    return reader


# --- cattrs' errors as violations ---------------------------------------------------------------------------------


def _explain(error: BaseValidationError, path: str = "") -> list[Violation]:
    """All faults in a tree of errors, each with its path."""
    from cattrs import BaseValidationError, IterableValidationNote

    found: list[Violation] = []
    for fault in error.exceptions:
        place = path
        for note in getattr(fault, "__notes__", ()):
            indexed = isinstance(note, IterableValidationNote)
            place = f"{path}[{note.index}]" if indexed else f"{path}.{note.name}".lstrip(".")
        found += _explain(fault, place) if isinstance(fault, BaseValidationError) else _describe(fault, place)
    return found


def _describe(fault: Exception, place: str) -> list[Violation]:
    from cattrs import ForbiddenExtraKeysError

    if isinstance(fault, ForbiddenExtraKeysError):
        rule, text = "unknown_field", "is no field of a face; fields for the gateway stand at top level"
        return [Violation(f"{place}.{name}", rule, text) for name in sorted(fault.extra_fields)]
    if isinstance(fault, _FieldError):
        parent, _, name = place.rpartition(".")
        blamed = ".".join(filter(None, (parent, fault.name or name)))
        return [Violation(blamed, fault.rule, fault.message)]
    return [Violation(place, "missing", "is missing")]
