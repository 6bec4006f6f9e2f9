"""One request: deadlines, credentials, bodies that are capped and unpacked, and failures put into words."""

from __future__ import annotations

import asyncio
import gc
import ssl
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import aiohttp
import pytest
from aiohttp.http_writer import StreamWriter
from multidict import CIMultiDict
from yarl import URL

from lipsync_async import AudioBytes, Timeouts
from lipsync_async.errors import ConfigurationError
from lipsync_async.request.audio import SLICE, AudioChanged
from lipsync_async.terms import Failure, Kind, Phase, Reply
from lipsync_async.wire import TaskReply, encode
from lipsync_async.wire.transport import (
    KEY_PATIENCE,
    MAX_REPLY,
    STALE,
    Credential,
    Flight,
    Transport,
    Watchdog,
    _Upload,
    explain,
    inflate,
    make_session,
    proxy_from_environment,
    usable_key,
    without_key,
)
from tests.loopback.acts import KEY, request, wav
from tests.loopback.hurried import hurry
from tests.loopback.raw import NOT_FOUND, Connection, RawServer, Script, answering, created, gateway, gzipped, reply

T = TypeVar("T")
HEADERS = CIMultiDict({"Authorization": f"Bearer {KEY}"})
TIMEOUTS = Timeouts(total=4.0, connect=2.0)


def through(
    act: Callable[[Transport, URL, Flight], Awaitable[T]], *scripts: Script, always: Script = gateway
) -> tuple[T, RawServer]:
    """One act with a transport of its own, watched."""

    async def main() -> tuple[T, RawServer]:
        async with RawServer(*scripts, always=always) as server, make_session() as session:
            transport = Transport(session, TIMEOUTS)
            flight = Flight()
            with transport.watching(flight):
                return await act(transport, URL(server.url) / "create", flight), server

    return hurry(main())


async def post(transport: Transport, url: URL, flight: Flight) -> Reply | Failure:
    """A create."""
    return await transport.post(url, HEADERS, encode(request(), "job-1"), flight)


async def hang(connection: Connection) -> None:
    """Reads all and never answers."""
    await connection.hang()


