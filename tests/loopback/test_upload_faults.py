"""What a network can do while a clip is uploaded."""

from __future__ import annotations

import pytest

from lipsync_async import Limits, LipSyncRequest, RetryPolicy
from lipsync_async.outcomes import Accepted, NotSent, Rejected, Unknown
from lipsync_async.terms import Kind
from tests.makers import request

from .acts import big_clip, client, tell
from .hurried import hurry
from .misdeeds import GOOD, after_bytes, after_request, deaf
from .raw import RawServer, Script, reply

pytestmark = pytest.mark.usefixtures("way")


def big() -> LipSyncRequest:
    """A job with a clip close to 5 MiB."""
    return request(sound_file=big_clip())


HALF = 3_000_000

SURELY_UNSENT: dict[str, Script] = {
    "reset after the headers": after_bytes(300),
    "reset within the clip": after_bytes(HALF),
    "closed within the clip": after_bytes(HALF, end="fin"),
    "half-open": deaf,
    "garbage within the clip": after_bytes(HALF, b"garbage\r\n\r\n", end="fin"),
    "429 within the clip": after_bytes(HALF, reply(b"", 429), end="fin"),
    "429 within the clip, then reset": after_bytes(HALF, reply(b"", 429)),
    "429 within the clip, which is read on": after_bytes(HALF, reply(b"", 429), end="hang"),
}


@pytest.mark.parametrize("name", SURELY_UNSENT)
def test_a_fault_within_an_upload_is_tried_again(name: str) -> None:
    """Before its last slice was handed over nothing can have been acted upon: the job is sent again, and accepted."""
    told = tell(SURELY_UNSENT[name], job=big())
    assert isinstance(told.outcome, Accepted), told.outcome
    assert told.outcome.attempts + told.outcome.refusals == 2
    assert told.server.total == 1
    assert told.seconds < 8.0 + 1.0


EARLY: dict[str, tuple[bytes, type, Kind | None]] = {
    "413": (reply(b"", 413), Rejected, Kind.TOO_LARGE),
    "400": (reply({"code": 1200, "message": "no"}, 400), Rejected, Kind.INVALID_REQUEST),
    "500": (reply(b"", 500), Unknown, Kind.SERVER),
    "200": (GOOD, Accepted, None),
}


@pytest.mark.parametrize("end", ["fin", "reset", "hang"])
@pytest.mark.parametrize("name", EARLY)
def test_a_reply_that_comes_before_the_clip_was_read_is_believed(name: str, end: str) -> None:
    """An early reply ends the upload, and the next job of the same worker goes its own way."""
    early, kind_of_outcome, kind = EARLY[name]

    async def main() -> None:
        async with RawServer(after_bytes(HALF, early, end=end)) as server, client(server) as submitter:
            first = next(iter((await submitter.submit_many([big()])).values()))
            second = await submitter.submit(request("job-2"))
        assert isinstance(first, kind_of_outcome), first
        assert getattr(first, "kind", None) == kind
        assert second.attempts == 1
        assert server.creates["job-1"] <= 1
        assert server.creates["job-2"] == 1

    hurry(main())


def test_an_upload_that_was_cut_short_leaves_no_mark_on_the_next_request() -> None:
    """The writer of an upload that was answered early is gone before the worker's next job is in doubt."""

    async def main() -> None:
        scripts = after_bytes(HALF, reply(b"", 413), end="hang"), after_request(end="reset")
        options = {"limits": Limits(max_in_flight=1)}
        async with RawServer(*scripts) as server, client(server, **options) as submitter:
            result = await submitter.submit_many([big(), request("job-2")])
        assert isinstance(result["job-1"], Rejected)
        assert isinstance(result["job-2"], Unknown)
        assert server.creates["job-2"] == 1

    hurry(main())


def test_a_gateway_that_never_reads_a_clip_ends_in_not_sent() -> None:
    """Every attempt times out before its last slice: the job is safe to submit again."""
    told = tell(always=deaf, job=big(), retry=RetryPolicy(max_attempts=2))
    assert isinstance(told.outcome, NotSent)
    assert (told.outcome.kind, told.outcome.attempts) == (Kind.TIMEOUT, 2)
    assert told.seconds < 2 * 8.5 + 1
