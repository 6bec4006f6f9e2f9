"""What the runs of one client share: limits belong to the account, and so does all that was learned of it."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable
from typing import Any, Protocol

from attrs import evolve, frozen
from yarl import URL

from lipsync_async.config import RetryPolicy
from lipsync_async.errors import HookError
from lipsync_async.gateways import Gateway
from lipsync_async.outcomes import Accepted
from lipsync_async.terms import Kind
from lipsync_async.wire.credential import Credential

from .admission import Admission
from .brake import Brake, Order, Pause, Stop
from .job import Job
from .lookup import Inquiry
from .lost import LostReplies
from .pacing import Pacing
from .queries import Queries, Wire
from .registry import Registry
from .trust import Trust

LOG = logging.getLogger("lipsync_async")
"""The one logger of the library, silent until the user gives it a handler; it never sees a key or a sound.

WARNING: something may have been charged and is not known, a batch ended, a video or an ending could not be kept.
INFO: what takes long (a gate that is closed, lost replies that are looked up), and a batch that its caller ended.
DEBUG: every refusal, and how the client was opened.
"""
LOG.addHandler(logging.NullHandler())


class Stoppable(Protocol):
    """A run, as the account knows it."""

    workers: list[asyncio.Task[None]]

    def stop(self, stop: Stop) -> None:
        """Ends intake."""
        ...

    def abort(self) -> None:
        """Breaks off what is in flight."""
        ...

    def break_off(self) -> None:
        """Breaks off what is in flight, and what is being made for its jobs."""
        ...

    def fail(self, error: Exception) -> None:
        """Ends intake, and raises the error when all is over."""
        ...

    async def aclose(self, grace: float) -> None:
        """Ends what is still being made for its jobs."""
        ...


@frozen(kw_only=True)
class Event:
    """What the observer hook is told; fields that say nothing of an event keep their defaults.

    `attempt`: a try came back (`action` is what follows: `accept`, `wait`, `retry`, `look_up`, `refresh`, `fail`,
    `stop`; `kind`, `http_status`, `seconds`).
    `look_up`: the gateway was asked for a job whose reply was lost (`action`: what it said).
    `outcome`: a job came out (`action`: `accepted`, `rejected`, `unknown`, `not_sent`; `attempt`, `kind`, `task_id`).
    `look`: a task that is waited for was asked for (`action`: what it said).
    `end`: a task was seen to end (`action`: `succeeded`, `failed`, `lost`; `kind`, `task_id`, `units`,
    `estimated_units`), once a client, however many wait for it.
    `pause`: nothing is sent for `seconds`. `stop`: all batches end (`kind`).
    One `source` whenever a call for a video or a text is `sent`, and one when it is `made`, `refused`, `cleared`
    (surely not acted upon) or `unknown` (it may have been charged).
    """

    name: str
    at: float
    """The loop's time."""
    external_task_id: str | None = None
    attempt: int = 0
    action: str = ""
    kind: str | None = None
    task_id: str | None = None
    """`outcome` and `end` only: the task of a job that was accepted."""
    http_status: int | None = None
    seconds: float = 0.0
    """How long the try took, or the gate is closed."""
    source: str | None = None
    """`source` only: `video`, whose faces are identified, or `text`, which is spoken."""
    units: float | None = None
    """`source` and `end` only: what was charged, where the gateway tells it."""
    estimated_units: float | None = None
    """`end` only: what the task should cost at list price, where its request is known."""
    message: str = ""
    """`attempt` and `pause` only: what went wrong, in the gateway's words or ours; "" for an accepted job."""
    left: float | None = None
    """`pause` only: seconds until the batch ends, where no usable answer comes; None: it does not end by that."""


Observer = Callable[[Event], None]
"""Called in the event loop, on the way of every job: it must be quick, and must not block.

What it raises is logged once, and changes nothing.
`lipsync_async.metrics.Metrics.observe` is one.
"""


