"""One POST or GET over aiohttp: bytes out; a `Reply`, or a `Failure` that knows how far the request got.

It never retries, follows no redirect, reads at most 1 MiB of a reply, decompressed, and checks certificates.
Deadlines are one watchdog's work: it looks at all requests twice a second, which costs nothing a request.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
import warnings
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar
from urllib.request import getproxies, proxy_bypass
from weakref import WeakValueDictionary

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter
from multidict import CIMultiDict
from yarl import URL

from lipsync_async.config import Limits, Timeouts
from lipsync_async.errors import ConfigurationError
from lipsync_async.request.audio import AudioBytes, AudioFile
from lipsync_async.terms import Failure, Kind, Phase, Reply

from . import texts
from .bodies import Body
from .replies import TaskReply, read_reply, read_task, read_task_list

MAX_REPLY = 1 << 20
"""Bytes of a reply's body, decompressed."""
KEEP_ALIVE = 10.0
"""Seconds: a connection that idled for longer may be gone, and finding out costs an `Unknown`."""
KEY_PATIENCE = 60.0
"""Seconds for an async callable to give a key: every job waits for it."""
TICK = 0.5
"""Seconds between two looks of the watchdog."""
STALE = "the connection held a reply that nobody had asked for"
_KEY = re.compile(r"[\x21-\x7e]+")

ApiKey = str | Callable[[], str | Awaitable[str]]


class Flight:
    """One request under way; a worker keeps one for all its jobs."""

    __slots__ = ("aborted", "begun", "phase", "sound_fault", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.phase = Phase.WAITING
        self.begun: float | None = None
        """The loop's time; None while nothing is under way."""
        self.aborted: Kind | None = None
        """Why the watchdog, or a batch that ends, broke it off."""
        self.sound_fault: OSError | None = None

    def begin(self, now: float) -> None:
        """A new request."""
        self.phase = Phase.CONNECTING
        self.begun = now
        self.aborted = None
        self.sound_fault = None

    def abort(self, kind: Kind) -> None:
        """Breaks the request off; its `post` returns a `Failure` of this kind."""
        if self.begun is not None and self.aborted is None and self.task is not None:
            self.aborted = kind
            self.task.cancel()

    def swallow_cancellation(self) -> bool:
        """Whether a cancellation that just arrived was our own `abort`, and no one else's."""
        return self.aborted is not None and self.task is not None and self.task.uncancel() == 0


class Watchdog:
    """Breaks off what takes longer than `Timeouts` allow."""

    def __init__(self, timeouts: Timeouts, loop: asyncio.AbstractEventLoop) -> None:
        self._timeouts = timeouts
        self._loop = loop
        self._flights: set[Flight] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._tick = min(TICK, timeouts.total / 4, timeouts.connect / 4)

    @contextmanager
    def watching(self, flight: Flight) -> Iterator[None]:
        """For as long as a worker lives."""
        flight.task = asyncio.current_task()
        self._flights.add(flight)
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick, self._look)
        try:
            yield
        finally:
            self._flights.discard(flight)
            if not self._flights and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _look(self) -> None:
        self._timer = self._loop.call_later(self._tick, self._look)
        now = self._loop.time()
        for flight in self._flights:
            if flight.begun is not None:
                connecting = flight.phase is Phase.CONNECTING
                if now - flight.begun >= (self._timeouts.connect if connecting else self._timeouts.total):
                    flight.abort(Kind.TIMEOUT)


