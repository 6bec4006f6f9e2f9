"""A job on its way."""

from __future__ import annotations

import pytest

from lipsync_async.dispatch.job import NOTHING, Job


def test_a_new_job_stands_at_the_beginning() -> None:
    """Nothing was done, nothing is known."""
    job = Job(NOTHING, "job-1", line=4)
    assert job.told() == {"external_task_id": "job-1", "attempts": 0, "refusals": 0, "line": 4}
    assert not any((job.begun, job.claimed, job.allowed, job.resumed, job.ended))
    assert repr(job) == "<Job job-1, 0 attempts, 0 refusals>"


@pytest.mark.parametrize(
    ("derived", "doubtful", "owned"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_a_task_is_its_own_where_nobody_else_can_have_made_it(derived: bool, doubtful: bool, owned: bool) -> None:
    """Its id follows from its content, or an attempt of its own may have been acted upon."""
    job = Job(NOTHING, "job-1")
    job.derived, job.doubtful = derived, doubtful
    assert job.owned is owned


def test_two_jobs_are_never_the_same_one() -> None:
    """Whatever they hold: a job is who works at it, and is found by that."""
    one, other = Job(NOTHING, "job-1"), Job(NOTHING, "job-1")
    assert one != other
    assert len({one: 1, other: 2}) == 2
