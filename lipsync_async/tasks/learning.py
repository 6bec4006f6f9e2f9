"""What one end teaches: how long such a task takes, and how late the gateway tells it. Pure."""

from __future__ import annotations

from collections import deque

import msgspec

from .durations import KEPT, Durations
from .freshness import Freshness
from .planner import Followed

FIRST_LOOK_SHARE = 0.75
"""A task that had ended at its first look ended at about this share of its age.

It must be less than 1: else a first look that comes late would never learn to come earlier.
"""


class Lesson(msgspec.Struct, frozen=True, array_like=True):
    """What one end taught; all in seconds, by one clock, from the create on."""

    lasted: float
    sound: float | None = None
    looked: float | None = None
    """When a look last called it running; None: nothing was taught about the freshness."""
    seen: float = 0.0
    """When it was seen ended."""


class Learning:
    """The durations and the freshness of one gateway, as they are read out of the ends that were seen."""

    def __init__(self, durations: Durations, freshness: Freshness) -> None:
        self._durations = durations
        self._freshness = freshness
        self.lessons: deque[Lesson] = deque(maxlen=KEPT)
        """The last ones, for the journal."""

    def learn(self, lesson: Lesson) -> float:
        """A lesson of an earlier run, or of this one; returns how long the task lasted."""
        self.lessons.append(lesson)
        self._durations.ended(lesson.lasted, lesson.sound)
        if lesson.looked is not None:
            self._freshness.told(lesson.looked, lesson.seen, lesson.lasted)
        return lesson.lasted

    def ended(self, task: Followed, now: float, *, age_told: float | None) -> float | None:
        """A task was seen ended at `now`; `age_told`: seconds from its create to its end, where the gateway tells both.

        Returns the seconds that it lasted, as far as is known; None: when it began is not known.
        Where it was never seen running and nothing is told, only a guess at its duration is left.
        """
        if not task.dated:
            return None if age_told is None else self.learn(Lesson(age_told, task.sound))
        age = max(0.0, now - task.born)
        before = max(0.0, task.seen_running - task.born)
        seen_running = task.seen_running >= task.born
        if age_told is not None and age_told <= age:
            return self.learn(Lesson(age_told, task.sound, before, age))
        if seen_running:
            self._freshness.seen(task.seen_running, now)
        return self.learn(Lesson((before + age) / 2 if seen_running else FIRST_LOOK_SHARE * age, task.sound))
