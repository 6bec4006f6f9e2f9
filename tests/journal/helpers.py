"""What the journal's tests share."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from lipsync_async.journal import (
    Journal,
    Record,
    State,
    Store,
    Try,
)

ROOT = Path(__file__).parents[2]
GATEWAY = "https://api.example.com"
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and limits")


def job(name: str, state: State = State.OPEN, **more: Any) -> Record:
    """A record, open unless told otherwise."""
    return Record(external_task_id=name, fingerprint=b"\x00\xff", state=state, **more)


FULL = job(
    "full",
    State.UNKNOWN,
    attempts=2,
    refusals=7,
    first_intent_at=1700000000.25,
    last_intent_at=1700000060.5,
    task_id="t-1",
    task_status="submitted",
    recovered=True,
    kind="timeout",
    http_status=504,
    code=5002,
    message="网关 said: 'no'",
    request_id="r-1",
    core=b"\x00core" * 3,
    key=b"\xffkey\x00\x01\x02\x03",
    owned=True,
    ended_at=1700000090.5,
    found_task_id="t-2",
    phase="sent",
    line=12,
    history=(Try(1, 1700000000.25, "connecting", "connection"), Try(2, 1700000060.5, "sent", "timeout", 504, "E1")),
)


def open_store(path: Path | str, **more: Any) -> Store:
    """The store at that path, of the gateway of these tests."""
    return Store(path, **{"gateway": GATEWAY, **more})


def with_journal(path: Path, body: Callable[[Journal], Coroutine[Any, Any, Any]]) -> Any:
    """Run the body in a loop with an open journal."""

    async def main() -> Any:
        async with await Journal.open(path, gateway=GATEWAY) as journal:
            return await body(journal)

    return asyncio.run(main())


def start(script: str, *arguments: object, **more: Any) -> subprocess.Popen[str]:
    """A process of its own."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    pipe = subprocess.PIPE
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment, **more)


def finish(child: subprocess.Popen[str]) -> tuple[str, str]:
    """What the process said since, on stdout and stderr, once it has ended."""
    with child:
        return child.communicate(timeout=20)


def join_threads() -> None:
    """Wait until the threads of closed journals have ended."""
    for thread in threading.enumerate():
        if thread.name == "lipsync-journal":
            thread.join(10)
            assert not thread.is_alive()
