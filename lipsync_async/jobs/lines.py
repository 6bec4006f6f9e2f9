"""A job line to a request: what people write, read strictly, with all its faults at once.

A line is the create call's own JSON body, or its flat form with one face's fields at top level.
`sound_path` names a local file, beside `face_id` in either form.
What is no field of the call is neither sent nor part of a job's id; what the gateway is to have stands in `extra_body`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import Factory, define, field, frozen

from lipsync_async.errors import Violation
from lipsync_async.models import LipSyncRequest

from .names import (
    EXTRA,
    FACE_FIELDS,
    FIELDS,
    NOTE,
    REQUEST_FIELDS,
    SOURCE_FIELDS,
    VIDEO_FIELDS,
    misnamed,
    quoted,
    shown,
)
from .origins import Origins, is_blank
from .texts import id_fault, is_placeholder
from .values import SoundFolder, explain, given, reader

LOOKED_AT = 100
"""Names that are no fields, and are told one by one: what has more of them is no job line."""
_OF_REQUEST = ("session_id", "external_task_id", "callback_url")
_OF_FACE = ("face_id", "audio_id", "sound_file")
_LINKS = frozenset({"sound_file", "callback_url"})
_RESULT = frozenset({"external_task_id", "outcome", "attempts", "refusals"})
_HINTS = {
    "id": "external_task_id", "job_id": "external_task_id", "task_id": "external_task_id", "name": "external_task_id",
}  # fmt: skip


@frozen
class Reading:
    """What could be made of a line."""

    request: LipSyncRequest | None
    """As far as it could be read; it may be sent only where no violation is an error."""
    violations: tuple[Violation, ...]
    legacy_extra: Mapping[str, Any] | None = None
    """The `extra_body` that version 0.1.0 made of this line, where it was another one."""

    @property
    def sound(self) -> bool:
        """Nothing forbids sending it."""
        return self.request is not None and not any(fault.severity == "error" for fault in self.violations)


def read_request(
    line: Mapping[str, Any], base: Path | None = None, *, anywhere: bool = False
) -> tuple[LipSyncRequest | None, list[Violation]]:
    """The request that a parsed job line stands for (None where it is broken), and all that is to be said about it.

    `base` is the folder that `sound_path` starts from and must stay under, links and dots resolved; without it a path
    is a fault, for a line may be a stranger's. `anywhere` takes paths that lead out of it.
    What is left out is as the builder has it: start and insert 0, volumes 1, the end the sound's own.
    """
    folder = None if base is None else SoundFolder(base, None if anywhere else base)
    read = read_line(line, folder)
    return read.request if read.sound else None, list(read.violations)


def read_line(line: Mapping[str, Any], folder: SoundFolder | None, ignored: Mapping[str, Any] | None = None) -> Reading:
    """The same with what version 0.1.0 made of it; `ignored` is what the line held without a name."""
    from cattrs import BaseValidationError

    if line.keys() >= _RESULT:
        return Reading(None, (Violation("outcome", "result_line", "this is a line of results, not a job"),))
    sorted_out = _Sorting(line, folder)
    violations = sorted_out.violations
    violations += _odd_texts(line)
    request: LipSyncRequest | None = None
    try:
        request = reader(folder).structure(sorted_out.values, LipSyncRequest)
        request = sorted_out.origins.apply(request, to_end=sorted_out.to_end)
    except BaseValidationError as error:
        blamed = {fault.path for fault in violations} | sorted_out.meant
        violations = [*(fault for fault in explain(error) if fault.path not in blamed), *violations]
        violations = violations or explain(error)
    violations += sorted_out.origins.violations
    unsent = {**(ignored or {}), **sorted_out.unsent}
    legacy = {**sorted_out.given_extra, **unsent} if unsent else None
    return Reading(request, tuple(violations), legacy)


@define
class _Sorting:
    """Either form as the create call's body, and what is not of it."""

    line: Mapping[str, Any]
    folder: SoundFolder | None
    values: dict[str, Any] = Factory(dict)
    violations: list[Violation] = Factory(list)
    unsent: dict[str, Any] = Factory(dict)
    """What version 0.1.0 sent at top level as it was."""
    given_extra: Mapping[str, Any] = Factory(dict)
    origins: Origins = field(init=False)
    to_end: bool = field(init=False)
    """The line gives no end of the cut."""
    meant: set[str] = Factory(set)
    """Paths of fields that are there under nearly their name: they are not told as missing."""

    def __attrs_post_init__(self) -> None:
        line = self.line
        faces = line.get("face_choose")
        self.origins = Origins(line, line if "face_choose" not in line else _only_face(faces), self.folder)
        self.values = given({name: value for name, value in line.items() if name in REQUEST_FIELDS})
        face = {name: value for name, value in line.items() if name in FACE_FIELDS}
        self.to_end = is_blank(self.origins.place.get("sound_end_time"))
        if len(line) > len(self.values) + len(face):
            self._sort(line, [name for name in line if name not in FIELDS], "")
        if "face_choose" in line:
            self.violations += [_misplaced(name) for name in face]
            self._look_at_faces(faces)
        else:
            self.values["face_choose"] = [face]
        if self.origins.names:
            self._complete()
        extra = line.get("extra_body")
        self.given_extra = extra if isinstance(extra, dict) else {}

    def _complete(self) -> None:
        faces = self.values.get("face_choose")
        face = dict(_only_face(faces))
        self.origins.complete(self.values, face)
        if isinstance(faces, list) and len(faces) == 1:
            self.values["face_choose"] = [face]

    def _sort(self, place: Mapping[str, Any], names: list[str], path: str) -> None:
        """Fields that are none: another's name, one for the gateway, or of no meaning here."""
        extra: dict[str, Any] = {}
        names = [name for name in names if not (name in self.origins.names and self._is_place(name, place))]
        for name in names[:LOOKED_AT]:
            if not path and name.startswith(EXTRA):
                self._take_extra(name, place[name], extra)
            elif meant := misnamed(name, [*place, *self._face_names()]):
                self._blame(path, name, meant)
            elif (path or name != NOTE) and (name not in SOURCE_FIELDS or not is_blank(place[name])):
                self.violations.append(_ignored(path, name, place))
        if len(names) > LOOKED_AT:
            text = f"{len(names) - LOOKED_AT} more are no fields of the call: they are not sent"
            self.violations.append(Violation(f"{path}*", "ignored_field", text, "warning"))
        if not path:
            self.unsent = {name: place[name] for name in names}
        if extra and isinstance(self.values.get("extra_body") or {}, dict):
            self.values["extra_body"] = {**(self.values.get("extra_body") or {}), **extra}

    def _is_place(self, name: str, place: Mapping[str, Any]) -> bool:
        """Whether the name stands where it counts."""
        return place is (self.line if name in VIDEO_FIELDS else self.origins.place)

    def _face_names(self) -> Iterator[str]:
        faces = self.line.get("face_choose")
        for face in faces if isinstance(faces, list) else ():
            yield from face if isinstance(face, dict) else ()

    def _take_extra(self, name: str, value: object, extra: dict[str, Any]) -> None:
        inner = name.removeprefix(EXTRA)
        if not inner or "." in inner:
            text = "must name one field: put what lies deeper into it as a JSON object"
            self.violations.append(Violation(shown(name), "extra_name", text))
        else:
            extra[inner] = value

    def _blame(self, path: str, name: str, meant: str) -> None:
        text = f"is no field of the call; {meant} is meant, it seems: name it so"
        self.violations.append(Violation(f"{path}{shown(name)}", "misnamed_field", text))
        of_face = meant in FACE_FIELDS and meant not in REQUEST_FIELDS
        self.meant.add(f"face_choose[0].{meant}" if of_face else meant)
        if meant == "face_choose":
            self.meant |= {f"face_choose[0].{inner}" for inner in FACE_FIELDS}
        if meant in {"audio_id", "sound_file", "sound_path"}:
            self.meant |= {"face_choose[0]", "face_choose[0].sound_end_time"}

    def _look_at_faces(self, faces: object) -> None:
        for index, face in enumerate(faces[:LOOKED_AT] if isinstance(faces, list) else ()):
            if isinstance(face, dict) and not face.keys() <= FACE_FIELDS:
                self._sort(face, [name for name in face if name not in FACE_FIELDS], f"face_choose[{index}].")


