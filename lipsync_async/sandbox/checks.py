"""The sandbox's own checks of a create, as a Go gateway and Kling make them (contract, section 2)."""

from __future__ import annotations

import binascii
import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

import attrs

from lipsync_async.sandbox.sound import NotSoundError, Sound, measure

SOUND_LIMIT = 5 * 1024 * 1024  # bytes of the file, not of its Base64
WINDOW_MS = (2_000, 60_000)
VOLUMES = (0, 2)
STEP_MS = 5_000
STEP_UNITS = 0.5
_INT64 = 2**63
_KINDS = {bool: "a boolean", str: "a string", float: "a fraction", int: "a number", list: "an array", dict: "an object"}
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BAD_REQUEST = 1200
_BAD_FIELD = 1201

Json = dict[str, Any]


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """A create that is refused with one of Kling's codes."""

    def __init__(self, code: int, said: str = "", retry_after: float = 0.0) -> None:
        super().__init__(code, said)
        self.code = code
        self.said = said
        self.retry_after = retry_after


@attrs.frozen
class Rules:
    """What differs between gateways."""

    accept_aac: bool = False
    fractional_volumes: bool = False


@attrs.frozen
class Create:
    """What is kept of a create that passed."""

    external_task_id: str
    window_ms: int
    watermark: bool
    body_sha256: str
    audio_sha256: str | None
    session_id: str
    face_id: str
    audio_id: str
    """Empty where the sound is a file."""
    sound_end: int
    insert: int
    callback_url: str

    @property
    def units(self) -> float:
        """The price: half a unit for every started five seconds (contract, section 7)."""
        return units_of(self.window_ms)


def units_of(window_ms: int) -> float:
    """Give the units that a window costs: 0.5 for every started 5 s, at least one step."""
    return STEP_UNITS * max(1, math.ceil(window_ms / STEP_MS))


def read_create(body: bytes, rules: Rules) -> Create:
    """Check a create's body; raises Refused with the first fault, its message naming the field."""
    request = object_of(body)
    session_id = text(request, "session_id", required=True)
    face = _one_face(request)
    face_id = text(face, "face_id", "face_choose[0].face_id", required=True)
    start, end = _window(face)
    for name in ("sound_volume", "original_audio_volume"):
        _volume(face, name, rules)
    audio_sha256 = _sound(face, end, rules)
    callback_url = text(request, "callback_url")
    _callback(callback_url)
    return Create(
        external_task_id=_external_id(text(request, "external_task_id")),
        window_ms=end - start,
        watermark=_watermark(request),
        body_sha256=hashlib.sha256(body).hexdigest(),
        audio_sha256=audio_sha256,
        session_id=session_id,
        face_id=face_id,
        audio_id=text(face, "audio_id"),
        sound_end=end,
        insert=whole(face, "sound_insert_time"),
        callback_url=callback_url,
    )


def refuse(path: str, why: str) -> NoReturn:
    """Refuse a field by its path."""
    raise Refused(_BAD_FIELD, f"{path} {why}")


# --- JSON as Go reads it ------------------------------------------------------------------------------------------


def object_of(body: bytes) -> Json:
    """Read a body that is a JSON object; raises Refused for any other."""
    try:
        # As text: json would guess UTF-16 from bytes, and forgive a byte order mark; Go does neither.
        request = _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Refused(_BAD_REQUEST, f"request body is not valid JSON: {str(error)[:100]}") from None
    if not isinstance(request, dict):
        raise Refused(_BAD_REQUEST, "request body must be a JSON object")
    return request


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)  # made once: json.loads would make one for each request


def text(owner: Json, name: str, path: str = "", *, required: bool = False) -> str:
    """Read a string; null and "" count as not given."""
    value = owner.get(name)
    if value is not None and not isinstance(value, str):
        refuse(path or name, f"must be a string, not {_kind(value)}")
    if required and not value:
        refuse(path or name, "is required")
    return value or ""


def whole(owner: Json, name: str) -> int:
    """Read a required integer: `0.0` and `"0"` are none, as for a Go gateway."""
    value = owner.get(name)
    path = f"face_choose[0].{name}"
    if value is None:
        refuse(path, "is required")
    if type(value) is not int:
        refuse(path, f"must be an integer, not {_kind(value)}")
    if not -_INT64 <= value < _INT64:
        refuse(path, "is out of range")
    return value


def _kind(value: object) -> str:
    return _KINDS[type(value)]


# --- the fields ---------------------------------------------------------------------------------------------------


