"""What hostile replies and big clips cost in memory, measured in a child process by its peak."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEASURE = """
from pathlib import Path
from lipsync_async import Limits
from tests.loopback.acts import big_clip, client, tell
from tests.makers import request
from tests.loopback.hurried import hurry
from tests.loopback.raw import Connection, RawServer
from tests.loopback.test_network_faults import DOUBTS

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
"""

HOSTILE = (
    "a gzip bomb",
    "a deflate bomb",
    "an endless gzip",
    "endless headers",
    "an endless header",
    "an endless name of a header",
    "an endless status line",
    "endless interim replies",
    "an endless body",
    "an endless body of a size",
    "endless chunks",
    "endless small chunks",
    "an endless chunk extension",
    "endless trailers",
)


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")


def measured(code: str) -> list[float]:
    """MB of growth that a child process reports."""
    done = subprocess.run([sys.executable, "-c", MEASURE + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [float(figure) for figure in done.stdout.split()]


def test_no_reply_makes_memory_grow() -> None:
    """Replies without end, and some that unpack to 64 MB: one after the other they add less than 50 MB to the peak."""
    growths = measured(
        f"""
tell()
for name in {HOSTILE!r}:
    before = peak()
    tell(DOUBTS[name].script)
    print(peak() - before)
"""
    )
    assert len(growths) == len(HOSTILE)
    assert sum(growths) < 50.0, dict(zip(HOSTILE, growths, strict=True))


def test_many_clips_at_once_cost_little_a_slot() -> None:
    """Twelve clips of 5 MB, uploaded at once to a server that forgets them, cost under 1 MB a slot."""
    (grown,) = measured(
        """
class Forgetful(Connection):
    def data_received(self, data):
        self.count = getattr(self, "count", 0) + len(data)
        self._news.set()
    async def some(self, count):
        while getattr(self, "count", 0) < count and not self.gone.is_set():
            self._news.clear()
            await self._news.wait()

from itertools import count as counted
import tests.loopback.raw as raw
from attrs import evolve

numbers = counted(1)

async def play(connection):
    await connection.some(6_900_000)
    await connection.send(raw.reply({"code": 0, "data": {"task_id": str(next(numbers))}}))
    await connection.hang()

async def main(count):
    async with RawServer(always=play) as server:
        raw.Connection = Forgetful
        limits = Limits(max_in_flight=12, initial_per_second=1e6)
        async with client(server, limits=limits) as submitter:
            jobs = [evolve(request(sound_file=big_clip()), external_task_id=f"job-{n}") for n in range(count)]
            result = await submitter.submit_many(jobs)
        assert len(result.accepted) == count, result

Plain = raw.Connection
hurry(main(1))
before = peak()
hurry(main(12))
print(peak() - before)
"""
    )
    assert grown < 12.0, grown