class Account:
    """What the runs of one client share: the gate and what was learned of the account behind it."""

    def __init__(
        self,
        gateway: Gateway,
        wire: Wire,
        credential: Credential,
        pacer: Pacing,
        retry: RetryPolicy,
        *,
        observer: Observer | None = None,
        dice: Callable[[], float] = random.random,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.gateway = gateway
        self.create_url = URL(gateway.create_url)
        self.wire = wire
        self.credential = credential
        self.pacer = pacer
        self.admission = Admission(pacer, self.loop)
        self.retry = retry
        self.brake = Brake(retry)
        self.observer = observer
        self.dice = dice
        self.wall_clock = wall_clock
        self.runs: set[Stoppable] = set()
        self.registry = Registry()
        self.trust = Trust()
        self.lost = LostReplies(self.loop, wall_clock, LOG)
        self.queries = Queries(gateway, wire, credential, pacer, self.trust)
        self._salt = os.urandom(16)
        self._marked = -1
        self._mark = b""
        self.accepted: Callable[[Job, Accepted], None] | None = None
        """Hears of every task that a create of this client has just made."""
        self.on_stop: Callable[[Stop], None] | None = None
        """Hears of every stop of the whole account."""
        self.echoes = False
        """Replies were seen that name the job that was sent."""
        self._told_of_observer = False

    def __repr__(self) -> str:
        return f"{self.pacer!r}, {self.wire!r}"

    @property
    def mark(self) -> bytes:
        """Stands for the account of the present key, in this process."""
        if self._marked != self.credential.generation:
            self._mark = self.credential.mark(self._salt)
            self._marked = self.credential.generation if self._mark else -1
        return self._mark

    def stop(self, stop: Stop) -> None:
        """Ends all runs: what stops one batch stops the account."""
        self.observe("stop", kind=stop.kind)
        if stop.kind is Kind.AUTH:
            self.credential.forget()
            stop = self._with_origin(stop)
        if self.on_stop is not None:
            self.on_stop(stop)
        for run in tuple(self.runs):
            run.stop(stop)

    def _with_origin(self, stop: Stop) -> Stop:
        """A refusal of the key, with the word where the key came from."""
        origin = self.credential.origin
        return evolve(stop, message=f"{stop.message}; {origin}") if origin else stop

    def pause(self, seconds: float, message: str = "", left: float | None = None) -> None:
        """Closes the gate for everybody; then one canary. `message` and `left` are those of the brake's `Pause`."""
        self.pacer.close(self.loop.time(), seconds)
        LOG.info("the gate is closed for %.1f s, then one job goes first: %r", seconds, self.brake)
        self.observe("pause", seconds=seconds, message=message, left=left)

    async def renew(self, generation: int) -> Stop | None:
        """Asks for a new key in place of that generation's; a `Stop` where none comes."""
        try:
            await self.credential.refresh(generation)
        except Exception as error:  # noqa: BLE001 - the caller's callable may raise anything
            return Stop(Kind.AUTH, f"the API key could not be renewed: {type(error).__name__}")
        return None

    def obey(self, order: Order) -> None:
        """Does what the brake orders."""
        if isinstance(order, Pause):
            self.pause(order.seconds, order.message, order.left)
        elif order is not None:
            self.pacer.lift(self.loop.time())  # the pause that ended the batch is none for what comes after it
            self.stop(order)

    def give_back(self, sent_at: float) -> None:
        """One that was admitted sends nothing after all."""
        self.pacer.ended(self.loop.time(), sent_at)
        self.admission.poke()

    def observe(self, name: str, **values: Any) -> None:
        """Tells the observer, if there is one; `values` are the fields of `Event`.

        What it raises is logged once, and changes nothing.
        """
        if self.observer is None:
            return
        try:
            self.observer(Event(name=name, at=self.loop.time(), **values))
        except (Exception, asyncio.CancelledError, GeneratorExit):
            if not self._told_of_observer:
                self._told_of_observer = True
                LOG.exception("the observer failed; this is told once")

    def when_to_ask(self, inquiry: Inquiry) -> float:
        """When to look a job up next, by the loop's clock."""
        now = self.loop.time()
        due = inquiry.due(now, trusted=self.trust.holds, settle_time=self.gateway.settle_time)
        return max(due, now + self.brake.pause) if self.brake.on else due  # perhaps nobody would answer now


def callers_error(error: BaseException, where: str) -> Exception:
    """What the caller's code raised, as an error that ends no coroutine and is taken for no cancellation."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    told = HookError(f"{where} raised {type(error).__name__}")
    told.__cause__ = error
    return told


def is_cancelled(error: BaseException) -> bool:
    """Whether the worker was cancelled; a `CancelledError` that nobody asked for is the caller's own."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
