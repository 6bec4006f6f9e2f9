"""What is known of a batch while it runs: fed by outcomes and the client's observer, asked by the display."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from typing import TYPE_CHECKING

from attrs import Factory, define, frozen

from lipsync_async.dispatch.lookup import STILL_WORKING, longest

from .budget import Budget
from .tally import Tally

if TYPE_CHECKING:
    from lipsync_async.client import LipSyncClient
    from lipsync_async.dispatch.account import Event
    from lipsync_async.downloads.crew import DownloadStatistics
    from lipsync_async.gateways import Gateway

LATE = 30.0
"""Seconds of lateness from which on it is told."""
WINDOW = 10.0
"""Seconds over which the rate is measured."""
_WAITS = {
    "requests in flight": "waiting for replies: {flying} requests are under way, the most at once",
    "gate": "a pause after {reason}",
    "canary": "one request goes ahead after {reason}",
    "running tasks": "waiting for a task to end: {running}",
    "rate": "keeping to {pace}",
}
_REPLIES = {"rate": "rate-limit", "capacity": "too-many-tasks"}
"""What a refusal of that kind is called."""
_MISSED = 3
"""Looks in a row that find no task, from which on it is told: one alone may be a gateway that is slow to store."""
_FOUND = frozenset({"running", "succeeded", "failed"})
"""What a look says of a task that is there; all else proves nothing."""
_SOON = 120.0
"""Seconds; a time that is nearer is told with its seconds."""


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
    outage: str = ""
    """What keeps the gateway from being reached, when it is tried again and when that ends; "" while it answers."""
    checking: str = ""
    """How many lost replies are being looked up, and for how long yet."""
    left: float | None = None
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
    """Tasks that were made; more than jobs, where some are submitted again."""
    budget: Budget | None = None
    _client: LipSyncClient | None = None
    _began: float = 0.0
    gateway: Gateway | None = None
    """Its times say how long a look-up may take."""
    _looked_up: dict[str, float] = Factory(dict)
    """By id: when the answer is certain, by the loop's clock."""
    _trouble: Event | None = None
    """The last pause, or failed try, since a usable answer."""
    _missed: int = 0
    """Looks in a row that found no task."""
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
            self._looked_up.pop(event.external_task_id or "", None)
        elif event.name == "look":
            self._missed = 0 if event.action in _FOUND else self._missed + (event.action == "missing")
        elif event.name == "look_up":
            self._looked_up.setdefault(event.external_task_id or "", self._certain_at(event))
        elif event.name == "pause" and event.message and event.left is not None:
            self._trouble = event
        elif event.name == "attempt":
            self._hear_of_attempt(event)

    def _hear_of_attempt(self, event: Event) -> None:
        if event.action == "wait":
            self._reason = f"a {_reply(event.kind)}"
            self.refusals[event.kind or ""] += 1
        elif event.action == "look_up":
            self._looked_up[event.external_task_id or ""] = self._certain_at(event)
            self._reason = f"replies that did not come ({event.kind})"
        elif event.action == "stop":
            self._reason = f"a refusal for {event.kind}, to see whether it is meant"
        if event.action not in {"retry", "look_up"}:
            self._trouble = None
        elif self._trouble is None or self._trouble.name == "attempt":
            self._trouble = event

    def _certain_at(self, event: Event) -> float:
        """When it is known what became of a request whose reply was lost, where look-ups are answered."""
        if self.gateway is None:
            return event.at
        status = event.http_status
        going_on = event.kind in {"timeout", "cancelled"} or status in STILL_WORKING
        return event.at + longest(self.gateway.settle_time, self.gateway.hold_time, may_go_on=going_on)

    def view(self) -> View:
        """How it stands now."""
        now = asyncio.get_running_loop().time()
        assert self._client is not None
        learned = self._client.statistics()
        measured = self._measure(now)
        done, pace = self.tally.total, _pace(learned.pace)
        flying, live = learned.in_flight, learned.live_tasks
        wait = _WAITS.get(self._wait(), "") if done < self.total else ""
        running = (
            "one is tried now and then" if learned.ceiling == math.inf else f"{learned.ceiling:.0f} may run at once"
        )
        waiting_for = wait.format(flying=flying, running=running, pace=pace, reason=self._reason)
        if self.stopping:
            under_way = f"{flying:,} request{'' if flying == 1 else 's'} under way"
            waiting_for = f"waiting for {under_way} (Ctrl-C again: ends at once)" if flying else ""
        elif self._missed >= _MISSED and self.tally.waits and done < self.total:
            waiting_for = "the gateway finds none of the tasks asked for: is it the account that made them?"
        outage = "" if self.stopping or done >= self.total else self._outage(now)
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
            waiting_for="" if outage else waiting_for,
            outage=outage,
            checking=self._checking(now),
            left=None if self.stopping else self._left(measured),
            stages=self._stages() if self.tally.waits else (),
        )

    def _outage(self, now: float) -> str:
        """What is wrong, when it is tried again, and when nobody tries any more."""
        event = self._trouble
        if event is None:
            return ""
        told = event.message or f"no usable answer ({event.kind})"
        if event.left is None:
            return f"{told}, trying again"
        again = event.at + event.seconds - now
        told += f", trying again in {math.ceil(again)} s" if again > 0 else ", trying again now"
        return f"{told}, giving up at {_moment(event.at + event.left - now)}"

    def _checking(self, now: float) -> str:
        lost = self._looked_up
        if not lost:
            return ""
        left = max(lost.values()) - now
        more = f", up to {clock(left)} more" if left >= 1 else ""
        return f"checking {len(lost):,} lost repl{'y' if len(lost) == 1 else 'ies'}{more}"

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
        jobs = self.total - without
        submitted = min(self.submitted, jobs)  # a job whose task failed may be submitted again, and is one job
        again = f"{self.submitted - jobs} again" if self.submitted > jobs else ""
        stages = (
            Stage("submitted", submitted, jobs, ", ".join(filter(None, (refused, again)))),
            Stage("running", following.tasks, 0, ", ".join(lasts)),
            Stage("finished", finished, submitted, ended),
        )
        if downloads is None:
            return stages
        fetched = max(downloads.done, self.tally.fetched)  # also what an earlier run has fetched
        return (*stages, Stage("downloaded", fetched, counts["succeeded"] + fetching, _bytes(downloads)))

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
    return "no limit met" if pace == math.inf else f"{pace:.1f}/s"


def _reply(kind: str | None) -> str:
    return f"{_REPLIES.get(kind or '', kind or 'wait')} reply"


def told_refusals(refusals: Counter[str]) -> str:
    """`2 rate-limit replies, 1 too-many-tasks reply`."""
    return ", ".join(f"{n:,} {_reply(kind) if n == 1 else _reply(kind)[:-1] + 'ies'}" for kind, n in refusals.items())


def _moment(seconds: float) -> str:
    """The time of day in so many seconds."""
    return time.strftime("%H:%M:%S" if seconds < _SOON else "%H:%M", time.localtime(time.time() + seconds))


def clock(seconds: float) -> str:
    """1:05, or 2:01:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
