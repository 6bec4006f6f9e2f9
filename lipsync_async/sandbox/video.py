"""The file behind a finished task: one small real video, and a box that makes each task's file its own."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import attrs

_FOLDER = Path(__file__).parent / "clip"
_PATTERN = bytes(range(251))  # a prime length: bytes at a wrong offset are never the right ones
_HEAD = 8  # bytes of a box before its content


@cache
def clip() -> bytes:
    """The video as it is shipped."""
    return (_FOLDER / "video.mp4").read_bytes()


@cache
def picture() -> bytes:
    """The face as identify-face shows it: a frame of the clip."""
    return (_FOLDER / "face.jpg").read_bytes()


@attrs.frozen
class Video:
    """A file that is made up while it is read, so that a big one takes no memory."""

    front: bytes = attrs.field(repr=False)
    """The clip, and the head and the name of the box behind it."""
    size: int
    """Bytes of the whole file."""
    etag: str
    """A strong one, in its quotes."""

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        """The bytes from `start` up to `end`, or to the file's own."""
        end = self.size if end is None else min(end, self.size)
        front = self.front[start:end]
        first = max(start, len(self.front)) - len(self.front)
        length = max(0, end - len(self.front) - first)
        offset = first % len(_PATTERN)
        filling = (_PATTERN * (length // len(_PATTERN) + 2))[offset : offset + length]
        return front + filling

    def sha256(self) -> str:
        """The hash of the whole file."""
        digest = hashlib.sha256()
        for start in range(0, self.size, 1 << 20):
            digest.update(self.read(start, start + (1 << 20)))
        return digest.hexdigest()


def video_of(task_id: str, least: int = 0, edition: int = 0) -> Video:
    """A task's file of at least so many bytes; another edition has another length and ETag."""
    name = f"task {task_id} edition {edition}".encode() + bytes(edition)
    filling = max(0, least + edition - len(clip()) - _HEAD - len(name))
    box = (_HEAD + len(name) + filling).to_bytes(4, "big") + b"free" + name
    front = clip() + box
    size = len(front) + filling
    etag = hashlib.sha256(box).hexdigest()[:24]
    return Video(front, size, f'"{etag}"')
