"""Who sees the key, and where this client lets itself be sent: on real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pybase64
import pytest

from lipsync_async.downloads.fetcher import Fetcher, FetchOptions
from lipsync_async.downloads.folder import Folder
from lipsync_async.endings import DownloadKind
from lipsync_async.errors import ConfigurationError
from tests.downloads.hosts import (
    KEY,
    LARGE,
    SMALL,
    bad,
    fetched,
    files,
    good,
    host,
    raw,
    saying,
    serving,
    taking,
    telling,
)
from tests.loopback.hurried import hurry
from tests.loopback.raw import RawServer, reply

BEARER = f"Bearer {KEY}"


def keys(server: RawServer) -> list[str | None]:
    """What each request brought as its key."""
    return [request.headers.get("authorization") for request in server.requests]


def test_the_gateways_own_url_gets_the_key(tmp_path: Path) -> None:
    """Absolute or relative, in every try; and nothing of the call's headers but that."""

    async def main() -> None:
        async with RawServer(always=taking(serving(SMALL, most=700))) as gateway:
            for url in (f"{gateway.url}/v1/videos/7/content", "/v1/videos/7/content", "v1/videos/7/content"):
                good(await fetched(url, tmp_path, gateway=f"{gateway.url}/base"))
            assert keys(gateway) == [BEARER] * 15
            assert {request.path for request in gateway.requests} == {"/v1/videos/7/content"}
            assert not any("x-own" in request.headers for request in gateway.requests)

    hurry(main())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_gets_no_key(tmp_path: Path, status: int) -> None:
    """Another port is another origin; on a way back to the gateway the key stays away."""

    async def main() -> None:
        async with host(serving(SMALL)) as storage, RawServer() as gateway:
            gateway._always = taking(saying(status, f"Location: {storage.url}/7.mp4"))
            good(await fetched("/v1/videos/7/content", tmp_path, gateway=gateway.url))
            assert keys(gateway) == [BEARER]
            assert keys(storage) == [None]
        async with RawServer() as gateway, RawServer() as storage:
            storage._always = taking(saying(status, f"Location: {gateway.url}/back"))
            gateway._always = taking(saying(status, f"Location: {storage.url}/7.mp4"), serving(SMALL))
            good(await fetched("/v1/videos/7/content", tmp_path, gateway=gateway.url))
            assert keys(gateway) == [BEARER, None]
            assert keys(storage) == [None]

    hurry(main())


def test_a_redirect_within_the_gateway_keeps_the_key(tmp_path: Path) -> None:
    """A relative one is the same origin."""

    async def main() -> None:
        async with RawServer(always=taking(saying(307, "Location: /files/7.mp4"), serving(SMALL))) as gateway:
            good(await fetched("/v1/videos/7/content", tmp_path, gateway=gateway.url))
            assert keys(gateway) == [BEARER, BEARER]

    hurry(main())


def test_every_try_begins_at_the_url_that_was_told(tmp_path: Path) -> None:
    """Where a redirect leads runs out, too."""

    async def main() -> None:
        async with host(serving(LARGE, most=2**20)) as storage, RawServer() as gateway:
            gateway._always = taking(saying(302, f"Location: {storage.url}/7.mp4?sig=x"))
            assert good(await fetched("/v1/videos/7/content", tmp_path, gateway=gateway.url)).tries == 4
            assert (len(gateway.requests), len(storage.requests)) == (4, 4)

    hurry(main())
    assert files(tmp_path) == {"job-1.mp4": LARGE}


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "http://169.254.169.254/", "http://[fe80::1]/", "ftp://x/", "data:,x", "http://u@h/", "a:b"],
)
def test_a_redirect_to_where_nobody_goes(tmp_path: Path, location: str) -> None:
    """Refused at once, and the message shows nothing of the URL."""

    async def main() -> None:
        async with host(saying(302, f"Location: {location}")) as server:
            found = bad(await fetched(f"{server.url}/7.mp4?secret=1", tmp_path))
            assert found.kind is DownloadKind.REFUSED
            assert "secret" not in found.message
            assert len(server.requests) == 1

    hurry(main())
    assert files(tmp_path) == {}


