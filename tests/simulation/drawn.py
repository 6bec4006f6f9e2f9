"""Everything that can differ from world to world, drawn from one seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import get_args

from attrs import evolve

from lipsync_async.config import Ambiguous, Limits, RetryPolicy, RunOptions, Timeouts
from lipsync_async.gateways import CHAINHUB
from lipsync_async.gateways import Gateway as Profile
from lipsync_async.models import LipSyncRequest

from .gateway import Gateway
from .ways import AFTER, BEFORE, Ways
from .report import Interruption, RunReport
from .stand import CrashingStore, GroupJournal, request

INTERRUPTIONS = (
    "cancel", "cancel_twice", "scope", "stop", "leave",
    "hook_raises", "hook_hangs", "key_hangs", "source_raises", "source_stops", "observer_raises",
)  # fmt: skip
WITH_JOURNAL = ("crash_at", "crash_at", "crash_step", "crash_step", "crash_step", "disk_full")


class Drawn:
    """One seed's gateway, list and client."""

    def __init__(self, seed: int, directory: Path | None = None) -> None:
        self.seed = seed
        self.dice = dice = Random(f"world-{seed}")
        self.directory = directory
        self.mode = dice.choices(("many", "stream", "submit"), (6, 4, 1))[0]
        kinds = ("none", "memory", "group", "disk") if directory is not None else ("none", "memory", "group")
        self.journal = "none" if self.mode == "submit" else dice.choices(kinds, (3, 4, 4, 1)[: len(kinds)])[0]
        self.count = dice.choice((1, 2, 3, 5, 10, 20, 40, 80, dice.randint(1, 300)))
        self.timeouts = Timeouts(
            total=dice.choice((5.0, 20.0)), connect=dice.choice((1.0, 4.0)), grace=dice.choice((0.0, 1.0, 10.0))
        )
        self.limits = Limits(
            max_in_flight=dice.choice((1, 2, 4, 8, 16, 64)),
            max_per_second=dice.choice((None, None, None, 2.0, 20.0)),
            max_running_tasks=dice.choice((None, None, None, None, 5, 20)),
            initial_per_second=dice.choice((1.0, 8.0, 100.0)),
        )
        self.retry = RetryPolicy(
            max_attempts=dice.choice((1, 2, 5)),
            base_delay=dice.choice((0.1, 1.0)),
            max_stall=dice.choice((60.0, 600.0)),
            max_outage=dice.choice((40.0, 120.0)),
        )
        self.settle = dice.choice((10.0, 60.0))
        self.gateway = Gateway(self._ways(), Random(f"gateway-{seed}"))
        lookups = self.gateway.ways.lookups
        self.trust = lookups == "external" and dice.random() < 0.4
        self.ambiguous: Ambiguous = dice.choices(get_args(Ambiguous), (8, 1, 1))[0]
        self.options = RunOptions(
            id_prefix=dice.choice(("", "p-")), ambiguous=self.ambiguous, retry_rejected=dice.random() < 0.2
        )
        self.profile: Profile = evolve(CHAINHUB, settle_time=self.settle, lists_tasks=self.gateway.ways.lists)
        self.credential = dice.choices(("key", "sync", "async", "token"), (5, 1, 1, 1))[0]
        self.jobs = self._jobs()
        self.async_source = self.mode == "stream" and dice.random() < 0.5
        self.source_pause = dice.choice((0.0, 0.0, 0.05, 1.0))
        self.consumer_pause = dice.choice((0.0, 0.0, 0.0, 0.02, 0.3))
        self.hook = dice.choice(("none", "none", "sync", "async"))
        self.strangers = dice.random() < 0.1
        for job in self.jobs if self.strangers else ():
            if job.external_task_id and dice.random() < 0.2:
                self.gateway.make(job.external_task_id, -100_000.0, None)
        self.observed = dice.random() < 0.3
        self.now = 1000.0
        self.reports: list[RunReport] = []
        self.faults: list[str] = []
        self.store: CrashingStore | None = None
        self.group: GroupJournal | None = None

    def __repr__(self) -> str:
        ways = self.gateway.ways
        return (
            f"<World {self.seed}: {self.mode}, {self.count} jobs, journal {self.journal}, {self.ambiguous}, "
            f"trust {self.trust}, window {self.limits.max_in_flight}, {ways}, "
            f"runs {[(report.interruption, report.crashed, report.raised) for report in self.reports]}>"
        )

    def story(self) -> str:
        """The world, its runs and what broke, as text."""
        lines = [f"world {self.seed}: {self.mode}, {self.count} jobs, journal {self.journal}"]
        lines += [f"  ambiguous: {self.ambiguous}, trust in look-ups: {self.trust}"]
        lines += [f"  {self.limits}", f"  {self.retry}", f"  {self.timeouts}", f"  {self.gateway.ways}"]
        for report in self.reports:
            told = Counter(outcome.name for outcome in report.told)
            ended = "crashed" if report.crashed else repr(report.raised) if report.raised else "ended"
            lines.append(
                f"  run {report.number}: {report.interruption.name}, {report.started_at:.1f} to {report.ended_at:.1f}, "
                f"{ended}, {dict(told)}"
            )
        lines += [f"  BROKEN: {fault}" for fault in self.faults] or ["  all is well"]
        return "\n".join(lines) + "\n"

    # -- drawing ----------------------------------------------------------------------------------------------------

    def _ways(self) -> Ways:
        dice = self.dice
        latency = dice.choice((0.0, 0.02, 0.3))
        dark = dice.uniform(0, 60) if dice.random() < 0.2 else 1e12
        late = self.settle * dice.uniform(0.05, 0.5)
        ways = Ways(
            latency=latency,
            upload=dice.choice((0.0, 0.1)),
            rate=dice.choice((None, None, 3.0, 30.0)),
            burst=dice.choice((1.0, 5.0)),
            hints=dice.random() < 0.3,
            masked=dice.random() < 0.1,
            slots=dice.choice((None, None, None, 5, 30)),
            task_seconds=dice.choice(((2.0, 5.0), (20.0, 60.0))),
            duplicates=dice.choice(("refuse", "accept")),
            lookups=dice.choices(("external", "task_id", "none", "broken"), (6, 1, 1, 1))[0],
            lookup_faults=dice.choice((0.0, 0.0, 0.2)),
            lookup_latency=dice.choice((0.01, 0.5, 3.0)),
            store_delay=dice.choice((0.0, 0.0, self.settle * 0.3)),
            lists=dice.random() < 0.3,
            faults=self._drawn_faults(),
            late_by=late,
            dark=(1000.0 + dark, 1000.0 + dark + dice.choice((5.0, 100.0, 1e12))),
            darkness=dice.choice(("502", "connect_refused", "hang_before", "lost_before")),
            key_dies_at=1000.0 + dice.uniform(0, 30) if dice.random() < 0.05 else 1e12,
            key_code=dice.choice((1000, 1002, 1004)),
            token_life=dice.choice((3.0, 30.0)),
            balance=dice.randint(0, 100) if dice.random() < 0.05 else 1e12,
            clock_error=dice.uniform(-200, 200),
        )
        if ways.masked and ways.slots is not None:
            ways.slots = None  # a hidden limit on slots is found by patience alone: see the proofs
        return ways

    def _drawn_faults(self) -> dict[str, float]:
        dice = self.dice
        total = dice.choice((0.0, 0.02, 0.1, 0.4))
        names = dice.sample((*BEFORE, *AFTER), dice.randint(1, 6))
        return {name: total / len(names) for name in names}

    def _jobs(self) -> list[LipSyncRequest]:
        dice = self.dice
        named = dice.choice((0.0, 1.0, 0.5))
        mixed = dice.random() < 0.3
        jobs: list[LipSyncRequest] = []
        for number in range(self.count):
            kind = dice.random() if mixed else 1.0
            given = f"job-{number:04}" if dice.random() < named else None
            if kind < 0.05:
                jobs.append(request(number, given, session_id=""))
            elif kind < 0.1:
                jobs.append(request(number, given, face_id=dice.choice(("policy", "refused"))))
            elif kind < 0.15 and jobs and self.mode != "submit":
                jobs.append(dice.choice(jobs))
            else:
                jobs.append(request(number, given))
        return jobs

    def _interruption(self) -> Interruption:
        dice = self.dice
        names = INTERRUPTIONS + (WITH_JOURNAL * 2 if self.journal != "none" else ())
        name = dice.choice(names)
        if name == "leave" and self.mode != "stream":
            name = "cancel"
        if name in {"source_raises", "source_stops"} and self.mode != "stream":
            name = "stop"
        if name == "observer_raises" and (not self.observed or self.mode == "submit"):
            name = "scope"
        if name == "scope" and self.mode == "submit":
            name = "cancel"  # a cancelled scope knocks at asyncio's TaskGroup without a pause, and no time passes
        return Interruption(
            name=name,
            at=10 ** dice.uniform(-2, 1.7),
            count=dice.randint(0, max(1, min(4 * self.count, 10 ** dice.randint(1, 3)))),
        )
