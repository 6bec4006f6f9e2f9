"""Sending callbacks: at each change of a task, at least once, in no promised order, on loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable
from random import Random
from urllib.parse import urlsplit

import aiohttp
import attrs

from lipsync_async.sandbox.chances import pick
from lipsync_async.sandbox.entries import CallbackSent
from lipsync_async.sandbox.state import State
from lipsync_async.sandbox.tasks import Snapshot, Task, snapshot
from lipsync_async.sandbox.webhooks import CALLBACKS, Message, encode, headers_of

_TRIES = 3
_PAUSE = 1.0  # seconds, scaled, before the second try; twice as many before the third
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_AN_HOUR = 3600
_STRANGER = "https://attacker.example/video.mp4"
_FORGERS = ("whsec_Zm9yZ2VkLWZvcmdlZC1mb3JnZWQtZm9yZ2Vk",)


class Callbacks:
    """One loop a task that has a `callback_url`; all end with the sandbox."""

    def __init__(self, state: State) -> None:
        self._state = state
        options = state.options
        self._body = CALLBACKS[options.callbacks]
        self._secrets = tuple(options.callback_secrets)
        self._scale = options.time_scale
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._sent = 0

    def follow(self, task: Task, url: str) -> None:
        """Tell a receiver of a new task; one that is not on loopback is told nothing."""
        if self._body is None or not _on_loopback(url):
            return
        worker = asyncio.get_running_loop().create_task(self._tell(task, url))
        self._tasks.add(worker)
        worker.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Stop sending."""
        workers = list(self._tasks)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _tell(self, task: Task, url: str) -> None:
        """Send the callbacks of one task, as their faults say; what is late comes after the end."""
        dice = Random(f"callbacks-{self._state.options.seed}-{task.task_id}")
        held: list[Message] = []
        for moment in dict.fromkeys((task.created, task.starts, task.ends)):
            await self._until(moment)
            fault = pick(self._state.callback_faults, dice.random())
            message = self._message(task, moment, fault)
            if fault == "forged":
                await self._send(self._forged(task, moment), url)
            if fault in ("late", "replayed"):
                held.append(attrs.evolve(message, fault=fault) if fault == "late" else self._old(task, moment))
            if fault not in ("late", "lost"):
                await self._send(attrs.evolve(message, fault=None), url)
            if fault == "twice":
                await self._send(message, url)
        for message in reversed(held):
            await self._send(message, url)

    async def _until(self, moment: float) -> None:
        # Asked again: the sandbox's clock need not be the loop's.
        while (left := moment - self._state.clock()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)

    # --- what is sent ---------------------------------------------------------------------------------------------

    def _message(self, task: Task, moment: float, fault: str | None, *, age: int = 0) -> Message:
        told = snapshot(task, moment, self._state.epoch)
        if told.status == "succeed":
            told = attrs.evolve(told, url=self._state.url_of(task))
        return self._signed(told, moment, self._secrets, fault, age=age)

    def _old(self, task: Task, moment: float) -> Message:
        return self._message(task, moment, "replayed", age=_AN_HOUR)

    def _forged(self, task: Task, moment: float) -> Message:
        told = snapshot(task, moment, self._state.epoch, _STRANGER)
        claimed = attrs.evolve(told, status="succeed", inner="succeed", reason="")
        return self._signed(claimed, moment, _FORGERS, "forged")

    def _signed(
        self, told: Snapshot, moment: float, secrets: tuple[str, ...], fault: str | None, *, age: int = 0
    ) -> Message:
        make: Callable[..., dict[str, object]] | None = self._body
        body = encode(make(told, self._state.request_id())) if make is not None else b""
        self._sent += 1
        timestamp = int(self._state.epoch + moment) - age
        headers = headers_of(secrets, f"msg_{self._sent:08d}", timestamp, body)
        return Message(told.task_id, told.status, body, headers, fault)

    async def _send(self, message: Message, url: str) -> None:
        """POST until the receiver says 2xx, three times at most."""
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(_PAUSE * number / self._scale)
            answered = await self._post(message, url)
            sent = CallbackSent(
                task_id=message.task_id,
                status=message.status,
                url=url,
                webhook_id=message.headers.get("webhook-id", ""),
                fault=message.fault,
                answered=answered,
            )
            self._state.ledger.called_back(sent)
            if 200 <= answered < 300:
                return

    async def _post(self, message: Message, url: str) -> int:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.post(
                url, data=message.body, headers=message.headers, allow_redirects=False
            ) as reply:
                return reply.status
        return 0


def _on_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
