"""A file or bytes as a sound, and its Base64 text in slices."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from attrs import field, frozen

from .info import AudioInfo
from .probing import probe

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

SLICE = 36 * 1024
"""Bytes of sound in a slice: a multiple of 3, so that the slices of Base64 (48 KiB) can be joined."""

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TEXT_SLICE = 64 * 1024
_FRESH_NS = 3_000_000_000
"""Nanoseconds; two writes this far apart have different modification times, also on FAT, which counts 2 s."""


class AudioChanged(OSError):  # noqa: N818 - it says what happened; the dispatcher rejects the job
    """The file is not the one that was checked any more; `filename` is its path."""


def _changed(path: Path) -> AudioChanged:
    return AudioChanged(errno.ESTALE, "the file changed after it was checked", str(path))


def _open(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a named pipe would wait until somebody writes to it.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _base64_length(size: int) -> int:
    return (size + 2) // 3 * 4


def _step(size: int) -> int:
    return max(3, size // 3 * 3)


def _encoder() -> Callable[[bytes | memoryview], bytes]:
    # Imported here because most jobs name their sound by an id or a URL, and need no Base64.
    from pybase64 import b64encode

    return b64encode


@frozen(repr=False)
class AudioFile:
    """A sound file on disk; it is probed once, when this is made, and its content is not kept.

    Two are equal if path, size and modification time are.
    Raises `OSError` as `open` does, and if `path` is not a regular file.
    """

    path: Path = field(converter=Path)
    info: AudioInfo = field(init=False, eq=False)
    """What the content is, and how long it plays."""
    size: int = field(init=False)
    """The size of the file in bytes."""
    mtime_ns: int = field(init=False)
    """The modification time, in nanoseconds since 1970."""
    inode: int = field(init=False, eq=False)
    _fresh: bool = field(init=False, eq=False)
    """It was checked so soon after it was written that another write may have the same modification time."""
    _digest: str | None = field(init=False, eq=False, default=None)

    def __attrs_post_init__(self) -> None:
        now = time.time_ns()
        with self._opened() as source:
            found = os.fstat(source.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(self.path))
            self._keep(size=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino)
            self._keep(_fresh=now - found.st_mtime_ns <= _FRESH_NS)
            self._keep(info=probe(source, found.st_size))

    def _keep(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _opened(self) -> BinaryIO:
        return open(self.path, "rb", opener=_open)

    @property
    def base64_length(self) -> int:
        """The length of the whole Base64 text in characters."""
        return _base64_length(self.size)

    def digest(self) -> str:
        """Returns the SHA-256 of the file in hex; raises `AudioChanged` if it is not the file that was checked."""
        if self._digest is None:
            for _ in self._read(SLICE, sha256()):
                pass
        return str(self._digest)

    def slices(self, size: int = SLICE) -> Iterator[bytes]:
        """Yields the Base64 text in slices of `size` bytes of sound, rounded down to a multiple of 3.

        Raises `AudioChanged` before the last slice if the file is not the one that was checked.
        """
        encode = _encoder()
        # A later write changes the modification time, unless it comes within one tick of the clock.
        # So a fresh file is hashed again; for other files that would be the largest cost, and useless.
        for chunk in self._read(_step(size), sha256() if self._fresh else None):
            yield encode(chunk.pop())

    def _read(self, step: int, hasher: Hash | None) -> Iterator[list[bytes]]:
        """Yields each chunk in a list, from which the receiver takes it: a sender that waits then holds no audio."""
        try:
            source = self._opened()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise _changed(self.path) from error
        with source:
            self._check(os.fstat(source.fileno()))
            for start in range(0, self.size, step):
                chunk = [source.read(min(step, self.size - start))]
                if hasher is not None:
                    hasher.update(chunk[0])
                if start + step >= self.size:
                    self._check_end(hasher)
                yield chunk
        if not self.size:
            self._check_end(hasher)

    def _check(self, found: os.stat_result) -> None:
        if (found.st_size, found.st_mtime_ns, found.st_ino) != (self.size, self.mtime_ns, self.inode):
            raise _changed(self.path)

    def _check_end(self, hasher: Hash | None) -> None:
        # By path and not by descriptor: the descriptor of a file that was replaced is still that of the old one.
        try:
            self._check(self.path.stat())
        except FileNotFoundError as error:
            raise _changed(self.path) from error
        if hasher is not None:
            digest = hasher.hexdigest()
            if self._digest not in {None, digest}:
                raise _changed(self.path)
            self._keep(_digest=digest)

    def __repr__(self) -> str:
        return f"<AudioFile {str(self.path)!r}, {self.size} bytes, {self.info.container}>"


def _as_bytes(data: object) -> bytes:
    # Not bytes(data): bytes(5) is five zeros.
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"sound must be bytes, not {type(data).__name__}")


@frozen(repr=False)
class AudioBytes:
    """A sound in memory, with the interface of `AudioFile`; two are equal if their bytes are.

    Raises `TypeError` for a value that is not bytes.
    """

    data: bytes = field(converter=_as_bytes)
    info: AudioInfo = field(init=False, eq=False)
    """What the content is, and how long it plays."""
    _digest: str | None = field(init=False, eq=False, default=None)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "info", probe(BytesIO(self.data), self.size))

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self.data)

    @property
    def base64_length(self) -> int:
        """The length of the whole Base64 text in characters."""
        return _base64_length(self.size)

    def digest(self) -> str:
        """Returns the SHA-256 of the bytes in hex."""
        if self._digest is None:
            object.__setattr__(self, "_digest", sha256(self.data).hexdigest())
        return str(self._digest)

    def slices(self, size: int = SLICE) -> Iterator[bytes]:
        """Yields the Base64 text in slices of `size` bytes of sound, rounded down to a multiple of 3."""
        encode, step, view = _encoder(), _step(size), memoryview(self.data)
        for start in range(0, self.size, step):
            yield encode(view[start : start + step])

    def __repr__(self) -> str:
        return f"<AudioBytes {self.size} bytes, {self.info.container}>"


def base64_size(text: str) -> int | None:
    """Returns how many bytes a Base64 text encodes; None if it is not Base64 (standard alphabet, padded, no spaces)."""
    body = len(text) - text[-2:].count("=")
    if len(text) % 4 or not text.isascii():
        return None
    for start in range(0, body, _TEXT_SLICE):
        piece = text[start : min(body, start + _TEXT_SLICE)].encode("ascii")
        if piece.translate(None, _ALPHABET):
            return None
    return body * 3 // 4
