"""The client: keys, lifecycle, `submit`, `submit_many`, cancellation, proxies, what it tells and never tells."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
from attrs import evolve

from lipsync_async import (
    CHAINHUB,
    Ambiguous,
    Event,
    Limits,
    LipSyncClient,
    LipSyncRequest,
    Progress,
    RunOptions,
    Timeouts,
)
from lipsync_async.errors import (
    BatchError,
    ClientClosedError,
    ConfigurationError,
    DuplicateIdError,
    InvalidRequestError,
    LipSyncError,
    NotSentError,
    OutcomeUnknownError,
    RejectedError,
)
from lipsync_async.journal import Journal
from lipsync_async.outcomes import Accepted, BatchResult, NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind
from lipsync_async.wire.credential import KEY_PATIENCE
from tests.loopback.acts import KEY, client, tell
from tests.loopback.hurried import hurry
from tests.loopback.raw import NOT_FOUND, Connection, RawServer, answering, created, gateway, reply, task_of
from tests.makers import request, requests

EXPIRED = reply({"code": 1004, "message": "expired", "request_id": "r"}, 401)
BROKEN = request("broken", sound_end_time=100)


async def hang(connection: Connection) -> None:
    """Reads all and never answers."""
    await connection.hang()


# --- keys ----------------------------------------------------------------------------------------------------------


def key_sent(server: RawServer) -> str:
    """The key of the last request."""
    return server.requests[-1].headers["authorization"].removeprefix("Bearer ")


@pytest.mark.parametrize(
    ("given", "own", "fallback", "used"),
    [
        ("from-argument", "from-own", "from-fallback", "from-argument"),
        (None, "from-own", "from-fallback", "from-own"),
        (None, None, "from-fallback", "from-fallback"),
        (None, "  ", "from-fallback", "from-fallback"),
        ("", "", "from-fallback", "from-fallback"),
        (" \t", "from-own", None, "from-own"),
        (" padded\n", None, None, "padded"),
    ],
)
def test_a_key_is_looked_for_in_its_order(
    given: str | None, own: str | None, fallback: str | None, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The argument, the gateway's variable, the common one; a blank one counts as missing."""
    for name, value in (("CHAINHUB_API_KEY", own), ("LIPSYNC_API_KEY", fallback)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)

    async def main() -> None:
        async with RawServer() as server:
            async with LipSyncClient(CHAINHUB.at(server.url), api_key=given) as submitter:
                await submitter.submit(request())
            assert key_sent(server) == used

    hurry(main())


def test_no_key_names_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where a key is looked for."""
    monkeypatch.delenv("CHAINHUB_API_KEY", raising=False)
    monkeypatch.setenv("LIPSYNC_API_KEY", "   ")
    with pytest.raises(ConfigurationError, match="CHAINHUB_API_KEY or LIPSYNC_API_KEY") as caught:
        LipSyncClient(CHAINHUB)
    assert caught.value.kind == "auth"


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "nul\0", "\x7f"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str) -> None:
    """Nothing is sent, and the text does not show it."""
    with pytest.raises(ConfigurationError) as caught:
        LipSyncClient("https://gateway.example", api_key=key)
    assert key not in str(caught.value)


def test_a_callable_gives_the_key_when_it_is_needed() -> None:
    """Sync or async; asked once for all jobs."""
    asked: list[str] = []

    def plainly() -> str:
        asked.append("sync")
        return "given-plainly"

    async def later() -> str:
        asked.append("async")
        return "given-later"

    async def main() -> None:
        for source, key in ((plainly, "given-plainly"), (later, "given-later")):
            async with RawServer() as server:
                async with client(server, api_key=source) as submitter:
                    await submitter.submit_many(requests(30))
                assert {sent.headers["authorization"] for sent in server.requests} == {f"Bearer {key}"}

    hurry(main())
    assert asked == ["sync", "async"]


@pytest.mark.parametrize("key", ["", "  ", "two words", None, 7])
def test_a_callable_without_a_usable_key_sends_nothing(key: Any) -> None:
    """Every job comes out as not sent, `auth`, or the callable's own fault is raised."""

    async def source() -> Any:
        return key

    async def main() -> None:
        async with RawServer() as server, client(server, api_key=source) as submitter:
            result = await submitter.submit_many(requests(20))
            assert not server.requests
        assert {outcome.kind for outcome in result.not_sent.values()} == {Kind.AUTH}
        assert len(result.not_sent) == 20

    hurry(main())


