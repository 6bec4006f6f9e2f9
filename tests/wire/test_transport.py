"""One request through aiohttp: answers, deadlines, failures put into words, proxies."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any, TypeVar

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from lipsync_async import Timeouts
from lipsync_async.request.audio import AudioChanged
from lipsync_async.terms import Failure, Kind, Phase, Reply
from lipsync_async.wire import TaskReply, encode
from lipsync_async.wire.flight import Flight
from lipsync_async.wire.transport import Transport, explain, make_session, proxy_from_environment
from lipsync_async.wire.upload import STALE
from tests.loopback.acts import KEY, request
from tests.loopback.hurried import HurriedLoop, hurry
from tests.loopback.raw import NOT_FOUND, Connection, RawServer, Script, answering, created, gateway, reply

pytestmark = pytest.mark.usefixtures("way")
T = TypeVar("T")
HEADERS = CIMultiDict({"Authorization": f"Bearer {KEY}"})
TIMEOUTS = Timeouts(total=4.0, connect=2.0)


def through(
    act: Callable[[Transport, URL, Flight], Awaitable[T]], *scripts: Script, always: Script = gateway
) -> tuple[T, RawServer]:
    """One act with a transport of its own, watched."""

    async def main() -> tuple[T, RawServer]:
        async with RawServer(*scripts, always=always) as server, make_session() as session:
            flight = Flight()
            with closing(Transport(session, TIMEOUTS, own=True)) as transport, transport.watching(flight):
                return await act(transport, URL(server.url) / "create", flight), server

    return hurry(main())


async def post(transport: Transport, url: URL, flight: Flight) -> Reply | Failure:
    """A create."""
    return await transport.post(url, HEADERS, encode(request(), "job-1"), flight)


async def hang(connection: Connection) -> None:
    """Reads all and never answers."""
    await connection.hang()


def test_a_post_is_answered() -> None:
    """The reply as `wire` reads it; the flight is over."""
    flights: list[Flight] = []

    async def act(transport: Transport, url: URL, flight: Flight) -> Reply | Failure:
        flights.append(flight)
        return await post(transport, url, flight)

    answer, server = through(act)
    assert isinstance(answer, Reply)
    assert (answer.status, answer.external_task_id, server.total) == (200, "job-1", 1)
    assert (flights[0].phase, flights[0].begun) == (Phase.ANSWERED, None)


def test_a_retry_after_date_is_counted_from_now() -> None:
    """A date long past asks for no wait, one that is far away for a long one."""
    for year, waits in ((2015, False), (2515, True)):
        late = reply(b"", 429, f"Retry-After: Wed, 21 Oct {year} 07:28:00 GMT")
        answer, _ = through(post, always=answering(late))
        assert isinstance(answer, Reply)
        assert (answer.retry_after is not None) is waits


def test_a_task_is_asked_for() -> None:
    """GET, with the key."""

    async def ask(transport: Transport, url: URL, flight: Flight) -> TaskReply | Failure:
        return await transport.get_task(url / "job-1", HEADERS, flight)

    answer, server = through(ask, always=answering(None, found=created("job-1", "77")))
    assert isinstance(answer, TaskReply)
    assert (answer.found, answer.reply.task_id) == (True, "77")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    lost, _ = through(ask, always=hang)
    assert lost == Failure(kind=Kind.TIMEOUT, phase=Phase.SENDING, message="broken off")


def test_a_list_of_tasks_is_asked_for() -> None:
    """None where it can't be read, for whatever reason."""
    page = reply({"code": 0, "data": [{"task_id": "1", "task_info": {"external_task_id": "a"}}]})

    async def ask(transport: Transport, url: URL, flight: Flight) -> list[TaskReply] | None:
        return await transport.list_tasks(url, HEADERS, flight)

    tasks, _ = through(ask, always=answering(None, found=page))
    assert tasks is not None
    assert [task.reply.external_task_id for task in tasks] == ["a"]
    for broken in (answering(None, found=NOT_FOUND), hang, answering(None, found=page[:-5])):

        async def once(connection: Connection, script: Script = broken) -> None:
            connection.end_after_send = True
            await script(connection)

        assert through(ask, always=once)[0] is None


