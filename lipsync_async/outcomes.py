"""How a job ended: one of four frozen values, and the batch of them in the order of the list.

The outcome takes all attempts of the job into account (contract, section 4, rule 1).
If the gateway may have acted on one attempt, and its absence is not proven, the outcome is `Accepted` or `Unknown`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, ClassVar, Literal, TypeVar

import msgspec
from attrs import frozen

from .errors import BatchError, InvalidRequestError, NotSentError, OutcomeUnknownError, RejectedError, Violation
from .models import LipSyncRequest
from .rows import Rows, json_line
from .terms import Kind, Phase, TaskStatus


class _Ended(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The fields that every outcome has; a msgspec struct, because there is one for every job."""

    external_task_id: str
    attempts: int = 0
    """How many tries counted as attempts; 0: nothing was sent."""
    refusals: int = 0
    """How many tries were refused for rate or capacity."""
    line: int | None = None
    """The line of the job list, from 1; None: the job came from no list."""

    def to_dict(self) -> dict[str, Any]:
        """Returns it flat, as a result line: JSON's own types under `RESULT_FIELDS`, None for what does not apply."""
        return plain(result_line(self))  # type: ignore[arg-type]


_CAUSES: Mapping[Kind, type[Exception]] = {
    Kind.CONNECTION: ConnectionError,
    Kind.TIMEOUT: TimeoutError,
    Kind.STORAGE: OSError,
}
"""The exceptions that stand for what went wrong on this side of the gateway, where none was met in this process."""
_CAUSE = "_cause_met"


class Accepted(_Ended, frozen=True, kw_only=True, gc=False):
    """The gateway created a task for the job, and charges for it."""

    name: ClassVar[Literal["accepted"]] = "accepted"

    task_id: str
    task_status: TaskStatus | None = None
    request_id: str | None = None
    http_status: int | None = None
    created_at: float | None = None
    """When the gateway says the task was created, in Unix seconds."""
    recovered: bool = False
    """The reply was lost, and a look-up found the task."""
    replayed: bool = False
    """It was accepted in an earlier run with the same journal: this run sent nothing."""

    def error(self) -> None:
        """Returns None: there is nothing to raise."""


class _Refused(_Ended, frozen=True, kw_only=True, gc=True, dict=True):
    """The fields of an outcome that is not `Accepted`.

    What was raised beneath is no field: an outcome is a value, which is compared, written to journals and pickled.
    """

    kind: Kind
    message: str = ""
    http_status: int | None = None
    code: int | str | None = None
    request_id: str | None = None

    def _told(self) -> dict[str, Any]:
        names = ("external_task_id", "kind", "http_status", "code", "request_id")
        return {name: getattr(self, name) for name in names} | {
            "found_task_id": getattr(self, "found_task_id", None),
            "outcome": self,
        }

    @property
    def cause(self) -> Exception | None:
        """The very exception that was met in this process, without its frames; None where there was none.

        It is not compared, and neither journals nor copies of the outcome hold it.
        """
        found: Exception | None = self.__dict__.get(_CAUSE)
        return found

    def _cause(self, violations: tuple[Violation, ...] = ()) -> Exception | None:
        """What went wrong beneath, or an exception that stands for it; None where the gateway itself refused."""
        if violations:
            return InvalidRequestError(violations, external_task_id=self.external_task_id)
        if self.cause is not None:
            return self.cause
        made = _CAUSES.get(self.kind)
        return None if made is None else made(self.message)


class Rejected(_Refused, frozen=True, kw_only=True):
    """The job was refused because of its content; sending it again unchanged will not help."""

    name: ClassVar[Literal["rejected"]] = "rejected"

    violations: tuple[Violation, ...] = ()
    """What the pre-flight found; empty if the gateway refused the job."""
    found_task_id: str | None = None
    """`already_exists` only: the task that has this id, if it was found; it may have other content."""

    def error(self) -> RejectedError:
        """Returns the error that `submit` raises for this outcome."""
        error = RejectedError(f"{self.external_task_id}: rejected ({self.kind}): {self.message}", **self._told())
        error.__cause__ = self._cause(self.violations)
        return error


