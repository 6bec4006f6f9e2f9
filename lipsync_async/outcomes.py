"""How a job ended: one of four frozen values, and the batch of them in input order.

The outcome of a job is the join over all its attempts (contract, section 4, rule 1): one attempt that may have been
acted upon, and is not proven absent, leaves only `Accepted` or `Unknown`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal, TextIO

import msgspec
from attrs import frozen

from .errors import BatchError, NotSentError, OutcomeUnknownError, RejectedError, Violation
from .models import LipSyncRequest
from .terms import Kind, Phase, TaskStatus


class _Ended(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every outcome tells; a msgspec struct, for there is one for every job, kept as long as the caller likes."""

    external_task_id: str
    attempts: int = 0
    """Tries that counted, from 1; 0: nothing left the machine."""
    refusals: int = 0
    """Tries that were told to wait."""
    line: int | None = None
    """The line of the job list, from 1, where the job came from one."""


class Accepted(_Ended, frozen=True, kw_only=True, gc=False):
    """The gateway made a task of it: it is paid for."""

    name: ClassVar[Literal["accepted"]] = "accepted"

    task_id: str
    task_status: TaskStatus | None = None
    request_id: str | None = None
    http_status: int | None = None
    created_at: float | None = None
    """Unix seconds, as the gateway has it."""
    recovered: bool = False
    """The reply was lost; the task was found by a look-up."""
    replayed: bool = False
    """Accepted by an earlier run with the same journal: nothing was sent."""

    def error(self) -> None:
        """Nothing to raise."""


class _Refused(_Ended, frozen=True, kw_only=True, gc=False):
    """What an outcome that is no success tells beside it."""

    kind: Kind
    message: str = ""
    http_status: int | None = None
    code: int | str | None = None
    request_id: str | None = None

    def _told(self) -> dict[str, Any]:
        names = ("external_task_id", "kind", "http_status", "code", "request_id")
        return {name: getattr(self, name) for name in names}


class Rejected(_Refused, frozen=True, kw_only=True, gc=False):
    """The job itself is at fault; sending it again as it is will not help."""

    name: ClassVar[Literal["rejected"]] = "rejected"

    violations: tuple[Violation, ...] = ()
    """What the pre-flight found; empty where the gateway refused it."""

    def error(self) -> RejectedError:
        """The error that `submit` raises."""
        return RejectedError(f"{self.external_task_id}: rejected ({self.kind}): {self.message}", **self._told())


class Unknown(_Refused, frozen=True, kw_only=True, gc=False):
    """It was sent and may have been charged: look it up by its external_task_id before it is sent again."""

    name: ClassVar[Literal["unknown"]] = "unknown"

    phase: Phase = Phase.SENT
    attempt: int = 1
    """The attempt whose fate is not known."""
    sent_at: float | None = None
    """When it was sent, Unix seconds."""
    found_task_id: str | None = None
    """`duplicate_id` only: a task of this id that is not known to be ours."""

    def error(self) -> OutcomeUnknownError:
        """The error that `submit` raises."""
        text = (
            f"{self.external_task_id}: sent, and its fate is not known ({self.kind}): {self.message}; "
            "look it up before you send it again"
        )
        return OutcomeUnknownError(text, phase=self.phase.name.lower(), **self._told())


class NotSent(_Refused, frozen=True, kw_only=True, gc=False):
    """Every attempt was surely refused or never left: safe to submit again as it is."""

    name: ClassVar[Literal["not_sent"]] = "not_sent"

    def error(self) -> NotSentError:
        """The error that `submit` raises."""
        return NotSentError(f"{self.external_task_id}: not sent ({self.kind}): {self.message}", **self._told())


Outcome = Accepted | Rejected | Unknown | NotSent

RESULT_FIELDS = (
    "external_task_id", "outcome", "task_id", "task_status", "attempts", "refusals", "kind",
    "http_status", "code", "message", "request_id", "line", "schema",
)  # fmt: skip
"""The names of a result line, in order; `docs/result-line.schema.json` says what each holds.

They are kept compatible: a new name is added at the end, and no name is changed, moved or removed.
The same holds for the type and the meaning of each value.
A reader must ignore names that it does not know.
"""
RESULT_SCHEMA = 1
"""The value of `schema` in every result line; it rises when names are added."""


def result_line(outcome: Outcome) -> dict[str, Any]:
    """Returns an outcome as a result line: `RESULT_FIELDS` with their values, None for a value that does not apply."""
    values = {name: getattr(outcome, name, None) for name in RESULT_FIELDS}
    values["outcome"] = outcome.name
    values["schema"] = RESULT_SCHEMA
    return values


@frozen(kw_only=True)
class BatchStatistics:
    """A batch in figures."""

    jobs: int
    accepted: int
    rejected: int
    unknown: int
    not_sent: int
    recovered: int
    """Accepted, but found only by a look-up."""
    attempts: int
    refusals: int
    kinds: Mapping[str, int]
    """How many jobs ended for which reason."""


class BatchResult(Mapping[str, Outcome]):
    """What became of every job: a mapping by `external_task_id`, in the order of the list."""

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
        """The accepted ones, by id."""
        return {key: outcome for key, outcome in self.items() if isinstance(outcome, Accepted)}

    @property
    def rejected(self) -> dict[str, Rejected]:
        """The rejected ones, by id."""
        return {key: outcome for key, outcome in self.items() if isinstance(outcome, Rejected)}

    @property
    def unknown(self) -> dict[str, Unknown]:
        """The ones that may have been charged, by id."""
        return {key: outcome for key, outcome in self.items() if isinstance(outcome, Unknown)}

    @property
    def not_sent(self) -> dict[str, NotSent]:
        """The ones that were surely not acted upon, by id."""
        return {key: outcome for key, outcome in self.items() if isinstance(outcome, NotSent)}

    @property
    def safe_to_submit_again(self) -> list[LipSyncRequest]:
        """The requests of all that were not sent, in order; each with the `external_task_id` it had."""
        return [self._requests[key] for key in self.not_sent]

    def statistics(self) -> BatchStatistics:
        """The batch in figures."""
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
        """Raises `BatchError` unless every job was accepted; its `errors` holds one typed error a job."""
        errors = [error for outcome in self._outcomes.values() if (error := outcome.error()) is not None]
        if errors:
            raise BatchError(f"{len(errors)} of {len(self)} jobs were not accepted: {errors[0]}", errors)

    def write_jsonl(self, target: str | PathLike[str] | TextIO) -> None:
        """One result line a job, as JSON, to a path or a text file; raises `OSError` as writing does."""
        if isinstance(target, (str, PathLike)):
            with Path(target).open("w", encoding="utf-8") as file:
                self.write_jsonl(file)
        else:
            target.writelines(to_json_line(outcome) for outcome in self._outcomes.values())


def to_json_line(outcome: Outcome) -> str:
    """One result line, its line feed included."""
    return msgspec.json.encode(result_line(outcome)).decode() + "\n"
