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


def test_only_an_id_that_was_given_with_the_job_is_known_to_be_unique() -> None:
    """The whole list was looked through for it."""
    assert Job(NOTHING, "job-1").unique
    assert not Job(NOTHING).unique
