"""Where videos are put: a folder, an object store, or whatever has a `put`.

`ObjectStore` needs obstore, the extra `[store]`; it is imported when one is made.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib import import_module
from typing import Any, Protocol

from lipsync_async.errors import ConfigurationError, WrongArgumentError
from lipsync_async.given import shown

from .folder import Folder

PART = 5 * 2**20
"""Bytes of one part of an upload, the least that S3 takes; one part an upload is in memory, beside a block."""
REQUEST_PATIENCE = "300s"
"""For one part; 30 s, what is usual, ends uploads over slow lines."""
PARTING = 30.0
"""Seconds that an upload which is broken off gets, to take back the parts that it sent."""


class Store(Protocol):
    """Keeps videos: whole, or not at all."""

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str:
        """Keeps what comes under this name, and returns where it is.

        What `chunks` raises is to be let through, and nothing of this name may be there then.
        It may be called again for the same name after that.
        """
        ...


def store_for(to: str | os.PathLike[str] | Store, *, owner: str | None = None) -> Store:
    """The store that a user means: a path, an address such as `s3://bucket/prefix`, or a store.

    Raises `ConfigurationError` where obstore is needed and missing, or the address is not known to it, and
    `WrongArgumentError` for what is none.
    """
    expect_store(to)
    if isinstance(to, str) and "://" in to:
        return ObjectStore(to)
    return Folder(to, owner=owner) if isinstance(to, str | os.PathLike) else to


def expect_store(to: object) -> None:
    """Raises `WrongArgumentError` for what no video can be put into; None is no fault here."""
    if to is not None and not isinstance(to, str | os.PathLike) and not hasattr(to, "put"):
        told = "must be a folder, an address such as s3://bucket/prefix, or an object with put"
        raise WrongArgumentError(f"the place of videos {told}, not {shown(to)}")


class ObjectStore:
    """An object store of S3's kind, or another that obstore knows (`s3://`, `gs://`, `az://`).

    A video takes the place of an object of its name, in one step, when the last part is there.
    Where the process is killed in an upload, its parts stay in the bucket, unseen: a lifecycle rule of the bucket
    (abort incomplete multipart uploads) clears them away.
    """

    def __init__(self, url: str, **options: Any) -> None:
        """`options` are obstore's, such as `endpoint` and `region`; what is not given comes from the environment.

        Raises `ConfigurationError`.
        """
        self._obstore = _load()
        client = {"timeout": REQUEST_PATIENCE, **options.pop("client_options", {})}
        try:
            self._store = self._obstore.store.from_url(url, client_options=client, **options)
        except Exception as error:  # noqa: BLE001 - obstore's own errors have no base but this
            raise ConfigurationError(f"{url.partition('?')[0]} is no store that can be used: {error}") from None
        self.url = url.rstrip("/")

    def __repr__(self) -> str:
        return f"<ObjectStore {self.url}>"

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str:
        """Keeps what comes as an object of this name, and returns its address.

        Cancelled, it takes back what it sent before it leaves, for at most half a minute.
        """
        source = _Interruptible(chunks)
        upload = asyncio.ensure_future(
            self._obstore.put_async(self._store, name, source, chunk_size=PART, max_concurrency=1)
        )
        try:
            await asyncio.shield(upload)
        except asyncio.CancelledError:
            source.interrupt()  # the upload itself is never cancelled: its parts would stay in the bucket
            try:
                await asyncio.wait({upload}, timeout=PARTING)
            finally:
                upload.cancel()  # nothing, where it has ended
            if upload.done() and not upload.cancelled():
                upload.exception()  # so that nobody complains that it was never asked for
            raise
        return f"{self.url}/{name}"

    async def sign(self, name: str, seconds: float, *, method: str = "GET") -> str:
        """An address of an object that anybody may use for so long; what needs a secret to be made stays here."""
        signed: str = await self._obstore.sign_async(self._store, method, name, timedelta(seconds=seconds))
        return signed


class _InterruptedError(Exception):
    """The upload is to end."""


class _Interruptible:
    """Ends an upload from its source, so that it takes back the parts that it sent."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._next: asyncio.Future[bytes] | None = None
        self._interrupted = False

    def interrupt(self) -> None:
        self._interrupted = True
        if self._next is not None:
            self._next.cancel()

    def __aiter__(self) -> _Interruptible:
        return self

    async def __anext__(self) -> bytes:
        if not self._interrupted:
            self._next = asyncio.ensure_future(self._chunks.__anext__())
            try:
                return await self._next
            except asyncio.CancelledError:
                if not self._interrupted:
                    raise
        raise _InterruptedError("the upload was broken off")


def _load() -> Any:
    try:
        import_module("obstore.store")
        return import_module("obstore")
    except ImportError:
        raise ConfigurationError("for object stores install lipsync-async[store]") from None
