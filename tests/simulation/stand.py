"""The parts of the library that the simulation replaces: a client without sockets, and journals without threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, Self

from lipsync_async.client import LipSyncClient
from lipsync_async.dispatch.account import Account
from lipsync_async.dispatch.pacing import Pacer
from lipsync_async.errors import JournalError
from lipsync_async.journal import Entry, InlineJournal, Record, Store, entries
from lipsync_async.journal.entries import EntryRow
from lipsync_async.journal.face import Done
from lipsync_async.journal.rows import grouped, to_rows
from lipsync_async.models import LipSyncRequest
from lipsync_async.wire.credential import Credential
from tests import makers

from .line import ModelWire
from .replies import EPOCH


class SimClient(LipSyncClient):
    """The real client with a modelled gateway: its random numbers are seeded, and its clock is that of the loop."""

    def __init__(
        self,
        *args: Any,
        dice: Random,
        wire: Callable[[], Any],
        wall_clock: Callable[[float], float] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._dice = dice
        self._make_wire = wire
        self._wall_clock = wall_clock or (lambda now: EPOCH + now)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._account = Account(
            self._gateway,
            self._make_wire(),
            Credential(self._key),
            Pacer(self._limits, dice=self._dice.random),
            self._retry,
            observer=self._observer,
            dice=self._dice.random,
            wall_clock=lambda: self._wall_clock(loop.time()),
        )
        self._account.trust.told = self._trust_lookups
        return self

    @property
    def account(self) -> Account:
        """The account that its runs share."""
        assert self._account is not None
        return self._account

    @property
    def wire(self) -> ModelWire:
        """The modelled gateway."""
        wire = self.account.wire
        assert isinstance(wire, ModelWire)
        return wire


class CrashingStore(Store):
    """A store that may crash before or after each commit, and whose disk may be full."""

    step: Callable[[], None] | None = None
    writes_left = 1 << 60
    dead = False

    def write_rows(self, rows: Any) -> None:
        """Commits the rows."""
        self._commit(lambda: super(CrashingStore, self).write_rows(rows))

    def keep(self, rows: Any) -> None:
        """Commits the entries."""
        self._commit(lambda: super(CrashingStore, self).keep(rows))

    def _commit(self, write: Callable[[], None]) -> None:
        if self.dead:
            raise JournalError("the process is gone")
        if self.writes_left <= 0:
            raise JournalError("no space left")
        self.writes_left -= 1
        if self.step is not None:
            self.step()
        write()
        if self.step is not None:
            self.step()


class GroupJournal(InlineJournal):
    """Commits queued rows together and a little later, as the real journal does; a crash loses the queued rows."""

    def __init__(self, store: Store, dice: Random, slowest: float = 0.05) -> None:
        super().__init__(store)
        self._loop = asyncio.get_running_loop()
        self._dice = dice
        self._slowest = slowest
        self._records: list[Record] = []
        self._entries: list[EntryRow] = []
        self._dones: list[Done] = []
        self._timer: asyncio.TimerHandle | None = None

    def post(self, record: Record, done: Done | None = None) -> None:
        """Queues a record; it is durable later."""
        if self.failed is not None:
            if done is not None:
                done(self.failed)
            return
        self._records.append(record)
        if done is not None:
            self._dones.append(done)
        self._soon()

    def keep(self, entry: Entry, done: Done) -> None:
        """Queues an entry; it is durable later."""
        if self.failed is not None:
            done(self.failed)
            return
        self._entries.append(entries.to_row(entry))
        self._dones.append(done)
        self._soon()

    def _soon(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._dice.uniform(0.0005, self._slowest), self.commit)

    def commit(self) -> None:
        """Commits everything that is queued."""
        records, kept, dones = self._records, self._entries, self._dones
        self._records, self._entries, self._dones = [], [], []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if records:
            self._do(lambda: self.store.write_rows(grouped(to_rows(records), self.store.most_rows)))
        if kept and self.failed is None:
            self._do(lambda: self.store.keep(kept))
        for done in dones:
            done(self.failed)


def request(number: int = 0, external_task_id: str | None = None, **changes: Any) -> LipSyncRequest:
    """A request whose content depends on its number; the model decides by the face what becomes of it."""
    return makers.request(external_task_id, **{"face_id": "0", "audio_id": f"audio-{number}", **changes})
