"""What a client needs of a pacer: its own (`Pacer`), or one whose limits are shared by several processes."""

from __future__ import annotations

from typing import Protocol

from lipsync_async.terms import Kind

from .pacer import PacerStatistics


class Pacing(Protocol):
    """The calls of `Pacer`, which says what each means."""

    @property
    def in_flight(self) -> int: ...  # noqa: D102
    def admit(self, now: float) -> float: ...  # noqa: D102
    def admit_aside(self, now: float) -> float: ...  # noqa: D102
    def ended_aside(self) -> None: ...  # noqa: D102
    def accepted(self, now: float, sent_at: float) -> None: ...  # noqa: D102
    def refused(self, now: float, sent_at: float, kind: Kind | None, hint: float | None) -> None: ...  # noqa: D102
    def ended(self, now: float, sent_at: float) -> None: ...  # noqa: D102
    def completed(  # noqa: D102
        self, now: float, tasks: int = 1, *, age: float | None = None, took: float | None = None
    ) -> None: ...
    def recall(self, took: float, age: float) -> None: ...  # noqa: D102
    def restore(self, now: float, live: int) -> None: ...  # noqa: D102
    def close(self, now: float, wait: float) -> None: ...  # noqa: D102
    def lift(self, now: float) -> None: ...  # noqa: D102
    def reserve(self, now: float) -> float: ...  # noqa: D102
    def waiting_for(self, now: float) -> str: ...  # noqa: D102
    def statistics(self) -> PacerStatistics: ...  # noqa: D102
