"""Every reply shape of the contract, served raw: outcome, kind, and how often a job was sent."""

from __future__ import annotations

import pytest
from attrs import evolve

from lipsync_async import LipSyncClient, RetryPolicy
from lipsync_async.outcomes import Accepted, NotSent, Rejected, Unknown
from lipsync_async.terms import Kind, Phase, TaskStatus
from lipsync_async.wire.identity import derive_id
from tests.makers import request

from .acts import KEY, tell
from .hurried import hurry
from .raw import TASK_ID, RawServer, answering, created, reply
from .shapes import (
    ACCEPTED,
    EXISTS,
    MISSING,
    NATIVE,
    REJECTED,
    STOPPED,
    UNKNOWN,
    WAITED_FOR,
    Framing,
    framed,
    page,
    sample,
    served,
)


@framed
@pytest.mark.parametrize("name", ACCEPTED)
def test_what_says_accepted_is_accepted(name: str, framing: Framing) -> None:
    """Every dialect's success, in every framing, is an accepted job that was sent once."""
    told = tell(always=served(framing, ACCEPTED[name]))
    outcome = told.outcome
    assert isinstance(outcome, Accepted), outcome
    assert outcome.task_id in {TASK_ID, "task_LtujSKpBYTZNT4BXpUlfKYpo"}
    assert (outcome.attempts, outcome.refusals, told.server.total) == (1, 0, 1)


@framed
@pytest.mark.parametrize("name", REJECTED)
def test_what_blames_the_job_rejects_it(name: str, framing: Framing) -> None:
    """A refusal of this very job ends it, after one send."""
    body, kind = REJECTED[name]
    told = tell(always=served(framing, body))
    assert isinstance(told.outcome, Rejected), told.outcome
    assert (told.outcome.kind, told.server.total, told.server.look_ups) == (kind, 1, 0)


@framed
@pytest.mark.parametrize("name", STOPPED)
def test_what_stops_the_batch_is_confirmed_once(name: str, framing: Framing) -> None:
    """A dead key, an empty account or a missing route: one more try a second later, then the job was not sent."""
    body, kind = STOPPED[name]
    told = tell(always=served(framing, body))
    assert isinstance(told.outcome, NotSent), told.outcome
    assert (told.outcome.kind, told.server.total, told.server.look_ups) == (kind, 2, 0)
    assert told.seconds == pytest.approx(1.0, abs=0.1)


@framed
@pytest.mark.parametrize("name", MISSING)
def test_a_missing_route_is_confirmed_by_a_get(name: str, framing: Framing) -> None:
    """Not by a second create: a page may stand for a task that was made."""
    body = MISSING[name]
    told = tell(always=served(framing, body, found=page(404, "Not Found")))
    assert isinstance(told.outcome, NotSent), told.outcome
    assert (told.outcome.kind, told.server.total, told.server.look_ups) == (Kind.CONFIGURATION, 1, 1)


@framed
def test_a_page_at_a_gateway_that_has_the_route_is_in_doubt(framing: Framing) -> None:
    """A GET of it is answered as the platform does: the task may have been made, and one create was sent."""
    told = tell(always=served(framing, MISSING["HTML 200 sample"]))
    assert isinstance(told.outcome, Unknown), told.outcome
    assert (told.outcome.kind, told.server.total) == (Kind.PROTOCOL, 1)


@framed
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("name", WAITED_FOR)
def test_what_asks_to_wait_costs_no_attempt(name: str, times: int, framing: Framing) -> None:
    """Refused once or twice for rate or capacity, a job is accepted on its first attempt."""
    body, _ = WAITED_FOR[name]
    told = tell(always=served(framing, *[body] * times, created("job-1")))
    outcome = told.outcome
    assert isinstance(outcome, Accepted), outcome
    assert (outcome.attempts, outcome.refusals, told.server.total) == (1, times, times + 1)


@pytest.mark.parametrize("name", WAITED_FOR)
def test_waiting_without_end_ends_with_its_kind(name: str) -> None:
    """A gateway that never lets a job in stops the batch after `max_stall`, and says why."""
    body, kind = WAITED_FOR[name]
    told = tell(always=answering(body), retry=RetryPolicy(max_stall=30.0))
    assert isinstance(told.outcome, NotSent)
    assert (told.outcome.kind, told.outcome.attempts) == (kind, 0)
    assert told.outcome.refusals == told.server.total


