"""The tally: figures, reasons, and the exit code that says it all."""

from __future__ import annotations

from typing import Any

import pytest

from lipsync_async.cli.tally import Tally
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind

GOOD = Accepted(external_task_id="a", task_id="1")
BAD = Rejected(external_task_id="b", kind=Kind.VALIDATION, message="one of many")
LOST = Unknown(external_task_id="c", kind=Kind.TIMEOUT)
LEFT = NotSent(external_task_id="d", kind=Kind.QUOTA, message="no money")


@pytest.mark.parametrize(
    ("outcomes", "state", "code"),
    [
        ([GOOD], {}, 0),
        ([], {}, 0),
        ([GOOD, BAD], {}, 1),
        ([GOOD, BAD, LOST], {}, 4),
        ([GOOD, BAD, LOST, LEFT], {}, 3),
        ([GOOD], {"stopped": True}, 3),
        ([LOST, LEFT], {"interrupted": True, "stopped": True}, 130),
    ],
)
def test_the_more_serious_wins(outcomes: list[Outcome], state: dict[str, Any], code: int) -> None:
    """130, 3, 4, 1, 0."""
    tally = Tally(**state)
    for outcome in outcomes:
        tally.add(outcome)
    assert tally.exit_code() == code


def test_it_says_how_many_and_why() -> None:
    """What is nought is left out; messages only where many share them."""
    tally = Tally()
    for outcome in (GOOD, BAD, BAD, LEFT, LEFT, LEFT):
        tally.add(outcome)
    assert str(tally) == "1 accepted, 2 rejected, 3 not sent"
    assert tally.reasons() == ["3 not sent: quota (no money)", "2 rejected: validation"]


def test_reasons_are_bounded() -> None:
    """A gateway that says something else each time fills no memory."""
    tally = Tally()
    for number in range(1000):
        tally.add(NotSent(external_task_id="d", kind=Kind.QUOTA, message=str(number)))
    assert (len(tally.kinds), len(tally.reasons())) == (100, 8)


def test_earlier_runs_and_look_ups_are_told_apart() -> None:
    """A job that an earlier run had found is an earlier run's."""
    tally = Tally()
    tally.add(Accepted(external_task_id="a", task_id="1", recovered=True))
    tally.add(Accepted(external_task_id="b", task_id="2", recovered=True, replayed=True))
    assert str(tally) == "2 accepted (1 by an earlier run, 1 found by a look-up)"
