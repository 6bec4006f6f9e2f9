"""Whether a not-found means anything at this gateway (contract, section 5). Pure: the account asks, this remembers.

A *witness* is an accepted job that is looked up beside a job that was not found:
a gateway that finds the witness finds what is there; one that does not find it proves nothing.
"""

from __future__ import annotations

from typing import NamedTuple

YOUNG = 3600.0
"""Seconds after which a witness is replaced by a later one: a gateway keeps tasks for a while only."""


class Witness(NamedTuple):
    """An accepted job."""

    external_task_id: str
    task_id: str
    accepted_at: float
    """The loop's time; what an earlier run accepted counts as old."""


class Trust:
    """What is known of the look-ups of one client; keys are told apart by their marks."""

    def __init__(self) -> None:
        self.told = False
        """The user said that a task that is not found does not exist."""
        self.proven = False
        """An accepted job was found by its external id."""
        self.ended = False
        """A witness was not found, or the gateway answers for ids that never existed."""
        self.indiscriminate = False
        """The gateway answers for ids that never existed: what names nobody is nobody's."""
        self._settled: dict[bytes, Witness] = {}
        self._latest: dict[bytes, Witness] = {}

    def __repr__(self) -> str:
        word = "told" if self.told else "ended" if self.ended else "proven" if self.proven else "not proven"
        return f"<Trust {word}>"

    @property
    def holds(self) -> bool:
        """Whether a not-found may count."""
        return self.told or (self.proven and not self.ended)

    def accepted(self, mark: bytes, external_task_id: str, task_id: str, now: float) -> None:
        """A job was accepted with the key of that mark; the first is kept, and replaced after an hour."""
        latest = self._latest.get(mark)
        if latest is None or now - latest.accepted_at > YOUNG:
            if latest is not None:
                self._settled[mark] = latest
            self._latest[mark] = Witness(external_task_id, task_id, now)

    def remember(self, mark: bytes, external_task_id: str, task_id: str) -> None:
        """An earlier run accepted a job with the key of that mark."""
        self._settled.setdefault(mark, Witness(external_task_id, task_id, float("-inf")))

    def witness(self, mark: bytes, now: float, settle_time: float) -> Witness | None:
        """Whom to ask for beside a job of that key: the latest that can surely be found, else the only one."""
        latest = self._latest.get(mark)
        if latest is not None and now - latest.accepted_at >= settle_time:
            return latest
        return self._settled.get(mark, latest)

    def heard(self, witness: Witness, now: float, settle_time: float, *, found: bool) -> bool | None:
        """What it proves that the witness was found, or not.

        None: it was accepted a moment ago, and may not be stored yet.
        """
        if found:
            self.proven = True
            return True
        if now - witness.accepted_at < settle_time:
            return None
        self.ended = True
        return False