class Credential:
    """The API key, or what gives it; a new one is asked for once per generation, by whoever comes first."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key
        self._lock = asyncio.Lock()
        self._asked = 0
        self._failure: Exception | None = None
        self.generation = 0
        self.good = 0
        """The last generation with which a job was accepted."""
        self.known_headers: CIMultiDict[str] | None = None
        """The headers of every call, once they are known."""

    def __repr__(self) -> str:
        return f"<Credential, generation {self.generation}>"

    def may_refresh(self, generation: int) -> bool:
        """Whether a refusal of this generation is worth a new one: a renewed key that never worked is a dead one."""
        return callable(self._key) and (generation < self.generation or generation in {1, self.good})

    async def headers(self) -> CIMultiDict[str]:
        """The headers of every call. Raises `ConfigurationError` where the callable gives no usable key."""
        if self.known_headers is None:
            await self.refresh(self.generation)
            assert self.known_headers is not None
        return self.known_headers

    def forget(self) -> None:
        """The key was refused for good: what is sent after this asks for it anew, where there is somebody to ask."""
        if callable(self._key):
            self.known_headers = None

    async def refresh(self, generation: int) -> None:
        """A new key, unless somebody else has renewed that generation already.

        Who waited while another asked in vain shares its failure, and does not ask again.
        """
        asked = self._asked
        async with self._lock:
            if self.generation != generation:
                return
            if self._asked != asked and self._failure is not None:
                raise self._failure
            try:
                self.known_headers = await self._make()
                self._failure = None
            except Exception as error:
                self._failure = error
                raise
            finally:
                self._asked += 1

    async def _make(self) -> CIMultiDict[str]:
        key = self._key
        if callable(key):
            given = key()
            key = given if isinstance(given, str) else await _in_time(given)
        self.generation += 1
        return CIMultiDict(
            {
                "Authorization": f"Bearer {usable_key(key)}",
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            }
        )


async def _in_time(key: Awaitable[str]) -> str:
    try:
        async with asyncio.timeout(KEY_PATIENCE):
            return await key
    except TimeoutError as error:
        raise ConfigurationError(f"no API key came in {KEY_PATIENCE:.0f} s", kind=Kind.AUTH) from error


def usable_key(key: object) -> str:
    """A key that can stand in a header, without the white space around it; the error never shows it."""
    stripped = key.strip() if isinstance(key, str) else ""
    if not _KEY.fullmatch(stripped):
        raise ConfigurationError("the API key is empty, or holds characters that no header may carry", kind=Kind.AUTH)
    return stripped


class _Upload(aiohttp.Payload):
    """A body with a known length that says how far it got, and makes Base64 as it goes."""

    _turns: ClassVar[WeakValueDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakValueDictionary()
    """Of each loop in which sound is uploaded, and only for as long: a lock keeps its loop alive."""

    def __init__(self, body: Body, flight: Flight) -> None:
        super().__init__(body, content_type="application/json")
        self._size = body.length
        self._flight = flight

    def decode(self, _encoding: str = "utf-8", _errors: str = "strict") -> str:
        """Not for streams."""
        raise TypeError("a streamed body has no text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Writes all; `SENT` is set right before the last slice leaves."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, _: int | None) -> None:
        """The same: the length is our own, and there is nothing to cut."""
        assert isinstance(writer, StreamWriter)
        body, flight = self._value, self._flight
        if writer.transport is not None and writer.transport.get_protocol().should_close:  # type: ignore[attr-defined]
            raise aiohttp.ClientConnectionResetError(STALE)
        flight.phase = Phase.SENDING
        if body.sound is not None:
            await writer.write(body.head)
            await self._write_sound(writer, body.sound)
        flight.phase = Phase.SENT
        try:
            # without drain: what raises here was not handed over
            await writer.write(body.tail if body.sound is not None else body.head, drain=False)
        except aiohttp.ClientConnectionResetError:
            flight.phase = Phase.SENDING
            raise

    async def _write_sound(self, writer: StreamWriter, sound: AudioFile | AudioBytes) -> None:
        # A slice a round of the loop, whose ever it is: the loop's lag does not grow with the uploads.
        turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        if writer.transport is not None:
            writer.transport.set_write_buffer_limits(high=0)  # drain waits until all is gone: a slot holds one slice
        slices = sound.slices()
        left = sound.base64_length
        while left > 0:
            async with turn:
                piece = self._next(slices)
                left -= len(piece)
                await writer.write(piece, drain=False)
                del piece  # what waits now is the transport's
                await asyncio.sleep(0)
            await writer.drain()
        self._next(slices)  # none is left: the file is closed

    def _next(self, slices: Iterator[bytes]) -> bytes:
        """A file that changed, or can't be read any more, is this job's fault, and no connection's."""
        try:
            return next(slices, b"")
        except OSError as error:
            self._flight.sound_fault = error
            raise


