"""A job: a request with its `external_task_id` on its way to an outcome."""

from __future__ import annotations

from typing import Any

from lipsync_async.journal import Try
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Outcome
from lipsync_async.terms import Failure, Reply

from .lookup import Ambiguity, Inquiry

NOTHING = LipSyncRequest(session_id="", face_choose=())
"""Stands for the content of a job that is only looked up, or whose content is not kept."""


class Job:
    """A request with its id on its way to an outcome; whoever works at it owns it."""

    __slots__ = (  # noqa: RUF023 - in groups
        # What it is.
        "request",
        "id",
        "line",
        "unique",
        "derived",
        "fingerprint",
        "core",
        # Where it stands.
        "begun",
        "claimed",
        "allowed",
        "resumed",
        "reads",
        "waits_for",
        "elsewhere",
        "orphan",
        "doubtful",
        "inquiry",
        "ambiguity",
        "outcome",
        "ended",
        # What happened.
        "attempts",
        "refusals",
        "generation",
        "renewals",
        "mark",
        "key",
        "sent_at",
        "first_sent_at",
        "ended_at",
        "result",
        "tries",
    )

    def __init__(self, request: LipSyncRequest, external_task_id: str = "", line: int | None = None) -> None:
        self.request = request
        self.id = external_task_id
        self.line = line
        self.unique = bool(external_task_id)
        """Its id is known to come once: the whole list was looked through."""
        self.derived = False
        """Its id was derived from its content."""
        self.fingerprint = self.core = b""
        """Of all that is asked for; of the same without the session and the signatures of URLs."""
        self.begun = self.ended = self.claimed = False
        """No other job of its id may begin in this client until it has come out."""
        self.allowed = False
        """`RunOptions.allow` was asked, and allowed it."""
        self.resumed = False
        """Its first step is a look-up, for an earlier run left it in doubt."""
        self.reads = 0
        """How often its sound could not be read, for want of something on this machine."""
        self.waits_for: Job | None = None
        """A job of the same id that is under way, in this call or another."""
        self.elsewhere = self.orphan = False
        """Another process has it, and it is claimed again and again; or that one died, and may have sent it last."""
        self.doubtful = False
        """An attempt, in this run or an earlier one, may have been acted upon: a task of its id is its own."""
        self.inquiry: Inquiry | None = None
        """An attempt that may have been acted upon, and is being looked up."""
        self.ambiguity: Ambiguity | None = None
        """An attempt that may have been acted upon, where the user chose to send again all the same."""
        self.outcome: Outcome | None = None
        """What it is about to come out as."""
        self.attempts = self.refusals = 0
        self.renewals = 0
        """Creates that were refused because the session had died."""
        self.generation = 0
        """The credential's, at the last send."""
        self.mark = self.key = b""
        """Of the key of the last send, for this process and for the journal: see `Credential.mark`."""
        self.sent_at: float | None = None
        self.first_sent_at: float | None = None
        """Unix seconds, over all runs."""
        self.ended_at: float | None = None
        """Unix seconds at which a request ended that the gateway may still be working on."""
        self.result: Reply | Failure | None = None
        """The last answer that did not end it."""
        self.tries: list[Try] = []

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