# --- posts and queries ---------------------------------------------------------------------------------------------


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
    """A date long past asks for no wait."""
    late = reply(b"", 429, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT")
    answer, _ = through(post, always=answering(late))
    assert isinstance(answer, Reply)
    assert answer.retry_after == 0.0


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
        await transport._session.close()
        return await post(transport, url, flight)

    answer, server = through(act)
    assert isinstance(answer, Failure)
    assert answer.phase is Phase.CONNECTING
    assert not server.connections


def test_a_streamed_body_has_no_text_and_a_size() -> None:
    """What aiohttp may ask a payload for."""

    async def main() -> None:
        body = encode(request(sound_file=AudioBytes(wav())), "job-1")
        upload = _Upload(body, Flight())
        assert upload.size == body.length
        with pytest.raises(TypeError):
            upload.decode()

    hurry(main())


class Closing(StreamWriter):
    """A writer whose connection goes away before the given write."""

    def __init__(self, good: int) -> None:
        self.good = good
        self.written = 0

    @property
    def transport(self) -> None:
        """None is left."""
        return

    async def write(self, chunk: object, *, drain: bool = True, LIMIT: int = 0) -> None:  # noqa: N803 - aiohttp's name
        """As aiohttp's, which looks before it writes."""
        if self.written == self.good:
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
        self.written += 1

    async def drain(self) -> None:
        """Takes all."""


@pytest.mark.parametrize("good", [0, 1, 2, 3])
def test_a_slice_that_was_not_handed_over_was_not_sent(good: int) -> None:
    """The last one, too: `SENT` is taken back where aiohttp refuses it, and stands where it took it."""

    async def main() -> None:
        flight = Flight()
        body = encode(request(sound_file=AudioBytes(wav(1.0)), sound_end_time=900), "job-1")
        upload = _Upload(body, flight)
        if good == 3:  # head, one slice, tail
            await upload.write(Closing(good))
            assert flight.phase is Phase.SENT
        else:
            with pytest.raises(aiohttp.ClientConnectionResetError):
                await upload.write(Closing(good))
            assert flight.phase is Phase.SENDING

    hurry(main())


class Rounds(Closing):
    """A writer that notes in which round of the loop each write came."""

    now = 0

    def __init__(self, seen: list[int]) -> None:
        super().__init__(-1)
        self.seen = seen

    async def write(self, chunk: object, *, drain: bool = True, LIMIT: int = 0) -> None:  # noqa: N803 - aiohttp's name
        """Takes all."""
        if len(cast("bytes", chunk)) == SLICE * 4 // 3:
            self.seen.append(Rounds.now)


def test_uploads_take_turns() -> None:
    """However many there are, a round of the loop carries one slice; after them nothing is kept of the loop."""

    async def main() -> None:
        loop, seen = asyncio.get_running_loop(), list[int]()

        async def count() -> None:
            while True:
                Rounds.now += 1
                await asyncio.sleep(0)

        counter = asyncio.create_task(count())
        body = encode(request(sound_file=AudioBytes(wav() + bytes(4 * SLICE))), "job-1")
        await asyncio.gather(*(_Upload(body, Flight()).write(Rounds(seen)) for _ in range(8)))
        counter.cancel()
        assert len(seen) == len(set(seen)) == 8 * 5
        gc.collect()
        assert loop not in _Upload._turns

    hurry(main())


def test_what_an_earlier_request_left_in_a_connection_is_not_read() -> None:
    """The request is not sent over it: surely unsent, to be tried again."""

    async def act(transport: Transport, url: URL, flight: Flight) -> list[Reply | Failure]:
        first = await post(transport, url, flight)
        await asyncio.sleep(1.0)
        return [first, await post(transport, url, flight)]

    async def twice(connection: Connection) -> None:
        await connection.request()
        await connection.send(created("job-1"))
        await asyncio.sleep(0.5)
        await connection.send(created("job-1", "666"))
        await connection.hang()

    (first, second), server = through(act, twice)
    assert isinstance(first, Reply)
    assert second == Failure(kind=Kind.CONNECTION, phase=Phase.CONNECTING, message=STALE)
    assert server.total == 1


# --- deadlines -----------------------------------------------------------------------------------------------------


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


def test_an_abort_does_nothing_while_nothing_is_under_way() -> None:
    """Before, after, and a second time."""

    async def main() -> None:
        flight = Flight()
        flight.abort(Kind.CANCELLED)
        assert flight.aborted is None
        assert not flight.swallow_cancellation()
        watchdog = Watchdog(TIMEOUTS, asyncio.get_running_loop())
        with watchdog.watching(flight):
            flight.abort(Kind.CANCELLED)
            assert flight.aborted is None
            await asyncio.sleep(3.0)
            flight.begin(asyncio.get_running_loop().time())
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(60.0)
            assert flight.aborted is Kind.TIMEOUT
            flight.abort(Kind.CANCELLED)
            assert flight.aborted is Kind.TIMEOUT
            assert flight.swallow_cancellation()

    hurry(main())


def test_one_watchdog_looks_after_many_flights() -> None:
    """Its timer lives as long as one of them."""

    async def main() -> None:
        watchdog = Watchdog(TIMEOUTS, asyncio.get_running_loop())
        first, second = Flight(), Flight()
        with watchdog.watching(first):
            with watchdog.watching(second):
                assert watchdog._timer is not None
            assert watchdog._timer is not None
        assert watchdog._timer is None

    hurry(main())


# --- credentials ---------------------------------------------------------------------------------------------------


def test_a_key_is_asked_for_once_and_renewed_once_a_generation() -> None:
    """By whoever comes first; the others find it done."""
    asked: list[int] = []

    async def source() -> str:
        asked.append(1)
        await asyncio.sleep(1.0)
        return f"key-number-{len(asked)}"

    async def main() -> None:
        credential = Credential(source)
        assert repr(credential) == "<Credential, generation 0>"
        headers = await asyncio.gather(*(credential.headers() for _ in range(5)))
        assert {found["Authorization"] for found in headers} == {"Bearer key-number-1"}
        assert credential.may_refresh(1)
        await asyncio.gather(*(credential.refresh(1) for _ in range(5)))
        assert (await credential.headers())["Authorization"] == "Bearer key-number-2"
        assert credential.generation == len(asked) == 2
        assert not credential.may_refresh(2), "a renewed key that never worked is a dead one"
        credential.good = 2
        assert credential.may_refresh(2)

    hurry(main())


def test_a_fixed_key_is_never_renewed() -> None:
    """There is no other."""

    async def main() -> None:
        credential = Credential("a-fixed-key")
        await credential.headers()
        assert not credential.may_refresh(1)
        assert "a-fixed" not in repr(credential)

    hurry(main())


@pytest.mark.parametrize("key", [None, "", " ", 7, b"bytes", "a b", "a\r\nX: y", "ключ", "x\x00"])
def test_a_key_that_is_none_is_refused_unseen(key: Any) -> None:
    """The error never shows it."""
    with pytest.raises(ConfigurationError) as caught:
        usable_key(key)
    assert caught.value.kind == "auth"
    assert str(caught.value) == "the API key is empty, or holds characters that no header may carry"


def test_white_space_around_a_key_is_nobodys_intention() -> None:
    """It comes with files and shells."""
    assert usable_key("\tkey\r\n") == "key"


# --- bodies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "encoding", "expected"),
    [
        (gzipped(b"{}"), "gzip", (b"{}", False)),
        (gzipped(b"{}"), "x-gzip", (b"{}", False)),
        (zlib.compress(b"{}"), "deflate", (b"{}", False)),
        (gzipped(b"{}")[:-1], "gzip", (b"{}", True)),
        (b"", "gzip", (b"", True)),
        (b"{}", "gzip", (b"", True)),
        (b"{}", "br", (b"", True)),
        (gzipped(b" " * (MAX_REPLY + 1)), "gzip", (b" " * MAX_REPLY, True)),
        (gzipped(b" " * (MAX_REPLY - 1)), "gzip", (b" " * (MAX_REPLY - 1), False)),
    ],
)
def test_a_body_is_unpacked_up_to_the_cap(raw: bytes, encoding: str, expected: tuple[bytes, bool]) -> None:
    """What ended early, is over the cap or is something else is broken, and told as such."""
    assert inflate(raw, encoding) == expected


