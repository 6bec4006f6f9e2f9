"""Requests, sounds, clocks and a caller for the sandbox's tests."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs

from lipsync_async.sandbox import Sandbox

ROUTE = "/kling/v1/videos/advanced-lip-sync"


def face(**fields: Any) -> dict[str, Any]:
    """A face that passes, with these fields changed; a field of None is left out."""
    usual = {
        "face_id": "0",
        "audio_id": "825451760499568680",
        "sound_start_time": 0,
        "sound_end_time": 5000,
        "sound_insert_time": 1000,
        "sound_volume": 1,
        "original_audio_volume": 1,
    }
    return {name: value for name, value in (usual | fields).items() if value is not None}


def job(external_task_id: str | None = "job-1", *, face_fields: dict[str, Any] | None = None, **fields: Any) -> Any:
    """A create that passes, with these fields changed."""
    request = {"session_id": "1", "face_choose": [face(**face_fields or {})], "external_task_id": external_task_id}
    return {name: value for name, value in (request | fields).items() if value is not None}


def raw(request: Any) -> bytes:
    """A create's body."""
    return json.dumps(request).encode()


def b64(data: bytes) -> str:
    """Base64 as `sound_file` takes it."""
    return base64.b64encode(data).decode()


def wav(seconds: float, rate: int = 8000) -> bytes:
    """Silence as WAV."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(bytes(2 * round(seconds * rate)))
    return out.getvalue()


def mp3(frames: int = 100) -> bytes:
    """Silence as MPEG-1 layer III at 128 kbit/s: a frame lasts 26 ms."""
    return (b"\xff\xfb\x90\x00" + bytes(413)) * frames


def adts(frames: int = 100) -> bytes:
    """Bare AAC frames."""
    return (b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9)) * frames


def box(kind: bytes, content: bytes = b"") -> bytes:
    """An ISO box."""
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def iso(*tracks: bytes, brand: bytes = b"M4A ") -> bytes:
    """An ISO file with tracks of these handler types."""
    handlers = [box(b"hdlr", bytes(8) + kind + bytes(13)) for kind in tracks]
    movie = b"".join(box(b"trak", box(b"mdia", handler)) for handler in handlers)
    return box(b"ftyp", brand + bytes(4) + brand) + box(b"moov", movie) + box(b"mdat", bytes(64))


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop go on until this holds; whoever calls sets the time limit."""
    while not condition():  # noqa: ASYNC110 - what is waited for is the sandbox's own count, it rings no bell
        await asyncio.sleep(0)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time that was set."""
        return self.now


@attrs.define
class Caller:
    """Talks to a running sandbox."""

    sandbox: Sandbox
    session: aiohttp.ClientSession

    async def raw(self, method: str, path: str, **options: Any) -> tuple[int, bytes, aiohttp.ClientResponse]:
        """Call any path."""
        async with self.session.request(method, self.sandbox.base_url + path, **options) as response:
            return response.status, await response.read(), response

    async def post(self, request: Any, **options: Any) -> tuple[int, Any]:
        """Create; gives status and decoded body."""
        status, body, _ = await self.raw("POST", ROUTE, **({"json": request} | options))
        return status, json.loads(body)

    async def get(self, any_id: str = "", query: str = "") -> tuple[int, Any]:
        """Query, or list; gives status and decoded body."""
        path = f"{ROUTE}/{any_id}" if any_id else ROUTE
        status, body, _ = await self.raw("GET", path + query)
        return status, json.loads(body)


@asynccontextmanager
async def calling(**options: Any) -> AsyncIterator[Caller]:
    """A sandbox with these options, and a caller with its key."""
    headers = {"Authorization": f"Bearer {options.get('api_key', 'sandbox-key')}"}
    async with Sandbox(**options) as sandbox, aiohttp.ClientSession(headers=headers) as session:
        yield Caller(sandbox, session)


def with_sandbox(test: Callable[[Caller], Awaitable[None]], **options: Any) -> Sandbox:
    """Run an async test body against a sandbox; gives the closed sandbox, its ledger still readable."""

    async def main() -> Sandbox:
        async with calling(**options) as caller:
            await asyncio.wait_for(test(caller), 20)
        return caller.sandbox

    return asyncio.run(main())