def test_a_circle_of_redirects(tmp_path: Path) -> None:
    """Five are followed."""

    async def main() -> None:
        async with host(saying(302, "Location: /7.mp4")) as server:
            found = bad(await fetched(f"{server.url}/7.mp4", tmp_path))
            assert found.kind is DownloadKind.REFUSED
            assert len(server.requests) == 6 * found.tries

    hurry(main())


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Every name resolves to these addresses in turn, the last one again and again; the names that were asked for."""
    left, asked = list(answers), []
    real = socket.getaddrinfo

    def answer(name: Any, port: Any, *given: Any, **named: Any) -> Any:
        if not str(name).endswith(".example"):
            return real(name, port, *given, **named)
        asked.append(str(name))
        address = left.pop(0) if len(left) > 1 else left[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        place = (address, port or 0, 0, 0) if ":" in address else (address, port or 0)
        return [(family, socket.SOCK_STREAM, 6, "", place)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_a_name_of_an_address_that_is_near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is resolved when it is connected to, and never connected to: the gateway is a public one."""

    async def main() -> None:
        async with RawServer() as inside:
            for address in ("127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0"):
                asked = resolving(monkeypatch, address)
                url = f"http://rebound.example:{inside.port}/7.mp4"
                found = bad(await fetched(url, tmp_path, gateway="http://8.8.8.8"))
                assert found.kind is DownloadKind.REFUSED
                assert "http://rebound.example is a " in found.message
                assert asked == ["rebound.example"]
            assert not inside.connections

    hurry(main())


def test_a_name_that_changes_its_mind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Public when it is looked at, and near when it is connected to: there is no such moment in between."""

    async def main() -> None:
        async with RawServer() as inside:
            asked = resolving(monkeypatch, "8.8.8.8", "127.0.0.1")  # the gateway's answer, and the file host's
            url = f"http://rebound.example:{inside.port}/7.mp4"
            found = bad(await fetched(url, tmp_path, gateway="http://gateway.example"))
            assert found.kind is DownloadKind.REFUSED
            assert asked == ["gateway.example", "rebound.example"]
            assert not inside.connections

    hurry(main())


def test_a_gateway_that_is_near_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name resolves to this machine, and so may a file host's."""

    async def main() -> None:
        resolving(monkeypatch, "127.0.0.1")
        async with host(serving(SMALL)) as storage:
            url = f"http://files.example:{storage.port}/7.mp4"
            good(await fetched(url, tmp_path, gateway="http://gateway.example"))

    hurry(main())


def test_a_data_url_holds_the_video(tmp_path: Path) -> None:
    """It is decoded, and checked like any other."""
    text = pybase64.b64encode(SMALL).decode()
    for url in (f"data:video/mp4;base64,{text}", "data:video/mp4," + quote(SMALL)):
        assert good(hurry(fetched(url, tmp_path))).size == len(SMALL)
        assert files(tmp_path) == {"job-1.mp4": SMALL}
    for url in ("data:;base64,$", "data:text/html,<html>", "data:,"):
        assert bad(hurry(fetched(url, tmp_path / "b"))).kind is DownloadKind.DAMAGED
    options = FetchOptions(max_bytes=len(SMALL) - 1)
    found = bad(hurry(fetched(f"data:video/mp4;base64,{text}", tmp_path / "b", options=options)))
    assert found.kind is DownloadKind.REFUSED
    assert files(tmp_path / "b") == {}


def test_a_key_that_cannot_be_had(tmp_path: Path) -> None:
    """Is no reason to hang, and is asked for only where it is to be sent."""

    async def none() -> dict[str, str]:
        raise ConfigurationError("the callable gives no key")

    async def broken() -> dict[str, str]:
        raise ValueError(KEY)

    async def main() -> None:
        async with host(serving(SMALL)) as server:
            for key, kind in ((none, DownloadKind.REFUSED), (broken, DownloadKind.DAMAGED)):
                async with Fetcher("http://127.0.0.1:9", key) as fetcher:
                    folder = Folder(tmp_path)
                    found = bad(await fetcher.fetch(None, "7", telling("/7"), folder, "x.mp4"))
                    assert found.kind is kind
                    assert KEY not in found.message
                    good(await fetcher.fetch(None, "7", telling(f"{server.url}/7"), folder, "x.mp4"))

    hurry(main())


