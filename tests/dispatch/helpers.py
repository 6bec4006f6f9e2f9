"""The rooms of a run without a run or a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from attrs import evolve
from multidict import CIMultiDict
from yarl import URL

from lipsync_async import KLING, Limits, LipSyncRequest, RetryPolicy, RunOptions
from lipsync_async.dispatch.account import Account, Observer
from lipsync_async.dispatch.batch import Batch
from lipsync_async.dispatch.brake import Stop
from lipsync_async.dispatch.job import Job
from lipsync_async.dispatch.lookup import Inquiry
from lipsync_async.dispatch.pacing import Pacer
from lipsync_async.dispatch.registry import Registry
from lipsync_async.dispatch.trust import Trust
from lipsync_async.errors import JournalError
from lipsync_async.gateways import Gateway
from lipsync_async.outcomes import Outcome
from lipsync_async.terms import Failure, Kind, Phase, Reply, Verdict
from lipsync_async.wire import Body, TaskReply
from lipsync_async.wire.credential import ApiKey, Credential
from lipsync_async.wire.flight import Flight
from tests.makers import request
from tests.simulation.virtual import run


def keys() -> tuple[list[str], Callable[[], str]]:
    """What was given out, and a callable that gives `key-number-1`, `key-number-2` and so on."""
    given: list[str] = []

    def source() -> str:
        given.append(f"key-number-{len(given) + 1}")
        return given[-1]

    return given, source


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a story in virtual time, which begins at 1000."""
    run(story())


# --- one room alone --------------------------------------------------------------------------------------------------

EPOCH = 1_790_000_000.0
"""Unix seconds at the virtual clock's zero."""
PLAIN = evolve(KLING, lists_tasks=False)
"""A gateway without a list of tasks."""

MADE = Reply(status=200, success=True, parsed=True, task_id="task-1", external_task_id="job-1")
LOST = Failure(kind=Kind.CONNECTION, phase=Phase.SENT, message="reset")
TIMED_OUT = Failure(kind=Kind.TIMEOUT, phase=Phase.SENT, message="no answer")
UNSENT = Failure(kind=Kind.CONNECTION, phase=Phase.CONNECTING, message="refused")
SLOW = Reply(status=429, code=1302, parsed=True, message="too many requests")
BAD = Reply(status=400, code=1200, parsed=True, message="bad parameter")
EXISTS = Reply(status=400, code=1201, parsed=True, message="external_task_id is duplicated")
EMPTY = Reply(status=429, code=1102, parsed=True, message="the pack is used up")
EXPIRED = Reply(status=401, code=1004, parsed=True, message="expired")
HTML = Reply(status=200, html=True, message="<html>")
NO_SUCH_TASK = TaskReply(reply=Reply(status=404, code=1203, parsed=True, message="task not exist"), found=False)
GATEWAY_SAYS_NONE = TaskReply(reply=Reply(status=404, parsed=True, message="none"), found=None, gateway_says_none=True)
NO_ROUTE = TaskReply(reply=Reply(status=404, parsed=True, message="Invalid URL"), found=None)
BROKEN = TaskReply(reply=Reply(status=500, parsed=True, message="server error"), found=None)

Answer = TaskReply | Failure


def task(external_task_id: str | None = "job-1", task_id: str = "task-1", created_at: float | None = None) -> TaskReply:
    """A task that was found."""
    reply = Reply(
        status=200,
        success=True,
        parsed=True,
        task_id=task_id,
        external_task_id=external_task_id,
        created_at=created_at,
    )
    return TaskReply(reply=reply, found=True)


