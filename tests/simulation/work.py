"""How a world hands its jobs in: as a list, a stream, or calls that are given up and made again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

from lipsync_async.dispatch.streaming import Progress
from lipsync_async.errors import ClientClosedError, HookError, JobError, LipSyncError
from lipsync_async.journal import InlineJournal
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind

from .invariants import Invariants
from .report import RunReport, Told
from .stand import GroupJournal, SimClient

ODD: tuple[Any, ...] = (None, 7, "a job", {}, (), object())
"""Items of a source that are no requests."""


class Work(Invariants):
    """The caller's side."""

    others: list[SimClient]
    """More clients that share the run's journal."""

    async def _submit(self, client: SimClient, report: RunReport) -> None:
        match self.mode:
            case "many":
                await self._submit_many(client, report)
            case "stream":
                await self._stream(client, report)
            case "calls":
                await self._call_each(client, report)
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
            except (ClientClosedError, HookError):  # a client that was stopped takes no new work
                report.pulled -= 1
            except LipSyncError as error:
                report.hear(_outcome_of(error, job))
            except (Exception, asyncio.CancelledError):
                if not self._is_callers(report):
                    raise
                report.pulled -= 1

        async with asyncio.TaskGroup() as group:
            for job in self.jobs:
                report.pulled += 1
                group.create_task(one(job))
                if self.source_pause:
                    await asyncio.sleep(self.source_pause)

    def _is_callers(self, report: RunReport) -> bool:
        """Whether an error is what the caller's own key raised, and no cancellation."""
        task = asyncio.current_task()
        return report.fired and task is not None and not task.cancelling()

    async def _call_each(self, client: SimClient, report: RunReport) -> None:
        """Callers that give up, and call again; some call twice at once."""
        journal = self._open_journal()
        async with asyncio.TaskGroup() as group:
            for job in self.jobs:
                for _ in range(self.dice.choice((1, 1, 2))):
                    group.create_task(self._insist(job, [client, *self.others], journal, report))
                if self.source_pause:
                    await asyncio.sleep(self.source_pause)

    async def _insist(self, job: LipSyncRequest, clients: list[SimClient], journal: Any, report: RunReport) -> None:
        """Calls with little patience, and one without end."""
        dice = self.dice
        for _ in range(dice.choice((0, 1, 1, 2))):
            if await self._call(job, dice.choice(clients), journal, report, 10 ** dice.uniform(-2.5, 1.5)):
                return
            await asyncio.sleep(dice.choice((0.0, 0.0, 1.0, 30.0)))
        await self._call(job, dice.choice(clients), journal, report, None)

    async def _call(
        self, job: LipSyncRequest, client: SimClient, journal: Any, report: RunReport, patience: float | None
    ) -> bool:
        """One call; whether it was waited for to its end."""
        try:
            async with asyncio.timeout(patience):
                outcome: Outcome = await client.submit(job, journal=journal, options=self.options)
        except TimeoutError:
            return False
        except (ClientClosedError, HookError):
            return True  # it was stopped, and says nothing of the job; or the error is the caller's own
        except LipSyncError as error:
            outcome = _outcome_of(error, job)
        except (Exception, asyncio.CancelledError):
            if not self._is_callers(report):
                raise
            return True
        report.pulled += 1
        report.hear(outcome)
        return True

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
                report.fired = True
                raise self.raises

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
            if "odd_items" in self.kinds and not number % 3:
                report.pulled, report.odd = report.pulled + 1, report.odd + 1
                yield self.dice.choice(ODD)
            report.pulled += 1
            yield job

    async def _async_jobs(self, client: SimClient, report: RunReport) -> AsyncIterator[LipSyncRequest]:
        for number, job in enumerate(self.jobs):
            self._trouble_at_the_source(number, client, report)
            if self.source_pause:
                await asyncio.sleep(self.source_pause)
            if "odd_items" in self.kinds and not number % 3:
                report.pulled, report.odd = report.pulled + 1, report.odd + 1
                yield self.dice.choice(ODD)
            report.pulled += 1
            yield job

    def _trouble_at_the_source(self, number: int, client: SimClient, report: RunReport) -> None:
        if number == report.interruption.count:
            if report.interruption.name == "source_raises":
                report.fired = True
                raise ValueError if self.async_source and self.raises is GeneratorExit else self.raises
            if report.interruption.name == "source_stops":
                client.stop()


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