class Transport:
    """The HTTP of one client and one gateway."""

    def __init__(self, session: aiohttp.ClientSession, timeouts: Timeouts, *, proxy: str | None = None) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._proxy = proxy
        self._no_timers = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect)
        self._watchdog = Watchdog(timeouts, self._loop)
        self.watching = self._watchdog.watching

    async def post(self, url: URL, headers: CIMultiDict[str], body: Body, flight: Flight) -> Reply | Failure:
        """Creates. Raises only what cancels."""
        answer = await self._exchange("POST", url, headers, flight, body)
        if isinstance(answer, Failure):
            return answer
        response, raw, broken = answer
        return read_reply(response.status, response.headers, raw, broken=broken, now=time.time())

    async def get_task(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> TaskReply | Failure:
        """Asks for one task. Raises only what cancels."""
        answer = await self._exchange("GET", url, headers, flight)
        if isinstance(answer, Failure):
            return answer
        response, raw, broken = answer
        return read_task(response.status, response.headers, raw, broken=broken)

    async def list_tasks(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> list[TaskReply] | None:
        """Asks for a page of the task list; None where it could not be read. Raises only what cancels."""
        answer = await self._exchange("GET", url, headers, flight)
        if isinstance(answer, Failure):
            return None
        response, raw, broken = answer
        return None if broken else read_task_list(response.status, response.headers, raw)

    async def _exchange(
        self, method: str, url: URL, headers: CIMultiDict[str], flight: Flight, body: Body | None = None
    ) -> tuple[aiohttp.ClientResponse, bytes, bool] | Failure:
        flight.begin(self._loop.time())
        if body is None:
            flight.phase = Phase.SENDING  # nothing will tell when it was connected: the whole time is its deadline
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._session.request(
                method,
                url,
                headers=headers,
                data=None if body is None else _Upload(body, flight),
                allow_redirects=False,
                raise_for_status=False,
                auto_decompress=False,
                timeout=self._no_timers,
                proxy=self._proxy,
            )
            if flight.phase is Phase.CONNECTING:  # it was there before the request
                response.close()
                return Failure(kind=Kind.CONNECTION, phase=Phase.CONNECTING, message=STALE)
            flight.phase = Phase.ANSWERED
            raw, broken = await read_body(response)
            return response, without_key(raw, headers), broken
        except asyncio.CancelledError:
            if not flight.swallow_cancellation():
                raise
            if response is not None:
                return response, b"", True
            return Failure(kind=flight.aborted or Kind.CANCELLED, phase=flight.phase, message="broken off")
        except Exception as error:  # noqa: BLE001 - whatever a connection can do wrong, the job must come out
            return explain(error, flight, headers)
        finally:
            flight.begun = None
            if response is not None and not response.closed:
                response.close()  # not read to its end: the connection is good for nothing more


async def read_body(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """The body, at most `MAX_REPLY` bytes of it, and whether it is broken.

    Broken is what was over the cap, was cut short, or is not encoded as it says.
    """
    content = response.content
    try:
        raw = content.read_nowait() if content.is_eof() else await _read_capped(content)
    except (aiohttp.ClientError, OSError):
        return b"", True
    if len(raw) > MAX_REPLY:
        return b"", True
    encoding = response.headers.get(hdrs.CONTENT_ENCODING)
    return (raw, False) if encoding is None else inflate(raw, encoding.strip().lower())


async def _read_capped(content: aiohttp.StreamReader) -> bytes:
    """All of it, or just more than the cap."""
    pieces = []
    size = 0
    while size <= MAX_REPLY and (piece := await content.readany()):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


_WINDOW_BITS: Mapping[str, int] = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def inflate(raw: bytes, encoding: str) -> tuple[bytes, bool]:
    """Decompresses at most `MAX_REPLY` bytes; the flag says that it ended early, was over the cap, or can't be read."""
    if encoding in {"", "identity"}:
        return raw, False
    bits = _WINDOW_BITS.get(encoding)
    if bits is None:
        return b"", True
    inflater = zlib.decompressobj(bits)
    try:
        body = inflater.decompress(raw, MAX_REPLY)
    except zlib.error:
        return b"", True
    return body, not inflater.eof


_SHORTEST_SECRET = 8


def without_key(raw: bytes, headers: Mapping[str, str]) -> bytes:
    """What a gateway said, the key cut out: some repeat what they refuse, and it would be shown and written down."""
    key = headers["Authorization"].removeprefix("Bearer ").encode()
    if len(key) < _SHORTEST_SECRET:
        return raw  # a stand-in; it would be found where it is not
    return raw.replace(key, b"[...]").replace(key.replace(b"/", b"\\/"), b"[...]")


_PASSWORD = re.compile(r"//[^\s/@]+@")
"""Of a proxy, in its URL."""
MISCONFIGURED = (
    aiohttp.ClientConnectorCertificateError,
    aiohttp.InvalidURL,
    aiohttp.ServerFingerprintMismatch,
    ssl.SSLCertVerificationError,
)
"""No try will be better than the last."""
_NO_TLS_THERE = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "UNSUPPORTED_PROTOCOL", "HTTP_REQUEST"})
"""OpenSSL's words for another protocol on that port."""


def explain(error: Exception, flight: Flight, headers: Mapping[str, str]) -> Failure:
    """What went wrong, in the words of `terms`; the flight knows how far the request got."""
    if flight.sound_fault is not None:
        return Failure(kind=Kind.VALIDATION, phase=flight.phase, message=str(flight.sound_fault))
    text = without_key(f"{type(error).__name__}: {error}".encode(errors="replace"), headers).decode()
    text = _PASSWORD.sub("//", text)
    return Failure(kind=_kind_of(error), phase=flight.phase, message=texts.message(text)[:300])


def _kind_of(error: Exception) -> Kind:
    if isinstance(error, MISCONFIGURED):
        return Kind.CONFIGURATION
    if isinstance(error, aiohttp.ClientConnectorSSLError) and getattr(error.os_error, "reason", "") in _NO_TLS_THERE:
        return Kind.CONFIGURATION
    if isinstance(error, TimeoutError):
        return Kind.TIMEOUT
    if isinstance(error, aiohttp.ClientConnectionError | OSError):
        return Kind.CONNECTION
    return Kind.PROTOCOL


def make_session() -> aiohttp.ClientSession:
    """A session of our own: no cookies, no cap but the pacer's, idle connections dropped after `KEEP_ALIVE`."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def warn_of_small_pool(session: aiohttp.ClientSession, limits: Limits) -> None:
    """Fewer connections than `max_in_flight` make jobs wait where the pacer can't see it."""
    limit = session.connector.limit if session.connector is not None else 0
    if 0 < limit < limits.max_in_flight:
        warnings.warn(
            f"the session's connector allows {limit} connections, max_in_flight is {limits.max_in_flight}",
            RuntimeWarning,
            stacklevel=3,
        )


def proxy_from_environment(url: str) -> str | None:
    """The proxy that the environment names for a URL, looked up once; None: none.

    Raises `ConfigurationError` for one that speaks anything but HTTP.
    """
    parts = URL(url)
    if parts.host is None or proxy_bypass(parts.host):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        scheme = proxy.partition("://")[0]
        raise ConfigurationError(f"the environment names a proxy that speaks {scheme}; only http and https will do")
    return proxy
