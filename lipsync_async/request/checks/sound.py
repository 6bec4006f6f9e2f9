"""The rules for the sound: exactly one of an audio id and a sound, and what the sound is (contract, section 2)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from attrs import evolve

from lipsync_async.errors import Violation
from lipsync_async.gateways import Gateway
from lipsync_async.models import FaceChoice
from lipsync_async.request.audio import AudioBytes, AudioFile, AudioInfo, Container, base64_size

from .codecs import codec_warnings
from .ids import is_plain_text, text_faults
from .limits import LARGE_SOUND_BYTES, MAX_CUT, MAX_SOUND_BYTES, MIN_CUT, SLACK, TINY_SOUND_BYTES
from .urls import is_plain_link, url_faults
from .values import is_given, type_name, warning

_LOOKS = {
    Container.AAC: "bare AAC (ADTS)",
    Container.VIDEO: "a video",
    Container.THREE_GP: "3GP",
    Container.OTHER: "no sound that is known",
}
"""The containers that are refused, and what a message calls them; a profile may take AAC."""

_LONGEST_PATH = 200
_has_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://").match
_looks_like_path = re.compile(
    r"(?is)[~.]{0,2}[/\\].*|[a-z]:[/\\].*|.*\.(?:mp3|wav|wave|m4a|mp4|aac|mov|flac|ogg|opus|wma)"
).fullmatch


def clip_length(sound: object) -> int | None:
    """The length of a file or of bytes in whole milliseconds, rounded up; None if it is not known."""
    duration = sound.info.duration if isinstance(sound, AudioFile | AudioBytes) else None
    # A nanosecond is taken off first: 1.1 s are 1100.0000000000002 ms in binary.
    return None if duration is None else math.ceil(duration * 1_000 - 1e-6)


def is_plain_voice(audio_id: object, sound: object) -> bool:
    """Whether there is one audio id or one URL that is plainly right; anything else goes to `voice_faults`."""
    return is_plain_link(sound) if audio_id is None else sound is None and is_plain_text(audio_id)


def voice_faults(path: str, face: FaceChoice, profile: Gateway) -> Iterator[Violation]:
    """The face needs exactly one of `audio_id` and `sound_file`, and the one that is given must be usable."""
    spoken, sounding = is_given(face.audio_id), is_given(face.sound_file)
    if spoken and sounding:
        yield Violation(path, "two_sounds", "give audio_id or sound_file, not both")
    elif not spoken and not sounding:
        yield Violation(path, "no_sound", "give exactly one of audio_id and sound_file")
    if spoken and not is_plain_text(face.audio_id):
        yield from text_faults(f"{path}.audio_id", face.audio_id)
    if sounding:
        yield from _sound_faults(f"{path}.sound_file", face.sound_file, profile)


def _sound_faults(path: str, sound: object, profile: Gateway) -> Iterator[Violation]:
    if isinstance(sound, AudioFile | AudioBytes):
        place = f": {_shortened(str(sound.path))!r}" if isinstance(sound, AudioFile) else ""
        for one in _clip_faults(path, sound.info, clip_length(sound), profile):
            yield evolve(one, message=f"{one.message}{place}")
    elif isinstance(sound, str):
        yield from _text_faults(path, sound)
    else:
        told = f"must be a URL, a Base64 text, audio_file(path) or audio_bytes(data), not {type_name(sound)}"
        yield Violation(path, "not_a_sound", told)


def _shortened(path: str) -> str:
    return path if len(path) <= _LONGEST_PATH else f"...{path[-_LONGEST_PATH:]}"


# ---- a sound that is given as text -----------------------------------------------------------------------------------


def _text_faults(path: str, text: str) -> Iterator[Violation]:
    """A URL is checked and a Base64 text is measured; its content is not probed (contract, section 2)."""
    head = text[:40].lstrip()
    if head[:5].lower() == "data:":
        told = "must be the Base64 alone: leave out all up to and with the comma (data:...;base64,)"
        yield Violation(path, "data_prefix", told)
    elif _has_scheme(head):
        yield from url_faults(path, text)
    elif (size := base64_size(text)) is not None:
        yield from _base64_faults(path, size)
    else:
        yield _neither_url_nor_base64(path, text)


def _base64_faults(path: str, size: int) -> Iterator[Violation]:
    yield from _size_faults(path, size)
    if 0 < size < TINY_SOUND_BYTES:
        told = f"{size} bytes of Base64 are no 2 s of sound: if it is a file's name, use audio_file(path)"
        yield warning(path, "sound_tiny", told)


def _neither_url_nor_base64(path: str, text: str) -> Violation:
    if _looks_like_path(text[:4096]):
        told = "looks like a path: use audio_file(path); a URL begins with http:// or https://"
        return Violation(path, "local_path", told)
    told = "must be an http(s):// URL or Base64 (standard alphabet, padded, one line), or audio_file(path)"
    return Violation(path, "not_base64", told)


# ---- a file or bytes -------------------------------------------------------------------------------------------------


def _clip_faults(path: str, info: AudioInfo, length: int | None, profile: Gateway) -> Iterator[Violation]:
    yield from _size_faults(path, info.size)
    yield from codec_warnings(path, info)
    if info.container in _LOOKS and not (info.container is Container.AAC and profile.accepts_aac):
        yield _wrong_format(path, info, profile)
    elif length is None:
        told = f"its length is not known ({info.note or 'it does not say'}): 2 to 60 s are taken"
        yield warning(path, "sound_length_unknown", told)
    else:
        yield from _length_faults(path, length)


def _wrong_format(path: str, info: AudioInfo, profile: Gateway) -> Violation:
    note = f" ({info.note})" if info.note else ""
    taken = "mp3, wav, m4a or aac" if profile.accepts_aac else "mp3, wav or m4a"
    return Violation(path, "sound_format", f"must be {taken}, and its content is {_LOOKS[info.container]}{note}")


def _size_faults(path: str, size: int) -> Iterator[Violation]:
    if size == 0:
        yield Violation(path, "sound_empty", "holds no bytes at all")
    elif size > MAX_SOUND_BYTES:
        yield Violation(path, "sound_too_large", f"must be at most 5 MiB (5,242,880 bytes), and is {size:,} bytes")
    elif size > LARGE_SOUND_BYTES:
        yield warning(path, "sound_large", f"{size:,} bytes are over 5,000,000: a gateway may mean that by 5 MB")


def _length_faults(path: str, length: int) -> Iterator[Violation]:
    """Decoders may disagree within 0.1 s of a limit, on either side of it."""
    told = f"must be 2 to 60 s long, and is {length / 1_000:g} s"
    if length < MIN_CUT - SLACK:
        yield Violation(path, "sound_too_short", told)
    elif length > MAX_CUT + SLACK:
        yield Violation(path, "sound_too_long", told)
    elif length <= MIN_CUT + SLACK or length >= MAX_CUT - SLACK:
        told += ": so near the limit that the gateway may measure otherwise"
        yield warning(path, "sound_length_borderline", told)
