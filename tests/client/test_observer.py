"""What an observer sees, and that it changes nothing."""

from __future__ import annotations

import pytest

from lipsync_async import Event
from lipsync_async.outcomes import Accepted, Outcome
from tests.loopback.acts import client
from tests.loopback.hurried import hurry
from tests.loopback.raw import RawServer, answering, reply
from tests.makers import requests


def test_the_observer_sees_attempts_waits_look_ups_and_outcomes() -> None:
    """One event an attempt, a look-up and an outcome; pauses and stops have one each."""
    events: list[Event] = []

    async def main() -> None:
        busy = reply({"code": 1302, "message": "slow"}, 429)
        dead = reply({"code": 1102, "message": "empty"}, 429)
        script = answering(busy, None, reply(b"", 500), dead)
        async with RawServer(always=script) as server, client(server, observer=events.append) as submitter:
            for job in requests(3):
                await submitter.submit_many([job])

    hurry(main())
    told = [(event.name, event.external_task_id, event.action, event.kind) for event in events]
    assert told == [
        ("attempt", "job-0", "wait", "rate"),
        ("attempt", "job-0", "accept", None),
        ("outcome", "job-0", "accepted", None),
        ("attempt", "job-1", "look_up", "server"),
        *[("look_up", "job-1", "ask", None)] * 2,
        ("look_up", "job-1", "give up", None),
        ("outcome", "job-1", "unknown", "server"),
        *told[8:10],
        *told[10:],
    ]
    assert {name for name, *_ in told[8:]} == {"attempt", "pause", "stop", "outcome"}
    statuses = [event.http_status for event in events if event.name == "attempt"]
    assert statuses == [429, 200, 500, 429, 429]
    assert [event.seconds for event in events if event.name == "pause"] == [1.0]


def test_an_observer_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, and every job comes out as it would have."""

    def observer(event: Event) -> None:
        if event.name == "attempt":
            raise ZeroDivisionError

    async def main() -> None:
        into: dict[str, Outcome] = {}
        async with RawServer() as server, client(server, observer=observer) as submitter:
            await submitter.submit_many(requests(5), into=into)
        assert len(into) == 5
        assert {key for key, outcome in into.items() if isinstance(outcome, Accepted)} == set(server.creates)

    hurry(main())
    assert [record.getMessage() for record in caplog.records] == ["the observer failed; this is told once"]
