"""`AudioInfo`, the result of a probe, and what the readers of the containers share."""

from __future__ import annotations

from enum import StrEnum
from io import BytesIO
from typing import Literal

from attrs import frozen

MIN_BIT_RATE = 4_000
"""Bits a second; every speech codec in these containers needs more, so a longer duration is wrong."""
MAX_BIT_RATE = 100_000_000
"""Bits a second; more than eight channels of 192 kHz double-precision PCM need, so a shorter duration is wrong."""


CUT_SHORT = "it is cut short: its header promises more than there is"
TOO_LARGE = "it is too large to be read to its end"


class Container(StrEnum):
    """The kinds of file that are told apart, by content."""

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
    """What the content of a file is."""

    container: Container
    duration: float | None
    """Seconds; None: not known, or not reliable."""
    size: int
    """The size of the whole file in bytes."""
    note: str = ""
    """Why the duration is not known, or what is unusual, in one sentence; empty if there is nothing to say."""
    codec: str = ""
    """What an M4A holds in place of AAC: `Opus`, `ALAC`, `FLAC`, `MP3` ...; empty for AAC, and for other containers."""


@frozen
class Finding:
    """The result of the reader of one container: an `AudioInfo` without its size."""

    container: Container
    duration: float | None = None
    note: str = ""
    codec: str = ""


def unpack(data: bytes, start: int, length: int, order: Literal["big", "little"] = "big") -> int:
    """Returns the unsigned integer at `start`; bytes after the end of the data are left out, and nothing raises."""
    return int.from_bytes(data[start : start + length], order)


def ask_tinytag(data: bytes) -> float | None:
    """Returns the duration in seconds that the file's header states; None if it states none."""
    # It is used for WAV and unfragmented ISO files only: it guesses the length of an MP3 from its first five frames,
    # and takes ADTS for MP3 (tinytag 2.3, _MPEG._parse).
    from tinytag import TinyTag, TinyTagException

    try:
        return TinyTag.get(file_obj=BytesIO(data), tags=False).duration or None
    except TinyTagException:
        return None


def settle(container: Container, promised: float | None, counted: float, payload: int, note: str = "") -> Finding:
    """Compares the duration that the header states with the counted one (in seconds) and with the bytes of sound.

    The duration of the result is None if they contradict one another.
    """
    if counted <= 0:
        return Finding(container, None, note or "it holds no sound that could be counted")
    if not MIN_BIT_RATE <= payload * 8 / counted <= MAX_BIT_RATE:
        return Finding(container, None, note or f"{counted:.3g} s is absurd for {payload} bytes of sound")
    if promised is None:
        return Finding(container, counted, note)
    # A count contains the encoder's delay and padding, and the header does not: less than 0.5 s at 8 kHz.
    if abs(promised - counted) > max(0.5, 0.01 * counted):
        return Finding(container, None, note or f"its header says {promised:.3g} s, its content {counted:.3g} s")
    return Finding(container, promised, note)
