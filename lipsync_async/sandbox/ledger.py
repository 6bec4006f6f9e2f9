"""The ledger: what was accepted, billed, given back and fetched, per task; the witness that proofs ask."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import IO

import attrs

from lipsync_async.sandbox.entries import CallbackSent, Entry, FileRequest, Preparation, Record, entry_of
from lipsync_async.sandbox.tasks import Task


class Ledger:
    """Counts and entries; may be read from any thread while the sandbox runs."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._file: IO[str] | None = None
        self._records: dict[str, Record] = {}
        self._files: dict[str, list[FileRequest]] = defaultdict(list)
        self._prepared: list[Preparation] = []
        self._callbacks: list[CallbackSent] = []
        self._accepted: Counter[str] = Counter()
        self._refused: Counter[int] = Counter()
        self._refused_queries: Counter[int] = Counter()
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
            return [entry_of(it, now, self._files.get(name, ())) for name, it in self._records.items()]

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
        """Units billed in all, faces and speech with them, before any were given back."""
        with self._lock:
            return self._units

    @property
    def refunded(self) -> float:
        """Units given back in all, for tasks that have ended."""
        now = self._clock()
        with self._lock:
            return sum(it.task.refunded for it in self._records.values() if it.task.ended(now))

    @property
    def charged(self) -> float:
        """Units billed in all, less those given back."""
        return self.units - self.refunded

    @property
    def endings(self) -> dict[str, int]:
        """How many tasks have ended, by the way they did."""
        now = self._clock()
        with self._lock:
            return dict(Counter(it.task.ending for it in self._records.values() if it.task.ended(now)))

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
    def refused_queries(self) -> dict[int, int]:
        """Refused queries, lists and requests of the content route, by Kling's code."""
        with self._lock:
            return dict(self._refused_queries)

    @property
    def faults(self) -> dict[str, int]:
        """Faults that were done to creates, by name."""
        with self._lock:
            return dict(self._faults)

    @property
    def files(self) -> list[FileRequest]:
        """Every request of a file that named a task, task by task, each in the order of arrival."""
        with self._lock:
            return [attrs.evolve(it) for files in self._files.values() for it in files]

    @property
    def leaks(self) -> list[FileRequest]:
        """The requests of files that told too much; there must be none."""
        return [it for it in self.files if it.leaked]

    @property
    def preparations(self) -> list[Preparation]:
        """Every identify-face and text-to-speech call that was billed, in order."""
        with self._lock:
            return list(self._prepared)

    @property
    def identified(self) -> dict[str, int]:
        """How often the faces of each video were identified; what signs its URL is no part of its name."""
        return dict(Counter(it.source for it in self.preparations if it.kind == "identify"))

    @property
    def callbacks(self) -> list[CallbackSent]:
        """Every callback that was sent, in order."""
        with self._lock:
            return list(self._callbacks)

    def summary(self) -> str:
        """A few lines for people."""
        doubled, files = self.duplicates, self.files
        prepared = sum(it.units for it in self.preparations)
        lines = [
            f"creates   {self.requests}",
            f"accepted  {len(self._records)} ({self.units - prepared:g} units)",
            f"refused   {_tally(self.refused)}",
            f"faults    {_tally(self.faults)}",
            f"twice     {', '.join(sorted(doubled)) or 'none'}",
            f"queries   {self.queries}",
            f"ended     {_tally(self.endings)} ({self.refunded:g} units refunded)",
            f"files     {len(files)} requests, {sum(it.whole for it in files)} whole, {len(self.leaks)} leaked",
            f"prepared  {len(self.preparations)} faces and speech ({prepared:g} units)",
        ]
        return "\n".join(lines)

    def report(self, path: Path) -> None:
        """Write a line of JSON a task: its entry, what it was charged, and the requests of its file."""
        with path.open("w", encoding="utf-8") as out:
            for entry in self.entries:
                files = [attrs.asdict(it) for it in self._files.get(entry.task_id, ())]
                told = {**attrs.asdict(entry), "charged": entry.charged, "files": files}
                out.write(json.dumps(told) + "\n")

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

    def told(self, task: Task, at: float, *, ended: bool) -> None:
        """Note that a query or a list told of a task, at seconds since 1970, and whether it told the task's end."""
        with self._lock:
            record = self._records[task.task_id]
            record.queries += 1
            if ended and record.told_at is None:
                record.told_at = at

    def refuse(self, code: int, *, query: bool = False) -> None:
        """Count a create, or a query, that was refused."""
        with self._lock:
            (self._refused_queries if query else self._refused)[code] += 1

    def fault(self, name: str) -> None:
        """Count a fault that was done."""
        with self._lock:
            self._faults[name] += 1

    def file(self, request: FileRequest) -> FileRequest:
        """Enter a request of a file; whoever serves it writes into it how it went."""
        with self._lock:
            self._files[request.task_id].append(request)
        return request

    def prepared(self, done: Preparation) -> None:
        """Enter an identify-face or text-to-speech call that is billed."""
        with self._lock:
            self._prepared.append(done)
            self._units += done.units

    def called_back(self, sent: CallbackSent) -> None:
        """Enter a callback and how it was answered."""
        with self._lock:
            self._callbacks.append(sent)

    def accept(
        self, task: Task, *, accepted_at: float, body_sha256: str, audio_sha256: str | None, fault: str | None
    ) -> None:
        """Enter an accepted create; it is in the file when this returns, hence before the reply leaves."""
        record = Record(task, accepted_at, body_sha256, audio_sha256, fault)
        with self._lock:
            self._records[task.task_id] = record
            self._accepted[task.external_task_id] += 1
            self._units += task.units
        if self._file is not None:
            self._file.write(json.dumps(attrs.asdict(entry_of(record, task.created))) + "\n")
            self._file.flush()


def _tally(counts: dict[int, int] | dict[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())) or "none"
