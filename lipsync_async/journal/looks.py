"""What can be read of a journal, wherever it lies; every call reads at once, and raises `JournalError`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from typing import Self

from lipsync_async.errors import JournalError

from .entries import Entry
from .record import Record, State


class NoJournalError(JournalError):
    """Nobody has made this journal yet."""


class AnyReader(ABC):
    """A look at a journal, beside its writers or without one: it changes nothing, and sees what is durable."""

    path: str
    """Where it is, as it can be shown."""
    salt: bytes = b""
    """16 random bytes, made with the journal, for salted marks of API keys."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    @property
    @abstractmethod
    def journal_id(self) -> str:
        """Which journal it is: an id of its own, wherever it is kept."""

    @property
    @abstractmethod
    def gateway(self) -> str:
        """Whose journal it is: the gateway as it was given when the journal was made."""

    @property
    @abstractmethod
    def account(self) -> str:
        """The account's label."""

    @abstractmethod
    def holder(self) -> str:
        """Who writes it now, in words; "" where nobody does."""

    @abstractmethod
    def recall(self, external_task_id: str) -> Record | None:
        """The job of that id, or None."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether it holds no job at all."""

    def records(self, state: State | None = None) -> Iterator[Record]:
        """All jobs, or those of one state, in the order of first arrival.

        Read in pages, so a million take no memory; each job shows as it was when its page was read.
        """
        return self.records_of(tuple(State) if state is None else (state,))

    @abstractmethod
    def records_of(self, states: Collection[State]) -> Iterator[Record]:
        """The jobs that are in one of these states, as `records` gives them."""

    @abstractmethod
    def settled_ids(self) -> Iterator[str]:
        """The ids of what a resumed run has only to tell again: accepted or rejected."""

    @abstractmethod
    def counts(self) -> dict[State, int]:
        """How many jobs are in each state, every state named; reads the whole journal."""

    @abstractmethod
    def entry(self, kind: str, name: str) -> Entry | None:
        """What is kept under that kind and name, or None."""

    @abstractmethod
    def entries(self, kind: str) -> Iterator[Entry]:
        """All entries of that kind, in the order of first arrival."""

    @abstractmethod
    def entries_of(self, kind: str, names: Sequence[str]) -> dict[str, Entry]:
        """What is kept under that kind and these names, at most some hundreds, by name."""

    @abstractmethod
    def entry_counts(self, kind: str) -> dict[str, int]:
        """How many entries of that kind are in each state."""

    @abstractmethod
    def note(self, name: str) -> str | None:
        """What was remembered under that name, or None."""

    @abstractmethod
    def knows_list(self, digest: str) -> bool:
        """Whether the list of that digest was checked before."""

    @abstractmethod
    def list_lengths(self) -> list[int]:
        """How many jobs each list has that was checked with this journal."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it; again does nothing."""
