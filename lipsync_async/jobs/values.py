"""The strict rules by which a line's values become a request's: nothing is converted but whole floats, 0.0 is 0."""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from lipsync_async.errors import Violation
from lipsync_async.models import FaceChoice, Sound
from lipsync_async.request.audio import AudioBytes, AudioFile, Container
from lipsync_async.request.checks import MIN_CUT, is_given
from lipsync_async.request.video import VideoFile
from lipsync_async.request.window import natural_end

from .names import FACE_FIELDS, quoted, shown
from .texts import is_placeholder

if TYPE_CHECKING:
    from cattrs import BaseValidationError, Converter

_DEFAULTS: dict[str, Any] = {
    "sound_start_time": 0,
    "sound_insert_time": 0,
    "sound_volume": 1,
    "original_audio_volume": 1,
}
"""As the builder has them."""
_EMPTY_IS_ABSENT = frozenset({"audio_id", "sound_file", "sound_path", "callback_url", "external_task_id"})
"""The seeds' own example has an empty `sound_file` beside an `audio_id`."""
_MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.ENOBUFS, errno.EAGAIN})
"""No descriptor, no memory, a disk that fails: nothing that mending the job would help."""
UNREADABLE_NOW = "unreadable_now"
"""The rule of a fault that is not the job's: it is not sent, and may be as it is."""
_NUMBER = "a number"
_TAKEN = frozenset({Container.MP3, Container.WAV, Container.M4A, Container.AAC})
_decimal_comma = re.compile(r"\s*[+-]?[0-9]*,[0-9]+\s*").fullmatch
_clock = re.compile(r"\s*[0-9]+(?::[0-9]+)+(?:[.,][0-9]+)?\s*|\s*[0-9.,]+\s*(?:s|ms|sec|seconds)\s*").fullmatch


class _FieldError(ValueError):
    """What is wrong with one value."""

    def __init__(self, rule: str, message: str, name: str = "", *, inside: bool = False) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.name = name
        """The field to blame where it is not the one that was read."""
        self.inside = inside
        """That field lies inside of what was read, not beside it."""


def _resolved(path: Path | None) -> Path | None:
    return path and Path(os.path.realpath(path))


@frozen
class SoundFolder:
    """Where the sound files of a list may lie."""

    base: Path
    """Relative paths begin here."""
    under: Path | None = field(default=None, converter=_resolved)
    """No file outside of this folder is read, whatever links and dots lead there; None: any file may be."""

    uploads: bool = False
    """There is something that puts local files where the gateway can fetch them."""

    def find(self, path: str) -> Path:
        """The file that a `sound_path` or a `video_path` names. Raises `_FieldError` where it may not be read."""
        place = self.base / path
        if self.under is None:
            return place
        try:
            real = Path(os.path.realpath(place))
        except ValueError as error:
            raise _FieldError("unreadable_file", f"{quoted(path)} cannot be read: {error}", "sound_path") from error
        if not real.is_relative_to(self.under):
            raise _FieldError(
                "outside_folder",
                f"{quoted(path)} lies outside of {shown(self.under, 200)}, and is not read",
                "sound_path",
            )
        return real


@frozen
class _Local:
    """A `sound_path` on its way to becoming a sound."""

    path: object
    alone: bool


