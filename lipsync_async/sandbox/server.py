"""The sandbox itself: a gateway and a file host on loopback that take creates, answer queries and serve videos.

What is behind each route stands in `creates`, `queries` and `files`; what they share, in `state`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs
from aiohttp import web

from lipsync_async.sandbox.account import Purse, TokenBucket
from lipsync_async.sandbox.arguments import check_type, check_types, told
from lipsync_async.sandbox.callbacks import Callbacks
from lipsync_async.sandbox.chances import check_chances
from lipsync_async.sandbox.choices import check_choices
from lipsync_async.sandbox.creates import Creates
from lipsync_async.sandbox.ends import KNOWN_ENDS
from lipsync_async.sandbox.files import Files
from lipsync_async.sandbox.ledger import Ledger
from lipsync_async.sandbox.options import Options, check_lives
from lipsync_async.sandbox.origin import Origin
from lipsync_async.sandbox.preparing import Preparing
from lipsync_async.sandbox.queries import Queries
from lipsync_async.sandbox.replies import route_missing
from lipsync_async.sandbox.sockets import response
from lipsync_async.sandbox.state import State
from lipsync_async.sandbox.video import Video
from lipsync_async.sandbox.webhooks import KNOWN_CALLBACK_FAULTS

ROUTE = "/v1/videos/advanced-lip-sync"
IDENTIFY, SPEECH = "/v1/videos/identify-face", "/v1/audio/tts"
PREFIX = "/kling"
_VIDEOS, _CONTENT = "/v1/videos/", "/content"


class _KEEP:
    """The value of a limit that stays as it is."""


@attrs.define(kw_only=True, eq=False, repr=False, slots=False, on_setattr=attrs.setters.frozen)
class Sandbox(Options):
    """A gateway on loopback that knows one account; use it as an async context manager.

    Its options are the fields of `Options`, by name.
    It may be closed and entered again: it then listens at the same ports and still knows its tasks.

    Raises:
        WrongArgumentError: for an option whose value cannot be; it is a ValueError and a TypeError.

    """

    def __attrs_post_init__(self) -> None:
        with told():
            self._make()

    def _make(self) -> None:
        check_types(self)
        self.check()
        self._state = State(self)
        self._callbacks = Callbacks(self._state)
        self._creates = Creates(self._state, self._callbacks)
        self._queries, self._files = Queries(self._state), Files(self._state)
        self._preparing = Preparing(self._state)
        self._gateway = Origin(self.host, self.port, self._handle)
        self._file_host = Origin(self.host, self.file_port, self._files.host)
        self._elsewhere = Origin(self.host, 0, self._files.elsewhere)
        self.set_limits(
            max_per_second=self.max_per_second,
            burst=self.burst,
            max_running_tasks=self.max_running_tasks,
            balance=self.balance,
        )

    def __repr__(self) -> str:
        running = self._state.running.count(self.clock())
        return f"<Sandbox {self._gateway.url or 'not started'}, {self.ledger.tasks} accepted, {running} running>"

    @property
    def ledger(self) -> Ledger:
        """What was accepted, billed and fetched; may be read from any thread, and after the end."""
        return self._state.ledger

    # --- life -----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        state = self._state
        if self.ledger_path is not None:
            self.ledger.open(Path(self.ledger_path))
        state.closing = asyncio.Event()  # a new one: the loop may be another than the last time
        try:
            for origin in self._origins():
                await origin.open()
        except OSError:
            await self._close_origins()
            self.ledger.close()
            raise
        state.gateway_url, state.files_url, state.elsewhere_url = (origin.url for origin in self._origins())
        state.threads = ThreadPoolExecutor(2, "lipsync-sandbox")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop listening, give replies under way half a second, then drop the rest; may be called twice."""
        threads = self._state.threads
        if threads is None:
            return
        self._state.threads = None
        self._state.closing.set()
        await self._callbacks.aclose()
        await self._close_origins()
        threads.shutdown(cancel_futures=True)
        self.ledger.close()
        if self.report_path is not None:
            self.ledger.report(Path(self.report_path))

    def _origins(self) -> tuple[Origin, Origin, Origin]:
        return self._gateway, self._file_host, self._elsewhere

    async def _close_origins(self) -> None:
        await asyncio.gather(*(origin.aclose() for origin in self._origins()))

    @property
    def base_url(self) -> str:
        """Where the gateway listens; the routes are below `/kling/v1` and `/v1`.

        Raises:
            RuntimeError: when the sandbox was not started yet.

        """
        return _started(self._gateway)

    @property
    def file_url(self) -> str:
        """Where the file host listens: an origin of its own.

        Raises:
            RuntimeError: when the sandbox was not started yet.

        """
        return _started(self._file_host)

    def video(self, task_id: str, edition: int = 0) -> Video:
        """The file behind a task, to compare with what came; edition 1 is the other file of the fault `other_file`."""
        return self._state.video(task_id, edition)

    # --- what can be changed while it runs ------------------------------------------------------------------------

    def set_limits(
        self,
        *,
        max_per_second: float | type[_KEEP] | None = _KEEP,
        burst: float | None = None,
        max_running_tasks: int | type[_KEEP] | None = _KEEP,
        balance: float | type[_KEEP] | None = _KEEP,
    ) -> None:
        """Change the limits that are given, None lifts one; a new rate begins with a full bucket."""
        state = self._state
        if not isinstance(max_per_second, type):
            state.bucket = None if max_per_second is None else TokenBucket(max_per_second, burst, self.clock())
        if not isinstance(max_running_tasks, type):
            state.max_running_tasks = max_running_tasks
        if not isinstance(balance, type):
            state.purse = Purse(balance)

    def set_faults(self, faults: Mapping[str, float] | None) -> None:
        """Replace the probabilities of the creates' faults; None ends all."""
        self._state.faults.set(faults)

    def set_file_faults(self, faults: Mapping[str, float] | None) -> None:
        """Replace the chances of the files' faults; None ends all, also those that a file has met already."""
        self._state.file_faults.set(faults)

    def set_lives(
        self,
        *,
        task_seconds: tuple[float, float] | None = None,
        failed_share: float | None = None,
        ends: Mapping[str, float] | None = None,
    ) -> None:
        """Change the life and the end of tasks that are created from now on; what is not given stays."""
        tasks = self._state.tasks
        seconds = tasks.seconds if task_seconds is None else task_seconds
        share = tasks.failed_share if failed_share is None else failed_share
        check_type("Sandbox", "task_seconds", "tuple[float, float]", seconds)
        check_type("Sandbox", "failed_share", "float", share)
        check_lives(seconds, share)
        tasks.ends = tasks.ends if ends is None else check_chances(ends, KNOWN_ENDS, "end")
        tasks.seconds, tasks.failed_share = seconds, share

    def kill_sessions(self) -> None:
        """Let every session that identify-face has given die now."""
        self._state.sessions.kill(self.clock())

    def set_prepare_faults(self, faults: Mapping[str, float] | None) -> None:
        """Replace the probabilities of the faults of identify-face and text-to-speech; None ends all."""
        self._state.prepare_faults.set(faults)

    def set_callback_faults(self, faults: Mapping[str, float] | None) -> None:
        """Replace the chances of the callbacks' faults; None ends all."""
        self._state.callback_faults = check_chances(faults, KNOWN_CALLBACK_FAULTS, "callback fault")

    def add_key(self, key: str) -> None:
        """Let a key in (again)."""
        self._state.keys.add(key)

    def revoke(self, key: str, code: int = 1002) -> None:
        """Refuse a key from now on: 1000 to 1004 (1004: expired), 1100, 1101, 1103 or 1304."""
        check_choices(code=code)
        self._state.keys.revoke(key, code)

    # --- the way of a request -------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send a request of the gateway to its route."""
        method, path = request.method, request.path
        route = path.removeprefix(PREFIX)
        if route == ROUTE and method == "POST":
            return await self._creates.handle(request)
        if route == ROUTE and method == "GET" and self.no_list:
            return response(route_missing(method, path))
        if route == ROUTE or route.startswith(ROUTE + "/"):
            return await self._queries.handle(request, route.removeprefix(ROUTE)[1:])
        if method == "POST" and route in (IDENTIFY, SPEECH):
            return await (self._preparing.identify if route == IDENTIFY else self._preparing.speak)(request)
        if method == "GET" and route.startswith(IDENTIFY + "/") and self.identify_tasks:
            return await self._preparing.query(request, route[len(IDENTIFY) + 1 :])
        if path.startswith(_VIDEOS) and path.endswith(_CONTENT) and not self.no_content:
            return await self._files.content(request, path[len(_VIDEOS) : -len(_CONTENT)])
        return response(route_missing(method, path))


def _started(origin: Origin) -> str:
    if not origin.url:
        raise RuntimeError("the sandbox was not started: use it as `async with Sandbox() as sandbox:`")
    return origin.url
