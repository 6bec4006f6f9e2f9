"""The lean way beside `session.request`: when it is taken, the same bytes, the same answers, and no connection lost."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from attrs import frozen
from multidict import CIMultiDict
from yarl import URL

from lipsync_async import AudioBytes, LipSyncClient, Timeouts
from lipsync_async.terms import Failure, Kind, Phase, Reply
from lipsync_async.wire import Body, TaskReply, encode, lean
from lipsync_async.wire.credential import Headers
from lipsync_async.wire.flight import Flight
from lipsync_async.wire.lean import LARGEST, NEEDS, Lean, Prepared, missing
from lipsync_async.wire.plain import Plain
from lipsync_async.wire.transport import Transport, make_session
from tests.loopback.acts import KEY, client, in_use, request, wav
from tests.loopback.hurried import hurry
from tests.loopback.misdeeds import after_request, hang
from tests.loopback.raw import NOT_FOUND, Connection, RawServer, Script, created, gateway
from tests.loopback.test_network_faults import DOUBTS, ODD_BUT_GOOD

HEADERS = Headers({"Authorization": f"Bearer {KEY}", "Accept": "application/json", "Accept-Encoding": "identity"})
TIMEOUTS = Timeouts(total=4.0, connect=2.0)


# --- which way -----------------------------------------------------------------------------------------------------


def test_this_aiohttp_has_all_that_is_needed() -> None:
    """The lowest that is allowed has it, and so has the newest."""

    async def main() -> str:
        return missing()

    assert asyncio.run(main()) == ""


@pytest.mark.parametrize(
    ("own", "proxy", "told"),
    [
        (True, None, "<Transport, lean>"),
        (False, None, "<Transport, over session.request (the session is borrowed)>"),
        (True, "http://p:1", "<Transport, over session.request (there is a proxy)>"),
    ],
)
def test_the_way_is_chosen_when_the_transport_is_made(own: bool, proxy: str | None, told: str) -> None:
    """A session of our own, and nothing between it and the gateway."""

    async def main() -> str:
        async with make_session() as session:
            return repr(Transport(session, TIMEOUTS, proxy=proxy, own=own))

    assert asyncio.run(main()) == told


def test_a_client_tells_its_way(caplog: pytest.LogCaptureFixture) -> None:
    """In its repr, and in one line for debugging."""

    async def main() -> str:
        async with LipSyncClient("http://127.0.0.1:1", api_key=KEY) as submitter:
            return repr(submitter)

    with caplog.at_level(logging.DEBUG, "lipsync_async"):
        assert asyncio.run(main()).endswith(", <Transport, lean>>")
    assert [("open: " in line, ", <Transport, lean>>" in line) for line in caplog.messages] == [(True, True)]


def test_a_client_with_a_borrowed_session_tells_it() -> None:
    """The caller's session may have traces, cookies and middlewares: it is used as a whole."""

    async def main() -> str:
        async with (
            aiohttp.ClientSession() as session,
            LipSyncClient("http://127.0.0.1:1", api_key=KEY, session=session) as submitter,
        ):
            return repr(submitter)

    assert "the session is borrowed" in asyncio.run(main())


def _gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ResponseHandler, "set_response_params")


def _renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(self: object, request: object, traces: object, timeout: object) -> None: ...

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", connect)


def _wants_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(self: object, req: object, traces: object, timeout: object, more: object) -> None: ...

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", connect)


def _moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "NEEDS", (*NEEDS, ("aiohttp.nowhere", "Anything", None)))


