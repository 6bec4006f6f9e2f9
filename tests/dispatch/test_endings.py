"""How a job comes out: the join over all its attempts (contract, section 4, rule 1)."""

from __future__ import annotations

import pytest

from lipsync_async.dispatch.endings import accepted, ambiguous, interrupted, rejected, unfinished
from lipsync_async.dispatch.job import NOTHING, Job
from lipsync_async.dispatch.lookup import Inquiry
from lipsync_async.outcomes import Accepted, NotSent, Rejected, Unknown
from lipsync_async.terms import Action, Failure, Kind, Phase, Reply, TaskStatus, Verdict

LOST = Failure(kind=Kind.TIMEOUT, phase=Phase.SENT, message="no answer")
REFUSED = Reply(status=400, code=1201, message="bad", request_id="r-1", parsed=True)
MADE = Reply(status=200, success=True, task_id="t-1", task_status=TaskStatus.SUBMITTED, created_at=5.0)


def sent_once() -> Job:
    """A job after its first attempt."""
    job = Job(NOTHING, "job-1", line=7)
    job.attempts, job.refusals, job.sent_at = 1, 2, 1000.0
    return job


@pytest.mark.parametrize("recovered", [False, True])
def test_a_task_makes_it_accepted(recovered: bool) -> None:
    """With all that the reply tells, and whether a look-up found it."""
    outcome = accepted(sent_once(), MADE, recovered=recovered)
    assert outcome == Accepted(
        external_task_id="job-1", attempts=1, refusals=2, line=7, task_id="t-1", task_status=TaskStatus.SUBMITTED,
        http_status=200, created_at=5.0, recovered=recovered,
    )  # fmt: skip


def test_a_refusal_of_its_content_rejects_it() -> None:
    """The reason is the verdict's, the words are the gateway's."""
    outcome = rejected(sent_once(), Verdict(Action.FAIL, Kind.CONTENT_POLICY), REFUSED)
    assert isinstance(outcome, Rejected)
    assert (outcome.kind, outcome.code, outcome.http_status, outcome.message) == (Kind.CONTENT_POLICY, 1201, 400, "bad")


def test_an_earlier_attempt_in_doubt_outlives_a_rejection() -> None:
    """Sent again by the user's own choice, and rejected: the first may have been charged all the same."""
    job = sent_once()
    job.ambiguity = ambiguous(job, Kind.TIMEOUT, LOST)
    outcome = rejected(job, Verdict(Action.FAIL, Kind.CONTENT_POLICY), REFUSED)
    assert isinstance(outcome, Unknown)
    assert (outcome.kind, outcome.phase, outcome.attempt, outcome.sent_at) == (Kind.TIMEOUT, Phase.SENT, 1, 1000.0)


def test_without_doubt_what_is_unfinished_was_not_sent() -> None:
    """With the reason that is given, and what the last answer said."""
    job = sent_once()
    job.result = REFUSED
    outcome = unfinished(job, Kind.AUTH, "the key is dead")
    assert outcome == NotSent(
        external_task_id="job-1", attempts=1, refusals=2, line=7, kind=Kind.AUTH, message="the key is dead",
        http_status=400, code=1201, request_id="r-1",
    )  # fmt: skip


def test_what_is_looked_up_stays_unknown_and_names_the_task_that_was_found() -> None:
    """Another customer's task under our id is told to the person who has to find out."""
    job = sent_once()
    job.inquiry = Inquiry(ambiguous(job, Kind.DUPLICATE_ID, REFUSED), since=0.0)
    job.inquiry.found_task_id = "somebody-else"
    outcome = unfinished(job, Kind.CANCELLED, "stopped")
    assert isinstance(outcome, Unknown)
    assert (outcome.kind, outcome.phase, outcome.found_task_id) == (Kind.DUPLICATE_ID, Phase.ANSWERED, "somebody-else")


@pytest.mark.parametrize(
    ("phase", "attempts", "name"),
    [(Phase.SENDING, 1, "not_sent"), (Phase.SENT, 1, "unknown"), (Phase.ANSWERED, 0, "not_sent")],
)
def test_an_interruption_counts_from_the_last_slice(phase: Phase, attempts: int, name: str) -> None:
    """Before it nothing can have been acted upon, and a job that was never sent is not in doubt."""
    job = sent_once()
    job.attempts = attempts
    assert interrupted(job, phase, "cut off").name == name


def test_a_doubt_without_a_reason_is_the_servers() -> None:
    """A verdict that names none."""
    assert ambiguous(sent_once(), None, LOST).kind is Kind.SERVER


# --- the exception beneath ------------------------------------------------------------------------------------------

MET = ConnectionResetError(104, "reset")
CUT = Failure(kind=Kind.CONNECTION, phase=Phase.SENT, message="cut", error=MET)


def test_what_was_raised_is_the_cause_of_what_is_not_sent() -> None:
    """Where it is the reason: not of a job that failed once, and was then given up for another reason."""
    job = sent_once()
    job.result = CUT
    assert unfinished(job, Kind.CONNECTION, "cut").error().__cause__ is MET  # type: ignore[union-attr]
    assert unfinished(job, Kind.CANCELLED, "stopped").error().__cause__ is None  # type: ignore[union-attr]
    other = OSError(24, "no file is left")
    assert unfinished(job, Kind.STORAGE, "none", other).error().__cause__ is other  # type: ignore[union-attr]


def test_what_was_raised_is_the_cause_of_a_doubt_and_of_a_refusal() -> None:
    """Of the attempt in doubt, whatever came later; and of a sound that could not be read."""
    job = sent_once()
    job.ambiguity = ambiguous(job, Kind.CONNECTION, CUT)
    job.result = LOST
    assert unfinished(job, Kind.TIMEOUT, "late").error().__cause__ is MET  # type: ignore[union-attr]
    refused = rejected(sent_once(), Verdict(Action.FAIL, Kind.VALIDATION), CUT)
    assert refused.error().__cause__ is MET  # type: ignore[union-attr]