def test_an_expired_key_is_renewed_once_for_all() -> None:
    """Forty jobs refused with 1004: one new key, no attempt used up, all accepted."""
    keys = iter(["key-one-1", "key-two-2", "key-three-3"])

    async def strict(connection: Connection) -> None:
        while sent := await connection.request():
            good = sent.headers["authorization"] == "Bearer key-two-2"
            await connection.send(created(sent.external_task_id) if good else EXPIRED)

    async def main() -> None:
        async with RawServer(always=strict) as server, client(server, api_key=lambda: next(keys)) as submitter:
            result = await submitter.submit_many(requests(40))
        assert len(result.accepted) == 40
        assert {outcome.attempts for outcome in result.values()} == {1}
        assert next(keys) == "key-three-3"

    hurry(main())


def test_a_renewed_key_that_never_worked_stops_the_batch() -> None:
    """One renewal, then the key is dead: nothing is asked for ever."""
    asked: list[int] = []

    def source() -> str:
        asked.append(1)
        return f"key-number-{len(asked)}"

    told = tell(always=answering(EXPIRED), api_key=source)
    assert isinstance(told.outcome, NotSent)
    assert told.outcome.kind is Kind.AUTH
    assert len(asked) == 2
    assert told.server.total <= 4


def test_a_renewal_that_fails_stops_the_batch() -> None:
    """What the callable raises at the second call is told by its name alone."""
    answers = iter(["key-that-works"])

    def source() -> str:
        try:
            return next(answers)
        except StopIteration:
            raise RuntimeError("the vault's own secret") from None

    told = tell(always=answering(EXPIRED), api_key=source)
    assert isinstance(told.outcome, NotSent)
    assert told.outcome.kind is Kind.AUTH
    assert "vault" not in told.outcome.message