class Unknown(_Refused, frozen=True, kw_only=True):
    """The job was sent and may have been charged: look it up by its external_task_id before you send it again."""

    name: ClassVar[Literal["unknown"]] = "unknown"

    phase: Phase = Phase.SENT
    """How far the request got."""
    attempt: int = 1
    """Which attempt may have been acted upon, from 1."""
    sent_at: float | None = None
    """When that attempt was sent, in Unix seconds."""
    found_task_id: str | None = None
    """The task that has this external_task_id, and may have been created by somebody else."""

    def error(self) -> OutcomeUnknownError:
        """Returns the error that `submit` raises for this outcome."""
        text = (
            f"{self.external_task_id}: sent, and its outcome is not known ({self.kind}): {self.message}; "
            "look it up before you send it again"
        )
        error = OutcomeUnknownError(text, phase=self.phase.name.lower(), **self._told())
        error.__cause__ = self._cause()
        return error


class NotSent(_Refused, frozen=True, kw_only=True):
    """Every attempt was certainly refused or never sent: it is safe to submit the job again unchanged."""

    name: ClassVar[Literal["not_sent"]] = "not_sent"

    def error(self) -> NotSentError:
        """Returns the error that `submit` raises for this outcome."""
        error = NotSentError(f"{self.external_task_id}: not sent ({self.kind}): {self.message}", **self._told())
        error.__cause__ = self._cause()
        return error


_R = TypeVar("_R", bound=_Refused)


def caused(outcome: _R, error: Exception | None) -> _R:
    """The same outcome, which gives `error` as its `cause`."""
    if error is not None:
        msgspec.structs.force_setattr(outcome, _CAUSE, error)
    return outcome


Outcome = Accepted | Rejected | Unknown | NotSent
"""How a job ended; `name` tells which."""


def not_valid(faults: Iterable[Violation], external_task_id: str | None) -> InvalidRequestError:
    """The error for a request that was never sent, with the outcome that it has in a batch."""
    error = InvalidRequestError(faults, external_task_id=external_task_id)
    text = "; ".join(map(str, error.violations))
    error.outcome = Rejected(
        external_task_id=external_task_id or "", kind=Kind.VALIDATION, message=text, violations=error.violations
    )
    return error


