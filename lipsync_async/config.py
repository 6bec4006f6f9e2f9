"""The dials: frozen values, checked when they are made."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen, validators

from .models import LipSyncRequest

_above_zero = validators.gt(0.0)
_optional_rate = validators.optional(_above_zero)


@frozen(kw_only=True)
class Limits:
    """What the account may be asked for; whatever is not given is learned (see `pacing`)."""

    max_in_flight: int = field(default=64, validator=[validators.instance_of(int), validators.ge(1)])
    """Requests under way at once."""
    max_per_second: float | None = field(default=None, validator=_optional_rate)
    """Requests a second that are never exceeded; None: learned."""
    max_running_tasks: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """Tasks that may run at the gateway at once; None: learned from its refusals.

    While no task is seen to end, so many are presumed to have ended after 300 s.
    """
    initial_per_second: float = field(default=8.0, validator=_above_zero)
    """Requests a second to begin with; doubled every half second until the first refusal."""
    target_waste: float = field(default=0.02, validator=[validators.gt(0), validators.lt(1)])
    """The share of requests that may be refused before a pace that is known to hold is lowered."""


@frozen(kw_only=True)
class RetryPolicy:
    """When to try again, and when to give up; all times in seconds.

    An attempt is a try that counts; refusals for rate or capacity do not.
    `max_attempts=1` never tries again.
    """

    max_attempts: int = field(default=5, validator=[validators.instance_of(int), validators.ge(1)])
    base_delay: float = field(default=0.5, validator=_above_zero)
    """The cap of the first backoff; it doubles with every attempt."""
    max_delay: float = field(default=30.0, validator=_above_zero)
    """No backoff is longer (a Retry-After may be)."""
    max_stall: float = field(default=3600.0, validator=_above_zero)
    """Without an accepted job for so long, refusals to wait stop the batch (contract, section 4, rule 5)."""
    max_outage: float = field(default=900.0, validator=_above_zero)
    """Without a usable reply for so long, the batch stops (contract, section 4, rule 3)."""


@frozen(kw_only=True)
class Timeouts:
    """How long one HTTP attempt may take; all in seconds."""

    total: float = field(default=120.0, validator=_above_zero)
    """From the search for a connection to the reply's last byte."""
    connect: float = field(default=10.0, validator=_above_zero)
    """DNS, TCP and TLS; the wait for a free connection too."""
    grace: float = field(default=10.0, validator=validators.ge(0.0))
    """How long a cancelled or stopped batch waits for its requests in flight."""
    submit_grace: float = field(default=5.0, validator=validators.ge(0.0))
    """The same for a single `submit`."""


@frozen(kw_only=True)
class RunOptions:
    """How one batch is treated."""

    id_prefix: str = ""
    ambiguous: str = field(default="lookup", validator=validators.in_(("lookup", "report", "resend")))
    """`lookup`, `report` or `resend`."""
    retry_rejected: bool = False
    """With a journal: what was rejected in an earlier run is sent again."""
    allow: Callable[[LipSyncRequest], str | None] | None = field(default=None)
    """Asked once a job, right before its first send; a text is the reason to stop (a spending cap)."""
    look_only: bool = False
    """Nothing is sent: what a look-up proves absent comes out as not sent."""
