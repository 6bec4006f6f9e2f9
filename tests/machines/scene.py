"""Four machines with one list and one journal, and what befalls them: kills, a freeze, a crash of the database."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from attrs import define, field

from lipsync_async.journal import State, open_reader
from lipsync_async.sandbox import Sandbox, in_thread
from tests.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
LEASE = 3.0
WORKERS = 4


@define(kw_only=True)
class Plan:
    """What is to happen; moments are seconds after all machines have begun."""

    seed: int
    jobs: int = 400
    per_second: float | None = 20.0
    span: float = 18.0
    """Within it all troubles begin."""
    kills: int = 3
    frozen: float = 2.5 * LEASE
    """Seconds for which the one that is not killed stands still; 0: it does not."""
    outage: float = 2.0
    """Seconds for which the database is gone, after a crash; 0: it is not."""
    lost_replies: float = 0.04
    patience: float = 120.0
    worker: tuple[str, ...] = ("-m", "tests.machines.worker")


@define
class Result:
    """What the gateway's ledger and the journal say in the end."""

    seed: int
    seconds: float
    after: float
    """Seconds from the end of the last trouble to the end of the list."""
    accepted: int
    twice: dict[str, int]
    lost: list[str]
    differing: list[str]
    recovered: int
    told: dict[str, int] = field(factory=dict)
    stuck: bool = False

    @property
    def is_good(self) -> bool:
        """Nothing is lost, paid twice, different or stuck."""
        return not (self.twice or self.lost or self.differing or self.stuck)


def play(plan: Plan, postgres: Postgres, name: str = "default") -> Result:
    """Lets it happen; `name` is a part of the journal's, so that one database serves many scenes."""
    dice = Random(f"machines-{plan.seed}")
    sandbox = Sandbox(
        faults={"lose_reply": plan.lost_replies},
        duplicates="accept",
        latency=0.3,
        max_per_second=plan.per_second,
        task_seconds=(1.0, 5.0),
        seed=plan.seed,
    )
    with in_thread(sandbox):
        url = f"{postgres.url}?lease={LEASE:g}&max_outage=60"
        began = time.monotonic()
        children = [_start(plan, sandbox.base_url, url, number) for number in range(WORKERS)]
        try:
            told, ended, last = _befall(plan, dice, children, postgres)
        finally:
            for child in children:
                child.kill()
                child.wait()
                if child.stdout is not None:
                    child.stdout.close()
        return _compare(plan, sandbox, f"{url}&gateway={sandbox.base_url}", told, ended - began, ended - last)


def _start(plan: Plan, base_url: str, url: str, number: int) -> subprocess.Popen[str]:
    command = [sys.executable, *plan.worker, base_url, url, str(plan.jobs), str(1000 * plan.seed + number)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _befall(
    plan: Plan, dice: Random, children: list[subprocess.Popen[str]], postgres: Postgres
) -> tuple[dict[str, int], float, float]:
    """Returns what the last machine was told, when it ended, and when the last trouble was over."""
    first = children[0].stdout
    assert first is not None
    first.readline()
    start = time.monotonic()
    troubles = [(dice.uniform(0.0, plan.span), "kill", child) for child in children[1 : 1 + plan.kills]]
    if plan.frozen:
        troubles.append((dice.uniform(0.0, plan.span), "freeze", children[0]))
    if plan.outage:
        troubles.append((dice.uniform(0.0, plan.span), "crash", children[0]))
    last = start
    for moment, what, child in sorted(troubles, key=lambda trouble: trouble[0]):
        time.sleep(max(0.0, start + moment - time.monotonic()))
        if what == "kill":
            child.kill()
        elif what == "freeze":
            child.send_signal(signal.SIGSTOP)
            time.sleep(plan.frozen)
            child.send_signal(signal.SIGCONT)
        else:
            postgres.stop("immediate")
            time.sleep(plan.outage)
            postgres.start()
        last = time.monotonic()
    try:
        said, _ = children[0].communicate(timeout=plan.patience)
    except subprocess.TimeoutExpired:
        return {}, time.monotonic(), last
    return json.loads(said.splitlines()[-1]) if said.strip() else {}, time.monotonic(), last


def _compare(plan: Plan, sandbox: Sandbox, url: str, told: dict[str, int], seconds: float, after: float) -> Result:
    made = {entry.external_task_id: entry.task_id for entry in sandbox.ledger.entries}
    with open_reader(url) as reader:
        booked = {record.external_task_id: record for record in reader.records()}
    accepted = {name: record for name, record in booked.items() if record.state is State.ACCEPTED}
    lost = [name for name in booked if name not in accepted or name not in made]
    lost += [f"{plan.jobs - len(booked)} were never written down"] if len(booked) != plan.jobs else []
    return Result(
        seed=plan.seed,
        seconds=seconds,
        after=after,
        accepted=len(made),
        twice=dict(sandbox.ledger.duplicates),
        lost=lost,
        differing=[name for name, record in accepted.items() if made.get(name) not in {None, record.task_id}],
        recovered=sum(record.recovered for record in accepted.values()),
        told=told,
        stuck=not told,
    )
