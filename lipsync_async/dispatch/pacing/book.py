"""The book of an account that many processes use: one pacer, and who holds which turn. Pure; it lies in a store.

A member *reports* what became of its turns and how many requests wait, and is *granted* turns:
moments at which one request may leave. All of it is one call, `exchange`, under the store's clock.

| news        | what the pacer is told                        | fields                                          |
|-------------|-----------------------------------------------|-------------------------------------------------|
| `accepted`  | a task began                                  | turn; 0: it was sent while the store was away   |
| `refused`   | a refusal                                     | turn, kind, first: its Retry-After              |
| `ended`     | no news of the limits                         | turn                                            |
| `returned`  | the turn was not used                         | turn                                            |
| `aside`     | a request that makes no task ended            | turn                                            |
| `completed` | tasks were seen to end                        | count; first: age, second: seconds it took      |
| `recall`    | an end that an earlier run saw                | first: seconds it took, second: age             |
| `restore`   | tasks run from before                         | count                                           |
| `close`     | the gate shuts                                | first: seconds                                  |
| `lift`      | a pause that ended a batch is over            |                                                 |
| `reserved`  | a query left, which the told rate counts      |                                                 |
| `stop`      | the account is stopped                        | kind, text                                      |

**Lessons.** News are dated by their own moment, and never before what was applied last.
A lesson (a cut) begins an *epoch*: turns of earlier ones are void and teach nothing, whenever they were used.

**Fairness.** Nobody gets ahead of whoever waits, was served less, and comes in time; who was idle has no credit.
Each is told to come when its turn is near, by its rank among those who wait.

**Mishaps.** A report that comes twice is applied once (by member and number), and answered as before.
Who is silent for `SILENT` seconds has lost its turns. A clock that is set back stands still, and goes on from there.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import msgspec

from .exchange import Grant, Known, News, Report, Rules, StopWord, Turn
from .kept import Member, State, pack, unpack
from .pacer import Pacer
from .rate import EARLY

AHEAD = 0.1
"""Seconds for which a member may hold turns; all members together."""
FAR = 1.0
"""Seconds that a turn lies ahead at most."""
MOST = 256
"""Turns that a member may hold."""
LEAD = 0.03
"""Seconds by which a member is asked to come before its turn."""
SOONEST, LATEST = 0.02, 1.0
"""Seconds from one exchange to the next, for who waits."""
CANARY_LOOK = 0.05
"""Seconds after which it is worth asking what became of the canary."""
LATE = 0.1
"""Seconds for which others wait for a member that is late."""
SILENT, FORGOTTEN = 5.0, 600.0
"""Seconds: without a word a member has lost its turns, and is then unknown."""
PART_OF_LULL, LONGEST_LULL, MEMORY = 0.25, 10.0, 0.25
"""A turn waits for whoever was served least, for this part of the time from one turn to the next, as it was lately."""


class Book:
    """The pacer of an account and its members."""

    def __init__(self, rules: Rules, *, dice: Callable[[], float] = random.random, pacer: Pacer | None = None) -> None:
        self.rules = rules
        self.pacer = pacer or Pacer(rules.limits(), dice=dice)
        self.members: dict[str, Member] = {}
        # A store may forget everything: what it numbers after that must not be taken for what it numbered before.
        self.epoch = 1 + int(dice() * 2**40)
        self.stop: StopWord | None = None
        self._dice = dice
        self._now = 0.0
        self._offset = 0.0  # what is added to the store's clock, so that it never goes back
        self._turns = int(dice() * 2**40)
        self._applied = -math.inf  # the moment of the latest news
        self._lull, self._turned_at = 0.0, math.nan  # seconds from one turn to the next; when the last one was given
        self._cuts = self.pacer.cuts

    # ---------------------------------------------------------------------------------------------- keeping it

    def freeze(self) -> bytes:
        """All of it, for a store."""
        return pack(
            State(
                rules=self.rules,
                now=self._now,
                offset=self._offset,
                epoch=self.epoch,
                turns=self._turns,
                applied=self._applied,
                lull=self._lull,
                turned_at=self._turned_at,
                stop=self.stop,
                members=self.members,
                pacer=self.pacer.snapshot(),
            )
        )

    @classmethod
    def thaw(cls, kept: bytes | None, rules: Rules, raw: float, *, dice: Callable[[], float] = random.random) -> Book:
        """The book as it was frozen; a new one where there is none, and where nobody uses one that cannot be read.

        `raw` is the store's clock. Raises `OtherVersionError`.
        """
        state = unpack(kept, raw)
        return cls(rules, dice=dice) if state is None else cls._of(state, dice)

    @classmethod
    def _of(cls, state: State, dice: Callable[[], float]) -> Book:
        pacer = Pacer.restored(state.rules.limits(), state.pacer, dice=dice)
        book = cls(state.rules, dice=dice, pacer=pacer)
        book.members, book.epoch, book.stop = state.members, state.epoch, state.stop
        book._now, book._offset = state.now, state.offset
        book._turns, book._applied = state.turns, state.applied
        book._lull, book._turned_at = state.lull, state.turned_at
        book._cuts = book.pacer.cuts
        return book

    # ------------------------------------------------------------------------------------------------ exchange

    def exchange(self, report: Report, raw: float) -> Grant:
        """Applies a report, once, and answers it; `raw` is the store's clock in seconds."""
        now = self._tick(raw)
        self._sweep(now)
        member = self.members.get(report.member)
        if member is None:
            member = self._join(report, now)
        if report.number <= member.number and member.given is not None:
            return self._again(member, now)
        member.seen, member.number = now, report.number
        for news in report.news:
            self._apply(member, news, now)
            self._notice(now)
        if report.leaving:
            self._bury(member)
        self._want(member, 0 if report.leaving else report.waiting)
        turns = () if report.leaving else self._grant(member, report, now)
        member.given = self._answer(member, report, turns, now)
        return member.given

    def _tick(self, raw: float) -> float:
        now = raw + self._offset
        if now < self._now:
            self._offset += self._now - now
            now = self._now
        self._now = now
        return now

    def _sweep(self, now: float) -> None:
        """Whoever is silent loses its turns, and is forgotten later: its last report may come once more."""
        for name, member in list(self.members.items()):
            if now - member.seen > SILENT:
                if member.turns or member.wants:
                    self._bury(member)
                if now - member.seen > FORGOTTEN:
                    del self.members[name]

    def _bury(self, member: Member) -> None:
        for turn in member.turns.values():
            self._give_back(turn)
        member.turns, member.wants = {}, 0

    def _give_back(self, turn: Turn) -> None:
        if turn.aside:
            self.pacer.ended_aside()
        else:
            self.pacer.withdrawn(self._sent(turn))

    def _join(self, report: Report, now: float) -> Member:
        if not self.members and report.known is not None:
            known = report.known
            self.pacer.remember(now, known.pace, known.lo, known.hi, known.live)
        elif report.rules != self.rules:
            self._follow(report.rules, now)
        member = self.members[report.member] = Member(now, heard=self.stop.number if self.stop else 0, turns={})
        return member

    def _follow(self, rules: Rules, now: float) -> None:
        """Who comes last was told other limits: those count from now on, and what was learned is kept."""
        old, known = self.pacer, self.known
        self.rules = rules
        self.pacer = Pacer(rules.limits(), dice=self._dice)
        self.pacer.remember(now, known.pace, known.lo, known.hi, known.live, old.in_flight)
        self._cut(now)

    def _again(self, member: Member, now: float) -> Grant:
        """The last answer was lost, or came late: the same once more, under the present epoch."""
        assert member.given is not None
        member.seen = now
        return msgspec.structs.replace(member.given, now=now, epoch=self.epoch, again=SOONEST)

    # -------------------------------------------------------------------------------------------------- news

    def _apply(self, member: Member, news: News, now: float) -> None:
        at = self._date(now - news.age, now)
        pacer = self.pacer
        if news.what in {"accepted", "refused", "ended", "returned", "aside"}:
            self._settle(member, news, at)
        elif news.what == "completed":
            pacer.completed(at, news.count, age=news.first, took=news.second)
        elif news.what == "recall":
            pacer.recall(news.first or 0.0, news.second or 0.0)
        elif news.what == "restore":
            pacer.restore(at, news.count)
        elif news.what == "close":
            pacer.close(at, news.first or 0.0)
        elif news.what == "lift":
            pacer.lift(at)
        elif news.what == "reserved":
            pacer.reserve(at)
        elif news.what == "stop" and news.kind is not None:
            member.heard = (self.stop.number if self.stop else 0) + 1
            self.stop = StopWord(member.heard, news.kind, news.text)

    def _date(self, at: float, now: float) -> float:
        self._applied = min(now, max(at, self._applied))
        return self._applied

    def _settle(self, member: Member, news: News, at: float) -> None:
        turn = member.turns.pop(news.turn, None)
        if turn is None:  # it was sent while the store was away, or its member was given up
            if news.what == "accepted":
                self.pacer.restore(at, 1)
            return
        at, sent = max(at, turn.at), self._sent(turn)
        if news.what == "returned":
            member.service -= 1.0
            self._give_back(turn)
        elif turn.aside:
            self.pacer.ended_aside()
        elif news.what == "accepted":
            self.pacer.accepted(at, sent)
        elif news.what == "refused":
            self.pacer.refused(at, sent, news.kind, news.first)
        else:
            self.pacer.ended(at, sent)

    def _sent(self, turn: Turn) -> float:
        """When it was sent, as far as lessons are concerned: a void turn left before the last of them."""
        if turn.epoch == self.epoch:
            return turn.at
        return min(turn.at, turn.granted, self._cut_at)

    @property
    def _cut_at(self) -> float:
        gate, ceiling, _ = self._cuts
        latest = max(gate, ceiling)
        return latest if latest > -math.inf else math.inf

    def _notice(self, now: float) -> None:
        if self.pacer.cuts != self._cuts:
            self._cut(now)

    def _cut(self, now: float) -> None:
        self._cuts = self.pacer.cuts
        self.epoch += 1
        self.pacer.recalled(now)

    # ------------------------------------------------------------------------------------------------- turns

    def _want(self, member: Member, waiting: int) -> None:
        if waiting and not member.wants:
            others = [other.service for other in self.members.values() if other.wants and other is not member]
            member.service = max([member.service, min(others, default=0.0)])
        member.wants = waiting

    def _share(self) -> int:
        """Turns that a member may hold, and by which it may get ahead."""
        waiting = sum(1 for member in self.members.values() if member.wants) or 1
        return min(MOST, max(1, int(min(1e6, self.pacer.pace) * AHEAD / waiting)))

    def _grant(self, member: Member, report: Report, now: float) -> tuple[Turn, ...]:
        share, turns = self._share(), []
        for _ in range(min(report.asides, share)):
            if self.pacer.admit_aside(now) > 0.0:
                break
            turns.append(self._turn(now, now, aside=True))
        held = sum(1 for turn in member.turns.values() if turn.epoch == self.epoch and turn.at > now)
        pacer, at, wait = self.pacer, now, 0.0
        while held < share and member.wants and not self._yields(member, share, pacer.next_turn(at), now):
            wait = pacer.admit(at)
            if wait > 0.0:
                if wait <= pacer.next_turn(at) - at + EARLY:  # it is the pace that holds the member back, until then
                    pacer.press(at + wait)
                at += wait
                if at > now + self._reach() or pacer.waiting_for(at) not in {"", "rate"}:
                    break
                continue
            turns.append(self._turn(at, now))
            self._count_lull(at)
            held, member.wants, member.service = held + 1, member.wants - 1, member.service + 1.0
        member.turns.update((turn.number, turn) for turn in turns)
        member.due = now + self._when_to_come(member, share, now, at if wait > 0.0 else now)
        return tuple(turns)

    def _reach(self) -> float:
        """Seconds that a turn may lie ahead."""
        return min(FAR, max(AHEAD, 2 / self.pacer.pace))

    def _turn(self, at: float, now: float, *, aside: bool = False) -> Turn:
        self._turns += 1
        return Turn(self._turns, at, now, self.epoch, aside)

    def _count_lull(self, at: float) -> None:
        if self._turned_at == self._turned_at:
            self._lull += MEMORY * (min(LONGEST_LULL, max(0.0, at - self._turned_at)) - self._lull)
        self._turned_at = at

    def _yields(self, member: Member, share: int, at: float, now: float) -> bool:
        """Somebody who waits was served less, and comes in time for this turn."""
        until = at + min(LATEST, PART_OF_LULL * self._lull) + EARLY
        return any(
            other.wants and other.service <= member.service - share and now - LATE < other.due <= until
            for other in self.members.values()
        )

    def _when_to_come(self, member: Member, share: int, now: float, at: float) -> float:
        """Seconds after which a member who waits should ask again: when its turn is near."""
        pacer = self.pacer
        before = sum(
            1
            for other in self.members.values()
            if other.wants
            and other is not member
            and (other.service < member.service or (other.service == member.service and other.due > now - LATE))
        )
        base = max(at, pacer.next_turn(now)) - now if at < math.inf else CANARY_LOOK
        again = base + before * max(share / pacer.pace, PART_OF_LULL * self._lull) - LEAD
        return min(LATEST, max(SOONEST, again))

    # ------------------------------------------------------------------------------------------------ answers

    @property
    def known(self) -> Known:
        """What is known, in short."""
        told = self.pacer.statistics()
        return Known(told.pace, told.lo, told.hi, told.ceiling, told.live_tasks)

    def _answer(self, member: Member, report: Report, turns: tuple[Turn, ...], now: float) -> Grant:
        told = self.pacer.statistics()
        busy = sum(1 for other in self.members.values() if other is member or other.wants or other.turns)
        stop = self.stop if self.stop and self.stop.number > member.heard else None
        member.heard = self.stop.number if self.stop else 0
        return Grant(
            number=report.number,
            now=now,
            epoch=self.epoch,
            turns=turns,
            again=member.due - now,
            known=Known(told.pace, told.lo, told.hi, told.ceiling, told.live_tasks),
            members=busy,
            accepted=told.accepted,
            refused=told.refused,
            shut=not told.gate_open,
            holding=self.pacer.waiting_for(now) if member.wants else "",
            stop=stop,
        )
