"""What is said of a list: each of its lines, and the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import Factory, define, field, frozen

from lipsync_async.errors import Violation
from lipsync_async.models import LipSyncRequest

from .compact import LinePairs
from .names import shown

KEPT_FAULTS = 1_000
"""Faults that a report keeps; all are counted, and told as they are found."""
KEPT_WARNINGS = 100
"""Kinds of warnings that a report keeps; all are counted."""
_LONGEST = 1_000
"""Characters of a fault as it is told."""


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
    legacy_extra: Mapping[str, Any] | None = None
    """The `extra_body` that version 0.1.0 made of the line, where it was another one: see `legacy_id`."""
    read: LipSyncRequest | None = field(default=None, eq=False, repr=False)
    """What could be read of a line, broken or not."""

    @property
    def errors(self) -> tuple[Violation, ...]:
        """Those that forbid sending."""
        return tuple(fault for fault in self.violations if fault.severity == "error")


@frozen
class LineFault:
    """A violation and the line where it was found."""

    line: int
    violation: Violation
    job: str = ""
    """The external_task_id that the line gives."""

    def __str__(self) -> str:
        job = f" (job {shown(self.job)})" if self.job else ""
        return f"{shown(f'line {self.line}: {self._text()}', _LONGEST)}{job}"

    @property
    def told(self) -> str:
        """The fault without its line and job, as it is told of many lines."""
        return shown(self._text(), _LONGEST)

    def _text(self) -> str:
        path = self.violation.path
        return f"{shown(path, 200)}: {self.violation.message}" if path else self.violation.message


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
    """At list price, of all jobs and of what is made for them (contract, section 7)."""
    videos: int = 0
    """Videos whose faces are to be identified, each once."""
    texts: int = 0
    """Texts that are to be spoken, each once."""
    fault_count: int = 0
    faults: list[LineFault] = Factory(list)
    """The first `KEPT_FAULTS` of them, in the order of finding."""
    warnings: dict[tuple[str, str], Warned] = Factory(dict)
    """By path and rule; the first `KEPT_WARNINGS` kinds."""
    warning_count: int = 0
    """Warnings in all."""
    repeats: LinePairs = Factory(LinePairs)
    """Line -> the earlier line that is the same job."""
    conflicts: LinePairs = Factory(LinePairs)
    """Line -> the earlier line that gives its id other content."""

    @property
    def ok(self) -> bool:
        """Nothing forbids sending it."""
        return not self.fault_count

    def warn(self, fault: LineFault) -> None:
        """One more warning; a kind that is new is kept while there is room."""
        self.warning_count += 1
        key = (fault.violation.path, fault.violation.rule)
        known = self.warnings.get(key)
        if known is not None:
            known.lines += 1
        elif len(self.warnings) < KEPT_WARNINGS:
            self.warnings[key] = Warned(fault)


def conflict(name: str, earlier: int) -> Violation:
    """What is said of a line whose id stands for other content in an earlier one."""
    text = f"{shown(name)} stands for other content in line {earlier}: one id is one job"
    return Violation("external_task_id", "id_repeated", text)
