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

from lipsync_async import KLING, Event, Limits, LipSyncClient, LipSyncRequest, RetryPolicy, RunOptions
from lipsync_async.dispatch.account import LOG
from lipsync_async.errors import OutcomeUnknownError, RejectedError
from lipsync_async.outcomes import Accepted, Unknown
from lipsync_async.terms import Kind
from tests.loopback.acts import KEY, client, request, requests, tell
from tests.loopback.hurried import hurry
from tests.loopback.raw import NOT_FOUND, Connection, RawServer, Request, answering, created, reply, task_of

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


def asked_for(sent: Request) -> str:
    """The id that a look-up asks for."""
    return sent.path.partition("?")[0].rpartition("/")[2]


def absent_then_accepted(job: str) -> Any:
    """The job's first create is lost and made no task; every other create makes one, that is found."""
    made: set[str] = set()
    lost: set[str] = set()

    async def play(connection: Connection) -> None:
        while sent := await connection.request():
            name = sent.external_task_id if sent.method == "POST" else asked_for(sent)
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
        "import logging; from lipsync_async.dispatch.account import LOG; LOG.warning('hear me');"
        "print([type(handler).__name__ for handler in LOG.handlers])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("['NullHandler']", "")
    assert LOG.name == "lipsync_async"


def levels(records: list[logging.LogRecord]) -> list[tuple[str, str]]:
    """Level and the beginning of the text."""
    return [(record.levelname, record.getMessage()) for record in records if record.name == "lipsync_async"]


def test_accepted_jobs_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Not even at DEBUG, where a client tells that it is open; nor is the end of one that had nothing left to do."""
    caplog.set_level(logging.DEBUG)
    tell()
    assert [(level, text[:6]) for level, text in levels(caplog.records)] == [("DEBUG", "open: ")]


def test_what_matters_is_logged_at_its_level(caplog: pytest.LogCaptureFixture) -> None:
    """Unknown outcomes and stops are warnings, pauses are news, failed attempts are details."""
    caplog.set_level(logging.DEBUG)
    tell(always=answering(reply(b"", 500)), job=request("job-doubt"))
    tell(always=answering(reply({"code": 1102, "message": "empty"}, 429)), job=request("job-stop"))
    told = [(level, text) for level, text in levels(caplog.records) if not text.startswith("open: ")]
    assert [level for level, _ in told] == ["DEBUG", "INFO", "WARNING", "DEBUG", "INFO", "DEBUG", "WARNING"]
    assert told[1][1].startswith("1 reply was lost")
    assert "job-doubt" in told[2][1]
    assert "(quota): empty" in told[-1][1]


def test_details_are_only_made_when_they_are_wanted(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO no attempt is told, but that a reply is looked up."""
    caplog.set_level(logging.INFO)
    tell(always=answering(reply(b"", 500)))
    assert [level for level, _ in levels(caplog.records)] == ["INFO", "WARNING"]


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