def test_a_session_that_is_closed_is_a_failure_before_the_request() -> None:
    """Not an exception: the job comes out."""

    async def act(transport: Transport, url: URL, flight: Flight) -> Reply | Failure:
        await transport._plain._session.close()  # type: ignore[attr-defined]
        return await post(transport, url, flight)

    answer, server = through(act)
    assert isinstance(answer, Failure)
    assert answer.phase is Phase.CONNECTING
    assert not server.connections


def test_what_an_earlier_request_left_in_a_connection_is_not_read() -> None:
    """The request is not sent over it: surely unsent, to be tried again."""

    async def act(transport: Transport, url: URL, flight: Flight) -> list[Reply | Failure]:
        first = await post(transport, url, flight)
        await asyncio.sleep(0.25)
        return [first, await post(transport, url, flight)]

    async def twice(connection: Connection) -> None:
        await connection.request()
        await connection.send(created("job-1"))
        await asyncio.sleep(0.125)
        await connection.send(created("job-1", "666"))
        await connection.hang()

    (first, second), server = through(act, twice)
    assert isinstance(first, Reply)
    assert second == Failure(kind=Kind.CONNECTION, phase=Phase.CONNECTING, message=STALE)
    assert server.total == 1


def test_the_watchdog_breaks_off_what_takes_too_long() -> None:
    """Within a tick of `total`; and the task is not left cancelled."""

    async def act(transport: Transport, url: URL, flight: Flight) -> tuple[Reply | Failure, float, int]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        answer = await post(transport, url, flight)
        task = asyncio.current_task()
        assert task is not None
        return answer, loop.time() - begun, task.cancelling()

    (answer, seconds, cancelling), _ = through(act, always=hang)
    assert answer == Failure(kind=Kind.TIMEOUT, phase=Phase.SENT, message="broken off")
    assert 4.0 <= seconds <= 4.6
    assert cancelling == 0


@pytest.mark.parametrize("size", [0, 900_000])
def test_an_answer_that_arrived_while_the_process_stood_still_is_read(size: int) -> None:
    """A laptop's lid, SIGSTOP, a long call: the reply is in the socket when the clock says that it is too late."""

    async def answer_and_stop(connection: Connection) -> None:
        await connection.request()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HurriedLoop)
        body = {"code": 0, "message": "SUCCEED", "data": {"task_id": "77"}, "padding": " " * size}
        connection.transport.write(reply(body))
        loop.now += 3600.0
        await connection.hang()

    answer, server = through(post, always=answer_and_stop)
    assert isinstance(answer, Reply)
    assert (answer.task_id, server.total) == ("77", 1)


def test_a_standstill_without_an_answer_is_a_time_out() -> None:
    """One tick later."""

    async def stop(connection: Connection) -> None:
        await connection.request()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HurriedLoop)
        loop.now += 3600.0
        await connection.hang()

    assert through(post, always=stop)[0] == Failure(kind=Kind.TIMEOUT, phase=Phase.SENT, message="broken off")


def test_a_cancellation_from_outside_is_not_swallowed() -> None:
    """Not even when the watchdog came at the same moment."""

    async def act(transport: Transport, url: URL, flight: Flight) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        def both() -> None:
            flight.abort(Kind.TIMEOUT)
            task.cancel()

        for ending in (task.cancel, both):
            loop.call_later(1.0, ending)
            with pytest.raises(asyncio.CancelledError):
                await post(transport, url, flight)
            while task.cancelling():
                task.uncancel()

    through(act, always=hang)


