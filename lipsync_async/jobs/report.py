"""What is said of a list: each of its lines, and the whole."""

from __future__ import annotations

from attrs import Factory, define, frozen

from lipsync_async.errors import Violation
from lipsync_async.models import LipSyncRequest

KEPT_FAULTS = 1_000
"""Faults that a report keeps; all are counted, and told as they are found."""


@frozen
class JobLine:
    """One line of a list: the request it stands for, and all that is to be said about it."""

    line: int
    """From 1, as an editor counts."""
    request: LipSyncRequest | None
    """None where the line is broken."""
    violations: tuple[Violation, ...] = ()
    given_id: str = ""
    """The external_task_id that the line gives, also where it is broken."""

    @property
    def errors(self) -> tuple[Violation, ...]:
        """Those that forbid sending."""
        return tuple(fault for fault in self.violations if fault.severity == "error")


@frozen
class LineFault:
    """A violation and the line where it was found."""

    line: int
    violation: Violation

    def __str__(self) -> str:
        return f"line {self.line}: {self.violation}"


@define
class Warned:
    """A warning that any number of lines share."""

    first: LineFault
    lines: int = 1


@define
class ListReport:
    """What a look through a whole list found."""

    lines: int = 0
    """Lines that are not blank."""
    jobs: int = 0
    """Lines that can be sent, repetitions apart."""
    broken: int = 0
    """Lines with a fault."""
    units: float = 0.0
    """At list price, of all jobs (contract, section 7)."""
    fault_count: int = 0
    faults: list[LineFault] = Factory(list)
    """The first `KEPT_FAULTS` of them, in the order of finding."""
    warnings: dict[tuple[str, str], Warned] = Factory(dict)
    """By path and rule."""
    repeats: dict[int, int] = Factory(dict)
    """Line -> the earlier line that is the same job."""
    conflicts: dict[int, Violation] = Factory(dict)
    """Lines whose id stands for other content in an earlier line."""

    @property
    def ok(self) -> bool:
        """Nothing forbids sending it."""
        return not self.fault_count

    @property
    def warning_count(self) -> int:
        """Warnings in all."""
        return sum(warned.lines for warned in self.warnings.values())
