"""MP3 and bare AAC (ADTS): the duration is that of all frames, which are counted.

Headers that state a duration are often wrong or missing, and a file that was cut short still plays.
"""

from __future__ import annotations

import re
from functools import lru_cache

from attrs import frozen

from .info import CUT_SHORT, TOO_LARGE, Container, Finding, unpack

_SYNC = re.compile(rb"\xff[\xe2-\xe5\xf0-\xf5\xf8-\xfd]")
"""ADTS, layer II or layer III; layer I is no longer used, and a run of 0xFF would look like it."""
_MAX_JUNK = 256 * 1024
"""The search for frames ends after so many bytes without one."""
_MAX_TAGS = 16
_zeros = re.compile(rb"\0*")
_FREE_LENGTHS = range(24, 4096)
"""The distances in bytes between two frames of a free-format MP3, whose headers do not state their length."""

_MPEG1 = 3  # a version id in the header of a frame; 2 is MPEG 2, and 0 is MPEG 2.5
_RATES = {_MPEG1: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS_1_II = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_KBITS_1_III = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)

_Family = tuple[int, int]
"""Layer (0: ADTS) and sample rate in Hz; all frames of one stream agree on it."""


@frozen
class _Frame:
    family: _Family
    length: int
    """Bytes; 0 for free format."""
    padding: int
    samples: int


def skip_id3(data: bytes, at: int = 0) -> int:
    """Returns where the ID3v2 tags that begin at `at` end."""
    while data[at : at + 3] == b"ID3" and len(data) >= at + 10:
        at += 10 + _seven_bits(data, at + 6) + (10 if data[at + 5] & 0x10 else 0)  # a footer repeats the header
    return min(at, len(data))


def _seven_bits(data: bytes, at: int) -> int:
    size = 0
    for byte in data[at : at + 4]:
        size = size << 7 | byte & 0x7F
    return size


def _tag_before(data: bytes, end: int) -> int:
    """Bytes of the tag that ends at `end`: ID3v1, APE, Lyrics3 or ID3v2.4 with a footer; 0: there is none."""
    if data[max(0, end - 128) : end - 125] == b"TAG":
        return 128
    if end >= 32 and data[end - 32 : end - 24] == b"APETAGEX":
        with_header = 32 if data[end - 9] & 0x80 else 0
        return max(32, unpack(data, end - 20, 4, "little")) + with_header
    if end >= 15 and data[end - 9 : end] == b"LYRICS200" and data[end - 15 : end - 9].isdigit():
        return 15 + int(data[end - 15 : end - 9])
    if end >= 20 and data[end - 10 : end - 7] == b"3DI":
        return 20 + _seven_bits(data, end - 4)
    return 0


def _sound_end(data: bytes) -> int:
    """Where the tags at the end begin: a cover among them may be larger than the sound."""
    end = len(data)
    for _ in range(_MAX_TAGS):
        size = _tag_before(data, end)
        if not 0 < size <= end:
            break
        end -= size
    return end


def _skip_zeros(data: bytes, at: int) -> int:
    found = _zeros.match(data, at)
    return found.end() if found else at


def _skip_tags(data: bytes, at: int) -> int:
    """Where tags in the midst of the file end: an ID3v2 tag that was appended, an APE tag before another one."""
    for _ in range(_MAX_TAGS):
        began, at = at, skip_id3(data, at)
        if data[at : at + 8] == b"APETAGEX":
            at = min(len(data), at + 32 + unpack(data, at + 12, 4, "little"))
        if at == began:
            break
    return at


def read_mpeg(data: bytes, size: int) -> Finding | None:
    """Counts the frames in `data`, the beginning of `size` bytes; None if it is no MPEG audio."""
    walk = _Walk(data)
    start = walk.find(_skip_zeros(data, 0), _MAX_JUNK)
    if walk.family is None:
        return None
    layer, rate = walk.family
    if layer == 2:
        return Finding(Container.OTHER, None, "it looks like MPEG audio layer II (MP2)")
    container = Container.MP3 if layer else Container.AAC
    if size > len(data):
        return Finding(container, None, TOO_LARGE)
    walk.run(start)
    if not walk.samples:
        return Finding(container, None, "it holds no whole frame of sound")
    if walk.sound * 2 < walk.end - start - walk.tags:
        return Finding(container, None, "most of it is no sound that could be counted")
    note = CUT_SHORT if walk.promised > walk.frames + 1 else ""
    return Finding(container, walk.samples / rate, note)


