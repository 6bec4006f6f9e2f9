"""What was made of videos and texts, remembered by a journal, or in this process where there is none.

One for each open journal, and one a client: whoever shares it shares what is under way.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias
from weakref import WeakKeyDictionary, ref

import msgspec

from lipsync_async.errors import JournalError
from lipsync_async.journal import AnyJournal, Elsewhere, Entry

from .resolving import Kept

AT_HAND = 4_096
"""Entries of a journal that are in memory as well."""
Key: TypeAlias = tuple[str, str]
"""Kind and name of an entry."""
_MAKING = "\x01make "
"""Begins the name under which a call is claimed; no job's id can begin so."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Kept).decode


class Sourcebook:
    """Remembers; and says who waits for what is under way."""

    def __init__(self, journal: AnyJournal | None = None) -> None:
        # Weakly: `_books` would else keep every journal for ever.
        self._journal = (lambda: None) if journal is None else ref(journal)
        self._durable = journal is not None
        self._known: OrderedDict[Key, Kept] = OrderedDict()
        self._waiting: dict[Key, list[Callable[[], None]]] = {}
        self.under_way: dict[Key, asyncio.Task[None]] = {}
        """Calls that are made now, in whichever run."""
        self.spoiled: set[str] = set()
        """Sessions that a create was refused for."""

    def __repr__(self) -> str:
        return f"<Sourcebook {len(self._known)} at hand, {len(self.under_way)} under way>"

    def recall(self, key: Key) -> Kept | None:
        """What is known of it. Raises `JournalError`."""
        known = self._known.get(key)
        journal = self._journal()
        if known is None and journal is not None:
            entry = journal.reader.entry(*key)
            known = None if entry is None else read_kept(entry)
            if known is not None:
                self._put(key, known)
        return known

    async def keep(self, key: Key, kept: Kept) -> None:
        """Durable on return, where there is a journal. Raises `JournalError`."""
        self._put(key, kept)
        journal = self._journal()
        if journal is None:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def tell(error: JournalError | None) -> None:
            if not done.done():
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(JournalError(*error.args))

        journal.keep(Entry(kind=key[0], name=key[1], state=kept.state, value=_encode(kept)), tell)
        await done

    async def may_make(self, key: Key) -> bool:
        """Whether a call for it is this process's to make; another one may be at it. Raises `JournalError`.

        Where it is, what the others made of it meanwhile is found by `recall`.
        """
        journal = self._journal()
        if journal is None or not journal.needs_claims:
            return True
        if isinstance(await journal.take(_named(key)), Elsewhere):
            return False
        self._known.pop(key, None)
        return True

    def has_made(self, key: Key) -> None:
        """The call that was claimed is over, however it ended."""
        if (journal := self._journal()) is not None:
            journal.let_go(_named(key))

    def _put(self, key: Key, kept: Kept) -> None:
        self._known[key] = kept
        self._known.move_to_end(key)
        if self._durable and len(self._known) > AT_HAND:
            self._known.popitem(last=False)

    def at_hand(self, key: Key) -> Kept | None:
        """What is known of it without a look at the disk."""
        return self._known.get(key)

    def when_over(self, key: Key, call: Callable[[], None]) -> None:
        """`call` is called once, when the call that is under way is over."""
        self._waiting.setdefault(key, []).append(call)

    def over(self, key: Key) -> None:
        """The call is over, however it ended."""
        self.under_way.pop(key, None)
        for call in self._waiting.pop(key, ()):
            call()


def _named(key: Key) -> str:
    return f"{_MAKING}{key[0]} {key[1]}"


def read_kept(entry: Entry) -> Kept | None:
    """What an entry holds; None for one that a later version wrote in a form of its own."""
    try:
        return _decode(entry.value)
    except msgspec.MsgspecError:
        return None


_books: WeakKeyDictionary[AnyJournal, Sourcebook] = WeakKeyDictionary()


def book_of(journal: AnyJournal) -> Sourcebook:
    """The one of an open journal."""
    found = _books.get(journal)
    if found is None:
        found = _books[journal] = Sourcebook(journal)
    return found
