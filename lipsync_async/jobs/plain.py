"""The first look at a JSON line: the usual job with an audio's id, without any fault, at a quarter of the price.

What is not plainly right goes to the general reader, which alone knows how to say why.
A property test holds both to the same request, and to not a word about it.
"""

from __future__ import annotations

import re
from typing import Any, Required, TypedDict

import msgspec

from lipsync_async.errors import Violation
from lipsync_async.models import FaceChoice, LipSyncRequest
from lipsync_async.request.checks import MAX_CUT, MIN_CUT

_MAX_INTEGER = 2**63 - 1


class _Fields(TypedDict, total=False):
    """The flat form; a line with any other field has fewer values here than names."""

    session_id: Required[str]
    face_id: Required[str]
    audio_id: Required[str]
    sound_end_time: Required[int]
    sound_start_time: int
    sound_insert_time: int
    sound_volume: int
    original_audio_volume: int
    external_task_id: str


_decode = msgspec.json.Decoder(_Fields).decode
_ONE = r"(?![0-9]{15}0{3,7}(?: |$))(?!(?i:nan|none|null|nil|undefined|nat)(?: |$))[A-Za-z0-9_-]+"
"""An id that `texts.id_fault` has nothing to say about."""
_three = re.compile(" ".join([_ONE] * 3)).fullmatch
_four = re.compile(" ".join([_ONE] * 4)).fullmatch


class PlainLine(msgspec.Struct, gc=False):
    """A line without a fault: as much of `JobLine` as a look through the list needs."""

    line: int
    values: Any
    """The fields by their names."""
    given_id: str
    """The external_task_id that the line gives; "" for none."""
    start: int
    end: int
    """The cut, in milliseconds."""
    violations: tuple[Violation, ...] = ()
    errors: tuple[Violation, ...] = ()

    @property
    def request(self) -> LipSyncRequest:
        """Made anew each time; it keeps the rules of the strictest gateway, but for the length of its id."""
        values = self.values.get
        face = FaceChoice(
            face_id=values("face_id"),
            audio_id=values("audio_id"),
            sound_start_time=values("sound_start_time", 0),
            sound_end_time=values("sound_end_time"),
            sound_insert_time=values("sound_insert_time", 0),
            sound_volume=values("sound_volume", 1),
            original_audio_volume=values("original_audio_volume", 1),
        )
        request = LipSyncRequest(
            session_id=values("session_id"), face_choose=(face,), external_task_id=values("external_task_id")
        )
        object.__setattr__(request, "checked", True)  # `check` still looks at the length of its id
        return request


def plain_line(number: int, raw: bytes, longest: int) -> PlainLine | None:
    """The line where it is plainly right, else None; never raises. `longest`: of an id, in characters."""
    try:
        values = _decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if len(values) != raw.count(b":"):  # a name that is none, or stands twice; or a text with a colon
        return None
    name = values.get("external_task_id")
    ids = f"{values['session_id']} {values['face_id']} {values['audio_id']}"
    if not (_three(ids) if name is None else len(name) <= longest and _four(f"{ids} {name}")):
        return None
    start, end = values.get("sound_start_time", 0), values["sound_end_time"]
    plain = (
        start >= 0
        and end - start >= MIN_CUT
        and end <= MAX_CUT
        and 0 <= values.get("sound_insert_time", 0) <= _MAX_INTEGER
        and 0 < values.get("sound_volume", 1) <= 2
        and 0 < values.get("original_audio_volume", 1) <= 2
    )
    return PlainLine(number, values, name or "", start, end) if plain else None
