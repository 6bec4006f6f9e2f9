"""A request as plain values that an engine can carry, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from lipsync_async.errors import ConfigurationError
from lipsync_async.models import FaceChoice, LipSyncRequest, SpeechSource, VideoSource


def pack(request: LipSyncRequest) -> dict[str, Any]:
    """Its values, without those that are None.

    Raises `ConfigurationError` for one that needs a file of this machine: another one may send it.
    """
    for face in request.face_choose:
        if face.sound_file is not None and not isinstance(face.sound_file, str):
            raise ConfigurationError("a sound in a file of this machine: give its URL, an audio_id, or Base64")
    if request.source is not None and request.source.file is not None:
        raise ConfigurationError("a video in a file of this machine: give its URL")
    packed: dict[str, Any] = _plain(request)
    return packed


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        kept = ((one.name, getattr(value, one.name)) for one in attrs.fields(type(value)) if one.init)
        return {name: _plain(one) for name, one in kept if one is not None}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, Mapping) else value


def unpack(values: Mapping[str, Any]) -> LipSyncRequest:
    """The request of packed values; `TypeError` where they are none."""
    rest = dict(values)
    faces = tuple(FaceChoice(**face) for face in rest.pop("face_choose"))
    source, speech = rest.pop("source", None), rest.pop("speech", None)
    return LipSyncRequest(
        face_choose=faces,
        source=source and VideoSource(**source),
        speech=speech and SpeechSource(**speech),
        **rest,
    )
