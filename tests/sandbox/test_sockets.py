"""Bodies as they come, and connections as they go."""

from __future__ import annotations

import asyncio
import gzip
import io
from typing import Any

import aiohttp
import pytest

from .helpers import ROUTE, Caller, b64, job, raw, until, wav, with_sandbox

BIG = {"audio_id": "", "sound_file": b64(wav(20))}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_413(chunked: bool) -> None:
    """A body over 10 MB gets the front proxy's page, whether its length was announced or not."""

    async def test(caller: Caller) -> None:
        async def pieces() -> Any:
            for _ in range(11):
                yield bytes(1 << 20)

        data = pieces() if chunked else io.BytesIO(bytes(11 << 20))
        try:
            status, body, _ = await caller.raw("POST", ROUTE, data=data, headers={"Content-Type": "application/json"})
        except aiohttp.ClientOSError:
            return  # the proxy hung up before all was sent, which is fair too
        assert (status, body[:6]) == (413, b"<html>")

    assert with_sandbox(test).ledger.refused == {413: 1}


def test_big_and_packed_bodies_are_read() -> None:
    """A clip is checked in a thread, a gzip body is unpacked, a broken one is 1200."""

    async def test(caller: Caller) -> None:
        assert (await caller.post(job("a", face_fields=BIG)))[0] == 200
        assert (await caller.post(job("b", face_fields={**BIG, "sound_end_time": 20_500})))[1]["code"] == 1201
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        packed = gzip.compress(raw(job("c")))
        assert (await caller.post(None, json=None, data=packed, headers=headers))[0] == 200
        status, _, _ = await caller.raw("POST", ROUTE, data=b"no gzip", headers=headers)
        assert status == 400

    ledger = with_sandbox(test).ledger
    assert ledger.entries[0].audio_sha256 is not None
    assert ledger.tasks == 2


def test_a_client_that_leaves_in_the_middle_has_none() -> None:
    """Half a body creates nothing, and the sandbox goes on."""

    async def test(caller: Caller) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", int(caller.sandbox.base_url.rpartition(":")[2]))
        writer.write(f"POST {ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
        await writer.drain()
        await until(lambda: caller.sandbox.ledger.requests)
        writer.close()
        await writer.wait_closed()
        assert (await caller.post(job("b")))[0] == 200

    assert with_sandbox(test).ledger.tasks == 1


def test_a_careful_client_is_told_to_go_on() -> None:
    """A client that expects 100-continue gets it before it sends its body."""

    async def test(caller: Caller) -> None:
        assert (await caller.post(job("a"), expect100=True))[0] == 200

    with_sandbox(test)
