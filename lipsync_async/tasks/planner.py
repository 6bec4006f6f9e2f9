"""Which task to ask for next, and when: one plan for all tasks of a client (contract, section 5a).

Pure: `follower` asks, this plans; every `now` is handed in, in seconds of one monotonic clock.

| moment                  | when it comes                                                                    |
|-------------------------|----------------------------------------------------------------------------------|
| first look              | at the age within which 8 % of such tasks end; 30 s where that is not learned    |
| every later look        | after a pause that is as the root of 1 / (ends a second of tasks of that age);   |
|                         | after 8 % of its age where that is not learned, or it is older than all          |
| the closest pause       | 10 s, or 5 % of the median duration where that is less; 40 % of the gateway's    |
|                         | freshness where that is more: it has little new to say before                    |
| the widest pause        | 60 s                                                                             |

Of all plans with as many looks, the root's sees ends soonest: a look costs the same at any age, and a pause of `p`
seconds at `h` ends a second costs a lag of `h p / 2` and `1 / p` looks.

A hint (a callback, contract, section 6) brings the next look of a task forward, once in a while; then all is as before.
First looks are spread over one closest pause, by the task's id, so that tasks of one moment are not asked for at once.
No two looks are closer than `1 / max_queries_per_second`; a refusal for rate slows the looks of all tasks, and no
create.
A task is in exactly one place: in the heap, out for an answer, or ended.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from typing import Protocol
from zlib import crc32

import msgspec

from lipsync_async.config import Following
from lipsync_async.endings import Ending
from lipsync_async.terms import TaskStatus

from .durations import Durations
from .fates import Absence
from .freshness import Freshness

COLD = 30.0
"""Seconds until the first look as long as no durations are learned."""
EARLIEST = 0.08
"""The share of tasks that end before the first look."""
SHARE_OF_MEDIAN = 0.05
PRICE = 0.004
"""What a look is worth: so many median durations of lag."""
SPAN = 0.15
"""Median durations over which ends are counted."""
SHARE_OF_FRESHNESS = 0.4
"""A half would save one look in four at a gateway that is two minutes late, and see ends 5 s later."""
FIRST_BACKOFF, LONGEST_BACKOFF = 2.0, 60.0
"""Seconds that all looks pause after the first refusal for rate; doubled with each in a row."""
EARLY = 1e-6
"""Seconds by which a timer may be early."""
MOST_DEAD = 64
"""Entries of tasks that were dropped, from which on the heap is cleared when they are the half of it."""


class Listener(Protocol):
    """Who waits."""

    alone: tuple[Listener, ...]
    """The listener as the only one of a task: one tuple, however many tasks it waits for."""

    def hear(self, task_id: str, ending: Ending | None) -> None:
        """A task ended; None: the client was closed."""
        ...


# There may be a hundred thousand: it is its own entry of the heap, and knows its own listeners.
class Followed(msgspec.Struct, kw_only=True, eq=False):
    """A task that is followed; all times by the planner's clock."""

    task_id: str
    external_task_id: str | None = None
    born: float
    """When it was created, as far as is known."""
    dated: bool = True
    """When it was created is known."""
    sound: float | None = None
    """Its seconds of sound."""
    seen_running: float = -math.inf
    """When a look last said that it runs."""
    due: float = math.inf
    """When to look next; it stays as it is while the task is in the heap. Infinity: it is out for an answer."""
    dropped: bool = False
    """It is in the heap, and is not followed any more."""
    hinted: float = -math.inf
    """When a hint last brought its next look forward."""
    status: TaskStatus | None = None
    """As it was told last; None: no look was answered."""
    absence: Absence | None = None
    """Its not-founds, where there were any since it was last found."""
    missing: bool = False
    """The gateway's last word was that there is no such task."""
    trouble: str = ""
    """What the last look brought in place of the task."""
    listeners: tuple[Listener, ...] = ()
    """Who waits for it; kept by the follower."""

    def __lt__(self, other: Followed) -> bool:
        return self.due < other.due


