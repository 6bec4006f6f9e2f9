"""What is asked of a gateway about a task: by its external id, then in the list; and whether the answer can be trusted.

Contract, section 5.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from typing import Protocol

from attrs import evolve
from multidict import CIMultiDict
from yarl import URL

from lipsync_async.gateways import Gateway
from lipsync_async.outcomes import LookUp
from lipsync_async.terms import Failure, Reply
from lipsync_async.wire import Body, TaskReply
from lipsync_async.wire.credential import Credential, Headers
from lipsync_async.wire.flight import Flight
from lipsync_async.wire.verdicts import Finding, judge_query

from .pacing import Pacing
from .trust import Trust

NO_CACHE = {"Cache-Control": "no-cache", "Pragma": "no-cache"}
PAGE = 500
"""Tasks of a page of the task list, the most that can be asked for."""
MAX_PAGES = 20
BEGINNING = 1024
"""Bytes of a video that are asked for, to see that it is one."""
NONE = frozenset({Finding.NO_SUCH_TASK, Finding.GATEWAY_SAYS_NONE})
MISSING = frozenset({404, 405, 410})
"""Statuses of a route that is not there."""


DENIALS = frozenset({400, 404, 410, 422})
"""Statuses that tell an id that never was from one that is there."""


class Wire(Protocol):
    """What sends: `Transport`, or a gateway model in virtual time."""

    def watching(self, flight: Flight) -> AbstractContextManager[None]:
        """For as long as a worker lives: its requests have deadlines."""
        ...

    def post(self, url: URL, headers: CIMultiDict[str], body: Body, flight: Flight) -> Awaitable[Reply | Failure]:
        """Creates a task."""
        ...

    def get_task(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> Awaitable[TaskReply | Failure]:
        """Asks for a task."""
        ...

    async def list_tasks(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> list[TaskReply] | None:
        """Asks for a page of the task list."""
        ...

    async def has_video(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> bool:
        """Whether there is a video."""
        ...


class Queries:
    """The look-ups of one client."""

    def __init__(self, gateway: Gateway, wire: Wire, credential: Credential, pacer: Pacing, trust: Trust) -> None:
        self._gateway = gateway
        self._url = URL(gateway.create_url)
        self._wire = wire
        self._credential = credential
        self._pacer = pacer
        self._trust = trust
        self._loop = asyncio.get_running_loop()

    async def look_up(
        self, external_task_id: str, flight: Flight, *, fresh: bool = True
    ) -> tuple[TaskReply | Failure, Finding]:
        """Asks for a task by its external id, then in the task list where the gateway has one.

        `fresh`: at an address that no cache has seen; at the plain one a not-found proves nothing.
        """
        url = self._url / external_task_id
        answer, finding = await self._ask(_fresh(url) if fresh else url, external_task_id, flight)
        if fresh and finding in NONE and self._gateway.lists_tasks and isinstance(answer, TaskReply):
            return await self._look_through_list(external_task_id, answer, finding, flight)
        return answer, finding

    async def _ask(self, url: URL, external_task_id: str, flight: Flight) -> tuple[TaskReply | Failure, Finding]:
        answer = await self._get(url, flight)
        if not isinstance(answer, TaskReply):
            return answer, Finding.PROVES_NOTHING
        finding = judge_query(answer, external_task_id=external_task_id)
        if finding is Finding.FOUND and not answer.reply.external_task_id and not await self._discriminates(flight):
            return answer, Finding.PROVES_NOTHING
        return answer, finding

    async def _discriminates(self, flight: Flight) -> bool:
        """Whether an answer that names nobody can be relied upon: the gateway denies an id that never was.

        One that once did not is never believed again, for its route may have died since.
        """
        trust = self._trust
        if not trust.indiscriminate:
            nobody = await self._get(_fresh(self._url / never()), flight)
            if isinstance(nobody, TaskReply) and judge_query(nobody) is Finding.FOUND:
                trust.ended = trust.indiscriminate = True
            if not isinstance(nobody, TaskReply) or not _denies(nobody):
                return False
        return not trust.indiscriminate

    async def get_task(self, task_id: str, flight: Flight) -> TaskReply | Failure:
        """Asks for a task by the gateway's own id for it."""
        return await self._get(_fresh(self._url / task_id), flight)

    async def list_page(self, number: int, flight: Flight) -> list[TaskReply] | None:
        """The tasks of a page of the list, from 1; None where it could not be read."""
        page = _fresh(self._url.with_query(pageNum=number, pageSize=PAGE))
        return await self._wire.list_tasks(page, await self._query_headers(), flight)

    async def content_url(self, task_id: str, flight: Flight) -> str | None:
        """Where the gateway itself has the video of a task that ended without a URL; None where it has none.

        Contract, section 3: one GET, of which only the beginning is read.
        """
        url = URL(self._gateway.base_url) / "v1" / "videos" / task_id / "content"
        headers = await self._query_headers()
        headers["Range"] = f"bytes=0-{BEGINNING - 1}"
        return str(url) if await self._wire.has_video(url, headers, flight) else None

    async def has_route(self, flight: Flight) -> bool | None:
        """Whether the gateway has the route of lip-sync tasks, asked by a GET; None: no telling."""
        answer = await self._get(_fresh(self._url / never()), flight)
        if not isinstance(answer, TaskReply):
            return None
        if judge_query(answer) is not Finding.PROVES_NOTHING:
            return True
        return False if answer.reply.html or answer.reply.status in MISSING else None

    async def hear_witness(self, mark: bytes, flight: Flight) -> bool | None:
        """Whether an accepted job of that key is found; None: there is none, or no telling."""
        witness = self._trust.witness(mark, self._loop.time(), self._gateway.settle_time)
        if witness is None:
            return None
        answer, finding = await self.look_up(witness.external_task_id, flight)
        if finding is Finding.PROVES_NOTHING:
            return None
        found = isinstance(answer, TaskReply) and finding is Finding.FOUND and answer.reply.task_id == witness.task_id
        return self._trust.heard(witness, self._loop.time(), self._gateway.settle_time, found=found)

    async def _get(self, url: URL, flight: Flight) -> TaskReply | Failure:
        return await self._wire.get_task(url, await self._query_headers(), flight)

    async def _look_through_list(
        self, external_task_id: str, absent: TaskReply, finding: Finding, flight: Flight
    ) -> tuple[TaskReply, Finding]:
        """Only a list that was read up to an empty page says that a task is not there."""
        for number in range(1, MAX_PAGES + 1):
            tasks = await self.list_page(number, flight)
            for task in tasks or ():
                if task.reply.external_task_id == external_task_id:
                    return evolve(task, found=True), Finding.FOUND
            if not tasks:
                return absent, Finding.PROVES_NOTHING if tasks is None else finding
        return absent, Finding.PROVES_NOTHING

    async def _query_headers(self) -> Headers:
        """Those of every call, and no cache may answer; where a rate was told, the look-up takes its turn."""
        delay = self._pacer.reserve(self._loop.time())
        if delay:
            await asyncio.sleep(delay)
        return Headers(await self._credential.headers(), **NO_CACHE)


def _denies(answer: TaskReply) -> bool:
    """It knows of no such id, in whatever words; a server in trouble knows nothing."""
    return judge_query(answer) in NONE or (judge_query(answer) is not Finding.FOUND and answer.reply.status in DENIALS)


def never() -> str:
    """An external_task_id that no job ever had."""
    return f"never-{os.urandom(12).hex()}"


def _fresh(url: URL) -> URL:
    """An address that no cache has seen before."""
    return url.update_query(_=os.urandom(6).hex())


def told_of(external_task_id: str, answer: TaskReply | Failure, finding: Finding) -> LookUp:
    """The answer to a look-up, for the caller."""
    if not isinstance(answer, TaskReply):
        return LookUp(external_task_id=external_task_id, found=None, message=answer.message)
    found = True if finding is Finding.FOUND else False if finding in NONE else None
    reply = answer.reply
    return LookUp(
        external_task_id=external_task_id,
        found=found,
        task_id=reply.task_id if found else None,
        task_status=reply.task_status if found else None,
        created_at=reply.created_at if found else None,
        http_status=reply.status,
        message=reply.message,
    )
