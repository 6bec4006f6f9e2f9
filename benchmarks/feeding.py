"""A long list fed into a queue by the command, whole, and killed by SIGKILL half-way and gone on with.

python benchmarks/feeding.py --jobs 1000000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

from tests.postgres import Postgres

HALF = 0.4
"""The share of the list that is in the queue when the feeding is killed."""
_COUNT = "SELECT count(*), count(DISTINCT args->'job'->>'external_task_id') FROM procrastinate_jobs"


def _write(path: Path, jobs: int) -> None:
    with path.open("w", encoding="utf-8") as out:
        for number in range(jobs):
            audio = f"82545176{(number * 7919 + 13) % 1000003:07}{number % 997 + 1:03}"
            job = {"external_task_id": f"job-{number}", "session_id": "s-1", "face_id": "0", "audio_id": audio}
            out.write(json.dumps(job | {"sound_start_time": 0, "sound_end_time": 3000, "sound_insert_time": 1000}))
            out.write("\n")


async def _queued(url: str) -> tuple[int, int]:
    """How many jobs are in the queue, and how many of them are different."""
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetchrow(_COUNT)
    except asyncpg.UndefinedTableError:
        return 0, 0
    finally:
        await connection.close()
    return found[0], found[1]


def _start(path: Path, url: str) -> subprocess.Popen[bytes]:
    words = ["feed", str(path), "--gateway", "http://127.0.0.1:9", "--journal", url]
    return subprocess.Popen([sys.executable, "-m", "lipsync_async", *words], stderr=subprocess.DEVNULL)


def _finish(child: subprocess.Popen[bytes], url: str, what: str) -> None:
    began, peak = time.monotonic(), 0
    while child.poll() is None:
        status = Path(f"/proc/{child.pid}/status").read_text(encoding="utf-8")
        peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))])
        time.sleep(0.2)
    count, different = asyncio.run(_queued(url))
    print(
        f"{what}: {time.monotonic() - began:.1f} s, peak {peak / 1024:.0f} MB, exit code {child.returncode},"
        f" {count:,} in the queue, {different:,} of them different; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.jsonl"
        _write(path, jobs)
        with Postgres(fsync=True) as postgres:
            _finish(_start(path, postgres.url), postgres.url, "whole")
            _finish(_start(path, postgres.url), postgres.url, "once more")
        with Postgres(fsync=True) as postgres:
            child = _start(path, postgres.url)
            while asyncio.run(_queued(postgres.url))[0] < jobs * HALF:
                time.sleep(0.5)
            child.kill()
            child.wait()
            _finish(_start(path, postgres.url), postgres.url, "killed, and gone on with")


if __name__ == "__main__":
    main()
