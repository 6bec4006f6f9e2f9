"""What a piece of sound is, told by its content: container and length (contract, section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import attrs
from tinytag import TinyTag, TinyTagException

# How far a length that was measured may be off, in ms: mp3 and ISO files carry padding that decoders cut.
SLACK_MS = {"wav": 1, "mp3": 100, "m4a": 100, "aac": 100}
_ABSURD_MS = 24 * 3600 * 1000


class NotSoundError(ValueError):
    """The content is none that the call takes; the text says what it is instead."""


@attrs.frozen
class Sound:
    """A container that is taken, and its length where that can be told."""

    container: str
    length_ms: float | None

    @property
    def slack_ms(self) -> int:
        """How far the length may be off."""
        return SLACK_MS[self.container]


def measure(data: bytes, *, accept_aac: bool = False) -> Sound:
    """Tell container and length; raises NotSoundError."""
    container = sniff(data)
    if container == "aac" and not accept_aac:
        raise NotSoundError("bare AAC (ADTS) is not supported")
    return Sound(container, _length_ms(data))


def sniff(data: bytes) -> str:
    """Give `wav`, `mp3`, `m4a` or `aac`; raises NotSoundError."""
    if data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE":
        return "wav"
    if data[4:8] == b"ftyp":
        return _iso(data)
    if data[:3] == b"ID3":
        return _frame(data[_id3_length(data) :]) or "mp3"
    container = _frame(data)
    if container is None:
        raise NotSoundError("is neither mp3 nor wav nor m4a")
    return container


def _id3_length(data: bytes) -> int:
    if len(data) < 10:
        return len(data)
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _frame(data: bytes) -> str | None:
    """Tell an MPEG layer III frame from an ADTS frame by its first three bytes."""
    if len(data) < 4 or data[0] != 0xFF:
        return None
    if data[1] & 0xF6 == 0xF0:
        return "aac"
    layer_three, version = data[1] & 0xE6 == 0xE2, data[1] >> 3 & 3
    known = data[2] >> 4 not in (0, 15) and data[2] >> 2 & 3 != 3
    return "mp3" if layer_three and version != 1 and known else None


def _iso(data: bytes) -> str:
    brand = data[8:12]
    if brand[:2] == b"3g":
        raise NotSoundError("is a 3gp file, not m4a")
    kinds = list(_track_kinds(data))
    if b"vide" in kinds:
        raise NotSoundError("has a video track, m4a has sound only")
    if b"soun" not in kinds:
        raise NotSoundError("is an ISO file without a sound track")
    return "m4a"


def _track_kinds(data: bytes) -> Iterator[bytes]:
    """Yield the handler type of every track: `soun`, `vide`; cover art is no track."""
    for movie in _boxes(data, 0, len(data), b"moov"):
        for track in _boxes(data, *movie, b"trak"):
            for media in _boxes(data, *track, b"mdia"):
                for start, _ in _boxes(data, *media, b"hdlr"):
                    yield data[start + 8 : start + 12]


def _boxes(data: bytes, at: int, end: int, wanted: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of the content of every box of this type, on this level."""
    while at + 8 <= end:
        size, header = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:  # the real size follows in 64 bits
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:  # up to the end
            size = end - at
        if size < header:
            return
        if data[at + 4 : at + 8] == wanted:
            yield at + header, min(at + size, end)
        at += size


def _length_ms(data: bytes) -> float | None:
    """Measure the length; None where it can't be told, which is no fault of the sound's."""
    try:
        seconds = TinyTag.get(file_obj=BytesIO(data), tags=False).duration
    except TinyTagException:
        return None
    if not seconds or not 0 < seconds * 1000 < _ABSURD_MS:
        return None
    return seconds * 1000