def _without_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiohttp.http_writer._serialize_headers", lambda line, _: f"{line}\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_gone, "ResponseHandler.set_response_params"),
        (_renamed, "TCPConnector.connect"),
        (_wants_more, "TCPConnector.connect"),
        (_moved, "Anything"),
        (_without_a_length, "prepares no head"),
    ],
)
def test_another_aiohttp_goes_over_session_request(
    change: Callable[[pytest.MonkeyPatch], None], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is gone, or is called otherwise, is seen when the client is made, and told."""
    missing.cache_clear()
    change(monkeypatch)

    async def main() -> str:
        async with make_session() as session:
            return repr(Transport(session, TIMEOUTS, own=True))

    try:
        told = asyncio.run(main())
        assert "over session.request" in told
        assert named in told
        assert aiohttp.__version__ in told
    finally:
        missing.cache_clear()


@pytest.mark.parametrize(
    ("length", "sound", "expected"),
    [(LARGEST, False, "Lean"), (LARGEST + 1, False, "Plain"), (900, True, "Plain")],
)
def test_large_and_streamed_bodies_go_over_session_request(
    length: int, sound: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 KiB in memory are the most that is written at once."""
    taken: list[str] = []

    async def post(self: object, *_: object) -> None:
        taken.append(type(self).__name__)

    monkeypatch.setattr(Lean, "post", post)
    monkeypatch.setattr(Plain, "post", post)

    async def main() -> None:
        async with make_session() as session:
            body = Body(b" " * length, AudioBytes(wav()) if sound else None, b"", length)
            await Transport(session, TIMEOUTS, own=True).post(URL("http://h/"), HEADERS, body, Flight())

    asyncio.run(main())
    assert taken == [expected]


# --- the same on the wire ------------------------------------------------------------------------------------------


@frozen
class Seen:
    """What one act did, over one of the ways."""

    answer: object
    bytes: list[bytes]
    """What each connection of the server received."""
    in_use: int
    """Connections that were not given back."""


Act = Callable[[Transport, URL, Flight], Awaitable[Any]]


def over(own: bool, act: Act, *scripts: Script, always: Script = gateway) -> Seen:
    """One act, over the lean way or over `session.request`."""

    async def main() -> Seen:
        async with RawServer(*scripts, always=always) as server, make_session() as session:
            transport, flight = Transport(session, TIMEOUTS, own=own), Flight()
            with transport.watching(flight):
                answer = await act(transport, URL("http://localhost").with_port(server.port) / "create", flight)
            transport.close()
            assert session.connector is not None
            seen = [bytes(connection.seen) for connection in server.connections]
            return Seen(answer, [_without_port(it, server.port) for it in seen], len(session.connector._acquired))

    return hurry(main())


def _without_port(seen: bytes, port: int) -> bytes:
    return seen.replace(f"localhost:{port}".encode(), b"localhost:PORT")


async def post(transport: Transport, url: URL, flight: Flight) -> Reply | Failure:
    """A create."""
    return await transport.post(url, HEADERS, encode(request(), "job-1"), flight)


async def look(transport: Transport, url: URL, flight: Flight) -> TaskReply | Failure:
    """A query."""
    headers = Headers(HEADERS, **{"Cache-Control": "no-cache", "Pragma": "no-cache"})
    return await transport.get_task((url / "a b").update_query(_="1&2"), headers, flight)


@pytest.mark.parametrize("act", [post, look])
def test_both_ways_send_the_same_bytes(act: Act) -> None:
    """Host with its port, key, agent, length, type, no-cache, the path as it is escaped."""
    lean_way, plain = over(True, act), over(False, act)
    assert lean_way == plain
    assert b"\r\nHost: localhost:PORT\r\n" in lean_way.bytes[0]
    assert b"\r\nUser-Agent: Python/" in lean_way.bytes[0]
    assert f"\r\nAuthorization: Bearer {KEY}\r\n".encode() in lean_way.bytes[0]


FAULTS = {name: doubt.script for name, doubt in DOUBTS.items()} | ODD_BUT_GOOD


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("act", [post, look])
def test_both_ways_say_the_same_of_every_fault(act: Act, name: str) -> None:
    """Kind, phase and reply, for aiohttp words its parser's errors anew; and every connection is given back."""
    told = [over(own, act, always=FAULTS[name]) for own in (True, False)]
    assert [seen.in_use for seen in told] == [0, 0]
    one, other = (_comparable(seen.answer) for seen in told)
    assert one == other


def _comparable(answer: object) -> object:
    return (answer.kind, answer.phase) if isinstance(answer, Failure) else answer


def test_redirects_are_not_followed() -> None:
    """The reply itself is the answer, over both ways."""
    moved = b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    for own in (True, False):
        seen = over(own, post, after_request(moved))
        assert isinstance(seen.answer, Reply)
        assert (seen.answer.status, len(seen.bytes)) == (307, 1)


def test_a_new_key_goes_into_the_next_request() -> None:
    """The head is made once for a pair of address and headers, and anew for another."""

    async def act(transport: Transport, url: URL, flight: Flight) -> None:
        await post(transport, url, flight)
        await post(transport, url, flight)
        body = encode(request(), "job-1")
        await transport.post(url, Headers({**HEADERS, "Authorization": "Bearer another"}), body, flight)
        await transport.post(url / "more", HEADERS, body, flight)

    (seen,) = over(True, act).bytes
    assert [line for line in seen.split(b"\r\n") if line.startswith(b"Authorization")] == [
        *[f"Authorization: Bearer {KEY}".encode()] * 2,
        b"Authorization: Bearer another",
        f"Authorization: Bearer {KEY}".encode(),
    ]
    assert seen.count(b"POST /create HTTP/1.1") == 3
    assert seen.count(b"POST /create/more HTTP/1.1") == 1


# --- one write, and what was sent ----------------------------------------------------------------------------------


class Wire:
    """A transport of asyncio's that notes each write, and the phase that it found."""

    def __init__(self, flight: Flight, closing: bool = False) -> None:
        self.flight = flight
        self.closing = closing
        self.writes: list[tuple[bytes, Phase]] = []

    def is_closing(self) -> bool:
        """As asyncio's."""
        return self.closing

    def write(self, data: bytes) -> None:
        """As asyncio's."""
        self.writes.append((data, self.flight.phase))


def written(*, closing: bool = False, gone: bool = False, held_back: bool = False) -> tuple[Wire, Flight]:
    """One create, handed to a wire."""
    flight = Flight()
    flight.guard = lambda: not held_back
    wire = Wire(flight, closing)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        protocol = ResponseHandler(loop)
        protocol.transport = None if gone else wire  # type: ignore[assignment]
        expected = pytest.raises(ConnectionAbortedError) if held_back else nullcontext()
        try:
            with expected:
                lean._write(protocol, Prepared("POST", URL("http://h/x"), HEADERS, loop), b"{}", flight)
        finally:
            protocol.transport = None

    asyncio.run(main())
    return wire, flight


def test_nothing_leaves_where_the_guard_says_no() -> None:
    """Not a byte: head and body are one write."""
    wire, flight = written(held_back=True)
    assert (wire.writes, flight.phase, flight.held_back) == ([], Phase.SENDING, True)


def test_head_and_body_leave_in_one_write_and_are_sent_right_before() -> None:
    """What a crash, or a fault, finds after the write was sent."""
    wire, flight = written()
    ((data, phase),) = wire.writes
    assert data.startswith(b"POST /x HTTP/1.1\r\nHost: h\r\n")
    assert b"\r\nContent-Length: 2\r\n" in data
    assert data.endswith(b"\r\n\r\n{}")
    assert (phase, flight.phase) == (Phase.SENT, Phase.SENT)


@pytest.mark.parametrize("how", [{"closing": True}, {"gone": True}])
def test_what_no_connection_takes_was_not_sent(how: dict[str, bool]) -> None:
    """Asyncio drops what is written to a connection that closes: it is not written."""
    flights: list[Flight] = []
    begin = Flight.__init__

    def noted(self: Flight) -> None:
        begin(self)
        flights.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flight, "__init__", noted)
        with pytest.raises(aiohttp.ClientConnectionResetError):
            written(**how)
    assert flights[0].phase is Phase.SENDING


