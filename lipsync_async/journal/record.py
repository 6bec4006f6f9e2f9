"""One job as the journal keeps it, and its result line."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec


class State(StrEnum):
    """How far a job has come."""

    OPEN = "open"
    """An intent: it may have been sent."""
    CLEARED = "cleared"
    """Surely refused or unsent so far, and waiting to be tried again."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"


class Try(NamedTuple):
    """One attempt at a job: when, how far it got, and what was said."""

    number: int
    """From 1."""
    at: float
    """Unix seconds."""
    phase: str
    """A `Phase` name in lower case."""
    kind: str | None = None
    http_status: int | None = None
    code: int | str | None = None


# A msgspec struct, because two are made for every job and no other class is built as fast.
class Record(msgspec.Struct, frozen=True, gc=False):
    """One job: all that a later run, or a person, has to know of it. Fields after `state` default to *not known*."""

    external_task_id: str
    fingerprint: bytes
    """Of the job's content: what was sent under this id."""
    state: State
    attempts: int = 0
    """Tries that count against `max_attempts`."""
    refusals: int = 0
    """Tries that were told to wait."""
    first_intent_at: float | None = None
    """Unix seconds."""
    last_intent_at: float | None = None
    """Unix seconds."""
    line: int | None = None
    """Of the job list, from 1."""
    core: bytes | None = None
    """Fingerprint (16 bytes) of the content without `session_id` and without the signatures of URLs."""
    key: bytes | None = None
    """Mark (8 bytes, salted with the journal's `salt`) of the API key or token issuer that the intent was made with."""
    owned: bool = False
    """A task of this id is ours: the id was derived from this content, or no other content can have it."""
    task_id: str | None = None
    task_status: str | None = None
    http_status: int | None = None
    request_id: str | None = None
    recovered: bool = False
    """Accepted by a look-up: the reply itself was lost."""
    kind: str | None = None
    code: int | str | None = None
    message: str | None = None
    phase: str | None = None
    """How far the last try got: a `Phase` name in lower case."""
    history: tuple[Try, ...] = ()
    """Every try, or nothing where the job was accepted at its first one: then the other fields say it all."""
    ended_at: float | None = None
    """Unix seconds: when we ended our last ambiguous request (time-out, cancellation); None where we were killed."""
    found_task_id: str | None = None
    """A task of this id that is not known to be ours."""


class _Source(Protocol):
    def records(self, state: State | None = None) -> Iterator[Record]: ...


# Nobody can say any more what became of an open intent; a cleared one was surely not acted upon.
_OUTCOMES = {State.OPEN: "unknown", State.CLEARED: "not_sent"}


def iter_result_lines(store: _Source) -> Iterator[dict[str, Any]]:
    """The result line of every job of a store or reader, in the order of first arrival.

    An open intent ends as `unknown`, a cleared one as `not_sent`.
    """
    return map(result_line, store.records())


def result_line(record: Record) -> dict[str, Any]:
    """A record under the stable names of the result lines."""
    return {
        "external_task_id": record.external_task_id,
        "outcome": _OUTCOMES.get(record.state, record.state.value),
        "task_id": record.task_id or record.found_task_id,
        "task_status": record.task_status,
        "attempts": record.attempts,
        "refusals": record.refusals,
        "kind": record.kind,
        "http_status": record.http_status,
        "code": record.code,
        "message": record.message,
        "request_id": record.request_id,
        "line": record.line,
        "schema": 2,  # outcomes.RESULT_SCHEMA
        "video_url": None,
        "duration": None,
        "units": None,
        "video_path": None,
    }
