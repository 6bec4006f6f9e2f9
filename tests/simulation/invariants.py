"""What must hold in every world: the map's invariants, seen from the gateway's side and from the caller's."""

from __future__ import annotations

import asyncio
import math
from collections import Counter

from lipsync_async.dispatch.intake import WINDOWS
from lipsync_async.dispatch.streaming import LAST_WORDS
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind
from lipsync_async.wire.identity import derive_id

from .drawn import Drawn
from .report import RunReport


class Invariants(Drawn):
    """The checks; `faults` tells what broke."""

    # -- checking ---------------------------------------------------------------------------------------------------

    @property
    def lies(self) -> bool:
        """The gateway's look-ups prove what is not so."""
        ways = self.gateway.ways
        return ways.forgets_after < 1e11

    @property
    def mixed_up(self) -> bool:
        """Replies tell other jobs' tasks without a word of whose they are."""
        return "swaps" in self.kinds and not self.gateway.ways.swap_named

    @property
    def obscured(self) -> bool:
        """What was lost need not be found, even by a look-up that is answered."""
        return bool(self.kinds & {"blind", "anything", "pages", "keys", "clocks", "swaps", "corrected"})

    def id_of(self, job: LipSyncRequest) -> str:
        """The id under which a job goes."""
        return job.external_task_id or derive_id(job, prefix=self.options.id_prefix)

    def _check_run(self, report: RunReport) -> None:
        self.faults += self.gateway.violations
        self.gateway.violations.clear()
        if not report.crashed:
            self._check_count(report)
        self._check_wire(report)
        for outcome in report.told:
            self._check_outcome(report, outcome)
        if (
            self.mode == "stream"
            and report.parked > WINDOWS * self.limits.max_in_flight + self.limits.max_in_flight + 1
        ):
            self.faults.append(f"run {report.number}: {report.parked} jobs were parked")
        self._check_reason(report)
        self._check_task_ids(report)
        self._check_share(report)

    def _check_task_ids(self, report: RunReport) -> None:
        """No task is told for two jobs."""
        jobs_of: dict[str, str] = {}
        for outcome in report.told:
            if isinstance(outcome, Accepted):
                if outcome.replayed:
                    continue  # another run's word
                first = jobs_of.setdefault(outcome.task_id, outcome.external_task_id)
                if first != outcome.external_task_id:
                    self.faults.append(f"run {report.number}: {outcome.task_id} is {first}'s and {outcome}'s")

    def _check_share(self, report: RunReport) -> None:
        """Where most replies say nothing, the brake works: the rest is not sent."""
        if "share" not in self.kinds or self.single or self.ambiguous == "resend":
            return
        unknown = sum(isinstance(outcome, Unknown) for outcome in report.told)
        most = self.limits.max_in_flight + 50 + 30
        for one in self.reports[: report.number]:
            most += sum(isinstance(outcome, Unknown) for outcome in one.told) + one.crashed * most
        if unknown > most:
            self.faults.append(f"run {report.number}: {unknown} unknown before the brake")

    def _check_grace(self, report: RunReport, ended: float) -> None:
        """A cancellation is always raised again, and soon."""
        if report.interrupted_at is None:
            return
        if not isinstance(report.raised, asyncio.CancelledError):
            self.faults.append(f"run {report.number}: a cancellation was swallowed ({report.raised!r})")
        grace = self.timeouts.submit_grace if self.single else self.timeouts.grace
        if ended - report.interrupted_at > grace + LAST_WORDS + 0.1:
            self.faults.append(f"run {report.number}: {ended - report.interrupted_at} s of grace")

    def _check_reason(self, report: RunReport) -> None:
        name = report.interruption.name
        wanted = {"hook_raises", "source_raises", "key_raises"}
        if report.raised is None:
            if report.fired and name in {"hook_raises", "source_raises"} and not report.crashed:
                self.faults.append(f"run {report.number}: {self.raises.__name__} of the caller's {name} was lost")
        elif report.interrupted_at is None and name not in {*wanted, "scope"}:
            self.faults.append(f"run {report.number}: {report.raised!r} came out of the blue")

    def _check_count(self, report: RunReport) -> None:
        told = Counter(outcome.external_task_id for outcome in report.told)
        if isinstance(report.raised, asyncio.CancelledError) and self.single:
            return
        if self.mode == "many":
            wanted = {self.id_of(job) for job in self.jobs if job.session_id or job.external_task_id}
            named = {name for name in told if not name.startswith("invalid:")}
            missing = wanted - named
            if missing:
                self.faults.append(f"run {report.number}: lost {sorted(missing)[:5]} of {len(missing)}")
            twice = [name for name, number in told.items() if number > 1]
            if twice:
                self.faults.append(f"run {report.number}: came out twice: {twice[:5]}")
        elif len(report.told) != report.pulled:
            self.faults.append(f"run {report.number}: {report.pulled} jobs in, {len(report.told)} out")
        elif (
            report.interruption.name == "none"
            and not self.single
            and report.pulled - report.odd != len(self.jobs)
            and not any(isinstance(outcome, NotSent | Unknown) for outcome in report.told)  # else the batch was stopped
        ):
            self.faults.append(f"run {report.number}: only {report.pulled} of {len(self.jobs)} jobs were pulled")

    def _check_wire(self, report: RunReport) -> None:
        wire = report.wire
        if wire is None:
            return
        if wire.peak_in_flight > self.limits.max_in_flight:
            self.faults.append(f"run {report.number}: {wire.peak_in_flight} in flight")
        rate = self.limits.max_per_second
        # a journal's commit comes between the door and the wire, and may bring sends together
        slack = 0.25 if self.journal == "group" or self.credential == "async" else 0.001002
        if rate is not None:
            excess = _fastest(wire.sends, rate, slack)
            if excess > 0:
                self.faults.append(f"run {report.number}: {excess} requests too many for {rate}/s")

    def _check_outcome(self, report: RunReport, outcome: Outcome) -> None:
        name = outcome.external_task_id
        tell = f"run {report.number}: {name}"
        posts = [post for post in self.gateway.posts_of.get(name, ()) if post.run <= report.number]
        if self._is_excused(outcome):
            return
        if self.strangers and any(task.post is None for task in self.gateway.tasks if task.external_task_id == name):
            self._check_stranger(tell, outcome)
        elif isinstance(outcome, Accepted):
            self._check_accepted(report, outcome)
        elif isinstance(outcome, Unknown):
            doubt = any(post.told in {"doubt", "accepted", "nothing"} for post in posts)
            crashed = any(one.crashed or one.interruption.name == "disk_full" for one in self.reports)
            if not doubt and not crashed and outcome.kind is not Kind.DUPLICATE_ID:
                self.faults.append(f"{tell} is unknown ({outcome.kind}), but nothing of it was in doubt")
        elif outcome.kind is not Kind.DUPLICATE_ID:
            tasks = self.gateway.ours(name, report.number)
            if self.mode == "calls" and isinstance(outcome, NotSent):  # it was true when it was told
                told_at = report.told_at[next(place for place, it in enumerate(report.told) if it is outcome)]
                before = [post for post in posts if post.at < told_at or post.run < report.number]
                tasks = [task for task in tasks if task.post in before]
            if tasks and not self.lies:
                self.faults.append(f"{tell} is {outcome.name} ({outcome.kind}), but {tasks} was made")

    def _is_excused(self, outcome: Outcome) -> bool:
        """The id stood for other content, or another call had the job under way."""
        if "corrected" in self.kinds and isinstance(outcome, Rejected) and outcome.kind is Kind.ALREADY_EXISTS:
            return True
        return self.mode == "calls" and isinstance(outcome, Unknown) and outcome.kind is Kind.CANCELLED

    def _check_accepted(self, report: RunReport, outcome: Accepted) -> None:
        """Its task is there, and is this job's."""
        name = outcome.external_task_id
        tell = f"run {report.number}: {name} is accepted as"
        if self.mixed_up:
            if outcome.task_id not in self.gateway.by_id:
                self.faults.append(f"{tell} {outcome.task_id}, which is no task")
            return
        tasks = self.gateway.ours(name, report.number)
        made = next((task for task in tasks if task.task_id == outcome.task_id), None)
        wanted = report.contents.get(name)
        if made is None:
            self.faults.append(f"{tell} {outcome.task_id}, but the gateway has {tasks}")
        elif made.post is not None and wanted and made.post.content != wanted:
            self.faults.append(f"{tell} a task of {made.post.content}, not of {wanted}")

    def _check_stranger(self, tell: str, outcome: Outcome) -> None:
        """Another customer's task is never taken for ours."""
        made = self.gateway.ours(outcome.external_task_id)
        posts = self.gateway.posts_of.get(outcome.external_task_id, ())
        doubt = any(post.told in {"doubt", "nothing"} for post in posts) or any(
            one.crashed or one.interruption.name == "disk_full" for one in self.reports
        )
        others = outcome.task_id not in {task.task_id for task in made} if isinstance(outcome, Accepted) else False
        if others and not doubt:  # after an attempt of ours that is in doubt, a young task may well be ours
            self.faults.append(f"{tell} was adopted, but it is another customer's")
        if isinstance(outcome, Rejected) and outcome.kind is Kind.ALREADY_EXISTS and outcome.found_task_id is not None:
            task = self.gateway.by_id.get(outcome.found_task_id)
            if task is None or task.external_task_id != outcome.external_task_id:
                self.faults.append(f"{tell} exists already as {outcome.found_task_id}, which is {task}")

    def _check_the_end(self) -> None:
        self.gateway.advance(self.now + 100_000)
        for report in self.reports:  # again, for the gateway may have acted late
            for outcome in report.told:
                self._check_outcome(report, outcome)
        self._check_duplicates()
        if self.journal != "none":
            self._check_story()
            self._check_last_run()
        elif self.reports[0].interruption.name == "none":
            self._check_attempts(self.reports[0])

    def _check_duplicates(self) -> None:
        if self.lies or self.ambiguous == "resend":
            return
        twice = {name: number for name, number in self.gateway.counts().items() if number > 1}
        if twice:
            self.faults.append(f"paid for twice: {twice}")

    def _check_story(self) -> None:
        """What was told is not taken back by a later run."""
        known: dict[str, Accepted] = {}
        for report in self.reports:
            for outcome in report.told:
                name = outcome.external_task_id
                before = known.get(name)
                if isinstance(outcome, Accepted):
                    if before is not None and before.task_id != outcome.task_id:
                        self.faults.append(f"{name} was {before.task_id}, now it is {outcome.task_id}")
                    if report.interruption.name != "disk_full":  # then it is told, but cannot be kept
                        known[name] = outcome
                elif before is not None and self._is_refused_for_another(report, outcome):
                    continue
                elif before is not None and outcome.kind is not Kind.DUPLICATE_ID:
                    told_now = report.interruption.name
                    self.faults.append(
                        f"{name} was accepted, and is {outcome.name} in run {report.number} ({told_now})"
                    )

    def _is_refused_for_another(self, report: RunReport, outcome: Outcome) -> bool:
        """The id stood for other content before."""
        name = outcome.external_task_id
        contents = {one.contents.get(name) for one in self.reports[: report.number + 1]}
        return len(contents) > 1 and isinstance(outcome, Rejected) and outcome.kind is Kind.ALREADY_EXISTS

    def _check_last_run(self) -> None:
        """The last run met a healthy gateway: what can be accepted is, what was lost is found."""
        last = self.reports[-1]
        ways = self.gateway.ways
        for outcome in last.told:
            name = outcome.external_task_id
            made = [task for task in self.gateway.ours(name) if task.found_from <= last.started_at]
            tell = f"at the end {name} is {outcome.name} ({getattr(outcome, 'message', '')})"
            if self.strangers or name.startswith("probe-"):
                continue
            if self.mode == "calls":
                continue  # it joined a call that was given up
            if isinstance(outcome, NotSent):
                self.faults.append(tell)
            findable = ways.lookups == "external" and self.ambiguous == "lookup" and (made or self.trust)
            findable = findable and not self.obscured
            if isinstance(outcome, Unknown) and findable:
                self.faults.append(f"{tell}; {made}")

    def _check_attempts(self, report: RunReport) -> None:
        """Refusals cost no attempt."""
        for outcome in report.told:
            posts = self.gateway.posts_of.get(outcome.external_task_id, [])
            if isinstance(outcome, Rejected) and outcome.kind in {Kind.DUPLICATE_ID, Kind.VALIDATION}:
                continue
            if self.single or len(set(map(self.id_of, self.jobs))) != len(self.jobs):
                continue
            if outcome.attempts + outcome.refusals != len(posts):
                self.faults.append(f"{outcome} after {[(post.told, post.fault) for post in posts]}")
            waits = sum(post.reply is not None and post.reply[0] == 429 and post.told == "refused" for post in posts)
            if self.gateway.ways.balance > 1e11 and outcome.refusals < waits:
                self.faults.append(f"{outcome} after {waits} refusals")


def _fastest(sends: list[float], rate: float, slack: float) -> float:
    """How many sends too many any span saw: at most 1 + rate x (span + slack) may begin in it."""
    worst, best = 0.0, math.inf
    for number, at in enumerate(sends):
        best = min(best, number - rate * at)
        worst = max(worst, number - rate * at - best - rate * slack)
    return worst if worst > 1e-6 else 0.0