class Wire:
    """What sends, without a network: creates are answered in turn, look-ups by what is found at their id.

    An answer that is an exception is raised.
    """

    def __init__(
        self,
        *replies: Reply | Failure | BaseException,
        found: Mapping[str, Answer | list[Answer]] | None = None,
        otherwise: Answer = NO_SUCH_TASK,
        pages: Sequence[list[str] | None] = (),
    ) -> None:
        self._replies = list(replies)
        self._found = dict(found or {})
        self._otherwise = otherwise
        self._pages = pages
        self.creates: list[str] = []
        """The ids in the bodies of the creates."""
        self.asked: list[str] = []
        """The ids that were looked up, and `never` for one that never was."""
        self.listed: list[int] = []
        """The numbers of the pages that were asked for."""
        self.urls: list[URL] = []
        self.headers: list[CIMultiDict[str]] = []

    def watching(self, flight: Flight) -> AbstractContextManager[None]:
        """Nobody does."""
        return nullcontext()

    async def post(self, url: URL, headers: CIMultiDict[str], body: Body, flight: Flight) -> Reply | Failure:
        """The next answer; the last one from then on."""
        self.creates.append(str(json.loads(body.head + body.tail)["external_task_id"]))
        self.headers.append(headers)
        flight.phase = Phase.ANSWERED
        answer = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def get_task(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> Answer:
        """What is found there; of several answers one after the other, the last one from then on."""
        self.urls.append(url)
        self.headers.append(headers)
        name = url.path.rpartition("/")[2]
        self.asked.append("never" if name.startswith("never-") else name)
        answer = self._found.get(self.asked[-1], self._otherwise)
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    async def has_video(self, *_: Any) -> bool:
        """None is there."""
        return False

    async def list_tasks(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> list[TaskReply] | None:
        """One page, from 1; the last of them from then on."""
        self.urls.append(url)
        self.headers.append(headers)
        self.listed.append(int(url.query["pageNum"]))
        names = self._pages[min(self.listed[-1], len(self._pages)) - 1]
        return None if names is None else [task(name, f"task-of-{name}") for name in names]


def account_at(
    wire: Wire,
    *,
    gateway: Gateway = PLAIN,
    key: ApiKey = "the-key",
    retry: RetryPolicy | None = None,
    observer: Observer | None = None,
    limits: Limits | None = None,
) -> Account:
    """An account whose jitter is half of its cap, and whose wall clock goes with the loop's."""
    loop = asyncio.get_running_loop()
    return Account(
        gateway,
        wire,
        Credential(key),
        Pacer(limits or Limits(initial_per_second=1e6)),
        retry or RetryPolicy(),
        observer=observer,
        dice=lambda: 0.5,
        wall_clock=lambda: EPOCH + loop.time(),
    )


def batch_at(
    wire: Wire | None = None, *, options: RunOptions | None = None, jobbook: Any = None, **settings: Any
) -> Batch:
    """A batch of an account of its own."""
    return Batch(account_at(wire or Wire(MADE), **settings), options or RunOptions(), jobbook)


class Jobbook:
    """Notes what would be written, in memory; `broken` makes every intent fail."""

    shared = False
    guard = None

    def __init__(self, *, broken: bool = False, on_intent: Callable[[], None] | None = None) -> None:
        self.broken = broken
        self.on_intent = on_intent
        self.registry = Registry()
        self.notes: list[str] = []
        self.settling: dict[str, Callable[[JournalError | None], None]] = {}
        """What is on its way to the disk; called, it is durable."""
        self.known: dict[str, Outcome] = {}
        self.left_open: dict[str, Inquiry] = {}

    def recall(self, job: Job, *, retry_rejected: bool, first: bool = False) -> Outcome | None:
        """What an earlier run told, or left open."""
        job.inquiry = self.left_open.get(job.id)
        return self.known.get(job.id)

    def holds(self, external_task_id: str) -> bool:
        """Whether an earlier run told or left it."""
        return external_task_id in self.known or external_task_id in self.left_open

    async def meet(self, job: Job, trust: Trust, credential: Credential, mark: bytes) -> None:
        """Noted."""
        self.notes.append(f"met {job.id}")

    async def meet_id(self, external_task_id: str) -> None:
        """No other process writes it."""

    def let_go(self, job: Job) -> None:
        """No other process waits for it."""

    async def intend(self, job: Job, credential: Credential) -> JournalError | None:
        """Noted, or refused."""
        if self.on_intent is not None:
            self.on_intent()
        if self.broken:
            return JournalError("the disk is full")
        self.notes.append(f"intent {job.id}")
        return None

    def tried(self, job: Job, verdict: Verdict, result: Reply | Failure) -> None:
        """Noted."""
        self.notes.append(f"tried {job.id}: {verdict.action.value}")

    def cleared(self, job: Job) -> None:
        """Noted."""
        self.notes.append(f"cleared {job.id}")

    def settle(self, job: Job, outcome: Outcome, done: Callable[[JournalError | None], None]) -> None:
        """Noted; it is durable when `settling` is called."""
        self.notes.append(f"settled {job.id}: {outcome.name}")
        self.settling[job.id] = done


class Stopped:
    """A run that notes why it was stopped."""

    def __init__(self, account: Account) -> None:
        self.stops: list[Stop] = []
        self.workers: list[asyncio.Task[None]] = []
        account.runs.add(self)

    def stop(self, stop: Stop) -> None:
        """Noted."""
        self.stops.append(stop)

    def abort(self) -> None:
        """Nothing is in flight."""

    def break_off(self) -> None:
        """Nor is anything made."""

    def fail(self, error: Exception) -> None:
        """Nobody calls it."""
        raise error

    async def aclose(self, grace: float) -> None:
        """Nothing is made."""


def job_of(wanted: LipSyncRequest | None = None, *, line: int | None = None) -> Job:
    """`job-1`, or another request's job, on its way; it has its id."""
    wanted = wanted or request()
    job = Job(wanted, wanted.external_task_id or "", line, unique=bool(wanted.external_task_id))
    job.unique = False
    return job
