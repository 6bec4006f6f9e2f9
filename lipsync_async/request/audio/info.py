"""What a probe answers."""

from __future__ import annotations

from enum import StrEnum
from io import BytesIO
from typing import Literal

from attrs import frozen

MIN_BIT_RATE = 4_000
"""Bits a second; no speech codec in these containers gets by with less, so a longer duration is a lie."""
MAX_BIT_RATE = 100_000_000
"""Bits a second; eight channels of 192 kHz double-precision PCM, so a shorter duration is a lie."""


CUT_SHORT = "it is cut short: its header promises more than there is"
TOO_LARGE = "it is too large to be read to its end"


class Container(StrEnum):
    """What kind of file the content is."""

    MP3 = "mp3"
    """MPEG audio layer III, with or without tags."""
    WAV = "wav"
    """RIFF, RF64 or BW64 WAVE with any codec."""
    M4A = "m4a"
    """An ISO base media file with audio only; cover art and chapters are fine."""
    AAC = "aac"
    """Bare ADTS."""
    VIDEO = "video"
    """An ISO base media file with a video track."""
    THREE_GP = "3gp"
    OTHER = "unknown"


@frozen
class AudioInfo:
    """What the content of a file says about itself."""

    container: Container
    duration: float | None
    """Seconds; None: unknown, or not to be trusted."""
    size: int
    """Bytes of the whole file."""
    note: str = ""
    """Why the duration is unknown or what is odd, in one sentence; empty when all is well."""
    codec: str = ""
    """What an M4A holds in place of AAC: `Opus`, `ALAC`, `FLAC`, `MP3` ...; empty for AAC, and for other containers."""


@frozen
class Finding:
    """What a reader of one container hands back: an `AudioInfo` without its size."""

    container: Container
    duration: float | None = None
    note: str = ""
    codec: str = ""


def unpack(data: bytes, start: int, length: int, order: Literal["big", "little"] = "big") -> int:
    """The unsigned integer at `start`; what lies beyond the end reads as nothing (never raises)."""
    return int.from_bytes(data[start : start + length], order)


def ask_tinytag(data: bytes) -> float | None:
    """The duration in seconds that the file's own header promises; None where there is none."""
    # Only WAV and unfragmented ISO files are asked of it: it guesses the length of an MP3 from its first five frames,
    # and takes ADTS for MP3 (tinytag 2.3, _MPEG._parse).
    from tinytag import TinyTag, TinyTagException

    try:
        return TinyTag.get(file_obj=BytesIO(data), tags=False).duration or None
    except TinyTagException:
        return None


def settle(container: Container, promised: float | None, counted: float, payload: int, note: str = "") -> Finding:
    """Weigh the header's promise against what was counted (both in seconds) and the bytes of sound."""
    if counted <= 0:
        return Finding(container, None, note or "it holds no sound that could be counted")
    if not MIN_BIT_RATE <= payload * 8 / counted <= MAX_BIT_RATE:
        return Finding(container, None, note or f"{counted:.3g} s is absurd for {payload} bytes of sound")
    if promised is None:
        return Finding(container, counted, note)
    # Encoder delay and padding, which the header leaves out and a count does not, are below half a second at 8 kHz.
    if abs(promised - counted) > max(0.5, 0.01 * counted):
        return Finding(container, None, note or f"its header says {promised:.3g} s, its content {counted:.3g} s")
    return Finding(container, promised, note)
