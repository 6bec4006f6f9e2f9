"""Certificates that fail their check, and ports that speak no TLS: the batch stops at once, and nothing was sent."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from lipsync_async.outcomes import NotSent
from lipsync_async.terms import Kind
from tests.makers import request, requests

from .acts import KEY, client, tell
from .hurried import hurry
from .raw import Connection, RawServer, gateway, reply


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Self-signed certificates with their keys: for 127.0.0.1, and for another host."""
    folder = tmp_path_factory.mktemp("certificates")
    made = {}
    for name, alternative in (("here", "IP:127.0.0.1"), ("elsewhere", "DNS:gateway.example")):
        path = folder / f"{name}.pem"
        command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -batch -keyout {path}"
        command += f" -out {path}.crt -addext subjectAltName={alternative}"
        subprocess.run(command.split(), check=True, capture_output=True)
        made[name] = path
    return made


def context(path: Path) -> ssl.SSLContext:
    """The server's side."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(f"{path}.crt", path)
    return made


def test_a_self_signed_certificate_stops_at_once(certificates: dict[str, Path]) -> None:
    """One handshake, no retry, and the key never left."""
    told = tell(tls=context(certificates["here"]))
    assert isinstance(told.outcome, NotSent)
    assert told.outcome.kind is Kind.CONFIGURATION
    assert "certificate" in told.outcome.message
    assert not told.server.requests
    assert told.seconds < 1.0


def test_a_batch_behind_a_bad_certificate_is_not_sent(certificates: dict[str, Path]) -> None:
    """All of a long list comes out at once with the same reason."""

    async def main() -> None:
        async with RawServer(tls=context(certificates["here"])) as server, client(server) as submitter:
            result = await submitter.submit_many(requests(500))
            handshakes = len(server.connections)
        assert len(result.not_sent) == 500
        assert {outcome.kind for outcome in result.not_sent.values()} == {Kind.CONFIGURATION}
        assert handshakes <= 64

    hurry(main())


@pytest.mark.parametrize(("name", "accepted"), [("here", True), ("elsewhere", False)])
def test_a_trusted_certificate_counts_for_its_own_host(
    certificates: dict[str, Path], name: str, accepted: bool
) -> None:
    """A borrowed session may trust a private authority; the host's name is checked all the same."""

    async def main() -> None:
        trusting = ssl.create_default_context(cafile=f"{certificates[name]}.crt")
        connector = aiohttp.TCPConnector(ssl=trusting, limit=0)
        async with (
            RawServer(tls=context(certificates[name])) as server,
            aiohttp.ClientSession(connector=connector) as session,
            client(server, session=session) as submitter,
        ):
            result = await submitter.submit_many([request()])
            assert server.total == (1 if accepted else 0)
        if accepted:
            assert result.accepted
        else:
            assert result.not_sent["job-1"].kind is Kind.CONFIGURATION

    hurry(main())


async def speak_first(connection: Connection) -> None:
    """Answers a handshake as a web server without TLS does."""
    await connection.some(1)
    await connection.send(reply("plain HTTP request expected", 400, kind="text/plain"))


def test_a_port_without_tls_stops_at_once() -> None:
    """`https` where only `http` is spoken is a wrong address, and no try will be better."""
    told = tell(always=speak_first, url=lambda server: server.url.replace("http", "https"))
    assert isinstance(told.outcome, NotSent)
    assert (told.outcome.kind, len(told.server.connections)) == (Kind.CONFIGURATION, 1)


def test_a_handshake_that_breaks_off_is_tried_again(certificates: dict[str, Path]) -> None:
    """A reset within the handshake may be an accident: every attempt is used, and nothing was sent."""

    async def cut(connection: Connection) -> None:
        await connection.some(1)
        connection.reset()

    told = tell(always=cut, url=lambda server: server.url.replace("http", "https"))
    assert isinstance(told.outcome, NotSent)
    assert (told.outcome.kind, told.outcome.attempts) == (Kind.CONNECTION, 5)


def test_http_to_a_tls_port_shows_no_success(certificates: dict[str, Path]) -> None:
    """The server answers with an alert or hangs up: the key and the job left in the clear, so the job is in doubt."""
    told = tell(tls=context(certificates["here"]), url=lambda server: server.url.replace("https", "http"))
    assert told.outcome.name in {"unknown", "not_sent"}
    assert not told.server.requests
    assert KEY not in repr(told.outcome)


def test_tls_carries_jobs_like_plain_http(certificates: dict[str, Path]) -> None:
    """Kept connections, and one send a job."""

    async def main() -> None:
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=f"{certificates['here']}.crt"), limit=0)
        async with (
            RawServer(always=gateway, tls=context(certificates["here"])) as server,
            aiohttp.ClientSession(connector=connector) as session,
            client(server, session=session) as submitter,
        ):
            result = await submitter.submit_many(requests(20))
            await asyncio.sleep(0.1)
            assert set(server.creates.values()) == {1}
        assert len(result.accepted) == 20

    hurry(main())
