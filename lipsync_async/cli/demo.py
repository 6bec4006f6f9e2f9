"""`demo`: a bundled list against a gateway inside this process, down to the videos on disk, beside its ledger."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from attrs import evolve

from lipsync_async.endings import Downloaded, Ending, Succeeded
from lipsync_async.gateways import gateway_for
from lipsync_async.jobs import JobList
from lipsync_async.outcomes import Outcome
from lipsync_async.task_results import job_id, line_of

from .batch import Interrupts, Patience, Submission, run_batch
from .budget import Budget
from .display import print_table, shown
from .monitor import Monitor, clock
from .printing import printable, say
from .tally import ACCEPTED, INTERRUPTED, REJECTED, Tally
from .target import look_at_folder

if TYPE_CHECKING:
    from lipsync_async.sandbox import Ledger, Sandbox

LIST = Path(__file__).parent / "demo_clips" / "jobs.jsonl"
_INTRO = """\
A gateway inside this process takes 12 requests a second and runs 30 tasks at
once. It identifies the faces of three videos and speaks two texts before their
jobs go. Some requests it answers with 503, some it accepts, bills, and then
loses the reply. Some videos break off on their way, and some of their addresses
have run out. A minute passes in less than a second."""
_HEADERS = ("job", "sound", "outcome", "tries", "waits", "tasks", "units", "video")
_FAULTS = {"lose_reply": 0.08, "503_before": 0.06}
_FILE_FAULTS = {"cut_once": 0.1, "stale_url": 0.1, "html_200": 0.05}
Told = Outcome | Ending


def run(args: argparse.Namespace) -> int:
    """Runs the demo; gives the exit code: 0 when all came out as it should."""
    look_at_folder(args.download)
    folder = args.download or mkdtemp(prefix="lipsync-demo-")
    return asyncio.run(_demo(folder, quiet=args.quiet))


async def _demo(folder: str, *, quiet: bool) -> int:
    from lipsync_async.sandbox import Sandbox

    say(_INTRO, quiet=quiet)
    sandbox = Sandbox(
        max_per_second=12,
        burst=4,
        max_running_tasks=30,
        time_scale=75,
        latency=0.05,
        failed_share=0.0,
        faults=_FAULTS,
        file_faults=_FILE_FAULTS,
        check_ids=True,
        seed=11,
    )
    tally = Tally(waits=True)
    began = asyncio.get_running_loop().time()
    async with sandbox:
        with JobList.open(LIST) as jobs:
            results = await _submit(sandbox, jobs, tally, folder, quiet=quiet)
            sounds = {line.line: _sound(line.request) for line in jobs}
    took = asyncio.get_running_loop().time() - began
    results.sort(key=lambda result: line_of(result)["line"] or 0)
    print_table(_HEADERS, _rows(results, sounds, sandbox.ledger), right=(3, 4, 5, 6), out=sys.stdout)
    print(_summary(tally, sandbox.ledger, took, folder), flush=True)
    if tally.interrupted:
        return INTERRUPTED
    return REJECTED if _wrong(results, sandbox.ledger) else ACCEPTED


async def _submit(sandbox: Sandbox, jobs: JobList, tally: Tally, folder: str, *, quiet: bool) -> list[Told]:
    from lipsync_async.client import LipSyncClient
    from lipsync_async.config import Following, RunOptions

    # What this gateway accepts can be found at once, so a not-found after 3 s proves that nothing was created.
    gateway = evolve(gateway_for(sandbox.base_url), name="the sandbox", settle_time=3.0)
    report = jobs.check(gateway)
    for fault in report.faults:
        say(f"not sent: {fault}", quiet=quiet)
    monitor = Monitor("demo", report.lines, tally)
    results: list[Told] = []

    def take(result: Told) -> None:
        tally.add(result)
        results.append(result)

    def on_interrupt() -> None:
        tally.interrupted = monitor.stopping = True

    soon = Following(first_look=1.0, closest=0.5, max_queries_per_second=50.0)
    async with LipSyncClient(gateway, api_key=sandbox.api_key, observer=monitor.observe, following=soon) as client:
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
                    wait=Patience(download=folder),
                    begun=monitor.read,
                )
            interrupts.over()
    return results


def _sound(request: object) -> str:
    path = getattr(getattr(request, "face_choose", [None])[0], "sound_file", None)
    return "(a text)" if getattr(request, "speech", None) is not None else Path(getattr(path, "path", "")).name


def _rows(results: Sequence[Told], sounds: dict[int, str], ledger: Ledger) -> list[tuple[str, ...]]:
    units: dict[str, float] = {}
    for entry in ledger.entries:
        units[entry.external_task_id] = units.get(entry.external_task_id, 0.0) + entry.charged
    rows: list[tuple[str, ...]] = []
    for result in results:
        line = line_of(result)
        name = job_id(result)
        tasks, paid = str(ledger.accepted(name)), f"{units.get(name, 0.0):g}"
        tries, waits = str(line["attempts"]), str(line["refusals"])
        rows.append((name, sounds.get(line["line"], ""), _came_out(result), tries, waits, tasks, paid, _video(result)))
    return rows


def _came_out(result: Told) -> str:
    job = result.outcome if isinstance(result, Ending) else None
    return f"{result.name.replace('_', ' ')}{' +' if job is not None and job.recovered else ''}"


def _video(result: Told) -> str:
    if not isinstance(result, Ending):
        return f"({line_of(result)['kind']})"
    made = result.download if isinstance(result, Succeeded) else None
    return f"{made.size / 1000:.0f} kB" if isinstance(made, Downloaded) else ""


def _summary(tally: Tally, ledger: Ledger, took: float, folder: str) -> str:
    charged = sum(entry.charged for entry in ledger.entries)
    told = [
        f"{tally} in {clock(took)}.",
        "+ marks the jobs whose reply was lost and whose task a look-up found.",
        f"The gateway's ledger: {ledger.tasks} tasks, {charged:g} units, duplicates: {len(ledger.duplicates)}.",
        f"{tally.cost()}.".replace("; ", ";\n"),
        f"The videos are in {printable(folder)}",
    ]
    return "\n".join(told)


def _wrong(results: Sequence[Told], ledger: Ledger) -> bool:
    """Every job has its video but the two that are too long and too short, and the ledger says the same."""
    made = {job_id(it) for it in results if isinstance(it, Succeeded) and isinstance(it.download, Downloaded)}
    entered = {entry.external_task_id for entry in ledger.entries}
    refused = [it for it in results if not isinstance(it, Succeeded)]
    sound = len(refused) == 2 and all(it.name == "rejected" and not line_of(it)["attempts"] for it in refused)
    return bool(ledger.duplicates) or made != entered or not sound
