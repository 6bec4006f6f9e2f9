"""Runs that are killed at random moments, a gateway that loses replies, and a comparison of journal and gateway."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field

from lipsync_async.journal import Reader, State
from lipsync_async.sandbox import Sandbox, in_thread

ROOT = Path(__file__).resolve().parents[2]
CHILD = "tests.loopback.crash_child"


@define
class Account:
    """What the journal and the gateway's ledger say at the end, and where they differ."""

    jobs: int
    kills: int
    runs: int
    seconds: float
    lost_replies: int
    told: dict[str, int]
    """The outcomes of the last run, counted by name."""
    missing: list[str] = field(factory=list)
    """Jobs that are accepted in the journal and unknown to the gateway, or not accepted at all."""
    doubled: dict[str, int] = field(factory=dict)
    """Jobs that were paid for more than once."""
    unbooked: list[str] = field(factory=list)
    """Jobs that were paid for and are not in the journal."""
    differing: list[str] = field(factory=list)
    """Jobs whose task id in the journal is not that of the gateway."""
    recovered: int = 0

    @property
    def agrees(self) -> bool:
        """Whether no job is lost, doubled or different."""
        return not (self.missing or self.doubled or self.unbooked or self.differing)

    def __str__(self) -> str:
        return (
            f"{self.jobs} jobs, {self.kills} kills in {self.runs} runs, {self.lost_replies} replies lost, "
            f"{self.recovered} recovered by look-ups: {len(self.missing)} lost, {len(self.doubled)} duplicates, "
            f"{len(self.unbooked)} not in the journal, {len(self.differing)} under another id; "
            f"last run {self.told}; {self.seconds:.1f} s"
        )


def run(
    directory: Path,
    *,
    jobs: int,
    kills: int,
    seed: int,
    mode: str = "many",
    per_second: float = 150.0,
    life: float = 0.5,
) -> Account:
    """Kills `kills` runs, each within `life` seconds of its first outcome; then lets runs end until nothing is open."""
    dice = Random(f"crashes-{seed}")
    journal = directory / "run.db"
    sandbox = Sandbox(
        faults={"lose_reply": 0.05}, duplicates="accept", latency=0.02, task_seconds=(1.0, 5.0), seed=seed
    )
    began = time.monotonic()
    runs = killed = 0
    with in_thread(sandbox):
        arguments = [sandbox.base_url, str(journal), str(jobs), mode, str(per_second), "1.0"]
        while killed < kills and runs < 3 * kills:
            runs += 1
            killed += _run_and_kill(arguments, dice.uniform(0.0, life), early=dice.random() < 0.1)
        told = _run_to_end(arguments)
        runs += 1
        return _compare(sandbox, journal, jobs, killed, runs, time.monotonic() - began, told)


def _start(arguments: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", CHILD, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _run_and_kill(arguments: list[str], life: float, *, early: bool) -> bool:
    """Returns True if the run was killed, and False if it had ended before."""
    with _start(arguments) as child:
        assert child.stdout is not None
        if not early:  # early: somewhere among its imports and its first steps
            child.stdout.readline()
        try:
            child.wait(life)
        except subprocess.TimeoutExpired:
            child.kill()
            child.stdout.read()
            return True
    assert child.returncode == 0
    return False


def _run_to_end(arguments: list[str]) -> dict[str, int]:
    with _start(arguments) as child:
        said, _ = child.communicate(timeout=120)
    assert child.returncode == 0
    told: dict[str, int] = json.loads(said.splitlines()[-1])
    return told


def _compare(sandbox: Sandbox, journal: Path, jobs: int, kills: int, runs: int, seconds: float, told: Any) -> Account:
    account = Account(jobs, kills, runs, seconds, sandbox.ledger.faults.get("lose_reply", 0), told)
    account.doubled = sandbox.ledger.duplicates
    made = {entry.external_task_id: entry.task_id for entry in sandbox.ledger.entries}
    with Reader(journal) as reader:
        booked = {record.external_task_id: record for record in reader.records()}
    for name, record in booked.items():
        if record.state is not State.ACCEPTED or name not in made:
            account.missing.append(name)
        elif made[name] != record.task_id:
            account.differing.append(name)
        account.recovered += record.recovered
    account.missing += [f"{jobs - len(booked)} were never written down"] if len(booked) != jobs else []
    account.unbooked = sorted(set(made) - set(booked))
    return account