def test_the_key_is_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Not in a repr, a log line at DEBUG of any logger, an exception, its traceback, a pickle, or an event."""
    caplog.set_level(logging.DEBUG)
    for name in ("aiohttp", "aiohttp.client", "asyncio", "lipsync_async"):
        caplog.set_level(logging.DEBUG, logger=name)
    events: list[Event] = []
    seen: list[str] = []
    shapes = (None, reply({"code": 1200, "message": f"key {KEY}"}, 400), b"garbage\r\n\r\n", reply(b"", 401))

    async def main() -> None:
        asyncio.get_running_loop().set_debug(True)
        for shape in shapes:
            async with (
                RawServer(always=answering(shape)) as server,
                client(server, observer=events.append) as submitter,
            ):
                seen.append(repr(submitter))
                seen.append(repr(vars(submitter._account)))
                try:
                    await submitter.submit(request())
                except LipSyncError as error:
                    seen.append(repr(error) + "".join(traceback.format_exception(error)))
                    seen.append(repr(pickle.dumps(error)) + repr(vars(error)))
                result = await submitter.submit_many(requests(2))
                seen.append(repr(result) + repr(dict(result)))

    hurry(main())
    assert events
    everything = "\n".join([*seen, *map(repr, events), caplog.text])
    assert KEY not in everything
    assert KEY[4:] not in everything


# --- lifecycle -----------------------------------------------------------------------------------------------------


def test_a_borrowed_session_is_not_closed() -> None:
    """It is the caller's; his connector's limit is warned of when it is smaller than the window."""

    async def main() -> None:
        async with RawServer() as server, aiohttp.ClientSession() as session:
            with pytest.warns(RuntimeWarning, match="100 connections, max_in_flight is 200"):
                async with client(server, session=session, limits=Limits(max_in_flight=200)) as submitter:
                    await submitter.submit(request())
            assert not session.closed
            async with client(server, session=session) as submitter:
                await submitter.submit(request("job-2"))
            assert not session.closed

    hurry(main())


def test_a_session_of_our_own_is_closed() -> None:
    """With the client; and closing again does nothing."""

    async def main() -> None:
        async with RawServer() as server:
            submitter = client(server)
            async with submitter:
                await submitter.submit(request())
                session = submitter._session
                await submitter.aclose()
                await submitter.aclose()
            assert session is not None
            assert session.closed
            await submitter.aclose()
        assert repr(submitter).endswith(", closed>")

    hurry(main())


def test_a_client_that_was_never_entered_can_be_closed() -> None:
    """And cannot be entered any more."""

    async def main() -> None:
        submitter = LipSyncClient("https://gateway.example", api_key=KEY)
        assert "not entered" in repr(submitter)
        submitter.stop()
        await submitter.aclose()
        with pytest.raises(ClientClosedError):
            await submitter.__aenter__()

    hurry(main())


def test_a_client_is_entered_once_and_used_inside() -> None:
    """Everything else is a `ClientClosedError` that says what to do."""

    async def main() -> None:
        async with RawServer() as server:
            submitter = client(server)
            for use in (submitter.submit(request()), submitter.submit_many([request()])):
                with pytest.raises(ClientClosedError, match="async with"):
                    await use
            with pytest.raises(ClientClosedError):
                submitter.stream([])
            async with submitter:
                assert submitter.statistics().in_flight == 0
                with pytest.raises(ClientClosedError, match="once"):
                    await submitter.__aenter__()
            with pytest.raises(ClientClosedError):
                await submitter.submit(request())
            with pytest.raises(ClientClosedError):
                submitter.statistics()
            assert not server.requests

    hurry(main())


def test_a_client_belongs_to_one_loop() -> None:
    """Use from another event loop is an error that says so."""

    async def elsewhere(submitter: LipSyncClient) -> None:
        with pytest.raises(ConfigurationError, match="event loop"):
            await submitter.submit(request())

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            thread = threading.Thread(target=asyncio.run, args=(elsewhere(submitter),))
            thread.start()
            await asyncio.to_thread(thread.join)
            await submitter.submit(request())

    hurry(main())


def test_an_unclosed_client_warns() -> None:
    """Who forgets `async with` is told by a ResourceWarning."""

    async def main() -> None:
        async with RawServer() as server:
            submitter = client(server)
            await submitter.__aenter__()
            session = submitter._session
            with pytest.warns(ResourceWarning, match="unclosed <LipSyncClient"):
                submitter.__del__()
            assert session is not None
            await submitter.aclose()

    hurry(main())


def test_closing_ends_what_runs_with_its_outcomes() -> None:
    """A batch under way gets its grace; what was in flight is unknown, the rest not sent, and nothing is lost."""

    async def main() -> None:
        async with RawServer(always=hang) as server:
            submitter = client(server, limits=Limits(max_in_flight=3, initial_per_second=1000.0))
            await submitter.__aenter__()
            batch = asyncio.ensure_future(submitter.submit_many(requests(10)))
            await asyncio.sleep(1.0)
            await submitter.aclose()
            result = await batch
            assert (len(result.unknown), len(result.not_sent)) == (3, 7)
            assert server.total == 3

    hurry(main())


def test_closing_while_a_list_is_looked_through_sends_nothing() -> None:
    """The batch finds the client closed, and says so."""

    async def main() -> None:
        async with RawServer() as server:
            async with client(server) as submitter:

                async def slow() -> AsyncIterator[LipSyncRequest]:
                    yield request()
                    await submitter.aclose()
                    yield request("job-2")

                with pytest.raises(ClientClosedError):
                    await submitter.submit_many(slow())
            assert not server.requests

    hurry(main())


def test_a_cancelled_scope_closes_the_session_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a cancelled scope of anyio every await is cancelled; the session is closed to the end behind a shield."""
    ended: list[bool] = []
    close = aiohttp.ClientSession.close

    async def slowly(session: aiohttp.ClientSession) -> None:
        await asyncio.sleep(0.1)
        await close(session)
        ended.append(session.closed)

    async def main() -> None:
        async with RawServer(always=hang) as server:
            with anyio.move_on_after(1.0) as scope:
                async with client(server) as submitter:
                    monkeypatch.setattr(aiohttp.ClientSession, "close", slowly)
                    await submitter.submit(request())
            assert scope.cancelled_caught

    hurry(main())
    assert ended == [True]


def test_a_close_that_is_cancelled_closes_the_session_all_the_same() -> None:
    """Whoever cancels the grace of `aclose` itself leaves nothing open."""

    async def main() -> None:
        async with RawServer(always=hang) as server:
            submitter = client(server)
            await submitter.__aenter__()
            session = submitter._session
            batch = asyncio.ensure_future(submitter.submit_many(requests(3)))
            await asyncio.sleep(1.0)
            closing = asyncio.ensure_future(submitter.aclose())
            await asyncio.sleep(0.5)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            assert session is not None
            assert session.closed
            assert len(await batch) == 3

    hurry(main())


