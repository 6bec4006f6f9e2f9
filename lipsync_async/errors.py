"""The exception tree, and the violation that a pre-flight finds.

Every error says whose fault it was, how far the request got, and the cure.
All are picklable, and no text carries a key or a sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from attrs import frozen

Severity = Literal["error", "warning"]


@frozen
class Violation:
    """One fault of a request, found before it was sent."""

    path: str
    """Where, as in `face_choose[0].sound_end_time`."""
    rule: str
    """The rule's name, stable for programs: `window_too_short`."""
    message: str
    """What would be right."""
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class LipSyncError(Exception):
    """The base of all that this library raises on purpose.

    `kind` is a word from `Kind`; `phase` says how far the request got, as a `Phase` name in lower case.
    """

    default_kind: str | None = None

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
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(cls: type[LipSyncError], args: tuple[Any, ...], state: dict[str, Any]) -> LipSyncError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(LipSyncError):
    """The client cannot work as it was set up: no key, an unusable address, another event loop."""

    default_kind = "configuration"


class ClientClosedError(ConfigurationError):
    """The client was closed, or never entered."""


class InvalidRequestError(LipSyncError):
    """A request breaks rules that are checked before it is sent; `violations` holds all of them."""

    default_kind = "validation"

    def __init__(self, violations: Iterable[Violation], *, external_task_id: str | None = None) -> None:
        self.violations = tuple(violations)
        text = "; ".join(str(violation) for violation in self.violations)
        super().__init__(text or "the request is not valid", external_task_id=external_task_id)


class DuplicateIdError(LipSyncError):
    """One external_task_id stands for different content in one batch or one journal: nothing was sent."""

    default_kind = "duplicate_id"


class JobListError(LipSyncError):
    """A job list cannot be read, or lines of it are broken; `violations` holds each with its line in `path`."""

    default_kind = "validation"

    def __init__(self, message: str, violations: Iterable[Violation] = ()) -> None:
        self.violations = tuple(violations)
        super().__init__(message)


class JournalError(LipSyncError):
    """The journal cannot be opened or written, or is another's: sending stops before the promise breaks."""

    default_kind = "storage"


class JobError(LipSyncError):
    """A single job did not end as accepted; `outcome` holds all that is known of it."""

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
    """The job itself is at fault: sending it again as it is will not help."""


class OutcomeUnknownError(JobError):
    """The job was sent and may have been charged: look it up by its external_task_id before it is sent again."""


class NotSentError(JobError):
    """The job was surely not acted upon: it is safe to submit again as it is."""


class BatchError(LipSyncError):
    """Some jobs of a batch were not accepted; `errors` holds one error for each of them."""

    def __init__(self, message: str, errors: Iterable[JobError] = ()) -> None:
        self.errors = tuple(errors)
        super().__init__(message)
