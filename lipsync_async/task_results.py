"""The results of a batch whose tasks were waited for: a mapping, what it cost, and its result lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TextIO

import msgspec
from attrs import define

from .endings import Downloaded, DownloadFailed, Ending, Result, StillRunning, Succeeded, TaskFailed, TaskLost
from .errors import BatchError, JobError, TaskError
from .outcomes import Accepted, NotSent, Rejected, Unknown, result_line
from .terms import TaskStatus


def job_id(result: Result | Accepted) -> str:
    """The external_task_id of the job whose result it is; that of its first submission, where there were several.

    The task id where the job is not known.
    """
    if isinstance(result, Accepted | Rejected | Unknown | NotSent):
        return result.external_task_id
    first = result.earlier[0].external_task_id if result.earlier else result.external_task_id
    return first or result.task_id


def line_of(result: Result | Accepted) -> dict[str, Any]:
    """Returns a result as a result line: `RESULT_FIELDS` with their values, None for a value that does not apply."""
    if isinstance(result, Accepted | Rejected | Unknown | NotSent):
        return result_line(result)
    made = result.outcome or Accepted(external_task_id="", task_id=result.task_id)
    line = result_line(made)
    status = None if result.state is None else result.state.status
    line.update(external_task_id=job_id(result), outcome=result.name, task_status=status or made.task_status)
    if isinstance(result, TaskFailed):
        line.update(kind=result.kind, message=result.reason, task_status=TaskStatus.FAILED)
    elif isinstance(result, Succeeded):
        line.update(video_url=result.video_url, duration=result.seconds, units=result.units)
        if isinstance(result.download, Downloaded):
            line.update(video_path=result.download.path)
        elif isinstance(result.download, DownloadFailed):
            line.update(kind=result.download.kind, message=result.download.message)
        line.update(task_status=TaskStatus.SUCCEED)
    return line


def to_line(result: Result | Accepted) -> str:
    """Returns a result as a result line in JSON, with its line feed."""
    return msgspec.json.encode(line_of(result)).decode() + "\n"


@define
class Money:
    """What tasks should cost and what they did, in units; the figures of a gateway that multiplies are its own."""

    tasks: int = 0
    """Tasks that are counted: all that ended, those that failed before a job was submitted again included."""
    estimated: float = 0.0
    """At list price, of the `priced` tasks whose request is known."""
    priced: int = 0
    charged: float = 0.0
    """As the gateway tells it, of `told` tasks."""
    told: int = 0
    difference: float = 0.0
    """Charged less estimated, of those of which both are known."""
    failed: int = 0
    """Tasks without a video; gateways refund them as a rule."""

    def add(self, ending: Ending) -> None:
        """One more task, and those of its job that came before it."""
        for earlier in ending.earlier:
            self._add(earlier)
        self._add(ending)

    def _add(self, ending: Ending) -> None:
        self.tasks += 1
        self.failed += isinstance(ending, TaskFailed)
        estimated, charged = ending.estimated_units, charged_units(ending)
        if estimated is not None:
            self.priced += 1
            self.estimated += estimated
        if charged is not None:
            self.told += 1
            self.charged += charged
            self.difference += charged - estimated if estimated is not None else 0.0


def charged_units(ending: Ending) -> float | None:
    """What the gateway says was charged; None where it tells no number."""
    told = ending.units if isinstance(ending, Succeeded | TaskFailed) else None
    try:
        units = float(told or "")
    except ValueError:
        return None
    return units if math.isfinite(units) else None


class TaskResults(Mapping[str, Result]):
    """How every job ended: a mapping by `external_task_id`, or by task id where no such id is known."""

    def __init__(self, results: Mapping[str, Result]) -> None:
        self._results = dict(results)

    def __getitem__(self, external_task_id: str) -> Result:
        return self._results[external_task_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        counts: dict[str, int] = {}
        for result in self._results.values():
            counts[result.name] = counts.get(result.name, 0) + 1
        return f"<TaskResults {', '.join(f'{count} {name}' for name, count in counts.items()) or 'empty'}>"

    @property
    def succeeded(self) -> dict[str, Succeeded]:
        """Those with a video, by id."""
        return {key: it for key, it in self.items() if isinstance(it, Succeeded)}

    @property
    def failed(self) -> dict[str, TaskFailed]:
        """The tasks that failed, by id."""
        return {key: it for key, it in self.items() if isinstance(it, TaskFailed)}

    @property
    def lost(self) -> dict[str, TaskLost]:
        """The tasks that the gateway does not know any more, by id."""
        return {key: it for key, it in self.items() if isinstance(it, TaskLost)}

    @property
    def running(self) -> dict[str, StillRunning]:
        """The tasks that were not seen to end, by id: `wait_many(results.running.values())` goes on with them."""
        return {key: it for key, it in self.items() if isinstance(it, StillRunning)}

    @property
    def without_task(self) -> dict[str, Rejected | Unknown | NotSent]:
        """The jobs that were not accepted, by id."""
        return {key: it for key, it in self.items() if isinstance(it, Rejected | Unknown | NotSent)}

    def money(self) -> Money:
        """Returns what the tasks should cost and what was charged."""
        money = Money()
        for result in self._results.values():
            if isinstance(result, Ending):
                money.add(result)
        return money

    def write_jsonl(self, target: str | PathLike[str] | TextIO) -> None:
        """Writes one result line a job, as JSON, to a path or an open text file; raises `OSError`."""
        if isinstance(target, (str, PathLike)):
            with Path(target).open("w", encoding="utf-8") as file:
                self.write_jsonl(file)
        else:
            target.writelines(map(to_line, self._results.values()))

    def raise_for_failures(self) -> None:
        """Raises `BatchError` unless all succeeded; its `errors` holds one error for each other job."""
        errors: list[JobError | TaskError] = [
            error for result in self._results.values() if (error := result.error()) is not None
        ]
        if errors:
            raise BatchError(f"{len(errors)} of {len(self)} did not succeed: {errors[0]}", errors)
