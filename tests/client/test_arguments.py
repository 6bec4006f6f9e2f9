"""Wrong arguments of the client's calls: told in plain words, and nothing is sent."""

from __future__ import annotations

import asyncio
import copy
import errno
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lipsync_async import (
    InvalidRequestError,
    LipSyncClient,
    LipSyncError,
    NotSentError,
    Rejected,
    RejectedError,
    RequestBuilder,
    RetryPolicy,
    WrongArgumentError,
)
from lipsync_async.sandbox import Sandbox

BUILDER = RequestBuilder().session("s").face("0").audio_id("a").window(0, 5000).external_task_id("scene-1")
JOB = BUILDER.build()


async def first_of(client: LipSyncClient, jobs: Any, **settings: Any) -> Any:
    """The first outcome of a stream."""
    async with client.stream(jobs, **settings) as outcomes:
        return await anext(outcomes)


CALLS: list[tuple[Callable[[LipSyncClient], Awaitable[Any]], str]] = [
    (lambda it: it.submit_many("jobs.jsonl"), "jobs must be a list of requests"),  # type: ignore[arg-type]
    (lambda it: it.submit_many(JOB), "write [request]"),  # type: ignore[arg-type]
    (lambda it: it.run_many(None), "jobs must be a list of requests, not None"),  # type: ignore[arg-type]
    (lambda it: first_of(it, BUILDER), "call build() on it"),
    (lambda it: first_of(it, None), "jobs must be a list of requests, not None"),
    (lambda it: it.submit([JOB]), "submit_many takes a list"),  # type: ignore[arg-type]
    (lambda it: it.submit(BUILDER), "call build() on it"),  # type: ignore[arg-type]
    (lambda it: it.submit({"session_id": "s"}), "not a dict: RequestBuilder makes one"),  # type: ignore[arg-type]
    (lambda it: it.submit(JOB, journal=5), "journal must be a path or an open Journal, not 5"),  # type: ignore[arg-type]
    (lambda it: it.submit(JOB, options={"id_prefix": "x"}), "options must be a RunOptions, not a dict"),  # type: ignore[arg-type]
    (lambda it: it.submit_many([JOB], options=5), "options must be a RunOptions, not 5"),  # type: ignore[arg-type]
    (lambda it: first_of(it, [JOB], options=5), "options must be a RunOptions, not 5"),
    (lambda it: it.submit_many([JOB], on_progress="x"), "on_progress must be a function"),  # type: ignore[arg-type]
    (lambda it: first_of(it, [JOB], on_progress="x"), "on_progress must be a function"),
    (lambda it: it.run(JOB, timeout="5"), "timeout must be a number of seconds, or None for no limit"),  # type: ignore[arg-type]
    (lambda it: it.run_many([JOB], timeout="5"), "timeout must be a number of seconds"),  # type: ignore[arg-type]
    (lambda it: it.run_many([JOB], download=5), "the place of videos must be a folder"),  # type: ignore[arg-type]
    (lambda it: it.wait("1", timeout=True), "timeout must be a number of seconds"),
    (lambda it: it.wait(None), "task must be a task id"),  # type: ignore[arg-type]
    (lambda it: it.get_task(""), "task must be a text, not an empty one"),
    (lambda it: it.wait_many("1"), "wait(task) takes one"),
    (lambda it: it.wait_many(5), "tasks must be a list"),  # type: ignore[arg-type]
    (lambda it: it.look_up(None), "external_task_id must be a text, not None"),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize(("call", "told"), CALLS, ids=[told for _, told in CALLS])
def test_a_wrong_argument_is_told_and_nothing_is_sent(
    call: Callable[[LipSyncClient], Awaitable[Any]], told: str, lipsync_sandbox: Sandbox
) -> None:
    """Whichever call it is."""

    async def ask() -> LipSyncError:
        async with LipSyncClient(lipsync_sandbox.base_url, api_key=lipsync_sandbox.api_key) as client:
            with pytest.raises((WrongArgumentError, InvalidRequestError)) as caught:
                await call(client)
            return caught.value

    assert told in str(asyncio.run(ask()))
    assert lipsync_sandbox.ledger.requests == 0


def test_a_builder_in_a_list_is_one_job_that_is_told_apart(lipsync_sandbox: Sandbox) -> None:
    """It holds up nothing else, and its id is a text."""

    async def submit() -> Any:
        async with LipSyncClient(lipsync_sandbox.base_url, api_key=lipsync_sandbox.api_key) as client:
            return await client.submit_many([JOB, BUILDER])  # type: ignore[list-item]

    result = asyncio.run(submit())
    assert [outcome.name for outcome in result.values()] == ["accepted", "rejected"]
    assert all(isinstance(name, str) for name in result)
    (wrong,) = result.rejected.values()
    assert wrong.message == "a job must be a LipSyncRequest, and a RequestBuilder is none yet: call build() on it"


def test_an_error_names_the_job_and_has_its_outcome(lipsync_sandbox: Sandbox) -> None:
    """Of a request that breaks a rule: the id stands in the text, and the outcome is that of a batch."""
    wrong = BUILDER.window(0, 5000).volume(0.5)

    async def submit() -> InvalidRequestError:
        async with LipSyncClient(lipsync_sandbox.base_url, api_key=lipsync_sandbox.api_key) as client:
            with pytest.raises(InvalidRequestError) as caught:
                await client.submit(wrong.build())
            outcome = (await client.submit_many([wrong.build()]))["scene-1"]
            assert caught.value.outcome == outcome
            batch = outcome.error()
            assert isinstance(batch, RejectedError)
            assert isinstance(batch.__cause__, InvalidRequestError)
            assert batch.__cause__.violations == caught.value.violations
            return caught.value

    error = asyncio.run(submit())
    assert str(error).startswith("scene-1: face_choose[0].sound_volume: ")
    assert isinstance(error.outcome, Rejected)


def test_a_gateway_that_is_not_there_is_named_with_the_reason() -> None:
    """The error has its cause, and an outcome."""

    async def submit() -> NotSentError:
        retry = RetryPolicy(max_attempts=1)
        async with LipSyncClient("http://127.0.0.1:1", api_key="k", retry=retry) as client:
            with pytest.raises(NotSentError) as caught:
                await client.submit(JOB)
            return caught.value

    error = asyncio.run(submit())
    assert str(error) == "scene-1: not sent (connection): cannot reach 127.0.0.1:1 (connection refused)"
    for again in (error, copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert isinstance(again.__cause__, ConnectionRefusedError)
        assert again.__cause__.errno == errno.ECONNREFUSED
        assert again.outcome == error.outcome
    assert error.__cause__ is error.outcome.cause
    assert error.__cause__ is not None
    assert error.__cause__.__traceback__ is None
    assert error.outcome.name == "not_sent"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("wrong", "the key is that of api_key="),
        (lambda: "wrong", "the key is from the function that api_key= names"),
        (None, "the key is that of LIPSYNC_API_KEY"),
    ],
)
def test_a_key_that_is_refused_says_where_it_came_from(
    given: Any, told: str, lipsync_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the gateway's own words before it, and without the key."""
    monkeypatch.setenv("LIPSYNC_API_KEY", "wrong")

    async def submit() -> str:
        async with LipSyncClient(lipsync_sandbox.base_url, api_key=given) as client:
            with pytest.raises(NotSentError) as caught:
                await client.submit(JOB)
            return str(caught.value)

    assert asyncio.run(submit()) == f"scene-1: not sent (auth): Authorization is invalid; {told}"
