"""Pictures of faces, from hosts that answer well or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lipsync_async.downloads import pictures
from lipsync_async.downloads.pictures import fetch_pictures
from tests.downloads.hosts import KEY, Turn, taking
from tests.loopback.hurried import hurry
from tests.loopback.raw import Connection, RawServer, Request

JPEG = b"\xff\xd8\xff\xe0" + bytes(100)


def fetched(folder: Path, *turns: Turn, url: str | None = None) -> tuple[Path | str, RawServer]:
    """What came of one picture called `face-0`."""

    async def key() -> Mapping[str, str]:
        return {"Authorization": f"Bearer {KEY}"}

    async def main() -> tuple[Path | str, RawServer]:
        async with RawServer(always=taking(*turns)) as host, RawServer() as gateway:
            (found,) = await fetch_pictures(gateway.url, key, [(url or f"{host.url}/0.jpg", "face-0")], folder)
            return found, host

    return hurry(main())


def sending(status: str, body: bytes, *, length: int | None = None) -> Turn:
    """A reply with that body."""

    async def turn(connection: Connection, request: Request) -> None:
        assert KEY not in str(request.headers)
        told = len(body) if length is None else length
        connection.end_after_send = length is not None
        await connection.send(f"HTTP/1.1 {status}\r\nContent-Length: {told}\r\n\r\n".encode() + body)

    return turn


@pytest.mark.parametrize(
    ("head", "ending"), [(b"\xff\xd8\xff", ".jpg"), (b"\x89PNG\r\n", ".png"), (b"RIFF\0\0\0\0WEBP", ".webp")]
)
def test_a_picture_is_there_whole(tmp_path: Path, head: bytes, ending: str) -> None:
    """Under its name and the ending of its content; one from before is written over."""
    (tmp_path / f"face-0{ending}").write_bytes(b"old")
    found, _ = fetched(tmp_path, sending("200 OK", head + bytes(50)))
    assert found == tmp_path / f"face-0{ending}"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [head + bytes(50)]


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        (sending("404 Not Found", b""), "404"),
        (sending("200 OK", b"<html>"), "no picture that is known"),
        (sending("200 OK", JPEG, length=5000), "broke"),
    ],
)
def test_what_is_no_picture_leaves_nothing(tmp_path: Path, turn: Turn, reason: str) -> None:
    """Not half of one either."""
    found, _ = fetched(tmp_path, turn)
    assert reason in str(found)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_without_end_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On both sides of the limit."""
    monkeypatch.setattr(pictures, "MOST_BYTES", len(JPEG))
    assert isinstance(fetched(tmp_path, sending("200 OK", JPEG))[0], Path)
    assert isinstance(fetched(tmp_path, sending("200 OK", JPEG + b"\0"))[0], str)


def test_an_address_that_is_nearer_than_the_gateway_is_not_fetched(tmp_path: Path) -> None:
    """And what stands in its own URL needs no host."""
    assert "not fetched" in str(fetched(tmp_path, url="ftp://host.example/0.jpg")[0])
    inline = "data:image/png;base64,iVBORw0KGgo="
    assert fetched(tmp_path, url=inline)[0] == tmp_path / "face-0.png"
