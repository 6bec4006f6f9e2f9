"""How a task ended: one of four frozen values; and what one look at a task told (contract, section 5a).

An outcome says what became of a job's create call; an ending, what became of the task that it made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from enum import StrEnum
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal, TextIO

import msgspec
from attrs import define

from .errors import BatchError, JobError, TaskError, TaskFailedError, TaskLostError, WaitTimeoutError
from .outcomes import Accepted, NotSent, Rejected, Unknown, result_line
from .terms import TaskStatus


class FailureKind(StrEnum):
    """Why a task failed, as far as its reason tells (contract, section 5a)."""

    CONTENT = "content"
    """The platform's rules forbid what the video or the sound shows or says."""
    MEDIA = "media"
    """The sound, the video or the face cannot be worked with."""
    CAPACITY = "capacity"
    """The account's tasks were too many after all; it may be submitted again, under a new id."""
    GATEWAY = "gateway"
    """The gateway ended it on its own, for want of an answer; it may be submitted again, under a new id."""
    UNKNOWN = "unknown"


class Video(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A finished video."""

    url: str
    """As it was told: absolute, relative to the gateway's origin, or a `data:` URL; it runs out."""
    watermark_url: str | None = None
    seconds: float | None = None


class TaskState(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at a task told."""

    task_id: str
    external_task_id: str | None = None
    status: TaskStatus | None = None
    raw_status: str | None = None
    """The status as the gateway spelt it, where the contract does not know it; such a task counts as running."""
    videos: tuple[Video, ...] = ()
    units: str | None = None
    """What was charged, as the gateway writes it (contract, section 7)."""
    reason: str | None = None
    """Why it failed."""
    created_at: float | None = None
    """Unix seconds, by the gateway's clock."""
    updated_at: float | None = None
    """When its state changed last, in Unix seconds by the gateway's clock."""


class _Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that every ending has."""

    task_id: str
    external_task_id: str | None = None
    state: TaskState | None = None
    """What the last look told; None: no look was answered, or it was told by the journal."""
    outcome: Accepted | None = None
    """Of the job that made the task; None where only the task is known."""
    estimated_units: float | None = None
    """What it should cost at list price (contract, section 7); None: its request is not known."""
    earlier: tuple[TaskFailed, ...] = ()
    """The tasks of the same job that failed before it was submitted again, oldest first."""


class Succeeded(_Ending, frozen=True, kw_only=True):
    """The video is made."""

    name: ClassVar[Literal["succeeded"]] = "succeeded"

    videos: tuple[Video, ...] = ()
    """Empty where the gateway tells of none."""
    seconds: float | None = None
    """Of the video."""
    units: str | None = None
    """What was charged, as the gateway writes it (contract, section 7)."""
    ended_at: float | None = None
    """Unix seconds, by the gateway's clock."""

    @property
    def video_url(self) -> str | None:
        """Where the first video is; None where the gateway tells of none."""
        return self.videos[0].url if self.videos else None

    def error(self) -> None:
        """Returns None: there is nothing to raise."""


class TaskFailed(_Ending, frozen=True, kw_only=True):
    """The gateway, or the platform behind it, ended the task without a video."""

    name: ClassVar[Literal["failed"]] = "failed"

    kind: FailureKind
    reason: str = ""
    """In the words of who ended it; "" where none were told."""
    units: str | None = None
    """What was charged all the same, as the gateway writes it; None: it does not tell."""
    again: Rejected | Unknown | NotSent | None = None
    """What came of submitting it again, where that made no task."""

    def error(self) -> TaskFailedError:
        """Returns the error that `wait` raises for this ending."""
        text = f"task {self.task_id} failed ({self.kind}): {self.reason or 'no reason was told'}"
        return TaskFailedError(text, kind=self.kind, **_told(self))


class TaskLost(_Ending, frozen=True, kw_only=True):
    """The gateway does not know the task any more, and finds others: three looks over its settle time said so."""

    name: ClassVar[Literal["lost"]] = "lost"

    def error(self) -> TaskLostError:
        """Returns the error that `wait` raises for this ending."""
        return TaskLostError(f"task {self.task_id} is lost: the gateway finds other tasks, and not it", **_told(self))


class StillRunning(_Ending, frozen=True, kw_only=True):
    """Our patience ended, and the task did not: `wait(task_id)` goes on, here or in another process."""

    name: ClassVar[Literal["running"]] = "running"

    waited: float = 0.0
    """Seconds."""

    def error(self) -> WaitTimeoutError:
        """Returns the error that `wait` raises for this ending."""
        text = (
            f"task {self.task_id} was not seen to end within {self.waited:.0f} s; it goes on at the gateway: "
            f"wait({self.task_id!r}) goes on with it, and nothing needs to be submitted again"
        )
        return WaitTimeoutError(text, **_told(self))


def _told(ending: _Ending) -> dict[str, Any]:
    return {"task_id": ending.task_id, "external_task_id": ending.external_task_id, "ending": ending}


Ended = Succeeded | TaskFailed | TaskLost
"""How a task ended that has ended."""
Ending = Ended | StillRunning
"""How a task ended, or that it was not seen to; `name` tells which."""

Result = Ending | Rejected | Unknown | NotSent
"""How a job ended that was submitted and waited for: its task's ending, or the outcome where there is no task."""


def job_id(result: Result | Accepted) -> str:
    """The external_task_id of the job whose result it is; that of its first submission, where there were several.

    The task id where the job is not known.
    """
    if isinstance(result, Accepted | Rejected | Unknown | NotSent):
        return result.external_task_id
    first = result.earlier[0].external_task_id if result.earlier else result.external_task_id
    return first or result.task_id


def line_of(result: Result | Accepted) -> dict[str, Any]:
    """Returns a result as a result line: `RESULT_FIELDS` with their values, None for a value that does not apply."""
    if isinstance(result, Accepted | Rejected | Unknown | NotSent):
        return result_line(result)
    made = result.outcome or Accepted(external_task_id="", task_id=result.task_id)
    line = result_line(made)
    status = None if result.state is None else result.state.status
    line.update(external_task_id=job_id(result), outcome=result.name, task_status=status or made.task_status)
    if isinstance(result, TaskFailed):
        line.update(kind=result.kind, message=result.reason, task_status=TaskStatus.FAILED)
    elif isinstance(result, Succeeded):
        line.update(video_url=result.video_url, duration=result.seconds, units=result.units)
        line.update(task_status=TaskStatus.SUCCEED)
    return line


def to_line(result: Result | Accepted) -> str:
    """Returns a result as a result line in JSON, with its line feed."""
    return msgspec.json.encode(line_of(result)).decode() + "\n"


@define
class Money:
    """What tasks should cost and what they did, in units; the figures of a gateway that multiplies are its own."""

    tasks: int = 0
    """Tasks that are counted: all that ended, those that failed before a job was submitted again included."""
    estimated: float = 0.0
    """At list price, of the `priced` tasks whose request is known."""
    priced: int = 0
    charged: float = 0.0
    """As the gateway tells it, of `told` tasks."""
    told: int = 0
    difference: float = 0.0
    """Charged less estimated, of those of which both are known."""
    failed: int = 0
    """Tasks without a video; gateways refund them as a rule."""

    def add(self, ending: Ending) -> None:
        """One more task, and those of its job that came before it."""
        for earlier in ending.earlier:
            self._add(earlier)
        self._add(ending)

    def _add(self, ending: Ending) -> None:
        self.tasks += 1
        self.failed += isinstance(ending, TaskFailed)
        estimated, charged = ending.estimated_units, charged_units(ending)
        if estimated is not None:
            self.priced += 1
            self.estimated += estimated
        if charged is not None:
            self.told += 1
            self.charged += charged
            self.difference += charged - estimated if estimated is not None else 0.0


def charged_units(ending: Ending) -> float | None:
    """What the gateway says was charged; None where it tells no number."""
    told = ending.units if isinstance(ending, Succeeded | TaskFailed) else None
    try:
        units = float(told or "")
    except ValueError:
        return None
    return units if math.isfinite(units) else None


class TaskResults(Mapping[str, Result]):
    """How every job ended: a mapping by `external_task_id`, or by task id where no such id is known."""

    def __init__(self, results: Mapping[str, Result]) -> None:
        self._results = dict(results)

    def __getitem__(self, external_task_id: str) -> Result:
        return self._results[external_task_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        counts: dict[str, int] = {}
        for result in self._results.values():
            counts[result.name] = counts.get(result.name, 0) + 1
        return f"<TaskResults {', '.join(f'{count} {name}' for name, count in counts.items()) or 'empty'}>"

    @property
    def succeeded(self) -> dict[str, Succeeded]:
        """Those with a video, by id."""
        return {key: it for key, it in self.items() if isinstance(it, Succeeded)}

    @property
    def failed(self) -> dict[str, TaskFailed]:
        """The tasks that failed, by id."""
        return {key: it for key, it in self.items() if isinstance(it, TaskFailed)}

    @property
    def lost(self) -> dict[str, TaskLost]:
        """The tasks that the gateway does not know any more, by id."""
        return {key: it for key, it in self.items() if isinstance(it, TaskLost)}

    @property
    def running(self) -> dict[str, StillRunning]:
        """The tasks that were not seen to end, by id: `wait_many(results.running.values())` goes on with them."""
        return {key: it for key, it in self.items() if isinstance(it, StillRunning)}

    @property
    def without_task(self) -> dict[str, Rejected | Unknown | NotSent]:
        """The jobs that were not accepted, by id."""
        return {key: it for key, it in self.items() if isinstance(it, Rejected | Unknown | NotSent)}

    def money(self) -> Money:
        """Returns what the tasks should cost and what was charged."""
        money = Money()
        for result in self._results.values():
            if isinstance(result, Ending):
                money.add(result)
        return money

    def write_jsonl(self, target: str | PathLike[str] | TextIO) -> None:
        """Writes one result line a job, as JSON, to a path or an open text file; raises `OSError`."""
        if isinstance(target, (str, PathLike)):
            with Path(target).open("w", encoding="utf-8") as file:
                self.write_jsonl(file)
        else:
            target.writelines(map(to_line, self._results.values()))

    def raise_for_failures(self) -> None:
        """Raises `BatchError` unless all succeeded; its `errors` holds one error for each other job."""
        errors: list[JobError | TaskError] = [
            error for result in self._results.values() if (error := result.error()) is not None
        ]
        if errors:
            raise BatchError(f"{len(errors)} of {len(self)} did not succeed: {errors[0]}", errors)
