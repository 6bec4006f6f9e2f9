"""A gateway in virtual time: what it takes, refuses, loses and remembers.

It outlives the client's crashes: what arrives later is kept in a heap of its own, not in the client's event loop.
It speaks in bytes, which `wire` reads as it reads any gateway's.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from itertools import count
from random import Random

from lipsync_async.wire import Body

from . import replies
from .ledger import Post, Task, TokenBucket
from .lookups import Lookups
from .replies import Answer
from .ways import SLOW, SWAPPED, Ways


class Gateway(Lookups):
    """The gateway and its ledger."""

    def __init__(self, ways: Ways, dice: Random, start: float = 1000.0) -> None:
        super().__init__(ways, dice)
        self.now = start
        self.home = "ours"
        """The account of those who were here before us."""
        self.peak_running = 0
        self.list_version = 0
        """Which writing of the list is submitted: bytes may differ from one to the next."""
        self.frozen = False
        """The client crashed: whatever its remains do is no request."""
        self._bodies: dict[tuple[str, int], bytes] = {}
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._bucket: TokenBucket | None = None
        self._ends: list[float] = []

    # -- time -------------------------------------------------------------------------------------------------------

    def later(self, at: float, event: Callable[[float], None]) -> None:
        """Something will happen here, whoever is still there to see it."""
        heapq.heappush(self._events, (at, next(self._order), event))

    def advance(self, now: float) -> None:
        """Let everything happen that was to happen until now."""
        while self._events and self._events[0][0] <= now:
            at, _, event = heapq.heappop(self._events)
            self.now = max(self.now, at)
            event(self.now)
        self.now = max(self.now, now)

    def is_dark(self, now: float) -> bool:
        """Whether nothing is served now."""
        return self.ways.dark[0] <= now < self.ways.dark[1]

    # -- creates ----------------------------------------------------------------------------------------------------

    def draw(self, now: float) -> str | None:
        """The fault that a create meets."""
        if self.is_dark(now):
            return "502_before" if self.ways.darkness == "502" else self.ways.darkness
        left = self.dice.random()
        for name, chance in self.ways.faults.items():
            left -= chance
            if left < 0:
                return name
        return None

    def send(self, post: Post, body: Body) -> None:
        """The last slice was handed over."""
        post.sent = True
        post.told = "doubt"  # until it is known better
        sound = b"".join(body.sound.slices()) if body.sound is not None else b""
        whole = body.head + sound + body.tail
        if self._bodies.setdefault((post.external_task_id, self.list_version), whole) != whole:
            self.violations.append(f"{post.external_task_id}: other bytes than before")
        if len(whole) != body.length:
            self.violations.append(f"{post.external_task_id}: {len(whole)} bytes are not {body.length}")

    def arrive(self, post: Post) -> Callable[[float], None]:
        """The event of its arrival."""

        def event(now: float) -> None:
            post.arrived_at = now
            post.reply = self._answer(post, now)

        return event

    def _answer(self, post: Post, now: float) -> Answer:
        if post.fault == "502_before":
            return replies.page(502)
        if post.fault == "503_before":
            return replies.envelope(503, 5001, "service unavailable")
        if post.fault == "html_before":
            return replies.page(200)
        refusal = self._refuse(post, now)
        if refusal is not None:
            return refusal
        self.ways.balance -= 1
        if post.fault in {"late", SLOW}:
            after = self.ways.late_by if post.fault == "late" else self.dice.uniform(*self.ways.slow_by)
            self.later(now + after, lambda at: self._late(post, at))
            return replies.page(504)
        return self._reply_of(self.make(post.external_task_id, now, post), post)

    def _late(self, post: Post, now: float) -> None:
        taken = (self.account_of(post.authorization), post.external_task_id) in self.by_external
        if self.ways.duplicates != "refuse" or not taken:
            self.make(post.external_task_id, now, post)

    def _refuse(self, post: Post, now: float) -> Answer | None:
        ways = self.ways
        if (code := self.judge_key(post.authorization, now)) is not None:
            return replies.envelope(401, code, "Authorization has expired" if code == 1004 else "wrong key")
        if ways.giant and len(self.tasks) >= 2:
            seconds, ways.giant = ways.giant, 0.0
            status, _, body = replies.envelope(429, 1302, "too many requests")
            return status, {"Retry-After": f"{seconds:.0f}"}, body
        if ways.rate is not None:
            self._bucket = self._bucket or TokenBucket(ways.rate, ways.burst, now)
            if wait := self._bucket.take(now):
                return self._wait(1302, "too many requests", wait)
        if post.face == "policy":
            return replies.envelope(400, 1301, "content policy")
        if post.face == "refused":
            return replies.envelope(400, 1200, "bad parameter")
        taken = (self.account_of(post.authorization), post.external_task_id) in self.by_external
        if ways.duplicates == "refuse" and taken:
            return replies.envelope(400, 1201, "external_task_id is duplicated")
        if ways.balance < 1:
            return replies.envelope(429, 1102, "Account balance not enough")
        if ways.slots is not None and (running := self.running(now)) >= ways.slots:
            return self._wait(1303, "parallel task over resource pack limit", self._ends[0] - now if running else 1.0)
        return None

    def _wait(self, code: int, text: str, seconds: float) -> Answer:
        headers = {"Retry-After": f"{max(1, round(seconds + 0.5))}"} if self.ways.hints else {}
        if self.ways.masked:
            said = {"code": "fail_to_fetch_task", "message": "当前分组上游负载已饱和，请稍后再试"}
            return 429, headers, json.dumps(said).encode()
        status, _, body = replies.envelope(429, code, text)
        return status, headers, body

    def running(self, now: float) -> int:
        """Tasks that run."""
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        return len(self._ends)

    def make(self, external_task_id: str, now: float, post: Post | None) -> Task:
        """A task begins, and is paid for."""
        ways = self.ways
        task = Task(
            task_id=str(860_000_000_000_000_000 + len(self.tasks)),
            external_task_id=external_task_id,
            account=self.home if post is None else self.account_of(post.authorization),
            at=now,
            ends=now + self.dice.uniform(*ways.task_seconds),
            found_from=now + ways.store_delay,
            found_until=now + ways.forgets_after,
            post=post,
        )
        self.tasks.append(task)
        self.by_external[task.account, external_task_id] = self.by_id[task.task_id] = task
        if post is not None:
            self.made_for_us[external_task_id].append(task)
            heapq.heappush(self._ends, task.ends)
            self.peak_running = max(self.peak_running, self.running(now))
        return task

    def _reply_of(self, task: Task, post: Post) -> Answer:
        match post.fault:
            case "502_after" | "504_after":
                return replies.page(int(post.fault[:3]))
            case "500_after":
                said = {"code": "do_request_failed", "message": "upstream timeout"}
                return 500, {}, json.dumps(said).encode()
            case "unreadable":
                return 200, {}, b"{'code': 0"
            case "no_task_id":
                return replies.envelope(200, 0, "SUCCEED")
            case name if name == SWAPPED:
                return replies.data(self._swapped(task, post))
            case _:
                return replies.data(self.told(task))

    def _swapped(self, task: Task, post: Post) -> dict[str, object]:
        """The reply of another job of the last few, where there is one."""
        others = [it for it in self.tasks[-6:] if it.external_task_id != task.external_task_id and it.post is not None]
        if not others:
            post.fault = None
            return self.told(task)
        told = self.told(self.dice.choice(others))
        if not self.ways.swap_named:
            del told["task_info"]
        return told
