"""One video, from its task to its place: `Downloaded` or `DownloadFailed`, and nothing is raised but what cancels.

A fetcher has a session of its own, for the videos of one gateway.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
from attrs import field, frozen

from lipsync_async.endings import Downloaded, DownloadFailed, DownloadKind
from lipsync_async.wire.texts import message

from .budget import Patience
from .heads import GiveUp
from .meter import Meter
from .session import Proxies, make_session, rules_of
from .source import Key, Source
from .store import Store
from .stream import Renew, Stream, is_cancelled

MOST_BYTES = 2**30
"""Of a video; one of a minute has a few tens of millions."""


@frozen(kw_only=True)
class FetchOptions:
    """How videos are fetched."""

    max_bytes: int = MOST_BYTES
    """Of one video."""
    trust_env: bool = False
    """A proxy is taken from the environment."""
    patience: Patience = field(factory=Patience)


class Fetcher:
    """Fetches the videos of one gateway; an async context manager, in one event loop.

    `key` gives the headers of a call to the gateway; `Authorization` of them is sent to its own origin alone.
    """

    def __init__(self, gateway_url: str, key: Key | None = None, options: FetchOptions | None = None) -> None:
        self._gateway_url = gateway_url
        self._key = key
        self._options = options or FetchOptions()
        self._session: aiohttp.ClientSession | None = None
        self._source: Source | None = None
        self.meter = Meter()
        """What came from the network."""

    async def __aenter__(self) -> Self:
        proxies = Proxies(trust_env=self._options.trust_env)
        rules = await rules_of(self._gateway_url)
        self._session = make_session(rules, proxies)
        self._source = Source(self._session, rules, proxies, self._key, most=self._options.max_bytes)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(
        self, external_task_id: str | None, task_id: str, renew: Renew, store: Store, name: str
    ) -> Downloaded | DownloadFailed:
        """Fetches one video into a store, under this name, which is that of no other video there.

        `renew` asks the task for an address of its video; it is called when this one's turn comes, and when the
        address has run out.
        """
        assert self._source is not None, "a Fetcher is entered first"
        begun = asyncio.get_running_loop().time()
        stream = Stream(self._source, renew, self._options.patience, self.meter)
        try:
            found = await _put(stream, store, name)
        finally:
            stream.close()
        seconds = asyncio.get_running_loop().time() - begun
        if isinstance(found, GiveUp):
            return DownloadFailed(
                external_task_id=external_task_id,
                task_id=task_id,
                kind=found.kind,
                message=found.reason,
                tries=stream.tries,
                seconds=seconds,
            )
        return Downloaded(
            external_task_id=external_task_id,
            task_id=task_id,
            path=found,
            size=stream.size,
            tries=stream.tries,
            seconds=seconds,
        )


async def _put(stream: Stream, store: Store, name: str) -> str | GiveUp:
    """Where it was put; a store that was given the beginning of what then began anew is asked once more."""
    while True:
        error: BaseException | None = None
        where = ""
        try:
            where = str(await store.put(name, stream))
        except asyncio.CancelledError as raised:
            if is_cancelled():
                raise
            error = raised  # the store's own, and nobody's wish
        except Exception as raised:  # noqa: BLE001 - a store may be anybody's, and the download must come out
            error = raised
        # What the stream says comes first: a store may wrap, or swallow, what broke it off.
        if stream.fault is not None:
            return stream.fault
        if stream.anew:
            stream.restart()
        elif error is not None:
            return GiveUp(DownloadKind.STORAGE, storage_words(error))
        elif not stream.whole:
            return GiveUp(DownloadKind.STORAGE, "the store was content before all of the video came")
        else:
            return where


_CURES: Mapping[int, str] = {
    errno.ENOSPC: "no space is left: free some, then download again",
    errno.EDQUOT: "the quota of the disk is used up: free some, then download again",
    errno.EFBIG: "the file is larger than this disk, or this process, may write",
    errno.EACCES: "no permission to write there: allow it, or give another folder",
    errno.EPERM: "no permission to write there: allow it, or give another folder",
    errno.EROFS: "the disk is read-only: give another folder",
    errno.ENOTDIR: "a part of the path is a file: give a folder",
    errno.ENAMETOOLONG: "the disk allows no name so long: give another folder",
    errno.EIO: "the disk failed to read or write: see to it, then download again",
}


def storage_words(error: BaseException) -> str:
    """What kept a store from keeping a video, and what helps."""
    if isinstance(error, OSError) and error.errno is not None:
        place = f" [{os.fspath(error.filename)!s}]" if isinstance(error.filename, str | bytes) else ""
        cure = _CURES.get(error.errno, error.strerror or "the disk failed")
        return message(f"{cure}{place}")
    return message(f"the store failed: {type(error).__name__}: {error}")
