"""`submit_many`: a batch in every form, its hooks, its journal, and what ends it early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from lipsync_async import Ambiguous, Limits, LipSyncClient, LipSyncRequest, Progress, RunOptions
from lipsync_async.dispatch.job import Job
from lipsync_async.errors import BatchError, DuplicateIdError
from lipsync_async.journal import Journal, Record, State
from lipsync_async.outcomes import Accepted, BatchResult, NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind
from tests.loopback.acts import client
from tests.loopback.hurried import hurry
from tests.loopback.raw import Connection, RawServer, answering, created, reply
from tests.makers import request, requests

BROKEN = request("broken", sound_end_time=100)


def listed(*jobs: LipSyncRequest, **options: Any) -> tuple[BatchResult, RawServer]:
    """A list through a good gateway."""

    async def main() -> tuple[BatchResult, RawServer]:
        async with RawServer() as server, client(server) as submitter:
            return await submitter.submit_many(list(jobs), **options), server

    return hurry(main())


def test_a_batch_is_told_in_input_order() -> None:
    """Whatever order the replies came in."""

    async def backwards(connection: Connection) -> None:
        while sent := await connection.request():
            await asyncio.sleep(5.0 - int(sent.external_task_id.removeprefix("job-")) / 10)
            await connection.send(created(sent.external_task_id))

    async def main() -> None:
        limits = Limits(initial_per_second=10_000.0)
        async with RawServer(always=backwards) as server, client(server, limits=limits) as submitter:
            result = await submitter.submit_many(requests(40))
        assert list(result) == [f"job-{number}" for number in range(40)]
        assert len(result.accepted) == 40

    hurry(main())


def test_an_empty_list_is_done() -> None:
    """Nothing in, nothing out, no connection."""
    result, server = listed()
    assert (dict(result), len(server.connections)) == ({}, 0)
    assert result.statistics().jobs == 0


def test_one_id_twice_with_the_same_content_is_one_job() -> None:
    """Sent once; the mapping holds it once."""
    result, server = listed(request("a"), request("b"), request("a"))
    assert list(result) == ["a", "b"]
    assert server.creates == {"a": 1, "b": 1}


def test_the_same_content_without_an_id_is_one_job() -> None:
    """The derived id is the content's."""
    result, server = listed(request(None), request(None), request(None, sound_end_time=4000))
    assert len(result) == 2
    assert sorted(server.creates.values()) == [1, 1]


def test_one_id_for_different_content_is_an_error_before_anything_is_sent() -> None:
    """The list is looked through first."""

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            with pytest.raises(DuplicateIdError) as caught:
                await submitter.submit_many([*requests(5), request("job-3", sound_end_time=4000)])
            assert not server.connections
        assert caught.value.external_task_id == "job-3"

    hurry(main())


def test_an_invalid_job_is_rejected_and_the_others_go() -> None:
    """With its violations, and without a byte."""
    result, server = listed(request("a"), BROKEN, request("b"))
    outcome = result["broken"]
    assert isinstance(outcome, Rejected)
    assert (outcome.kind, outcome.attempts) == (Kind.VALIDATION, 0)
    assert outcome.violations
    assert server.creates == {"a": 1, "b": 1}


def test_a_job_too_broken_for_an_id_comes_out_too() -> None:
    """It gets a stand-in for a name, and every job has an outcome."""
    empty = LipSyncRequest(session_id="s", face_choose=())
    result, server = listed(empty, request("a"), evolve(empty, session_id=""))
    assert len(result) == 3
    assert len(result.rejected) == 2
    assert server.creates == {"a": 1}


@pytest.mark.parametrize("extra", [{"x": object()}, {"x": "\ud800"}, {"x": float("nan")}, {1: 2}])
def test_extra_fields_that_json_does_not_know_reject_one_job(extra: dict[Any, Any]) -> None:
    """They are that job's fault, whatever else they are; the others go."""
    result, server = listed(evolve(request("odd"), extra_body=extra), request("a"))
    assert isinstance(result["a"], Accepted)
    assert isinstance(result["odd"], (Rejected, Accepted))
    assert server.creates["a"] == 1


@pytest.mark.parametrize("form", ["list", "tuple", "generator", "async generator", "dict values"])
def test_jobs_come_in_any_form(form: str) -> None:
    """Sync or async."""

    def pull() -> Iterator[LipSyncRequest]:
        yield from requests(5)

    async def pull_later() -> AsyncIterator[LipSyncRequest]:
        for job in requests(5):
            await asyncio.sleep(0.01)
            yield job

    forms: dict[str, Any] = {
        "list": requests(5),
        "tuple": tuple(requests(5)),
        "generator": pull(),
        "async generator": pull_later(),
        "dict values": dict(enumerate(requests(5))).values(),
    }

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            assert len((await submitter.submit_many(forms[form])).accepted) == 5

    hurry(main())


def test_into_takes_the_outcomes_as_they_come() -> None:
    """The caller's own mapping is filled, and kept."""
    into: dict[str, Outcome] = {"earlier": NotSent(external_task_id="earlier", kind=Kind.RATE)}
    result, _ = listed(*requests(3), into=into)
    assert set(into) == {"earlier", "job-0", "job-1", "job-2"}
    assert list(result) == ["job-0", "job-1", "job-2"]


