"""What the user builds: frozen values with the wire's own field names.

Anything can be put in; `checks` tells what is wrong, all at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from attrs import field, frozen


class SoundSource(Protocol):
    """Sound that is read as it is sent: `AudioFile` and `AudioBytes`."""

    @property
    def base64_length(self) -> int:
        """Characters of its Base64 text."""
        ...

    def digest(self) -> str:
        """The sha256 of its bytes, in hex. Raises `OSError` where it cannot be read, or has changed."""
        ...

    def slices(self) -> Iterator[bytes]:
        """Its Base64 text, piece by piece. Raises `OSError` as `digest` does."""
        ...


Sound = str | SoundSource
"""A URL, a Base64 text, a file or bytes."""


def _show_sound(sound: Sound | None) -> str:
    """No Base64 in any repr: a long text is told by its length."""
    if isinstance(sound, str) and len(sound) > 60 and not sound.startswith(("http://", "https://")):
        return f"<text of {len(sound)} characters>"
    return repr(sound)


def _as_tuple(faces: Iterable[FaceChoice]) -> tuple[FaceChoice, ...]:
    return tuple(faces)


def _show_extra(extra: Mapping[str, Any] | None) -> str:
    return "None" if extra is None else f"<{', '.join(map(str, extra))}>"


@frozen(kw_only=True)
class FaceChoice:
    """One face and the sound it is to speak; times in whole milliseconds (contract, section 2)."""

    face_id: str
    audio_id: str | None = None
    """The id of an audio made by text to speech within 30 days; else `sound_file`."""
    sound_file: Sound | None = field(default=None, repr=_show_sound)
    """A URL, a Base64 text without a `data:` prefix, an `AudioFile` or `AudioBytes`; else `audio_id`."""
    sound_start_time: int
    """Where the sound is cut from."""
    sound_end_time: int
    """Where it is cut to."""
    sound_insert_time: int
    """Where in the video the cut begins to play."""
    sound_volume: float
    """0 to 2."""
    original_audio_volume: float
    """0 to 2: the video's own sound."""


@frozen(kw_only=True)
class LipSyncRequest:
    """A create call, as the wire has it (contract, section 2)."""

    session_id: str
    """From identify-face; lives for about 24 hours."""
    face_choose: tuple[FaceChoice, ...] = field(converter=_as_tuple)
    """Just one, as long as the platform takes one person only."""
    external_task_id: str | None = None
    """The key of everything; derived from the content where it is not given."""
    callback_url: str | None = None
    watermark_info: Mapping[str, Any] | None = None
    """`{"enabled": bool}`."""
    extra_body: Mapping[str, Any] | None = field(default=None, repr=_show_extra)
    """Fields that a gateway wants beyond these; merged last."""
    checked: bool = field(default=False, init=False, eq=False, repr=False)
    """The builder found nothing to say against it, whatever the gateway: it need not be looked at again."""
