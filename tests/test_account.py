"""What the runs of a client share: the gate, the hook, the log, look-ups and what they are worth."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve

from lipsync_async import KLING, Event, LipSyncClient, RetryPolicy, RunOptions
from lipsync_async.account import LOG
from lipsync_async.outcomes import Accepted, Unknown
from tests.loopback.acts import KEY, client, request, requests, tell
from tests.loopback.hurried import hurry
from tests.loopback.raw import NOT_FOUND, Connection, RawServer, answering, created, reply

STATE = {"code": 0, "message": "SUCCEED"}


def pages(tasks: Mapping[str, str], *, single: bytes = NOT_FOUND) -> Any:
    """A gateway whose creates fail, that finds no task by external id, and lists these (external id to task id)."""

    async def play(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "POST":
                await connection.send(reply(b"", 500))
            elif "pageNum=1" in sent.path:
                items = [{"task_id": task, "task_info": {"external_task_id": name}} for name, task in tasks.items()]
                await connection.send(reply({**STATE, "data": items}))
            else:
                await connection.send(single)

    return play


@pytest.mark.parametrize(
    ("tasks", "found"), [({"job-0": "1", "job-1": "77"}, True), ({"job-0": "1"}, False), ({}, False)]
)
def test_a_task_that_is_not_found_by_its_id_may_be_in_the_list(tasks: dict[str, str], found: bool) -> None:
    """Where the gateway has a list; the key goes along."""

    async def main() -> None:
        async with (
            RawServer(always=pages(tasks)) as server,
            LipSyncClient(KLING.at(server.url), api_key=KEY) as submitter,
        ):
            outcome = (await submitter.submit_many([request()]))["job-1"]
        if found:
            assert isinstance(outcome, Accepted)
            assert (outcome.task_id, outcome.recovered) == ("77", True)
        else:
            assert isinstance(outcome, Unknown)
        assert server.total == 1
        assert {sent.path.partition("?")[0].rpartition("/")[0] for sent in server.requests} <= {
            "/v1/videos",
            "/v1/videos/advanced-lip-sync",
        }

    hurry(main())


def absent_then_accepted(job: str) -> Any:
    """The job's first create is lost and made no task; every other create makes one, that is found."""
    made: set[str] = set()
    lost: set[str] = set()

    async def play(connection: Connection) -> None:
        while sent := await connection.request():
            name = sent.external_task_id if sent.method == "POST" else sent.path.rpartition("/")[2]
            if sent.method == "GET":
                await connection.send(created(name, f"task-{name}") if name in made else NOT_FOUND)
            elif name == job and name not in lost:
                lost.add(name)
                await connection.send(reply(b"", 502))
            else:
                made.add(name)
                await connection.send(created(name, f"task-{name}"))

    return play


def test_look_ups_that_find_an_accepted_job_are_trusted() -> None:
    """Then three not-founds over the settle time prove absence, and the job is sent again."""

    async def main() -> None:
        async with RawServer(always=absent_then_accepted("job-1")) as server, client(server) as submitter:
            begun = asyncio.get_running_loop().time()
            result = await submitter.submit_many(requests(2))
            assert asyncio.get_running_loop().time() - begun >= 60.0
        outcome = result["job-1"]
        assert isinstance(outcome, Accepted), outcome
        assert (outcome.attempts, outcome.recovered) == (2, False)
        assert server.creates == {"job-0": 1, "job-1": 2}

    hurry(main())


def test_look_ups_that_the_user_trusts_need_no_witness() -> None:
    """`trust_lookups=True` takes a not-found at its word, after the settle time."""

    async def main() -> None:
        async with (
            RawServer(always=absent_then_accepted("job-1")) as server,
            client(server, trust_lookups=True) as submitter,
        ):
            outcome = (await submitter.submit_many([request()]))["job-1"]
        assert isinstance(outcome, Accepted)
        assert server.creates == {"job-1": 2}

    hurry(main())


