"""What a line names instead of a session and a sound: a video and a face of it, a text and its voice.

A line that gives its session has one: what it names beside it is a note, as it was before lists could name videos.
The same holds for a text beside a sound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from attrs import Factory, define, evolve

from lipsync_async.errors import Violation
from lipsync_async.models import LipSyncRequest, SpeechSource, VideoSource

from .names import SOUNDS, SPEECH_FIELDS, VIDEO_FIELDS, quoted
from .texts import id_fault, is_placeholder
from .values import SoundFolder, _FieldError, as_number, as_text, open_video

FACE_FIELD = "face_choose[0]."
_NO_VIDEO, _NO_SPEECH = VideoSource(video_id="-"), SpeechSource(text="-", voice_id="-")
"""Stand for what cannot be read, so that nothing else is said of it: the line is at fault already."""


def is_blank(value: object) -> bool:
    """Nothing stands there."""
    return value is None or value == ""


@define
class Origins:
    """The names of one line that make a video or a text, and what is wrong with their values.

    `place` is where the face's fields stand: the line itself, or the object in its `face_choose`.
    """

    line: Mapping[str, Any]
    place: Mapping[str, Any]
    folder: SoundFolder | None
    violations: list[Violation] = Factory(list)
    video: dict[str, Any] = Factory(dict)
    words: dict[str, Any] = Factory(dict)

    def __attrs_post_init__(self) -> None:
        if is_blank(self.line.get("session_id")):
            self.video = _given(self.line, VIDEO_FIELDS)
        if self.video and not is_blank(self.place.get("face")):
            self.video["face"] = self.place["face"]
        if all(is_blank(self.place.get(name)) for name in SOUNDS):
            self.words = _given(self.place, SPEECH_FIELDS)
            if not {"text", "voice_id"} & self.words.keys():
                self.words = {}

    @property
    def names(self) -> set[str]:
        """The names that count in this line."""
        return {*self.video, *self.words}

    def complete(self, values: dict[str, Any], face: dict[str, Any]) -> None:
        """Puts in what the create call's body must have, where it is still to be made."""
        if not self.video:
            return
        values["session_id"] = ""
        if is_blank(face.get("face_id")):
            face["face_id"] = ""
        else:
            told = "belongs to a session, and this line names a video: name its face under face"
            self._blame("face_id", "face_of_session", told)

    def apply(self, request: LipSyncRequest, *, to_end: bool) -> LipSyncRequest:
        """The request with its sources, as far as they can be read. `to_end`: the line gives no end of the cut."""
        if self.video:
            source = self._video()
            broken = any(fault.path in VIDEO_FIELDS for fault in self.violations)
            request = evolve(request, source=_NO_VIDEO if broken else source)
        if self.words:
            request = evolve(request, speech=self._speech(to_end) or _NO_SPEECH)
        return request

    def _video(self) -> VideoSource:
        return VideoSource(
            url=self._read("video_url", _link),
            video_id=self._read("video_id", _id),
            file=self._read("video_path", partial(open_video, folder=self.folder)),
            face=self._read("face", _id) or "only",
        )

    def _speech(self, to_end: bool) -> SpeechSource | None:
        for name, cure in (("text", "voice_id stands here, and nothing to speak"), ("voice_id", "it speaks the text")):
            if name not in self.words:
                self._blame(name, "missing", f"is missing: {cure}")
        spoken, voice = self._read("text", as_text), self._read("voice_id", _id)
        language, speed = self._read("language", _id), self._read("speed", as_number)
        if spoken is None or voice is None:
            return None
        given = {"language": language, "speed": speed}
        told = {name: value for name, value in given.items() if value is not None}
        return SpeechSource(text=spoken, voice_id=voice, to_end=to_end, **told)

    def _read(self, name: str, read: Callable[[Any], Any]) -> Any:
        """The value of a name, None where there is none or it cannot be read."""
        given = self.video if name in self.video else self.words
        if name not in given:
            return None
        try:
            return read(given[name])
        except _FieldError as error:
            self._blame(name, error.rule, error.message)
            return None

    def _blame(self, name: str, rule: str, message: str) -> None:
        nested = self.place is not self.line and name not in VIDEO_FIELDS
        path = f"{FACE_FIELD}{name}" if nested or name == "face_id" else name
        self.violations.append(Violation(path, rule, message))


def _given(place: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: place[name] for name in place if name in names and not is_blank(place[name])}


def _link(value: object) -> str:
    told = as_text(value)
    if len(told) <= 40 and is_placeholder(told):
        raise _FieldError("placeholder", f"is {told.strip()}, which programs write for an empty cell: give a URL")
    return told


def _id(value: object) -> str:
    told = as_text(value)
    odd = id_fault(told)
    if odd is not None:
        raise _FieldError(odd[0], odd[1] if odd[0] == "placeholder" else f"{quoted(told)} {odd[1]}")
    return told
