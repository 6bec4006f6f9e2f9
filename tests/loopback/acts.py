"""What the loopback tests do again and again: a request, a client at a raw gateway, one job through it."""

from __future__ import annotations

import asyncio
import io
import random
import wave
from collections.abc import Callable
from functools import cache
from typing import Any

from attrs import evolve, frozen

from lipsync_async import AudioBytes, FaceChoice, LipSyncClient, LipSyncRequest, Timeouts
from lipsync_async.outcomes import Outcome

from .hurried import hurry
from .raw import RawServer, Script

KEY = "key-that-nobody-may-see"
SMALL = Timeouts(total=8.0, connect=4.0, grace=2.0, submit_grace=2.0)


def request(external_task_id: str | None = "job-1", **values: Any) -> LipSyncRequest:
    """A job with an `audio_id`; `values` are the face's."""
    usual: dict[str, Any] = {
        "face_id": "-1",
        "audio_id": "825451760499568680",
        "sound_start_time": 0,
        "sound_end_time": 5000,
        "sound_insert_time": 1000,
        "sound_volume": 1,
        "original_audio_volume": 1,
    }
    if "sound_file" in values:
        del usual["audio_id"]
    face = FaceChoice(**usual | values)
    return LipSyncRequest(session_id="s-1", face_choose=(face,), external_task_id=external_task_id)


def requests(count: int) -> list[LipSyncRequest]:
    """So many jobs, `job-0` and so on."""
    template = request()
    return [evolve(template, external_task_id=f"job-{number}") for number in range(count)]


def client(server: RawServer | str, **options: Any) -> LipSyncClient:
    """A client of that gateway."""
    url = server if isinstance(server, str) else server.url
    usual: dict[str, Any] = {"api_key": KEY, "timeouts": SMALL}
    return LipSyncClient(url, **usual | options)


@frozen
class Told:
    """What became of one job, and what the gateway saw of it."""

    outcome: Outcome
    server: RawServer
    seconds: float
    """On the loop's clock."""


def tell(
    *scripts: Script,
    always: Script | None = None,
    job: LipSyncRequest | None = None,
    url: Callable[[RawServer], str] = lambda server: server.url,
    tls: Any = None,
    **options: Any,
) -> Told:
    """One job, `job-1` unless told otherwise, through a gateway that plays these scripts."""

    async def main() -> Told:
        loop = asyncio.get_running_loop()
        async with RawServer(*scripts, always=always, tls=tls) as server:
            begun = loop.time()
            async with client(url(server), **options) as submitter:
                result = await submitter.submit_many([job or request()])
            return Told(next(iter(result.values())), server, loop.time() - begun)

    return hurry(main())


def wav(seconds: float = 3.0, rate: int = 8000) -> bytes:
    """A sound of two bytes a sample that is not silent, so that it looks different everywhere."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(random.Random(seconds).randbytes(2 * round(seconds * rate)))
    return out.getvalue()


@cache
def big_clip() -> AudioBytes:
    """Close to the 5 MiB that a create takes."""
    return AudioBytes(wav(60.0, 43_600))
