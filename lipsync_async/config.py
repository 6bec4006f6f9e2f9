"""The settings of a client and of a run: frozen values, checked when they are made.

A value that cannot be used raises `WrongArgumentError`, which is a `ValueError` and a `TypeError` too.
Numbers of other libraries (numpy's), and 4.0 where a whole number belongs, are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from attrs import field, frozen

from .given import expect, is_count, is_number, is_one_of, plain_number, whole
from .models import LipSyncRequest, SpeechSource, VideoSource

Ambiguous = Literal["lookup", "report", "resend"]
"""The values of `RunOptions.ambiguous`."""

_above_zero = is_number("a number above 0", lambda value: value > 0)
_from_zero = is_number("a number from 0", lambda value: value >= 0)
_rate_or_none = is_number("a number above 0, or None", lambda value: value > 0, optional=True)
_time_or_none = is_number("a number from 0, or None", lambda value: value >= 0, optional=True)
_share = is_number("a number above 0 and below 1", lambda value: 0 < value < 1)


@frozen(kw_only=True)
class Limits:
    """What may be asked of the account; every limit that is None is learned while jobs are sent."""

    max_in_flight: int = field(default=64, converter=whole, validator=is_count())
    """How many requests may be in flight at once."""
    max_per_second: float | None = field(default=None, converter=plain_number, validator=_rate_or_none)
    """A limit in requests a second that is never exceeded; None: learned."""
    max_running_tasks: int | None = field(default=None, converter=whole, validator=is_count(optional=True))
    """How many tasks may run at the gateway at once; None: learned from its refusals.

    Tasks whose end was not seen yet count by their age, as far as durations are learned.
    """
    initial_per_second: float = field(default=8.0, converter=plain_number, validator=_above_zero)
    """Requests a second at the start; doubled every 0.5 s until the first refusal."""
    target_waste: float = field(default=0.02, converter=plain_number, validator=_share)
    """The share of refused requests, from 0 to 1, above which a pace that used to work is lowered."""


@frozen(kw_only=True)
class RetryPolicy:
    """When to try again, and when to give up; all times in seconds.

    Requests that are refused for rate or capacity do not count as attempts.
    """

    max_attempts: int = field(default=5, converter=whole, validator=is_count())
    """How often a job is tried at most; 1: it is never tried again."""
    base_delay: float = field(default=0.5, converter=plain_number, validator=_above_zero)
    """The cap of the first backoff; it doubles with every attempt, and each backoff is drawn between 0 and its cap."""
    max_delay: float = field(default=30.0, converter=plain_number, validator=_above_zero)
    """The longest backoff; the wait that a gateway's Retry-After asks for may be longer."""
    max_stall: float = field(default=3600.0, converter=plain_number, validator=_above_zero)
    """Refusals for rate or capacity end a batch after so long without an accepted job (contract, section 4, rule 5)."""
    max_outage: float = field(default=900.0, converter=plain_number, validator=_above_zero)
    """A batch ends after so long without a usable reply (contract, section 4, rule 3)."""


@frozen(kw_only=True)
class Timeouts:
    """How long one HTTP request may take, and how long a stopped run waits; all in seconds."""

    total: float = field(default=120.0, converter=plain_number, validator=_above_zero)
    """For a whole request, from looking for a connection to the last byte of the reply."""
    connect: float = field(default=10.0, converter=plain_number, validator=_above_zero)
    """For getting a connection: waiting for a free one, DNS, TCP and TLS."""
    grace: float = field(default=10.0, converter=plain_number, validator=_from_zero)
    """How long a cancelled or stopped batch waits for its requests in flight before it breaks them off."""
    submit_grace: float = field(default=5.0, converter=plain_number, validator=_from_zero)
    """The same for a cancelled `submit`."""


@frozen(kw_only=True)
class Following:
    """When tasks that are waited for are asked for; all times in seconds (contract, section 5a)."""

    first_look: float | None = field(default=None, converter=plain_number, validator=_time_or_none)
    """The age of a task at its first look; None: learned from the durations of others, and 30 s before that."""
    share_of_age: float = field(default=0.08, converter=plain_number, validator=_above_zero)
    """The pause between two looks at a task, as a share of its age, as long as no durations are learned."""
    closest: float = field(default=10.0, converter=plain_number, validator=_above_zero)
    """The shortest pause between two looks at a task.

    5 % of the median duration where that is less, and 40 % of the gateway's freshness where that is more.
    """
    widest: float = field(default=60.0, converter=plain_number, validator=_above_zero)
    """The longest pause between two looks at a task."""
    max_queries_per_second: float = field(default=10.0, converter=plain_number, validator=_above_zero)
    """Looks a second at all tasks together, at most."""


@frozen(kw_only=True)
class RunOptions:
    """Settings of a single batch."""

    id_prefix: str = ""
    """Put in front of the external_task_id that is derived for a request without one."""
    ambiguous: Ambiguous = field(default="lookup", validator=is_one_of(*get_args(Ambiguous)))
    """What to do with a job whose reply was lost, which may have been charged.

    `lookup`: ask the gateway for it.
    `report`: return it as `Unknown` at once.
    `resend`: send it again, although it may then be paid twice.
    """
    retry_rejected: bool = False
    """With a journal: jobs that were rejected in an earlier run are sent again."""
    allow: Callable[[LipSyncRequest], str | None] | None = field(default=None)
    """Called once a job, right before it is first sent, to cap what a batch may spend for example.

    If it returns a string, the batch stops for that reason.
    """
    allow_source: Callable[[VideoSource | SpeechSource], str | None] | None = field(default=None)
    """Called before a video is identified, or a text spoken; it may stop the batch as `allow` does."""
    look_only: bool = False
    """Send nothing, only look up; a job that is proven absent ends as `NotSent`."""


def expect_settings(**given: object) -> None:
    """Raises `WrongArgumentError` for a setting of a client that is of another type, such as a dict."""
    for name, kind in _SETTINGS.items():
        expect(name, given.get(name), kind)


_SETTINGS = {"limits": Limits, "retry": RetryPolicy, "timeouts": Timeouts, "following": Following}
