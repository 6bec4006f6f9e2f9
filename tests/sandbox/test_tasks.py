"""The life of a task, and how it is found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.sandbox.tasks import Task, TaskBook


def book(**options: Any) -> TaskBook:
    """A task book whose tasks live 100 s and succeed."""
    usual: dict[str, Any] = {
        "dialect": "native",
        "task_seconds": (100, 100),
        "time_scale": 1.0,
        "store_delay": 0.0,
        "failed_share": 0.0,
        "lookups": "external",
        "seed": 0,
    }
    return TaskBook(**usual | options)


def create(tasks: TaskBook, external_task_id: str = "a", now: float = 0.0) -> Task:
    """A task of 5 s."""
    return tasks.create(external_task_id, 0.5, 5000, False, now)


@given(st.lists(st.floats(0, 500), min_size=2), st.integers(), st.floats(0, 1), st.floats(0.1, 1000))
def test_a_life_goes_one_way(moments: list[float], seed: int, share: float, scale: float) -> None:
    """A task is submitted, then processing, then ended, and never goes back."""
    task = create(book(seed=seed, failed_share=share, task_seconds=(10, 300), time_scale=scale))
    order = {"submitted": 0, "processing": 1, "succeed": 2, "failed": 2}
    seen = [task.status(now) for now in sorted(moments)]
    assert [order[status] for status in seen] == sorted(order[status] for status in seen)
    assert len({status for status in seen if order[status] == 2}) <= 1
    assert all(task.created <= task.changed(now) <= max(now, task.created) for now in moments)


def test_the_clock_is_scaled() -> None:
    """At a scale of 50 a task of 100 s has ended after two, and was processing before."""
    task = create(book(time_scale=50.0))
    assert [task.status(now) for now in (0.0, 0.19, 0.21, 1.99, 2.0)] == [
        "submitted",
        "submitted",
        "processing",
        "processing",
        "succeed",
    ]


def test_the_share_of_failures_is_seeded() -> None:
    """About the share that was asked for fails, and the same seed fails the same tasks."""
    first, second = book(failed_share=0.2, seed=4), book(failed_share=0.2, seed=4)
    ends = [create(first, str(n)).ending for n in range(1000)]
    assert ends == [create(second, str(n)).ending for n in range(1000)]
    assert 150 < ends.count("failed") < 250
    assert set(ends) == {"failed", "succeed"}


def test_a_task_is_found_by_both_ids() -> None:
    """Look-ups by task id and by external id give the same task."""
    tasks = book()
    task = create(tasks)
    assert tasks.find(task.task_id, 0.0) is task
    assert tasks.find("a", 0.0) is task
    assert tasks.find("b", 0.0) is None


def test_lookups_can_be_limited() -> None:
    """With `task_id` the external id is not known, with `none` neither is."""
    for lookups, found in (("task_id", True), ("none", False)):
        tasks = book(lookups=lookups)
        task = create(tasks)
        assert tasks.find("a", 0.0) is None
        assert (tasks.find(task.task_id, 0.0) is task) is found


def test_a_late_store_hides_a_task() -> None:
    """A task is found from the scaled delay on, and not before; a page hides it too."""
    tasks = book(store_delay=30.0, time_scale=10.0)
    task = create(tasks)
    assert tasks.find("a", 2.9) is None
    assert tasks.page(1, 10, 2.9) == []
    assert tasks.find("a", 3.0) is task
    assert tasks.page(1, 10, 3.0) == [task]


def test_a_second_task_answers_for_the_id() -> None:
    """Of two tasks under one id the newer is found by it, the older by its task id."""
    tasks = book()
    old, new = create(tasks), create(tasks)
    assert tasks.find("a", 0.0) is new
    assert tasks.find(old.task_id, 0.0) is old


def test_an_overwritten_task_is_gone() -> None:
    """After its row was overwritten nobody finds the old task; forgetting an unknown id does nothing."""
    tasks = book()
    old = create(tasks)
    tasks.forget("a")
    tasks.forget("a")
    assert "a" not in tasks
    assert tasks.find(old.task_id, 0.0) is None


def test_an_id_that_was_not_given_is_not_kept() -> None:
    """Tasks without an external id are no duplicates of each other."""
    tasks = book()
    create(tasks, "")
    assert "" not in tasks
    assert tasks.find("", 0.0) is None


@pytest.mark.parametrize(
    ("dialect", "shape"),
    [("native", r"\d{18}"), ("nested", r"\d{18}"), ("openai-video", r"task_\w{24}"), ("camel", r"clx\w+")],
)
def test_ids_look_like_the_dialects(dialect: str, shape: str) -> None:
    """Every task has its own id, in the form that its dialect uses."""
    import re

    tasks = book(dialect=dialect)
    ids = [create(tasks, str(n)).task_id for n in range(50)]
    assert len(set(ids)) == 50
    assert all(re.fullmatch(shape, name) for name in ids)


@given(st.integers(0, 40), st.integers(1, 10), st.integers(1, 10))
def test_pages_cover_everything_newest_first(count: int, number: int, size: int) -> None:
    """A page is the slice of the newest-first list that its number and size say."""
    tasks = book()
    created = [create(tasks, str(n)) for n in range(count)]
    assert tasks.page(number, size, 0.0) == created[::-1][(number - 1) * size : number * size]
