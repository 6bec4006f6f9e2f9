"""A run against a sandbox with limits, and the report that tells what was found out about them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from lipsync_async import CHAINHUB, Limits, LipSyncClient
from lipsync_async.cli import main
from lipsync_async.dispatch.paces import MOST
from lipsync_async.journal import InlineJournal, Reader
from lipsync_async.report.facts import Facts
from lipsync_async.report.gathering import gather
from lipsync_async.sandbox import Sandbox
from tests.loopback.hurried import hurry
from tests.makers import requests

EPOCH = 1_790_000_000.0


def reported(path: Path, count: int, *, limits: Limits | None = None, wait: bool = False, **options: Any) -> Facts:
    """What a report tells of a run against a sandbox with these options; its journal is a file."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        async with Sandbox(clock=loop.time, **options) as sandbox:
            profile = evolve(CHAINHUB, base_url=sandbox.base_url)
            async with (
                LipSyncClient(profile, api_key=sandbox.api_key, limits=limits) as caller,
                await InlineJournal.open(path, gateway="https://g") as journal,
            ):
                caller._ready().wall_clock = lambda: EPOCH + loop.time()
                results = await (caller.run_many if wait else caller.submit_many)(requests(count), journal=journal)
                assert len(results) == count

    hurry(run())
    with Reader(path) as reader:
        return gather(reader)


def test_a_pace_near_the_limit_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a figure, as a line over the time of the run, and as a sentence on the page and in the summary."""
    path = tmp_path / "run.db"
    facts = reported(path, 900, max_per_second=20.0)
    found = facts.paces.found
    assert found is not None
    assert 17.0 < found < 23.0
    assert facts.paces.ceiling is None
    (lane,) = facts.paces.lanes
    assert len(lane) <= MOST
    assert lane[-1].at - lane[0].at > 30
    levels = facts.paces.pace_over(facts.timeline)
    late = [level for level in levels[len(levels) // 2 :] if level is not None]
    assert len(late) > len(levels) // 3
    assert all(10.0 < level < 40.0 for level in late)
    assert "rate" in dict(facts.paces.held())
    assert main(["report", str(path)]) == 0
    figure = f"{found:.3g}"
    assert f"limits: the pace was found at {figure} a second; no limit of running tasks" in capsys.readouterr().out
    assert main(["report", str(path), "--html", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"The pace was found at {figure} a second; no limit of running tasks was met." in page
    assert "<b>Learned pace</b>" in page
    assert "<b>Learned limit of running tasks</b>" not in page


def test_the_running_tasks_that_are_allowed_are_told(tmp_path: Path) -> None:
    """Five may run; the client is not told, and finds it out."""
    facts = reported(tmp_path / "run.db", 60, wait=True, max_running_tasks=5, failed_share=0.0)
    assert facts.paces.ceiling in {4, 5, 6}
    assert facts.counts["succeeded"] == 60


def test_an_account_without_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was refused, and nothing is said to be found."""
    facts = reported(tmp_path / "run.db", 60)
    assert facts.paces
    assert facts.paces.found is None
    assert main(["report", str(tmp_path / "run.db")]) == 0
    assert "limits: no limit of the pace was met" in capsys.readouterr().out
