"""How a task ended: one of four frozen values; and what one look at a task told (contract, section 5a).

An outcome says what became of a job's create call; an ending, what became of the task that it made.
`Downloaded` and `DownloadFailed` say what became of the video's file; they never change a task's ending.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Literal

import msgspec

from .errors import (
    DownloadError,
    TaskFailedError,
    TaskLostError,
    WaitTimeoutError,
)
from .outcomes import Accepted, NotSent, Outcome, Rejected, Unknown, plain, result_line
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

    def to_dict(self) -> dict[str, Any]:
        """Returns it flat, as a result line: JSON's own types under `RESULT_FIELDS`, None for what does not apply."""
        return plain(line_of(self))  # type: ignore[arg-type]


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
    download: Download | None = None
    """What became of the video's file; None: it was not to be fetched, or there is no video."""

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
    again: Outcome | None = None
    """What came of submitting it again, where that made no task, or one that is not waited for in its place."""

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
    """Our patience ended, and the task was not seen to end: `wait(task_id)` goes on, here or in another process."""

    name: ClassVar[Literal["running"]] = "running"

    waited: float = 0.0
    """Seconds."""
    missing: bool = False
    """The gateway's last word on it was that there is no such task; no other task was found beside it, so that this
    proves nothing (contract, section 5a): it may be new, or of another gateway or account."""
    trouble: str = ""
    """What the last look brought in place of the task, such as `HTTP 503: try later`; "" where it was found."""

    def error(self) -> WaitTimeoutError:
        """Returns the error that `wait` raises for this ending."""
        return WaitTimeoutError(self._words(), **_told(self))

    def _words(self) -> str:
        task, again = f"task {self.task_id}", f"wait({self.task_id!r})"
        if self.missing:
            return (
                f"{task}: the gateway does not know this task ({self.trouble}), after {self.waited:.0f} s. Is the id "
                f"right, is it of this gateway, and is the key of the account that made it? {again} asks again; "
                "submit nothing again before that is clear"
            )
        goes_on = "it goes on at the gateway"
        if self.state is None:
            goes_on = f"no look told how it stands{f' (the last: {self.trouble})' if self.trouble else ''}"
        return (
            f"{task} was not seen to end within {self.waited:.0f} s; {goes_on}: "
            f"{again} goes on with it, and nothing needs to be submitted again"
        )


def _told(ending: _Ending) -> dict[str, Any]:
    return {"task_id": ending.task_id, "external_task_id": ending.external_task_id, "ending": ending}


Ended = Succeeded | TaskFailed | TaskLost
"""How a task ended that has ended."""
Ending = Ended | StillRunning
"""How a task ended, or that it was not seen to; `name` tells which."""


class DownloadKind(StrEnum):
    """Why a video was not fetched (contract, section 5b)."""

    EXPIRED = "expired"
    """Its URLs ran out, or it is gone, and asking the task for a fresh URL did not help."""
    REFUSED = "refused"
    """This client does not fetch from such an address, or nothing so large; or the server will not give it."""
    DAMAGED = "damaged"
    """No whole video came: cut, short, a page instead of a video, or nobody answered."""
    STORAGE = "storage"
    """It could not be kept: the disk is full, the folder is not ours to write, or another file has the name."""


class Downloaded(msgspec.Struct, frozen=True, kw_only=True):
    """The video is where it was to go, whole."""

    name: ClassVar[Literal["downloaded"]] = "downloaded"

    external_task_id: str | None
    task_id: str
    path: str
    """Where it is: the path of a file, or an address such as s3://bucket/name."""
    size: int
    """Bytes."""
    tries: int = 1
    """Requests for the video, those that went on after a cut included."""
    seconds: float = 0.0
    """From the first request to the file in its place."""

    def error(self) -> None:
        """Returns None: there is nothing to raise."""


class DownloadFailed(msgspec.Struct, frozen=True, kw_only=True):
    """The video was made, and is not on disk; the task's ending stands, and the download can be tried again alone."""

    name: ClassVar[Literal["download_failed"]] = "download_failed"

    external_task_id: str | None
    task_id: str
    kind: DownloadKind
    message: str = ""
    tries: int = 0
    """Requests for the video."""
    seconds: float = 0.0
    """From the first request to when it was given up."""

    def error(self) -> DownloadError:
        """Returns the error that a download of one video raises for this."""
        text = (
            f"the video of task {self.task_id} was not downloaded ({self.kind}): {self.message}; "
            "the task has its video and needs no new submit: download it again"
        )
        return DownloadError(
            text, kind=self.kind, external_task_id=self.external_task_id, task_id=self.task_id, download=self
        )


Download = Downloaded | DownloadFailed
"""What became of a video's file; `name` tells which."""


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
    elif isinstance(result, StillRunning):
        line.update(message=result.trouble or None)
    elif isinstance(result, Succeeded):
        line.update(video_url=result.video_url, duration=result.seconds, units=result.units)
        if isinstance(result.download, Downloaded):
            line.update(video_path=result.download.path)
        elif isinstance(result.download, DownloadFailed):
            line.update(kind=result.download.kind, message=result.download.message)
        line.update(task_status=TaskStatus.SUCCEED)
    return line
