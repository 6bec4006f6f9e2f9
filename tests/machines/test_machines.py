"""Real processes, a real database, and a gateway that bills every create: kills, a freeze, a crash."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lipsync_async import Accepted, Gateway, LipSyncClient
from lipsync_async.journal import open_reader
from lipsync_async.sandbox import Sandbox, in_thread
from tests import postgres
from tests.loopback.crash_child import request
from tests.machines.scene import ROOT, Plan, play

pytestmark = pytest.mark.skipif(not postgres.is_there(), reason=postgres.MISSING)


@pytest.fixture(scope="module")
def database() -> Iterator[postgres.Postgres]:
    """A server of this file's."""
    with postgres.Postgres() as server:
        yield server


def test_nobody_pays_twice_whatever_befalls_four_machines(database: postgres.Postgres) -> None:
    """Three are killed, one stands still for longer than its lease, the database crashes, and replies are lost."""
    result = play(Plan(seed=1, jobs=80, per_second=25.0, span=4.0, outage=1.0), database)
    assert result.is_good, result
    assert result.accepted == result.told["accepted"] == 80
    assert result.after < 60.0, result


def test_with_procrastinate_in_front_it_is_the_same() -> None:
    """Its jobs are handed out again, and its worker survives the crash; the journal pays once."""
    pytest.importorskip("procrastinate")
    worker = ("-m", "tests.machines.queue_worker")
    with postgres.Postgres() as server:
        result = play(Plan(seed=2, jobs=60, per_second=25.0, span=4.0, outage=1.0, worker=worker), server)
    assert result.is_good, result
    assert result.accepted == result.told["accepted"] == 60
    assert result.after < 60.0, result


def test_every_video_is_fetched_once_though_one_of_two_machines_is_killed(
    database: postgres.Postgres, tmp_path: Path
) -> None:
    """What was being fetched by the one that dies is fetched by the other; nothing else is fetched twice."""
    jobs = 24
    sandbox = Sandbox(task_seconds=(0.2, 2.0), failed_share=0.0, video_bytes=200_000)
    with in_thread(sandbox):
        url = f"{database.url}?lease=2"

        async def submit() -> None:
            gateway = Gateway(name="sandbox", base_url=sandbox.base_url)
            async with LipSyncClient(gateway, api_key="sandbox-key") as client:
                await client.submit_many(map(request, range(jobs)), journal=url)

        asyncio.run(submit())
        command = [sys.executable, "-m", "tests.machines.follower", sandbox.base_url, url, str(tmp_path)]
        first, second = (subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2))
        assert first.stdout is not None
        first.stdout.readline()
        first.kill()
        first.wait()
        said, _ = second.communicate(timeout=60)
        first.stdout.close()
    assert json.loads(said.splitlines()[-1]) == jobs
    files = [path for path in tmp_path.iterdir() if path.suffix == ".mp4"]
    assert len(files) == jobs
    fetched = Counter({entry.external_task_id: entry.file_requests for entry in sandbox.ledger.entries})
    again = {name: times for name, times in fetched.items() if times > 1}
    assert len(again) <= 8, again  # what the dead one had begun: it has eight places
    with open_reader(f"{url}&gateway={sandbox.base_url}") as reader:
        assert reader.entry_counts("video") == {"downloaded": jobs}


def test_a_web_request_that_is_retried_at_another_pod_is_told_the_first_ones_task(database: postgres.Postgres) -> None:
    """Two clients, each with a journal of its own at one database: the second waits for the first's word."""

    async def main() -> list[Accepted]:
        from lipsync_async.journal.postgres.opening import open_postgres

        gateway = Gateway(name="sandbox", base_url=sandbox.base_url)
        pods = [LipSyncClient(gateway, api_key="sandbox-key") for _ in range(2)]
        journals = [await open_postgres(database.url, gateway=gateway.base_url) for _ in pods]
        async with pods[0], pods[1], journals[0], journals[1]:
            return await asyncio.gather(
                *(pod.submit(request(1), journal=journal) for pod, journal in zip(pods, journals, strict=True))
            )

    sandbox = Sandbox(duplicates="accept", latency=0.3)
    with in_thread(sandbox):
        began = time.monotonic()
        first, second = asyncio.run(main())
        assert time.monotonic() - began < 30.0
    assert first.task_id == second.task_id
    assert sorted([first.replayed, second.replayed]) == [False, True]
    assert sandbox.ledger.tasks == 1
