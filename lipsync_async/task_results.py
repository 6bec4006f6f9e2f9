"""The results of a batch whose tasks were waited for: a mapping, what it cost, and its result lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import msgspec
from attrs import define

from .endings import Ending, Result, StillRunning, Succeeded, TaskFailed, TaskLost, job_id, line_of
from .errors import BatchError, JobError, TaskError
from .outcomes import RESULT_FIELDS, Accepted, NotSent, Rejected, Unknown
from .rows import Rows

__all__ = ["Money", "TaskResults", "charged_units", "job_id", "line_of", "to_line"]


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


class TaskResults(Rows[Result]):
    """How every job ended: a mapping by `external_task_id`, or by task id where no such id is known."""

    names = frozenset(kind.name for kind in (Succeeded, TaskFailed, TaskLost, StillRunning, Rejected, Unknown, NotSent))
    columns = RESULT_FIELDS

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

    def raise_for_failures(self) -> None:
        """Raises `BatchError` unless all succeeded; its `errors` holds one error for each other job."""
        errors: list[JobError | TaskError] = [
            error for result in self._results.values() if (error := result.error()) is not None
        ]
        if errors:
            raise BatchError(f"{len(errors)} of {len(self)} did not succeed: {errors[0]}", errors)

    def _only(self, kept: dict[str, Result]) -> TaskResults:
        return TaskResults(kept)