def test_stop_lets_a_batch_end_in_peace() -> None:
    """Requests in flight finish, the rest is not sent, `submit_many` returns, and the client goes on."""

    async def main() -> None:
        async with RawServer() as server, client(server, limits=Limits(max_in_flight=2)) as submitter:
            done: list[Outcome] = []

            def progress(news: Progress) -> None:
                done.append(news.outcome)
                if len(done) == 5:
                    submitter.stop()

            result = await submitter.submit_many(requests(50), on_progress=progress)
            assert len(result) == 50
            assert 5 <= len(result.accepted) <= 7
            assert {outcome.kind for outcome in result.not_sent.values()} == {Kind.CANCELLED}
            assert server.total == len(result.accepted)
            assert (await submitter.submit(request("later"))).task_id

    hurry(main())


# --- submit --------------------------------------------------------------------------------------------------------

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
                await submitter.submit(BROKEN)
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


# --- submit_many ---------------------------------------------------------------------------------------------------


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
    """The same list with the same journal sends nothing again; other content under an id exists already."""
    path = tmp_path / "batch.journal"

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            first = await submitter.submit_many(requests(5), journal=path)
            again = await submitter.submit_many(requests(7), journal=path)
            other = await submitter.submit_many([request("job-0", sound_end_time=4000), request("new")], journal=path)
        taken = other["job-0"]
        assert isinstance(taken, Rejected)
        assert (taken.kind, taken.found_task_id) == (Kind.ALREADY_EXISTS, first.accepted["job-0"].task_id)
        assert isinstance(other["new"], Accepted)
        assert len(first.accepted) == 5
        assert [outcome.replayed for outcome in again.accepted.values()] == [True] * 5 + [False] * 2
        assert set(server.creates.values()) == {1}

    hurry(main())


# --- cancellation --------------------------------------------------------------------------------------------------


def test_a_cancelled_batch_ends_after_its_grace_with_all_outcomes() -> None:
    """In flight: unknown; the rest: not sent; the cancellation is raised, and `into` has it all."""

    async def main() -> None:
        into: dict[str, Outcome] = {}
        loop = asyncio.get_running_loop()
        limits = Limits(max_in_flight=4, initial_per_second=10_000.0)
        async with RawServer(always=hang) as server, client(server, limits=limits) as submitter:
            batch = asyncio.ensure_future(submitter.submit_many(requests(20), into=into))
            await asyncio.sleep(1.0)
            batch.cancel()
            begun = loop.time()
            with pytest.raises(asyncio.CancelledError):
                await batch
            assert 2.0 <= loop.time() - begun < 3.0
            assert server.total == 4
        assert sorted(outcome.name for outcome in into.values()) == ["not_sent"] * 16 + ["unknown"] * 4

    hurry(main())


def test_a_cancelled_submit_lets_a_request_in_flight_finish() -> None:
    """Answered within the grace it is accepted at the gateway, told to the observer, and the cancellation is raised."""
    events: list[Event] = []

    async def slow(connection: Connection) -> None:
        await connection.request()
        await asyncio.sleep(1.5)
        await connection.send(created("job-1"))

    async def main() -> None:
        async with RawServer(slow) as server, client(server, observer=events.append) as submitter:
            job = asyncio.ensure_future(submitter.submit(request()))
            await asyncio.sleep(0.5)
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job

    hurry(main())
    assert [event.action for event in events if event.name == "outcome"] == ["accepted"]


def test_a_second_cancellation_ends_the_grace_at_once() -> None:
    """Whoever is in such a hurry loses no outcome all the same."""

    async def main() -> None:
        into: dict[str, Outcome] = {}
        loop = asyncio.get_running_loop()
        async with RawServer(always=hang) as server, client(server) as submitter:
            batch = asyncio.ensure_future(submitter.submit_many([request()], into=into))
            await asyncio.sleep(1.0)
            batch.cancel()
            await asyncio.sleep(0.2)
            begun = loop.time()
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch
            assert loop.time() - begun < 1.0
        assert isinstance(into["job-1"], Unknown)
        assert into["job-1"].kind is Kind.CANCELLED

    hurry(main())


