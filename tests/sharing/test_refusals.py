"""What Redis says no with: plain words with a cure, and never a password."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

redis = pytest.importorskip("redis", reason="redis is not installed: pip install redis")

from lipsync_async import LipSyncClient  # noqa: E402 - not before it is known that Redis can be spoken to
from lipsync_async.errors import ConfigurationError  # noqa: E402
from lipsync_async.sharing import turns  # noqa: E402
from lipsync_async.sharing.redis import in_words  # noqa: E402
from tests.redis_server import MISSING, SERVER, redis_server  # noqa: E402

SECRET = "sekret"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The socket of a server that wants a password, `right`, and gives the user `poor` no rights."""
    if SERVER is None:
        pytest.skip(MISSING)
    with redis_server() as url:
        path = url.removeprefix("unix://")
        with redis.Redis(unix_socket_path=path) as client:
            client.acl_setuser("poor", enabled=True, passwords=["+p"], commands=["+ping"], keys=[])
            client.config_set("requirepass", "right")
        yield Path(path)


def said(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """When a client joins that has to."""
    monkeypatch.setattr(turns, "FIRST_PATIENCE", 0.0)

    async def join() -> None:
        async with LipSyncClient("http://127.0.0.1:9", api_key="k" * 12, shared=address, shared_required=True):
            pass

    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(join())
    return str(caught.value)


@pytest.mark.parametrize(
    ("user", "options", "words"),
    [
        (f":{SECRET}@", "", "the user name or the password of the URL is refused"),
        (f"nobody:{SECRET}@", "", "the user name or the password of the URL is refused"),
        ("", "", "a password is needed: redis://:PASSWORD@host:6379/0"),
        ("poor:p@", "", "allow it +@all on the keys {lipsync:*}"),
        (":right@", "?db=99", "that Redis has no database of that number"),
    ],
)
def test_a_server_that_says_no_is_told_with_the_cure(
    home: Path, user: str, options: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, that names the place."""
    told = said(f"unix://{user}{home}{options}", monkeypatch)
    assert told.startswith(f"the shared limits cannot be reached at redis://{home}")
    assert words in told
    assert SECRET not in told


def test_a_server_that_is_not_there_is_told_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a number of the system's: at a port, and at a socket."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{sock.getsockname()[1]}"
    told = said(f"redis://:{SECRET}@{place}/0", monkeypatch)
    expected = "connection refused; is Redis running there?"
    assert told == f"the shared limits cannot be reached at redis://{place}/0: {expected}"
    with TemporaryDirectory() as folder:
        told = said(f"unix://{folder}/gone.sock", monkeypatch)
    assert told.endswith("no such file or directory; is Redis running there?")


@pytest.mark.parametrize("password", ["se/kret", "se[kret", "se?kret"])
def test_a_url_that_cannot_be_read_shows_no_part_of_a_password(password: str) -> None:
    """It says how to write one."""
    with pytest.raises(ConfigurationError, match="write it as redis://:PASSWORD@host") as caught:
        LipSyncClient("http://127.0.0.1:9", api_key="k" * 12, shared=f"redis://:{password}@h:1/0")
    assert "se" not in str(caught.value).replace("shared", "").replace("password as", "")
    assert caught.value.__cause__ is None


def test_each_trouble_has_its_words() -> None:
    """As the driver raises it."""
    assert in_words(redis.BusyLoadingError("loading")) == "it is still reading its data [loading]"
    assert in_words(redis.TimeoutError("Timeout reading from h:1")) == "Timeout reading from h:1"
    assert in_words(redis.RedisError()) == "RedisError"
    assert in_words(OSError("odd")) == "odd; is Redis running there?"
