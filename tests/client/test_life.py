"""A client without `async with`, one that is stopped, and what other threads may ask of it."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest

import lipsync_async
from lipsync_async import KLING, Limits, LipSyncClient, RunOptions, StillRunning, Timeouts
from lipsync_async.about import user_agent
from lipsync_async.errors import ClientClosedError, ConfigurationError, NotSentError, WaitTimeoutError
from lipsync_async.sandbox import Sandbox
from lipsync_async.terms import Kind
from tests.loopback.acts import KEY, client
from tests.loopback.hurried import hurry
from tests.loopback.misdeeds import hang
from tests.loopback.raw import RawServer
from tests.makers import request, requests

# --- without `async with` -------------------------------------------------------------------------------------------


def test_the_first_call_begins_a_client() -> None:
    """And `aclose` ends it; a second time does nothing."""

    async def main() -> None:
        async with RawServer() as server:
            submitter = client(server)
            assert "not entered" in repr(submitter)
            assert (await submitter.submit(request())).task_id
            session = submitter._session
            assert submitter.statistics().accepted == 1
            await submitter.aclose()
            await submitter.aclose()
            assert session is not None
            assert session.closed
            with pytest.raises(ClientClosedError, match="closed"):
                await submitter.submit(request("job-2"))
            assert server.total == 1

    hurry(main())


def test_calls_that_begin_together_begin_one_client() -> None:
    """With one session and one pacer."""

    async def main() -> None:
        async with RawServer() as server:
            submitter = client(server)
            await asyncio.gather(*(submitter.submit(job) for job in requests(5)))
            assert submitter.statistics().accepted == 5
            await submitter.aclose()

    hurry(main())


def test_a_client_that_has_begun_may_still_be_entered() -> None:
    """Once; leaving closes it."""

    async def main() -> None:
        async with RawServer() as server:
            submitter = client(server)
            async with submitter.stream(requests(2)) as outcomes:
                assert len([outcome async for outcome in outcomes]) == 2
            async with submitter:
                await submitter.submit(request("later"))
                with pytest.raises(ClientClosedError, match="once"):
                    await submitter.__aenter__()
            with pytest.raises(ClientClosedError):
                submitter.stream([])

    hurry(main())


def test_without_an_event_loop_a_client_does_not_begin() -> None:
    """The error says what to do."""
    submitter = LipSyncClient("chainhub", api_key=KEY)
    with pytest.raises(ClientClosedError, match="async function"):
        submitter.stream([])


def test_a_client_that_nobody_closes_warns() -> None:
    """When it is collected, with what to do; one that was closed, or never began, is silent."""

    async def leave(*, closed: bool, used: bool) -> None:
        async with RawServer() as server:
            submitter = client(server)
            if used:
                await submitter.submit(request())
            session = submitter._session
            if closed:
                await submitter.aclose()
            del submitter
            gc.collect()
            if session is not None:
                await session.close()

    def warned(*, closed: bool, used: bool) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            hurry(leave(closed=closed, used=used))
        return [str(it.message) for it in caught if "LipSyncClient" in str(it.message)]

    (told,) = warned(closed=False, used=True)
    assert "unclosed <LipSyncClient" in told
    assert "await client.aclose()" in told
    assert KEY not in told
    assert warned(closed=True, used=True) == warned(closed=False, used=False) == []


# --- stopped --------------------------------------------------------------------------------------------------------


def calls(submitter: LipSyncClient) -> list[Callable[[], Coroutine[Any, Any, object]]]:
    """Every call that may pay."""
    return [
        lambda: submitter.submit(request()),
        lambda: submitter.submit_many([request()]),
        lambda: submitter.run(request()),
        lambda: submitter.run_many([request()]),
        lambda: submitter.identify_faces(video_url="https://films.example.com/1.mp4"),
        lambda: submitter.synthesize_speech("Hello", "a_voice"),
    ]


def test_a_client_that_was_stopped_takes_nothing_new() -> None:
    """Whatever may pay is refused before anything is sent; what only asks goes on."""

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            early = submitter.stream([request("early")])
            submitter.stop()
            for call in calls(submitter):
                with pytest.raises(ClientClosedError, match="stopped"):
                    await call()
            with pytest.raises(ClientClosedError, match="stopped"):
                submitter.stream([request()])
            with pytest.raises(ClientClosedError, match="stopped"):
                await early.__aenter__()
            assert not server.requests
            assert (await submitter.look_up("job-1")).found is False
            submitter.stop()

    hurry(main())


def test_what_hangs_is_broken_off_after_the_grace() -> None:
    """Every job is told by the call that handed it in: what was sent is unknown, the rest was not sent."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with RawServer(always=hang) as server:
            limits, times = Limits(max_in_flight=2, initial_per_second=1000.0), Timeouts(grace=3.0)
            async with client(server, limits=limits, timeouts=times) as submitter:
                batch = asyncio.ensure_future(
                    submitter.submit_many(requests(5), options=RunOptions(ambiguous="report"))
                )
                await asyncio.sleep(1.0)
                begun = loop.time()
                submitter.stop()
                result = await batch
                assert 3.0 <= loop.time() - begun < 4.0
                assert len(result.unknown) == server.total == 2
                assert {outcome.kind for outcome in result.not_sent.values()} == {Kind.CANCELLED}
                assert len(result) == 5

    hurry(main())


