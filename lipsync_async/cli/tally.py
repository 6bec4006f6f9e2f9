"""What became of the jobs, counted, and the exit code that says so."""

from __future__ import annotations

from collections import Counter

from attrs import Factory, define

from lipsync_async.endings import Downloaded, DownloadFailed, Ending, StillRunning, Succeeded, TaskFailed
from lipsync_async.outcomes import Accepted, NotSent, Outcome
from lipsync_async.task_results import Money

from .budget import SourceMoney

ACCEPTED, REJECTED, USAGE, NOT_SENT, UNKNOWN, RUNNING, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
_SAID_FIRST = ("accepted", "succeeded")
_SAID_NEXT = ("failed", "lost", "running", "rejected", "unknown", "not_sent")


@define
class Tally:
    """A batch in figures, as it goes."""

    counts: Counter[str] = Factory(Counter)
    """By outcome."""
    kinds: Counter[tuple[str, str, str]] = Factory(Counter)
    """By outcome, kind and message, of what is no success; at most a hundred different ones."""
    recovered: int = 0
    replayed: int = 0
    attempts: int = 0
    refusals: int = 0
    without_video: int = 0
    """Succeeded, and the gateway tells of no video."""
    money: Money = Factory(Money)
    """Of the tasks that were waited for."""
    sources: SourceMoney = Factory(SourceMoney)
    """Of the videos and texts that the jobs were made of."""
    missing: int = 0
    """Tasks that did not end, and that the gateway does not know."""
    fetched: int = 0
    """Videos that are where they were to go."""
    not_fetched: int = 0
    waits: bool = False
    """Tasks are waited for."""
    interrupted: bool = False
    stopped: bool = False

    @property
    def total(self) -> int:
        """Jobs that came out."""
        return self.counts.total()

    def add(self, result: Outcome | Ending) -> None:
        """One more."""
        self.counts[result.name] += 1
        job = result.outcome if isinstance(result, Ending) else result
        if job is not None:
            self.attempts += job.attempts
            self.refusals += job.refusals
        if isinstance(job, Accepted):
            self.recovered += job.recovered and not job.replayed
            self.replayed += job.replayed
        if isinstance(result, Succeeded) and result.video_url is None:
            self.without_video += 1
        if isinstance(result, StillRunning) and result.missing:
            self.missing += 1
            self._count("not known to the gateway", "running", result.trouble)
        if isinstance(result, Succeeded) and isinstance(result.download, DownloadFailed):
            self.not_fetched += 1
            self._count("video not fetched", result.download.kind.value, result.download.message)
        if isinstance(result, Succeeded) and isinstance(result.download, Downloaded):
            self.fetched += 1
        if isinstance(result, Ending):
            self.money.add(result)
        if isinstance(result, TaskFailed):
            self._count(result.name, result.kind.value, "")
        elif not isinstance(result, Ending | Accepted):
            self._count(result.name, result.kind.value, result.message if isinstance(result, NotSent) else "")

    def _count(self, name: str, kind: str, message: str) -> None:
        key = (name, kind, message)
        if key in self.kinds or len(self.kinds) < 100:
            self.kinds[key] += 1

    def exit_code(self) -> int:
        """The more serious wins: 130, 3, 4, 5, 1."""
        counts = self.counts
        if self.interrupted:
            return INTERRUPTED
        if self.stopped or counts["not_sent"]:
            return NOT_SENT
        if counts["unknown"]:
            return UNKNOWN
        if counts["running"] or self.without_video or self.not_fetched:
            return RUNNING
        return REJECTED if counts["rejected"] or counts["failed"] or counts["lost"] else ACCEPTED

    def __str__(self) -> str:
        first = _SAID_FIRST[1 if self.waits else 0]
        others = [f"{self.counts[name]} {name.replace('_', ' ')}" for name in _SAID_NEXT if self.counts[name]]
        return ", ".join([f"{self.counts[first]} {first}{self._how()}", *others])

    def _how(self) -> str:
        told = [f"{self.replayed} submitted by an earlier run"] if self.replayed and self.waits else []
        told += [f"{self.replayed} by an earlier run"] if self.replayed and not self.waits else []
        told += [f"{self.recovered} found by a look-up"] if self.recovered else []
        told += [f"{self.without_video} without a video"] if self.without_video else []
        told += [f"{self.fetched} downloaded"] if self.fetched else []
        told += [f"{self.not_fetched} not downloaded"] if self.not_fetched else []
        return f" ({', '.join(told)})" if told else ""

    def cost(self) -> str:
        """What the tasks were charged, beside the estimate; "" where nothing is known."""
        return cost_of(self.money, self.sources)

    def reasons(self) -> list[str]:
        """Why the others did not end as accepted, most frequent first."""
        return [
            f"{count} {name.replace('_', ' ')}: {kind}{f' ({message})' if message else ''}"
            for (name, kind, message), count in self.kinds.most_common(8)
        ]


def cost_of(money: Money, sources: SourceMoney | None = None) -> str:
    """What tasks were charged, and what was made for them, in a line; "" where there were none."""
    told = [part for part in (_cost_of_tasks(money), str(sources or "")) if part]
    return f"cost: {'; '.join(told)}" if told else ""


def _cost_of_tasks(money: Money) -> str:
    if not money.tasks:
        return ""
    estimate = f"{money.estimated:g} units estimated at list price" if money.priced else ""
    if 0 < money.priced < money.tasks:
        estimate += f" for the {money.priced} of which the request was known"
    told = f"{money.charged:g} units charged"
    if money.told < money.tasks:
        told += f" for {money.told} of {money.tasks} tasks (of the others the gateway told nothing so far"
        told += f"; {money.failed} failed, which is usually refunded)" if money.failed else ")"
    difference = f"difference {money.difference:+g}" if money.priced and money.told else ""
    return ", ".join(part for part in (told, estimate, difference) if part)
