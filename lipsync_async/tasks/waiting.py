"""A call that waits: for one task or for many, with one patience for all of them."""

from __future__ import annotations

import asyncio

from lipsync_async.endings import Ending
from lipsync_async.errors import ClientClosedError

from .follower import Follower, Listener, Wanted

CLOSED = "the client was closed while tasks were waited for; they go on at the gateway, and can be waited for again"


class Waiting:
    """The tasks that one call waits for; leave it, and they are left alone."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._loop = asyncio.get_running_loop()
        self._wanted: dict[str, Wanted] = {}
        self._endings: dict[str, Ending] = {}
        self._begun = self._loop.time()
        self._done: asyncio.Future[None] | None = None
        self._closed = False
        self.alone: tuple[Listener, ...] = (self,)

    def add(self, wanted: Wanted) -> None:
        """One more task; one that is waited for already is the same."""
        if wanted.task_id not in self._wanted:
            self._wanted[wanted.task_id] = wanted
            self._follower.follow(wanted, self)

    def hear(self, task_id: str, ending: Ending | None) -> None:
        """A task ended; None: the client was closed."""
        if ending is None:
            self._closed = True
        else:
            self._endings[task_id] = ending
        if self._done is not None and not self._done.done() and (self._closed or self._all_ended):
            self._done.set_result(None)

    @property
    def _all_ended(self) -> bool:
        return len(self._endings) == len(self._wanted)

    async def endings(self, timeout: float | None) -> dict[str, Ending]:
        """Waits for at most so many seconds (None: as long as it takes); the ending of every task, by task id.

        Raises `ClientClosedError`.
        """
        try:
            if not self._all_ended and not self._closed:
                self._done = self._loop.create_future()
                await asyncio.wait([self._done], timeout=timeout)
            if self._closed:
                raise ClientClosedError(CLOSED)
            waited = self._loop.time() - self._begun
            for task_id, wanted in self._wanted.items():
                if task_id not in self._endings:
                    self._endings[task_id] = self._follower.still_running(wanted, waited)
            return self._endings
        finally:
            self.leave()

    def leave(self) -> None:
        """Waits no longer; the tasks go on, and so do the other waits for them."""
        for task_id in self._wanted:
            if task_id not in self._endings or self._endings[task_id].name == "running":
                self._follower.leave(task_id, self)