# --- connections ---------------------------------------------------------------------------------------------------


def test_a_cancellation_closes_the_connection() -> None:
    """The reply that may still come must not be taken for another job's."""
    ends: list[bool] = []

    async def watch(connection: Connection) -> None:
        await connection.request()
        await connection.gone.wait()
        ends.append(True)

    async def act(transport: Transport, url: URL, flight: Flight) -> None:
        task = asyncio.ensure_future(post(transport, url, Flight()))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(1.0)

    seen = over(True, act, watch)
    assert ends == [True]
    assert seen.in_use == 0


def test_a_query_does_not_read_what_nobody_asked_for() -> None:
    """The connection that holds an answer already is closed, and the query goes over another one."""

    async def chatty(connection: Connection) -> None:
        await connection.request()
        await connection.send(created("job-1") + created("job-1", "666"))
        await connection.hang()

    async def act(transport: Transport, url: URL, flight: Flight) -> object:
        await post(transport, url, flight)
        return await look(transport, url, flight)

    seen = over(True, act, chatty)
    assert isinstance(seen.answer, TaskReply)
    assert seen.answer.found is False
    assert len(seen.bytes) == 2


@pytest.mark.parametrize("breaks", [1, 2])
def test_a_query_is_asked_once_more_where_the_connection_broke(breaks: int) -> None:
    """As `session.request` does; the second break is an answer."""
    scripts = [after_request(end="reset")] * breaks
    for own in (True, False):
        seen = over(own, look, *scripts, always=after_request(NOT_FOUND))
        assert len(seen.bytes) == 2
        if breaks == 1:
            assert isinstance(seen.answer, TaskReply)
        else:
            assert _comparable(seen.answer) == (Kind.CONNECTION, Phase.SENDING)


