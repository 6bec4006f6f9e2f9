"""The life of a task on a scaled clock: submitted, processing, then one of its ends; no timer runs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from random import Random

import attrs

from lipsync_async.sandbox.ends import ENDS, End, Status, end_of

LOOKUPS = ("external", "task_id", "none")
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
    ending: str
    """The name of its end in `ENDS`."""
    watermark: bool
    number: int = 1
    """Its place in the order of creation, from 1."""

    @property
    def end(self) -> End:
        """What is told of its end."""
        return ENDS[self.ending]

    @property
    def refunded(self) -> float:
        """Units that are given back when it ends."""
        return self.units if self.end.refunded else 0.0

    def ended(self, now: float) -> bool:
        """Whether its life is over."""
        return now >= self.ends

    def status(self, now: float) -> Status:
        """Where in its life the task is."""
        if now < self.starts:
            return "submitted"
        if now < self.ends:
            return "processing"
        return self.end.status

    def changed(self, now: float) -> float:
        """When the status changed last."""
        return max(at for at in (self.created, self.starts, self.ends) if at <= max(now, self.created))


@attrs.frozen
class Snapshot:
    """What a reply may tell of a task at one moment; times are milliseconds since 1970."""

    task_id: str
    external_task_id: str
    status: Status
    inner: Status
    """The platform's own part, in the dialect that quotes it."""
    reason: str
    """Why it failed or expired; empty otherwise."""
    units: str
    """What was charged in the end."""
    seconds: str
    url: str
    """Empty where none is told."""
    watermark: bool
    created_ms: int
    started_ms: int
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
        ends: Mapping[str, float] | None = None,
    ) -> None:
        self._new_id = _IDS.get(dialect, native_id)
        self.seconds = task_seconds
        self.failed_share = failed_share
        self.ends = dict(ends or {})
        self._scale = time_scale
        self._store_delay = store_delay
        self._lookups = lookups
        self._dice = Random(f"tasks-{seed}")
        self._tasks: dict[str, Task] = {}
        self._by_external: dict[str, Task] = {}
        self._created = 0

    def __contains__(self, external_task_id: object) -> bool:
        return external_task_id in self._by_external

    def create(self, external_task_id: str, units: float, window_ms: int, watermark: bool, now: float) -> Task:
        """Begin a task; its length and its end are seeded, in the order of creation."""
        self._created += 1
        life = self._dice.uniform(*self.seconds) / self._scale
        task = Task(
            task_id=self._new_id(self._created, self._dice),
            external_task_id=external_task_id,
            units=units,
            window_ms=window_ms,
            created=now,
            starts=now + _QUEUED * life,
            ends=now + life,
            found_from=now + self._store_delay / self._scale,
            ending=end_of(self.ends, self.failed_share, self._dice.random()),
            watermark=watermark,
            number=self._created,
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

    def get(self, task_id: str) -> Task | None:
        """The task of this id, however queries find tasks."""
        return self._tasks.get(task_id)

    def page(self, number: int, size: int, now: float) -> list[Task]:
        """Give one page of the tasks that are stored by now, the newest first; pages count from 1."""
        stored = (task for task in reversed(self._tasks.values()) if task.found_from <= now)
        return list(islice(stored, (number - 1) * size, number * size))


def snapshot(task: Task, seen: float, epoch: float, url: str = "") -> Snapshot:
    """A task as a reply tells it that was looked at `seen`; `epoch` is the Unix time of the clock's 0."""
    ended = task.ended(seen)
    status = task.status(seen)
    return Snapshot(
        task_id=task.task_id,
        external_task_id=task.external_task_id,
        status=status,
        inner=task.end.inner if ended else status,
        reason=task.end.reasons[task.number % len(task.end.reasons)] if ended else "",
        units=f"{task.units - task.refunded:g}",
        seconds=f"{task.window_ms / 1000:.3f}",
        url=url,
        watermark=task.watermark,
        created_ms=int((epoch + task.created) * 1000),
        started_ms=int((epoch + task.starts) * 1000),
        updated_ms=int((epoch + task.changed(seen)) * 1000),
    )
