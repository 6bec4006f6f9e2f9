"""A small paid call: sent once for certain, counted against the account's limits, and never sent again in doubt.

What was surely refused is sent again, as a create is; what may have been acted upon is told, and the caller decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar, cast

from attrs import frozen
from msgspec.structs import replace
from multidict import CIMultiDict
from yarl import URL

from lipsync_async.dispatch.account import Account
from lipsync_async.dispatch.queries import NO_CACHE
from lipsync_async.dispatch.retry import next_delay
from lipsync_async.errors import (
    JobError,
    NoFaceError,
    NotSentError,
    OutcomeUnknownError,
    RejectedError,
    TaskError,
    TaskFailedError,
    WaitTimeoutError,
)
from lipsync_async.tasks.fates import kind_of
from lipsync_async.terms import Action, Failure, Kind, Phase, Reply, TaskStatus, Verdict
from lipsync_async.wire import Body
from lipsync_async.wire.credential import Headers
from lipsync_async.wire.flight import Flight
from lipsync_async.wire.verdicts import ACCEPT, judge

from .pauses import until_look, until_retry


class Made(Protocol):
    """An answer of such a call, as `wire` reads it."""

    @property
    def reply(self) -> Reply:
        """The answer as such."""
        ...

    @property
    def made(self) -> bool:
        """What was asked for is in it."""
        ...

    @property
    def nothing(self) -> bool:
        """There is nothing that could be made."""
        ...

    @property
    def reason(self) -> str | None:
        """Why its task failed."""
        ...


T = TypeVar("T", bound=Made)


class Asking(Protocol):
    """What sends: `Transport`, or a gateway model in virtual time."""

    async def ask(
        self, url: URL, headers: CIMultiDict[str], flight: Flight, read: Callable[..., T], body: Body | None = None
    ) -> T | Failure:
        """A POST where there is a body, else a GET."""
        ...


@frozen(kw_only=True)
class Call(Generic[T]):
    """What is asked for."""

    name: str
    """How messages call it."""
    url: str
    read: Callable[..., T]
    units: float
    """What it costs at list price."""
    body: bytes = b""
    before: Callable[[], Awaitable[None]] | None = None
    """Awaited when the account allows it to be sent, before its first byte leaves; what it raises is let through."""
    on_task: Callable[[str], Awaitable[None]] | None = None
    """Awaited when the gateway has answered with a task."""


ERRORS: dict[Action, type[JobError]] = {
    Action.FAIL: RejectedError,
    Action.LOOK_UP: OutcomeUnknownError,
    Action.STOP: NotSentError,
    Action.REFRESH: NotSentError,
    Action.WAIT: NotSentError,
    Action.RETRY: NotSentError,
}
"""What a call ends as that is not sent again."""


def judge_made(answer: Made | Failure, account: Account) -> Verdict:
    """What an answer means; `ACCEPT`: it was made, or is a task that makes it, or there is nothing to make."""
    if isinstance(answer, Failure):
        return judge(answer, account.gateway)
    if answer.made or answer.nothing:
        return ACCEPT
    if answer.reply.task_id is not None and answer.reply.task_status is TaskStatus.SUCCEED:
        return judge(_without_task(answer.reply), account.gateway)  # it has ended, and nothing is in it
    return judge(answer.reply, account.gateway, seen_reply=account.brake.heard)


def _without_task(reply: Reply) -> Reply:
    return replace(reply, task_id=None)


class Paying(Generic[T]):
    """One such call, until it is made or comes to nothing."""

    def __init__(self, account: Account, call: Call[T], timeout: float | None) -> None:
        self._account = account
        self._call = call
        self._flight = Flight()
        self._deadline = float("inf") if timeout is None else account.loop.time() + timeout
        self._generation = 0
        self._renewed = False

    async def make(self, task_id: str | None = None) -> T:
        """What was made; `task_id`: that of a call before, whose task is only waited for."""
        with self._account.wire.watching(self._flight):
            if task_id is not None:
                return await self._wait_for(task_id)
            answer = await self._send()
            if answer.made or answer.nothing:
                return self._checked(answer)
            assert answer.reply.task_id is not None
            if self._call.on_task is not None:
                await self._call.on_task(answer.reply.task_id)
            return await self._wait_for(answer.reply.task_id)

    # -- sending ----------------------------------------------------------------------------------------------------

    async def _send(self) -> T:
        attempts = refusals = 0
        while True:
            try:
                answer = await self._exchange(Body(self._call.body, None, b"", len(self._call.body)))
            except asyncio.CancelledError as error:
                self._note(error)
                raise
            verdict = judge_made(answer, self._account)
            if verdict.action is Action.ACCEPT:
                assert not isinstance(answer, Failure)
                return answer
            hint = answer.reply.retry_after if not isinstance(answer, Failure) else None
            delay: float | None = None
            if verdict.action is Action.REFRESH:
                delay = 0.0 if await self._renew() else None
            elif verdict.action is Action.WAIT:
                refusals += 1
                delay = self._hold(verdict, until_retry(refusals, hint))
            elif verdict.action is Action.RETRY:
                attempts += 1
                delay = next_delay(self._account.retry, attempts, hint, self._account.dice)
            if delay is None or self._account.loop.time() + delay > self._deadline:
                raise self._error(verdict, answer)
            await asyncio.sleep(delay)

    def _hold(self, verdict: Verdict, delay: float) -> float:
        """A refusal for rate speaks of the account: nobody sends for so long."""
        if verdict.kind is Kind.RATE:
            self._account.pacer.close(self._account.loop.time(), delay)
        return delay

    async def _renew(self) -> bool:
        """One new key a call, where a new one may work."""
        account = self._account
        if self._renewed or not account.credential.may_refresh(self._generation):
            return False
        self._renewed = True
        return await account.renew(self._generation) is None

    async def _exchange(self, body: Body | None, url: URL | None = None) -> T | Failure:
        """One request, when the account allows it."""
        account = self._account
        self._flight.phase = Phase.WAITING
        try:
            async with asyncio.timeout_at(None if self._deadline == float("inf") else self._deadline):
                await account.admission.admit_aside()
        except TimeoutError:
            return Failure(kind=Kind.TIMEOUT, phase=Phase.WAITING, message="no request could be sent in time")
        try:
            headers = Headers(await account.credential.headers())
            if body is None:
                headers.update(NO_CACHE)
            self._generation = account.credential.generation
            if body is not None and self._call.before is not None:
                await self._call.before()
            wire = cast("Asking", account.wire)
            return await wire.ask(url or URL(self._call.url), headers, self._flight, self._call.read, body)
        finally:
            account.admission.leave_aside()

    # -- a task -----------------------------------------------------------------------------------------------------

    async def _wait_for(self, task_id: str) -> T:
        try:
            return await self._follow(task_id)
        except asyncio.CancelledError as error:
            error.add_note(f"{self._call.name}: task {task_id} goes on, and can be waited for by its id")
            raise

    async def _follow(self, task_id: str) -> T:
        """Asks for the task until it has ended; no look that fails ends it."""
        loop = self._account.loop
        begun, trouble = loop.time(), 0
        hint: float | None = None
        while True:
            pause = until_look(loop.time() - begun, trouble, hint)
            if loop.time() + pause > self._deadline:
                raise self._too_late(task_id)
            await asyncio.sleep(pause)
            answer = await self._exchange(None, URL(self._call.url) / task_id)
            hint = None
            if isinstance(answer, Failure):
                trouble += 1
            elif answer.made or answer.nothing:
                return self._checked(answer)
            elif _has_ended(answer.reply):
                raise self._failed(task_id, answer)
            elif answer.reply.status == 401 and await self._renew():
                trouble = 0
            else:
                trouble = trouble + 1 if answer.reply.status >= 400 else 0
                hint = answer.reply.retry_after

    # -- errors -----------------------------------------------------------------------------------------------------

    def _checked(self, answer: T) -> T:
        if answer.made:
            return answer
        # A call that succeeded with an empty list tells of its success, which explains nothing.
        told = answer.reason or ("" if answer.reply.success else answer.reply.message)
        why = f": {told}" if told else ""
        raise NoFaceError(f"{self._call.name}: the video shows no face{why}", **_details(answer.reply))

    def _error(self, verdict: Verdict, answer: T | Failure) -> JobError:
        reply = answer if isinstance(answer, Failure) else answer.reply
        told = reply.message or "no usable answer"
        text = f"{self._call.name}: {told if isinstance(reply, Failure) else f'HTTP {reply.status}: {told}'}"
        if verdict.action is Action.LOOK_UP:
            text += f"; it may have been charged ({self._call.units} unit), and is not sent again by itself"
        details = {"phase": reply.phase.name.lower()} if isinstance(reply, Failure) else _details(reply)
        error = ERRORS[verdict.action](text, kind=verdict.kind, **details)
        error.__cause__ = reply.error if isinstance(reply, Failure) else None
        return error

    def _failed(self, task_id: str, answer: T) -> TaskError:
        if answer.reply.task_status is not TaskStatus.FAILED:
            text = f"{self._call.name}: task {task_id} has ended, and nothing is in its answer"
            return TaskError(text, task_id=task_id, kind=Kind.PROTOCOL, **_details(answer.reply))
        text = f"{self._call.name}: task {task_id} failed: {answer.reason or 'no reason was told'}"
        kind = kind_of(answer.reason)
        return TaskFailedError(text, task_id=task_id, kind=kind, **_details(answer.reply))

    def _too_late(self, task_id: str) -> WaitTimeoutError:
        text = f"{self._call.name}: task {task_id} goes on; {self._call.name}(..., task_id=...) waits for it again"
        return WaitTimeoutError(text, task_id=task_id)

    def _note(self, error: BaseException) -> None:
        if self._flight.phase >= Phase.SENT:
            error.add_note(f"{self._call.name}: it was sent, and may have been charged ({self._call.units} unit)")


def _has_ended(reply: Reply) -> bool:
    return reply.status <= 299 and reply.task_status in {TaskStatus.SUCCEED, TaskStatus.FAILED}


def _details(reply: Reply) -> dict[str, Any]:
    return {"http_status": reply.status, "code": reply.code, "request_id": reply.request_id}