_IS: Mapping[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def _wrong(wanted: str, value: object) -> _FieldError:
    told = f"the text {quoted(value)}" if isinstance(value, str) else _IS.get(type(value), type(value).__name__)
    return _FieldError("wrong_type", f"must be {wanted}, not {told}")


def _wrong_number(wanted: str, value: object) -> _FieldError:
    """A text where a number must stand, with the usual reason."""
    if not isinstance(value, str):
        return _wrong(wanted, value)
    if is_placeholder(value):
        told = f"is {quoted(value)}, which programs write for an empty cell: leave it out, or write the number"
        return _FieldError("placeholder", told)
    if _decimal_comma(value):
        point = shown(value).strip().replace(",", ".")
        cure = point if wanted == _NUMBER else f"{wanted}, 5.5 s are 5500"
        return _FieldError("decimal_comma", f"{quoted(value)} has a decimal comma: write {cure}")
    if _clock(value):
        return _FieldError("wrong_type", f"must be {wanted}, not {quoted(value)}: 5 s are 5000")
    error = _wrong(wanted, value)
    if value.strip().lstrip("+-").replace(".", "", 1).isdecimal():
        error.message += ": a number stands without quotes"
    return error


def as_text(value: object, _: object = None) -> str:
    """A text as it is. Raises `_FieldError`."""
    if not isinstance(value, str):
        error = _wrong("text", value)
        if type(value) in {int, float}:
            error.message += ": put it in quotes, for long numbers lose digits"
        raise error
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise _FieldError("wrong_type", "must be Unicode text; it holds half of a surrogate pair")
    return value


class _Natural(int):
    """Stands for an end that is not given."""


def _whole_number(value: object, _: object = None) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, float):
        seconds = f": {value:g} s are {value * 1000:.0f}" if 0 < value < 3600 else ""
        raise _FieldError("wrong_type", f"must be whole milliseconds, not {value:g}{seconds}")
    if type(value) is not int and not isinstance(value, _Natural):
        raise _wrong_number("whole milliseconds", value)
    return value


def as_number(value: object, _: object = None) -> float:
    """A number, whole ones as int. Raises `_FieldError`."""
    if isinstance(value, float) and not value.is_integer():
        if math.isfinite(value):
            return value
        raise _FieldError("wrong_type", f"must be a number, not {value}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_number(_NUMBER, value)
    return int(value)


def _object(value: object, _: object = None) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise _wrong("an object", value)
    return value


def _sound(value: object, folder: SoundFolder | None) -> Sound | None:
    if value is None:
        return None
    return _open(value, folder) if isinstance(value, _Local) else as_text(value)


def _open(local: _Local, folder: SoundFolder | None) -> AudioFile:
    path = local.path
    if not isinstance(path, str):
        raise _FieldError("wrong_type", "must be the path of a file, as text", "sound_path")
    if not local.alone:
        raise _FieldError("two_sounds", "stands beside sound_file: only one of them can be the sound", "sound_path")
    if folder is None:
        raise _FieldError("no_paths", "names a file, and no folder was given that files may be read from", "sound_path")
    if is_placeholder(path):
        told = f"is {quoted(path)}, which programs write for an empty cell: give the path, or leave it empty"
        raise _FieldError("placeholder", told, "sound_path")
    place = folder.find(path)
    try:
        return AudioFile(place)
    except (OSError, ValueError) as error:
        raise _unreadable(path, place, error, "sound_path") from error


def open_video(path: object, folder: SoundFolder | None) -> VideoFile:
    """The video that a `video_path` names. Raises `_FieldError`."""
    if folder is None:
        raise _FieldError("no_paths", "names a file, and no folder was given that files may be read from")
    text = as_text(path)
    if is_placeholder(text):
        told = f"is {quoted(text)}, which programs write for an empty cell: give the path, or leave it empty"
        raise _FieldError("placeholder", told)
    if not folder.uploads:
        told = "names a file, which the gateway cannot fetch: --upload puts it into a bucket; a URL: video_url"
        raise _FieldError("no_uploads", told)
    place = folder.find(text)
    try:
        return looked_at(place, stamp(place))
    except (OSError, ValueError) as error:
        raise _unreadable(text, place, error, "video_path") from error


def stamp(place: Path) -> tuple[int, int, int]:
    """What changes when the file does. Raises OSError or ValueError."""
    found = place.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=256)
def looked_at(place: Path, _: tuple[int, int, int]) -> VideoFile:
    """One a video, whichever line names it, so that its content is read once."""
    return VideoFile(place)


def _unreadable(path: str, place: Path, error: OSError | ValueError, name: str) -> _FieldError:
    if getattr(error, "errno", None) in _MACHINE:
        text = f"{quoted(path)} cannot be read now: {error.args[-1]}; that is the machine's fault, not the job's"
        return _FieldError(UNREADABLE_NOW, text, name)
    return _FieldError("unreadable_file", _why_unreadable(path, place, error, name), name)


