"""A client's life: the session, `async with`, and how it is closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import aiohttp
import anyio
import pytest

from lipsync_async import Limits, LipSyncClient, LipSyncRequest, Progress, Timeouts
from lipsync_async.errors import ClientClosedError, ConfigurationError, OutcomeUnknownError
from lipsync_async.outcomes import BatchResult, Outcome
from lipsync_async.terms import Kind
from tests.loopback.acts import KEY, client
from tests.loopback.hurried import hurry
from tests.loopback.misdeeds import hang
from tests.loopback.raw import RawServer, answering, reply
from tests.makers import request, requests

# --- the session ----------------------------------------------------------------------------------------------------


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


def test_a_gateway_is_a_name_or_a_url() -> None:
    """Anything else is refused when the client is made."""
    assert "chainhub" in repr(LipSyncClient("ChainHub", api_key=KEY))
    for wrong in ("nobody", "ftp://x", "https://u:p@x", "https://x/?q=1"):
        with pytest.raises(ConfigurationError):
            LipSyncClient(wrong, api_key=KEY)


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


def test_a_client_is_entered_once_and_not_used_after_its_end() -> None:
    """Both are a `ClientClosedError` that says so."""

    async def main() -> None:
        async with RawServer() as server:
            submitter = client(server)
            with pytest.raises(ClientClosedError, match="not begun"):
                submitter.statistics()
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


# --- closing --------------------------------------------------------------------------------------------------------


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
    """Requests in flight finish, the rest is not sent, `submit_many` returns, and nothing more is taken."""

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
            with pytest.raises(ClientClosedError, match="stopped"):
                await submitter.submit(request("later"))
            assert server.total == len(result.accepted)

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
