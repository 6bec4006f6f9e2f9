"""The turns that a process holds, what it sent with them, and what it has to tell of that. Pure.

Times of the store are mapped to the process's own clock by an offset, which every exchange confines anew:
the store read its clock between the moment when it was asked and the one when its answer was there.
"""

from __future__ import annotations

import math
from collections import deque

import msgspec

from lipsync_async.dispatch.pacing import Pacer
from lipsync_async.dispatch.pacing.exchange import Grant, News, Turn
from lipsync_async.dispatch.pacing.rate import EARLY

LONGEST = 1.0
"""Seconds after its moment in which a turn may be used."""
MOST_NEWS = 10_000
"""News that are kept while the store is away; the oldest go first."""


class Hand:
    """What one process holds."""

    __slots__ = ("_asides", "_news", "_offset", "_out", "_telling", "_turns", "epoch", "in_flight")

    def __init__(self) -> None:
        self._turns: deque[Turn] = deque()
        self._asides: deque[Turn] = deque()
        self._out: dict[float, deque[Turn | Pacer]] = {}  # by when it was sent, on the process's clock
        self._news: deque[tuple[float, News]] = deque(maxlen=MOST_NEWS)
        self._telling: tuple[tuple[float, News], ...] = ()  # in a report that is not answered yet
        self._offset = math.nan  # the process's clock less the store's
        self.epoch = 0
        self.in_flight = 0
        """Requests that were sent and not settled, but for asides."""

    @property
    def held(self) -> int:
        """Turns that were not used, but for asides."""
        return len(self._turns)

    @property
    def has_news(self) -> bool:
        """Something is to be told."""
        return bool(self._news or self._telling)

    # ------------------------------------------------------------------------------------------------- exchange

    def tell(self, now: float) -> tuple[News, ...]:
        """All news, for a report; the same ones until `heard`, so that no report is told twice in part."""
        self._expire(now)
        if not self._telling:
            self._telling = tuple(self._news)
            self._news.clear()
        return tuple(msgspec.structs.replace(news, age=max(0.0, now - at)) for at, news in self._telling)

    def heard(self, grant: Grant, asked: float, now: float) -> None:
        """The answer to a report that was sent at `asked`."""
        self._telling = ()
        offset = self._offset if self._offset == self._offset else now - grant.now
        self._offset = min(max(offset, asked - grant.now), now - grant.now)
        if grant.epoch != self.epoch:
            self.void(now)
        self.epoch = grant.epoch
        for turn in grant.turns:
            if turn.epoch != grant.epoch:
                self._note(now, News("returned", turn=turn.number))
            else:
                (self._asides if turn.aside else self._turns).append(turn)

    def void(self, now: float) -> None:
        """All turns that are held are given back."""
        for turn in (*self._turns, *self._asides):
            self._note(now, News("returned", turn=turn.number))
        self._turns.clear()
        self._asides.clear()

    def _expire(self, now: float) -> None:
        for turns in (self._turns, self._asides):
            while turns and turns[0].at + self._offset < now - LONGEST:
                self._note(now, News("returned", turn=turns.popleft().number))

    # ------------------------------------------------------------------------------------------------- requests

    def take(self, now: float) -> float:
        """Uses a turn: 0.0; else the seconds until the next may be used, or infinity."""
        if not self._turns:
            return math.inf
        wait = self._turns[0].at + self._offset - now
        if wait > EARLY:
            return wait
        if wait < -LONGEST:
            self._expire(now)
            return self.take(now)
        self.sent(now, self._turns.popleft())
        return 0.0

    def take_aside(self, now: float) -> bool:
        """Uses a turn of a request that makes no task."""
        self._expire(now)
        if not self._asides:
            return False
        self._note(now, News("aside", turn=self._asides.popleft().number))
        return True

    def sent(self, now: float, by: Turn | Pacer) -> None:
        """A request leaves, by a turn or by the leave of the pacer that is asked while the store is away."""
        self._out.setdefault(now, deque()).append(by)
        self.in_flight += 1

    def settle(self, now: float, sent_at: float, news: News) -> Pacer | None:
        """What became of the request that was sent at `sent_at`; the pacer that let it go, if none of the turns did."""
        row = self._out[sent_at]
        by = row.popleft()
        self.in_flight -= 1
        if not row:
            del self._out[sent_at]
        if isinstance(by, Turn):
            self._note(now, msgspec.structs.replace(news, turn=by.number))
            return None
        if news.what == "accepted":  # its task runs, whoever let it go
            self._note(now, news)
        return by

    def note(self, now: float, news: News) -> None:
        """Something else happened."""
        self._note(now, news)

    def _note(self, now: float, news: News) -> None:
        self._news.append((now, news))
