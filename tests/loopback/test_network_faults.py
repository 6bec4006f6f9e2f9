"""What a network can do to a small request: the outcome, its kind, and how often the job arrived whole."""

from __future__ import annotations

import asyncio
import socket

import pytest
from attrs import frozen

from lipsync_async import RetryPolicy
from lipsync_async.outcomes import Accepted, NotSent, Rejected, Unknown
from lipsync_async.terms import Kind, Phase

from .acts import KEY, tell
from .hurried import HurriedLoop
from .misdeeds import BODY, GOOD, HEAD, after_request, at_once, bomb, deaf, dripping, encoded, endless, hang, leave
from .raw import Script, gateway, gzipped, reply

pytestmark = pytest.mark.usefixtures("way")

# --- the request is one piece, so it was sent when anything goes wrong ----------------------------------------------


@frozen
class Doubt:
    """A fault after which nobody knows; the second connection would accept, if the job were sent again."""

    script: Script
    kind: Kind


LARGE = {"Content-Length": "1000000000000"}

DOUBTS: dict[str, Doubt] = {
    "reset after the request": Doubt(after_request(end="reset"), Kind.CONNECTION),
    "closed after the request": Doubt(after_request(), Kind.CONNECTION),
    "no answer": Doubt(hang, Kind.TIMEOUT),
    "half-open": Doubt(deaf, Kind.TIMEOUT),
    "reset within the status line": Doubt(after_request(b"HTTP/1.1 2", end="reset"), Kind.CONNECTION),
    "reset within the headers": Doubt(after_request(HEAD[:40], end="reset"), Kind.CONNECTION),
    "closed within the headers": Doubt(after_request(HEAD[:40]), Kind.CONNECTION),
    "hanging within the headers": Doubt(after_request(HEAD[:40], end="hang"), Kind.TIMEOUT),
    "reset before the body": Doubt(after_request(HEAD, end="reset"), Kind.PROTOCOL),
    "closed before the body": Doubt(after_request(HEAD), Kind.PROTOCOL),
    "reset within the body": Doubt(after_request(HEAD, BODY[:-9], end="reset"), Kind.PROTOCOL),
    "closed within the body": Doubt(after_request(HEAD, BODY[:-9]), Kind.PROTOCOL),
    "hanging within the body": Doubt(after_request(HEAD, BODY[:-9], end="hang"), Kind.PROTOCOL),
    "dripping headers": Doubt(dripping(HEAD, 1.0), Kind.TIMEOUT),
    "a dripping body": Doubt(dripping(HEAD.replace(b"\r\n\r\n", b"\r\nX: y\r\n\r\n") + BODY, 0.05), Kind.PROTOCOL),
    "chunks that end early": Doubt(
        after_request(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{}", end="fin"), Kind.PROTOCOL
    ),
    "chunks without the last": Doubt(
        after_request(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", end="fin"), Kind.PROTOCOL
    ),
    "chunks that hang": Doubt(
        after_request(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", end="hang"), Kind.PROTOCOL
    ),
    "a chunk without a size": Doubt(
        after_request(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", end="hang"), Kind.PROTOCOL
    ),
    "a chunk of a negative size": Doubt(
        after_request(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n", end="hang"), Kind.PROTOCOL
    ),
    "a chunk size of a hundred digits": Doubt(
        after_request(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 100 + b"\r\n", end="hang"),
        Kind.PROTOCOL,
    ),
    "a gzip bomb": Doubt(after_request(bomb("gzip")), Kind.PROTOCOL),
    "a deflate bomb": Doubt(after_request(bomb("deflate")), Kind.PROTOCOL),
    "gzip that ends early": Doubt(after_request(encoded(gzipped(BODY)[:-12], "gzip")), Kind.PROTOCOL),
    "gzip that ends before its checksum": Doubt(after_request(encoded(gzipped(BODY)[:-8], "gzip")), Kind.PROTOCOL),
    "gzip with a wrong checksum": Doubt(after_request(encoded(gzipped(BODY)[:-8] + bytes(8), "gzip")), Kind.PROTOCOL),
    "an empty gzip": Doubt(after_request(encoded(b"", "gzip")), Kind.PROTOCOL),
    "JSON that says it is gzip": Doubt(after_request(encoded(BODY, "gzip")), Kind.PROTOCOL),
    "gzip that does not say so": Doubt(after_request(reply(gzipped(BODY))), Kind.PROTOCOL),
    "gzip that says it is deflate": Doubt(after_request(encoded(gzipped(BODY), "deflate")), Kind.PROTOCOL),
    "gzip twice": Doubt(after_request(encoded(gzipped(gzipped(BODY)), "gzip, gzip")), Kind.PROTOCOL),
    "brotli": Doubt(after_request(encoded(BODY, "br")), Kind.PROTOCOL),
    "an encoding that nobody knows": Doubt(after_request(encoded(BODY, "rot13")), Kind.PROTOCOL),
    "endless headers": Doubt(endless(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 99), Kind.PROTOCOL),
    "an endless header": Doubt(endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 4096), Kind.PROTOCOL),
    "an endless name of a header": Doubt(endless(b"HTTP/1.1 200 OK\r\n", b"x" * 4096), Kind.PROTOCOL),
    "a header of 100 KB": Doubt(
        after_request(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\nContent-Length: 2\r\n\r\n{}"),
        Kind.PROTOCOL,
    ),
    "an endless status line": Doubt(endless(b"HTTP/1.1 200 ", b"O" * 4096), Kind.PROTOCOL),
    "endless interim replies": Doubt(endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 9), Kind.TIMEOUT),
    "an endless body": Doubt(endless(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b" " * 65536), Kind.PROTOCOL),
    "an endless body of a size": Doubt(
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", b" " * 65536), Kind.PROTOCOL
    ),
    "endless chunks": Doubt(
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b" " * 4096 + b"\r\n"),
        Kind.PROTOCOL,
    ),
    "endless small chunks": Doubt(
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 300), Kind.PROTOCOL
    ),
    "an endless chunk extension": Doubt(
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 4096), Kind.PROTOCOL
    ),
    "endless trailers": Doubt(
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-More: and more\r\n" * 99),
        Kind.PROTOCOL,
    ),
    "an endless gzip": Doubt(
        endless(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n", gzipped(bytes(1 << 20), 9)),
        Kind.PROTOCOL,
    ),
    "garbage": Doubt(after_request(bytes(range(128, 192)) + b"\r\n\r\n"), Kind.PROTOCOL),
    "another protocol": Doubt(after_request(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), Kind.PROTOCOL),
    "a TLS alert": Doubt(after_request(b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n"), Kind.PROTOCOL),
    "HTTP/0.9": Doubt(after_request(b'{"code":0,"data":{"task_id":"1"}}\r\n\r\n'), Kind.PROTOCOL),
    "HTTP/2": Doubt(after_request(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18) + b"\r\n\r\n"), Kind.PROTOCOL),
    "a status of four digits": Doubt(after_request(b"HTTP/1.1 2000 OK\r\n\r\n"), Kind.PROTOCOL),
    "a status that is no number": Doubt(after_request(b"HTTP/1.1 OK OK\r\n\r\n"), Kind.PROTOCOL),
    "a negative length": Doubt(after_request(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + BODY), Kind.PROTOCOL),
    "a length that is no number": Doubt(
        after_request(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + BODY), Kind.PROTOCOL
    ),
    "two lengths": Doubt(
        after_request(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} "), Kind.PROTOCOL
    ),
    "a length that is too small": Doubt(
        after_request(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + BODY), Kind.PROTOCOL
    ),
    "switching protocols": Doubt(after_request(b"HTTP/1.1 101 Whatever\r\nUpgrade: x\r\n\r\n"), Kind.PROTOCOL),
    "a body over the cap": Doubt(after_request(reply(b" " * (1 << 20) + BODY)), Kind.PROTOCOL),
    "no type, no length, no body": Doubt(after_request(b"HTTP/1.1 200 OK\r\n\r\n"), Kind.PROTOCOL),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_a_fault_after_the_request_leaves_one_unknown(name: str) -> None:
    """The job may have been acted upon: it is unknown within the time-out and the look-ups, and was sent once."""
    doubt = DOUBTS[name]
    told = tell(doubt.script)
    assert isinstance(told.outcome, Unknown), told.outcome
    assert (told.outcome.kind, told.outcome.attempts) == (doubt.kind, 1), told.outcome
    assert told.outcome.phase >= Phase.SENT
    assert told.server.total <= 1
    assert len(told.server.connections) - told.server.look_ups <= 1  # all others asked
    assert told.seconds <= 8.0 + 0.5 + 15.5
    assert KEY not in told.outcome.message


SAID_ALL_THE_SAME: dict[str, tuple[int, type, Kind | None, int]] = {
    "a rate limit": (429, Accepted, None, 2),
    "a dead key": (401, NotSent, Kind.AUTH, 2),
    "no money": (402, NotSent, Kind.QUOTA, 2),
    "a size": (413, Rejected, Kind.TOO_LARGE, 1),
    "a bad request": (400, Unknown, Kind.PROTOCOL, 1),
    "a bad gateway": (502, Unknown, Kind.SERVER, 1),
}


@pytest.mark.parametrize("how", ["fin", "reset", "hang"])
@pytest.mark.parametrize("name", SAID_ALL_THE_SAME)
def test_a_status_that_refuses_is_believed_without_its_body(name: str, how: str) -> None:
    """Of a reply that breaks off, only a status that refuses for certain counts; anything else is in doubt."""
    status, kind_of_outcome, kind, creates = SAID_ALL_THE_SAME[name]
    cut = f"HTTP/1.1 {status} X\r\nContent-Length: 500\r\n\r\n".encode() + b'{"co'
    always = after_request(cut, end=how)
    told = tell(always, always=gateway if kind_of_outcome is Accepted else always)
    assert isinstance(told.outcome, kind_of_outcome), told.outcome
    assert getattr(told.outcome, "kind", None) == kind
    assert told.server.total == creates


@pytest.mark.parametrize("cut", range(1, len(GOOD), 7))
def test_a_reply_cut_anywhere_is_never_a_second_send(cut: int) -> None:
    """Wherever the connection breaks, the job is unknown or accepted, and was sent once."""
    for end in ("fin", "reset"):
        told = tell(after_request(GOOD[:cut], end=end))
        assert isinstance(told.outcome, Unknown), told.outcome
        assert told.server.total == 1


# --- what is odd, and good ------------------------------------------------------------------------------------------


ODD_BUT_GOOD: dict[str, Script] = {
    "byte by byte": dripping(GOOD, 0.001),
    "100 Continue first": after_request(b"HTTP/1.1 100 Continue\r\n\r\n", GOOD),
    "103 Early Hints first": after_request(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", GOOD),
    "a reset after the reply": after_request(GOOD, end="reset"),
    "a close after the reply": after_request(GOOD),
    "HTTP/1.0": after_request(GOOD.replace(b"HTTP/1.1", b"HTTP/1.0")),
    "an end instead of a length": after_request(HEAD.replace(b"Content-Length", b"X-Length") + BODY),
    "no reason phrase": after_request(GOOD.replace(b"200 Whatever", b"200 ")),
    "1 MiB to the byte": after_request(reply(BODY.ljust(1 << 20))),
    "gzip with a name": after_request(encoded(gzipped(BODY), "x-gzip")),
    "GZIP in capitals": after_request(encoded(gzipped(BODY), " GZIP ")),
    "cookies": after_request(GOOD.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b; Path=/\r\n\r\n", 1)),
    "many headers": after_request(GOOD.replace(b"\r\n\r\n", b"\r\nX-Some: thing" * 90 + b"\r\n\r\n", 1)),
    "a header of 7 KB": after_request(GOOD.replace(b"\r\n\r\n", b"\r\nX-Some: " + b"x" * 7000 + b"\r\n\r\n", 1)),
}


@pytest.mark.parametrize("name", ODD_BUT_GOOD)
def test_an_odd_reply_that_can_be_read_is_accepted(name: str) -> None:
    """Oddities of HTTP that lose nothing change nothing."""
    told = tell(ODD_BUT_GOOD[name])
    assert isinstance(told.outcome, Accepted), told.outcome
    assert (told.outcome.attempts, told.server.total) == (1, 1)


# --- before the request ---------------------------------------------------------------------------------------------


def test_a_refused_port_is_tried_and_then_not_sent() -> None:
    """Nothing listens: every attempt fails before a byte leaves, and the job is safe to submit again."""
    told = tell(url=lambda server: "http://127.0.0.1:1")
    assert isinstance(told.outcome, NotSent)
    assert (told.outcome.kind, told.outcome.attempts) == (Kind.CONNECTION, 5)
    assert not told.server.connections


def test_a_name_that_nobody_knows_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS that finds nothing is a connection that was not made."""

    async def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(HurriedLoop, "getaddrinfo", nobody)
    told = tell(url=lambda server: "http://gateway.invalid", retry=RetryPolicy(max_attempts=2))
    assert isinstance(told.outcome, NotSent)
    assert (told.outcome.kind, told.outcome.attempts) == (Kind.CONNECTION, 2)


def test_a_name_server_that_hangs_is_a_timeout_before_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search for an address ends after `connect`, too."""

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(HurriedLoop, "getaddrinfo", never)
    told = tell(url=lambda server: "http://gateway.invalid", retry=RetryPolicy(max_attempts=2))
    assert isinstance(told.outcome, NotSent)
    assert (told.outcome.kind, told.outcome.attempts) == (Kind.TIMEOUT, 2)
    assert told.seconds < 2 * 4.5 + 1


@pytest.mark.parametrize("script", [at_once, leave], ids=["reset", "closed"])
def test_a_connection_that_ends_at_once_is_no_second_send(script: Script) -> None:
    """Whether bytes had left or not: what arrived, arrived once."""
    told = tell(script)
    assert isinstance(told.outcome, Accepted if told.outcome.attempts == 2 else Unknown), told.outcome
    assert told.server.total <= 1


def test_a_server_that_says_no_word_of_tls_is_a_timeout_before_the_request() -> None:
    """A handshake that hangs ends after `connect`: nothing was sent."""
    told = tell(always=hang, url=lambda server: server.url.replace("http", "https"), retry=RetryPolicy(max_attempts=2))
    assert isinstance(told.outcome, NotSent)
    assert (told.outcome.kind, told.outcome.attempts) == (Kind.TIMEOUT, 2)
    assert told.seconds < 2 * 4.5 + 1.5