@pytest.mark.parametrize("kind", ["move_on_after", "asyncio.timeout", "wait_for", "task group"])
def test_time_limits_of_the_callers_are_kept(kind: str) -> None:
    """Scopes of anyio and asyncio's timeouts see their own cancellation come back."""

    async def main() -> None:
        into: dict[str, Outcome] = {}
        async with RawServer(always=hang) as server, client(server) as submitter:
            call = submitter.submit_many([request()], into=into)
            match kind:
                case "move_on_after":
                    with anyio.move_on_after(1.0) as scope:
                        await call
                    assert scope.cancelled_caught
                case "asyncio.timeout":
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(1.0):
                            await call
                case "wait_for":
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(call, 1.0)
                case _:
                    async with anyio.create_task_group() as group:
                        group.start_soon(lambda: call)
                        await anyio.sleep(1.0)
                        group.cancel_scope.cancel()
            task = asyncio.current_task()
            assert task is not None
            assert not task.cancelling()
        assert isinstance(into["job-1"], Unknown)

    hurry(main())


def test_a_job_cancelled_before_its_request_was_not_sent() -> None:
    """Held back at the gate, nothing is in doubt, and there is nothing to wait for."""

    async def main() -> None:
        into: dict[str, Outcome] = {}
        loop = asyncio.get_running_loop()
        limits = Limits(max_per_second=0.01)
        async with RawServer() as server, client(server, limits=limits) as submitter:
            batch = asyncio.ensure_future(submitter.submit_many(requests(3), into=into))
            await asyncio.sleep(1.0)
            begun = loop.time()
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch
            assert loop.time() == begun
        assert sorted(outcome.name for outcome in into.values()) == ["accepted", "not_sent", "not_sent"]
        assert server.total == 1

    hurry(main())


def test_a_hook_that_hangs_does_not_hold_up_a_cancellation_for_ever() -> None:
    """It is cancelled itself when the last words are over."""

    async def stuck(_: Progress) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        into: dict[str, Outcome] = {}
        async with RawServer() as server, client(server) as submitter:
            batch = asyncio.ensure_future(submitter.submit_many(requests(2), into=into, on_progress=stuck))
            await asyncio.sleep(1.0)
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch
        assert len(into) == 2

    hurry(main())


# --- proxies -------------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without proxies of its own."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_a_proxy_of_the_environment_is_used_when_asked(environment: pytest.MonkeyPatch) -> None:
    """With its name and password, which show nowhere; without `trust_env` it is not."""
    seen: list[str] = []

    async def main() -> None:
        async with RawServer() as proxy, RawServer() as server:
            environment.setenv("http_proxy", f"http://someone:hush-hush@127.0.0.1:{proxy.port}")
            async with client("http://gateway.invalid", trust_env=True) as submitter:
                accepted = await submitter.submit(request())
                seen.append(repr(accepted) + repr(submitter))
            (sent,) = proxy.requests
            assert sent.path.startswith("http://gateway.invalid/kling/")
            assert sent.headers["proxy-authorization"].startswith("Basic ")
            async with client(server) as submitter:
                await submitter.submit(request("job-2"))
            assert server.creates == {"job-2": 1}

    hurry(main())
    assert "hush-hush" not in seen[0]


def test_a_proxy_without_a_scheme_speaks_http(environment: pytest.MonkeyPatch) -> None:
    """As curl reads it."""

    async def main() -> None:
        async with RawServer() as proxy:
            environment.setenv("all_proxy", f"127.0.0.1:{proxy.port}")
            async with client("http://gateway.invalid", trust_env=True) as submitter:
                await submitter.submit(request())
            assert proxy.total == 1

    hurry(main())


def test_a_proxy_of_another_kind_is_a_clear_error(environment: pytest.MonkeyPatch) -> None:
    """SOCKS is not spoken; the text does not show the password."""
    environment.setenv("https_proxy", "socks5://someone:hush-hush@127.0.0.1:1080")

    async def main() -> None:
        with pytest.raises(ConfigurationError, match="socks5") as caught:
            await LipSyncClient("https://gateway.example", api_key=KEY, trust_env=True).__aenter__()
        assert "hush" not in str(caught.value)

    hurry(main())