def test_progress_is_told_once_an_outcome() -> None:
    """Sync or async, with what is done and how much there is."""
    told: list[Progress] = []

    async def later(news: Progress) -> None:
        await asyncio.sleep(0.01)
        told.append(news)

    listed(*requests(4), BROKEN, on_progress=told.append)
    listed(*requests(4), BROKEN, on_progress=later)
    assert len(told) == 10
    assert sorted(news.done for news in told[:5]) == [1, 2, 3, 4, 5]
    assert {news.total for news in told} == {5}


def test_progress_that_raises_ends_the_batch_and_loses_nothing() -> None:
    """Its error is raised when all is out: accepted, or not sent."""

    def progress(news: Progress) -> None:
        raise ZeroDivisionError("the caller's own")

    async def main() -> None:
        into: dict[str, Outcome] = {}
        async with RawServer() as server, client(server) as submitter:
            with pytest.raises(ZeroDivisionError):
                await submitter.submit_many(requests(30), into=into, on_progress=progress)
        assert len(into) == 30
        assert {key for key, outcome in into.items() if isinstance(outcome, Accepted)} == set(server.creates)
        assert {outcome.name for outcome in into.values()} <= {"accepted", "not_sent"}

    hurry(main())


def test_a_source_that_raises_sends_nothing() -> None:
    """The list is looked through first; what it raises is raised."""

    def broken() -> Iterator[LipSyncRequest]:
        yield request()
        raise ZeroDivisionError

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            with pytest.raises(ZeroDivisionError):
                await submitter.submit_many(broken())
            assert not server.connections

    hurry(main())


def test_a_spending_cap_ends_the_batch_before_the_send() -> None:
    """`allow` is asked right before a job's first send; its reason is the outcome's."""
    left = iter([None, None, "the budget is spent"])
    result, server = listed(*requests(10), options=RunOptions(allow=lambda _: next(left, "the budget is spent")))
    assert (len(result.accepted), len(result.not_sent)) == (2, 8)
    assert {outcome.message for outcome in result.not_sent.values()} == {"the budget is spent"}
    assert server.total == 2


@pytest.mark.parametrize(("ambiguous", "creates", "look_ups"), [("report", 1, 0), ("resend", 2, 0), ("lookup", 1, 3)])
def test_what_is_done_about_ambiguity_is_the_callers_choice(ambiguous: Ambiguous, creates: int, look_ups: int) -> None:
    """Reported at once, looked up, or sent again where the caller opted in."""

    async def main() -> None:
        script = answering(reply(b"", 500), None)
        async with RawServer(always=script) as server, client(server) as submitter:
            result = await submitter.submit_many([request()], options=RunOptions(ambiguous=ambiguous))
        assert isinstance(result["job-1"], Accepted if ambiguous == "resend" else Unknown)
        assert (server.total, server.look_ups) == (creates, look_ups)

    hurry(main())


def test_raise_for_failures_raises_what_failed() -> None:
    """One error for all, with one for each."""
    result, _ = listed(request("a"), BROKEN)
    with pytest.raises(BatchError) as caught:
        result.raise_for_failures()
    assert [error.external_task_id for error in caught.value.errors] == ["broken"]


def test_a_journal_remembers_what_was_accepted(tmp_path: Path) -> None:
    """The same list with the same journal sends nothing again."""
    path = tmp_path / "batch.journal"

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            first = await submitter.submit_many(requests(5), journal=path)
            again = await submitter.submit_many(requests(7), journal=path)
            other = await submitter.submit_many([request("job-0", sound_end_time=4000), request("job-9")], journal=path)
        assert len(first.accepted) == 5
        assert [outcome.replayed for outcome in again.accepted.values()] == [True] * 5 + [False] * 2
        assert set(server.creates.values()) == {1}
        taken = other["job-0"]
        assert isinstance(taken, Rejected)
        assert (taken.kind, taken.found_task_id) == (Kind.ALREADY_EXISTS, first.accepted["job-0"].task_id)
        assert isinstance(other["job-9"], Accepted)

    hurry(main())


def test_a_reconciliation_leaves_alone_what_a_batch_has_under_way(tmp_path: Path) -> None:
    """One id is one job: while a batch looks it up, the reconciliation tells it unknown and writes nothing."""

    async def scene() -> tuple[list[str], int]:
        journal = await Journal.open(tmp_path / "run.db", gateway="http://127.0.0.1:1", account="default")
        record = Record(external_task_id="job-1", fingerprint=b"x", state=State.OPEN, attempts=1, first_intent_at=1.0)
        await journal.write(record)
        async with journal, LipSyncClient("http://127.0.0.1:1", api_key="key") as client:
            account = client._account
            assert account is not None
            account.registry.claim(Job(request("job-1"), "job-1"))
            async with client.reconcile(journal) as outcomes:
                told: list[str] = [outcome.name async for outcome in outcomes]
            return told, account.registry.under_way

    assert asyncio.run(scene()) == (["unknown"], 1)
