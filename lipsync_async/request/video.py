"""A look at a video file before anything is paid for it (contract, section 1).

Only the headers are read: what a gateway makes of the pictures, it alone knows.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import BinaryIO

from attrs import field, frozen

from lipsync_async.errors import Violation

from .audio import probe
from .audio.boxes import Box, children_of, find_box
from .audio.info import unpack
from .audio.iso import is_iso

SHORTEST, LONGEST = 2_000, 60_000
"""Milliseconds that a video may last."""
SLACK = 100
"""Milliseconds this close to a limit are a warning, for a gateway may measure otherwise."""
MAX_BYTES, LARGE_BYTES = 104_857_600, 100_000_000
"""The two readings of "100 MB": above the larger is an error, above the smaller a warning."""
SMALLEST_SIDE, LARGEST_SIDE = 512, 2_160
"""Pixels of a side."""
_MAX_INDEX = 32 * 1024 * 1024
"""Bytes of an index that are read: that of an hour's film is smaller."""
_MAX_BOXES = 10_000
_TAIL_OF_TRACK = {0: 76, 1: 88}
"""Where a track header of that version holds the two sides (ISO 14496-12, 8.3.2)."""


@frozen(kw_only=True)
class VideoInfo:
    """What the headers of a video file say."""

    container: str
    """`mp4`, `mov`, or `unknown`."""
    size: int
    """Bytes of the whole file."""
    length: int | None = None
    """Milliseconds, rounded down; None: not known."""
    sides: tuple[int, int] | None = None
    """Width and height in pixels; None: not known."""
    note: str = ""
    """What is wrong with it; empty if nothing is."""