def test_hosts_of_no_proxy_are_called_directly(environment: pytest.MonkeyPatch) -> None:
    """And so are all where no proxy is named."""
    environment.setenv("http_proxy", "http://127.0.0.1:1")
    environment.setenv("no_proxy", "127.0.0.1")

    async def main() -> None:
        async with RawServer() as server, client(server, trust_env=True) as submitter:
            await submitter.submit(request())
            environment.delenv("http_proxy")
            environment.delenv("no_proxy")
            async with client(server, trust_env=True) as another:
                await another.submit(request("job-2"))
            assert server.total == 2

    hurry(main())


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses_the_tunnel_leaves_the_job_unsent(status: int, environment: pytest.MonkeyPatch) -> None:
    """CONNECT refused: nothing reached the gateway, the key did not reach the proxy."""
    seen: list[Outcome] = []

    async def refuse(connection: Connection) -> None:
        await connection.request()
        await connection.send(reply("no", status))

    async def main() -> None:
        async with RawServer(always=refuse) as proxy:
            environment.setenv("https_proxy", f"http://someone:hush-hush@127.0.0.1:{proxy.port}")
            async with client("https://gateway.invalid", trust_env=True) as submitter:
                seen.extend((await submitter.submit_many([request()])).values())
            assert all(KEY.encode() not in connection.seen for connection in proxy.connections)

    hurry(main())
    assert isinstance(seen[0], NotSent)
    assert "hush-hush" not in repr(seen[0])


def test_a_proxy_that_is_down_leaves_the_job_unsent(environment: pytest.MonkeyPatch) -> None:
    """A connection that was not made."""
    environment.setenv("http_proxy", "http://127.0.0.1:1")
    told = tell(url=lambda _: "http://gateway.invalid", trust_env=True)
    assert isinstance(told.outcome, NotSent)
    assert told.outcome.kind is Kind.CONNECTION


