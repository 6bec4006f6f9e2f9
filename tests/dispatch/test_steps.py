"""What comes next for a job: plain values."""

from __future__ import annotations

import pytest

from lipsync_async.dispatch.steps import ASK, SEND, Ask, End, Park, Send
from lipsync_async.outcomes import NotSent
from lipsync_async.terms import Kind


def test_steps_are_compared_by_what_they_say() -> None:
    """Two of one sort are the same, two of different sorts never."""
    assert (Send(), Ask(), Park(1.0)) == (SEND, ASK, Park(1.0))
    assert len({repr(step) for step in (SEND, ASK, Park(1.0), Park(2.0))}) == 4
    assert Park(1.0) != Park(2.0)


def test_an_end_is_written_down_unless_it_says_otherwise() -> None:
    """And ends nothing but its job."""
    end = End(NotSent(external_task_id="job-1", kind=Kind.AUTH))
    assert (end.write, end.stop) == (True, None)


def test_a_step_does_not_change() -> None:
    """It is shared by all jobs."""
    with pytest.raises(AttributeError):
        Park(1.0).due = 2.0  # type: ignore[misc]
