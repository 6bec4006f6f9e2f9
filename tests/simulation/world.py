"""A world: a list of jobs, everything that can happen to it, and what must hold all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import Any

import anyio

from lipsync_async.dispatch.account import Event
from lipsync_async.dispatch.intake import Intake
from lipsync_async.dispatch.streaming import LAST_WORDS
from lipsync_async.errors import LipSyncError
from lipsync_async.journal import InlineJournal

from .drawn import ISSUERS
from .line import ModelWire
from .replies import GOOD_KEY, token
from .report import Interruption, RunReport
from .stand import CrashingStore, SimClient, request
from .virtual import Crash, VirtualLoop
from .work import Work

LONGEST = 100_000.0
"""Virtual seconds after which a run counts as one that does not end."""


class World(Work):
    """One seed's story."""

    # -- playing ----------------------------------------------------------------------------------------------------

    def play(self) -> World:
        """All its runs, and every check; raises nothing: `faults` tells."""
        resumable = self.journal != "none"
        interrupted = self.dice.choice((0, 1, 1, 2, 3)) if resumable else self.dice.choice((0, 0, 1))
        try:
            for number in range(interrupted):
                self._run(number, self._interruption())
            if resumable:
                self._heal()
            if resumable or not interrupted:
                self._run(len(self.reports), Interruption())
            self._check_the_end()
        finally:
            if self.store is not None:
                self.store.dead = True
                self.store.close()
        return self

    def _heal(self) -> None:
        self.gateway.ways.heal()

    def _run(self, number: int, interruption: Interruption) -> None:
        loop = VirtualLoop(self.now)
        report = RunReport(number=number, interruption=interruption, started_at=self.now)
        self.reports.append(report)
        self._rewrite(number)
        report.contents = {self.id_of(job): job.face_choose[0].audio_id or "" for job in self.jobs}
        self._wall_clock = self._move_clock()
        self._open_store(report)
        limit = self.now + LONGEST
        ended = False
        try:
            ended = loop.run_until(self._life(report, loop), limit)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
            self.faults.append(f"run {number} raised {error!r}")
        report.crashed = not ended and interruption.name in {"crash_at", "crash_step"}
        if not ended and not report.crashed:
            self.faults.append(f"run {number} did not end within {LONGEST} s: {interruption}")
        self.gateway.frozen = False
        report.ended_at = loop.now
        self.now = loop.now + self.dice.choice((0.0, 1.0, 100.0))
        self._check_run(report)
        for complaint in loop.complaints:
            if not report.crashed and "exception" in complaint:
                self.faults.append(f"run {number}: {complaint}")

    def _open_store(self, report: RunReport) -> None:
        if self.journal == "none":
            return
        if self.store is None or self.journal == "disk":
            if self.store is not None:
                self.store.close()
            where = (
                ":memory:" if self.directory is None or self.journal != "disk" else self.directory / f"{self.seed}.db"
            )
            self.store = CrashingStore(where, gateway=self.profile.base_url)
        self.store.dead, self.store.writes_left, self.store.step = False, 1 << 60, None
        if report.interruption.name == "disk_full":
            self.store.writes_left = report.interruption.count
        if report.interruption.name == "crash_step":
            self.store.step = self._stepper(report)

    def _stepper(self, report: RunReport) -> Callable[[], None]:
        left = report.interruption.count

        def step() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self._crash()

        return step

    def _crash(self) -> None:
        self.reports[-1].dead = self.gateway.frozen = True
        if self.store is not None:
            self.store.dead = True
        raise Crash

    def _key(self, report: RunReport, loop: VirtualLoop) -> Any:
        async def later() -> str:
            await asyncio.sleep(0.1)
            return key

        async def never() -> str:
            await loop.create_future()
            return key

        def raising() -> str:
            report.fired = True
            raise ValueError if self.raises is GeneratorExit else self.raises

        changed = "keys" in self.kinds and self.dice.random() < 0.5
        key = self.dice.choice(("second-key", "other-key", "other-key")) if changed else GOOD_KEY
        match report.interruption.name, self.credential:
            case "key_hangs", _:
                return never
            case "key_raises", _:
                return raising
            case _, "sync":
                return lambda: key
            case _, "async":
                return later
            case _, "token":
                return lambda: token(loop.now, ISSUERS[changed])
            case _:
                return key

    def _client(self, report: RunReport, loop: VirtualLoop, number: int = 0) -> SimClient:
        step = self.store.step if self.store is not None else None
        return SimClient(
            self.profile,
            dice=Random(f"client-{self.seed}-{report.number}-{number}"),
            wire=lambda: ModelWire(self.gateway, self.timeouts, report.number, step),
            wall_clock=self._wall_clock,
            api_key=self._key(report, loop),
            limits=self.limits,
            retry=self.retry,
            timeouts=self.timeouts,
            trust_lookups=self.trust,
            observer=self._observer(report) if self.observed else None,
        )

    async def _life(self, report: RunReport, loop: VirtualLoop) -> None:
        if report.interruption.name == "crash_at":
            loop.call_at(report.started_at + report.interruption.at, self._crash)
        client = self._client(report, loop)
        async with AsyncExitStack() as stack:
            self.others = [self._client(report, loop, number) for number in range(1, self.clients)]
            for other in self.others:
                await stack.enter_async_context(other)
            await self._one_life(client, report)

    async def _one_life(self, client: SimClient, report: RunReport) -> None:
        had_giant = self.gateway.ways.giant
        async with client:
            report.wire = client.wire
            try:
                with _parked(report):
                    await self._interrupted(client, report)
            finally:
                if self.group is not None and not report.dead:
                    self.group.commit()  # who opened the journal closes it
            if had_giant and not self.gateway.ways.giant and report.raised is None:
                await self._probe(client, report)
            report.trusted = client.account.trust.holds
            if client.account.pacer.in_flight:
                self.faults.append(f"run {report.number}: {client.account.pacer.in_flight} in flight for ever")
            if client.account.admission.waiting:
                self.faults.append(f"run {report.number}: somebody is left at the door")

    async def _probe(self, client: SimClient, report: RunReport) -> None:
        """One giant Retry-After ends its batch; what comes later is sent, or comes out at once."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        with suppress(LipSyncError):
            journal = None if self.store is None or report.dead else InlineJournal(self.store)
            await client.submit(request(99_999, f"probe-{report.number}"), journal=journal)
        if loop.time() - began > 5_000.0:
            self.faults.append(f"run {report.number}: what came after a giant hint took {loop.time() - began} s")

    def _observer(self, report: RunReport) -> Callable[[Event], None]:
        def observe(event: Event) -> None:
            if event.external_task_id is None:
                return  # that of a gate that moves reaches whoever moved it
            report.events.append(event)
            if report.interruption.name == "observer_raises" and len(report.events) == report.interruption.count:
                raise self.raises

        return observe

    async def _interrupted(self, client: SimClient, report: RunReport) -> None:
        loop = asyncio.get_running_loop()
        work = loop.create_task(self._work(client, report))

        def cancel() -> None:
            if not work.done():
                report.interrupted_at = report.interrupted_at or loop.time()
                work.cancel()

        timers = list(self._timers(client, report, cancel))
        try:
            await work
        except (Exception, asyncio.CancelledError, GeneratorExit) as error:
            if report.dead:
                raise
            report.raised = error
        for timer in timers:
            timer.cancel()
        self._check_grace(report, loop.time())

    def _timers(
        self, client: SimClient, report: RunReport, cancel: Callable[[], None]
    ) -> Iterator[asyncio.TimerHandle]:
        loop = asyncio.get_running_loop()
        name, at = report.interruption.name, report.interruption.at
        if name in {"cancel", "cancel_twice", "hook_hangs", "key_hangs"}:
            yield loop.call_later(at, cancel)
        if name == "cancel_twice":
            yield loop.call_later(at + self.dice.uniform(0, 2), cancel)
        if name == "stop":
            yield loop.call_later(at, client.stop)

    async def _work(self, client: SimClient, report: RunReport) -> None:
        if report.interruption.name == "scope":
            loop = asyncio.get_running_loop()
            with anyio.move_on_after(report.interruption.at) as scope:
                await self._submit(client, report)
            grace = max(self.timeouts.grace, self.timeouts.submit_grace)
            if scope.cancelled_caught and loop.time() > scope.deadline + grace + LAST_WORDS + 0.1:
                self.faults.append(f"run {report.number}: a scope waited until {loop.time()}")
            if scope.cancelled_caught:
                report.raised = asyncio.CancelledError()
        else:
            await self._submit(client, report)


class _parked:  # noqa: N801 - used as a function
    """Watches how many jobs are parked in any run."""

    def __init__(self, report: RunReport) -> None:
        self._report = report
        self._usual = Intake.park

    def __enter__(self) -> None:
        usual, report = self._usual, self._report

        def park(intake: Any, job: Any, due: float) -> None:
            usual(intake, job, due)
            report.parked = max(report.parked, intake.parked)

        Intake.park = park  # type: ignore[method-assign, assignment]

    def __exit__(self, *_: object) -> None:
        Intake.park = self._usual  # type: ignore[method-assign]