def test_a_proxy_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is trusted, it is asked, wherever its name leads; an address that stands in a URL is judged still."""

    async def main() -> None:
        async with RawServer(always=taking(serving(SMALL))) as proxy:
            resolving(monkeypatch, "127.0.0.1")
            monkeypatch.setenv("http_proxy", f"http://proxy.example:{proxy.port}")
            monkeypatch.setenv("no_proxy", "")
            options = FetchOptions(trust_env=True)
            good(await fetched("http://cdn.example/7.mp4", tmp_path, gateway="http://8.8.8.8", options=options))
            assert [request.path for request in proxy.requests] == ["http://cdn.example/7.mp4"]
            found = bad(await fetched("http://10.0.0.1/7", tmp_path, gateway="http://8.8.8.8", options=options))
            assert found.kind is DownloadKind.REFUSED
            assert len(proxy.requests) == 1
            found = bad(await fetched("http://cdn.example/7.mp4", tmp_path, gateway="http://8.8.8.8"))
            assert found.kind is DownloadKind.REFUSED  # without the proxy the name leads to this machine
            monkeypatch.setenv("http_proxy", "socks5://proxy.example:1")
            with pytest.raises(ConfigurationError, match="socks5"):
                await fetched("http://cdn.example/7.mp4", tmp_path, gateway="http://8.8.8.8", options=options)

    hurry(main())


def test_a_certificate_that_fails(tmp_path: Path) -> None:
    """Is refused at once, and the request with its key never left."""
    pem = tmp_path / "own.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -batch -keyout {pem} -out {pem}.crt"
    subprocess.run([*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f"{pem}.crt", pem)

    async def main() -> None:
        async with RawServer(tls=tls) as gateway:
            found = bad(await fetched("/7.mp4", tmp_path / "videos", gateway=gateway.url))
            assert found.kind is DownloadKind.REFUSED
            assert "cannot be trusted" in found.message
            assert not gateway.requests

    hurry(main())


class Wrapping:
    """A store that wraps what goes wrong, in an error of its own."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str:
        """Keeps it."""
        try:
            self.kept[name] = b"".join([chunk async for chunk in chunks])
        except Exception as error:
            raise RuntimeError("the store's own words") from error
        return f"mem://{name}"


class Swallowing(Wrapping):
    """A store that takes a stream that was broken off for its end."""

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str:
        """Says that it is there, whatever came."""
        try:
            return await super().put(name, chunks)
        except RuntimeError:
            return "mem://swallowed"


class Careless(Wrapping):
    """A store that reads one block and has enough."""

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str:
        """Keeps the first block."""
        async for chunk in chunks:
            self.kept[name] = chunk
            break
        return f"mem://{name}"


class Full(Wrapping):
    """A store without space."""

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str:
        """Fails after the first block."""
        async for _ in chunks:
            raise OSError(28, "No space left on device")
        return ""


class Slow(Wrapping):
    """A store that takes five minutes for a block."""

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str:
        """Keeps it, in its own time."""
        kept = []
        async for chunk in chunks:
            kept.append(chunk)
            await asyncio.sleep(300)
        self.kept[name] = b"".join(kept)
        return f"mem://{name}"


@pytest.mark.parametrize("store", [Wrapping(), Swallowing(), Slow()], ids=lambda it: type(it).__name__)
def test_a_store_of_the_users(store: Wrapping) -> None:
    """Whatever it does with what goes wrong: begun anew it gets all of it, and what is given up is no success."""

    async def main() -> None:
        async with host(serving(LARGE, most=2 * 2**20, etag=""), serving(LARGE)) as server:
            found = good(await fetched(f"{server.url}/7.mp4", store))
            assert (found.path, found.tries) == ("mem://job-1.mp4", 2)
            assert store.kept == {"job-1.mp4": LARGE}
        async with host(saying(404)) as server:
            assert bad(await fetched(f"{server.url}/7.mp4", store)).kind is DownloadKind.EXPIRED
        async with host(serving(LARGE, most=2 * 2**20, etag="")) as server:
            assert bad(await fetched(f"{server.url}/7.mp4", store)).kind is DownloadKind.DAMAGED

    hurry(main())


def test_a_store_that_fails() -> None:
    """Is `storage`, at once, and its words are told."""

    async def main() -> None:
        async with host(serving(LARGE)) as server:
            for store, words in ((Full(), "no space is left"), (Careless(), "before all of the video came")):
                found = bad(await fetched(f"{server.url}/7.mp4", store))
                assert found.kind is DownloadKind.STORAGE
                assert words in found.message
                assert found.tries == 1

    hurry(main())


def test_a_reply_that_quotes_the_key(tmp_path: Path) -> None:
    """No word of a server is in any message."""

    async def main() -> None:
        answer = reply(KEY.encode(), 404, f"X-Key: {KEY}")
        answer = answer.replace(b"Whatever", KEY.encode())
        async with RawServer(always=taking(raw(answer))) as gateway:
            found = bad(await fetched("/7", tmp_path, gateway=gateway.url))
            assert "404 Not Found" in found.message

    hurry(main())