CONNECTION_KEY: Any = type("Key", (), {"ssl": True, "host": "h", "port": 1})()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), Kind.TIMEOUT),
        (aiohttp.ServerTimeoutError(), Kind.TIMEOUT),
        (aiohttp.ConnectionTimeoutError(), Kind.TIMEOUT),
        (OSError(113, "No route to host"), Kind.CONNECTION),
        (aiohttp.ServerDisconnectedError(), Kind.CONNECTION),
        (aiohttp.ClientConnectionResetError(), Kind.CONNECTION),
        (aiohttp.ClientConnectorError(CONNECTION_KEY, OSError(111, "refused")), Kind.CONNECTION),
        (aiohttp.InvalidURL("x"), Kind.CONFIGURATION),
        (ssl.SSLCertVerificationError(), Kind.CONFIGURATION),
        (aiohttp.ClientConnectorSSLError(CONNECTION_KEY, ssl.SSLError(1, "handshake")), Kind.CONNECTION),
        (aiohttp.ClientPayloadError(), Kind.PROTOCOL),
        (ValueError("odd"), Kind.PROTOCOL),
    ],
)
def test_every_error_has_its_kind(error: Exception, kind: Kind) -> None:
    """Of `connection timeout protocol configuration`; the phase is the flight's."""
    flight = Flight()
    flight.begin(0.0)
    failure = explain(error, flight, HEADERS)
    assert (failure.kind, failure.phase) == (kind, Phase.CONNECTING)
    assert failure.message.startswith((type(error).__name__, "cannot reach h:1 ("))


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "no such host is known"),
        (OSError("Multiple exceptions: ..."), "Multiple exceptions: ..."),
    ],
)
def test_a_gateway_that_cannot_be_reached_is_named(error: OSError, why: str) -> None:
    """By host and port, and why in the system's own words."""
    failure = explain(aiohttp.ClientConnectorError(CONNECTION_KEY, error), Flight(), HEADERS)
    assert failure.message == f"cannot reach h:1 ({why})"


def test_a_failure_shows_no_secret() -> None:
    """Neither the key, nor a proxy's password, nor a long text."""
    text = f"Bearer {KEY} and http://someone:hush@proxy.example:1/ " + "QUJD" * 100
    message = explain(ValueError(text), Flight(), HEADERS).message
    for secret in (KEY, "hush", "QUJD" * 30):
        assert secret not in message
    assert len(message) <= 300


def test_a_file_that_changed_is_a_violation_whatever_followed() -> None:
    """The connection's own error comes later, and says less."""
    flight = Flight()
    flight.sound_fault = AudioChanged(116, "the file changed after it was checked", "clip.wav")
    assert explain(OSError("reset"), flight, HEADERS).kind is Kind.VALIDATION


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "https://h.example", None),
        ({"https_proxy": "http://p:1"}, "https://h.example", "http://p:1"),
        ({"https_proxy": "http://p:1"}, "http://h.example", None),
        ({"all_proxy": "p:1"}, "http://h.example", "http://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": "h.example"}, "https://h.example", None),
        ({"https_proxy": "http://p:1", "no_proxy": "*"}, "https://h.example", None),
        ({"https_proxy": "http://p:1"}, "/no/host", None),
    ],
)
def test_the_environments_proxy_is_read_as_usual(
    variables: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By scheme, with exceptions."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_from_environment(url) == proxy


def test_a_session_that_raises_for_status_is_read_all_the_same() -> None:
    """A refusal is an answer, for a create, a query and a list."""

    async def main() -> None:
        script = answering(reply({"code": 1302, "message": "slow"}, 429))
        async with RawServer(always=script) as server, aiohttp.ClientSession(raise_for_status=True) as session:
            transport, flight = Transport(session, TIMEOUTS), Flight()
            url = URL(server.url) / "create"
            with transport.watching(flight):
                refused = await post(transport, url, flight)
                absent = await transport.get_task(url / "job-1", HEADERS, flight)
        assert isinstance(refused, Reply)
        assert (refused.status, refused.code) == (429, 1302)
        assert isinstance(absent, TaskReply)
        assert (absent.found, absent.reply.code) == (False, 1203)

    hurry(main())