def _one_face(request: Json) -> Json:
    faces = request.get("face_choose")
    if faces is None:
        refuse("face_choose", "is required")
    if not isinstance(faces, list):
        refuse("face_choose", f"must be an array, not {_kind(faces)}")
    if len(faces) != 1:
        refuse("face_choose", f"must hold exactly one face, not {len(faces)}")
    if not isinstance(faces[0], dict):
        refuse("face_choose[0]", "must be an object")
    return faces[0]


def _window(face: Json) -> tuple[int, int]:
    start, end, insert = (whole(face, f"sound_{name}_time") for name in ("start", "end", "insert"))
    if start < 0:
        refuse("face_choose[0].sound_start_time", "must not be negative")
    if not WINDOW_MS[0] <= end - start <= WINDOW_MS[1]:
        refuse("face_choose[0].sound_end_time", "is invalid: the cropped audio must have 2 to 60 seconds")
    if insert < 0:
        refuse("face_choose[0].sound_insert_time", "must not be negative")
    return start, end


def _volume(face: Json, name: str, rules: Rules) -> None:
    value = face.get(name)
    path = f"face_choose[0].{name}"
    if rules.fractional_volumes and value is None:
        return  # optional where fractions are taken, with 1 as the default
    if not (rules.fractional_volumes and type(value) is float):
        value = whole(face, name)
    if not VOLUMES[0] <= value <= VOLUMES[1]:
        refuse(path, "must be from 0 to 2")


def _sound(face: Json, end: int, rules: Rules) -> str | None:
    """Check that there is one sound and what it is; gives the hash of the bytes where there are some."""
    audio_id = text(face, "audio_id", "face_choose[0].audio_id")
    sound_file = text(face, "sound_file", "face_choose[0].sound_file")
    if bool(audio_id) == bool(sound_file):
        refuse("face_choose[0].audio_id or sound_file", "is required: exactly one of the two")
    if audio_id or sound_file[:8].lower().startswith(("http://", "https://")):
        if sound_file and not is_http(sound_file):
            refuse("face_choose[0].sound_file", "is not a valid URL")
        return None
    data = decode(sound_file)
    try:
        sound = measure(data, accept_aac=rules.accept_aac)
    except NotSoundError as error:
        refuse("face_choose[0].sound_file", str(error))
    _length(sound, end)
    return hashlib.sha256(data).hexdigest()


def decode(sound_file: str) -> bytes:
    """Decode strict Base64 of at most 5 MiB of content."""
    if sound_file.startswith("data:"):
        refuse("face_choose[0].sound_file", "must be Base64 without a data: prefix")
    if len(sound_file) // 4 * 3 - sound_file.count("=", -2) > SOUND_LIMIT:
        refuse("face_choose[0].sound_file", "is larger than 5 MB")
    try:
        return binascii.a2b_base64(sound_file, strict_mode=True)
    except ValueError:  # binascii.Error, and characters that are not ASCII
        refuse("face_choose[0].sound_file", "is neither a URL nor valid Base64")


def _length(sound: Sound, end: int) -> None:
    if sound.length_ms is None:
        return
    if not WINDOW_MS[0] - sound.slack_ms <= sound.length_ms <= WINDOW_MS[1] + sound.slack_ms:
        refuse("face_choose[0].sound_file", f"must last 2 to 60 seconds, not {sound.length_ms / 1000:.2f}")
    if end > sound.length_ms + sound.slack_ms:
        refuse("face_choose[0].sound_end_time", f"is invalid: the audio ends at {sound.length_ms:.0f} ms")


def _external_id(external_task_id: str) -> str:
    if external_task_id and not _ID.fullmatch(external_task_id):
        refuse("external_task_id", "must have 1 to 64 of A-Z a-z 0-9 _ -")
    return external_task_id


def _callback(url: str) -> None:
    if url and not is_http(url):
        refuse("callback_url", "must be an http(s) URL")


def is_http(url: str) -> bool:
    """Tell whether this is an absolute http(s) URL without blanks."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"[\s\x00-\x1f]", url)


def _watermark(request: Json) -> bool:
    info = request.get("watermark_info")
    if info is None:
        return False
    if not isinstance(info, dict):
        refuse("watermark_info", f"must be an object, not {_kind(info)}")
    enabled = info.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        refuse("watermark_info.enabled", f"must be a boolean, not {_kind(enabled)}")
    return bool(enabled)


def bounded(query: Mapping[str, str], name: str, default: int, bounds: tuple[int, int]) -> int:
    """A whole number out of a query; raises `Refused` where it is none, or outside of its bounds."""
    given = query.get(name, str(default))
    whole = given.isascii() and given.isdigit() and len(given) < 10
    if not whole or not bounds[0] <= int(given) <= bounds[1]:
        raise Refused(1201, f"{name} must be from {bounds[0]} to {bounds[1]}")
    return int(given)
