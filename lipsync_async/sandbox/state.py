"""What the routes of a sandbox share: its account, its tasks, its clock, and how a refusal is put."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

from aiohttp import web

from lipsync_async.sandbox.account import Keys, Purse, RunningTasks, TokenBucket
from lipsync_async.sandbox.chances import check_chances
from lipsync_async.sandbox.checks import Refused
from lipsync_async.sandbox.ends import KNOWN_ENDS
from lipsync_async.sandbox.faults import KNOWN_PREPARE_FAULTS, Faults
from lipsync_async.sandbox.file_faults import FileFaults
from lipsync_async.sandbox.ledger import Ledger
from lipsync_async.sandbox.links import VIDEO, Links
from lipsync_async.sandbox.options import Options
from lipsync_async.sandbox.origin import GRACE
from lipsync_async.sandbox.poller import Poller
from lipsync_async.sandbox.replies import BAD_GATEWAY, INSTEAD, REFUSALS, Answer
from lipsync_async.sandbox.sessions import Sessions
from lipsync_async.sandbox.sockets import reset, response
from lipsync_async.sandbox.tasks import Snapshot, Task, TaskBook, snapshot
from lipsync_async.sandbox.video import Video, video_of
from lipsync_async.sandbox.webhooks import KNOWN_CALLBACK_FAULTS

CONTENT = "/v1/videos/{}/content"


class State:
    """One account at one gateway; everything runs on the sandbox's loop."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = options.clock
        self.epoch = time.time() - options.clock()
        self.ledger = Ledger(options.clock)
        self.keys = Keys(options.api_key)
        self.running = RunningTasks()
        self.faults = Faults(options.faults, options.seed)
        self.prepare_faults = Faults(options.prepare_faults, options.seed, KNOWN_PREPARE_FAULTS)
        self.sessions = Sessions(options.faces, options.session_seconds / options.time_scale, options.seed)
        self.callback_faults = check_chances(options.callback_faults, KNOWN_CALLBACK_FAULTS, "callback fault")
        self._accounts = Random(f"accounts-{options.seed}")
        self.file_faults = FileFaults(options.file_faults, options.seed)
        self.links = Links(options.url_seconds / options.time_scale, options.seed)
        self.poller = Poller(options.refresh / options.time_scale)
        self.tasks = TaskBook(
            dialect=options.dialect,
            task_seconds=options.task_seconds,
            time_scale=options.time_scale,
            store_delay=options.store_delay,
            failed_share=options.failed_share,
            lookups=options.lookups,
            seed=options.seed,
            ends=check_chances(options.ends, KNOWN_ENDS, "end"),
        )
        self.bucket: TokenBucket | None = None
        self.max_running_tasks: int | None = None
        self.purse = Purse(None)
        self.closing = asyncio.Event()
        self.threads: ThreadPoolExecutor | None = None
        self.gateway_url = self.files_url = self.elsewhere_url = ""
        self._replies = 0

    # --- who may ask ----------------------------------------------------------------------------------------------

    def authorize(self, request: web.BaseRequest) -> None:
        """Raise Refused for a request without a key that is let in."""
        if code := self.keys.judge(request.headers.get("Authorization", "")):
            raise Refused(code)

    def count(self) -> None:
        """Count a request against the rate; raises Refused over it."""
        if self.bucket is not None and (wait := self.bucket.take(self.clock())) > 0:
            raise Refused(1302, retry_after=wait)

    def foreign(self) -> bool:
        """Throw once for a create: whether it reaches an account that does not know the session."""
        return self._accounts.random() < self.options.foreign_share

    # --- what is said ---------------------------------------------------------------------------------------------

    async def late(self, reply: Answer) -> web.Response:
        """A reply, after the latency."""
        await self.wait()
        return response(reply)

    async def wait(self) -> None:
        """Let the latency pass."""
        if self.options.latency:
            await asyncio.sleep(self.options.latency)

    async def hang(self, request: web.BaseRequest) -> web.Response:
        """Say nothing until the client or the sandbox goes."""
        while not self.closing.is_set() and request.transport is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), GRACE)
        return reset(request)

    def refusal(self, refusal: Refused, fault: str | None = None) -> Answer:
        """A refusal as this gateway puts it."""
        if refusal.code == BAD_GATEWAY.status and fault is not None:
            return INSTEAD[fault]
        reply = REFUSALS[self.options.refusals](refusal.code, refusal.said, self.request_id())
        if not self.options.retry_after or not refusal.retry_after:
            return reply
        headers = {**reply.headers, "Retry-After": str(math.ceil(refusal.retry_after))}
        return Answer(reply.status, reply.body, reply.content_type, headers)

    def request_id(self) -> str:
        """A fresh one; it is never a task id."""
        self._replies += 1
        return f"{self._replies:08x}-5f0e-4a53-9a0e-3f7b6f2c9a11"

    # --- what is told of a task -----------------------------------------------------------------------------------

    def now_unix(self) -> float:
        """The sandbox's clock in seconds since 1970."""
        return self.epoch + self.clock()

    def snapshot(self, task: Task) -> Snapshot:
        """A task as it is told now: as the gateway saw it last, with a URL of its own each time."""
        seen = self.poller.seen(task, self.clock())
        url = self.url_of(task) if task.status(seen) == "succeed" else ""
        return snapshot(task, seen, self.epoch, url)

    def finished(self, task: Task) -> bool:
        """Whether the gateway has seen that a task succeeded."""
        return task.status(self.poller.seen(task, self.clock())) == "succeed"

    def file_link(self, name: str) -> str:
        """A fresh signed URL of the file host."""
        return self.files_url + self.links.sign(name, self.now_unix())

    def video(self, task_id: str, edition: int = 0) -> Video:
        """The file behind a task."""
        return video_of(task_id, self.options.video_bytes, edition)

    def url_of(self, task: Task) -> str:
        """Where a finished video is told to be; empty where nothing is told."""
        match self.options.urls:
            case "signed":
                return self.file_link(f"{task.task_id}{VIDEO}")
            case "content":
                return self.gateway_url + CONTENT.format(task.task_id)
            case "relative":
                return CONTENT.format(task.task_id)
            case "data":
                return f"data:video/mp4;base64,{base64.b64encode(self.video(task.task_id).read()).decode()}"
            case _:
                return ""
