"""A create's body on its way out: it says how far it got, and makes Base64 as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import ClassVar
from weakref import WeakValueDictionary

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter

from lipsync_async.request.audio import AudioBytes, AudioFile
from lipsync_async.terms import Phase

from .bodies import Body
from .flight import Flight

STALE = "the connection held a reply that nobody had asked for"


class Upload(aiohttp.Payload):
    """A body with a known length that says how far it got, and makes Base64 as it goes."""

    _turns: ClassVar[WeakValueDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakValueDictionary()
    """Of each loop in which sound is uploaded, and only for as long: a lock keeps its loop alive."""

    def __init__(self, body: Body, flight: Flight) -> None:
        super().__init__(body, content_type="application/json")
        self._size = body.length
        self._flight = flight

    def decode(self, _encoding: str = "utf-8", _errors: str = "strict") -> str:
        """Not for streams."""
        raise TypeError("a streamed body has no text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Writes all; `SENT` is set right before the last slice leaves."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, _: int | None) -> None:
        """The same: the length is our own, and there is nothing to cut."""
        assert isinstance(writer, StreamWriter)
        body, flight = self._value, self._flight
        if writer.transport is not None and writer.transport.get_protocol().should_close:  # type: ignore[attr-defined]
            raise aiohttp.ClientConnectionResetError(STALE)
        flight.phase = Phase.SENDING
        if body.sound is not None:
            await writer.write(body.head)
            await self._write_sound(writer, body.sound)
        flight.sending()
        try:
            # without drain: what raises here was not handed over
            await writer.write(body.tail if body.sound is not None else body.head, drain=False)
        except aiohttp.ClientConnectionResetError:
            flight.phase = Phase.SENDING
            raise

    async def _write_sound(self, writer: StreamWriter, sound: AudioFile | AudioBytes) -> None:
        # A slice a round of the loop, whose ever it is: the loop's lag does not grow with the uploads.
        turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        if writer.transport is not None:
            writer.transport.set_write_buffer_limits(high=0)  # drain waits until all is gone: a slot holds one slice
        slices = sound.slices()
        left = sound.base64_length
        while left > 0:
            async with turn:
                piece = self._next(slices)
                left -= len(piece)
                await writer.write(piece, drain=False)
                del piece  # what waits now is the transport's
                await asyncio.sleep(0)
            await writer.drain()
        self._next(slices)  # none is left: the file is closed

    def _next(self, slices: Iterator[bytes]) -> bytes:
        """A file that changed, or can't be read any more, is this job's fault, and no connection's."""
        try:
            return next(slices, b"")
        except OSError as error:
            self._flight.sound_fault = error
            raise
