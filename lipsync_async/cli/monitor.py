"""What is known of a batch while it runs: fed by outcomes and the client's observer, asked by the display."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from typing import TYPE_CHECKING

from attrs import Factory, define, frozen

from .budget import Budget
from .tally import Tally

if TYPE_CHECKING:
    from lipsync_async.client import LipSyncClient
    from lipsync_async.dispatch.account import Event
    from lipsync_async.downloads.crew import DownloadStatistics

LATE = 30.0
"""Seconds of lateness from which on it is told."""
WINDOW = 10.0
"""Seconds over which the rate is measured."""
_WAITS = {
    "requests in flight": "a reply: no more than {flying} requests may be in flight",
    "gate": "the gate: a pause after {reason}",
    "canary": "the answer to one trial request, after {reason}",
    "running tasks": "a task to end: {running}",
    "rate": "the pace: {pace}",
}


@frozen
class Stage:
    """One stage of a batch whose tasks are waited for."""

    name: str
    done: int
    total: int
    """0: it has no end of its own."""
    note: str = ""


@frozen(kw_only=True)
class View:
    """One look at a batch."""

    title: str
    done: int
    total: int
    elapsed: float
    counts: Counter[str]
    looked_up: int
    in_flight: int
    live_tasks: int
    pace: str
    measured: float
    """Accepted a second."""
    refusals: Counter[str]
    waiting_for: str
    left: float | None
    """Seconds, estimated; None: nothing to go by."""
    stages: tuple[Stage, ...] = ()
    """Where tasks are waited for."""


@define
class Monitor:
    """One a batch."""

    title: str
    total: int
    tally: Tally
    refusals: Counter[str] = Factory(Counter)
    """Tries that were told to wait, by reason."""
    stopping: bool = False
    submitted: int = 0
    """Jobs that have a task."""
    budget: Budget | None = None
    _client: LipSyncClient | None = None
    _began: float = 0.0
    _looked_up: set[str] = Factory(set)
    _reason: str = "a refusal"
    _accepted: deque[tuple[float, int]] = Factory(deque)
    _most_running: int = 0
    _stream: object = None

    def watch(self, client: LipSyncClient) -> None:
        """The batch begins."""
        self._client = client
        self._began = asyncio.get_running_loop().time()
        self._accepted.append((self._began, self.tally.counts["accepted"]))

    def read(self, stream: object) -> None:
        """The stream of results, which knows of the downloads."""
        self._stream = stream

    def observe(self, event: Event) -> None:
        """The client's hook."""
        if event.name == "source":
            self.tally.sources.hear(event)
            if self.budget is not None:
                self.budget.hear(event)
        elif event.name == "outcome":
            self.submitted += event.action == "accepted"
            self._looked_up.discard(event.external_task_id or "")
        elif event.name == "look_up":
            self._looked_up.add(event.external_task_id or "")
        elif event.name == "attempt" and event.action == "wait":
            self._reason = f"a refusal for {event.kind or 'no reason given'}"
            self.refusals[event.kind or "no reason given"] += 1
        elif event.name == "attempt" and event.action == "look_up":
            self._looked_up.add(event.external_task_id or "")
            self._reason = f"replies that did not come ({event.kind})"
        elif event.name == "attempt" and event.action == "stop":
            self._reason = f"a refusal for {event.kind}, to see whether it is meant"

    def view(self) -> View:
        """How it stands now."""
        now = asyncio.get_running_loop().time()
        assert self._client is not None
        learned = self._client.statistics()
        measured = self._measure(now)
        done, pace = self.tally.total, _pace(learned.pace)
        flying, live = learned.in_flight, learned.live_tasks
        wait = _WAITS.get(self._wait(), "") if done < self.total else ""
        running = "a try now and then" if learned.ceiling == math.inf else f"{learned.ceiling:.0f} may run"
        waiting_for = wait.format(flying=flying, running=running, pace=pace, reason=self._reason)
        if self._looked_up and not flying and done + len(self._looked_up) >= self.total:
            waiting_for = "look-ups: an answer counts after a while only"
        if self.stopping:
            waiting_for = f"{flying} requests in flight (Ctrl-C again: ends at once)" if flying else ""
        return View(
            title=self.title,
            done=done,
            total=self.total,
            elapsed=now - self._began,
            counts=self.tally.counts,
            looked_up=len(self._looked_up),
            in_flight=flying,
            live_tasks=live,
            pace=pace,
            measured=measured,
            refusals=self.refusals,
            waiting_for=waiting_for,
            left=None if self.stopping else self._left(measured),
            stages=self._stages() if self.tally.waits else (),
        )

    def _left(self, measured: float) -> float | None:
        """By the rate of accepted jobs; where tasks are waited for, by their durations and how many run at once."""
        if not self.tally.waits:
            return (self.total - self.tally.total) / measured if measured else None
        assert self._client is not None
        following = self._client.following()
        self._most_running = max(self._most_running, following.tasks)
        if following.median_duration is None or not self._most_running:
            return None
        rounds = math.ceil(max(0, self.total - self.tally.total) / self._most_running)
        return rounds * following.median_duration + following.freshness

    def _stages(self) -> tuple[Stage, ...]:
        assert self._client is not None
        counts, following = self.tally.counts, self._client.following()
        downloads: DownloadStatistics | None = getattr(self._stream, "downloads", None)
        fetching = 0 if downloads is None else downloads.waiting + downloads.running
        without = sum(counts[name] for name in ("rejected", "unknown", "not_sent"))
        refused, ended = _told(counts, "rejected", "unknown", "not_sent"), _told(counts, "succeeded", "failed", "lost")
        takes = following.median_duration
        lasts = [] if takes is None else [f"a task takes about {clock(takes)}"]
        if following.freshness >= LATE:
            lasts.append(f"this gateway tells an end about {clock(following.freshness)} late")
        finished = self.tally.total - without - counts["running"] + fetching
        stages = (
            Stage("submitted", self.submitted, self.total - without, refused),
            Stage("running", following.tasks, 0, ", ".join(lasts)),
            Stage("finished", finished, self.submitted, ended),
        )
        if downloads is None:
            return stages
        return (*stages, Stage("downloaded", downloads.done, counts["succeeded"] + fetching, _bytes(downloads)))

    def _wait(self) -> str:
        return self._client.waiting_for() if self._client is not None else ""

    def _measure(self, now: float) -> float:
        count = (self.submitted if self.tally.waits else self.tally.counts["accepted"]) - self.tally.replayed
        if now - self._accepted[-1][0] >= 0.5:
            self._accepted.append((now, count))
        while len(self._accepted) > 2 and now - self._accepted[1][0] > WINDOW:
            self._accepted.popleft()
        since, before = self._accepted[0]
        return (count - before) / (now - since) if now > since else 0.0


def _bytes(downloads: DownloadStatistics) -> str:
    told = [f"{downloads.bytes_per_second / 1e6:.1f} MB/s"] if downloads.running else []
    told += [f"{downloads.bytes_kept / 1e6:.1f} MB"] if downloads.bytes_kept else []
    told += [f"{downloads.failed} failed"] if downloads.failed else []
    return ", ".join(told)


def _told(counts: Counter[str], *names: str) -> str:
    return ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in names if counts[name])


def _pace(pace: float) -> str:
    return "not held back" if pace == math.inf else f"{pace:.1f}/s"


def clock(seconds: float) -> str:
    """1:05, or 2:01:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
