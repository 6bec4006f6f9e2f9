"""A world: a list of jobs, everything that can happen to it, and what must hold all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from random import Random
from typing import Any

import anyio

from lipsync_async.dispatch.account import Event
from lipsync_async.dispatch.intake import Intake
from lipsync_async.dispatch.streaming import LAST_WORDS, Progress
from lipsync_async.errors import DuplicateIdError, JobError, LipSyncError
from lipsync_async.journal import InlineJournal
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind

from .invariants import Invariants
from .line import ModelWire
from .replies import GOOD_KEY, token
from .report import Broken, Interruption, RunReport, Told
from .stand import CrashingStore, GroupJournal, SimClient
from .virtual import Crash, VirtualLoop

LONGEST = 100_000.0
"""Virtual seconds after which a run counts as one that does not end."""


class World(Invariants):
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
            return GOOD_KEY

        async def never() -> str:
            await loop.create_future()
            return GOOD_KEY

        if report.interruption.name == "key_hangs":
            return never
        match self.credential:
            case "sync":
                return lambda: GOOD_KEY
            case "async":
                return later
            case "token":
                return lambda: token(loop.now)
            case _:
                return GOOD_KEY

    async def _life(self, report: RunReport, loop: VirtualLoop) -> None:
        step = self.store.step if self.store is not None else None
        if report.interruption.name == "crash_at":
            loop.call_at(report.started_at + report.interruption.at, self._crash)
        client = SimClient(
            self.profile,
            dice=Random(f"client-{self.seed}-{report.number}"),
            wire=lambda: ModelWire(self.gateway, self.timeouts, report.number, step),
            api_key=self._key(report, loop),
            limits=self.limits,
            retry=self.retry,
            timeouts=self.timeouts,
            trust_lookups=self.trust,
            observer=self._observer(report) if self.observed else None,
        )
        async with client:
            report.wire = client.wire
            try:
                with _parked(report):
                    await self._interrupted(client, report)
            finally:
                if self.group is not None and not report.dead:
                    self.group.commit()  # who opened the journal closes it
            report.trusted = client.account.trust.holds
            if client.account.pacer.in_flight:
                self.faults.append(f"run {report.number}: {client.account.pacer.in_flight} in flight for ever")
            if client.account.admission.waiting:
                self.faults.append(f"run {report.number}: somebody is left at the door")

    def _observer(self, report: RunReport) -> Callable[[Event], None]:
        def observe(event: Event) -> None:
            if event.external_task_id is None:
                return  # that of a gate that moves reaches whoever moved it
            report.events.append(event)
            if report.interruption.name == "observer_raises" and len(report.events) == report.interruption.count:
                raise Broken("observer")

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
        except (Broken, DuplicateIdError, TimeoutError, asyncio.CancelledError) as error:
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

    async def _submit(self, client: SimClient, report: RunReport) -> None:
        match self.mode:
            case "many":
                await self._submit_many(client, report)
            case "stream":
                await self._stream(client, report)
            case _:
                await self._submit_each(client, report)

    def _open_journal(self) -> Any:
        self.group = None
        if self.store is None:
            return None
        if self.journal == "group":
            self.group = GroupJournal(self.store, self.dice, self.dice.choice((0.001, 0.1)))
            return self.group
        return InlineJournal(self.store)

    async def _submit_many(self, client: SimClient, report: RunReport) -> None:
        report.pulled = len(self.jobs)
        result = await client.submit_many(
            self.jobs,
            into=Told(report),
            journal=self._open_journal(),
            options=self.options,
            on_progress=self._hook(report),
        )
        report.result_keys = list(result)

    async def _stream(self, client: SimClient, report: RunReport) -> None:
        source = self._async_jobs(client, report) if self.async_source else self._sync_jobs(client, report)
        stream = client.stream(
            source, journal=self._open_journal(), options=self.options, on_progress=self._hook(report)
        )
        taken = 0
        try:
            async with stream as outcomes:
                async for outcome in outcomes:
                    report.hear(outcome)
                    taken += 1
                    if report.interruption.name == "leave" and taken >= report.interruption.count:
                        break
                    if self.consumer_pause:
                        await asyncio.sleep(self.consumer_pause)
        finally:
            for outcome in stream.rest:
                report.hear(outcome)

    async def _submit_each(self, client: SimClient, report: RunReport) -> None:
        async def one(job: LipSyncRequest) -> None:
            try:
                report.hear(await client.submit(job))
            except LipSyncError as error:
                report.hear(_outcome_of(error, job))

        async with asyncio.TaskGroup() as group:
            for job in self.jobs:
                report.pulled += 1
                group.create_task(one(job))
                if self.source_pause:
                    await asyncio.sleep(self.source_pause)

    def _hook(self, report: RunReport) -> Any:
        raising = report.interruption.name == "hook_raises"
        hanging = report.interruption.name == "hook_hangs"
        if self.hook == "none" and not raising and not hanging:
            return None
        seen = 0

        def count() -> None:
            nonlocal seen
            seen += 1
            if raising and seen == report.interruption.count:
                raise Broken("hook")

        async def pause(_: Progress) -> None:
            count()
            if hanging and seen >= report.interruption.count:
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(0.05)

        def note(_: Progress) -> Awaitable[None] | None:
            count()
            return None

        return pause if self.hook == "async" or hanging else note

    def _sync_jobs(self, client: SimClient, report: RunReport) -> Iterator[LipSyncRequest]:
        for number, job in enumerate(self.jobs):
            self._trouble_at_the_source(number, client, report)
            report.pulled += 1
            yield job

    async def _async_jobs(self, client: SimClient, report: RunReport) -> AsyncIterator[LipSyncRequest]:
        for number, job in enumerate(self.jobs):
            self._trouble_at_the_source(number, client, report)
            if self.source_pause:
                await asyncio.sleep(self.source_pause)
            report.pulled += 1
            yield job

    def _trouble_at_the_source(self, number: int, client: SimClient, report: RunReport) -> None:
        if number == report.interruption.count:
            if report.interruption.name == "source_raises":
                raise Broken("source")
            if report.interruption.name == "source_stops":
                client.stop()


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


def _outcome_of(error: LipSyncError, job: LipSyncRequest) -> Outcome:
    name = error.external_task_id or job.external_task_id or ""
    kind = Kind(error.kind or "validation")
    match type(error).__name__:
        case "OutcomeUnknownError":
            return Unknown(external_task_id=name, kind=kind)
        case "NotSentError":
            return NotSent(external_task_id=name, kind=kind)
        case _:
            assert isinstance(error, JobError) or kind is Kind.VALIDATION
            return Rejected(external_task_id=name, kind=kind)
