"""A gateway in virtual time: what it takes, refuses, loses and remembers; and the ledger that tells the truth.

It outlives the client's crashes: what arrives later is kept in a heap of its own, not in the client's event loop.
It speaks in bytes, which `wire` reads as it reads any gateway's.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from base64 import b64decode, b64encode
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from random import Random
from typing import Any

from attrs import Factory, define
from multidict import CIMultiDict
from yarl import URL

from lipsync_async.config import Timeouts
from lipsync_async.terms import Failure, Kind, Phase, Reply
from lipsync_async.wire import Body, TaskReply, read_reply, read_task, read_task_list
from lipsync_async.wire.flight import Flight, Watchdog

EPOCH = 1_790_000_000.0
"""Unix seconds at the virtual clock's zero."""
GOOD_KEY = "good-key"

BEFORE = (
    "connect_refused", "connect_hang", "reset_sending", "stall_sending",
    "lost_before", "hang_before", "502_before", "503_before", "html_before",
)  # fmt: skip
"""Faults after which no task was made."""
AFTER = (
    "lost_after", "hang_after", "late", "502_after", "504_after", "500_after", "unreadable", "truncated", "no_task_id",
)  # fmt: skip
"""Faults after which one was, or will be."""
UNSENT = frozenset({"connect_refused", "connect_hang", "reset_sending", "stall_sending"})
"""Faults that come before the last slice of the body was handed over."""


@define(kw_only=True)
class Ways:
    """How a gateway behaves; times in seconds."""

    latency: float = 0.05
    jitter: tuple[float, float] = (0.7, 1.5)
    """Every wait is so many times as long: neighbours change places."""
    upload: float = 0.0
    rate: float | None = None
    """Creates a second before 1302."""
    burst: float = 1.0
    hints: bool = False
    """Refusals carry a Retry-After."""
    masked: bool = False
    """A 429 does not say why."""
    slots: int | None = None
    """Tasks that run at once before 1303."""
    task_seconds: tuple[float, float] = (60.0, 180.0)
    duplicates: str = "refuse"
    """`refuse` or `accept` a second task under one id."""
    lookups: str = "external"
    """`external`, `task_id` only, `none` (no such route), or `broken` (500)."""
    lookup_faults: float = 0.0
    lookup_latency: float = 0.05
    store_delay: float = 0.0
    """A task can be found so much later."""
    forgets_after: float = 1e12
    lists: bool = False
    page_cap: int = 500
    """Tasks of a page of the list, whatever is asked for."""
    faults: dict[str, float] = Factory(dict)
    late_by: float = 5.0
    """A late task begins so long after its request arrived."""
    dark: tuple[float, float] = (1e12, 1e12)
    """Between these moments nothing is served."""
    darkness: str = "502"
    """`502`, `connect_refused`, `hang_before` or `lost_before`."""
    key_dies_at: float = 1e12
    key_code: int = 1002
    token_life: float = 1e12
    """A token is refused as expired so long after it was made (JSON web tokens)."""
    balance: float = 1e12
    """Tasks that are still paid for."""
    clock_error: float = 0.0

    def heal(self) -> None:
        """All is well from now on, but what the gateway can't do it still can't."""
        self.faults, self.lookup_faults, self.dark = {}, 0.0, (1e12, 1e12)
        self.key_dies_at = self.token_life = self.balance = 1e12


@define(kw_only=True, eq=False)
class Task:
    """A task that was made: it costs money."""

    task_id: str
    external_task_id: str
    at: float
    ends: float
    found_from: float
    found_until: float
    post: Post | None
    """None: another customer's."""


@define(kw_only=True, eq=False)
class Post:
    """One create, as the gateway's side of the line knows it."""

    external_task_id: str
    run: int
    at: float
    authorization: str = ""
    content: str = ""
    fault: str | None = None
    sent: bool = False
    """The last slice was handed over."""
    arrived_at: float | None = None
    reply: tuple[int, dict[str, str], bytes] | None = None
    told: str = "nothing"
    """What the client could know: `refused`, `unsent`, `doubt`, `accepted`, `nothing`."""


class TokenBucket:
    """A rate limit of the usual kind."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst, self.tokens, self.at = rate, burst, burst, now

    def take(self, now: float) -> float:
        """0.0: taken; else the seconds until there will be a token."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens >= 1 - 1e-9:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.rate


