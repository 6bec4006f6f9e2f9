"""Local files on their way to where the gateway can fetch them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from attrs import frozen

from lipsync_async.downloads.store import ObjectStore
from lipsync_async.errors import NotSentError
from lipsync_async.terms import Kind

Uploads = Callable[[Path], Awaitable[str]]
"""Puts a local file where the gateway can fetch it, and returns its URL.

The URL must work for a day, or for as many seconds as the attribute `lasts` says: it is used again for that long.
"""
LASTS = 24 * 3600.0
"""Seconds that a URL is taken to work where nothing else is said."""
SPARE = 3600.0
"""Seconds before its end from which on a URL is not used any more: it is fetched some time after it was sent."""
WEEK = 7 * 24 * 3600.0
"""The longest that S3 signs for."""
_BLOCK = 1 << 20


class OnDisk(Protocol):
    """An `AudioFile` or a `VideoFile`."""

    @property
    def path(self) -> Path:
        """Where it is."""
        ...

    def digest(self) -> str:
        """Of its content."""
        ...


@frozen
class LocalFile:
    """A file that is to be put there, by its content."""

    file: OnDisk

    @property
    def name(self) -> str:
        """The same for the same content, wherever it lies. Raises OSError where it cannot be read."""
        return f"sha256:{self.file.digest()}"


def life_of(uploads: Uploads) -> float:
    """Seconds for which a URL of theirs is used."""
    lasts = getattr(uploads, "lasts", LASTS)
    return max(0.0, float(lasts) - SPARE) if isinstance(lasts, int | float) else LASTS - SPARE


async def put(uploads: Uploads, local: LocalFile) -> str:
    """Its URL, when it is there. Raises `NotSentError`, whatever the caller's code raises."""
    try:
        url = await uploads(local.file.path)
        await asyncio.to_thread(_confirm, local.file)
    except Exception as error:
        text = f"{local.file.path} could not be uploaded: {type(error).__name__}: {error}"
        raise NotSentError(text, kind=Kind.STORAGE) from error
    if not str(url).lower().startswith(("http://", "https://")):
        text = f"{local.file.path} was uploaded, and its address is none that a gateway can fetch"
        raise NotSentError(text, kind=Kind.STORAGE)
    return url


def _confirm(file: OnDisk) -> None:
    """What was uploaded is what was looked at. Raises OSError."""
    found = file.path.stat()
    known = (getattr(file, "size", None), getattr(file, "mtime_ns", None))
    if known != (None, None) and known != (found.st_size, found.st_mtime_ns):
        raise OSError("the file changed while it was uploaded")


class StoreUploads:
    """Puts files into an object store (`s3://bucket/prefix`), and signs their URLs for a week."""

    lasts = WEEK

    def __init__(self, url: str) -> None:
        """Raises `ConfigurationError`, also where obstore is missing: it comes with the extra `[store]`."""
        self._store = ObjectStore(url)

    def __repr__(self) -> str:
        return f"<StoreUploads {self._store.url}>"

    async def __call__(self, path: Path) -> str:
        """Puts the file under its name, size and time, and returns its signed URL."""
        found = await asyncio.to_thread(os.stat, path)
        name = f"{found.st_mtime_ns:x}-{found.st_size:x}-{path.name}"
        await self._store.put(name, _blocks(path))
        return await self._store.sign(name, self.lasts)


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    source: BinaryIO = await asyncio.to_thread(path.open, "rb")
    try:
        while block := await asyncio.to_thread(source.read, _BLOCK):
            yield block
    finally:
        source.close()
