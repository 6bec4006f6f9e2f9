"""Chromium without a window, driven over its own protocol: one process a test, and no network."""

from __future__ import annotations

import asyncio
import json
import shutil
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)
PATIENCE = 60.0
"""Seconds for a browser that hangs."""


class Page:
    """One page of the browser."""

    def __init__(self, socket: ClientWebSocketResponse, session: str) -> None:
        self._socket = socket
        self._session = session
        self._number = 0
        self.console: list[str] = []
        """What the browser complained of, such as what the page's policy forbade."""

    async def call(self, method: str, **values: Any) -> dict[str, Any]:
        """One command and its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": values, "sessionId": self._session}
        await self._socket.send_json(message)
        return await self._until(lambda told: told.get("id") == self._number)

    async def open(self, page: Path) -> None:
        """Loads a file, and returns when that is done."""
        for domain in ("Page", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=page.as_uri())
        await self.run(
            "document.readyState === 'complete' || new Promise((resolve) => addEventListener('load', resolve))"
        )

    async def run(self, script: str) -> Any:
        """The value of an expression, or of the promise that it is; what it clicks counts as clicked by a person."""
        told = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def show(self, width: int, height: int, *, scheme: str = "light", media: str = "screen") -> None:
        """The window's size, and what the reader wishes."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        wish = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", media=media, features=wish)

    async def picture(self) -> bytes:
        """What is seen, as PNG."""
        return b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    async def _until(self, wanted: Any) -> dict[str, Any]:
        while True:
            told = json.loads(await self._socket.receive_str(timeout=PATIENCE))
            if told.get("method") == "Log.entryAdded":
                self.console.append(told["params"]["entry"]["text"])
            if wanted(told):
                assert "error" not in told, told
                return dict(told["result"])


@asynccontextmanager
async def browsing(profile: Path) -> AsyncIterator[Page]:
    """An empty page of a browser of its own, whose files lie in that folder."""
    assert BROWSER is not None
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        BROWSER, *FLAGS, f"--user-data-dir={profile}", "about:blank", stderr=pipe
    )
    try:
        address = await asyncio.wait_for(_address(process), PATIENCE)
        async with ClientSession() as client, client.ws_connect(address, max_msg_size=0) as socket:
            await socket.send_json({"id": 1, "method": "Target.getTargets"})
            # The page that is in front: in another one Chromium loads no video.
            (target,) = [it["targetId"] for it in (await _answer(socket, 1))["targetInfos"] if it["type"] == "page"]
            attach = {"targetId": target, "flatten": True}
            await socket.send_json({"id": 2, "method": "Target.attachToTarget", "params": attach})
            yield Page(socket, (await _answer(socket, 2))["sessionId"])
    finally:
        process.kill()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        if line.startswith(b"DevTools listening on "):
            return line.split()[-1].decode()
    raise AssertionError("the browser ended before it said where it listens")


async def _answer(socket: ClientWebSocketResponse, number: int) -> dict[str, Any]:
    while True:
        told = json.loads(await socket.receive_str(timeout=PATIENCE))
        if told.get("id") == number:
            return dict(told["result"])