class LookUp(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a gateway said of one external_task_id."""

    external_task_id: str
    found: bool | None
    """False: it says that there is no such task, which alone proves little; None: the answer proves nothing."""
    task_id: str | None = None
    task_status: TaskStatus | None = None
    created_at: float | None = None
    """Unix seconds."""
    http_status: int | None = None
    message: str = ""


def in_words(outcome: Outcome) -> str:
    """What became of a job, in one line."""
    if isinstance(outcome, Accepted):
        return f"{outcome.external_task_id}: accepted as task {outcome.task_id}"
    return str(outcome.error())


RESULT_FIELDS = (
    "external_task_id", "outcome", "task_id", "task_status", "attempts", "refusals", "kind",
    "http_status", "code", "message", "request_id", "line", "schema",
    "video_url", "duration", "units", "video_path",
)  # fmt: skip
"""The names of a result line, in order; `docs/result-line.schema.json` says what each holds.

They are kept compatible: a new name is added at the end, and no name is changed, moved or removed.
The same holds for the type and the meaning of each value.
A reader must ignore names that it does not know.
"""
RESULT_SCHEMA = 2
"""The value of `schema` in every result line; it rises when names are added."""


def result_line(outcome: Outcome) -> dict[str, Any]:
    """Returns an outcome as a result line: `RESULT_FIELDS` with their values, None for a value that does not apply."""
    values = {name: getattr(outcome, name, None) for name in RESULT_FIELDS}
    values["outcome"] = outcome.name
    if isinstance(outcome, Rejected | Unknown):
        values["task_id"] = outcome.found_task_id
    values["schema"] = RESULT_SCHEMA
    return values


def plain(line: dict[str, Any]) -> dict[str, Any]:
    """The same with plain texts in place of the members of an enumeration."""
    return {name: value.value if isinstance(value, Enum) else value for name, value in line.items()}


@frozen(kw_only=True)
class BatchStatistics:
    """Counts over a batch."""

    jobs: int
    accepted: int
    rejected: int
    unknown: int
    not_sent: int
    recovered: int
    """Accepted jobs whose reply was lost, and whose task a look-up found."""
    attempts: int
    """Attempts of all jobs together."""
    refusals: int
    """Refusals for rate or capacity of all jobs together."""
    kinds: Mapping[str, int]
    """The number of jobs by `kind`, for those that were not accepted."""


class BatchResult(Rows[Outcome]):
    """The outcome of every job: a mapping by `external_task_id`, in the order of the list."""

    names = frozenset(kind.name for kind in (Accepted, Rejected, Unknown, NotSent))
    columns = RESULT_FIELDS

    def __init__(self, requests: Mapping[str, LipSyncRequest], outcomes: Mapping[str, Outcome]) -> None:
        self._requests = requests
        self._outcomes = {key: outcomes[key] for key in requests if key in outcomes}

    def __getitem__(self, external_task_id: str) -> Outcome:
        return self._outcomes[external_task_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outcomes)

    def __len__(self) -> int:
        return len(self._outcomes)

    def __repr__(self) -> str:
        counts = Counter(outcome.name for outcome in self._outcomes.values())
        return f"<BatchResult {', '.join(f'{count} {name}' for name, count in counts.items()) or 'empty'}>"

    @property
    def accepted(self) -> dict[str, Accepted]:
        """The accepted jobs, by id."""
        return {key: outcome for key, outcome in self.items() if isinstance(outcome, Accepted)}

    @property
    def rejected(self) -> dict[str, Rejected]:
        """The rejected jobs, by id."""
        return {key: outcome for key, outcome in self.items() if isinstance(outcome, Rejected)}

    @property
    def unknown(self) -> dict[str, Unknown]:
        """The jobs that may have been charged, by id."""
        return {key: outcome for key, outcome in self.items() if isinstance(outcome, Unknown)}

    @property
    def not_sent(self) -> dict[str, NotSent]:
        """The jobs that the gateway certainly did not act on, by id."""
        return {key: outcome for key, outcome in self.items() if isinstance(outcome, NotSent)}

    @property
    def safe_to_submit_again(self) -> list[LipSyncRequest]:
        """The requests that were not sent, in the order of the list, each with the `external_task_id` that it had."""
        return [self._requests[key] for key in self.not_sent]

    def statistics(self) -> BatchStatistics:
        """Returns the counts over the batch."""
        outcomes = self._outcomes.values()
        counts = Counter(outcome.name for outcome in outcomes)
        return BatchStatistics(
            jobs=len(outcomes),
            accepted=counts["accepted"],
            rejected=counts["rejected"],
            unknown=counts["unknown"],
            not_sent=counts["not_sent"],
            recovered=sum(isinstance(outcome, Accepted) and outcome.recovered for outcome in outcomes),
            attempts=sum(outcome.attempts for outcome in outcomes),
            refusals=sum(outcome.refusals for outcome in outcomes),
            kinds=Counter(str(outcome.kind) for outcome in outcomes if not isinstance(outcome, Accepted)),
        )

    def raise_for_failures(self) -> None:
        """Raises `BatchError` unless every job was accepted; its `errors` holds one error for each other job."""
        errors = [error for outcome in self._outcomes.values() if (error := outcome.error()) is not None]
        if errors:
            raise BatchError(f"{len(errors)} of {len(self)} jobs were not accepted: {errors[0]}", errors)

    def _only(self, kept: dict[str, Outcome]) -> BatchResult:
        return BatchResult({key: self._requests[key] for key in kept}, kept)


to_json_line = json_line
