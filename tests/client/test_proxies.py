"""Proxies of the environment: used when asked, and told neither password nor key."""

from __future__ import annotations

import pytest

from lipsync_async import LipSyncClient
from lipsync_async.errors import ConfigurationError
from lipsync_async.outcomes import NotSent, Outcome
from lipsync_async.terms import Kind
from tests.loopback.acts import KEY, client, tell
from tests.loopback.hurried import hurry
from tests.loopback.raw import Connection, RawServer, reply
from tests.makers import request


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without proxies of its own."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_a_proxy_of_the_environment_is_used_when_asked(environment: pytest.MonkeyPatch) -> None:
    """With its name and password, which show nowhere; without `trust_env` it is not."""
    seen: list[str] = []

    async def main() -> None:
        async with RawServer() as proxy, RawServer() as server:
            environment.setenv("http_proxy", f"http://someone:hush-hush@127.0.0.1:{proxy.port}")
            async with client("http://gateway.invalid", trust_env=True) as submitter:
                accepted = await submitter.submit(request())
                seen.append(repr(accepted) + repr(submitter))
            (sent,) = proxy.requests
            assert sent.path.startswith("http://gateway.invalid/kling/")
            assert sent.headers["proxy-authorization"].startswith("Basic ")
            async with client(server) as submitter:
                await submitter.submit(request("job-2"))
            assert server.creates == {"job-2": 1}

    hurry(main())
    assert "hush-hush" not in seen[0]


def test_a_proxy_without_a_scheme_speaks_http(environment: pytest.MonkeyPatch) -> None:
    """As curl reads it."""

    async def main() -> None:
        async with RawServer() as proxy:
            environment.setenv("all_proxy", f"127.0.0.1:{proxy.port}")
            async with client("http://gateway.invalid", trust_env=True) as submitter:
                await submitter.submit(request())
            assert proxy.total == 1

    hurry(main())


def test_a_proxy_of_another_kind_is_a_clear_error(environment: pytest.MonkeyPatch) -> None:
    """SOCKS is not spoken; the text does not show the password."""
    environment.setenv("https_proxy", "socks5://someone:hush-hush@127.0.0.1:1080")

    async def main() -> None:
        with pytest.raises(ConfigurationError, match="socks5") as caught:
            await LipSyncClient("https://gateway.example", api_key=KEY, trust_env=True).__aenter__()
        assert "hush" not in str(caught.value)

    hurry(main())


def test_hosts_of_no_proxy_are_called_directly(environment: pytest.MonkeyPatch) -> None:
    """And so are all where no proxy is named."""
    environment.setenv("http_proxy", "http://127.0.0.1:1")
    environment.setenv("no_proxy", "127.0.0.1")

    async def main() -> None:
        async with RawServer() as server, client(server, trust_env=True) as submitter:
            await submitter.submit(request())
            environment.delenv("http_proxy")
            environment.delenv("no_proxy")
            async with client(server, trust_env=True) as another:
                await another.submit(request("job-2"))
            assert server.total == 2

    hurry(main())


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses_the_tunnel_leaves_the_job_unsent(status: int, environment: pytest.MonkeyPatch) -> None:
    """CONNECT refused: nothing reached the gateway, the key did not reach the proxy."""
    seen: list[Outcome] = []

    async def refuse(connection: Connection) -> None:
        await connection.request()
        await connection.send(reply("no", status))

    async def main() -> None:
        async with RawServer(always=refuse) as proxy:
            environment.setenv("https_proxy", f"http://someone:hush-hush@127.0.0.1:{proxy.port}")
            async with client("https://gateway.invalid", trust_env=True) as submitter:
                seen.extend((await submitter.submit_many([request()])).values())
            assert all(KEY.encode() not in connection.seen for connection in proxy.connections)

    hurry(main())
    assert isinstance(seen[0], NotSent)
    assert "hush-hush" not in repr(seen[0])


def test_a_proxy_that_is_down_leaves_the_job_unsent(environment: pytest.MonkeyPatch) -> None:
    """A connection that was not made."""
    environment.setenv("http_proxy", "http://127.0.0.1:1")
    told = tell(url=lambda _: "http://gateway.invalid", trust_env=True)
    assert isinstance(told.outcome, NotSent)
    assert told.outcome.kind is Kind.CONNECTION
