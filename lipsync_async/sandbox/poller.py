"""A gateway that looks at its running tasks one after the other, as new-api does: what it tells is as old as its look.

No timer runs: the looks that are due are made up when somebody asks, each at its own moment.
"""

from __future__ import annotations

from collections import deque

from lipsync_async.sandbox.tasks import Task


class Poller:
    """Pass after pass over the tasks that were not yet seen to end, `pause` seconds from one look to the next.

    A pass takes `pause` seconds a task, so an end is told up to that times the running tasks late.
    A task that is created during a pass is looked at in the next one.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._running: dict[str, Task] = {}
        self._pass: deque[Task] = deque()
        self._next = float("-inf")
        self._seen: dict[str, float] = {}

    def add(self, task: Task) -> None:
        """Take on a task that was created just now."""
        if not self._pause:
            return
        self._advance(task.created)
        if not self._running:
            self._next = max(self._next, task.created)
        self._running[task.task_id] = task

    def seen(self, task: Task, now: float) -> float:
        """When the gateway looked at a task last; its creation, as long as it has not."""
        if not self._pause:
            return now
        self._advance(now)
        return self._seen.get(task.task_id, task.created)

    def _advance(self, now: float) -> None:
        while self._running and self._next <= now:
            if not self._pass:
                self._pass.extend(self._running.values())
            task = self._pass.popleft()
            self._seen[task.task_id] = self._next
            if task.ended(self._next):
                del self._running[task.task_id]
            self._next += self._pause
