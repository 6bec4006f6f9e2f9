"""When to ask again for what a gateway answers as a task, or refuses for now; pure, all times in seconds."""

from __future__ import annotations

FIRST, SHARE_OF_AGE, WIDEST = 1.0, 0.25, 10.0
"""A video is looked through in seconds, so its first look comes soon, and later ones by its age."""
LONGEST = 60.0
"""The longest pause after refusals in a row."""


def until_look(age: float, trouble: int = 0, hint: float | None = None) -> float:
    """Seconds until the next look at a task of that age.

    `trouble`: looks in a row that were refused or got no answer; each doubles the pause.
    `hint`: a Retry-After, which is never undercut.
    """
    pause = min(WIDEST, max(FIRST, SHARE_OF_AGE * age))
    return max(min(LONGEST, pause * 2.0 ** min(trouble, 10)), hint or 0.0)


def until_retry(refusals: int, hint: float | None = None) -> float:
    """Seconds until a call that was refused for now is sent again, after so many refusals in a row, from 1."""
    return max(min(LONGEST, FIRST * 2.0 ** min(refusals - 1, 10)), hint or 0.0)