def test_a_submit_that_waits_for_its_turn_is_told_as_not_sent() -> None:
    """It never left."""

    async def main() -> None:
        async with RawServer() as server, client(server, limits=Limits(max_per_second=0.01)) as submitter:
            await submitter.submit(request("first"))
            waiting = asyncio.ensure_future(submitter.submit(request("second")))
            await asyncio.sleep(1.0)
            submitter.stop()
            with pytest.raises(NotSentError, match="stopped"):
                await waiting
            assert server.total == 1

    hurry(main())


def test_waits_end_and_their_tasks_are_told_as_running() -> None:
    """A wait for one, for many, and a list that is followed to its videos."""

    async def main() -> None:
        async with Sandbox(task_seconds=(5_000.0, 5_000.0)) as sandbox:
            submitter = LipSyncClient(sandbox.base_url, api_key=sandbox.api_key)
            accepted = await submitter.submit(request("one"))
            one = asyncio.ensure_future(submitter.wait(accepted, timeout=None))
            many = asyncio.ensure_future(submitter.wait_many([accepted]))
            batch = asyncio.ensure_future(submitter.run_many(requests(2)))
            while submitter.following().tasks < 3:  # noqa: ASYNC110 - virtual time
                await asyncio.sleep(1.0)
            submitter.stop()
            with pytest.raises(WaitTimeoutError):
                await one
            assert [type(it) for it in (await many).values()] == [StillRunning]
            assert [type(it) for it in (await batch).values()] == [StillRunning] * 2
            assert (await submitter.get_task(accepted)).task_id == accepted.task_id
            await submitter.aclose()

    hurry(main())


def test_closing_after_a_stop_leaves_no_timer() -> None:
    """The grace of a client that is gone ends nothing."""

    async def main() -> None:
        async with RawServer() as server:
            submitter = client(server, limits=Limits(max_per_second=0.01))
            await submitter.submit(request("first"))
            waiting = asyncio.ensure_future(submitter.submit(request("second")))
            await asyncio.sleep(1.0)
            submitter.stop()
            timer = submitter._breaking
            assert timer is not None
            await submitter.aclose()
            assert timer.cancelled()
            with pytest.raises(NotSentError):
                await waiting

    hurry(main())


# --- what it says of itself -----------------------------------------------------------------------------------------


def test_another_thread_may_ask_how_it_is() -> None:
    """Its figures, not its work."""

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            await submitter.submit_many(requests(3))
            told = await asyncio.to_thread(submitter.statistics)
            assert told == submitter.statistics()
            assert told.accepted == 3
            assert await asyncio.to_thread(submitter.following) == submitter.following()
            assert await asyncio.to_thread(submitter.waiting_for) == submitter.waiting_for()
        with pytest.raises(ClientClosedError, match="closed"):
            await asyncio.to_thread(submitter.statistics)

    hurry(main())


def test_the_environment_may_name_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name or its base URL; one that is given counts more, and none at all is an error with the cure."""
    monkeypatch.setenv("LIPSYNC_API_KEY", KEY)
    monkeypatch.setenv("LIPSYNC_GATEWAY", "https://gw.example")
    assert "gw.example" in repr(LipSyncClient())
    monkeypatch.setenv("LIPSYNC_GATEWAY", " Kling\n")
    assert LipSyncClient()._gateway is KLING
    assert "chainhub" in repr(LipSyncClient("chainhub"))
    monkeypatch.setenv("LIPSYNC_GATEWAY", " ")
    with pytest.raises(ConfigurationError, match=r"chainhub, anyapi, kling, or a base URL\), or set LIPSYNC_GATEWAY"):
        LipSyncClient()


def test_requests_name_the_library_and_its_version() -> None:
    """On a session of its own and on a borrowed one; a User-Agent that the caller's session has stays."""

    async def agents(**headers: str) -> set[str]:
        async with RawServer() as server, aiohttp.ClientSession(headers=headers) as session:
            for options in ({}, {"session": session}):
                async with client(server, limits=Limits(max_in_flight=10), **options) as submitter:
                    await submitter.submit(request())
                    await submitter.look_up("job-1")
            return {it.headers["user-agent"] for it in server.requests}

    assert f"lipsync-async/{lipsync_async.__version__}" == user_agent()
    assert hurry(agents()) == {user_agent()}
    assert hurry(agents(**{"User-Agent": "my-service/1"})) == {user_agent(), "my-service/1"}


def test_the_package_is_a_command(capfd: pytest.CaptureFixture[str]) -> None:
    """`python -m lipsync_async` is `lipsync-async`."""
    import subprocess

    done = subprocess.run([sys.executable, "-m", "lipsync_async", "--version"], check=False)
    assert done.returncode == 0
    assert capfd.readouterr().out == f"lipsync-async {lipsync_async.__version__}\n"