def test_a_connection_that_is_not_made_is_not_tried_twice() -> None:
    """Neither for a create nor for a query; the port is refused."""

    async def act(transport: Transport, url: URL, flight: Flight) -> list[object]:
        nowhere = url.with_port(1)
        return [await post(transport, nowhere, flight), await look(transport, nowhere, flight)]

    told = [over(own, act).answer for own in (True, False)]
    assert told[0] == told[1]
    assert isinstance(told[0], list)
    assert [_comparable(it) for it in told[0]] == [
        (Kind.CONNECTION, Phase.CONNECTING),
        (Kind.CONNECTION, Phase.SENDING),
    ]


def test_no_frame_of_an_error_shows_the_key() -> None:
    """A traceback may be told with its local names."""

    async def main() -> str:
        async with RawServer(after_request(end="reset")) as server, make_session() as session:
            way, body = Lean(session, TIMEOUTS), encode(request(), "job-1")
            with pytest.raises(aiohttp.ClientError) as caught:
                await way.post(URL(server.url), HEADERS, body, Flight())
            error = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            return "".join(error.format())

    text = hurry(main())
    assert "prepared" in text
    assert KEY not in text


def test_a_client_gives_back_every_connection() -> None:
    """Forty jobs over good connections and bad ones: none is in use when all have come out."""

    async def main() -> None:
        scripts = [after_request(end="reset"), hang, after_request(created("job-1"))]
        async with RawServer(*scripts) as server, client(server) as submitter:
            await submitter.submit_many([request(f"job-{number}") for number in range(40)])
            assert not in_use(submitter)

    hurry(main())


def test_a_head_has_a_length_or_it_is_a_query() -> None:
    """What can't be split is not taken apart."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(ValueError, match="length"):
            Prepared("GET", URL("http://h/"), CIMultiDict({"Content-Length": "0"}), loop)

    asyncio.run(main())


@pytest.mark.parametrize("most", [lean.MOST_READ, 1 << 18])
def test_little_is_read_at_once(most: int) -> None:
    """For 256 KiB a read would ask the system for pages; what is larger than one read is read all the same."""
    body = b"x" * (3 * lean.MOST_READ)

    async def large(connection: Connection) -> None:
        await connection.request()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        await connection.send(head + body)
        await connection.hang()

    async def act(transport: Transport, url: URL, flight: Flight) -> object:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("asyncio.selector_events._SelectorTransport.max_size", most)
            answer = await transport.ask(url, HEADERS, flight, _read_body)
            assert transport._lean is not None
            (kept,) = transport._lean.kept._free
            return answer, getattr(kept.transport, "max_size")  # noqa: B009 - asyncio tells nobody of it

    assert over(True, act, large).answer == (body, lean.MOST_READ)


def _read_body(status: int, headers: object, body: bytes, /, *, broken: bool, now: float) -> bytes:
    del status, headers, broken, now
    return body
