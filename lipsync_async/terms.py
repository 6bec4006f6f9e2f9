"""The closed vocabularies: how far a request got, what a reply said, and what to do next.

Nothing here decides; `wire.verdicts` does.
"""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum
from typing import Literal

import attrs
import msgspec


class Kind(StrEnum):
    """Why a job was not accepted: one word that a program can branch on."""

    VALIDATION = "validation"
    INVALID_REQUEST = "invalid_request"
    CONTENT_POLICY = "content_policy"
    TOO_LARGE = "too_large"
    DUPLICATE_ID = "duplicate_id"
    ALREADY_EXISTS = "already_exists"
    AUTH = "auth"
    QUOTA = "quota"
    PERMISSION = "permission"
    CONFIGURATION = "configuration"
    RATE = "rate"
    CAPACITY = "capacity"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    SERVER = "server"
    PROTOCOL = "protocol"
    STORAGE = "storage"
    CANCELLED = "cancelled"
    NO_FACE = "no_face"


class Phase(IntEnum):
    """How far a request got; from `SENT` on it may have been acted upon (contract, section 4, rule 2)."""

    WAITING = 0
    """The request has not begun: the job is checked, queued, or held back by the pacer."""
    CONNECTING = 1
    """The request is getting a connection: pool, DNS, TCP, TLS."""
    SENDING = 2
    """Some of the body was handed to the transport, but not its last slice."""
    SENT = 3
    """The last slice was handed to the transport: the gateway may have acted on it."""
    ANSWERED = 4
    """The status line of a reply was read."""


class TaskStatus(StrEnum):
    """A task's state, in the platform's own words (contract, section 3)."""

    SUBMITTED = "submitted"
    PROCESSING = "processing"
    SUCCEED = "succeed"
    FAILED = "failed"


class Reply(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a gateway answered, in any dialect (contract, section 3); made by `wire.read_reply`.

    It is a msgspec struct because one is made for every job: that costs a tenth of a frozen attrs class.
    """

    status: int
    """The HTTP status."""
    code: int | str | None = None
    """The innermost Kling code (an int from 1000 to 5999) found in any layer, else the gateway's own code."""
    success: bool = False
    """The body was read, and its success code is absent or one of 0, "0", 200, "success", True."""
    message: str = ""
    """The gateway's message, at most 500 characters."""
    request_id: str | None = None
    task_id: str | None = None
    task_status: TaskStatus | None = None
    raw_task_status: str | None = None
    """The status as the gateway spelt it, if the contract does not know it; else None."""
    external_task_id: str | None = None
    """The id in the reply (`task_info.external_task_id`)."""
    created_at: float | None = None
    """When the task was created, in Unix seconds."""
    retry_after: float | None = None
    """Seconds above zero that a refusal asks to wait, by a header or in its body (`wire.hints`)."""
    parsed: bool = False
    """The body was a JSON object."""
    html: bool = False
    """The body was an HTML page, with no reply in it."""
    suspicious: bool = False
    """Something stood before the JSON object that was read, or after it."""
    conflicting: bool = False
    """It contradicts itself: objects in a row that disagree, or a refusal that quotes a task."""
    broken: bool = False
    """The body ended early, was too large, or could not be decompressed."""


@attrs.frozen(kw_only=True)
class Failure:
    """A request that got no reply."""

    kind: Kind
    """One of `connection`, `timeout`, `protocol`, `cancelled`, `configuration` and `validation`.

    `configuration`: the certificate failed its check; `validation`: the sound file has changed.
    """
    phase: Phase
    message: str = ""
    error: Exception | None = attrs.field(default=None, eq=False, repr=False)
    """What was raised, without its frames; None where nothing was, or where it holds the key."""


class Action(Enum):
    """What the dispatcher does after a reply or a failure."""

    ACCEPT = "accept"
    """The task exists: the job is accepted."""
    WAIT = "wait"
    """Refused for rate or capacity: all jobs wait; it does not count as an attempt."""
    RETRY = "retry"
    """Certainly not acted upon: try again after a backoff, within `max_attempts`."""
    LOOK_UP = "look_up"
    """Possibly acted upon, or the id is said to exist: ask by external_task_id before anything else."""
    FAIL = "fail"
    """The job is at fault: it is rejected."""
    REFRESH = "refresh"
    """The token has expired: get a new one, once a generation; if there is none, stop."""
    STOP = "stop"
    """No job of this batch can succeed: confirm it by `confirmations` more tries, then end the batch."""


@attrs.frozen
class Verdict:
    """What a reply or a failure means: what to do, and why."""

    action: Action
    kind: Kind | None = None
    """None for `ACCEPT` alone."""
    hidden: bool = False
    """`WAIT` only: a 429 that does not say whether the reason is rate, capacity or money."""
    confirmations: int = 1
    """`STOP` only: after how many more refusals of this sort the batch ends."""
    confirm_by: Literal["create", "get"] = "create"
    """`STOP` only: by another create, or by a GET of the route, for a route that is missing."""
