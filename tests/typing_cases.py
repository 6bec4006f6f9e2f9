"""What a type checker must understand of the public names; mypy checks this file, and nothing runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, assert_never, assert_type

from prometheus_client import REGISTRY

import lipsync_async
from lipsync_async import (
    Accepted,
    Ambiguous,
    ApiKey,
    BatchResult,
    Ending,
    Event,
    FollowingStatistics,
    Gateway,
    InvalidRequestError,
    Jobs,
    Journal,
    Kind,
    KlingKey,
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
    Result,
    RunOptions,
    Succeeded,
    TaskResults,
    TaskStatus,
    Unknown,
    Violation,
    check,
    external_id_of,
)
from lipsync_async.metrics import Metrics


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


def results_are_taken_apart(result: BatchResult, results: TaskResults, outcome: Outcome, ending: Ending) -> None:
    """What is made of a result is typed as far as it can be."""
    assert_type(result.where("rejected", test=lambda one: one.attempts > 1), BatchResult)
    assert_type(results.where(["failed", "lost"], kind="content"), TaskResults)
    assert_type(results["id"], Result)
    assert_type(result.to_dicts(), list[dict[str, Any]])
    assert_type(outcome.to_dict(), dict[str, Any])
    assert_type(ending.to_dict(), dict[str, Any])
    result.where(kind=7)  # type: ignore[arg-type]


def a_builder_tells_what_it_gives(builder: RequestBuilder, errors: list[InvalidRequestError]) -> None:
    """A hook makes the request optional; without one it is always there."""
    assert_type(builder.build(), LipSyncRequest)
    assert_type(builder.build(on_invalid=errors.append), LipSyncRequest | None)
    assert_type(builder.build_or_violations(), LipSyncRequest | tuple[Violation, ...])


async def a_client_needs_no_with(jobs: list[LipSyncRequest], hook: OnProgress) -> None:
    """Nor a gateway, where the environment names it."""
    client = LipSyncClient(api_key=KlingKey("access", "secret"))
    results = await client.run_many(jobs, on_progress=hook)
    assert_type(results, TaskResults)
    assert_type(await client.run(jobs[0], journal="jobs.db", options=RunOptions()), Succeeded)
    assert_type(client.following(), FollowingStatistics)
    assert_type(client.stop(), None)
    await client.aclose()
    assert_type(external_id_of("Scene 1.wav", prefix="ep1-"), str)
    assert_type(lipsync_async.__version__, str)


def metrics_are_an_observer(client: LipSyncClient, labels: Mapping[str, str]) -> Observer:
    """And a collector that a registry takes."""
    metrics = Metrics(labels)
    metrics.watch(client)
    REGISTRY.register(metrics)
    return metrics.observe