def _only_face(faces: object) -> Mapping[str, Any]:
    return faces[0] if isinstance(faces, list) and len(faces) == 1 and isinstance(faces[0], dict) else {}


def _ignored(path: str, name: str, place: Mapping[str, Any]) -> Violation:
    hint = _HINTS.get(name.lower(), "")
    text = "is no field of the call: it is not sent, and no part of the job's id"
    if name in SOURCE_FIELDS and (why := _beside(name, place)):
        text = f"stands beside {why}, and is a note there: {text.partition(': ')[2]}"
    elif hint and hint not in place:
        text += f"; what names the job is {hint}"
    elif not path:
        text += f"; what the gateway is to have stands under {EXTRA}NAME"
    return Violation(f"{path}{shown(name) or '(no name)'}", "ignored_field", text, "warning")


def _beside(name: str, place: Mapping[str, Any]) -> str:
    """What makes a note of a name that could stand for a video or a text."""
    rivals = ("session_id",) if name in VIDEO_FIELDS or name == "face" else ("audio_id", "sound_file", "sound_path")
    return next((rival for rival in rivals if not is_blank(place.get(rival))), "")


def _misplaced(name: str) -> Violation:
    return Violation(name, "misplaced_field", "belongs into face_choose[0], for this line has face_choose")


def _odd_texts(line: Mapping[str, Any]) -> list[Violation]:
    """Ids that a program mangled, and words that stand for an empty cell."""
    found: list[Violation] = []
    for name in _OF_REQUEST:
        if name in line:
            found += _odd_text("", name, line[name])
    if "face_choose" not in line:
        _look_at_face(found, "face_choose[0].", line)
        return found
    faces = line["face_choose"]
    for index, face in enumerate(faces[:LOOKED_AT] if isinstance(faces, list) else ()):
        if isinstance(face, dict):
            _look_at_face(found, f"face_choose[{index}].", face)
    return found


def _look_at_face(found: list[Violation], path: str, face: Mapping[str, Any]) -> None:
    for name in _OF_FACE:
        if name in face:
            found += _odd_text(path, name, face[name])


def _odd_text(path: str, name: str, value: object) -> Sequence[Violation]:
    if not isinstance(value, str) or not value:
        return ()
    if name not in _LINKS:
        odd = id_fault(value)
        if odd is None:
            return ()
        rule, text = odd
        return (Violation(f"{path}{name}", rule, text if rule == "placeholder" else f"{quoted(value)} {text}"),)
    if len(value) > 40 or not is_placeholder(value):
        return ()
    text = f"is {value.strip()}, which programs write for an empty cell: give a URL, or leave it empty"
    return (Violation(f"{path}{name}", "placeholder", text),)
