"""What tasks should cost and what they did."""

from __future__ import annotations

import pytest

from lipsync_async import FailureKind, Money, StillRunning, Succeeded, TaskFailed, TaskLost, TaskResults
from lipsync_async.cli.tally import cost_of
from lipsync_async.endings import Ending
from lipsync_async.task_results import charged_units

MADE = Succeeded(task_id="1", units="1.5", estimated_units=1.0)
FAILED = TaskFailed(task_id="2", kind=FailureKind.CAPACITY, estimated_units=0.5)


@pytest.mark.parametrize(
    ("ending", "units"),
    [
        (MADE, 1.5),
        (Succeeded(task_id="1", units="0"), 0.0),
        (Succeeded(task_id="1"), None),
        (Succeeded(task_id="1", units="much"), None),
        (Succeeded(task_id="1", units="inf"), None),
        (Succeeded(task_id="1", units="nan"), None),
        (FAILED, None),
        (TaskFailed(task_id="2", kind=FailureKind.MEDIA, units="0.5"), 0.5),
        (TaskLost(task_id="3"), None),
        (StillRunning(task_id="4"), None),
    ],
)
def test_what_was_charged_is_what_the_gateway_tells(ending: Ending, units: float | None) -> None:
    """In whatever text; what is no number is not told."""
    assert charged_units(ending) == units


def test_every_task_of_a_job_counts() -> None:
    """Those that failed before the job was submitted again as well."""
    again = Succeeded(task_id="5", units="1", estimated_units=0.5, earlier=(FAILED, FAILED))
    unpriced = Succeeded(task_id="6", units="7")
    money = TaskResults({"a": MADE, "b": again, "c": unpriced}).money()
    assert money == Money(tasks=5, estimated=2.5, priced=4, charged=9.5, told=3, difference=1.0, failed=2)


def test_the_line_says_what_is_not_known() -> None:
    """Of which tasks a figure is, wherever it is not of all."""
    money = Money()
    assert cost_of(money) == ""
    money.add(MADE)
    assert cost_of(money) == "cost: 1.5 units charged, 1 units estimated at list price, difference +0.5"
    money.add(FAILED)
    assert cost_of(money) == (
        "cost: 1.5 units charged for 1 of 2 tasks (of the others the gateway told nothing so far; 1 failed, which is"
        " usually refunded), 1.5 units estimated at list price, difference +0.5"
    )
    money.add(Succeeded(task_id="7", units="2"))
    assert "1.5 units estimated at list price for the 2 of which the request was known" in cost_of(money)
