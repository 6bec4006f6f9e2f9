"""The videos of one call on their way to disk: each is fetched when its task has succeeded, and told then.

Where there is a journal, what was fetched is on record, and is not fetched again as long as it is there.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from lipsync_async.dispatch.account import LOG, Account
from lipsync_async.downloads.crew import Crew, DownloadStatistics
from lipsync_async.downloads.fetcher import Fetcher, FetchOptions
from lipsync_async.downloads.folder import Folder
from lipsync_async.downloads.names import Names
from lipsync_async.downloads.store import ObjectStore, Store, store_for
from lipsync_async.endings import Download, Downloaded, Succeeded
from lipsync_async.errors import JournalError
from lipsync_async.wire import TaskReply
from lipsync_async.wire.flight import Flight

from .fates import Sign, judge_task
from .taskbook import Taskbook

Target = str | os.PathLike[str] | Store
"""Where videos go: a folder, an address such as `s3://bucket/prefix` (the extra `store`), or a store."""


UNDER_WAY = 32
"""Videos that have a task of the event loop: those that the crew fetches, and its next ones. The others queue.

Those that another process fetches are not counted.
"""
ASK_AGAIN = 1.0
"""Seconds between two questions for a video that another process fetches."""


class Fetching:
    """The downloads of one call; an async context manager."""

    def __init__(
        self,
        account: Account,
        to: Target,
        tell: Callable[[Succeeded], None],
        *,
        taskbook: Taskbook | None = None,
        trust_env: bool = False,
    ) -> None:
        owner = None if taskbook is None else taskbook.journal.reader.journal_id
        self._account = account
        self._store = store_for(to, owner=owner)
        self._tell = tell
        self._taskbook = taskbook
        options = FetchOptions(trust_env=trust_env)
        self._fetcher = Fetcher(account.gateway.base_url, account.credential.headers, options)
        names = Names(() if taskbook is None else taskbook.fetched())
        self._crew = Crew(self._fetcher, self._store, names=names)
        self._waiting: deque[Succeeded] = deque()
        self._tasks: dict[asyncio.Task[None], Succeeded] = {}
        self._busy = 0
        """Tasks that are not over, without those that wait for another process."""

    async def __aenter__(self) -> Self:
        await self._fetcher.__aenter__()
        try:
            if isinstance(self._store, Folder):
                await self._store.sweep()
        except BaseException:
            await self._fetcher.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        try:
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            await self._fetcher.__aexit__(kind, error, trace)

    @property
    def statistics(self) -> DownloadStatistics:
        """How far the downloads are."""
        found = self._crew.statistics
        return msgspec.structs.replace(found, waiting=found.waiting + len(self._waiting))

    def begin(self, ending: Succeeded) -> None:
        """Its video is fetched as soon as a place is free, and then it is told."""
        known = self._on_record(ending)
        if known is not None:
            self._tell(msgspec.structs.replace(ending, download=known))
            return
        self._waiting.append(ending)
        self._begin_next()

    def _begin_next(self) -> None:
        while self._waiting and self._busy < UNDER_WAY:
            ending = self._waiting.popleft()
            self._busy += 1
            task = self._account.loop.create_task(self._fetch(ending), name="lipsync-download")
            self._tasks[task] = ending
            task.add_done_callback(self._ended)

    async def finish(self) -> None:
        """Waits until all that was begun is told."""
        while self._tasks or self._waiting:
            if self._tasks:
                await asyncio.wait(self._tasks)
            await asyncio.sleep(0)  # the next ones begin when those that are over are seen to be

    def stop(self) -> None:
        """Breaks off what is under way: it is told without a file, and can be fetched later."""
        waiting, self._waiting = self._waiting, deque()
        for task in self._tasks:
            task.cancel()
        for ending in waiting:
            self._tell(ending)

    async def _fetch(self, ending: Succeeded) -> None:
        name, taskbook = ending.external_task_id, self._taskbook
        found = None
        if taskbook is not None and name is not None:
            found = await self._turn(taskbook, name, ending)
        try:
            if found is None:
                found = await self._crew.fetch(name, ending.task_id, lambda: self._renew(ending))
                if found.error() is not None:
                    LOG.warning("%s", found.error())
                written = asyncio.Event()
                if taskbook is not None and name is not None:
                    taskbook.keep_download(found, name, written.set)
                    await written.wait()
        finally:
            if taskbook is not None and name is not None:
                taskbook.has_fetched(name)
        self._tasks.pop(asyncio.current_task())  # type: ignore[arg-type]
        self._tell(msgspec.structs.replace(ending, download=found))

    async def _turn(self, taskbook: Taskbook, name: str, ending: Succeeded) -> Download | None:
        """Waits while another process fetches it; what that one got, or None: it is to be fetched."""
        while True:
            try:
                ours = await taskbook.may_fetch(name)
            except JournalError as error:  # fetching once more costs nothing
                LOG.warning("whether the video of task %s is fetched elsewhere is not known: %s", ending.task_id, error)
                return None
            if ours:
                return self._on_record(ending)
            self._busy -= 1
            self._begin_next()
            try:
                await asyncio.sleep(ASK_AGAIN)
            finally:
                self._busy += 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        """It was told, unless it was broken off."""
        self._busy -= 1
        self._begin_next()
        ending = self._tasks.pop(task, None)
        if ending is not None:
            self._tell(ending)
            if not task.cancelled() and (error := task.exception()) is not None:
                LOG.warning("the video of task %s was not fetched: %s", ending.task_id, type(error).__name__)

    def _on_record(self, ending: Succeeded) -> Download | None:
        if self._taskbook is None or ending.external_task_id is None:
            return None
        try:
            known = self._taskbook.download(ending.external_task_id, ending.task_id)
        except JournalError as error:  # it is told to nobody here, and fetching once more costs nothing
            LOG.warning("whether the video of task %s was fetched is not known: %s", ending.task_id, error)
            return None
        return known if isinstance(known, Downloaded) and _is_there(self._store, known) else None

    async def _renew(self, ending: Succeeded) -> str | None:
        try:
            return await video_url(self._account, ending.task_id)
        except Exception as error:  # noqa: BLE001 - the caller's key callable may raise anything
            LOG.warning("task %s could not be asked for its video: %s", ending.task_id, type(error).__name__)
            return None


async def video_url(account: Account, task_id: str) -> str | None:
    """Where a finished task's video is now, as the gateway tells it; None where it tells of none."""
    flight = Flight()
    with account.wire.watching(flight):
        generation = account.credential.generation
        answer = await account.queries.get_task(task_id, flight)
        if judge_task(answer) is Sign.KEY and account.credential.may_refresh(generation):
            await account.renew(generation)
            answer = await account.queries.get_task(task_id, flight)
        if not isinstance(answer, TaskReply) or judge_task(answer) is not Sign.SUCCEEDED:
            return None
        return answer.video_url or await account.queries.content_url(task_id, flight)


def _is_there(store: Store, known: Downloaded) -> bool:
    """Whether what was fetched once is still where this call wants it; a store of the caller's is believed."""
    if isinstance(store, ObjectStore):
        return known.path.startswith(f"{store.url}/")
    path = Path(known.path)
    if not isinstance(store, Folder):
        return not path.is_absolute()
    try:
        return path.parent == store.path and path.stat().st_size == known.size
    except OSError:
        return False
