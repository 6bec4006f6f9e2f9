"""What the runs of one client share: limits belong to the account, and so does all that was learned of it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from attrs import evolve, frozen
from multidict import CIMultiDict
from yarl import URL

from lipsync_async.config import RetryPolicy
from lipsync_async.gateways import Gateway
from lipsync_async.terms import Failure, Kind, Reply
from lipsync_async.wire import Body, TaskReply
from lipsync_async.wire.credential import Credential
from lipsync_async.wire.flight import Flight

from .admission import Admission
from .brake import Brake, Stop
from .lookup import Inquiry
from .pacing import Pacer

LOG = logging.getLogger("lipsync_async")
"""Silent until the user gives it a handler; it never sees a key or a sound."""
LOG.addHandler(logging.NullHandler())


PAGE = 500
"""Tasks of a page of the task list, the most that can be asked for."""
MAX_PAGES = 20


class Wire(Protocol):
    """What sends: `Transport`, or a gateway model in virtual time."""

    def watching(self, flight: Flight) -> AbstractContextManager[None]:
        """For as long as a worker lives: its requests have deadlines."""
        ...

    async def post(self, url: URL, headers: CIMultiDict[str], body: Body, flight: Flight) -> Reply | Failure:
        """Creates a task."""
        ...

    async def get_task(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> TaskReply | Failure:
        """Asks for a task."""
        ...

    async def list_tasks(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> list[TaskReply] | None:
        """Asks for a page of the task list."""
        ...


class Stoppable(Protocol):
    """A run, as the account knows it."""

    workers: list[asyncio.Task[None]]

    def stop(self, stop: Stop) -> None:
        """Ends intake."""
        ...

    def abort(self) -> None:
        """Breaks off what is in flight."""
        ...

    def fail(self, error: Exception) -> None:
        """Ends intake, and raises the error when all is over."""
        ...


@frozen(kw_only=True)
class Event:
    """What the observer hook is told.

    One `attempt` a try, one `look_up` a question, one `outcome` a job, one `pause` or `stop` a gate that moved.
    """

    name: str
    at: float
    """The loop's time."""
    external_task_id: str | None = None
    attempt: int = 0
    action: str = ""
    kind: str | None = None
    http_status: int | None = None
    seconds: float = 0.0
    """How long the try took, or the gate is closed."""


Observer = Callable[[Event], None]


class Account:
    """What the runs of one client share: the gate and what was learned of the account behind it."""

    def __init__(
        self,
        gateway: Gateway,
        wire: Wire,
        credential: Credential,
        pacer: Pacer,
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
        self.under_way: set[str] = set()
        """Ids of the jobs that have begun and not come out: one id is one job, whichever run hands it in."""
        self.trusts_lookups = False
        """A not-found proves something: the user says so, or an accepted job was found by its external id."""
        self.witness: tuple[str, str] | None = None
        """An accepted job's external id and task id, to learn whether look-ups can be trusted."""

    def stop(self, stop: Stop) -> None:
        """Ends all runs: what stops one batch stops the account."""
        self.observe("stop", kind=stop.kind)
        if stop.kind is Kind.AUTH:
            self.credential.forget()
        for run in tuple(self.runs):
            run.stop(stop)

    def pause(self, seconds: float) -> None:
        """Closes the gate for everybody; then one canary."""
        self.pacer.close(self.loop.time(), seconds)
        LOG.info("the gate is closed for %.1f s, then one job goes first: %r", seconds, self.brake)
        self.observe("pause", seconds=seconds)

    async def renew(self, generation: int) -> Stop | None:
        """Asks for a new key in place of that generation's; a `Stop` where none comes."""
        try:
            await self.credential.refresh(generation)
        except Exception as error:  # noqa: BLE001 - the caller's callable may raise anything
            return Stop(Kind.AUTH, f"the API key could not be renewed: {type(error).__name__}")
        return None

    def give_back(self, sent_at: float) -> None:
        """One that was admitted sends nothing after all."""
        self.pacer.ended(self.loop.time(), sent_at)
        self.admission.poke()

    def observe(self, name: str, **values: Any) -> None:
        """Tells the observer, if there is one; `values` are the fields of `Event`.

        It may fail: the jobs go on to their outcomes, and the runs raise what it raised.
        """
        if self.observer is None:
            return
        try:
            self.observer(Event(name=name, at=self.loop.time(), **values))
        except Exception as error:  # noqa: BLE001 - the caller's own
            for run in tuple(self.runs):
                run.fail(error)

    # -- look-ups ---------------------------------------------------------------------------------------------------

    def when_to_ask(self, inquiry: Inquiry) -> float:
        """When to look a job up next, by the loop's clock."""
        now = self.loop.time()
        due = inquiry.due(now, trusted=self.trusts_lookups, settle_time=self.gateway.settle_time)
        return max(due, now + self.brake.pause) if self.brake.on else due  # perhaps nobody would answer now

    async def look_up(self, external_task_id: str, flight: Flight) -> TaskReply | Failure:
        """Asks for a task by its external id; then, where the gateway has one, in the task list."""
        headers = await self.credential.headers()
        answer = await self.wire.get_task(self.create_url / external_task_id, headers, flight)
        if isinstance(answer, TaskReply) and answer.found is False and self.gateway.lists_tasks:
            return await self._look_through_list(external_task_id, answer, flight)
        return answer

    async def _look_through_list(self, external_task_id: str, absent: TaskReply, flight: Flight) -> TaskReply:
        """Only a list that was read to its end says that a task is not there."""
        headers = await self.credential.headers()
        for number in range(1, MAX_PAGES + 1):
            page = self.create_url.with_query(pageNum=number, pageSize=PAGE)
            tasks = await self.wire.list_tasks(page, headers, flight)
            for task in tasks or ():
                if task.reply.external_task_id == external_task_id:
                    return evolve(task, found=True)
            if tasks is not None and len(tasks) < PAGE:
                return absent
            if tasks is None:
                break
        return evolve(absent, found=None)

    async def hear_witness(self, flight: Flight) -> None:
        """Is an accepted job found by its external id? Then a not-found means something here."""
        if self.witness is not None and not self.trusts_lookups:
            external_task_id, task_id = self.witness
            answer = await self.look_up(external_task_id, flight)
            if isinstance(answer, TaskReply) and answer.found and answer.reply.task_id == task_id:
                self.trusts_lookups = True
