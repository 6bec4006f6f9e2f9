"""The request: frozen values with the field names of the create call.

The fields are not checked when a value is made; `request.checks.check` finds everything that is wrong with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from attrs import field, frozen

from .errors import Violation
from .given import plain_number, whole


class LocalVideo(Protocol):
    """A video on this machine: `VideoFile`."""

    @property
    def path(self) -> Path:
        """Where it is."""
        ...

    def digest(self) -> str:
        """Returns the SHA-256 of its bytes in hex.

        Raises `OSError` if it cannot be read, or has changed since it was looked at.
        """
        ...


class SoundSource(Protocol):
    """A sound that is read while it is sent: `AudioFile` or `AudioBytes`."""

    @property
    def base64_length(self) -> int:
        """The length of its Base64 text in characters."""
        ...

    def digest(self) -> str:
        """Returns the SHA-256 of its bytes in hex.

        Raises `OSError` if it cannot be read, or has changed since it was checked.
        """
        ...

    def slices(self) -> Iterator[bytes]:
        """Yields its Base64 text in pieces; raises `OSError` as `digest` does."""
        ...


Sound = str | SoundSource
"""A URL, a Base64 text, a file or bytes."""


def _show_sound(sound: Sound | None) -> str:
    """A repr contains no Base64: a long text is shown by its length."""
    if isinstance(sound, str) and len(sound) > 60 and not sound.startswith(("http://", "https://")):
        return f"<text of {len(sound)} characters>"
    return repr(sound)


def _as_tuple(faces: Iterable[FaceChoice]) -> tuple[FaceChoice, ...]:
    return tuple(faces)


def _show_extra(extra: Mapping[str, Any] | None) -> str:
    return "None" if extra is None else f"<{', '.join(map(str, extra))}>"


@frozen(kw_only=True)
class FaceChoice:
    """One face and the sound that it is to speak; all times in whole milliseconds (contract, section 2).

    Numbers of other libraries are taken as Python's own, and a time of 5000.0 as 5000.
    """

    face_id: str
    """From identify-face."""
    audio_id: str | None = None
    """The id of an audio that text to speech made in the last 30 days; give it or `sound_file`."""
    sound_file: Sound | None = field(default=None, repr=_show_sound)
    """A URL, a Base64 text without a `data:` prefix, an `AudioFile` or `AudioBytes`; give it or `audio_id`."""
    sound_start_time: int = field(converter=whole)
    """Where in the sound the cut begins."""
    sound_end_time: int = field(converter=whole)
    """Where in the sound the cut ends."""
    sound_insert_time: int = field(converter=whole)
    """When in the video the cut begins to play."""
    sound_volume: float = field(converter=plain_number)
    """How loud the sound is, from 0 to 2."""
    original_audio_volume: float = field(converter=plain_number)
    """How loud the video's own sound is, from 0 to 2."""


@frozen(kw_only=True)
class VideoSource:
    """The video that a job's session was opened for, and the face in it that is to speak (contract, section 1).

    It is not sent.
    The job's id and fingerprint are made of it in place of `session_id` and `face_id`: a session lives for a day, and
    the same video in a new session is the same work.
    """

    url: str | None = None
    """Of an .mp4 or .mov file; a signature in it counts for nothing. Give it, or `video_id` or `file`."""
    video_id: str | None = None
    """Of a video that Kling made."""
    file: LocalVideo | None = None
    """A video on this machine, which is uploaded first; its content is what counts."""
    face: str = "only"
    """`only`, `first`, `longest`, or a `face_id`: see `request.faces.choose_face`."""


@frozen(kw_only=True)
class SpeechSource:
    """The text that a job's `audio_id` was made of (contract, section 1).

    It is not sent.
    The job's id and fingerprint are made of it in place of `audio_id`, which is another one each time it is made.
    """

    text: str = field(repr=False)
    voice_id: str
    language: str = "en"
    """The voice's language, `en` or `zh`."""
    speed: float = 1.0
    """How fast it is spoken, from 0.8 to 2."""
    to_end: bool = False
    """The cut ends with the audio; its end is no part of the job's id then, for the next audio may be a little longer.

    `builder.speech` sets it.
    """


@frozen(kw_only=True)
class LipSyncRequest:
    """The body of a create call (contract, section 2)."""

    session_id: str
    """From identify-face; it expires after about 24 hours."""
    face_choose: tuple[FaceChoice, ...] = field(converter=_as_tuple)
    """Exactly one face: the platform takes only one person."""
    external_task_id: str | None = None
    """Identifies the job everywhere; it is derived from the content if it is not given."""
    callback_url: str | None = None
    """An http or https URL that the gateway calls when the state of the task changes."""
    watermark_info: Mapping[str, Any] | None = None
    """`{"enabled": bool}`: whether a watermarked video is made too."""
    extra_body: Mapping[str, Any] | None = field(default=None, repr=_show_extra)
    """More fields that a gateway wants; they are merged last, over all others."""
    source: VideoSource | None = None
    """The video that the session was opened for; the job's id is made of it in place of the session's. Not sent."""
    speech: SpeechSource | None = None
    """The text that the audio was made of; the job's id is made of it in place of the audio's. Not sent."""
    made_from: LipSyncRequest | None = field(default=None, init=False, eq=False, repr=False)
    """The request as it was handed in, where this one was completed by the client."""
    checked: bool = field(default=False, init=False, eq=False, repr=False)
    """The builder has checked it by the rules of the strictest gateway, so it is not checked again."""


@frozen
class BrokenRequest:
    """Stands in a list for a request that could not be made: it comes out as rejected, with these faults."""

    external_task_id: str | None
    violations: tuple[Violation, ...]
