"""What the end of a task teaches."""

from __future__ import annotations

from lipsync_async.tasks.durations import Durations
from lipsync_async.tasks.freshness import Freshness
from lipsync_async.tasks.learning import Learning
from lipsync_async.tasks.planner import Followed


def taught(task: Followed, now: float, age_told: float | None) -> tuple[float | None, float]:
    """The median duration and the freshness after many ends like this one."""
    durations, freshness = Durations(), Freshness()
    for _ in range(10):
        Learning(durations, freshness).ended(task, now, age_told=age_told)
    return durations.quantile(0.5), freshness.seconds


def test_what_the_gateway_tells_is_believed() -> None:
    """It ended at 80 s, was called running at 100, and is seen at 110: at least 20 s late."""
    task = Followed(task_id="a", born=1000.0, seen_running=1100.0)
    assert taught(task, 1110.0, 80.0) == (80.0, 20.0)


def test_an_end_between_two_looks_is_not_late() -> None:
    """The look before was right."""
    task = Followed(task_id="a", born=1000.0, seen_running=1100.0)
    assert taught(task, 1110.0, 105.0) == (105.0, 0.0)


def test_what_cannot_be_is_not_believed() -> None:
    """An end that is yet to come: the middle of the two looks is taken."""
    task = Followed(task_id="a", born=1000.0, seen_running=1100.0)
    assert taught(task, 1110.0, 500.0) == (105.0, 0.0)
    assert taught(task, 1110.0, None) == (105.0, 0.0)


def test_a_first_look_that_came_late_learns_to_come_earlier() -> None:
    """Nothing but its age is known."""
    task = Followed(task_id="a", born=1000.0)
    median, freshness = taught(task, 1100.0, None)
    assert median is not None
    assert median < 100.0
    assert freshness == 0.0


def test_a_task_of_unknown_age_teaches_what_is_told() -> None:
    """When it began is not known here; the gateway may know."""
    task = Followed(task_id="a", born=1000.0, seen_running=1100.0, dated=False)
    assert taught(task, 1110.0, 500.0) == (500.0, 0.0)
    assert taught(task, 1110.0, None) == (None, 0.0)
