"""One video's bytes, in blocks, across as many tries as they need.

A stream that is cut goes on by Range where `heads` says that it is the same file; else it begins anew.
It ends only when the video is whole: a store that keeps what has ended keeps nothing that is damaged.
Where a store was given blocks already and the file begins anew, the stream breaks off with `anew` set: the store is to
forget them, and is given the stream once more after `restart`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import random
from typing import Self

import msgspec

from lipsync_async.endings import DownloadKind

from .budget import Budget, Patience
from .content import START, Boxes, Look, Unpacker, look
from .heads import Again, GiveUp, Version
from .meter import Meter
from .source import Asked, Body, Cut, Source

BLOCK = 2**20
"""Bytes that are given at once; the last block is shorter."""

Renew = Callable[[], Awaitable[str | None]]
"""Asks the task for a fresh address of its video; None: it tells none."""


def is_cancelled() -> bool:
    """Somebody wants this task to end; else a `CancelledError` is an error of whose code raised it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _BrokenOffError(Exception):
    """The stream does not end well; its `fault` or its `anew` says why."""


class _File(msgspec.Struct):
    """What came of the file so far, since it last began anew."""

    size: int = 0
    """Bytes of the file, unpacked."""
    given: bool = False
    """The store has some of them."""
    version: Version | None = None
    """What a next stream can go on with."""
    block: bytearray = msgspec.field(default_factory=bytearray)
    start: bytes = b""
    """Its first bytes, until they tell what it is."""
    is_video: bool = False
    boxes: Boxes | None = None
    """Where nothing else says whether it is whole."""
    unpacker: Unpacker | None = None


