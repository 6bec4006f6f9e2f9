"""`demo`: a bundled list against a gateway inside this process; what became of every job, beside its ledger."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from lipsync_async.endings import Ending
from lipsync_async.gateways import gateway_for
from lipsync_async.jobs import JobList
from lipsync_async.outcomes import Accepted, Outcome

from .batch import Budget, Interrupts, Submission, run_batch
from .display import print_table, shown
from .monitor import Monitor, clock
from .printing import say
from .tally import ACCEPTED, INTERRUPTED, REJECTED, Tally

if TYPE_CHECKING:
    from lipsync_async.sandbox import Ledger, Sandbox

LIST = Path(__file__).parent / "demo_clips" / "jobs.jsonl"
_INTRO = """\
A gateway inside this process takes 12 requests a second and runs 30 tasks at
once. Some requests it answers with 503, some it accepts, bills, and then loses
the reply."""
_HEADERS = ("job", "sound", "outcome", "task", "tries", "waits", "tasks", "units")


def run(args: argparse.Namespace) -> int:
    """Runs the demo; gives the exit code: 0 when all came out as it should."""
    return asyncio.run(_demo(quiet=args.quiet))


async def _demo(*, quiet: bool) -> int:
    from lipsync_async.sandbox import Sandbox

    say(_INTRO, quiet=quiet)
    sandbox = Sandbox(
        max_per_second=12,
        burst=4,
        max_running_tasks=30,
        time_scale=75,
        latency=0.05,
        faults={"lose_reply": 0.08, "503_before": 0.06},
        seed=11,
    )
    tally = Tally()
    began = asyncio.get_running_loop().time()
    async with sandbox:
        with JobList.open(LIST) as jobs:
            outcomes = await _submit(sandbox, jobs, tally, quiet=quiet)
            sounds = {line.line: _sound(line.request) for line in jobs}
    took = asyncio.get_running_loop().time() - began
    outcomes.sort(key=lambda outcome: outcome.line or 0)
    print_table(_HEADERS, _rows(outcomes, sounds, sandbox.ledger), right=(4, 5, 6, 7), out=sys.stdout)
    print(_summary(tally, sandbox.ledger, took), flush=True)
    if tally.interrupted:
        return INTERRUPTED
    return REJECTED if _wrong(outcomes, sandbox.ledger) else ACCEPTED


async def _submit(sandbox: Sandbox, jobs: JobList, tally: Tally, *, quiet: bool) -> list[Outcome]:
    from lipsync_async.client import LipSyncClient
    from lipsync_async.config import RunOptions

    # What this gateway accepts can be found at once, so a not-found after 3 s proves that nothing was created.
    gateway = evolve(gateway_for(sandbox.base_url), name="the sandbox", settle_time=3.0)
    report = jobs.check(gateway)
    for fault in report.faults:
        say(f"not sent: {fault}", quiet=quiet)
    monitor = Monitor("demo", report.lines, tally)
    outcomes: list[Outcome] = []

    def take(result: Outcome | Ending) -> None:
        tally.add(result)
        if not isinstance(result, Ending):
            outcomes.append(result)

    def on_interrupt() -> None:
        tally.interrupted = monitor.stopping = True

    async with LipSyncClient(gateway, api_key=sandbox.api_key, observer=monitor.observe) as client:
        monitor.watch(client)
        with Interrupts(on_interrupt, lambda: None) as interrupts:
            async with shown(monitor, quiet=quiet):
                await run_batch(
                    client,
                    Submission(jobs, report, limit=None, budget=Budget(None)),
                    options=RunOptions(),
                    journal=None,
                    interrupts=interrupts,
                    take=take,
                )
            interrupts.over()
    return outcomes


def _sound(request: object) -> str:
    path = getattr(getattr(request, "face_choose", [None])[0], "sound_file", None)
    return Path(getattr(path, "path", "")).name


def _rows(outcomes: Sequence[Outcome], sounds: dict[int, str], ledger: Ledger) -> list[tuple[str, ...]]:
    units: dict[str, float] = {}
    for entry in ledger.entries:
        units[entry.external_task_id] = units.get(entry.external_task_id, 0.0) + entry.units
    return [
        (
            outcome.external_task_id,
            sounds.get(outcome.line or 0, ""),
            outcome.name.replace("_", " "),
            _task(outcome),
            str(outcome.attempts),
            str(outcome.refusals),
            str(ledger.accepted(outcome.external_task_id)),
            f"{units.get(outcome.external_task_id, 0.0):g}",
        )
        for outcome in outcomes
    ]


def _task(outcome: Outcome) -> str:
    if isinstance(outcome, Accepted):
        return f"{outcome.task_id}{' +' if outcome.recovered else ''}"
    return f"({outcome.kind})"


def _summary(tally: Tally, ledger: Ledger, took: float) -> str:
    billed = sum(entry.units for entry in ledger.entries)
    told = [
        f"{tally} in {clock(took)}. + marks the look-ups.",
        f"The gateway's ledger: {ledger.tasks} tasks, {billed:g} units billed, duplicates: {len(ledger.duplicates)}.",
    ]
    return "\n".join(told)


def _wrong(outcomes: Sequence[Outcome], ledger: Ledger) -> bool:
    """Every job is accepted but the two that are too long and too short, and the ledger says the same."""
    accepted = {outcome.external_task_id for outcome in outcomes if isinstance(outcome, Accepted)}
    entered = {entry.external_task_id for entry in ledger.entries}
    refused = [outcome for outcome in outcomes if not isinstance(outcome, Accepted)]
    sound = len(refused) == 2 and all(outcome.name == "rejected" and not outcome.attempts for outcome in refused)
    return bool(ledger.duplicates) or accepted != entered or not sound
