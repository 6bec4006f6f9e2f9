"""The life of a task on a scaled clock: submitted, processing, then succeed or failed; no timer runs."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Literal

import attrs

Status = Literal["submitted", "processing", "succeed", "failed"]

LOOKUPS = ("external", "task_id", "none")
FAILURE = "Task failed: the audio could not be matched to the face"
_QUEUED = 0.1  # the share of its life that a task is `submitted`
_FIRST_ID = 860_000_000_000_000_000  # 18 digits, as the contract has them
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@attrs.frozen
class Task:
    """A task as it was created; all times are seconds on the sandbox's clock."""

    task_id: str
    external_task_id: str
    units: float
    window_ms: int
    created: float
    starts: float
    ends: float
    found_from: float
    fails: bool
    watermark: bool

    def status(self, now: float) -> Status:
        """Where in its life the task is."""
        if now < self.starts:
            return "submitted"
        if now < self.ends:
            return "processing"
        return "failed" if self.fails else "succeed"

    def changed(self, now: float) -> float:
        """When the status changed last."""
        return max(at for at in (self.created, self.starts, self.ends) if at <= max(now, self.created))


@attrs.frozen
class Snapshot:
    """What a reply may tell of a task at one moment; times are milliseconds since 1970."""

    task_id: str
    external_task_id: str
    status: Status
    units: str
    seconds: str
    url: str
    watermark: bool
    created_ms: int
    updated_ms: int


def native_id(number: int, _dice: Random) -> str:
    """Kling's own: 18 digits."""
    return str(_FIRST_ID + number)


def openai_id(_number: int, dice: Random) -> str:
    """A new-api gateway's own: `task_` and 24 letters."""
    return "task_" + "".join(dice.choices(_LETTERS, k=24))


def camel_id(number: int, _dice: Random) -> str:
    """Short, with letters in it."""
    return f"clx{number:04x}"


_IDS = {"openai-video": openai_id, "camel": camel_id}


class TaskBook:
    """Every task of the account, by its id and by the customer's."""

    def __init__(
        self,
        *,
        dialect: str,
        task_seconds: tuple[float, float],
        time_scale: float,
        store_delay: float,
        failed_share: float,
        lookups: str,
        seed: int,
    ) -> None:
        self._new_id = _IDS.get(dialect, native_id)
        self._seconds = task_seconds
        self._scale = time_scale
        self._store_delay = store_delay
        self._failed_share = failed_share
        self._lookups = lookups
        self._dice = Random(f"tasks-{seed}")
        self._tasks: dict[str, Task] = {}
        self._by_external: dict[str, Task] = {}
        self._created = 0

    def __contains__(self, external_task_id: object) -> bool:
        return external_task_id in self._by_external

    def create(self, external_task_id: str, units: float, window_ms: int, watermark: bool, now: float) -> Task:
        """Begin a task; its length and whether it fails are seeded, in the order of creation."""
        self._created += 1
        life = self._dice.uniform(*self._seconds) / self._scale
        task = Task(
            task_id=self._new_id(self._created, self._dice),
            external_task_id=external_task_id,
            units=units,
            window_ms=window_ms,
            created=now,
            starts=now + _QUEUED * life,
            ends=now + life,
            found_from=now + self._store_delay / self._scale,
            fails=self._dice.random() < self._failed_share,
            watermark=watermark,
        )
        self._tasks[task.task_id] = task
        if external_task_id:
            self._by_external[external_task_id] = task
        return task

    def forget(self, external_task_id: str) -> None:
        """Drop the row that a new task is about to overwrite; the old task goes on, and nobody can find it."""
        old = self._by_external.pop(external_task_id, None)
        if old is not None:
            del self._tasks[old.task_id]

    def find(self, any_id: str, now: float) -> Task | None:
        """Answer a query by task id or external id, as far as this gateway can and has stored it by now."""
        if self._lookups == "none":
            return None
        task = self._tasks.get(any_id)
        if task is None and self._lookups == "external":
            task = self._by_external.get(any_id)
        return task if task is not None and task.found_from <= now else None

    def page(self, number: int, size: int, now: float) -> list[Task]:
        """Give one page of the tasks that are stored by now, the newest first; pages count from 1."""
        stored = (task for task in reversed(self._tasks.values()) if task.found_from <= now)
        return list(islice(stored, (number - 1) * size, number * size))


def snapshot(task: Task, now: float, epoch: float) -> Snapshot:
    """A task as a reply tells it; `epoch` is the Unix time at which the clock of `now` was 0."""
    return Snapshot(
        task_id=task.task_id,
        external_task_id=task.external_task_id,
        status=task.status(now),
        units=f"{task.units:g}",
        seconds=f"{task.window_ms / 1000:.3f}",
        url=f"https://cdn.example.test/kling/{task.task_id}.mp4",
        watermark=task.watermark,
        created_ms=int((epoch + task.created) * 1000),
        updated_ms=int((epoch + task.changed(now)) * 1000),
    )
