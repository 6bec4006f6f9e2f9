"""WAV: RIFF with 32-bit sizes, RF64 and BW64 with 64-bit ones, and files that were written to a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen

from .info import CUT_SHORT, Container, Finding, ask_tinytag, settle, unpack

_MAX_CHUNKS = 1000
_LINEAR = {0x0001, 0x0003, 0x0006, 0x0007}
"""PCM, float, A-law, mu-law: the same number of bytes in every second."""
_BLOCKS = {0x0002, 0x0011, 0x0031}
"""MS ADPCM, IMA ADPCM, GSM: the header states the samples in a block; its bytes in a second are often wrong."""
_EXTENSIBLE = 0xFFFE
_IN_DS64 = 0xFFFFFFFF
_PIPED = 0x7FFF0000
"""Bytes; a program that writes to a pipe leaves 0xFFFFFFFF (ffmpeg), a size near 0x7FFFFFFF (sox), or 0."""


@frozen
class _Chunk:
    name: bytes
    start: int
    size: int
    """The size that the header states, in bytes; there may be less."""


@frozen
class _Format:
    tag: int
    channels: int
    bits: int
    """In a sample of one channel."""
    rate: int
    """Frames a second."""
    byte_rate: int
    """Bytes a second, as the header states it."""
    align: int
    """Bytes in a block."""
    samples: int
    """Frames in a block; only block codecs have it."""

    @property
    def is_countable(self) -> bool:
        return self.tag in _LINEAR or self.tag in _BLOCKS

    def seconds(self, size: int) -> float:
        """Returns the length of `size` bytes of sound in seconds; 0 if the format contradicts itself."""
        if self.tag in _BLOCKS:
            return size / self.align * self.samples / self.rate if self.align and self.rate else 0
        byte_rate = self._linear_byte_rate() if self.tag in _LINEAR else self.byte_rate
        return size / byte_rate if byte_rate else 0

    def _linear_byte_rate(self) -> int:
        """By two of the three that agree: the bytes in a second, in a block, and in the samples of all channels."""
        frame = self.channels * (-(-self.bits // 8))
        if frame and frame in {self.align, self.byte_rate / self.rate if self.rate else 0}:
            return frame * self.rate
        return self.byte_rate if self.byte_rate == self.rate * self.align else 0


def is_wav(data: bytes) -> bool:
    """Whether the data begin like a WAV file of any kind."""
    return data[:4] in {b"RIFF", b"RF64", b"BW64"} and data[8:12] == b"WAVE"


def read_wav(data: bytes, size: int) -> Finding:
    """Measures the sound in a WAV file; `data` is the beginning of its `size` bytes."""
    chunks = {chunk.name: chunk for chunk in _chunks(data)}
    if not {b"fmt ", b"data"} <= chunks.keys():
        return Finding(Container.WAV, None, "it is cut short: no sound follows its header")
    wave, sound = _format(data, chunks[b"fmt "].start), chunks[b"data"]
    present, note = _present(data, sound.start, _promised(data, chunks), size - sound.start)
    promised = None if note else ask_tinytag(data[: sound.start])
    if promised is None and not wave.is_countable:
        return Finding(Container.WAV, None, note or f"its codec (0x{wave.tag:04x}) does not tell its length")
    return settle(Container.WAV, promised, wave.seconds(present), present, note)


def _chunks(data: bytes) -> Iterator[_Chunk]:
    at = 12
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            break
        length = unpack(data, at + 4, 4, "little")
        yield _Chunk(data[at : at + 4], at + 8, length)
        at += 8 + length + length % 2


def _format(data: bytes, start: int) -> _Format:
    tag = unpack(data, start, 2, "little")
    if tag == _EXTENSIBLE:
        tag = unpack(data, start + 24, 2, "little")
    return _Format(
        tag=tag,
        channels=unpack(data, start + 2, 2, "little"),
        bits=unpack(data, start + 14, 2, "little"),
        rate=unpack(data, start + 4, 4, "little"),
        byte_rate=unpack(data, start + 8, 4, "little"),
        align=unpack(data, start + 12, 2, "little"),
        samples=unpack(data, start + 18, 2, "little"),
    )


def _promised(data: bytes, chunks: Mapping[bytes, _Chunk]) -> int:
    """Returns the bytes of sound that the header states."""
    if chunks[b"data"].size == _IN_DS64 and b"ds64" in chunks:
        return unpack(data, chunks[b"ds64"].start + 8, 8, "little")
    return chunks[b"data"].size


def _present(data: bytes, start: int, promised: int, rest: int) -> tuple[int, str]:
    """Returns the bytes of sound that are there, and a note if that is unusual."""
    # With a size of 0 either the sound follows, or other chunks do, to the very end.
    if 0 < promised <= rest or (not promised and _chunks_follow(data, start, start + rest)):
        return promised, ""
    piped = not promised or promised >= _PIPED
    return rest, "its header does not tell its length, which was counted" if piped else CUT_SHORT


def _chunks_follow(data: bytes, at: int, end: int) -> bool:
    """Whether what begins here is chunks: samples may look like letters, but hardly like sizes that add up."""
    for _ in range(_MAX_CHUNKS):
        if at >= end:
            break
        name = data[at : at + 4]
        if len(name) < 4 or not all(32 <= byte < 127 for byte in name):
            return False
        length = unpack(data, at + 4, 4, "little")
        at += 8 + length + length % 2
    return at in {end, end + 1}
