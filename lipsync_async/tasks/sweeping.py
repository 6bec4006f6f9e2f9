"""The list of tasks, looked through where many are due: a page tells of up to 500 tasks for the price of one look.

No order is promised, and pages shift while tasks are made: a row is news, its absence is not (contract, section 5a).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from lipsync_async.dispatch.account import LOG, Account
from lipsync_async.wire import TaskReply
from lipsync_async.wire.flight import Flight

from .fates import ENDED, Sign, judge_task
from .planner import Followed, Planner

FROM = 50
"""Tasks that are due at once, from which on the list is looked through."""
LAST_PAGE = 1000
"""The last page that may be asked for (contract, section 1)."""
MOST_IN_VAIN = 20
"""Pages in a row that may tell of no task that is due, at most."""
SPARED = 10
"""Looks that a page in vain must be able to spare."""
REST = 60.0
"""Seconds without a sweep after one that told of less than half."""

Hear = Callable[[Followed, TaskReply, Sign, Flight], Awaitable[None]]


def may_be_in_vain(missing: int) -> int:
    """How many pages in a row may tell of no task that is due, while so many are not told of yet."""
    return min(MOST_IN_VAIN, max(1, missing // SPARED))


class Sweeper:
    """The sweeps of one client, one at a time; `hear` gets every row of a task that is followed."""

    def __init__(self, account: Account, planner: Planner, hear: Hear) -> None:
        self._account = account
        self._planner = planner
        self._hear = hear
        self._not_before = -math.inf
        """When the list may be looked through again, by the loop's clock; infinity while that is done."""
        self._missing: dict[str, Followed] = {}
        self.pages = 0
        """Looks at pages so far."""

    def begin(self, now: float) -> Coroutine[Any, Any, None] | None:
        """A sweep for all that is due, which is out from now on; None where there is no list, or it is not worth it."""
        if not self._account.gateway.lists_tasks or now < self._not_before or not self._planner.many_due(now, FROM):
            return None
        self._not_before = math.inf
        self._take_due(now)
        return self._sweep()

    def _take_due(self, now: float) -> None:
        self._missing.update((task.task_id, task) for task in self._planner.take_due(now))

    async def _sweep(self) -> None:
        """What the list does not tell of is asked for by itself."""
        told = 0
        try:
            told = await self._read_list()
        except Exception as error:  # noqa: BLE001 - whatever it is, the tasks are asked for one by one
            LOG.warning("the list of tasks could not be read: %s", type(error).__name__)
        finally:
            now = self._account.loop.time()
            self._not_before = now + (REST if told < len(self._missing) else self._planner.closest())
            for task in self._missing.values():
                self._planner.at_once(task, now)
            self._missing.clear()

    async def _read_list(self) -> int:
        """Reads on as long as pages tell of tasks that are due; returns of how many they did."""
        account, flight = self._account, Flight()
        told = in_vain = 0
        with account.wire.watching(flight):
            for number in range(1, LAST_PAGE + 1):
                await asyncio.sleep(self._planner.spend(account.loop.time()))
                # What fell due meanwhile may stand on this page, or on one that is still to come.
                self._take_due(account.loop.time())
                self.pages += 1
                rows = await account.queries.list_page(number, flight)
                news = await self._read_page(rows or (), flight)
                account.observe("look", action="list")
                told += news
                in_vain = 0 if news else in_vain + 1
                if not rows or not self._missing or in_vain >= may_be_in_vain(len(self._missing)):
                    break
        return told

    async def _read_page(self, rows: Iterable[TaskReply], flight: Flight) -> int:
        """Returns how many of the tasks that are due the page told of."""
        before = len(self._missing)
        for row in rows:
            task = self._planner.get(row.reply.task_id or "")
            sign = Sign.NOTHING if task is None else judge_task(row, task.external_task_id)
            if task is not None and (sign is Sign.RUNNING or sign in ENDED):
                self._missing.pop(task.task_id, None)
                await self._hear(task, row, sign, flight)
        return before - len(self._missing)
