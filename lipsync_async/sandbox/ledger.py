"""The ledger: what was accepted and billed, per external_task_id; the witness that proofs ask."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import IO

import attrs

from lipsync_async.sandbox.tasks import Status, Task


@attrs.frozen
class Entry:
    """One accepted create."""

    external_task_id: str
    """The customer's id; empty where none was given."""
    task_id: str
    accepted_at: float
    """Seconds since 1970."""
    units: float
    """Units billed: 0.5 for every started 5 s of the cropped audio."""
    body_sha256: str
    audio_sha256: str | None
    """The hash of the decoded sound; None for an `audio_id` or a URL."""
    status: Status
    """The task's state at the moment the entry was asked for."""
    fault: str | None = None
    """What was done to the reply."""


@attrs.frozen
class _Record:
    task: Task
    accepted_at: float
    body_sha256: str
    audio_sha256: str | None
    fault: str | None


class Ledger:
    """Counts and entries; may be read from any thread while the sandbox runs."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._file: IO[str] | None = None
        self._records: list[_Record] = []
        self._accepted: Counter[str] = Counter()
        self._refused: Counter[int] = Counter()
        self._faults: Counter[str] = Counter()
        self._units = 0.0
        self._requests = 0
        self._queries = 0

    def __repr__(self) -> str:
        return f"<Ledger {len(self._records)} accepted, {self._units:g} units, {self._refused.total()} refused>"

    @property
    def entries(self) -> list[Entry]:
        """Every accepted create, in the order of acceptance."""
        now = self._clock()
        with self._lock:
            records = list(self._records)
        return [_entry(record, now) for record in records]

    @property
    def tasks(self) -> int:
        """How many tasks were created in all."""
        with self._lock:
            return len(self._records)

    def accepted(self, external_task_id: str) -> int:
        """How many tasks were created under this id."""
        with self._lock:
            return self._accepted.get(external_task_id, 0)

    @property
    def duplicates(self) -> dict[str, int]:
        """The ids under which more than one task was created (paid for twice), with their number."""
        with self._lock:
            return {name: count for name, count in self._accepted.items() if name and count > 1}

    @property
    def units(self) -> float:
        """Units billed in all."""
        with self._lock:
            return self._units

    @property
    def requests(self) -> int:
        """Creates that arrived, whatever became of them."""
        with self._lock:
            return self._requests

    @property
    def queries(self) -> int:
        """Queries and lists that arrived."""
        with self._lock:
            return self._queries

    @property
    def refused(self) -> dict[int, int]:
        """Refused creates by Kling's code (also where the gateway hid it); 413 and 502 for a front proxy's."""
        with self._lock:
            return dict(self._refused)

    @property
    def faults(self) -> dict[str, int]:
        """Faults that were done to creates, by name."""
        with self._lock:
            return dict(self._faults)

    def summary(self) -> str:
        """A few lines for people."""
        doubled = self.duplicates
        lines = [
            f"creates   {self.requests}",
            f"accepted  {len(self._records)} ({self.units:g} units)",
            f"refused   {_tally(self.refused)}",
            f"faults    {_tally(self.faults)}",
            f"twice     {', '.join(sorted(doubled)) or 'none'}",
            f"queries   {self.queries}",
        ]
        return "\n".join(lines)

    # --- written by the server ----------------------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Append every further entry to this file as a line of JSON."""
        self._file = path.open("a", encoding="utf-8")

    def close(self) -> None:
        """Close the file; what was counted stays readable."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def arrived(self) -> None:
        """Count a create."""
        with self._lock:
            self._requests += 1

    def asked(self) -> None:
        """Count a query."""
        with self._lock:
            self._queries += 1

    def refuse(self, code: int) -> None:
        """Count a create that was refused."""
        with self._lock:
            self._refused[code] += 1

    def fault(self, name: str) -> None:
        """Count a fault that was done."""
        with self._lock:
            self._faults[name] += 1

    def accept(
        self, task: Task, *, accepted_at: float, body_sha256: str, audio_sha256: str | None, fault: str | None
    ) -> None:
        """Enter an accepted create; it is in the file when this returns, hence before the reply leaves."""
        record = _Record(task, accepted_at, body_sha256, audio_sha256, fault)
        with self._lock:
            self._records.append(record)
            self._accepted[task.external_task_id] += 1
            self._units += task.units
        if self._file is not None:
            self._file.write(json.dumps(attrs.asdict(_entry(record, task.created))) + "\n")
            self._file.flush()


def _entry(record: _Record, now: float) -> Entry:
    task = record.task
    return Entry(
        external_task_id=task.external_task_id,
        task_id=task.task_id,
        accepted_at=record.accepted_at,
        units=task.units,
        body_sha256=record.body_sha256,
        audio_sha256=record.audio_sha256,
        status=task.status(now),
        fault=record.fault,
    )


def _tally(counts: dict[int, int] | dict[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())) or "none"