class _Walk:
    """Goes through a file from frame to frame, and counts."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.end = _sound_end(data)
        self.tags = 0
        """Bytes of tags among the frames."""
        self.family: _Family | None = None
        self.free = 0
        """Bytes of a free-format frame without its padding; 0: not known."""
        self.frames = self.samples = self.sound = self.promised = 0

    def run(self, at: int) -> None:
        """Counts all frames from the one at `at` on, and skips what is no frame."""
        junk = 0
        while at >= 0:
            end = self._follow(at)
            behind = min(_skip_tags(self.data, end), self.end)
            self.tags += behind - end
            at = self.find(behind, _MAX_JUNK - junk)
            junk += at - behind

    def find(self, start: int, budget: int) -> int:
        """Returns the place of the first frame from `start` on that others follow; -1: none within `budget` bytes."""
        for match in _SYNC.finditer(self.data, start, min(self.end, start + budget)):
            at = match.start()
            frame = _frame(self.data, at)
            if frame and self.family in {None, frame.family}:
                free = self.free or (0 if frame.length else _free_length(self.data, at, frame))
                if self._confirmed(at, frame, free):
                    self.family, self.free = frame.family, free
                    return at
        return -1

    def _confirmed(self, at: int, frame: _Frame, free: int) -> bool:
        # Two more headers must follow at the right places, or the end of the file: every large file holds a single one.
        for _ in range(2):
            following = at + _length(frame, free)
            if following == self.end:
                return True
            found = _frame(self.data, following)
            if following == at or found is None or found.family != frame.family:
                return False
            at, frame = following, found
        return True

    def _follow(self, at: int) -> int:
        while (frame := _frame(self.data, at)) and frame.family == self.family:
            length = _length(frame, self.free)
            if not length or at + length > self.end:
                break
            self._count(at, frame.samples)
            self.sound += length
            at += length
        return at

    def _count(self, at: int, samples: int) -> None:
        promised = _promised(self.data[at + 4 : at + 64]) if not self.sound else None
        if promised is None:
            self.frames += 1
            self.samples += samples
        else:
            self.promised = promised  # the frame that contains such a header is silent


def _length(frame: _Frame, free: int) -> int:
    return frame.length or (free + frame.padding if free else 0)


def _frame(data: bytes, at: int) -> _Frame | None:
    header = data[at : at + 7]
    if len(header) < 4 or header[0] != 0xFF or header[1] < 0xE0:
        return None
    return _adts_frame(header) if header[1] & 0xF6 == 0xF0 else _mpeg_frame(header[1], header[2])


@lru_cache(maxsize=1024)
def _mpeg_frame(first: int, second: int) -> _Frame | None:
    version, layer, kbits, rate = first >> 3 & 3, 4 - (first >> 1 & 3), second >> 4, second >> 2 & 3
    if version not in _RATES or layer not in {2, 3} or kbits == 15 or rate == 3:
        return None
    hertz = _RATES[version][rate]
    table = _KBITS_2 if version != _MPEG1 else _KBITS_1_III if layer == 3 else _KBITS_1_II
    samples = 576 if layer == 3 and version != _MPEG1 else 1152
    padding = second >> 1 & 1
    length = samples // 8 * table[kbits] * 1000 // hertz + padding if kbits else 0
    return _Frame((layer, hertz), length, padding, samples)


def _adts_frame(header: bytes) -> _Frame | None:
    length = unpack(header, 3, 3) >> 5 & 0x1FFF
    rate = header[2] >> 2 & 15
    if len(header) < 7 or length < 7 or rate >= len(_ADTS_RATES):
        return None
    return _Frame((0, _ADTS_RATES[rate]), length, 0, 1024 * (1 + (header[6] & 3)))


def _free_length(data: bytes, at: int, frame: _Frame) -> int:
    """Returns the distance in bytes to the next header like the one at `at`, without padding; 0: none is found."""
    stop = at + _FREE_LENGTHS.stop
    following = data.find(data[at : at + 2], at + _FREE_LENGTHS.start, stop)
    while following >= 0:
        other = _frame(data, following)
        if other and not other.length and other.family == frame.family:
            return following - at - frame.padding
        following = data.find(data[at : at + 2], following + 1, stop)
    return 0


def _promised(content: bytes) -> int | None:
    """Returns the number of frames that a Xing, Info or VBRI header states, 0 if it states none; None: no header."""
    # It stands after the side information, which is 9 to 32 bytes long, depending on version and channels.
    for name in (b"Xing", b"Info"):
        if (at := content.find(name)) >= 0:
            return unpack(content, at + 8, 4) if content[at + 7 : at + 8] and content[at + 7] & 1 else 0
    return unpack(content, at + 14, 4) if (at := content.find(b"VBRI")) >= 0 else None
