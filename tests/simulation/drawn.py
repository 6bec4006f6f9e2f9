"""Everything that can differ from world to world, drawn from one seed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import get_args

from attrs import evolve

from lipsync_async.config import Ambiguous, Limits, RetryPolicy, RunOptions, Timeouts
from lipsync_async.gateways import CHAINHUB
from lipsync_async.gateways import Gateway as Profile
from lipsync_async.models import LipSyncRequest

from .gateway import Gateway
from .kinds import draw_kinds, draw_ways
from .replies import EPOCH
from .report import Broken, Interruption, RunReport
from .stand import CrashingStore, GroupJournal, request

INTERRUPTIONS = (
    "cancel", "cancel_twice", "scope", "stop", "leave",
    "hook_raises", "hook_hangs", "key_hangs", "key_raises", "source_raises", "source_stops", "observer_raises",
)  # fmt: skip
WITH_JOURNAL = ("crash_at", "crash_at", "crash_step", "crash_step", "crash_step", "disk_full")


ACCOUNTS = {"good-key": "ours", "second-key": "ours", "other-key": "theirs"}
ISSUERS = ("access-key-1", "access-key-2")
JUMPS = (0.0, -7200.0, 7200.0, -30.0, 30.0, -90_000.0, 90_000.0)
"""By how much a wall clock is wrong."""
RAISED: tuple[type[BaseException], ...] = (
    Broken, Broken, asyncio.CancelledError, StopAsyncIteration, StopIteration, GeneratorExit, ValueError,
)  # fmt: skip
"""What the caller's code raises."""


class Drawn:
    """One seed's gateway, list and client."""

    def __init__(self, seed: int, directory: Path | None = None) -> None:
        self.seed = seed
        self.dice = dice = Random(f"world-{seed}")
        self.directory = directory
        self.kinds = draw_kinds(dice)
        self.mode = dice.choices(("many", "stream", "submit", "calls"), (6, 4, 1, 2))[0]
        kinds = ("none", "memory", "group", "disk") if directory is not None else ("none", "memory", "group")
        self.journal = "none" if self.mode == "submit" else dice.choices(kinds, (3, 4, 4, 1)[: len(kinds)])[0]
        self.count = dice.choice((1, 2, 3, 5, 10, 20, 40, 80, dice.randint(1, 300)))
        if "share" in self.kinds and not self.single:
            self.count = max(self.count, 200)  # a share shows in long lists alone
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
        self.hold = dice.choice((30.0, 120.0, 300.0))
        ways = draw_ways(dice, self.kinds, self.settle, self.hold)
        self.gateway = Gateway(ways, Random(f"gateway-{seed}"))
        believed = ways.lookups == "external" and not self.kinds & {"blind", "slow"}  # else the user's word is wrong
        self.trust = believed and dice.random() < 0.4
        self.ambiguous: Ambiguous = dice.choices(get_args(Ambiguous), (8, 1, 1))[0]
        self.options = RunOptions(
            id_prefix=dice.choice(("", "p-")), ambiguous=self.ambiguous, retry_rejected=dice.random() < 0.2
        )
        self.profile: Profile = evolve(
            CHAINHUB, settle_time=self.settle, hold_time=self.hold, lists_tasks=self.gateway.ways.lists
        )
        self.credential = dice.choices(("key", "sync", "async", "token"), (5, 1, 1, 1))[0]
        if self.credential == "token":
            self.gateway.home = ISSUERS[0]
        self.gateway.accounts = dict(ACCOUNTS)
        self.clients = dice.choice((1, 1, 2)) if self.mode == "calls" and self.journal != "none" else 1
        self.raises: type[BaseException] = dice.choice(RAISED)
        self.jobs = self._jobs()
        self.async_source = self.mode == "stream" and dice.random() < 0.5
        self.source_pause = dice.choice((0.0, 0.0, 0.05, 1.0))
        self.consumer_pause = dice.choice((0.0, 0.0, 0.0, 0.02, 0.3))
        self.hook = dice.choice(("none", "none", "sync", "async"))
        self.strangers = "strangers" in self.kinds
        for job in self.jobs if self.strangers else ():
            if job.external_task_id and dice.random() < 0.2:
                self.gateway.make(job.external_task_id, dice.choice((-100_000.0, 950.0)), None)
        self.observed = dice.random() < 0.3
        self.now = 1000.0
        self.reports: list[RunReport] = []
        self.faults: list[str] = []
        self.store: CrashingStore | None = None
        self.group: GroupJournal | None = None

    @property
    def single(self) -> bool:
        """Each job is a call of its own."""
        return self.mode in {"submit", "calls"}

    def __repr__(self) -> str:
        ways = self.gateway.ways
        return (
            f"<World {self.seed}: {sorted(self.kinds)}, {self.mode}, {self.count} jobs, journal {self.journal}, "
            f"{self.ambiguous}, trust {self.trust}, window {self.limits.max_in_flight}, {ways}, "
            f"runs {[(report.interruption, report.crashed, report.raised) for report in self.reports]}>"
        )

    def story(self) -> str:
        """The world, its runs and what broke, as text."""
        lines = [f"world {self.seed}: {self.mode}, {self.count} jobs, journal {self.journal}, {sorted(self.kinds)}"]
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
            elif kind < 0.15 and jobs and not self.single:
                jobs.append(dice.choice(jobs))
            else:
                jobs.append(request(number, given))
        return jobs

    def _rewrite(self, number: int) -> None:
        """What the caller changed in the list before this run."""
        if not number or not self.kinds & {"corrected", "rewritten"}:
            return
        self.gateway.list_version += 1
        changed = {job.external_task_id for job in self.jobs if job.external_task_id and self.dice.random() < 0.3}
        for place, job in enumerate(self.jobs):
            if not job.external_task_id or not job.session_id:
                continue
            if "rewritten" in self.kinds:
                job = evolve(job, session_id=f"session-of-run-{number}")
            if "corrected" in self.kinds and job.external_task_id in changed:
                face = job.face_choose[0]
                job = evolve(job, face_choose=(evolve(face, audio_id=f"{str(face.audio_id)[:12]}-c{number}"),))
            self.jobs[place] = job

    def _move_clock(self) -> Callable[[float], float]:
        """The wall clock of a run, for a moment of the loop's: it may be wrong by hours, and be set meanwhile."""
        if "clocks" not in self.kinds:
            return lambda now: EPOCH + now
        dice = self.dice
        before, after = dice.choice(JUMPS), dice.choice(JUMPS)
        moved = self.now + 10 ** dice.uniform(-1, 2)
        return lambda now: EPOCH + now + (before if now < moved else after)

    def _interruption(self) -> Interruption:
        dice = self.dice
        names = INTERRUPTIONS + (WITH_JOURNAL * 2 if self.journal != "none" else ())
        name = dice.choice(names)
        if name == "leave" and self.mode != "stream":
            name = "cancel"
        if name in {"source_raises", "source_stops"} and self.mode != "stream":
            name = "stop"
        if name == "observer_raises" and (not self.observed or self.single):
            name = "scope"
        if name == "scope" and self.single:
            name = "cancel"  # a cancelled scope knocks at asyncio's TaskGroup without a pause, and no time passes
        return Interruption(
            name=name,
            at=10 ** dice.uniform(-2, 1.7),
            count=dice.randint(0, max(1, min(4 * self.count, 10 ** dice.randint(1, 3)))),
        )
