"""The real command under signals at random, a gateway that loses replies, and a comparison of all that is told.

A batch is one list with one journal: run, signalled at a random instant, and run again by the same command, until all
is done. After each run its result lines are held against the gateway's ledger; after the last one the journal, too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field, fields_dict

from lipsync_async.journal import Reader, Record, State
from lipsync_async.sandbox import Sandbox, in_thread
from tests.cli.helpers import KEY, job, write

ROOT = Path(__file__).resolve().parents[2]
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")
LONGEST_END = 8.0
"""Seconds from a signal to the end of the process: `docker stop` kills after ten."""
_PAID = frozenset({"accepted", "unknown"})
_HANGS = 600.0
_SETTLES = 0.2
"""Seconds in which the gateway reads what a killed process had sent."""

Ledger = Mapping[str, Sequence[str]]
"""The task ids of every external_task_id."""


@define
class Run:
    """What was seen of one process."""

    signals: tuple[str, ...]
    """Those that were sent while it lived."""
    exit_code: int
    lines: list[dict[str, Any]]
    torn: bool
    """Whether its last line is not whole."""
    paid: frozenset[str] = frozenset()
    """Jobs that the gateway accepted for the first time while it lived."""
    errors: str = ""
    seconds_to_end: float = 0.0
    """From the first signal on."""

    @property
    def abrupt(self) -> bool:
        """Whether it had no time for its result lines: killed, or told twice to end."""
        return "SIGKILL" in self.signals or len(self.signals) > 1

    @property
    def finished(self) -> bool:
        """Whether all jobs were accepted."""
        return self.exit_code == 0


@define
class Account:
    """What came of all batches."""

    jobs: int = 0
    batches: int = 0
    runs: int = 0
    by_signal: Counter[str] = field(factory=Counter)
    twice: int = 0
    """Runs that got a second signal."""
    before_sending: int = 0
    """Runs that a signal ended before they told anything."""
    lost_replies: int = 0
    ends: list[float] = field(factory=list)
    """Seconds from a signal to the end, of all runs that were not killed."""
    lost: list[str] = field(factory=list)
    """Jobs that are not accepted in the journal, the ledger and the last lines."""
    doubled: list[str] = field(factory=list)
    """Jobs that were paid for more than once."""
    untold: list[str] = field(factory=list)
    """Jobs that a run paid for, or knew to be paid for, without a line that says so."""
    faults: list[str] = field(factory=list)
    """All else that is not as it should be."""

    @property
    def agrees(self) -> bool:
        """Whether nothing is lost, doubled, untold or otherwise wrong."""
        return not self.wrong()

    def wrong(self) -> list[str]:
        """All that is wrong, a line each."""
        kinds = ("lost", "doubled", "untold", "faults")
        return [f"{kind}: {found}" for kind in kinds for found in getattr(self, kind)]

    @property
    def longest_end(self) -> float:
        """The longest of `ends`."""
        return max(self.ends, default=0.0)

    def __add__(self, other: Account) -> Account:
        return Account(**{name: getattr(self, name) + getattr(other, name) for name in fields_dict(Account)})

    def __str__(self) -> str:
        kinds = ", ".join(f"{self.by_signal[name]} {name}" for name in SIGNALS)
        return (
            f"{self.jobs} jobs in {self.batches} batches, {self.runs} runs with {kinds} "
            f"({self.twice} runs with a second signal, {self.before_sending} ended before anything was told), "
            f"{self.lost_replies} replies lost: {len(self.lost)} lost, {len(self.doubled)} paid twice, "
            f"{len(self.untold)} paid and untold, {len(self.faults)} other faults; "
            f"longest end {self.longest_end:.1f} s"
        )


# --- the comparison, pure ---------------------------------------------------------------------------------------------


def read_lines(text: str) -> tuple[list[dict[str, Any]], bool]:
    """Result lines, and whether the last one is torn. Raises ValueError for any other that cannot be read."""
    whole, feed, rest = text.rpartition("\n")
    return [json.loads(line) for line in whole.split("\n")] if feed else [], bool(rest)


def look_at_run(run: Run, jobs: Sequence[str], ledger: Ledger, account: Account, *, longest: float) -> None:
    """Holds one run against what the gateway had accepted when it ended; adds to `account` what is wrong.

    A run that tells anything, and was not cut short, tells every job once, and each that was paid for as such.
    """
    name = f"run {account.runs} ({'+'.join(run.signals) or 'no signal'}, exit {run.exit_code})"
    if run.exit_code not in _exits(run) and not _is_before_main(run):
        account.faults.append(f"{name}: {run.errors[-300:]!r}")
    if "Traceback" in run.errors and not _is_before_main(run):
        account.faults.append(f"{name}: a traceback: {run.errors[-600:]!r}")
    if run.signals and "SIGKILL" not in run.signals and run.seconds_to_end > longest:
        account.faults.append(f"{name}: ended {run.seconds_to_end:.1f} s after its signal")
    told = {line["external_task_id"]: line for line in run.lines}
    for known, line in told.items():
        if line["outcome"] == "accepted" and line["task_id"] not in ledger.get(known, ()):
            account.faults.append(f"{name}: {known} is told as {line['task_id']}, made was {ledger.get(known)}")
    if run.abrupt:
        return
    if run.torn:
        account.faults.append(f"{name}: its last line is torn")
    if run.lines and Counter(line["external_task_id"] for line in run.lines) != Counter(jobs):
        account.faults.append(f"{name}: {len(run.lines)} lines for {len(jobs)} jobs")
    paid = ledger if told else run.paid
    account.untold += [f"{name}: {known}" for known in paid if told.get(known, {}).get("outcome") not in _PAID]


def look_at_end(jobs: Iterable[str], last: Run, ledger: Ledger, booked: Mapping[str, Record], account: Account) -> None:
    """Holds ledger, journal and the last run's lines against each other, job by job."""
    told = {line["external_task_id"]: line for line in last.lines}
    for name in jobs:
        tasks, record, line = ledger.get(name, ()), booked.get(name), told.get(name)
        if len(tasks) > 1:
            account.doubled.append(name)
        if not tasks or record is None or record.state is not State.ACCEPTED or record.task_id not in tasks:
            account.lost.append(name)
        if line is None or line["outcome"] != "accepted" or line["task_id"] not in tasks:
            account.untold.append(name)


