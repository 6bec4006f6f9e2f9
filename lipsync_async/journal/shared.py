"""A journal that many processes write: claims, groups of lines, a lease, and patience with a server that is away."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any, TypeVar

from lipsync_async.errors import ClaimLostError, JournalError

from .claims import Away, Claim, Fate, Lease, Line, Table, Taken
from .entries import Entry
from .face import ENOUGH, AnyJournal
from .record import Record, State
from .thread import Done

MAX_OUTAGE = 600.0
"""Seconds for which the server may give no answer before the journal has failed."""
LAST_WORDS = 20.0
"""Seconds for what is queued when the journal is closed and the server is away."""
PAUSES = (0.05, 2.0)
"""Seconds between two tries while the server is away: the first, and the longest."""
_ENDS = frozenset({State.ACCEPTED, State.REJECTED, State.UNKNOWN, State.NOT_SENT})
_T = TypeVar("_T")
_log = logging.getLogger("lipsync_async")


class SharedJournal(AnyJournal):
    """A journal over a `Table`, for one event loop. `reader` reads at once, and is for what is rare."""

    needs_claims = True

    def __init__(
        self, table: Table, reader: Any, *, salt: bytes, name: str, lease: Lease, max_outage: float = MAX_OUTAGE
    ) -> None:
        super().__init__()
        self.reader = reader
        self.name = name
        """Where it is, without a password."""
        self.owner = secrets.token_hex(16)
        self._salt = salt
        self._table = table
        self._lease = lease
        self._max_outage = max_outage
        self._held: dict[str, int] = {}
        """The fence of each job that is ours."""
        self._asked: dict[str, list[asyncio.Future[Claim]]] = {}
        self._lines: deque[tuple[Line, Done | None]] = deque()
        self._entries: deque[tuple[Entry, Done]] = deque()
        self._steps = 0
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._closed: asyncio.Task[None] | None = None
        self._pulse: asyncio.Task[None] | None = None
        self._left = asyncio.Event()
        """No beat follows, even if the cancellation of the last one got lost in a library, or came out as an error."""

    def __repr__(self) -> str:
        story = "closed" if self._closed else "broken" if self.failed else f"{len(self._held)} jobs claimed"
        return f"<SharedJournal {self.name}, {story}>"

    @property
    def salt(self) -> bytes:
        """16 random bytes, made with the journal, for salted marks of API keys."""
        return self._salt

    async def begin(self) -> None:
        """Come alive. Raises `Away` where the server gives no answer."""
        await self._beat()
        self._pulse = asyncio.get_running_loop().create_task(self._live(), name="lipsync-beats")

    def may_send(self) -> bool:
        """Whether a first byte may leave now: looked at right before it does."""
        return self._lease.holds() and self.failed is None

    # -- claims -----------------------------------------------------------------------------------------------------

    async def take(self, external_task_id: str) -> Claim:
        """Claims the job, or says who has it. Raises `JournalError`."""
        self._check()
        waiter: asyncio.Future[Claim] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(external_task_id, []).append(waiter)
        self._start("claims", self._claim)
        return await waiter

    def let_go(self, external_task_id: str) -> None:
        """Gives the claim back, behind what is queued for the job; nothing where it has none."""
        fence = self._held.get(external_task_id)
        if fence is not None and self._closed is None and self.failed is None:
            self._put(external_task_id, fence, None, None)

    async def _claim(self) -> None:
        while self._asked and self.failed is None:
            await _gathered(lambda: len(self._asked))
            ids = tuple(self._asked)[:ENOUGH]
            claims = await self._insist(lambda ids=ids: self._claim_now(ids))  # type: ignore[misc]
            if claims is None:
                return
            for name in ids:
                claim = claims[name]
                if isinstance(claim, Taken):
                    self._held[name] = claim.fence
                waiters = self._asked.pop(name, [])
                told = [waiter for waiter in waiters if not waiter.done()]
                for waiter in told:
                    waiter.set_result(claim)
                if not told:  # who asked was cancelled
                    self.let_go(name)

    def _claim_now(self, ids: tuple[str, ...]) -> Awaitable[dict[str, Claim]]:
        self._steps += 1
        return self._table.claim(self.owner, ids, self._steps)

    # -- lines ------------------------------------------------------------------------------------------------------

    def post(self, record: Record, done: Done | None = None) -> None:  # noqa: D102 - told by the base
        error = self.failed or self._gone()
        fence = self._held.get(record.external_task_id)
        if error is None and fence is None:
            if record.state is not State.ACCEPTED:
                error = ClaimLostError(f"{record.external_task_id} is another process's by now")
            fence = 0  # an acceptance is recorded all the same
        if error is not None:
            if done is not None:
                return done(error)
            if isinstance(error, ClaimLostError):
                return None  # nobody waits for it, and it is the other's to write
            raise error
        assert fence is not None
        self._put(record.external_task_id, fence, record, done)
        return None

    def keep(self, entry: Entry, done: Done) -> None:  # noqa: D102 - told by the base
        error = self.failed or self._gone()
        if error is not None:
            return done(error)
        self._entries.append((entry, done))
        self._start("entries", self._keep)
        return None

    async def remember(self, name: str, value: str) -> None:  # noqa: D102
        await self._ask(lambda: self._table.note(f"note:{name}", value))

    async def remember_list(self, digest: str, count: int) -> None:  # noqa: D102
        await self._ask(lambda: self._table.note(f"list:{digest}", str(count)))

    async def find(self, external_task_id: str) -> Record | None:  # noqa: D102
        return await self._ask(lambda: self._table.recall(external_task_id))

    async def find_witness(self, key: bytes) -> Record | None:  # noqa: D102
        return await self._ask(lambda: self._table.witness(key))

    async def each_of(self, states: Collection[State]) -> AsyncIterator[Record]:  # noqa: D102
        after = 0
        wanted = tuple(states)
        while found := await self._ask(lambda after=after: self._table.page(wanted, after)):  # type: ignore[misc]
            for _, record in found:
                yield record
            after = found[-1][0]

    def _put(self, name: str, fence: int, record: Record | None, done: Done | None) -> None:
        self._steps += 1
        self._lines.append((Line(name, fence, self._steps, record), done))
        self._start("lines", self._write)

    async def _write(self) -> None:
        while self._lines and self.failed is None:
            await _gathered(lambda: len(self._lines))
            group = self._next_group()
            lines = tuple(line for line, _ in group)
            fates = await self._insist(lambda lines=lines: self._table.write(self.owner, lines))  # type: ignore[misc]
            if fates is None:
                self._lines.extendleft(reversed(group))
                return self._give_up()
            late = [one for one, fate in zip(group, fates, strict=True) if fate is Fate.LATE]
            self._lines.extendleft(reversed(late))
            for (line, done), fate in zip(group, fates, strict=True):
                self._settle_line(line, done, fate)
            if late:  # not lost: our own lease ran out
                await self._insist(self._beat)
        return None

    def _next_group(self) -> list[tuple[Line, Done | None]]:
        """As many lines as go together, of different jobs, in their order."""
        group: dict[str, tuple[Line, Done | None]] = {}
        while self._lines and len(group) < ENOUGH and self._lines[0][0].external_task_id not in group:
            line, done = self._lines.popleft()
            group[line.external_task_id] = line, done
        return list(group.values())

    def _settle_line(self, line: Line, done: Done | None, fate: Fate) -> None:
        if fate is Fate.LATE:
            return
        over = fate is Fate.LOST or line.record is None or line.record.state in _ENDS
        if over and self._held.get(line.external_task_id) == line.fence:
            del self._held[line.external_task_id]
        if done is not None:
            lost = fate is Fate.LOST
            done(ClaimLostError(f"{line.external_task_id} is another process's by now") if lost else None)

    async def _keep(self) -> None:
        while self._entries and self.failed is None:
            await _gathered(lambda: len(self._entries))
            group = [self._entries.popleft() for _ in range(min(len(self._entries), ENOUGH))]
            newest = {(entry.kind, entry.name): entry for entry, _ in group}
            kept = tuple(newest.values())
            kept_now = await self._insist(lambda kept=kept: self._answered(self._table.keep(kept)))  # type: ignore[misc]
            if kept_now is None:
                self._entries.extendleft(reversed(group))
                return self._give_up()
            for _, done in group:
                done(None)
        return None

    # -- life -------------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        while self.failed is None and not self._left.is_set():
            try:
                await self._beat()
                await rest(self._lease.pause, self._left)
            except Away:
                await rest(min(PAUSES[1], self._lease.pause / 3), self._left)
            except JournalError as error:
                self.failed = error
                self._give_up()

    async def _beat(self) -> bool:
        asked_at = self._lease.clock()
        held = dict.fromkeys(self._held) | dict.fromkeys(self._asked)
        await self._table.beat(self.owner, self._lease.seconds, tuple(held), self._steps)
        self._lease.beaten(asked_at)
        return True

    async def _answered(self, call: Awaitable[None]) -> bool:
        await call
        return True

    async def _insist(self, call: Callable[[], Awaitable[_T]]) -> _T | None:
        """The answer, however long the server is away; None where the journal has failed."""
        loop = asyncio.get_running_loop()
        began, pause, told = loop.time(), PAUSES[0], False
        while self.failed is None:
            try:
                return await call()
            except Away as error:
                away = loop.time() - began
                if away >= (LAST_WORDS if self._closed is not None else self._max_outage):
                    self.failed = JournalError(f"the journal {self.name} has not answered for {away:.0f} s: {error}")
                elif not told and away > PAUSES[1]:
                    told = True
                    _log.warning("the journal %s does not answer, and nothing is sent meanwhile: %s", self.name, error)
                await asyncio.sleep(pause)
                pause = min(PAUSES[1], 2 * pause)
            except JournalError as error:
                self.failed = error
        self._give_up()
        return None

    async def _ask(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """The same for one who waits. Raises `JournalError`."""
        self._check()
        box: list[_T] = []

        async def boxed() -> bool:
            box.append(await call())
            return True

        if await self._insist(boxed) is None:
            super()._check()
        return box[-1]

    def _give_up(self) -> None:
        """Tell everybody who waits that the journal has failed."""
        error = self.failed
        assert error is not None
        lines, entries = [done for _, done in self._lines], [done for _, done in self._entries]
        asked = [waiter for waiters in self._asked.values() for waiter in waiters]
        self._lines.clear()
        self._entries.clear()
        self._asked.clear()
        for waiter in asked:
            if not waiter.done():
                waiter.set_exception(JournalError(*error.args))
        for done in lines + entries:
            if done is not None:
                done(error)

    def _start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        if name in self._busy:
            return
        self._busy.add(name)
        self._idle.clear()

        async def run() -> None:
            try:
                await work()
            finally:
                self._busy.discard(name)
                if not self._busy:
                    self._idle.set()

        task = asyncio.get_running_loop().create_task(run(), name=f"lipsync-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:  # noqa: D102
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closed)

    async def _close(self) -> None:
        while self._busy:
            await self._idle.wait()
        if self._pulse is not None:
            self._left.set()
            self._pulse.cancel()
            await asyncio.wait([self._pulse])
        if self.failed is None:
            try:
                await self._table.beat(self.owner, 0.0, (), self._steps)  # what is ours is anybody's now
            except (Away, JournalError) as error:
                _log.info("the journal %s was left without a word: %s", self.name, error)
        await self._table.aclose()
        self.reader.close()

    def _check(self) -> None:
        super()._check()
        if (error := self._gone()) is not None:
            raise error

    def _gone(self) -> JournalError | None:
        return JournalError(f"the journal {self.name} is closed") if self._closed is not None else None


async def _gathered(size: Callable[[], int]) -> None:
    """Waits until a round of the loop brings nothing new: what comes together is written together."""
    before = -1
    while before < size() < ENOUGH:
        before = size()
        await asyncio.sleep(0)


async def rest(seconds: float, over: asyncio.Event) -> None:
    """Waits so many seconds, or until that is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await over.wait()