def test_a_job_that_is_proven_absent_too_often_is_not_sent() -> None:
    """Every attempt was lost and made nothing: safe to submit again."""

    async def main() -> None:
        async with (
            RawServer(always=answering(reply(b"", 502))) as server,
            client(server, trust_lookups=True, retry=RetryPolicy(max_attempts=2)) as submitter,
        ):
            outcome = (await submitter.submit_many([request()]))["job-1"]
        assert outcome.name == "not_sent"
        assert (outcome.attempts, server.total) == (2, 2)

    hurry(main())


def test_a_stop_ends_all_batches_of_a_client() -> None:
    """What stops one stops the account: both batches come out whole."""

    async def main() -> None:
        dead = reply({"code": 1102, "message": "the pack is used up"}, 429)
        async with RawServer(always=answering(dead)) as server, client(server) as submitter:
            others = [evolve(job, external_task_id=f"other-{job.external_task_id}") for job in requests(50)]
            first, second = await asyncio.gather(submitter.submit_many(requests(50)), submitter.submit_many(others))
        assert len(first.not_sent) == len(second.not_sent) == 50
        assert {outcome.kind for outcome in [*first.not_sent.values(), *second.not_sent.values()]} == {"quota"}

    hurry(main())


# --- the log -------------------------------------------------------------------------------------------------------


def test_the_log_is_silent_by_default() -> None:
    """Not even warnings reach stderr unless the user asks for them."""
    code = (
        "import logging; from lipsync_async.account import LOG; LOG.warning('hear me');"
        "print([type(handler).__name__ for handler in LOG.handlers])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("['NullHandler']", "")
    assert LOG.name == "lipsync_async"


def levels(records: list[logging.LogRecord]) -> list[tuple[str, str]]:
    """Level and the beginning of the text."""
    return [(record.levelname, record.getMessage()) for record in records if record.name == "lipsync_async"]


def test_accepted_jobs_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Not even at DEBUG, nor is the end of a client that had nothing left to do."""
    caplog.set_level(logging.DEBUG)
    tell()
    assert levels(caplog.records) == []


def test_what_matters_is_logged_at_its_level(caplog: pytest.LogCaptureFixture) -> None:
    """Unknown outcomes and stops are warnings, pauses are news, failed attempts are details."""
    caplog.set_level(logging.DEBUG)
    tell(always=answering(reply(b"", 500)), job=request("job-doubt"))
    tell(always=answering(reply({"code": 1102, "message": "empty"}, 429)), job=request("job-stop"))
    told = levels(caplog.records)
    assert [level for level, _ in told] == ["DEBUG", "WARNING", "DEBUG", "INFO", "DEBUG", "WARNING"]
    assert "job-doubt" in told[1][1]
    assert "(quota): empty" in told[-1][1]


def test_details_are_only_made_when_they_are_wanted(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO no attempt is told."""
    caplog.set_level(logging.INFO)
    tell(always=answering(reply(b"", 500)))
    assert [level for level, _ in levels(caplog.records)] == ["WARNING"]


def test_a_batch_that_its_caller_stops_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """It is news."""
    caplog.set_level(logging.INFO)

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            await submitter.submit_many(requests(3), on_progress=lambda _: submitter.stop())

    hurry(main())
    assert [level for level, _ in levels(caplog.records)] == ["INFO"]


def test_an_event_is_a_plain_value() -> None:
    """With its time on the loop's clock."""
    events: list[Event] = []
    tell(observer=events.append)
    assert [event.name for event in events] == ["attempt", "outcome"]
    assert events[0].at >= 1000.0
    assert (events[0].attempt, events[0].http_status, events[0].seconds) == (1, 200, 0.0)


def test_a_report_policy_asks_nothing() -> None:
    """`RunOptions(ambiguous="report")` leaves the look-up to the user."""

    async def main() -> None:
        async with RawServer(always=answering(reply(b"", 500))) as server, client(server) as submitter:
            result = await submitter.submit_many(requests(3), options=RunOptions(ambiguous="report"))
        assert len(result.unknown) == 3
        assert server.look_ups == 0

    hurry(main())