class Gateway:
    """The gateway and its ledger."""

    def __init__(self, ways: Ways, dice: Random, start: float = 1000.0) -> None:
        self.ways = ways
        self.dice = dice
        self.now = start
        self.tasks: list[Task] = []
        self.posts: list[Post] = []
        self.posts_of: defaultdict[str, list[Post]] = defaultdict(list)
        self.made_for_us: defaultdict[str, list[Task]] = defaultdict(list)
        self.by_external: dict[str, Task] = {}
        self.by_id: dict[str, Task] = {}
        self.violations: list[str] = []
        self.queries = 0
        self.peak_running = 0
        self.good_keys = {GOOD_KEY}
        self.frozen = False
        """The client crashed: whatever its remains do is no request."""
        self._bodies: dict[str, bytes] = {}
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._bucket: TokenBucket | None = None
        self._ends: list[float] = []

    def __repr__(self) -> str:
        return f"<Gateway {len(self.tasks)} tasks after {len(self.posts)} posts>"

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

    # -- the truth --------------------------------------------------------------------------------------------------

    def ours(self, external_task_id: str, until_run: int = 1 << 30) -> list[Task]:
        """The tasks that were made for us under an id, by sends up to a run."""
        made = self.made_for_us.get(external_task_id, ())
        return [task for task in made if task.post is not None and task.post.run <= until_run]

    def counts(self) -> Counter[str]:
        """How many tasks were made for us, by id."""
        return Counter({name: len(tasks) for name, tasks in self.made_for_us.items()})

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
        if self._bodies.setdefault(post.external_task_id, whole) != whole:
            self.violations.append(f"{post.external_task_id}: other bytes than before")
        if len(whole) != body.length:
            self.violations.append(f"{post.external_task_id}: {len(whole)} bytes are not {body.length}")

    def arrive(self, post: Post) -> Callable[[float], None]:
        """The event of its arrival."""

        def event(now: float) -> None:
            post.arrived_at = now
            post.reply = self._answer(post, now)

        return event

    def _answer(self, post: Post, now: float) -> tuple[int, dict[str, str], bytes]:
        if post.fault == "502_before":
            return _page(502)
        if post.fault == "503_before":
            return _envelope(503, 5001, "service unavailable")
        if post.fault == "html_before":
            return _page(200)
        refusal = self._refuse(post, now)
        if refusal is not None:
            return refusal
        self.ways.balance -= 1
        if post.fault == "late":
            self.later(now + self.ways.late_by, lambda at: self._late(post, at))
            return _page(504)
        return self._reply_of(self.make(post.external_task_id, now, post), post.fault)

    def _late(self, post: Post, now: float) -> None:
        if self.ways.duplicates != "refuse" or post.external_task_id not in self.by_external:
            self.make(post.external_task_id, now, post)

    def _refuse(self, post: Post, now: float) -> tuple[int, dict[str, str], bytes] | None:
        ways = self.ways
        if (code := self._judge_key(post.authorization, now)) is not None:
            return _envelope(401, code, "Authorization has expired" if code == 1004 else "wrong key")
        if ways.rate is not None:
            self._bucket = self._bucket or TokenBucket(ways.rate, ways.burst, now)
            if wait := self._bucket.take(now):
                return self._wait(1302, "too many requests", wait)
        if post.content == "policy":
            return _envelope(400, 1301, "content policy")
        if post.content == "refused":
            return _envelope(400, 1200, "bad parameter")
        if ways.duplicates == "refuse" and post.external_task_id in self.by_external:
            return _envelope(400, 1201, "external_task_id is duplicated")
        if ways.balance < 1:
            return _envelope(429, 1102, "Account balance not enough")
        if ways.slots is not None and (running := self.running(now)) >= ways.slots:
            return self._wait(1303, "parallel task over resource pack limit", self._ends[0] - now if running else 1.0)
        return None

    def _judge_key(self, authorization: str, now: float) -> int | None:
        key = authorization.removeprefix("Bearer ")
        if key.count(".") == 2:
            made_at = json.loads(b64decode(key.split(".")[1]))["iat"]
            return 1004 if now - made_at > self.ways.token_life else None
        dead = key not in self.good_keys or now >= self.ways.key_dies_at
        return self.ways.key_code if dead else None

    def _wait(self, code: int, text: str, seconds: float) -> tuple[int, dict[str, str], bytes]:
        headers = {"Retry-After": f"{max(1, round(seconds + 0.5))}"} if self.ways.hints else {}
        if self.ways.masked:
            said = {"code": "fail_to_fetch_task", "message": "当前分组上游负载已饱和，请稍后再试"}
            return 429, headers, json.dumps(said).encode()
        status, _, body = _envelope(429, code, text)
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
            at=now,
            ends=now + self.dice.uniform(*ways.task_seconds),
            found_from=now + ways.store_delay,
            found_until=now + ways.forgets_after,
            post=post,
        )
        self.tasks.append(task)
        self.by_external[external_task_id] = self.by_id[task.task_id] = task
        if post is not None:
            self.made_for_us[external_task_id].append(task)
            heapq.heappush(self._ends, task.ends)
            self.peak_running = max(self.peak_running, self.running(now))
        return task

    def _reply_of(self, task: Task, fault: str | None) -> tuple[int, dict[str, str], bytes]:
        match fault:
            case "502_after" | "504_after":
                return _page(int(fault[:3]))
            case "500_after":
                said = {"code": "do_request_failed", "message": "upstream timeout"}
                return 500, {}, json.dumps(said).encode()
            case "unreadable":
                return 200, {}, b"{'code': 0"
            case "no_task_id":
                return _envelope(200, 0, "SUCCEED")
            case _:
                return 200, {}, json.dumps({"code": 0, "message": "SUCCEED", "data": self._told(task)}).encode()

    def _told(self, task: Task) -> dict[str, Any]:
        milliseconds = round((EPOCH + task.at + self.ways.clock_error) * 1000)
        return {
            "task_id": task.task_id,
            "task_status": "submitted",
            "task_info": {"external_task_id": task.external_task_id},
            "created_at": milliseconds,
        }

    # -- queries ----------------------------------------------------------------------------------------------------

    def find(self, any_id: str, now: float) -> tuple[int, dict[str, str], bytes]:
        """The answer to a query."""
        self.queries += 1
        ways = self.ways
        if ways.lookups == "none":
            said = {"error": {"message": "Invalid URL (GET /kling/v1/videos/advanced-lip-sync/x)"}}
            return 404, {}, json.dumps(said).encode()
        if ways.lookups == "broken" or self.dice.random() < ways.lookup_faults:
            return _envelope(500, 5000, "server error")
        task = self.by_id.get(any_id)
        if task is None and ways.lookups == "external":
            task = self.by_external.get(any_id)
        if task is None or not task.found_from <= now < task.found_until:
            return _envelope(404, 1203, "task not exist")
        return 200, {}, json.dumps({"code": 0, "message": "SUCCEED", "data": self._told(task)}).encode()

    def page(self, now: float, number: int = 1) -> tuple[int, dict[str, str], bytes]:
        """A page of the task list, the newest first; a gateway may give fewer than it is asked for."""
        self.queries += 1
        if not self.ways.lists:
            return _envelope(404, 1202, "no such route")
        stored = [self._told(task) for task in self.tasks if task.found_from <= now < task.found_until]
        cap = self.ways.page_cap
        shown = stored[::-1][(number - 1) * cap : number * cap]
        return 200, {}, json.dumps({"code": 0, "message": "SUCCEED", "data": shown}).encode()


