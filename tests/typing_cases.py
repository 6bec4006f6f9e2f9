"""What a type checker must understand of the public names; mypy checks this file, and nothing runs it."""

from __future__ import annotations

from typing import Literal, assert_never, assert_type

from lipsync_async import (
    Accepted,
    Ambiguous,
    ApiKey,
    BatchResult,
    Event,
    Gateway,
    Jobs,
    Journal,
    Kind,
    LipSyncClient,
    LipSyncRequest,
    NotSent,
    NotSentError,
    Observer,
    OnProgress,
    Outcome,
    OutcomeStream,
    OutcomeUnknownError,
    PacerStatistics,
    Progress,
    Rejected,
    RejectedError,
    RequestBuilder,
    RunOptions,
    TaskStatus,
    Unknown,
    Violation,
    check,
)


def a_name_narrows_an_outcome(outcome: Outcome) -> str:
    """`outcome.name` is a literal of each class, so that a comparison tells the class."""
    assert_type(outcome.name, Literal["accepted", "rejected", "unknown", "not_sent"])
    if outcome.name == "accepted":
        assert_type(outcome, Accepted)
        assert_type(outcome.task_status, TaskStatus | None)
        return outcome.task_id
    assert_type(outcome, Rejected | Unknown | NotSent)
    assert_type(outcome.kind, Kind)
    if outcome.name == "rejected":
        assert_type(outcome.violations, tuple[Violation, ...])
    elif outcome.name == "unknown":
        assert_type(outcome.sent_at, float | None)
    elif outcome.name == "not_sent":
        assert_type(outcome, NotSent)
    else:
        assert_never(outcome)
    return outcome.message


def a_match_over_the_classes_is_exhaustive(outcome: Outcome) -> int:
    """The union is closed."""
    match outcome:
        case Accepted():
            return 0
        case Rejected():
            return 1
        case Unknown():
            return 2
        case NotSent():
            return 3
        case _:
            assert_never(outcome)


def an_outcome_tells_its_error(rejected: Rejected, unknown: Unknown, not_sent: NotSent) -> None:
    """Each class has its own."""
    assert_type(rejected.error(), RejectedError)
    assert_type(unknown.error(), OutcomeUnknownError)
    assert_type(not_sent.error(), NotSentError)


def the_choices_are_literals(ambiguous: Ambiguous) -> RunOptions:
    """A typo is an error of the type checker, before it is one of the value."""
    assert_type(ambiguous, Literal["lookup", "report", "resend"])
    RunOptions(ambiguous="typo")  # type: ignore[arg-type]
    return RunOptions(ambiguous=ambiguous)


async def a_client_is_typed(key: ApiKey, gateway: Gateway, jobs: Jobs, journal: Journal, observer: Observer) -> None:
    """The three ways to submit, and what they give."""

    async def told(progress: Progress) -> None:
        assert_type(progress.outcome, Outcome)

    hook: OnProgress = told
    async with LipSyncClient(gateway, api_key=key, observer=observer) as client:
        assert_type(client, LipSyncClient)
        request = RequestBuilder().session("s").face("0").audio_id("a").window(0, 5000).build()
        assert_type(request, LipSyncRequest)
        assert_type(check(request), list[Violation])
        assert_type(await client.submit(request), Accepted)
        result = await client.submit_many([request], journal="jobs.db", on_progress=hook)
        assert_type(result, BatchResult)
        assert_type(result["id"], Outcome)
        assert_type(result.not_sent, dict[str, NotSent])
        async with client.stream(jobs, journal=journal) as outcomes:
            assert_type(outcomes, OutcomeStream)
            async for outcome in outcomes:
                assert_type(outcome, Outcome)
        assert_type(client.statistics(), PacerStatistics)


def an_observer_is_a_plain_function(event: Event) -> None:
    """As a hook of that type."""
    observer: Observer = an_observer_is_a_plain_function
    observer(event)
