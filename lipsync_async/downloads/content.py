"""Whether what comes is a video, and whether all of it came (contract, section 5b).

Pure: bytes are handed in as they arrive, in pieces of any size.
"""

from __future__ import annotations

import zlib
from enum import Enum

START = 4096
"""Bytes within which a video says that it is one."""
_HEADER = 8
"""Bytes of a box's header: its length, and its name."""
_LARGE = b"\0\0\0\1"
"""Instead of a length: it has 64 bits, and stands behind the name."""
_BEFORE_FTYP = frozenset({b"free", b"skip", b"wide", b"styp", b"uuid", b"pdin"})
"""Boxes that may stand before `ftyp`."""
_PAGE = (b"<", b"{", b"[", b'"')
"""How a page, and how a JSON text begins."""


class Look(Enum):
    """What the first bytes of a body say it is."""

    VIDEO = "a video"
    PAGE = "a page or a JSON text instead of a video"
    OTHER = "no video"
    EMPTY = "nothing"
    OPEN = "too little to tell"


def look(start: bytes, *, ended: bool = False) -> Look:
    """What a body is by its first bytes; `ended`: there are no more."""
    at = 0
    while at + _HEADER <= min(len(start), START):
        length, name = int.from_bytes(start[at : at + 4], "big"), start[at + 4 : at + 8]
        if name == b"ftyp":
            return Look.VIDEO
        if name not in _BEFORE_FTYP or length < _HEADER:
            return _no_video(start)
        at += length
    if at + _HEADER > START:
        return _no_video(start)
    if ended:
        return _no_video(start) if start else Look.EMPTY
    return Look.OPEN


def _no_video(start: bytes) -> Look:
    return Look.PAGE if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_PAGE) else Look.OTHER


class Boxes:
    """Follows the boxes of an MP4 file, and says whether it may end here.

    It decides only for a body that ends with its connection: nothing else says there that it is whole.
    """

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        self._names: set[bytes] = set()
        self._open_ended = False

    def feed(self, data: bytes) -> None:
        """The next bytes of the file."""
        at = 0
        while at < len(data) and not self._open_ended:
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
            else:
                step = (2 * _HEADER if self._header.startswith(_LARGE) else _HEADER) - len(self._header)
                self._header += data[at : at + step]
                at += step
                self._read_header()

    def _read_header(self) -> None:
        if len(self._header) < _HEADER:
            return
        length, size = int.from_bytes(self._header[:4], "big"), _HEADER
        if length == 1:
            if len(self._header) < 16:
                return
            length, size = int.from_bytes(self._header[8:], "big"), 16
        self._open_ended = length < size  # 0: to the end of the file, wherever that is; less than a header: no box
        self._names.add(self._header[4:8])
        self._left = max(0, length - size)
        self._header = b""

    @property
    def whole(self) -> bool:
        """A file that ends here is complete: no box is open, and there are pictures and what describes them."""
        ended = not self._left and not self._header and not self._open_ended
        return ended and {b"ftyp", b"moov"} <= self._names and bool({b"mdat", b"moof"} & self._names)


class Unpacker:
    """Takes gzip off a body whose server packed it although it was asked not to.

    Raises ValueError for what is no gzip; never gives more than `most` bytes and one, so that no bomb goes off.
    """

    def __init__(self, most: int) -> None:
        self._zip = zlib.decompressobj(31)
        self._left = most + 1

    def feed(self, data: bytes) -> bytes:
        """What comes out of the next bytes."""
        try:
            out = self._zip.decompress(data, max(1, self._left))
        except zlib.error as error:
            raise ValueError(f"no gzip: {error}") from None
        self._left -= len(out)
        return out

    @property
    def whole(self) -> bool:
        """All was unpacked, and its checksum is right."""
        return self._zip.eof
