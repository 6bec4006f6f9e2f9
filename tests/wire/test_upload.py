"""Bodies on their way out: how far they got, and how they take turns."""

from __future__ import annotations

import asyncio
import gc
from typing import cast

import aiohttp
import pytest
from aiohttp.http_writer import StreamWriter

from lipsync_async import AudioBytes
from lipsync_async.request.audio import SLICE
from lipsync_async.terms import Phase
from lipsync_async.wire import encode
from lipsync_async.wire.flight import Flight
from lipsync_async.wire.upload import Upload
from tests.loopback.acts import request, wav
from tests.loopback.hurried import hurry


def test_a_streamed_body_has_no_text_and_a_size() -> None:
    """What aiohttp may ask a payload for."""

    async def main() -> None:
        body = encode(request(sound_file=AudioBytes(wav())), "job-1")
        upload = Upload(body, Flight())
        assert upload.size == body.length
        with pytest.raises(TypeError):
            upload.decode()

    hurry(main())


class Closing(StreamWriter):
    """A writer whose connection goes away before the given write."""

    def __init__(self, good: int) -> None:
        self.good = good
        self.written = 0

    @property
    def transport(self) -> None:
        """None is left."""
        return

    async def write(self, chunk: object, *, drain: bool = True, LIMIT: int = 0) -> None:  # noqa: N803 - aiohttp's name
        """As aiohttp's, which looks before it writes."""
        if self.written == self.good:
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
        self.written += 1

    async def drain(self) -> None:
        """Takes all."""


@pytest.mark.parametrize("good", [0, 1, 2, 3])
def test_a_slice_that_was_not_handed_over_was_not_sent(good: int) -> None:
    """The last one, too: `SENT` is taken back where aiohttp refuses it, and stands where it took it."""

    async def main() -> None:
        flight = Flight()
        body = encode(request(sound_file=AudioBytes(wav(1.0)), sound_end_time=900), "job-1")
        upload = Upload(body, flight)
        if good == 3:  # head, one slice, tail
            await upload.write(Closing(good))
            assert flight.phase is Phase.SENT
        else:
            with pytest.raises(aiohttp.ClientConnectionResetError):
                await upload.write(Closing(good))
            assert flight.phase is Phase.SENDING

    hurry(main())


class Rounds(Closing):
    """A writer that notes in which round of the loop each write came."""

    now = 0

    def __init__(self, seen: list[int]) -> None:
        super().__init__(-1)
        self.seen = seen

    async def write(self, chunk: object, *, drain: bool = True, LIMIT: int = 0) -> None:  # noqa: N803 - aiohttp's name
        """Takes all."""
        if len(cast("bytes", chunk)) == SLICE * 4 // 3:
            self.seen.append(Rounds.now)


def test_uploads_take_turns() -> None:
    """However many there are, a round of the loop carries one slice; after them nothing is kept of the loop."""

    async def main() -> None:
        loop, seen = asyncio.get_running_loop(), list[int]()

        async def count() -> None:
            while True:
                Rounds.now += 1
                await asyncio.sleep(0)

        counter = asyncio.create_task(count())
        body = encode(request(sound_file=AudioBytes(wav() + bytes(4 * SLICE))), "job-1")
        await asyncio.gather(*(Upload(body, Flight()).write(Rounds(seen)) for _ in range(8)))
        counter.cancel()
        assert len(seen) == len(set(seen)) == 8 * 5
        gc.collect()
        assert loop not in Upload._turns

    hurry(main())


def test_what_is_held_back_was_not_sent() -> None:
    """All but the last slice has left by then: the gateway has no whole request."""

    async def main() -> None:
        flight = Flight()
        flight.guard = lambda: False
        body = encode(request(sound_file=AudioBytes(wav(1.0)), sound_end_time=900), "job-1")
        with pytest.raises(ConnectionAbortedError, match="held back"):
            await Upload(body, flight).write(Closing(3))
        assert (flight.phase, flight.held_back) == (Phase.SENDING, True)

    hurry(main())
