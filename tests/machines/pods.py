"""Several clients with a journal each over one table, a sandbox, and virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field

from lipsync_async import Gateway, Limits, LipSyncClient, RetryPolicy
from lipsync_async.journal.claims import Lease
from lipsync_async.journal.shared import SharedJournal
from lipsync_async.sandbox import Sandbox
from tests.journal.memory_table import MemoryTable, NoReader

SETTLE, HOLD, LEASE = 6.0, 5.0, 30.0


@define
class Pods:
    """What they share."""

    sandbox: Sandbox
    table: MemoryTable = field(
        factory=lambda: MemoryTable(now=lambda: asyncio.get_running_loop().time(), up_since=-1e9)
    )

    def journal(self, table: MemoryTable | None = None, max_outage: float = 60.0) -> SharedJournal:
        """One of a process; not begun."""
        lease = Lease(LEASE, clock=asyncio.get_running_loop().time)
        return SharedJournal(
            table or self.table, NoReader(), salt=b"s" * 16, name="table", lease=lease, max_outage=max_outage
        )

    @asynccontextmanager
    async def pod(self, journal: SharedJournal | None = None) -> AsyncIterator[tuple[LipSyncClient, SharedJournal]]:
        """A process."""
        journal = journal or self.journal()
        await journal.begin()
        client = LipSyncClient(
            Gateway(name="sandbox", base_url=self.sandbox.base_url, settle_time=SETTLE, hold_time=HOLD),
            api_key="sandbox-key",
            limits=Limits(max_in_flight=8),
            retry=RetryPolicy(base_delay=0.05),
            trust_lookups=True,
        )
        async with journal, client:
            yield client, journal


@asynccontextmanager
async def pods(**options: object) -> AsyncIterator[Pods]:
    """A sandbox that bills every create, in the loop's time."""
    clock = asyncio.get_running_loop().time
    async with Sandbox(duplicates="accept", clock=clock, **options) as sandbox:  # type: ignore[arg-type]
        yield Pods(sandbox)
