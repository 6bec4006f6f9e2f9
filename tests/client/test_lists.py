"""A list in a file handed to the client as it is: a request a line, and each broken line comes out with its faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import JobList, LipSyncClient
from lipsync_async.errors import DuplicateIdError, InvalidRequestError, JobListError
from lipsync_async.outcomes import Outcome, Rejected
from lipsync_async.sandbox import Sandbox
from lipsync_async.terms import Kind

GOOD = {"session_id": "1", "face_id": "0", "audio_id": "2", "sound_end_time": 5000}
LINES = (
    {**GOOD, "external_task_id": "a"},
    {**GOOD, "external_task_id": "b", "calback_url": "https://x.example"},
    "{",
    {**GOOD, "external_task_id": "c", "sound_end_time": 1},
    {**GOOD, "external_task_id": "d"},
)


def listed(tmp_path: Path, lines: Iterable[Any] = LINES) -> JobList:
    """An open list of these."""
    place = tmp_path / "jobs.jsonl"
    place.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return JobList.open(place)


def client_of(sandbox: Sandbox) -> LipSyncClient:
    """A client of the sandbox."""
    return LipSyncClient(sandbox.base_url, api_key=sandbox.api_key)


def faults_of(outcome: Outcome) -> list[str]:
    """Where they are."""
    assert isinstance(outcome, Rejected)
    assert outcome.kind is Kind.VALIDATION
    return [fault.path for fault in outcome.violations]


@pytest.mark.parametrize("journal", [False, True])
def test_a_list_is_submitted_as_it_is(journal: bool, tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """What is broken says in which line it is, and holds up nothing; nothing of it was sent."""
    name = tmp_path / "run.db" if journal else None

    async def main() -> None:
        async with client_of(lipsync_sandbox) as client:
            with listed(tmp_path) as jobs:
                result = await client.submit_many(jobs, journal=name)
            assert list(result.accepted) == ["a", "d"]
            assert faults_of(result["b"]) == ["line 2: calback_url"]
            assert faults_of(result["c"]) == ["face_choose[0].sound_end_time"]  # of a request that could be made
            nameless = next(it for key, it in result.items() if key.startswith("invalid:"))
            assert faults_of(nameless) == ["line 3"]
            assert len(result) == 5
            assert sorted(outcome.line or 0 for outcome in result.values()) == [1, 2, 3, 4, 5]
            with pytest.raises(InvalidRequestError, match="line 2: calback_url"):
                raise result["b"].error().__cause__ or AssertionError  # type: ignore[union-attr]

    asyncio.run(main())
    assert len(lipsync_sandbox.ledger.entries) == 2


def test_a_stream_tells_the_lines(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """Of all its outcomes; read lazily."""

    async def main() -> None:
        async with client_of(lipsync_sandbox) as client:
            with listed(tmp_path) as jobs:
                async with client.stream(jobs) as stream:
                    lines = {outcome.line: outcome.name async for outcome in stream}
        assert lines == {1: "accepted", 2: "rejected", 3: "rejected", 4: "rejected", 5: "accepted"}

    asyncio.run(main())


@pytest.mark.lipsync_sandbox(task_seconds=(0.2, 0.2), failed_share=0.0, time_scale=100.0)
def test_a_list_is_waited_for_to_its_videos(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """By `run_many`, and by a stream that waits."""

    async def main() -> None:
        from lipsync_async import Following

        soon = Following(first_look=0.1, closest=0.1, max_queries_per_second=50.0)
        url, key = lipsync_sandbox.base_url, lipsync_sandbox.api_key
        async with LipSyncClient(url, api_key=key, following=soon) as client:
            with listed(tmp_path) as jobs:
                results = await client.run_many(jobs)
                assert sorted(results.succeeded) == ["a", "d"]
                async with client.stream(jobs, wait=True) as stream:
                    again = [result.name async for result in stream]
        assert sorted(again) == ["rejected"] * 3 + ["succeeded"] * 2

    asyncio.run(main())


def test_an_id_that_stands_twice_is_told_before_anything_is_sent(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """Also where one of the two lines is broken; the same line twice is one job."""

    async def main() -> None:
        async with client_of(lipsync_sandbox) as client:
            jobs = listed(tmp_path, [LINES[1], {**GOOD, "external_task_id": "b"}])
            with jobs, pytest.raises(DuplicateIdError):
                await client.submit_many(jobs)
            with listed(tmp_path, [LINES[0], LINES[0]]) as jobs:
                assert list((await client.submit_many(jobs)).accepted) == ["a"]

    asyncio.run(main())
    assert len(lipsync_sandbox.ledger.entries) == 1


def test_the_same_broken_line_twice_is_one_job_that_is_rejected(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """As a sound one is, and it holds up nothing; two that are broken in other ways are no one job."""

    async def main() -> None:
        async with client_of(lipsync_sandbox) as client:
            with listed(tmp_path, [LINES[1], LINES[0], LINES[1]]) as jobs:
                result = await client.submit_many(jobs)
            assert (list(result), faults_of(result["b"])) == (["b", "a"], ["line 1: calback_url"])
            jobs = listed(tmp_path, [LINES[1], {**GOOD, "external_task_id": "b", "sesion_id": "1"}])
            with jobs, pytest.raises(DuplicateIdError):
                await client.submit_many(jobs)

    asyncio.run(main())


def test_a_list_that_changes_is_told(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """As its own iteration tells it; nothing was sent."""

    async def main() -> None:
        async with client_of(lipsync_sandbox) as client:
            with listed(tmp_path) as jobs:
                (tmp_path / "jobs.jsonl").write_text("{}\n")
                with pytest.raises(JobListError):
                    await client.submit_many(jobs)

    asyncio.run(main())
    assert not lipsync_sandbox.ledger.entries


def test_a_line_for_a_request_is_told_with_the_cure(tmp_path: Path, lipsync_sandbox: Sandbox) -> None:
    """The line itself is no request."""

    async def main() -> None:
        async with client_of(lipsync_sandbox) as client:
            with listed(tmp_path) as jobs:
                result = await client.submit_many(list(jobs))  # type: ignore[arg-type]
        assert "give its `request`, or the JobList as it is" in next(iter(result.rejected.values())).message

    asyncio.run(main())
