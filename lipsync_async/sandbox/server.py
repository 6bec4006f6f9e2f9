"""The sandbox itself: an aiohttp server on loopback that takes creates, answers queries and misbehaves when asked to.

The order of a create: the fault's dice, body, key, rate, checks, duplicates, balance, running tasks.
The checks of a big clip run in a thread; what decides runs on the loop, and nothing can come in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from lipsync_async.sandbox.account import Keys, RunningTasks, TokenBucket
from lipsync_async.sandbox.checks import Create, Refused, Rules, bounded, read_create
from lipsync_async.sandbox.choices import check_choices
from lipsync_async.sandbox.faults import Faults
from lipsync_async.sandbox.ledger import Ledger
from lipsync_async.sandbox.replies import (
    BAD_GATEWAY,
    DIALECTS,
    INSTEAD,
    REFUSALS,
    TOO_LARGE,
    Answer,
    answer,
    route_missing,
    task_list,
)
from lipsync_async.sandbox.sockets import body_of, close_after, reset, response, truncated
from lipsync_async.sandbox.tasks import Snapshot, Task, TaskBook, snapshot

ROUTE = "/v1/videos/advanced-lip-sync"
PREFIX = "/kling"
_BIG = 64 * 1024  # from here on a body is checked in a thread
_PAGES, _PAGE_SIZES = (1, 1000), (1, 500)
_GRACE = 0.5  # seconds that replies under way get when the sandbox closes


class _KEEP:
    """The value of a limit that stays as it is."""


class Sandbox:
    """A gateway on loopback that knows one account; use it as an async context manager.

    It may be closed and entered again: it then listens at the same port and still knows its tasks.

    Args:
        api_key: the key that is let in.
        host: the address to listen at.
        port: the port to listen at; 0 finds a free one.
        max_per_second: creates a second before 1302 is answered; None is no limit.
        burst: creates that may come at once; None is one second's worth.
        retry_after: send Retry-After (whole seconds) with 1302 and 1303.
        max_running_tasks: tasks that may run at once before 1303 is answered; None is no limit.
        task_seconds: the shortest and the longest life of a task, in seconds before scaling.
        time_scale: how much faster tasks live; 60 lets a minute pass in a second.
        latency: seconds before every reply.
        dialect: `native`, `openai-video`, `nested`, `hybrid`, `flat` or `camel`.
        refusals: `kling`, or `new-api` which hides most of what Kling said.
        duplicates: `refuse` a known external_task_id, `accept` it as a second task, or `overwrite` the first.
        lookups: queries find tasks by `external` id too, by `task_id` only, or `none` at all.
        store_delay: seconds, scaled, until a query can find a new task.
        balance: units that may be spent before 1102 is answered; None is no limit.
        faults: the chance of each fault for a create; the names are in `KNOWN_FAULTS`.
        seed: of the dice of faults and tasks.
        accept_aac: take bare AAC.
        fractional_volumes: take volumes like 0.5, and creates without volumes.
        failed_share: the share of tasks that end as failed.
        slow_seconds: how late a reply is that meets the fault `slow`.
        ledger_path: a file that gets every accepted create as a line of JSON before its reply leaves.
        clock: seconds, as time.monotonic gives them; limits and tasks live by it.

    Raises:
        ValueError: for a value that is not among those named here.

    """

    _bucket: TokenBucket | None = None
    _max_running_tasks: int | None = None
    _balance: float | None = None
    _replies = 0
    _base_url = ""
    _listener: asyncio.Server | None = None
    _http: web.Server | None = None
    _threads: ThreadPoolExecutor | None = None

    # fmt: off
    def __init__(
        self, *, api_key: str = "sandbox-key", host: str = "127.0.0.1", port: int = 0,
        max_per_second: float | None = None, burst: float | None = None, retry_after: bool = False,
        max_running_tasks: int | None = None, task_seconds: tuple[float, float] = (60.0, 180.0),
        time_scale: float = 1.0, latency: float = 0.0, dialect: str = "native", refusals: str = "kling",
        duplicates: str = "refuse", lookups: str = "external", store_delay: float = 0.0, balance: float | None = None,
        faults: Mapping[str, float] | None = None, seed: int = 0, accept_aac: bool = False,
        fractional_volumes: bool = False, failed_share: float = 0.02, slow_seconds: float = 2.0,
        ledger_path: str | Path | None = None, clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # fmt: on
        check_choices(dialect=dialect, refusals=refusals, duplicates=duplicates, lookups=lookups)
        if time_scale <= 0 or not 0 <= task_seconds[0] <= task_seconds[1]:
            raise ValueError("time_scale must be above 0, and task_seconds a pair (shortest, longest)")
        self.api_key = api_key
        self.ledger = Ledger(clock)
        self._address = (host, port)
        self._clock = clock
        self._epoch = time.time() - clock()
        self._latency = latency
        self._slow_seconds = slow_seconds
        self._retry_after = retry_after
        self._duplicates = duplicates
        self._lookups = lookups
        self._create_reply, self._query_reply = DIALECTS[dialect]
        self._refusal_reply = REFUSALS[refusals]
        self._rules = Rules(accept_aac=accept_aac, fractional_volumes=fractional_volumes)
        self._keys = Keys(api_key)
        self._running = RunningTasks()
        self._faults = Faults(faults, seed)
        self._tasks = TaskBook(
            dialect=dialect,
            task_seconds=task_seconds,
            time_scale=time_scale,
            store_delay=store_delay,
            failed_share=failed_share,
            lookups=lookups,
            seed=seed,
        )
        self.set_limits(
            max_per_second=max_per_second, burst=burst, max_running_tasks=max_running_tasks, balance=balance
        )
        self._ledger_path = None if ledger_path is None else Path(ledger_path)
        self._closing = asyncio.Event()

    def __repr__(self) -> str:
        running = self._running.count(self._clock())
        return f"<Sandbox {self._base_url or 'not started'}, {self.ledger.tasks} accepted, {running} running>"

    # --- life -----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._ledger_path is not None:
            self.ledger.open(self._ledger_path)
        self._closing = asyncio.Event()  # a new one: the loop may be another than the last time
        self._http = web.Server(self._handle, access_log=None, lingering_time=5.0)
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(self._http, *self._address, backlog=1024)
        except OSError:
            self.ledger.close()
            raise
        host, port = self._listener.sockets[0].getsockname()[:2]
        self._address = (host, port)  # started again, it comes back where it was
        self._base_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._threads = ThreadPoolExecutor(2, "lipsync-sandbox")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop listening, give replies under way half a second, then drop the rest; may be called twice."""
        listener, http, threads = self._listener, self._http, self._threads
        if listener is None or http is None or threads is None:
            return
        self._listener = self._http = self._threads = None
        self._closing.set()
        listener.close()
        transports = [connection.transport for connection in http.connections]
        http.pre_shutdown()  # connections that are idle go at once
        await http.shutdown(_GRACE)
        for transport in transports:
            if transport is not None:
                transport.abort()  # whoever does not read its reply must not hold the sandbox open
        threads.shutdown(cancel_futures=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(listener.wait_closed(), _GRACE)
        await asyncio.sleep(0)  # the transports close their sockets in the loop's next round
        self.ledger.close()

    @property
    def base_url(self) -> str:
        """Where the sandbox listens; the routes are below `/kling/v1` and `/v1`.

        Raises:
            RuntimeError: when the sandbox was not started yet.

        """
        if not self._base_url:
            raise RuntimeError("the sandbox was not started: use it as `async with Sandbox() as sandbox:`")
        return self._base_url

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
        if not isinstance(max_per_second, type):
            self._bucket = None if max_per_second is None else TokenBucket(max_per_second, burst, self._clock())
        if not isinstance(max_running_tasks, type):
            self._max_running_tasks = max_running_tasks
        if not isinstance(balance, type):
            self._balance = balance

    def set_faults(self, faults: Mapping[str, float] | None) -> None:
        """Replace the faults' probabilities; None ends all faults."""
        self._faults.set(faults)

    def add_key(self, key: str) -> None:
        """Let a key in (again)."""
        self._keys.add(key)

    def revoke(self, key: str, code: int = 1002) -> None:
        """Refuse a key from now on: 1000 to 1004 (1004: expired), 1100, 1101, 1103 or 1304."""
        check_choices(code=code)
        self._keys.revoke(key, code)

    # --- the way of a request -------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        method, path = request.method, request.path
        route = path.removeprefix(PREFIX)
        if route == ROUTE and method == "POST":
            return await self._create(request)
        if route == ROUTE or route.startswith(ROUTE + "/"):
            return await self._late(self._asked(request, route.removeprefix(ROUTE)[1:]))
        return response(route_missing(method, path))

    async def _create(self, request: web.BaseRequest) -> web.StreamResponse:
        self.ledger.arrived()
        fault = self._faults.draw()
        if fault == "reset_before":
            self.ledger.fault(fault)
            return reset(request)
        try:
            body = await body_of(request)
            if body is None:
                self.ledger.refuse(TOO_LARGE.status)
                return close_after(response(TOO_LARGE))
            self._admit(request, fault)
            task = await self._accept(request, body, fault)
        except Refused as refusal:
            self.ledger.refuse(refusal.code)
            return await self._late(self._refusal(refusal, fault))
        except ConnectionError:
            return web.Response()  # the client is gone before its body was here
        return await self._reply(request, task, fault)

    def _admit(self, request: web.BaseRequest, fault: str | None) -> None:
        """Let a create in: its key, the rate, and the faults that come before any check."""
        self._authorize(request)
        if self._bucket is not None and (wait := self._bucket.take(self._clock())) > 0:
            raise Refused(1302, retry_after=wait)
        if fault in ("502_before", "503_before"):
            self.ledger.fault(fault)
            raise Refused(BAD_GATEWAY.status if fault == "502_before" else 5001)

    def _authorize(self, request: web.BaseRequest) -> None:
        if code := self._keys.judge(request.headers.get("Authorization", "")):
            raise Refused(code)

    async def _accept(self, request: web.BaseRequest, body: bytes, fault: str | None) -> Task:
        if request.content_type != "application/json" or "Content-Type" not in request.headers:
            raise Refused(1200, "Content-Type must be application/json")
        check = partial(read_create, body, self._rules)
        if len(body) < _BIG or self._threads is None:
            create = check()
        else:
            create = await asyncio.get_running_loop().run_in_executor(self._threads, check)
        return self._begin(create, fault)

    def _begin(self, create: Create, fault: str | None) -> Task:
        """Take what a task costs and begin it; from here to the ledger nothing can come in between."""
        now = self._clock()
        known = create.external_task_id in self._tasks
        if known and self._duplicates == "refuse":
            raise Refused(1201, f"external_task_id is duplicated: {create.external_task_id} already exists")
        if self._balance is not None and self._balance < create.units:
            raise Refused(1102)
        if self._max_running_tasks is not None and self._running.count(now) >= self._max_running_tasks:
            raise Refused(1303, retry_after=self._running.seconds_until_free(now))
        if known and self._duplicates == "overwrite":
            self._tasks.forget(create.external_task_id)
        if self._balance is not None:
            self._balance -= create.units
        task = self._tasks.create(create.external_task_id, create.units, create.window_ms, create.watermark, now)
        self._running.start(task.ends)
        self.ledger.accept(
            task,
            accepted_at=self._epoch + now,
            body_sha256=create.body_sha256,
            audio_sha256=create.audio_sha256,
            fault=fault,
        )
        return task

    # --- replies --------------------------------------------------------------------------------------------------

    async def _reply(self, request: web.BaseRequest, task: Task, fault: str | None) -> web.StreamResponse:
        """Answer a create whose task exists, or do to the reply what the fault says."""
        if fault is not None:
            self.ledger.fault(fault)
        usual = answer(200, self._create_reply(self._snapshot(task), self._request_id()))
        match fault:
            case "lose_reply":
                await self._late(usual)
                return reset(request)
            case "hang":
                return await self._hang(request)
            case "truncate":
                await self._late(usual)
                return truncated(request, usual)
            case "double_json":
                second = INSTEAD["500_insert_task_failed"].body
                return await self._late(Answer(200, usual.body + second))
            case "slow":
                await asyncio.sleep(self._slow_seconds)
                return await self._late(usual)
            case None:
                return await self._late(usual)
            case _:
                return await self._late(INSTEAD[fault])

    async def _late(self, reply: Answer) -> web.Response:
        if self._latency:
            await asyncio.sleep(self._latency)
        return response(reply)

    async def _hang(self, request: web.BaseRequest) -> web.Response:
        """Say nothing until the client or the sandbox goes."""
        while not self._closing.is_set() and request.transport is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _GRACE)
        return reset(request)

    def _refusal(self, refusal: Refused, fault: str | None = None) -> Answer:
        if refusal.code == BAD_GATEWAY.status and fault is not None:
            return INSTEAD[fault]
        reply = self._refusal_reply(refusal.code, refusal.said, self._request_id())
        if not self._retry_after or not refusal.retry_after:
            return reply
        headers = {**reply.headers, "Retry-After": str(math.ceil(refusal.retry_after))}
        return Answer(reply.status, reply.body, reply.content_type, headers)

    def _request_id(self) -> str:
        self._replies += 1
        return f"{self._replies:08x}-5f0e-4a53-9a0e-3f7b6f2c9a11"

    def _snapshot(self, task: Task) -> Snapshot:
        return snapshot(task, self._clock(), self._epoch)

    # --- queries --------------------------------------------------------------------------------------------------

    def _asked(self, request: web.BaseRequest, any_id: str) -> Answer:
        """Answer a query or a list; both are free, hence not limited."""
        self.ledger.asked()
        try:
            self._authorize(request)
            if request.method != "GET":
                raise Refused(1202)
            return self._one(any_id) if any_id else self._page(request.query)
        except Refused as refusal:
            return self._refusal(refusal)

    def _one(self, any_id: str) -> Answer:
        task = self._tasks.find(any_id, self._clock())
        if task is None:
            raise Refused(1203, "task not exist")
        return answer(200, self._query_reply(self._snapshot(task), self._request_id()))

    def _page(self, query: Mapping[str, str]) -> Answer:
        number = bounded(query, "pageNum", 1, _PAGES)
        size = bounded(query, "pageSize", 30, _PAGE_SIZES)
        if self._lookups == "none":
            raise Refused(1203)
        tasks = self._tasks.page(number, size, self._clock())
        return answer(200, task_list([self._snapshot(task) for task in tasks], self._request_id()))
