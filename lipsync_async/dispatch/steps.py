"""What comes next for a job: the small closed union that every room on its way returns.

`run` carries it out, so the rooms need not know each other.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from lipsync_async.outcomes import Outcome

from .brake import Stop
from .job import Job


class Send(Struct, frozen=True, gc=False):
    """Send it, as soon as the account's limits allow."""


class Ask(Struct, frozen=True, gc=False):
    """Look it up by its external_task_id."""


class Park(Struct, frozen=True, gc=False):
    """Let it wait until `due`, by the loop's clock; it holds no worker meanwhile."""

    due: float


class Shelve(Struct, frozen=True, gc=False):
    """Let it wait until what it lacks is made; it holds no worker, and no place of the parked."""


class Join(Struct, frozen=True, gc=False):
    """Let it wait until another job of its id has come out."""

    first: Job


class End(Struct, frozen=True, gc=False):
    """It comes out."""

    outcome: Outcome
    write: bool = True
    """Whether the outcome is written to the journal before it is told."""
    stop: Stop | None = None
    """Why the batch ends with it, if it does."""


Next: TypeAlias = Send | Ask | Park | Shelve | Join | End | Stop
"""A `Stop` ends the batch; the job comes out as far as it got."""

SEND = Send()
ASK = Ask()
SHELVE = Shelve()