@framed
@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_in_doubt_is_never_sent_again(name: str, framing: Framing) -> None:
    """Perhaps acted upon, and not found by three look-ups that prove nothing: unknown, after one send."""
    body, kind = UNKNOWN[name]
    told = tell(always=served(framing, body))
    assert isinstance(told.outcome, Unknown), told.outcome
    assert (told.outcome.kind, told.server.total, told.server.look_ups) == (kind, 1, 3)
    assert told.outcome.phase is Phase.ANSWERED


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_in_doubt_is_adopted_when_it_is_found(name: str) -> None:
    """A look-up that finds the task makes it accepted, and the job was sent once."""
    body, _ = UNKNOWN[name]
    told = tell(always=answering(body, found=created("job-1", "77")))
    assert isinstance(told.outcome, Accepted), told.outcome
    assert (told.outcome.task_id, told.outcome.recovered, told.server.total) == ("77", True, 1)


@framed
def test_no_channel_stops_after_a_few_tries(framing: Framing) -> None:
    """503 model_not_found made nothing: three more tries, then the batch stops."""
    told = tell(always=served(framing, sample("g11")))
    assert isinstance(told.outcome, NotSent)
    assert (told.outcome.kind, told.server.total) == (Kind.CONFIGURATION, 4)


@framed
def test_425_is_tried_again_within_the_attempts(framing: Framing) -> None:
    """Too early means surely unprocessed: every attempt is used, and the job was not sent."""
    told = tell(always=served(framing, reply(b"", 425)))
    assert isinstance(told.outcome, NotSent)
    assert (told.outcome.kind, told.outcome.attempts, told.server.total) == (Kind.SERVER, 5, 5)


@pytest.mark.parametrize("name", EXISTS)
def test_an_id_that_exists_is_named_when_it_is_the_users(name: str) -> None:
    """Another customer of the account may own `job-1`: the task is named, not adopted, and nothing is sent again."""
    told = tell(always=answering(EXISTS[name], found=created("job-1", "77")))
    outcome = told.outcome
    assert isinstance(outcome, Rejected), outcome
    assert (outcome.kind, outcome.found_task_id, told.server.total) == (Kind.ALREADY_EXISTS, "77", 1)


@pytest.mark.parametrize("name", EXISTS)
def test_an_id_that_exists_is_adopted_when_it_was_derived(name: str) -> None:
    """An id made of the content cannot be another's: the task is ours."""

    async def main() -> None:
        job = request(None)
        found = created(derive_id(job), "77")
        async with (
            RawServer(always=answering(EXISTS[name], found=found)) as server,
            LipSyncClient(server.url, api_key=KEY) as client,
        ):
            (outcome,) = (await client.submit_many([job])).values()
        assert isinstance(outcome, Accepted), outcome
        assert (outcome.task_id, outcome.recovered, server.total) == ("77", True, 1)

    hurry(main())


def test_an_html_page_is_in_doubt_once_a_reply_was_understood() -> None:
    """After the first reply that parsed, a page with 200 is an accident, not a missing route."""

    async def main() -> None:
        script = answering(created("first"), page(200, "Welcome"))
        async with RawServer(always=script) as server, LipSyncClient(server.url, api_key=KEY) as client:
            await client.submit(evolve(request(), external_task_id="first"))
            result = await client.submit_many([request()])
        assert isinstance(result["job-1"], Unknown)
        assert result["job-1"].kind is Kind.PROTOCOL
        assert server.creates == {"first": 1, "job-1": 1}

    hurry(main())


def test_a_reply_is_kept_as_it_was_told() -> None:
    """Task, status, times and request id come through."""
    body = {
        "code": 0,
        "request_id": "r-7",
        "data": {**NATIVE, "task_status": "processing", "created_at": 1783000000123},
    }
    outcome = tell(always=answering(reply(body))).outcome
    assert isinstance(outcome, Accepted)
    assert (outcome.request_id, outcome.http_status) == ("r-7", 200)
    assert (outcome.task_status, outcome.created_at) == (TaskStatus.PROCESSING, 1783000000.123)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed(status: int) -> None:
    """Neither to another path nor to another host, nor sent twice: the key stays where it was meant to go."""

    async def main() -> None:
        async with RawServer() as elsewhere:
            for location in ("/other", f"{elsewhere.url}/v1", "//127.0.0.1:1/", "https://example.invalid/", "::::"):
                script = answering(reply(b"", status, f"Location: {location}"))
                async with RawServer(always=script) as server, LipSyncClient(server.url, api_key=KEY) as client:
                    outcome = (await client.submit_many([request()]))["job-1"]
                if status == 302:
                    assert isinstance(outcome, Unknown)
                else:
                    assert isinstance(outcome, NotSent)
                    assert (outcome.kind, outcome.http_status) == (Kind.CONFIGURATION, status)
                    assert {sent.path for sent in server.requests} == {"/kling/v1/videos/advanced-lip-sync"}
                assert server.total == 1
            assert not elsewhere.connections

    hurry(main())