# --- what it tells -------------------------------------------------------------------------------------------------


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
    looked = [event.action for event in events if event.name == "look_up"]
    assert len(looked) >= 3
    assert looked == ["ask"] * (len(looked) - 1) + ["give up"]
    after = 4 + len(looked)
    assert told[: after + 1] == [
        ("attempt", "job-0", "wait", "rate"),
        ("attempt", "job-0", "accept", None),
        ("outcome", "job-0", "accepted", None),
        ("attempt", "job-1", "look_up", "server"),
        *[("look_up", "job-1", action, None) for action in looked],
        ("outcome", "job-1", "unknown", "server"),
    ]
    assert {name for name, *_ in told[after + 1 :]} == {"attempt", "pause", "stop", "outcome"}
    assert [event.task_id for event in events if event.task_id] == [task_of("job-0")]
    statuses = [event.http_status for event in events if event.name == "attempt"]
    assert statuses == [429, 200, 500, 429, 429]
    assert [event.seconds for event in events if event.name == "pause"] == [1.0]


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError()], ids=repr)
def test_an_observer_that_raises_loses_nothing(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """Its error is logged once; every job comes out as if there were no observer."""

    def observer(_: Event) -> None:
        raise error

    async def main() -> None:
        into: dict[str, Outcome] = {}
        async with RawServer() as server, client(server, observer=observer) as submitter:
            result = await submitter.submit_many(requests(5), into=into)
        assert len(result.accepted) == len(into) == 5
        assert set(into) == set(server.creates)

    hurry(main())
    assert [record.getMessage() for record in caplog.records if "observer" in record.getMessage()] == [
        "the observer failed; this is told once"
    ]


def test_a_gateway_is_a_name_or_a_url() -> None:
    """Anything else is refused when the client is made."""
    assert "chainhub" in repr(LipSyncClient("ChainHub", api_key=KEY))
    for wrong in ("nobody", "ftp://x", "https://u:p@x", "https://x/?q=1"):
        with pytest.raises(ConfigurationError):
            LipSyncClient(wrong, api_key=KEY)


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


# --- keys and hooks that hang, closing in time ---------------------------------------------------------------------


async def never() -> str:
    """A vault that does not answer."""
    await asyncio.Event().wait()
    raise AssertionError


def test_a_key_that_never_comes_leaves_a_job_unsent() -> None:
    """After a minute, `auth`; nobody waits for ever, and nothing is sent."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with RawServer() as server, client(server, api_key=never) as submitter, asyncio.timeout(1000.0):
            begun = loop.time()
            with pytest.raises(NotSentError) as caught:
                await submitter.submit(request())
            assert caught.value.kind is Kind.AUTH
            assert loop.time() - begun == pytest.approx(KEY_PATIENCE)
            assert not server.requests

    hurry(main())


def test_a_key_that_never_comes_costs_a_batch_one_minute() -> None:
    """Not one a worker: whoever waited for the same key shares what became of it."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with RawServer() as server, client(server, api_key=never) as submitter, asyncio.timeout(1000.0):
            begun = loop.time()
            result = await submitter.submit_many(requests(5))
            assert len(result.not_sent) == 5
            assert {outcome.kind for outcome in result.not_sent.values()} == {Kind.AUTH}
            assert loop.time() - begun < 2 * KEY_PATIENCE
            assert not server.requests

    hurry(main())


def test_a_borrowed_session_that_raises_for_status_is_read_all_the_same() -> None:
    """A refusal is an answer, not a failure that may have been charged."""

    async def main() -> None:
        busy = reply({"code": 1302, "message": "slow"}, 429)
        async with (
            RawServer(always=answering(busy, None)) as server,
            aiohttp.ClientSession(raise_for_status=True) as session,
            client(server, session=session) as submitter,
        ):
            accepted = await submitter.submit(request())
        assert (accepted.attempts, accepted.refusals, server.total) == (1, 1, 2)

    hurry(main())


def test_closing_takes_one_grace_however_many_hang() -> None:
    """Each `submit` is a run of its own, and they end together."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with RawServer(always=hang) as server:
            submitter = client(server, limits=Limits(initial_per_second=1000.0), timeouts=Timeouts(grace=2.0))
            await submitter.__aenter__()
            hung = [asyncio.ensure_future(submitter.submit(job)) for job in requests(8)]
            await asyncio.sleep(1.0)
            assert server.total == 8
            begun = loop.time()
            await submitter.aclose()
            assert 2.0 <= loop.time() - begun < 3.0
            ends = await asyncio.gather(*hung, return_exceptions=True)
            assert [type(end) for end in ends] == [OutcomeUnknownError] * 8

    hurry(main())


def test_closing_cancels_no_caller_whose_hook_is_slow() -> None:
    """What the hooks hold up is left; the batch returns with its outcomes."""

    async def slow(_: Progress) -> None:
        await asyncio.sleep(600.0)

    async def main() -> None:
        async with RawServer() as server:
            submitter = client(server, limits=Limits(max_in_flight=2))
            await submitter.__aenter__()
            batch = asyncio.ensure_future(submitter.submit_many(requests(6), on_progress=slow))
            await asyncio.sleep(1.0)
            await submitter.aclose()
            (end,) = await asyncio.gather(batch, return_exceptions=True)
            assert isinstance(end, BatchResult), repr(end)
            assert (len(end.accepted), len(end.not_sent), len(end)) == (3, 3, 6)

    hurry(main())


def test_a_reconciliation_leaves_alone_what_a_batch_has_under_way(tmp_path: Path) -> None:
    """One id is one job: while a batch looks it up, the reconciliation tells it unknown, and asks nothing itself."""
    let_go = asyncio.Event()

    async def lost(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "POST":
                return connection.reset()
            await let_go.wait()
            await connection.send(created("job-1"))
        return None

    async def main() -> None:
        async with RawServer(always=lost) as server, client(server) as submitter:
            path, only_sent = tmp_path / "run.db", RunOptions(ambiguous="report")
            first = await submitter.submit_many([request()], journal=path, options=only_sent)
            assert first["job-1"].name == "unknown"
        async with RawServer(always=lost) as other:
            moved = await Journal.open(path, gateway=server.url, account="default")
            async with moved as journal, client(other) as submitter:
                batch = asyncio.ensure_future(submitter.submit_many([request()], journal=journal))
                await asyncio.sleep(2.0)
                async with submitter.reconcile(journal) as outcomes:
                    told = [outcome.name async for outcome in outcomes]
                assert (told, other.look_ups, other.total) == (["unknown"], 1, 0)
                let_go.set()
                assert isinstance((await batch)["job-1"], Accepted)
                assert other.look_ups == 1

    hurry(main())
