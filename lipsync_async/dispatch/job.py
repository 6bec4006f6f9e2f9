"""A job: a request with its `external_task_id` on its way to an outcome."""

from __future__ import annotations

from typing import Any

from lipsync_async.journal import Try
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Outcome
from lipsync_async.terms import Failure, Reply

from .lookup import Ambiguity, Inquiry


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
        # Where it stands.
        "begun",
        "claimed",
        "allowed",
        "resumed",
        "on_record",
        "unrecorded",
        "inquiry",
        "ambiguity",
        "outcome",
        "ended",
        # What happened.
        "attempts",
        "refusals",
        "generation",
        "sent_at",
        "first_sent_at",
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
        self.fingerprint = b""

        self.begun = False
        self.claimed = False
        """No other job of its id may begin in this client until it has come out."""
        self.allowed = False
        """`RunOptions.allow` was asked, and allowed it."""
        self.resumed = False
        """Its first step in this run is a look-up, for an earlier run left it in doubt."""
        self.on_record = False
        """The journal holds an earlier intent for it."""
        self.unrecorded = False
        """The journal was asked for it, and knows nothing of it."""
        self.inquiry: Inquiry | None = None
        """An attempt that may have been acted upon, and is being looked up."""
        self.ambiguity: Ambiguity | None = None
        """An attempt that may have been acted upon, where the user chose to send again all the same."""
        self.outcome: Outcome | None = None
        """What it is about to come out as."""
        self.ended = False

        self.attempts = 0
        self.refusals = 0
        self.generation = 0
        """The credential's, at the last send."""
        self.sent_at: float | None = None
        self.first_sent_at: float | None = None
        """Unix seconds, over all runs."""
        self.result: Reply | Failure | None = None
        """The last answer that did not end it."""
        self.tries: list[Try] = []

    def __repr__(self) -> str:
        return f"<Job {self.id}, {self.attempts} attempts, {self.refusals} refusals>"

    def told(self) -> dict[str, Any]:
        """The fields that every outcome has."""
        return {
            "external_task_id": self.id,
            "attempts": self.attempts,
            "refusals": self.refusals,
            "line": self.line,
        }