class Stream:
    """The blocks of one video, as an async iterator."""

    def __init__(self, source: Source, renew: Renew, patience: Patience, meter: Meter) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._renew = renew
        self._meter = meter
        self._budget = Budget(self._loop.time(), patience)
        self._url: str | None = None
        self._stale = True
        self._file = _File()
        self._body: Body | None = None
        self._paused: float | None = None
        self.tries = 0
        """Requests."""
        self.whole = False
        """All of it was given."""
        self.anew = False
        """What was given is to be forgotten: the file begins anew, after `restart`."""
        self.fault: GiveUp | None = None
        """Why it was given up."""

    @property
    def size(self) -> int:
        """Bytes of the file, as far as they came."""
        return self._file.size

    def restart(self) -> None:
        """The store has forgotten what it was given."""
        self.anew = False
        self._paused = None

    def close(self) -> None:
        """No more is wanted; its connection goes."""
        if self._body is not None:
            self._body.close()
            self._body = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next block. Raises what breaks it off, which its `fault` or its `anew` tells."""
        if self.anew or self.fault is not None:
            raise _BrokenOffError("the stream is broken off")
        if self._paused is not None:
            self._budget.held_up(self._loop.time() - self._paused)
        while not self.whole and len(self._file.block) < BLOCK:
            await self._step()
        if not self._file.block:
            raise StopAsyncIteration
        block, self._file.block = bytes(self._file.block), bytearray()
        self._file.given = True
        self._paused = self._loop.time()
        return block

    # -- one step ---------------------------------------------------------------------------------------------------

    async def _step(self) -> None:
        """Opens a body, reads a piece of it, or finds out at its end whether the file is whole."""
        if self._body is None:
            await self._open()
            return
        patience = self._budget.patience
        piece = await self._body.read(max(0.0, min(patience.idle, self._left())))
        if isinstance(piece, Cut):
            await self._cut(piece.reason)
        elif piece:
            await self._take(piece)
        elif reason := self._missing(self._body):
            await self._cut(reason)
        else:
            self.close()
            self.whole = True

    def _left(self) -> float:
        return self._budget.left(self._loop.time())

    async def _open(self) -> None:
        """One request, with a fresh URL where one is due."""
        if self._stale:
            self._url, self._stale = await self._fresh(), False
        if self._url is None:
            await self._fail(Again(reason="the gateway tells no address of the video", kind=_EXPIRED, renew=True))
            return
        file = self._file
        seconds = max(0.0, min(self._budget.patience.head, self._left()))
        self.tries += 1
        found = await self._source.open(
            Asked(url=self._url, offset=file.size if file.version else 0, version=file.version, seconds=seconds)
        )
        if isinstance(found, GiveUp):
            self._give_up(found)
        elif isinstance(found, Again):
            await self._fail(found)
        else:
            self._begin(found)

    async def _fresh(self) -> str | None:
        """A URL that was just told; None where there is none to be had now."""
        try:
            async with asyncio.timeout(max(0.0, self._left())):
                return await self._renew()
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            return None
        except Exception:  # noqa: BLE001 - whatever the query met, it may go better the next time
            return None

    def _begin(self, body: Body) -> None:
        """A body that goes on where the file ends, or brings all of it anew."""
        self._body = body
        if body.take.offset:
            return
        self._forget()
        self._file.version = body.take.version
        self._file.boxes = Boxes() if body.take.by_connection else None
        self._file.unpacker = Unpacker(self._source.most) if body.take.packed else None
        if self.anew:
            raise _BrokenOffError("the file begins anew")

    def _forget(self) -> None:
        """The file begins anew; so must the store, if it has anything of it."""
        self.anew = self.anew or self._file.given
        self._file = _File()

    # -- what came --------------------------------------------------------------------------------------------------

    async def _take(self, piece: bytes) -> None:
        file, now = self._file, self._loop.time()
        self._meter.add(now, len(piece))
        if file.unpacker is not None:
            try:
                piece = file.unpacker.feed(piece)
            except ValueError:
                await self._fail(Again(reason="it says that it is packed by gzip, and is not", anew=True))
                return
        file.size += len(piece)
        if file.size > self._source.most:
            self._give_up(GiveUp(DownloadKind.REFUSED, f"the video has more than {self._source.most} bytes"))
        if file.boxes is not None:
            file.boxes.feed(piece)
        file.block += piece
        if not file.is_video:
            await self._look(piece)
        if file.is_video:
            self._budget.reached(now, file.size)

    async def _look(self, piece: bytes, *, ended: bool = False) -> None:
        """Nothing but a video is kept, or counts as progress."""
        file = self._file
        file.start += piece[: START - len(file.start)]
        found = look(file.start, ended=ended)
        file.is_video = found is Look.VIDEO
        if found not in {Look.VIDEO, Look.OPEN}:
            await self._fail(Again(reason=f"{found.value} came", renew=True, anew=True))

    def _missing(self, body: Body) -> str | None:
        """What the file lacks at the end of a body; None: it is whole."""
        take, file = body.take, self._file
        if not file.is_video:
            return f"{look(file.start, ended=True).value} came"
        if take.length is not None and body.received != take.length:
            return f"the stream ended after {body.received} of {take.length} bytes"
        if file.unpacker is not None:
            return None if file.unpacker.whole else "the packed stream is not complete"
        if take.total is not None and file.size != take.total:
            return f"{file.size} of {take.total} bytes came"
        if file.boxes is not None and not file.boxes.whole:
            return "the connection ended, and the video is not complete"
        return None

    # -- what went wrong --------------------------------------------------------------------------------------------

    async def _cut(self, reason: str) -> None:
        """A body ended too early; a page that is told by its first bytes is worth a fresh URL."""
        await self._fail(Again(reason=reason, renew=not self._file.is_video))

    async def _fail(self, again: Again) -> None:
        """Waits for the next try, or gives up."""
        self.close()
        if again.anew:
            self._forget()
        self._stale = self._stale or again.renew
        wait = self._budget.after_failure(self._loop.time(), random, again.hint)
        if wait is None:
            self._give_up(GiveUp(again.kind, f"{again.reason}, in try {self.tries}"))
        elif not (again.renew and self._budget.failures == 1):  # a fresh URL is tried at once, if once only
            await asyncio.sleep(wait)
        if self.anew:
            raise _BrokenOffError("the file begins anew")

    def _give_up(self, fault: GiveUp) -> None:
        self.close()
        self.fault = fault
        raise _BrokenOffError(fault.reason)


_EXPIRED = DownloadKind.EXPIRED