def _exits(run: Run) -> set[int]:
    """All done, interrupted, or ended by the signal itself, before its handler stood or after all was told."""
    if not run.signals:
        return {0}
    return {0, 130, *(-getattr(signal, name) for name in run.signals)}


def _is_before_main(run: Run) -> bool:
    """A Ctrl-C while Python starts or imports is Python's own to tell: no line of the command has run."""
    started = bool(run.lines or run.paid)
    return run.exit_code in {1, -signal.SIGINT} and "KeyboardInterrupt" in run.errors and not started


# --- the runs ---------------------------------------------------------------------------------------------------------


def hear_all() -> None:
    """Makes the processes that are begun from now on hear every signal; for the main thread.

    A shell that starts us in the background hands down that SIGINT is ignored, `nohup` the same of SIGHUP.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@define
class Batch:
    """One list, one journal, one gateway, and the dice that say when which signal comes."""

    directory: Path
    dice: Random
    jobs: int
    per_second: float
    kinds: Sequence[str] = SIGNALS
    life: float = 6.0
    """Seconds within which a signal comes: after the start, or after the first request."""
    early: float = 0.3
    """The share of signals that are timed from the start."""
    twice: float = 0.15
    """The chance of a second signal."""
    longest: float = LONGEST_END
    faults: Mapping[str, float] = field(factory={"lose_reply": 0.05, "slow": 0.01}.copy)

    def play(self, account: Account, runs: int, until: float = float("inf")) -> None:
        """At most `runs` runs that are signalled, none that begins after `until`; then one that may end by itself."""
        sandbox = Sandbox(
            faults=self.faults, slow_seconds=12.0, duplicates="accept", latency=0.02, seed=self.dice.getrandbits(32)
        )
        names = [f"job-{number:05}" for number in range(self.jobs)]
        with in_thread(sandbox):
            arguments = self._arguments(sandbox.base_url, names)
            last = None
            for _ in range(runs):
                if time.monotonic() > until or (last is not None and last.finished):
                    break
                last = self._run(arguments, sandbox, names, account, self.dice.choice(self.kinds))
            if last is None or not last.finished:
                last = self._run(arguments, sandbox, names, account, None)
            with Reader(self.directory / "run.db") as reader:
                booked = {record.external_task_id: record for record in reader.records()}
            look_at_end(names, last, _ledger(sandbox), booked, account)
        account.jobs += self.jobs
        account.batches += 1
        account.lost_replies += sandbox.ledger.faults.get("lose_reply", 0)

    def _arguments(self, url: str, names: Iterable[str]) -> list[str]:
        """The same for every run; the result lines go to stdout or to a file."""
        listed = write(self.directory / "jobs.jsonl", map(job, names))
        given = ["submit", str(listed), "--gateway", url, "--journal", str(self.directory / "run.db")]
        given += ["--max-per-second", str(self.per_second)]
        given += self.dice.choice([[], ["--quiet"]])
        given += self.dice.choice([[], ["--trust-lookup"]])
        return given + self.dice.choice([[], ["--out", str(self.directory / "out.jsonl")]])

    def _run(self, arguments: list[str], sandbox: Sandbox, names: list[str], account: Account, kind: str | None) -> Run:
        before = _ledger(sandbox)
        run = self._see(arguments, kind, lambda: sandbox.ledger.requests + sandbox.ledger.queries)
        time.sleep(_SETTLES if run.signals else 0.0)
        ledger = _ledger(sandbox)
        run.paid = frozenset(ledger.keys() - before.keys())
        account.runs += 1
        account.by_signal.update(run.signals)
        account.twice += len(run.signals) > 1
        account.before_sending += bool(run.signals) and not run.lines
        if run.signals and "SIGKILL" not in run.signals:
            account.ends.append(run.seconds_to_end)
        look_at_run(run, names, ledger, account, longest=self.longest)
        return run

    def _see(self, arguments: list[str], kind: str | None, asked: Callable[[], int]) -> Run:
        place = Path(arguments[arguments.index("--out") + 1]) if "--out" in arguments else None
        before = _written(place)
        process = subprocess.Popen(
            [sys.executable, "-m", "lipsync_async.cli", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), "LIPSYNC_API_KEY": KEY},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            sent, began = self._signal(process, kind, asked) if kind is not None else ((), 0.0)
            out, errors = _end_of(process)
            ended = time.monotonic()
        if place is not None:
            out = place.read_text(encoding="utf-8") if _written(place) != before else ""
        lines, torn = read_lines(out)
        return Run(sent, process.returncode, lines, torn, errors=errors, seconds_to_end=ended - began if sent else 0.0)

    def _signal(
        self, process: subprocess.Popen[str], kind: str, asked: Callable[[], int]
    ) -> tuple[tuple[str, ...], float]:
        """Signals the process at a random instant, perhaps twice; which it lived to get, and when the first came."""
        sent: tuple[str, ...] = ()
        began = 0.0
        if self.dice.random() >= self.early:
            before = asked()
            while asked() == before and _lives(process, 0.02):
                pass
        delay = self.dice.uniform(0.0, self.life)
        for name in (kind, self.dice.choice(self.kinds)):
            if not _lives(process, delay):
                break
            began = began or time.monotonic()
            process.send_signal(getattr(signal, name))
            sent += (name,)
            if self.dice.random() >= self.twice:
                break
            delay = self.dice.uniform(0.0, 2.0)
        return sent, began


def _lives(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether it has not ended after so long; what it writes is read meanwhile, and kept."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _ledger(sandbox: Sandbox) -> Ledger:
    made: dict[str, list[str]] = {}
    for entry in sandbox.ledger.entries:
        made.setdefault(entry.external_task_id, []).append(entry.task_id)
    return made


def _written(path: Path | None) -> int | None:
    """When a file was last written, so that the lines of an earlier run are not taken for this one's."""
    return path.stat().st_mtime_ns if path is not None and path.exists() else None


def _end_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return process.communicate(timeout=_HANGS)
    except subprocess.TimeoutExpired:
        process.kill()  # its exit code tells
        return process.communicate()
