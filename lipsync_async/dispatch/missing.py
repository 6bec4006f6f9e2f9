"""What a job may lack before it can be sent: a session for its video, an audio for its text.

`sources` makes them; this is what a run needs to know of that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from lipsync_async.errors import Violation
from lipsync_async.models import LipSyncRequest
from lipsync_async.request.checks import Facts
from lipsync_async.terms import Kind


class Missing(Struct, frozen=True, kw_only=True):
    """It cannot be made."""

    kind: Kind
    message: str
    rejected: bool = False
    """The video, the text or the face rule is at fault; else the job may be submitted again as it is."""
    violations: tuple[Violation, ...] = ()
    ends_batch: bool = False
    """Nothing more is to be sent at all."""


class Made(Struct, frozen=True, kw_only=True):
    """It is there: the request that can be sent, and what is known of the video and the face."""

    request: LipSyncRequest
    facts: Facts | None = None


class Maker(Protocol):
    """Makes what the requests of one run lack."""

    @property
    def uploads(self) -> bool:
        """Whether local files can be put where the gateway fetches them."""
        ...

    def concerns(self, request: LipSyncRequest) -> bool:
        """Whether a request names anything that is made; asked of every job."""
        ...

    def make(self, request: LipSyncRequest, ready: Callable[[], None]) -> Made | Missing | None:
        """What is there for a request by now; None: it is being made, and `ready` is called when to ask again.

        A request that has all it needs comes back as it is.
        `ready` is never called before this returns.
        """
        ...

    def spoil(self, request: LipSyncRequest) -> bool:
        """A create was refused because the request's session has died; True: another one can be had."""
        ...

    def proven(self, request: LipSyncRequest) -> None:
        """A create in the request's session was accepted."""
        ...

    def stop(self) -> None:
        """The batch was stopped: no call begins any more."""
        ...

    def abort(self) -> None:
        """Breaks off the calls that are under way: they may be acted upon."""
        ...

    async def aclose(self, grace: float) -> None:
        """Waits for the calls that are under way, at most `grace` seconds, then breaks them off."""
        ...
