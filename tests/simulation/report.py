"""What is told of a run: how it was interrupted, and what its caller saw."""

from __future__ import annotations

import asyncio

from attrs import Factory, define

from lipsync_async.dispatch.account import Event
from lipsync_async.outcomes import Outcome

from .line import ModelWire


class Broken(Exception):  # noqa: N818 - raised by the caller's own code
    """A hook, a source or an observer that fails."""


@define(kw_only=True)
class Interruption:
    """What ends a run early."""

    name: str = "none"
    at: float = 0.0
    """Seconds after its start."""
    count: int = 0
    """Steps, outcomes or jobs before it happens."""


@define(kw_only=True)
class RunReport:
    """What one run told its caller."""

    number: int
    interruption: Interruption
    told: list[Outcome] = Factory(list)
    told_at: list[float] = Factory(list)
    """When each of them was told, by the loop's clock."""
    pulled: int = 0
    odd: int = 0
    """Items of the source that were no requests."""
    fired: bool = False
    """The caller's own code raised."""
    contents: dict[str, str] = Factory(dict)
    """What each id stood for in the list of this run."""
    whole: bool = True
    """The whole list was to come out."""
    raised: BaseException | None = None
    crashed: bool = False
    started_at: float = 0.0
    ended_at: float = 0.0
    interrupted_at: float | None = None
    result_keys: list[str] | None = None
    parked: int = 0
    events: list[Event] = Factory(list)
    wire: ModelWire | None = None
    trusted: bool = False
    dead: bool = False
    """The process is gone: what Python still does to tidy up, no real one does."""

    def hear(self, outcome: Outcome) -> None:
        """The caller is told."""
        if not self.dead:
            self.told.append(outcome)
            self.told_at.append(asyncio.get_running_loop().time())


class Told(dict[str, Outcome]):
    """`into=` that counts."""

    def __init__(self, report: RunReport) -> None:
        super().__init__()
        self._report = report

    def __setitem__(self, key: str, outcome: Outcome) -> None:
        self._report.hear(outcome)
        super().__setitem__(key, outcome)
