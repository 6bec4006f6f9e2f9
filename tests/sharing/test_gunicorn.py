"""The service of the docs in four workers of gunicorn: they share the account's limits, and nothing else is needed."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from lipsync_async.dispatch.pacing.book import Book
from lipsync_async.dispatch.pacing.exchange import Rules
from lipsync_async.sandbox import Sandbox, in_thread
from lipsync_async.sharing.file import NAME

pytest.importorskip("gunicorn", reason="gunicorn is not installed: pip install gunicorn")

SERVICE = (Path(__file__).parents[2] / "examples" / "service_aiohttp.py").read_text(encoding="utf-8")
WORKERS, JOBS = 4, 60
PLAIN, JOURNAL = "LipSyncClient()", ", journal=JOURNAL"


def service(url: str, place: Path) -> str:
    """The example at another gateway, with the one word that workers need; a journal has one writer."""
    assert PLAIN in SERVICE
    assert JOURNAL in SERVICE
    return SERVICE.replace(PLAIN, f'LipSyncClient("{url}", shared="file:{place}")').replace(JOURNAL, "")


def book(place: Path) -> Book:
    """What lies in the store."""
    connection = sqlite3.connect(place / NAME)
    try:
        ((kept,),) = connection.execute("SELECT book FROM limits").fetchall()
    finally:
        connection.close()
    return Book.thaw(kept, Rules(8.0, 0.02), 0.0)


def processes(place: Path) -> set[str]:
    """The processes that share it."""
    return {name.split(":")[1] for name in book(place).members}


@pytest.fixture
def gateway() -> Iterator[Sandbox]:
    """A gateway of 40 requests a second."""
    with in_thread(Sandbox(max_per_second=40, time_scale=100_000)) as running:
        yield running


async def dub(address: Path, place: Path) -> list[int]:
    """Requests until all workers are there, and then many at once, each by a connection that any worker may take."""
    connector = aiohttp.UnixConnector(str(address), force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(number: int) -> int:
            job = {"id": f"job-{number}", "session": "s", "face": "0", "audio": "a"}
            async with session.post("http://service/dub", json=job) as answer:
                return answer.status

        first = [await one(JOBS)]
        while len(processes(place)) < WORKERS:
            first.append(await one(JOBS + len(first)))
        return first + await asyncio.gather(*map(one, range(JOBS)))


def test_four_workers_share_the_limits(gateway: Sandbox, tmp_path: Path) -> None:
    """All jobs are accepted by one pacer, which four processes have; when they have left, nothing is in flight."""
    place, address = tmp_path / "limits", tmp_path / "s"
    place.mkdir()
    (tmp_path / "app.py").write_text(service(gateway.base_url, place), encoding="utf-8")
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"LIPSYNC_API_KEY": gateway.api_key, "PYTHONPATH": paths}
    words = [sys.executable, "-m", "gunicorn", "-w", str(WORKERS), "-k", "aiohttp.GunicornWebWorker"]
    words += ["--bind", f"unix:{address}", "--timeout", "300", "--graceful-timeout", "60", "app:application()"]
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            booted = 0
            while booted < WORKERS:
                line = server.stderr.readline()
                assert line, "gunicorn ended"
                booted += "Booting worker" in line
            answers = asyncio.run(dub(address, place))
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate()
    assert answers == [202] * len(answers)
    assert gateway.ledger.duplicates == {}
    shared = book(place)
    assert shared.pacer.statistics().accepted == len(answers)
    assert shared.pacer.in_flight == 0
    assert len(processes(place)) == WORKERS
