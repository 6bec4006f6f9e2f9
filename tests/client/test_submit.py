"""`submit`: one job, its outcome or its error, and the request as it leaves."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from lipsync_async import Limits
from lipsync_async.errors import InvalidRequestError, LipSyncError, NotSentError, OutcomeUnknownError, RejectedError
from tests.loopback.acts import KEY, client, tell
from tests.loopback.hurried import hurry
from tests.loopback.raw import NOT_FOUND, RawServer, answering, gateway, reply
from tests.makers import request, requests

REFUSED = reply({"code": 1301, "message": "not nice", "request_id": "r-3"}, 400)


@pytest.mark.parametrize(
    ("shape", "error", "attributes"),
    [
        (
            REFUSED,
            RejectedError,
            {"kind": "content_policy", "http_status": 400, "code": 1301, "request_id": "r-3", "phase": None},
        ),
        (
            reply({"code": 5000, "message": "x", "request_id": "r-4"}, 500),
            OutcomeUnknownError,
            {"kind": "server", "http_status": 500, "code": 5000, "request_id": "r-4", "phase": "answered"},
        ),
        (
            reply({"code": 1102, "message": "x", "request_id": "r-5"}, 429),
            NotSentError,
            {"kind": "quota", "http_status": 429, "code": 1102, "request_id": "r-5", "phase": None},
        ),
    ],
)
def test_submit_raises_what_became_of_the_job(
    shape: bytes, error: type[LipSyncError], attributes: dict[str, Any]
) -> None:
    """Typed, with all that is known, and picklable."""

    async def main() -> None:
        async with RawServer(always=answering(shape)) as server, client(server) as submitter:
            with pytest.raises(error) as caught:
                await submitter.submit(request())
        again = pickle.loads(pickle.dumps(caught.value))
        for found in (caught.value, again):
            assert {name: getattr(found, name) for name in attributes} == attributes
            assert found.external_task_id == "job-1"
            assert "job-1" in str(found)
        assert type(again) is error

    hurry(main())


def test_submit_refuses_a_broken_request_before_anything_is_sent() -> None:
    """With all its violations."""

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            with pytest.raises(InvalidRequestError) as caught:
                await submitter.submit(request("broken", sound_end_time=100))
            assert not server.connections
        assert caught.value.external_task_id == "broken"
        assert "window_too_short" in {violation.rule for violation in caught.value.violations}

    hurry(main())


def test_many_submits_share_one_pacer() -> None:
    """Fifty tasks of a service together keep the limits of one client."""

    async def main() -> None:
        limits = Limits(max_per_second=10.0, max_in_flight=5)
        async with RawServer() as server, client(server, limits=limits) as submitter:
            begun = asyncio.get_running_loop().time()
            await asyncio.gather(*(submitter.submit(job) for job in requests(50)))
            assert asyncio.get_running_loop().time() - begun >= 4.8
            assert submitter.statistics().accepted == 50
        assert len(server.connections) <= 5

    hurry(main())


def test_a_request_is_what_the_contract_says() -> None:
    """Path, headers and body of a create, byte for byte where it matters."""
    told = tell(always=gateway)
    (sent,) = told.server.requests
    assert (sent.method, sent.path) == ("POST", "/kling/v1/videos/advanced-lip-sync")
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["accept-encoding"] == "identity"
    assert "cookie" not in sent.headers
    assert NOT_FOUND not in sent.body
    assert b'"sound_start_time":0,"sound_end_time":5000' in sent.body
