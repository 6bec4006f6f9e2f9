"""A request as the create call's JSON (contract, section 2), direct and fast: it is on the way of every job."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from msgspec import Raw, Struct
from msgspec.json import Encoder
from msgspec.structs import asdict

from lipsync_async.models import FaceChoice, LipSyncRequest, Sound
from lipsync_async.request.audio import AudioBytes, AudioFile

_SEAM = b"\xff"
"""Stands where the Base64 text is to go: no UTF-8 text holds this byte, so no text of a user's is taken for it."""
_PLACEHOLDER = Raw(b'"' + _SEAM + b'"')

_dump = Encoder().encode
_dump_sorted = Encoder(order="sorted").encode


class Body(Struct, frozen=True, gc=False):
    """A create call's body: `head`, then the sound's Base64 text if there is any, then `tail`."""

    head: bytes
    """All of it where there is no sound to stream."""
    sound: AudioFile | AudioBytes | None
    tail: bytes
    length: int
    """Bytes of the whole, Base64 included."""


def encode(request: LipSyncRequest, external_task_id: str) -> Body:
    """The create call's JSON; the same bytes on every attempt.

    `extra_body` is merged last and may override any field but the id, the key of everything (contract, section 2).
    Raises TypeError for a value that JSON does not know, UnicodeEncodeError for a text that is no Unicode,
    ValueError for more than one sound to stream.
    """
    data = _dump(_wire(request, _to_stream, external_task_id))
    if _SEAM not in data:
        return Body(data, None, b"", len(data))
    head, tail = data.split(_SEAM)
    sound = _streamed_sound(request)
    return Body(head, sound, tail, len(head) + sound.base64_length + len(tail))


def canonical(request: LipSyncRequest, sound_digest: str | None = None, prefix: str = "") -> bytes:
    """What a request says, whatever its id: sorted keys, compact, UTF-8, after an optional prefix.

    Sound is told by the sha256 of its decoded bytes, so a file, its bytes and its Base64 text are the same.
    `sound_digest` is that hash in hex where the caller has it; else the sound is read (which may raise OSError).
    """

    def told(sound: Sound) -> str:
        return _tell_text(sound) if isinstance(sound, str) else f"sha256:{sound_digest or sound.digest()}"

    return prefix.encode() + _dump_sorted(_wire(request, told, ""))


def encode_and_tell(request: LipSyncRequest, external_task_id: str) -> tuple[Body, bytes] | None:
    """What `encode` and `canonical` return, for little more than the price of one; None: they are to be asked.

    It serves requests without extras whose sounds, if there are any, are URLs: those stand in both as they are.
    """
    if request.extra_body:
        return None
    faces = []
    for face in request.face_choose:
        sound = face.sound_file or None
        if sound is not None and not (type(sound) is str and ":" in sound):
            return None
        faces.append(_face(face, sound))
    create = _create(request, faces)
    told = _dump_sorted(create)
    create.external_task_id = external_task_id or None
    data = _dump(create)
    return Body(data, None, b"", len(data)), told


class _Face(Struct, kw_only=True, omit_defaults=True, gc=False):
    face_id: str
    audio_id: str | None = None
    sound_file: object = None
    sound_start_time: float
    sound_end_time: float
    sound_insert_time: float
    sound_volume: float
    original_audio_volume: float


class _Create(Struct, kw_only=True, omit_defaults=True, gc=False):
    """The body in the seeds' order; what is None is left out."""

    session_id: str
    face_choose: list[_Face]
    callback_url: str | None = None
    watermark_info: Mapping[str, Any] | None = None
    external_task_id: str | None = None


def _wire(request: LipSyncRequest, sound: Callable[[Sound], object], external_task_id: str) -> _Create | dict[str, Any]:
    faces = [_face(face, sound(face.sound_file) if face.sound_file else None) for face in request.face_choose]
    create = _create(request, faces)
    create.external_task_id = external_task_id or None
    return _with_extras(create, request.extra_body) if request.extra_body else create


def _create(request: LipSyncRequest, faces: list[_Face]) -> _Create:
    return _Create(
        session_id=request.session_id,
        face_choose=faces,
        callback_url=request.callback_url or None,
        watermark_info=request.watermark_info,
    )


def _with_extras(create: _Create, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Extras come last and win, but for the id."""
    wire = {name: value for name, value in asdict(create).items() if value is not None}
    given_id = wire.pop("external_task_id", None)
    wire.update(extra)
    wire.pop("external_task_id", None)
    return wire if given_id is None else {**wire, "external_task_id": given_id}


def _face(face: FaceChoice, sound: object) -> _Face:
    """`sound` as it is to be written; None: nothing."""
    numbers = (
        face.sound_start_time,
        face.sound_end_time,
        face.sound_insert_time,
        face.sound_volume,
        face.original_audio_volume,
    )
    if float in map(type, numbers):
        numbers = tuple(map(_whole, numbers))  # type: ignore[assignment] # as many
    start, end, insert, volume, original = numbers
    return _Face(
        face_id=face.face_id,
        audio_id=face.audio_id or None,
        sound_file=sound,
        sound_start_time=start,
        sound_end_time=end,
        sound_insert_time=insert,
        sound_volume=volume,
        original_audio_volume=original,
    )


def _whole(value: float) -> float:
    """A gateway written in Go refuses 1.0 where it wants an integer."""
    return int(value) if type(value) is float and value.is_integer() else value


def _to_stream(sound: Sound) -> object:
    return sound if isinstance(sound, str) else _PLACEHOLDER


def _streamed_sound(request: LipSyncRequest) -> AudioFile | AudioBytes:
    return next(face.sound_file for face in request.face_choose if isinstance(face.sound_file, AudioFile | AudioBytes))


def _tell_text(sound: str) -> str:
    """A Base64 text by what it holds, a URL as it is."""
    if ":" in sound:  # no character of Base64's
        return sound
    try:
        return f"sha256:{sha256(b64decode(sound, validate=True)).hexdigest()}"
    except ValueError:
        return sound
