"""What one end teaches: how long such a task takes, and how late the gateway tells it. Pure."""

from __future__ import annotations

from .durations import Durations
from .freshness import Freshness
from .planner import Followed

FIRST_LOOK_SHARE = 0.75
"""A task that had ended at its first look ended at about this share of its age.

It must be less than 1: else a first look that comes late would never learn to come earlier.
"""


class Learning:
    """The durations and the freshness of one gateway, as they are read out of the ends that were seen."""

    def __init__(self, durations: Durations, freshness: Freshness) -> None:
        self._durations = durations
        self._freshness = freshness

    def ended(self, task: Followed, now: float, *, age_told: float | None) -> None:
        """A task was seen ended at `now`; `age_told`: seconds from its create to its end, where the gateway tells both.

        Where it was never seen running and nothing is told, only a guess at its duration is left.
        """
        if not task.dated:
            if age_told is not None:
                self._durations.ended(age_told, task.sound)
            return
        age = max(0.0, now - task.born)
        before = max(0.0, task.seen_running - task.born)
        seen_running = task.seen_running >= task.born
        if age_told is not None and age_told <= age:
            self._durations.ended(age_told, task.sound)
            self._freshness.told(before, age, age_told)
            return
        self._durations.ended((before + age) / 2 if seen_running else FIRST_LOOK_SHARE * age, task.sound)
        if seen_running:
            self._freshness.seen(task.seen_running, now)