class ModelWire:
    """The line between one client and the gateway: `account.Wire`."""

    def __init__(
        self, gateway: Gateway, timeouts: Timeouts, run: int = 0, step: Callable[[], None] | None = None
    ) -> None:
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._watchdog = Watchdog(timeouts, self._loop)
        self._run = run
        self._step = step or _nothing
        self.in_flight = self.peak_in_flight = 0
        self.sends: list[float] = []
        """When each create began."""

    @contextmanager
    def watching(self, flight: Flight) -> Iterator[None]:
        """As the real one does."""
        with self._watchdog.watching(flight):
            yield

    # -- creates ----------------------------------------------------------------------------------------------------

    async def post(self, url: URL, headers: CIMultiDict[str], body: Body, flight: Flight) -> Reply | Failure:
        """Creates."""
        gateway = self._gateway
        assert not gateway.frozen
        self._step()
        now = self._loop.time()
        gateway.advance(now)
        wire = json.loads(body.head + body.tail)
        post = Post(
            external_task_id=wire["external_task_id"], run=self._run, at=now, content=wire["face_choose"][0]["face_id"]
        )
        post.authorization = headers["Authorization"]
        post.fault = gateway.draw(now)
        gateway.posts.append(post)
        gateway.posts_of[post.external_task_id].append(post)
        self.sends.append(now)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        flight.begin(now)
        try:
            result = await self._exchange(post, body, flight)
        except asyncio.CancelledError:
            if not flight.swallow_cancellation():
                raise
            result = self._broken_off(post, flight)
        finally:
            flight.begun = None
            self.in_flight -= 1
        return result

    async def _exchange(self, post: Post, body: Body, flight: Flight) -> Reply | Failure:
        gateway, ways = self._gateway, self._gateway.ways
        await self._pass(ways.latency / 2)
        if post.fault == "connect_refused":
            return self._failed(post, Kind.CONNECTION, flight)
        if post.fault == "connect_hang":
            await self._hang()
        flight.phase = Phase.SENDING
        await self._pass(ways.upload)
        if post.fault == "reset_sending":
            return self._failed(post, Kind.CONNECTION, flight)
        if post.fault == "stall_sending":
            await self._hang()
        flight.phase = Phase.SENT
        gateway.send(post, body)
        arrival = self._loop.time() + ways.latency / 2
        if post.fault not in {"lost_before", "hang_before"}:
            gateway.later(arrival, gateway.arrive(post))
        self._step()
        await self._until(arrival)
        if post.fault in {"hang_before", "hang_after"}:
            await self._hang()
        await self._pass(ways.latency / 2)
        if post.fault in {"lost_before", "lost_after"}:
            return self._failed(post, Kind.CONNECTION, flight)
        flight.phase = Phase.ANSWERED
        return await self._read(post)

    async def _read(self, post: Post) -> Reply:
        self._gateway.advance(self._loop.time())
        assert post.reply is not None
        status, headers, body = post.reply
        broken = post.fault == "truncated"
        if broken:
            body = body[: len(body) // 2]
        if not broken and post.fault not in AFTER:
            post.told = "accepted" if status == 200 and b"task_id" in body else "refused" if status < 500 else "doubt"
            if status == 200 and b"task_id" not in body:
                post.told = "doubt"
        return read_reply(status, headers, body, broken=broken, now=EPOCH + self._loop.time())

    def _failed(self, post: Post, kind: Kind, flight: Flight) -> Failure:
        post.told = "doubt" if post.sent else "unsent"
        return Failure(kind=kind, phase=flight.phase, message=f"{post.fault}")

    def _broken_off(self, post: Post, flight: Flight) -> Reply | Failure:
        post.told = "doubt" if post.sent else "unsent"
        if flight.phase is Phase.ANSWERED and post.reply is not None:
            return read_reply(post.reply[0], post.reply[1], b"", broken=True)
        return Failure(kind=flight.aborted or Kind.CANCELLED, phase=flight.phase, message="broken off")

    # -- queries ----------------------------------------------------------------------------------------------------

    async def get_task(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> TaskReply | Failure:
        """Asks for a task."""
        answer = await self._ask(lambda now: self._gateway.find(url.name, now), headers, flight)
        return answer if isinstance(answer, Failure) else read_task(*answer)

    async def list_tasks(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> list[TaskReply] | None:
        """Asks for the task list."""
        number = int(url.query["pageNum"])
        answer = await self._ask(lambda now: self._gateway.page(now, number), headers, flight)
        return None if isinstance(answer, Failure) else read_task_list(*answer)

    async def _ask(
        self, answer: Callable[[float], tuple[int, dict[str, str], bytes]], headers: CIMultiDict[str], flight: Flight
    ) -> tuple[int, dict[str, str], bytes] | Failure:
        gateway = self._gateway
        assert not gateway.frozen
        flight.begin(self._loop.time())
        flight.phase = Phase.SENDING  # the time to connect is not the time to answer
        try:
            await self._pass(gateway.ways.lookup_latency)
            now = self._loop.time()
            gateway.advance(now)
            if gateway.is_dark(now):
                if gateway.ways.darkness == "hang_before":
                    await self._hang()
                return _page(502) if gateway.ways.darkness == "502" else Failure(kind=Kind.CONNECTION, phase=Phase.SENT)
            if (code := gateway._judge_key(headers["Authorization"], now)) is not None:
                return _envelope(401, code, "wrong key")
            flight.phase = Phase.ANSWERED
            return answer(now)
        except asyncio.CancelledError:
            if not flight.swallow_cancellation():
                raise
            return Failure(kind=flight.aborted or Kind.CANCELLED, phase=flight.phase, message="broken off")
        finally:
            flight.begun = None

    # -- waiting ----------------------------------------------------------------------------------------------------

    async def _pass(self, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds * self._gateway.dice.uniform(*self._gateway.ways.jitter))

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._loop.time()) + 1e-6)

    async def _hang(self) -> None:
        await asyncio.get_running_loop().create_future()


def token(now: float, issuer: str = "access-key-1") -> str:
    """A JSON web token as Kling's own: a new one each time, of one account."""
    return f"e30.{b64encode(json.dumps({'iss': issuer, 'iat': now}).encode()).decode()}.signature"


def _nothing() -> None:
    return


def _envelope(status: int, code: int, message: str) -> tuple[int, dict[str, str], bytes]:
    return status, {}, json.dumps({"code": code, "message": message, "request_id": "r-1"}).encode()


def _page(status: int) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html><body>%d</body></html>" % status
