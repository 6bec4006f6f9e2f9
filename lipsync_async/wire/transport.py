"""One POST or GET over aiohttp: bytes out; a `Reply`, or a `Failure` that knows how far the request got.

It never retries, follows no redirect, reads at most 1 MiB of a reply, decompressed, and checks certificates.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import warnings
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, TypeVar
from urllib.request import getproxies, proxy_bypass

import aiohttp
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from lipsync_async.about import user_agent
from lipsync_async.config import Limits, Timeouts
from lipsync_async.errors import ConfigurationError
from lipsync_async.request.audio.machine import is_machines_fault
from lipsync_async.terms import Failure, Kind, Phase, Reply
from lipsync_async.unreachable import why_unreachable

from . import texts
from .bodies import Body
from .flight import Flight, Watchdog
from .kept import KEEP_ALIVE
from .lean import LARGEST, Lean, missing
from .plain import Plain
from .redaction import PASSWORD, CleanHeaders, clean_error, text_without_key, without_key
from .replies import read_reply
from .tasks import TaskReply, read_task, read_task_list
from .unpacking import Arrived, body_at_hand, read_body
from .upload import STALE

_T = TypeVar("_T")
_Out_co = TypeVar("_Out_co", covariant=True)


_IS_THERE = frozenset({200, 206})
_LEADS_ON = frozenset({301, 302, 303, 307, 308})
_VIDEO_TYPES = ("video/", "application/octet-stream", "binary/")


class Read(Protocol[_Out_co]):
    """Reads an answer."""

    def __call__(self, status: int, headers: Mapping[str, str], body: bytes, /, *, broken: bool, now: float) -> _Out_co:
        """Makes something of an answer; `now` is the wall clock's."""
        ...


class _Answer(Struct, frozen=True):
    """A reply as it came, without the key."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    broken: bool


def _as_it_came(status: int, headers: Mapping[str, str], body: bytes, /, *, broken: bool, now: float) -> _Answer:
    del now
    return _Answer(status, headers, body, broken)


class _Way(Protocol):
    """How requests leave. None: the connection held a reply before the request, which was not sent."""

    def post(
        self, url: URL, headers: CIMultiDict[str], body: Body, flight: Flight
    ) -> Coroutine[Any, Any, Arrived | None]: ...

    async def get(self, url: URL, headers: CIMultiDict[str]) -> Arrived | None: ...


class Transport:
    """The HTTP of one client and one gateway.

    `own` says that nobody else has a hand in the session; small bodies take the lean way then, if there is one.
    """

    def __init__(
        self, session: aiohttp.ClientSession, timeouts: Timeouts, *, proxy: str | None = None, own: bool = False
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._watchdog = Watchdog(timeouts, self._loop)
        self.watching = self._watchdog.watching
        self._plain: _Way = Plain(session, timeouts, proxy)
        self._small: _Way = self._plain
        """Takes queries, and bodies of up to `LARGEST` bytes that are in memory."""
        reason = _why_plain(own, proxy)
        self._lean = None if reason else Lean(session, timeouts)
        if self._lean is not None:
            self._small = self._lean
        self._way = f"over session.request ({reason})" if reason else "lean"

    def __repr__(self) -> str:
        return f"<Transport, {self._way}>"

    def close(self) -> None:
        """To be called before the session is closed."""
        if self._lean is not None:
            self._lean.kept.close()

    def post(
        self, url: URL, headers: CIMultiDict[str], body: Body, flight: Flight
    ) -> Coroutine[Any, Any, Reply | Failure]:
        """Creates. Raises only what cancels."""
        return self.ask(url, headers, flight, read_reply, body)

    def get_task(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> Coroutine[Any, Any, TaskReply | Failure]:
        """Asks for one task. Raises only what cancels."""
        return self.ask(url, headers, flight, read_task)

    async def list_tasks(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> list[TaskReply] | None:
        """Asks for a page of the task list; None where it could not be read. Raises only what cancels."""
        answer = await self.ask(url, headers, flight, _as_it_came)
        if isinstance(answer, Failure) or answer.broken:
            return None
        return read_task_list(answer.status, answer.headers, answer.body)

    async def has_video(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> bool:
        """Whether a video begins there, or the way leads on to one. Raises only what cancels."""
        answer = await self.ask(url, headers, flight, _as_it_came)
        if isinstance(answer, Failure):
            return False
        if answer.status in _LEADS_ON:
            return "Location" in answer.headers
        # One that is longer than a reply may be is not read, and tells by its type what it is.
        kind = answer.headers.get("Content-Type", "").lower()
        is_video = answer.body[4:8] == b"ftyp" or (answer.broken and kind.startswith(_VIDEO_TYPES))
        return answer.status in _IS_THERE and is_video

    async def ask(
        self, url: URL, headers: CIMultiDict[str], flight: Flight, read: Read[_T], body: Body | None = None
    ) -> _T | Failure:
        """Asks for anything: a POST where there is a body, else a GET; and what `read` makes of the answer.

        `read` takes what `read_reply` takes: an answer without the key.
        Raises only what cancels.
        """
        flight.begin(self._loop.time())
        arrived: Arrived | None = None
        try:
            if body is None:
                flight.phase = Phase.SENDING  # nothing tells when it was connected: the whole time is its deadline
                arrived = await self._small.get(url, headers)
            else:
                way = self._small if body.sound is None and body.length <= LARGEST else self._plain
                arrived = await way.post(url, headers, body, flight)
            if arrived is None:
                return Failure(kind=Kind.CONNECTION, phase=flight.phase, message=STALE)
            flight.phase = Phase.ANSWERED
            raw, broken = body_at_hand(arrived) or await read_body(arrived)
        except asyncio.CancelledError:
            if not flight.swallow_cancellation():
                raise
            if arrived is None:
                return Failure(kind=flight.aborted or Kind.CANCELLED, phase=flight.phase, message="broken off")
            raw, broken = b"", True
        except Exception as error:  # noqa: BLE001 - whatever a connection can do wrong, the job must come out
            return explain(error, flight, headers)
        finally:
            flight.begun = None
            if arrived is not None:
                arrived.leave()
        clean = without_key(raw, headers)
        return read(arrived.status, CleanHeaders(arrived.headers, headers), clean, broken=broken, now=time.time())


def _why_plain(own: bool, proxy: str | None) -> str:
    """Why all requests go over `session.request`; "" where small ones take the lean way."""
    if not own:
        return "the session is borrowed"
    return "there is a proxy" if proxy is not None else missing()


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
        kind = Kind.STORAGE if is_machines_fault(flight.sound_fault) else Kind.VALIDATION
        met = clean_error(flight.sound_fault, headers)
        return Failure(kind=kind, phase=flight.phase, message=str(flight.sound_fault), error=met)
    text = text_without_key(_unreachable(error) or f"{type(error).__name__}: {error}", headers)
    text = texts.message(PASSWORD.sub("//", text))[:300]
    kind = _kind_of(error)
    return Failure(kind=kind, phase=flight.phase, message=text, error=clean_error(error, headers))


def _unreachable(error: Exception) -> str:
    """`cannot reach 127.0.0.1:8904 (connection refused)`; "" for another fault."""
    if not isinstance(error, aiohttp.ClientConnectorError) or isinstance(error, aiohttp.ClientSSLError):
        return ""
    return f"cannot reach {error.host}:{error.port} ({why_unreachable(error.os_error)})"


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


def agent_of(session: aiohttp.ClientSession) -> str | None:
    """The User-Agent of our requests; None where the session has one, which stays."""
    return None if "User-Agent" in session.headers else user_agent()


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
