"""The blocks of one video, from a source in memory that does what no socket does on command."""

from __future__ import annotations

import asyncio
import gzip
from collections import deque
from typing import Any

import pytest

from lipsync_async.downloads.budget import Patience
from lipsync_async.downloads.heads import Again, GiveUp, Take, Version
from lipsync_async.downloads.meter import Meter
from lipsync_async.downloads.source import Asked, Body, Cut
from lipsync_async.downloads.stream import BLOCK, Stream
from lipsync_async.endings import DownloadKind
from tests.downloads.hosts import LARGE, SMALL, telling
from tests.simulation.virtual import VirtualLoop


class Told(Body):
    """A body of pieces; each is read at once, after so many seconds where it is a number."""

    def __init__(self, take: Take, *pieces: bytes | float | Cut) -> None:
        self.take, self.received, self.closed = take, 0, False
        self._pieces = deque(pieces)

    async def read(self, seconds: float) -> bytes | Cut:
        """The next piece; b"" after the last."""
        while self._pieces and isinstance(self._pieces[0], int | float):
            pause = float(self._pieces.popleft())  # type: ignore[arg-type]
            await asyncio.sleep(min(pause, seconds))
            if pause > seconds:
                return Cut("silence")
        piece = self._pieces.popleft() if self._pieces else b""
        assert isinstance(piece, bytes | Cut)
        self.received += len(piece) if isinstance(piece, bytes) else 0
        return piece

    def close(self) -> None:
        """It says so."""
        self.closed = True


class Scripted:
    """A source that gives these in turn."""

    most = 2**30

    def __init__(self, *found: Body | Again | GiveUp) -> None:
        self._left = deque(found)
        self.asked: list[tuple[int, Version | None]] = []

    async def open(self, asked: Asked) -> Body | Again | GiveUp:
        """The next one."""
        self.asked.append((asked.offset, asked.version))
        return self._left.popleft()


def drained(source: Any, *, pause: float = 0.0) -> tuple[list[bytes], Stream]:
    """The blocks that a stream gives, each stored for so many seconds, and the stream; it may break off."""

    async def main() -> tuple[list[bytes], Stream]:
        stream, blocks = Stream(source, telling("http://x"), Patience(), Meter()), []
        try:
            async for block in stream:
                blocks.append(block)
                await asyncio.sleep(pause)
        except Exception:  # noqa: BLE001 - it is private, and its stream tells of it
            assert stream.fault or stream.anew
        return blocks, stream

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def told(content: bytes, *pieces: Any, **take: Any) -> Told:
    """A body with its length."""
    return Told(Take(length=len(content), total=len(content), **take), *(pieces or (content,)))


def test_blocks_have_a_size() -> None:
    """All but the last, whatever pieces came."""
    pieces = [LARGE[at : at + 100_003] for at in range(0, len(LARGE), 100_003)]
    blocks, stream = drained(Scripted(told(LARGE, *pieces)))
    assert b"".join(blocks) == LARGE
    assert all(BLOCK <= len(it) < BLOCK + 100_003 for it in blocks[:-1])
    assert stream.whole
    assert stream.size == len(LARGE)


@pytest.mark.parametrize(
    "short",
    [
        told(SMALL, SMALL[:-1]),
        Told(Take(length=2999, total=3000), SMALL[:-1]),
        Told(Take(length=len(gzip.compress(SMALL)) + 1, packed=True), gzip.compress(SMALL)),
        Told(Take(length=len(gzip.compress(SMALL)) - 1, packed=True), gzip.compress(SMALL)[:-1]),
    ],
    ids=["fewer than its length", "fewer than the file", "packed", "packed and cut"],
)
def test_an_end_that_is_none(short: Told) -> None:
    """A body that ends as if it were whole, and has not the bytes that were told."""
    blocks, stream = drained(Scripted(short, told(SMALL)))
    assert b"".join(blocks) == SMALL
    assert stream.tries == 2
    assert short.closed


def test_what_was_given_is_not_given_again() -> None:
    """A stream that begins anew breaks off; after `restart` it gives all from the first byte, from the body in hand."""
    source = Scripted(told(LARGE, LARGE[: BLOCK + 5], Cut("x")), told(LARGE))
    blocks, stream = drained(source)
    assert b"".join(blocks) == LARGE[: BLOCK + 5]
    assert stream.anew
    assert stream.fault is None
    assert not stream.whole

    async def main() -> None:
        with pytest.raises(Exception, match="broken off"):
            await anext(stream)
        stream.restart()
        assert b"".join([block async for block in stream]) == LARGE
        assert stream.whole
        assert len(source.asked) == 2

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


def test_it_asks_for_what_it_lacks() -> None:
    """With the version that the first body told; a body without one is asked for anew."""
    version = Version(len(SMALL), '"v1"')
    rest = Told(Take(offset=1000, length=2000, total=3000, version=version), SMALL[1000:])
    source = Scripted(told(SMALL, SMALL[:1000], Cut("x"), version=version), rest)
    assert drained(source)[0] == [SMALL]
    assert source.asked == [(0, None), (1000, version)]
    source = Scripted(told(SMALL, SMALL[:1000], Cut("x")), told(SMALL))
    assert drained(source)[0] == [SMALL]
    assert source.asked == [(0, None), (0, None)]


def test_slow_storage_is_nobodys_fault() -> None:
    """Five minutes a block, then a silence that is still within the patience of the stream."""
    pieces = [LARGE[at : at + BLOCK] for at in range(0, len(LARGE), BLOCK)]
    blocks, stream = drained(Scripted(told(LARGE, *pieces[:-1], 29.0, pieces[-1])), pause=300)
    assert b"".join(blocks) == LARGE
    assert stream.tries == 1


def test_a_fault_is_told_once_and_for_all() -> None:
    """Whoever asks again is told that it is broken off."""
    blocks, stream = drained(Scripted(GiveUp(DownloadKind.REFUSED, "no")))
    assert blocks == []
    assert stream.fault == GiveUp(DownloadKind.REFUSED, "no")


class Broken:
    """A reply whose connection breaks after all that it had came: aiohttp issue 13348."""

    closed = True

    def __init__(self, content: bytes) -> None:
        self.content = self
        self._content = content

    async def readany(self) -> bytes:
        """All, and then an error instead of the end."""
        content, self._content = self._content, b""
        if not content:
            raise OSError("received 3000 of 3000")
        return content


@pytest.mark.parametrize(("length", "whole"), [(3000, True), (3001, False), (None, False)])
def test_all_came_and_then_an_error(length: int | None, whole: bool) -> None:
    """What was received is what was told: it is the end, and no cut."""

    async def main() -> None:
        body = Body(Take(length=length), Broken(SMALL))  # type: ignore[arg-type]
        assert await body.read(1) == SMALL
        found = await body.read(1)
        assert (found == b"") == whole
        assert isinstance(found, Cut) != whole

    asyncio.run(main())
