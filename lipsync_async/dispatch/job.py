"""A job: a request with its `external_task_id` on its way to an outcome."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from lipsync_async.journal import Try
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Outcome
from lipsync_async.terms import Failure, Reply
from lipsync_async.wire.bodies import Body

from .lookup import Ambiguity, Inquiry

NOTHING = LipSyncRequest(session_id="", face_choose=())
"""Stands for the content of a job that is only looked up, or whose content is not kept."""


class Job(Struct, eq=False):
    """A request with its id on its way to an outcome; whoever works at it owns it."""

    # What it is.
    request: LipSyncRequest
    id: str = ""
    line: int | None = None
    unique: bool = False
    """Its id is known to come once: the whole list was looked through."""
    derived: bool = False
    """Its id was derived from its content."""
    fingerprint: bytes = b""
    """Of all that is asked for."""
    core: bytes = b""
    """The same without the session and the signatures of URLs."""
    body: Body | None = None
    """The bytes of its first create, where they were made beside its fingerprint."""

    # Where it stands.
    begun: bool = False
    claimed: bool = False
    """No other job of its id may begin in this client until it has come out."""
    ended: bool = False
    allowed: bool = False
    """`RunOptions.allow` was asked, and allowed it."""
    resumed: bool = False
    """Its first step is a look-up, for an earlier run left it in doubt."""
    reads: int = 0
    """How often its sound could not be read, for want of something on this machine."""
    waits_for: Job | None = None
    """A job of the same id that is under way, in this call or another."""
    elsewhere: bool = False
    """Another process has it, and it is claimed again and again."""
    orphan: bool = False
    """The process that had it died, and may have sent it last."""
    doubtful: bool = False
    """An attempt, in this run or an earlier one, may have been acted upon: a task of its id is its own."""
    inquiry: Inquiry | None = None
    """An attempt that may have been acted upon, and is being looked up."""
    ambiguity: Ambiguity | None = None
    """An attempt that may have been acted upon, where the user chose to send again all the same."""
    outcome: Outcome | None = None
    """What it is about to come out as."""

    # What happened.
    attempts: int = 0
    refusals: int = 0
    renewals: int = 0
    """Creates that were refused because the session had died."""
    generation: int = 0
    """The credential's, at the last send."""
    mark: bytes = b""
    """Of the key of the last send, for this process: see `Credential.mark`."""
    key: bytes = b""
    """The same for the journal."""
    sent_at: float | None = None
    first_sent_at: float | None = None
    """Unix seconds, over all runs."""
    ended_at: float | None = None
    """Unix seconds at which a request ended that the gateway may still be working on."""
    result: Reply | Failure | None = None
    """The last answer that did not end it."""
    tries: tuple[Try, ...] = ()

    def __repr__(self) -> str:
        return f"<Job {self.id}, {self.attempts} attempts, {self.refusals} refusals>"

    @property
    def owned(self) -> bool:
        """Whether a task of this id is its own, whoever made it."""
        return self.derived or self.doubtful

    def told(self) -> dict[str, Any]:
        """The fields that every outcome has."""
        return {
            "external_task_id": self.id,
            "attempts": self.attempts,
            "refusals": self.refusals,
            "line": self.line,
        }
