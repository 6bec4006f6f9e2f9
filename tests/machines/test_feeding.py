"""A feeding that is killed goes on by the same command."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lipsync_async.cli import main
from tests import postgres
from tests.cli.test_queue import JOBS
from tests.machines.feeder import PIECE
from tests.machines.scene import ROOT

pytestmark = pytest.mark.skipif(not postgres.is_there(), reason=postgres.MISSING)


async def _queued(url: str) -> list[str]:
    import asyncpg

    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT args->'job'->>'external_task_id' AS id FROM procrastinate_jobs")
    await connection.close()
    return sorted(row["id"] for row in rows)


def test_a_feeding_killed_between_a_piece_and_its_note_leaves_each_job_once_in_the_queue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The queue itself says how far it came; a third feeding finds nothing to do."""
    pytest.importorskip("procrastinate")
    jobs = [dict(JOBS[0], external_task_id=f"job-{number:02}") for number in range(1, 36)]
    path = tmp_path / "jobs.jsonl"
    path.write_text("\n".join(map(json.dumps, jobs)))
    names = [job["external_task_id"] for job in jobs]
    with postgres.Postgres() as server:
        words = ["feed", str(path), "--gateway", "http://127.0.0.1:9", "--journal", server.url]
        died = subprocess.run([sys.executable, "-m", "tests.machines.feeder", *words], cwd=ROOT, check=False)
        assert died.returncode == -signal.SIGKILL
        assert asyncio.run(_queued(server.url)) == names[: 2 * PIECE]
        assert main(words) == 0
        assert "15 jobs fed" in capsys.readouterr().err
        assert asyncio.run(_queued(server.url)) == names
        assert main(words) == 0
        assert "0 jobs fed" in capsys.readouterr().err
        assert asyncio.run(_queued(server.url)) == names
