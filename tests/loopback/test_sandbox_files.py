"""From a list to the files on disk at the sandbox, with each fault of its file host; real sockets, virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from lipsync_async import CHAINHUB, LipSyncClient
from lipsync_async.endings import Downloaded, DownloadFailed, DownloadKind
from lipsync_async.sandbox import KNOWN_FILE_FAULTS, Sandbox
from lipsync_async.task_results import TaskResults
from tests.loopback.hurried import hurry
from tests.makers import requests

LOST = {"gone": DownloadKind.EXPIRED, "endless": DownloadKind.REFUSED}
"""The faults that no patience cures."""


def run(folder: Path, count: int = 3, **options: Any) -> tuple[TaskResults, Sandbox]:
    """A list, submitted, waited for and fetched."""

    async def main() -> tuple[TaskResults, Sandbox]:
        loop = asyncio.get_running_loop()
        async with Sandbox(clock=loop.time, failed_share=0.0, slow_seconds=20.0, **options) as sandbox:
            profile = evolve(CHAINHUB, base_url=sandbox.base_url)
            async with LipSyncClient(profile, api_key=sandbox.api_key) as caller:
                return await caller.run_many(requests(count), download=folder), sandbox

    return hurry(main())


@pytest.mark.parametrize("fault", KNOWN_FILE_FAULTS)
def test_each_fault_of_a_file(fault: str, tmp_path: Path) -> None:
    """The video is whole, or it is not there and says why; each was fetched once, and the host learned nothing."""
    count = 1 if fault == "endless" else 3  # a gigabyte comes before it is believed to have no end
    results, sandbox = run(tmp_path, count, file_faults={fault: 1.0})
    assert len(results.succeeded) == count
    for name, ending in results.succeeded.items():
        path = tmp_path / f"{name}.mp4"
        if fault in LOST:
            assert isinstance(ending.download, DownloadFailed)
            assert ending.download.kind is LOST[fault]
            assert not path.exists()
        else:
            assert isinstance(ending.download, Downloaded)
            assert path.read_bytes() == sandbox.video(ending.task_id, int(fault == "other_file")).read()
    entries = sandbox.ledger.entries
    assert [it.fetched for it in entries] == [int(fault not in LOST)] * count
    assert sandbox.ledger.leaks == []
    assert all(it.identity for it in sandbox.ledger.files)
    assert {it.suffix for it in tmp_path.iterdir()} <= {".mp4"}


@pytest.mark.parametrize("urls", ["content", "relative", "data", "none"])
def test_each_place_of_a_video(urls: str, tmp_path: Path) -> None:
    """The gateway's own route gets the key, and no other does; a video in the reply is fetched from nowhere."""
    results, sandbox = run(tmp_path, urls=urls)
    for name, ending in results.succeeded.items():
        assert (tmp_path / f"{name}.mp4").read_bytes() == sandbox.video(ending.task_id).read()
    assert {it.place for it in sandbox.ledger.files} == (set() if urls == "data" else {"content"})
    assert all(it.key for it in sandbox.ledger.files)
    assert sandbox.ledger.leaks == []


def test_a_proxy_that_cuts_every_stream(tmp_path: Path) -> None:
    """The gateway's content route, gone on with by Range."""
    results, sandbox = run(tmp_path, urls="content", file_faults={"cut_always": 1.0})
    for name, ending in results.succeeded.items():
        assert (tmp_path / f"{name}.mp4").read_bytes() == sandbox.video(ending.task_id).read()
    assert [it.fetched for it in sandbox.ledger.entries] == [1, 1, 1]
    assert len([it for it in sandbox.ledger.files if it.range]) >= 6