class Planner:
    """The looks at all tasks of one client."""

    def __init__(self, following: Following, durations: Durations, freshness: Freshness) -> None:
        self._following = following
        self._durations = durations
        self._freshness = freshness
        self._tasks: dict[str, Followed] = {}
        self._heap: list[Followed] = []
        self._dead = 0
        self._next_look = -math.inf
        self._not_before = -math.inf
        self._backoff = 0.0

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._tasks

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __repr__(self) -> str:
        return f"<Planner of {len(self)} tasks, {self._durations!r}, {self._freshness!r}>"

    # -- tasks ------------------------------------------------------------------------------------------------------

    def follow(self, task_id: str, now: float, *, born: float | None = None, sound: float | None = None) -> Followed:
        """A task is followed from now on; one that is followed already is told again, as it is.

        `born` is when it was created; None: not known, so it is looked at soon.
        """
        known = self._tasks.get(task_id)
        if known is not None:
            return known
        begun = now if born is None else min(born, now)
        task = Followed(task_id=task_id, born=begun, dated=born is not None, sound=sound)
        self._tasks[task_id] = task
        spread = _share_of(task_id) * self.closest(sound)
        self._plan(task, now + spread if born is None else self._first_look(task, now, spread))
        return task

    def get(self, task_id: str) -> Followed | None:
        """The task, if it is followed."""
        return self._tasks.get(task_id)

    def drop(self, task_id: str) -> Followed | None:
        """A task has ended, or nobody waits for it: it is never asked for again. Returns it, if it was followed."""
        task = self._tasks.pop(task_id, None)
        if task is not None and task.due < math.inf:
            task.dropped = True
            self._dead += 1
            if self._dead > max(MOST_DEAD, len(self._heap) // 2):
                self._clear()
        return task

    def at_once(self, task: Followed, now: float) -> None:
        """The list did not tell of it: it is asked for by itself."""
        if self._tasks.get(task.task_id) is task and task.due == math.inf:
            self._plan(task, now)

    def again(self, task: Followed, now: float, *, running: bool) -> None:
        """The answer was no end; `running`: it says that the task runs, so that the pause counts from its age."""
        if self._tasks.get(task.task_id) is not task or task.due < math.inf:
            return  # it was dropped while it was out for an answer
        if running:
            task.seen_running = now
        self._plan(task, now + self.pause(task, now))

    # -- looks ------------------------------------------------------------------------------------------------------

    def take(self, now: float) -> Followed | None:
        """The task to ask for now; it is out until `again` or `drop`. None: none is due, or looks are held back."""
        while self._heap and self._heap[0].dropped:
            heapq.heappop(self._heap)
            self._dead -= 1
        if not self._heap or self.wait(now) > EARLY:
            return None
        task = heapq.heappop(self._heap)
        task.due = math.inf
        self._next_look = max(now, self._next_look) + 1.0 / self._following.max_queries_per_second
        return task

    def many_due(self, now: float, count: int) -> bool:
        """Whether at least so many tasks are due, and looks are not held back; looks at no more of them than that."""
        if max(self._next_look, self._not_before) > now + EARLY:
            return False
        places, found = [0], 0
        while places and found < count:
            place = places.pop()
            if place < len(self._heap) and self._heap[place].due <= now:
                found += not self._heap[place].dropped
                places += (2 * place + 1, 2 * place + 2)
        return found >= count

    def take_due(self, now: float) -> list[Followed]:
        """All that are due, for a look at the list; they are out until `again` or `drop`."""
        due: list[Followed] = []
        while self._heap and (self._heap[0].due <= now or self._heap[0].dropped):
            task = heapq.heappop(self._heap)
            if task.dropped:
                self._dead -= 1
            else:
                task.due = math.inf
                due.append(task)
        return due

    def spend(self, now: float) -> float:
        """A look at a page of the list counts as one: seconds until it may leave."""
        at = max(now, self._next_look, self._not_before)
        self._next_look = at + 1.0 / self._following.max_queries_per_second
        return at - now

    def wait(self, now: float) -> float:
        """Seconds until `take` may give a task; infinity: until another is followed, or an answer comes."""
        if not self._heap:
            return math.inf
        return max(0.0, self._heap[0].due - now, self._next_look - now, self._not_before - now)

    def hold(self, now: float, seconds: float) -> None:
        """Nobody is asked for so many seconds: the key is refused, or nobody answers."""
        self._not_before = max(self._not_before, now + seconds)

    def refused(self, now: float, hint: float | None = None) -> None:
        """A look was refused for rate; `hint` is its Retry-After in seconds, and is never undercut."""
        if now >= self._not_before:  # refusals of looks that were out together are one
            self._backoff = min(LONGEST_BACKOFF, max(FIRST_BACKOFF, 2 * self._backoff))
        self.hold(now, max(self._backoff, hint or 0.0))

    def answered(self) -> None:
        """A look was let in: the next refusal begins with a short pause again, after as many as it took to get here."""
        self._backoff = self._backoff / 2 if self._backoff > FIRST_BACKOFF else 0.0

    def hint(self, task_id: str, now: float) -> bool:
        """Somebody says that a task has ended: its next look comes now, within the cap of all looks; True: it does.

        Once a task and freshness of the gateway, or closest pause where that is longer: who says it may be anybody.
        One that is not followed, or is out for an answer, stays as it is.
        """
        task = self._tasks.get(task_id)
        if task is None or not now < task.due < math.inf:
            return False
        if now - task.hinted < max(self._freshness.seconds, self.closest(task.sound)):
            return False
        # In the heap it must stay as it is: another takes its place.
        sooner = msgspec.structs.replace(task, hinted=now)
        task.dropped = True
        self._dead += 1
        self._tasks[task_id] = sooner
        self._plan(sooner, now)
        if self._dead > max(MOST_DEAD, len(self._heap) // 2):
            self._clear()
        return True

    # -- pauses -----------------------------------------------------------------------------------------------------

    def closest(self, sound: float | None = None) -> float:
        """Seconds from one look at a task to the next, at least."""
        following = self._following
        median = self._durations.quantile(0.5, sound)
        short = following.closest if median is None else min(following.closest, SHARE_OF_MEDIAN * median)
        return min(following.widest, max(short, SHARE_OF_FRESHNESS * self._freshness.seconds))

    def pause(self, task: Followed, now: float) -> float:
        """Seconds until the next look at a task that was just looked at."""
        age = max(0.0, now - task.born)
        pause = self._following.share_of_age * age
        median = self._durations.quantile(0.5, task.sound)
        if median:
            rate = self._durations.rate(age, SPAN * median, task.sound)
            pause = pause if rate is None else math.sqrt(2.0 * PRICE * median / rate)
        return max(self.closest(task.sound), min(self._following.widest, pause))

    def _first_look(self, task: Followed, now: float, spread: float) -> float:
        learned = self._durations.quantile(EARLIEST, task.sound)
        first = self._following.first_look
        if first is None:
            first = COLD if learned is None else learned
        return max(now, task.born + first) + spread

    def _plan(self, task: Followed, due: float) -> None:
        task.due = due
        heapq.heappush(self._heap, task)

    def _clear(self) -> None:
        self._heap = [task for task in self._heap if not task.dropped]
        heapq.heapify(self._heap)
        self._dead = 0


def _share_of(task_id: str) -> float:
    """From 0 to 1, always the same for the same task."""
    return crc32(task_id.encode("utf-8", "surrogatepass")) / 2**32
