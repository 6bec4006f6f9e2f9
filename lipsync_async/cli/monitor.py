"""What is known of a batch while it runs: fed by outcomes and the client's observer, asked by the display."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from typing import TYPE_CHECKING

from attrs import Factory, define, frozen

from .tally import Tally

if TYPE_CHECKING:
    from lipsync_async.client import LipSyncClient
    from lipsync_async.dispatch.account import Event

WINDOW = 10.0
"""Seconds over which the rate is measured."""
_WAITS = {
    "requests in flight": "a reply: no more than {flying} requests may be in flight",
    "gate": "the gate: a pause after {reason}",
    "canary": "the answer to one trial request, after {reason}",
    "running tasks": "a task to end: {running}",
    "rate": "the pace: {pace}",
}


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


@define
class Monitor:
    """One a batch."""

    title: str
    total: int
    tally: Tally
    refusals: Counter[str] = Factory(Counter)
    """Tries that were told to wait, by reason."""
    stopping: bool = False
    _client: LipSyncClient | None = None
    _began: float = 0.0
    _looked_up: set[str] = Factory(set)
    _reason: str = "a refusal"
    _accepted: deque[tuple[float, int]] = Factory(deque)

    def watch(self, client: LipSyncClient) -> None:
        """The batch begins."""
        self._client = client
        self._began = asyncio.get_running_loop().time()
        self._accepted.append((self._began, self.tally.counts["accepted"]))

    def observe(self, event: Event) -> None:
        """The client's hook."""
        if event.name == "outcome":
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
            left=None if self.stopping or not measured else (self.total - done) / measured,
        )

    def _wait(self) -> str:
        return self._client.waiting_for() if self._client is not None else ""

    def _measure(self, now: float) -> float:
        count = self.tally.counts["accepted"] - self.tally.replayed
        if now - self._accepted[-1][0] >= 0.5:
            self._accepted.append((now, count))
        while len(self._accepted) > 2 and now - self._accepted[1][0] > WINDOW:
            self._accepted.popleft()
        since, before = self._accepted[0]
        return (count - before) / (now - since) if now > since else 0.0


def _pace(pace: float) -> str:
    return "not held back" if pace == math.inf else f"{pace:.1f}/s"


def clock(seconds: float) -> str:
    """1:05, or 2:01:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