def _why_unreadable(path: str, place: Path, error: OSError | ValueError, name: str) -> str:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    told = f"{quoted(path)} cannot be read: {shown(why, 200)}"
    if path.lower().startswith(("http://", "https://")):
        return f"{told}; it is a URL: put it under {'sound_file' if name == 'sound_path' else 'video_url'}"
    if "\\" in path and os.sep == "/":
        return f"{told}; folders are parted by / here, not by \\"
    tried = os.path.abspath(place) if "\0" not in path else ""  # noqa: PTH100 - a link is told as it was written
    return f"{told} (tried {shown(tried, 300)})" if tried and tried != path else told


# --- a face ---------------------------------------------------------------------------------------------------------


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty and thereby not given."""
    return {name: value for name, value in values.items() if value != "" or name not in _EMPTY_IS_ABSENT}


def _prepare_face(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong("an object", value)
    face = _DEFAULTS.copy()
    for name, told in value.items():
        if name in FACE_FIELDS and (told != "" or name not in _EMPTY_IS_ABSENT):
            face[name] = told
    path = face.pop("sound_path", None)
    if path is not None:
        face["sound_file"] = _Local(path, alone=face.get("sound_file") is None)
    face.setdefault("sound_end_time", _Natural())
    return face


def _to_its_end(face: FaceChoice) -> FaceChoice:
    """The window ends where the sound does, if nothing else is said. Raises `_FieldError` where that is not known."""
    if not is_given(face.audio_id) and not is_given(face.sound_file):
        return evolve(face, sound_end_time=face.sound_start_time + MIN_CUT)  # there is no sound: told as that alone
    end = natural_end(face.sound_file, face.sound_start_time)
    sound = face.sound_file
    if end is None and isinstance(sound, AudioFile | AudioBytes) and sound.info.container not in _TAKEN:
        end = face.sound_start_time + MIN_CUT  # it is no sound: told as that alone
    if end is None:
        text = "must be given: it can be left out only where a sound_path's file tells its length"
        raise _FieldError("window_end_unknown", text, "sound_end_time", inside=True)
    return evolve(face, sound_end_time=end)


@lru_cache(maxsize=8)
def reader(folder: SoundFolder | None) -> Converter:
    """One a folder: cattrs compiles its functions, which takes a millisecond."""
    from cattrs import Converter
    from cattrs.gen import make_dict_structure_fn

    made = Converter(detailed_validation=True)
    made.register_structure_hook(str, as_text)
    made.register_structure_hook(int, _whole_number)
    made.register_structure_hook(float, as_number)
    made.register_structure_hook_func(lambda kind: kind == Mapping[str, Any] | None, _object)
    made.register_structure_hook_func(lambda kind: kind == Sound | None, lambda value, _: _sound(value, folder))
    plain: Callable[..., FaceChoice] = make_dict_structure_fn(FaceChoice, made)

    def face(value: object, kind: object) -> FaceChoice:
        read = plain(_prepare_face(value), kind)
        return _to_its_end(read) if isinstance(read.sound_end_time, _Natural) else read

    def faces(value: object, _: object) -> tuple[FaceChoice, ...]:
        if not isinstance(value, list | tuple):
            raise _wrong("a list of one face", value)
        return tuple(made.structure(value, list[FaceChoice]))

    made.register_structure_hook(FaceChoice, face)
    made.register_structure_hook_func(lambda kind: kind == tuple[FaceChoice, ...], faces)
    return made


# --- cattrs' errors as violations -----------------------------------------------------------------------------------


def explain(error: BaseValidationError, path: str = "") -> list[Violation]:
    """All faults in a tree of errors, each with its path."""
    from cattrs import BaseValidationError, IterableValidationNote

    found: list[Violation] = []
    for fault in error.exceptions:
        place = path
        for note in getattr(fault, "__notes__", ()):
            indexed = isinstance(note, IterableValidationNote)
            place = f"{path}[{note.index}]" if indexed else f"{path}.{note.name}".lstrip(".")
        found += explain(fault, place) if isinstance(fault, BaseValidationError) else [_describe(fault, place)]
    return found


def _describe(fault: Exception, place: str) -> Violation:
    if isinstance(fault, _FieldError):
        parent, _, name = (place, "", "") if fault.inside else place.rpartition(".")
        return Violation(".".join(filter(None, (parent, fault.name or name))), fault.rule, fault.message)
    return Violation(place, "missing", "is missing")