@frozen(repr=False)
class VideoFile:
    """A video on disk; its headers are looked at when this is made, and its content is read for its digest alone.

    Two are equal if path, size and modification time are.
    Raises `OSError` as `open` does, and if `path` is no regular file.
    """

    path: Path = field(converter=Path)
    info: VideoInfo = field(init=False, eq=False)
    size: int = field(init=False)
    mtime_ns: int = field(init=False)
    inode: int = field(init=False, eq=False)
    _digest: str | None = field(init=False, eq=False, default=None)

    def __attrs_post_init__(self) -> None:
        found = self.path.stat()
        self._keep(size=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino, info=look_at_video(self.path))

    def digest(self) -> str:
        """Returns the SHA-256 of the file in hex; raises `OSError` if it is not the file that was looked at."""
        if self._digest is None:
            with self.path.open("rb") as source:
                told = file_digest(source, "sha256").hexdigest()
                found = os.fstat(source.fileno())
            if (found.st_size, found.st_mtime_ns, found.st_ino) != (self.size, self.mtime_ns, self.inode):
                raise OSError(errno.ESTALE, "the file changed after it was checked", str(self.path))
            self._keep(_digest=told)
        return str(self._digest)

    def _keep(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<VideoFile {str(self.path)!r}, {self.size} bytes, {self.info.container}>"


def look_at_video(path: str | os.PathLike[str]) -> VideoInfo:
    """What a file's headers say; reads only those, wherever in the file they stand.

    Raises `OSError` if it can't be read or is no regular file; whatever the bytes are, nothing else.
    """
    with Path(path).open("rb") as source:
        found = os.fstat(source.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return _read(source, found.st_size)


def check_video(path: str | os.PathLike[str]) -> list[Violation]:
    """Why identify-face would refuse a local video; an empty list for one that it should take.

    Raises `OSError` if the file can't be read.
    """
    return list(file_faults("video", look_at_video(path)))


def file_faults(path: str, info: VideoInfo) -> Iterator[Violation]:
    """Why identify-face would refuse a video file; `path` is the field that names it."""
    if info.container == "unknown":
        yield Violation(path, "video_format", f"must be an .mp4 or .mov video: {info.note}")
        return
    yield from _size_faults(path, info.size)
    if info.note:
        yield Violation(path, "video_unusable", info.note)
        return
    yield from _length_faults(path, info.length)
    yield from _side_faults(path, info.sides)


# ---- reading ---------------------------------------------------------------------------------------------------------


def _read(source: BinaryIO, size: int) -> VideoInfo:
    head = source.read(12)
    if not is_iso(head):
        source.seek(0)
        return VideoInfo(container="unknown", size=size, note=probe(source, size).note or "its content is a sound")
    brand = head[8:12] if head[4:8] == b"ftyp" else b"qt  "
    if brand.startswith(b"3g"):
        return VideoInfo(container="unknown", size=size, note="its content is 3GP")
    container = "mov" if brand == b"qt  " else "mp4"
    places = dict(_top_boxes(source, size))
    cut_short = any(end > size for _, end in places.values())
    if b"moov" not in places:
        return VideoInfo(container=container, size=size, note="it has no index (moov): cut short, or never finished")
    if cut_short:
        return VideoInfo(container=container, size=size, note="it is cut short: its header promises more than there is")
    start, end = places[b"moov"]
    source.seek(start)
    return _of_index(source.read(min(end - start, _MAX_INDEX)), container, size)


def _top_boxes(source: BinaryIO, size: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Where the contents of the file's own boxes begin and end, by their names; the last of a name counts."""
    at = 0
    for _ in range(_MAX_BOXES):
        source.seek(at)
        head = source.read(16)
        if len(head) < 8:
            return
        length, header = unpack(head, 0, 4), 8
        if length == 1:
            length, header = unpack(head, 8, 8), 16
        stop = at + length if length else size  # 0: to the end of the file
        if stop < at + header:
            return
        yield head[4:8], (at + header, stop)
        at = stop


def _of_index(data: bytes, container: str, size: int) -> VideoInfo:
    movie = Box(b"moov", 0, len(data), whole=True)
    tracks = [trak for trak in children_of(data, movie, b"trak") if _is_picture(data, trak)]
    if not tracks:
        return VideoInfo(container=container, size=size, note="it has no video track")
    return VideoInfo(container=container, size=size, length=_length(data, movie), sides=_sides(data, tracks[0]))


def _is_picture(data: bytes, trak: Box) -> bool:
    kind = find_box(data, trak, b"mdia", b"hdlr").start + 8
    return data[kind : kind + 4] == b"vide"


def _length(data: bytes, movie: Box) -> int | None:
    """That of the movie; a fragmented one may tell it in another place, or nowhere."""
    header = find_box(data, movie, b"mvhd").start
    scale, units = _scaled(data, header, 12, 20)
    if not units:
        told = find_box(data, movie, b"mvex", b"mehd").start
        units = unpack(data, told + 4, 8 if _version(data, told) else 4)
    return units * 1_000 // scale if scale and units and units < 2**63 else None


def _scaled(data: bytes, header: int, short: int, long: int) -> tuple[int, int]:
    """Units a second, and units; where they stand depends on the header's version."""
    if _version(data, header):
        return unpack(data, header + long, 4), unpack(data, header + long + 4, 8)
    units = unpack(data, header + short + 4, 4)
    return unpack(data, header + short, 4), 0 if units == 2**32 - 1 else units


def _version(data: bytes, header: int) -> int:
    return unpack(data, header, 1)


def _sides(data: bytes, trak: Box) -> tuple[int, int] | None:
    header = find_box(data, trak, b"tkhd").start
    at = header + _TAIL_OF_TRACK.get(_version(data, header), len(data))
    sides = (unpack(data, at, 4) >> 16, unpack(data, at + 4, 4) >> 16)
    return sides if all(sides) else None


# ---- judging ---------------------------------------------------------------------------------------------------------


def _size_faults(path: str, size: int) -> Iterator[Violation]:
    if size > MAX_BYTES:
        yield Violation(path, "video_too_large", f"must be at most 100 MB, and is {size:,} bytes")
    elif size > LARGE_BYTES:
        told = f"{size:,} bytes are over 100,000,000: a gateway may mean that by 100 MB"
        yield Violation(path, "video_large", told, "warning")


def _length_faults(path: str, length: int | None) -> Iterator[Violation]:
    if length is None:
        yield Violation(path, "video_length_unknown", "its length is not known: 2 to 60 s are taken", "warning")
        return
    told = f"must be 2 to 60 s long, and is {length / 1_000:g} s"
    if length < SHORTEST - SLACK:
        yield Violation(path, "video_too_short", told)
    elif length > LONGEST + SLACK:
        yield Violation(path, "video_too_long", told)
    elif length <= SHORTEST + SLACK or length >= LONGEST - SLACK:
        told += ": so near the limit that the gateway may measure otherwise"
        yield Violation(path, "video_length_borderline", told, "warning")


def _side_faults(path: str, sides: tuple[int, int] | None) -> Iterator[Violation]:
    if sides is None:
        yield Violation(path, "video_sides_unknown", "its width and height are not known", "warning")
        return
    told = f"its sides must be 512 to 2160 pixels, and are {sides[0]} x {sides[1]}"
    if min(sides) < SMALLEST_SIDE:
        yield Violation(path, "video_too_small", told)
    if max(sides) > LARGEST_SIDE:
        yield Violation(path, "video_sides_too_large", told)