def test_a_list_that_cannot_be_read_sends_nothing_again() -> None:
    """Not even where look-ups are trusted: the job stays unknown instead of being paid for twice."""

    async def play(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "POST":
                await connection.send(reply(b"", 500))
            else:
                await connection.send(reply(b"", 502) if "pageNum" in sent.path else NOT_FOUND)

    async def main() -> None:
        async with (
            RawServer(always=play) as server,
            LipSyncClient(KLING.at(server.url), api_key=KEY, trust_lookups=True) as submitter,
        ):
            outcome = (await submitter.submit_many([request()]))["job-1"]
        assert isinstance(outcome, Unknown), outcome
        assert server.total == 1

    hurry(main())


# --- one id is one job ---------------------------------------------------------------------------------------------


async def slowly(connection: Connection) -> None:
    """Accepts every create after a second."""
    while sent := await connection.request():
        await asyncio.sleep(1.0)
        await connection.send(created(sent.external_task_id))


def under_way(submitter: LipSyncClient) -> int:
    """How many ids no other job of the client may have now."""
    assert submitter._account is not None
    return submitter._account.registry.under_way


def test_one_id_handed_in_twice_at_once_is_sent_once() -> None:
    """By two `submit` calls: the second joins the first, and a third one later is told the same task again."""

    async def main() -> None:
        async with RawServer(always=slowly) as server, client(server) as submitter:
            first = asyncio.ensure_future(submitter.submit(request()))
            await asyncio.sleep(0.5)
            assert under_way(submitter) == 1
            second = await submitter.submit(request())
            told = await first
            assert (told.task_id, told.replayed) == (second.task_id, False)
            assert second.replayed
            assert under_way(submitter) == 0
            third = await submitter.submit(request())
            assert (third.task_id, third.replayed) == (told.task_id, True)
            assert server.creates == {"job-1": 1}

    hurry(main())


@pytest.mark.parametrize("later", [0.5, 5.0])
def test_other_content_under_an_id_that_the_client_had_is_refused(later: float) -> None:
    """While the first is under way, and after it; the first one keeps its id."""

    async def main() -> None:
        async with RawServer(always=slowly) as server, client(server) as submitter:
            first = asyncio.ensure_future(submitter.submit(request()))
            await asyncio.sleep(later)
            with pytest.raises(RejectedError) as caught:
                await submitter.submit(request(sound_end_time=4000))
            assert caught.value.kind is Kind.ALREADY_EXISTS
            task_id = (await first).task_id
            assert caught.value.found_task_id == (task_id if later > 1.0 else None)
            assert server.creates == {"job-1": 1}

    hurry(main())


def test_one_id_in_two_batches_at_once_is_sent_once() -> None:
    """Every id comes out accepted in both of them, with one task, in one of them as a repetition."""

    async def main() -> None:
        async with RawServer(always=slowly) as server, client(server) as submitter:
            results = await asyncio.gather(submitter.submit_many(requests(30)), submitter.submit_many(requests(30)))
            assert under_way(submitter) == 0
        assert set(server.creates.values()) == {1}
        assert server.total == 30
        for number in range(30):
            one, other = (result[f"job-{number}"] for result in results)
            assert isinstance(one, Accepted)
            assert isinstance(other, Accepted)
            assert one.task_id == other.task_id
            assert sorted((one.replayed, other.replayed)) == [False, True]

    hurry(main())


def test_who_joins_a_job_shares_its_end() -> None:
    """A second submit of a job that is refused is refused with the same words, and nothing is sent for it."""

    async def refuse(connection: Connection) -> None:
        while await connection.request():
            await asyncio.sleep(1.0)
            await connection.send(reply({"code": 1301, "message": "not nice"}, 400))

    async def main() -> None:
        async with RawServer(always=refuse) as server, client(server) as submitter:
            told = await asyncio.gather(*(submitter.submit(request()) for _ in range(2)), return_exceptions=True)
            assert [type(error) for error in told] == [RejectedError] * 2
            assert {str(error) for error in told} == {"job-1: rejected (content_policy): not nice"}
            assert server.creates == {"job-1": 1}

    hurry(main())


def test_who_joins_a_job_in_doubt_hears_of_the_same_exception() -> None:
    """The very object, which was met once."""

    async def cut(connection: Connection) -> None:
        await connection.request()
        await asyncio.sleep(1.0)
        connection.reset()

    async def main() -> None:
        async with RawServer(always=cut) as server, client(server) as submitter:
            options = RunOptions(ambiguous="report")
            told = await asyncio.gather(
                *(submitter.submit(request(), options=options) for _ in range(2)), return_exceptions=True
            )
            one, other = (error for error in told if isinstance(error, OutcomeUnknownError))
            assert isinstance(one.__cause__, ConnectionResetError)
            assert one.__cause__ is other.__cause__
            assert server.creates == {"job-1": 1}

    hurry(main())


def test_a_job_whose_forerunner_was_not_sent_is_sent_itself() -> None:
    """The first caller gave up before anything left: the second one's job is not lost with it."""

    async def main() -> None:
        limits = Limits(max_in_flight=1)
        async with RawServer(always=slowly) as server, client(server, limits=limits) as submitter:
            holds = asyncio.ensure_future(submitter.submit(request("job-0")))
            await asyncio.sleep(0.1)
            first = asyncio.ensure_future(submitter.submit(request()))
            await asyncio.sleep(0.1)
            second = asyncio.ensure_future(submitter.submit(request()))
            await asyncio.sleep(0.1)
            first.cancel()
            told = await second
            assert (told.task_id, told.replayed) == (task_of("job-1"), False)
            with pytest.raises(asyncio.CancelledError):
                await first
            await holds
            assert server.creates == {"job-0": 1, "job-1": 1}

    hurry(main())


def refuse_to_allow(_: LipSyncRequest) -> str | None:
    """A spending cap that breaks."""
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("answer", "options", "seconds"),
    [
        (None, None, 1.0),
        (reply({"code": 1201, "message": "no"}, 400), None, 1.0),
        (reply({"code": 1302, "message": "slow"}, 429, "Retry-After: 60"), None, 1.0),
        (reply({"code": 1102, "message": "empty"}, 429), None, 1.0),
        (reply(b"", 500), None, 0.5),
        (reply(b"", 500), None, 100.0),
        (None, RunOptions(allow=refuse_to_allow), 1.0),
        (b"", None, 1.0),
    ],
)
def test_an_id_is_free_when_its_run_is_over(answer: bytes | None, options: RunOptions | None, seconds: float) -> None:
    """Accepted, rejected, parked, stopped, in doubt, failed or cancelled while the gateway was silent."""

    async def main() -> None:
        async with RawServer(always=answering(answer)) as server, client(server) as submitter:
            batch = asyncio.ensure_future(submitter.submit_many(requests(5), options=options))
            await asyncio.wait([batch], timeout=seconds)
            batch.cancel()
            await asyncio.wait([batch])
            assert under_way(submitter) == 0

    hurry(main())
