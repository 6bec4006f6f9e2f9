"""The exceptions that the library raises, and `Violation`, which the pre-flight returns.

Every error says whose fault it was, how far the request got, and what to do about it.
All of them can be pickled, and no message contains a key or a sound.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal

from attrs import frozen

Severity = Literal["error", "warning"]
"""Only an error forbids sending."""


@frozen
class Violation:
    """One fault of a request, found before it was sent."""

    path: str
    """The field: `face_choose[0].sound_end_time`."""
    rule: str
    """The name of the rule, such as `window_too_short`; names do not change between versions."""
    message: str
    """What a correct value looks like."""
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class LipSyncError(Exception):
    """The base of every error that this library raises on purpose.

    `external_task_id` names the job, if the error is about one.
    `kind` is a value of `Kind`.
    `phase` says how far the request got: the name of a `Phase` in lower case.
    `http_status`, `code` and `request_id` are those of the gateway's reply, if there was one.
    """

    default_kind: ClassVar[str | None] = None
    external_task_id: str | None
    kind: str | None
    http_status: int | None
    code: int | str | None
    request_id: str | None
    phase: str | None

    def __init__(
        self,
        message: str = "",
        *,
        external_task_id: str | None = None,
        kind: str | None = None,
        http_status: int | None = None,
        code: int | str | None = None,
        request_id: str | None = None,
        phase: str | None = None,
    ) -> None:
        super().__init__(message)
        self.external_task_id = external_task_id
        self.kind = kind or self.default_kind
        self.http_status = http_status
        self.code = code
        self.request_id = request_id
        self.phase = phase

    def __reduce__(self) -> tuple[Callable[..., LipSyncError], tuple[Any, ...]]:
        return _rebuild, (type(self), self.args, self.__dict__.copy(), _portable(self.__cause__))


def _rebuild(
    cls: type[LipSyncError], args: tuple[Any, ...], state: dict[str, Any], cause: BaseException | None = None
) -> LipSyncError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    if cause is not None:
        error.__cause__ = cause
    return error


_STAND_INS = (ConnectionError, TimeoutError, OSError, ValueError, TypeError)


def _portable(cause: BaseException | None) -> BaseException | None:
    """The cause, or where another process could not read it, one of Python's own kind with its text."""
    if cause is None:
        return None
    try:
        pickle.loads(pickle.dumps(cause))  # noqa: S301 - of our own making
    except Exception:  # noqa: BLE001 - whatever somebody else's exception raises, ours can be pickled
        kind = next((kind for kind in _STAND_INS if isinstance(cause, kind)), Exception)
        return kind(str(cause) or type(cause).__name__)
    return cause


def without_frames(error: Exception) -> Exception:
    """The same exception, cut off from its frames and from what came before it: they may hold keys and sounds."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


class ConfigurationError(LipSyncError):
    """The client cannot work as it is set up: no key, an unusable address, or another event loop than before."""

    default_kind: ClassVar[str | None] = "configuration"


class WrongArgumentError(ConfigurationError, TypeError, ValueError):
    """An argument or a setting is not what it must be: a text for a number, one request for a list, a dict ...

    It is a `TypeError` and a `ValueError` too, as Python's own functions raise them.
    """


class ClientClosedError(ConfigurationError):
    """The client is used outside of `async with`: it was closed, or never entered."""


class InvalidRequestError(LipSyncError):
    """A request breaks rules that are checked before it is sent; `violations` holds every broken rule.

    `outcome` is how the job comes out in a batch, where `submit` raised it.
    """

    default_kind: ClassVar[str | None] = "validation"
    violations: tuple[Violation, ...]

    def __init__(
        self, violations: Iterable[Violation], *, external_task_id: str | None = None, outcome: Any = None
    ) -> None:
        self.violations = tuple(violations)
        self.outcome = outcome
        text = "; ".join(str(violation) for violation in self.violations) or "the request is not valid"
        job = f"{external_task_id}: " if external_task_id else ""
        super().__init__(f"{job}{text}", external_task_id=external_task_id)


class DuplicateIdError(LipSyncError):
    """Two jobs of one batch or journal have the same external_task_id and different content; nothing was sent."""

    default_kind: ClassVar[str | None] = "duplicate_id"


class JobListError(LipSyncError):
    """A job list cannot be read, or some of its lines are invalid.

    `violations` holds one entry a fault, with the line in its `path`.
    """

    default_kind: ClassVar[str | None] = "validation"
    violations: tuple[Violation, ...]

    def __init__(self, message: str, violations: Iterable[Violation] = ()) -> None:
        self.violations = tuple(violations)
        super().__init__(message)


class JournalError(LipSyncError):
    """The journal cannot be opened or written, or belongs to another gateway, account or process.

    Nothing more is sent, because what was sent could no longer be recorded.
    """

    default_kind: ClassVar[str | None] = "storage"


class ClaimLostError(JournalError):
    """Another process has taken a job over, after this one's lease on it had run out: the fate of that job alone."""


