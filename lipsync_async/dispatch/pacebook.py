"""The journal as the pacer's history uses it: a look now and then while runs go on, and a line a good while.

It costs a job nothing: one timer looks, a second apart at first and ever more seldom, and what it saw is written with
the commit that is made anyway.
"""

from __future__ import annotations

import asyncio
import math
import os
import secrets
from weakref import ReferenceType, WeakKeyDictionary, ref

from lipsync_async.errors import JournalError
from lipsync_async.journal import AnyJournal, Entry

from .account import Account
from .paces import STEP, PaceHistory, read_history, sample_of

PACES = "paces"
"""The kind of the entries that hold histories, one a process and pacer."""
KEEP_EVERY, KEEP_SHARE = 8.0, 1 / 16
"""Seconds after which a history is written anew, and the share of the time that it covers: the longer is waited."""
CLOSEST = 1.0
"""Seconds between two lines of runs that end: many short ones write no more."""
LONGEST_PAUSE = 60.0
"""Seconds between two looks while no request is answered."""
_NAME = "\x01"
"""Begins every name; no job's id can begin so, and what is forgotten with a job is found by its id."""


class Pacebook:
    """What one pacer learns while runs of one journal go on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.account: Account | None = None
        """Whose runs are under way; None: none are."""
        self.journal: AnyJournal | None = None
        self._last_of: ReferenceType[Account] | None = None
        self._history: PaceHistory | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._runs = self._answered = 0
        self._begins = False
        self._unsaved = False
        self._pause = STEP
        self._written_at = -math.inf

    def begin(self, journal: AnyJournal, account: Account) -> None:
        """A run begins."""
        self._runs += 1
        if self._runs > 1:
            return
        if self._last_of is None or self._last_of() is not account:
            self._last_of, self._answered = ref(account), _answered(account)
        self.account, self.journal, self._begins, self._pause = account, journal, True, STEP
        self._timer = account.loop.call_later(self._pause, self._tick)

    def end(self) -> None:
        """A run ended; with the last one what was learned is written."""
        account, self._runs = self.account, self._runs - 1
        if self._runs or account is None or self._timer is None:
            return
        self._timer.cancel()
        history = self._opened()
        if self._is_due(account, CLOSEST):
            self._look(account, history)
            self._keep(account, history)
        self.account = self.journal = self._timer = None

    def _tick(self) -> None:
        account = self.account
        if account is None:
            return
        history = self._opened()
        news = self._look(account, history)
        if self._is_due(account, max(KEEP_EVERY, KEEP_SHARE * history.span)):
            self._keep(account, history)
        self._pause = history.step if news else min(2 * self._pause, max(history.step, LONGEST_PAUSE))
        self._timer = account.loop.call_later(self._pause, self._tick)

    def _look(self, account: Account, history: PaceHistory) -> bool:
        """Adds what is known now; says whether any request was answered since the last look."""
        known = account.pacer.statistics()
        answered = known.accepted + known.refused
        if answered == self._answered:
            return False
        self._answered = answered
        at, held = account.wall_clock(), account.pacer.waiting_for(account.loop.time())
        history.add(sample_of(at, known, held, first=self._begins and history.is_apart(at)))
        self._begins, self._unsaved = False, True
        return True

    def _is_due(self, account: Account, pause: float) -> bool:
        """Whether the last line was written so long ago; one of a clock that was ahead was."""
        return not 0 <= account.wall_clock() - self._written_at < pause

    def _keep(self, account: Account, history: PaceHistory) -> None:
        journal = self.journal
        if not self._unsaved or journal is None or journal.failed is not None:
            return
        self._unsaved, self._written_at = False, account.wall_clock()
        journal.keep(Entry(kind=PACES, name=self.name, state="", value=history.to_bytes()), _not_waited_for)

    def _opened(self) -> PaceHistory:
        """The history; that of a file goes on from what earlier runs wrote."""
        if self._history is None:
            assert self.journal is not None
            self._history = history = _read(self.journal, self.name)
            if history.samples:
                self._written_at = history.samples[-1].at
        return self._history


def watch(journal: AnyJournal, account: Account) -> Pacebook:
    """A run of that journal begins; its `end` is to be called when it is over."""
    books = _books_of(journal)
    own = (book for book in books if book.account is account and book.journal is journal)
    book = next(own, None) or next((book for book in books if book.account is None), None)
    if book is None:
        book = Pacebook(f"{_NAME}{_process() if journal.needs_claims else 'run'}-{len(books) + 1}")
        books.append(book)
    book.begin(journal, account)
    return book


_files: WeakKeyDictionary[AnyJournal, list[Pacebook]] = WeakKeyDictionary()
_shared: dict[tuple[str, bytes], list[Pacebook]] = {}
_processes: dict[int, str] = {}


def _books_of(journal: AnyJournal) -> list[Pacebook]:
    """One, and one more for each client that is at work at the same time.

    A file has one writer, whose later runs go on with what is in it.
    Of others each process has its own, and remembers them: to read one would hold up the loop.
    """
    if journal.needs_claims:
        return _shared.setdefault((_process(), journal.salt), [])
    return _files.setdefault(journal, [])


def _process() -> str:
    return _processes.setdefault(os.getpid(), secrets.token_hex(8))  # a fork is another process


def _read(journal: AnyJournal, name: str) -> PaceHistory:
    try:
        entry = None if journal.needs_claims else journal.reader.entry(PACES, name)
    except JournalError:
        entry = None
    return read_history(None if entry is None else entry.value)


def _answered(account: Account) -> int:
    known = account.pacer.statistics()
    return known.accepted + known.refused


def _not_waited_for(_: JournalError | None) -> None:
    """The batch is the same without it."""
