"""A task that somebody waits for, and how much is known of it at first. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lipsync_async.dispatch.job import Job
from lipsync_async.endings import Ended, StillRunning, TaskState
from lipsync_async.errors import WrongArgumentError
from lipsync_async.given import expect_text, shown
from lipsync_async.journal import Record
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted
from lipsync_async.request.checks import sent_units

TaskLike = str | Accepted | TaskState | StillRunning | Ended
"""A task: its task id, or a value that names it."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A task that somebody waits for."""

    task_id: str
    external_task_id: str | None = None
    created_at: float | None = None
    """Unix seconds, by the gateway's clock; None: not known."""
    sound: float | None = None
    """Seconds of its sound; None: not known."""
    units: float | None = None
    """What it should cost at list price; None: not known."""


def wanted_of(task: TaskLike) -> Wanted:
    """What is known of a task by what names it. Raises `WrongArgumentError` for what names none."""
    if isinstance(task, str):
        expect_text("task", task)
        return Wanted(task_id=task)
    if not isinstance(getattr(task, "task_id", None), str):
        told = "must be a task id, or the outcome or ending of a job that has a task"
        raise WrongArgumentError(f"task {told}, not {shown(task)}")
    created_at = task.created_at if isinstance(task, Accepted | TaskState) else None
    return Wanted(task_id=task.task_id, external_task_id=task.external_task_id, created_at=created_at)


def expect_tasks(tasks: object) -> None:
    """Raises `WrongArgumentError` for what is no list of tasks."""
    if isinstance(tasks, str | bytes) or not isinstance(tasks, Iterable):
        told = "tasks must be a list of outcomes or task ids, or the result of submit_many"
        raise WrongArgumentError(f"{told}, not {shown(tasks)}: wait(task) takes one")


def wanted_of_job(job: Job, outcome: Accepted, now: float) -> Wanted:
    """The task of a job that has just come out, `now` in Unix seconds: it is new, unless an earlier run, or a create
    whose reply was lost, made it.
    """
    new = not (outcome.replayed or outcome.recovered)
    return Wanted(
        task_id=outcome.task_id,
        external_task_id=outcome.external_task_id,
        created_at=now if new else outcome.created_at,
        sound=sound_of(job.request),
        units=units_of(job.request),
    )


def wanted_of_record(record: Record) -> Wanted:
    """The task of a job of the journal: about as old as its last intent."""
    return Wanted(
        task_id=record.task_id or "",
        external_task_id=record.external_task_id,
        created_at=record.last_intent_at,
    )


def units_of(request: LipSyncRequest) -> float | None:
    """What the request should cost, in units at list price."""
    try:
        return sent_units(request)
    except TypeError:  # the gateway took what our rules would not
        return None


def sound_of(request: LipSyncRequest) -> float | None:
    """Seconds of the cut that is spoken; None where the request does not tell."""
    if not request.face_choose:
        return None
    face = request.face_choose[0]
    try:
        return max(0.0, (face.sound_end_time - face.sound_start_time) / 1000.0)
    except TypeError:  # the gateway took what our rules would not
        return None