class JobError(LipSyncError):
    """A paid call was not accepted: a single job, or the identifying of faces, or the making of a speech.

    The base of the three errors that `submit` raises for an outcome; `outcome` is the outcome itself, of a job.
    `__cause__` is what was raised beneath: mostly an `OSError`, of which a `ConnectionError` and a `TimeoutError` are
    kinds, else an exception of aiohttp's, or the `InvalidRequestError` with the rules that were broken.
    It is None where the gateway refused the job, and a `ConnectionError`, `TimeoutError` or `OSError` with the same
    words where nothing was raised in this process.
    Pickling and copying keep it.
    """

    def __init__(
        self, message: str = "", *, found_task_id: str | None = None, outcome: Any = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.found_task_id = found_task_id
        """A task of this id that is not known to be this job's."""
        self.outcome = outcome


class HookError(LipSyncError):
    """Code of the caller's raised what ends a coroutine: `CancelledError`, `StopIteration` or `StopAsyncIteration`."""


class RejectedError(JobError):
    """The job was refused because of its content: sending it again unchanged will not help."""


class NoFaceError(RejectedError):
    """The video shows no face that could speak; identifying it again will not help, and may be charged again."""

    default_kind: ClassVar[str | None] = "no_face"


class OutcomeUnknownError(JobError):
    """The job was sent and may have been charged: look it up by its external_task_id before you send it again."""


class NotSentError(JobError):
    """The gateway certainly did not act on the job: it is safe to submit it again unchanged."""


class TaskError(LipSyncError):
    """A task has no video; the base of the errors that `wait` and `get_task` raise for a task.

    `task_id` names the task, and `ending` is how it ended, if it did; `outcome` is that of its job, where it is known.
    """

    def __init__(self, message: str = "", *, task_id: str | None = None, ending: Any = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.task_id = task_id
        self.ending = ending
        self.outcome: Any = getattr(ending, "outcome", None)


class TaskFailedError(TaskError):
    """The task failed; `kind` is `content`, `media`, `capacity`, `gateway` or `unknown` (contract, section 5a)."""


class TaskLostError(TaskError):
    """The gateway does not know the task any more, and finds others."""


class TaskNotFoundError(TaskError):
    """One look did not find the task, which alone says nothing about its fate."""


class WaitTimeoutError(TaskError, TimeoutError):
    """Our patience ended, and the task was not seen to end: `wait(error.task_id)` goes on; submit nothing again.

    `ending.missing` says that the gateway does not know the task: another gateway or account may have made it.
    """


class DownloadError(LipSyncError):
    """A video was made and could not be fetched or kept; nothing needs to be submitted again.

    `kind` is `expired`, `refused`, `damaged` or `storage`; `task_id` names the task, `download` is what came of it.
    It is no `TaskError`, for the task did not fail.
    """

    def __init__(self, message: str = "", *, task_id: str | None = None, download: Any = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.task_id = task_id
        self.download = download


class CallbackVerificationError(LipSyncError):
    """A callback is not believed: it is not signed with a secret of ours, too old, or cannot be read."""


class BatchError(LipSyncError):
    """Some jobs of a batch were not accepted, or got no video; `errors` holds one error for each of them."""

    errors: tuple[JobError | TaskError, ...]

    def __init__(self, message: str, errors: Iterable[JobError | TaskError] = ()) -> None:
        self.errors = tuple(errors)
        super().__init__(message)