def test_the_key_is_cut_out_of_what_a_gateway_says() -> None:
    """Also where JSON escaped its slashes; a stand-in that is too short is left alone."""
    assert without_key(b"no: key-that-nobody-may-see!", HEADERS) == b"no: [...]!"
    slashed = CIMultiDict({"Authorization": "Bearer abc/def+ghi=="})
    assert without_key(b'{"m":"abc\\/def+ghi== abc/def+ghi=="}', slashed) == b'{"m":"[...] [...]"}'
    short = CIMultiDict({"Authorization": "Bearer code"})
    assert without_key(b'{"code":0}', short) == b'{"code":0}'


# --- failures in words ---------------------------------------------------------------------------------------------

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
    assert failure.message.startswith(type(error).__name__)


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


# --- proxies -------------------------------------------------------------------------------------------------------


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


# --- keys that take their time, sessions with a will of their own --------------------------------------------------


async def never() -> str:
    """A vault that does not answer."""
    await asyncio.Event().wait()
    raise AssertionError


def test_a_key_that_never_comes_is_an_error_in_time() -> None:
    """The first one and its renewal, for all that wait, each after `KEY_PATIENCE`."""
    given: list[str] = []

    async def once() -> str:
        if given:
            return await never()
        given.append("key-number-1")
        return given[0]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.timeout(10 * KEY_PATIENCE):
            with pytest.raises(ConfigurationError, match="no API key came in 60 s") as caught:
                await Credential(never).headers()
            assert caught.value.kind is Kind.AUTH
            assert loop.time() - begun == pytest.approx(KEY_PATIENCE)
            credential = Credential(once)
            await credential.headers()
            with pytest.raises(ConfigurationError):
                await credential.refresh(1)
            assert loop.time() - begun == pytest.approx(2 * KEY_PATIENCE)

    hurry(main())


def test_a_forgotten_key_is_asked_for_again() -> None:
    """Where there is somebody to ask; a fixed one stays what it is."""
    keys = iter(["key-number-1", "key-number-2"])

    async def main() -> None:
        credential, fixed = Credential(lambda: next(keys)), Credential("a-fixed-key")
        for one in (credential, fixed):
            await one.headers()
            one.forget()
        assert fixed.known_headers is not None
        assert (await credential.headers())["Authorization"] == "Bearer key-number-2"
        assert credential.generation == 2

    hurry(main())


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
