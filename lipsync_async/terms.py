"""The closed vocabularies that every room speaks: how far a request got, what a reply said, what is to be done.

Nothing here decides; `verdicts` does.
"""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum
from typing import Literal

import attrs
import msgspec


class Kind(StrEnum):
    """Why a job did not end as accepted: one word for programs to branch on."""

    VALIDATION = "validation"
    INVALID_REQUEST = "invalid_request"
    CONTENT_POLICY = "content_policy"
    TOO_LARGE = "too_large"
    DUPLICATE_ID = "duplicate_id"
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


class Phase(IntEnum):
    """How far a request got; from `SENT` on it may have been acted upon (contract, section 4, rule 2)."""

    WAITING = 0
    """Not begun: checked, queued, or held at the gate."""
    CONNECTING = 1
    """A connection was sought: pool, DNS, TCP, TLS."""
    SENDING = 2
    """A part of the body was handed to the transport, but not its last slice."""
    SENT = 3
    """The last slice was handed over: the gateway may have acted."""
    ANSWERED = 4
    """A reply's status line was read."""


class TaskStatus(StrEnum):
    """A task's state, in the platform's own words (contract, section 3)."""

    SUBMITTED = "submitted"
    PROCESSING = "processing"
    SUCCEED = "succeed"
    FAILED = "failed"


class Reply(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a gateway answered, whatever its dialect (contract, section 3). `wire.read_reply` makes it.

    A msgspec struct: made for every job, it costs a tenth of a frozen attrs class.
    """

    status: int
    """The HTTP status."""
    code: int | str | None = None
    """The innermost Kling code (an int from 1000 to 5999) found in any layer, else the gateway's own code."""
    success: bool = False
    """The body was read, and its success code is one of absent, 0, "0", 200, "success", True."""
    message: str = ""
    """What was said, at most 500 characters."""
    request_id: str | None = None
    task_id: str | None = None
    task_status: TaskStatus | None = None
    raw_task_status: str | None = None
    """The status as it was spelt, where it is none that the contract knows."""
    external_task_id: str | None = None
    """The id that the reply itself carries (`task_info.external_task_id`)."""
    created_at: float | None = None
    """Unix seconds."""
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
    """The body ended early, was over the cap, or could not be decompressed."""


@attrs.frozen(kw_only=True)
class Failure:
    """A request that got no reply."""

    kind: Kind
    """One of `connection timeout protocol cancelled`, `configuration` (a certificate that fails its check), or
    `validation` (the file changed)."""
    phase: Phase
    message: str = ""


class Action(Enum):
    """What the dispatcher does with a result."""

    ACCEPT = "accept"
    WAIT = "wait"
    """Refused for rate or capacity: the shared gate moves; costs no attempt."""
    RETRY = "retry"
    """Surely not acted upon: again, after a backoff, within `max_attempts`."""
    LOOK_UP = "look_up"
    """Perhaps acted upon (or the id is said to exist): ask by external_task_id before anything else."""
    FAIL = "fail"
    """This job itself is at fault."""
    REFRESH = "refresh"
    """The token has expired: a new one, once per generation, else stop."""
    STOP = "stop"
    """No job of this batch can pass: confirmed by `confirmations` more tries, then the batch ends."""


@attrs.frozen
class Verdict:
    """What a result means: an action, and why."""

    action: Action
    kind: Kind | None = None
    """None for `ACCEPT` alone."""
    hidden: bool = False
    """`WAIT` only: a 429 that does not say whether rate, capacity or money is its reason."""
    confirmations: int = 1
    """`STOP` only: how many more refusals of this sort end the batch."""
    confirm_by: Literal["create", "get"] = "create"
    """`STOP` only: by another create, or by a GET of the route, for a route that is missing."""
