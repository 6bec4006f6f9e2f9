"""How a job comes out: the join over all its attempts (contract, section 4, rule 1). Pure: a job in, an outcome out."""

from __future__ import annotations

from typing import Any

from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown, caused
from lipsync_async.terms import Failure, Kind, Phase, Reply, Verdict

from .job import Job
from .lookup import Ambiguity, Inquiry


def accepted(job: Job, result: Reply | Failure, *, recovered: bool = False) -> Accepted:
    """The reply's task is the job's; `recovered`: a look-up found it."""
    assert isinstance(result, Reply)
    assert result.task_id is not None
    return Accepted(
        external_task_id=job.id,
        attempts=job.attempts,
        refusals=job.refusals,
        line=job.line,
        task_id=result.task_id,
        task_status=result.task_status,
        request_id=result.request_id,
        http_status=result.status,
        created_at=result.created_at,
        recovered=recovered,
    )


def rejected(job: Job, verdict: Verdict, result: Reply | Failure) -> Outcome:
    """The job itself is at fault, unless an earlier attempt may have been acted upon."""
    if job.ambiguity is not None:
        return unfinished(job, job.ambiguity.kind, job.ambiguity.message)
    kind, told = verdict.kind or Kind.INVALID_REQUEST, _of_reply(result)
    return caused(Rejected(**job.told(), kind=kind, message=result.message, **told), _error_of(result))


def already_exists(job: Job, inquiry: Inquiry) -> Rejected:
    """The id was taken before the first attempt: nothing was charged for this job (contract, section 5)."""
    ambiguity = inquiry.ambiguity
    return Rejected(
        **job.told(),
        kind=Kind.ALREADY_EXISTS,
        message=ambiguity.message,
        **_of_answer(ambiguity),
        found_task_id=inquiry.found_task_id,
    )


def unfinished(job: Job, kind: Kind, message: str, error: Exception | None = None) -> Outcome:
    """Unknown where an attempt may have been acted upon, else NotSent for the reason that is given.

    `error` is what was raised; None: what the last attempt failed with, where that is the reason.
    """
    if job.inquiry is not None and job.inquiry.naming:
        return already_exists(job, job.inquiry)
    ambiguity = job.inquiry.ambiguity if job.inquiry is not None else job.ambiguity
    if ambiguity is None:
        ended = NotSent(**job.told(), kind=kind, message=message, **_of_reply(job.result))
        return caused(ended, error or _error_of(job.result, kind))
    ended_in_doubt = Unknown(
        **job.told(),
        kind=ambiguity.kind,
        message=ambiguity.message,
        **_of_answer(ambiguity),
        phase=ambiguity.phase,
        attempt=ambiguity.attempt,
        sent_at=ambiguity.sent_at,
        found_task_id=job.inquiry.found_task_id if job.inquiry is not None else None,
    )
    return caused(ended_in_doubt, ambiguity.error)


def interrupted(job: Job, phase: Phase, message: str) -> Outcome:
    """Its worker was taken away, or failed, when the request had got so far."""
    if phase >= Phase.SENT and job.attempts and job.inquiry is None:
        job.ambiguity = ambiguous(job, Kind.PROTOCOL, Failure(kind=Kind.PROTOCOL, phase=phase))
    return unfinished(job, Kind.CANCELLED, message)


def ambiguous(job: Job, kind: Kind | None, result: Reply | Failure) -> Ambiguity:
    """The last attempt may have been acted upon: what a person needs to find out."""
    return Ambiguity(
        attempt=job.attempts,
        sent_at=job.sent_at,
        phase=result.phase if isinstance(result, Failure) else Phase.ANSWERED,
        kind=kind or Kind.SERVER,
        message=result.message,
        **_of_reply(result),
        error=_error_of(result),
    )


def _of_answer(ambiguity: Ambiguity) -> dict[str, Any]:
    return {"http_status": ambiguity.http_status, "code": ambiguity.code, "request_id": ambiguity.request_id}


def _error_of(result: Reply | Failure | None, kind: Kind | None = None) -> Exception | None:
    """What was raised, if it was for this reason; None for `kind`: for any."""
    return result.error if isinstance(result, Failure) and kind in {None, result.kind} else None


def _of_reply(result: Reply | Failure | None) -> dict[str, Any]:
    if not isinstance(result, Reply):
        return {}
    return {"http_status": result.status, "code": result.code, "request_id": result.request_id}
