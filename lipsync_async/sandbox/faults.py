"""Seeded faults: what goes wrong with a create, decided in the order of arrival."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from lipsync_async.sandbox.chances import check_chances, pick

BEFORE_THE_TASK: Mapping[str, str] = {
    "reset_before": "the connection is reset before the body was read",
    "503_before": "code 5001, nothing was created",
    "502_before": "a front proxy's HTML page, nothing was created",
}
AFTER_THE_TASK: Mapping[str, str] = {
    "lose_reply": "the task is created, then the connection is reset without a reply",
    "hang": "the task is created, a reply never comes",
    "502_after": "the task is created, a front proxy's HTML page is the reply",
    "500_insert_task_failed": "the task is created, the gateway failed to store it and says so",
    "truncate": "the task is created, the reply's body ends early",
    "garbage": "the task is created, the reply is a 200 that cannot be read",
    "html_200": "the task is created, the reply is a 200 with an HTML page",
    "double_json": "the task is created, a second JSON object follows the first",
    "slow": "the task is created, the reply comes late",
}
KNOWN_FAULTS: Mapping[str, str] = {**BEFORE_THE_TASK, **AFTER_THE_TASK}
"""Every fault's name, and what it does."""

KNOWN_PREPARE_FAULTS: Mapping[str, str] = {
    "reset_before": BEFORE_THE_TASK["reset_before"],
    "503_before": BEFORE_THE_TASK["503_before"],
    "lose_reply": "it is done and billed, then the connection is reset without a reply",
    "502_after": "it is done and billed, a front proxy's HTML page is the reply",
}
"""What can go wrong with identify-face and text-to-speech."""


class Faults:
    """Dice that are thrown once for every call, so that the same order of arrival meets the same faults."""

    def __init__(self, chances: Mapping[str, float] | None, seed: int, known: Mapping[str, str] = KNOWN_FAULTS) -> None:
        self._dice = Random(f"faults-{seed}")
        self._known = known
        self.chances: dict[str, float] = {}
        self.set(chances)

    def set(self, chances: Mapping[str, float] | None) -> None:
        """Replace the probabilities; raises ValueError for a name that is not known or chances above 1 in all."""
        self.chances = check_chances(chances, self._known, "fault")

    def draw(self) -> str | None:
        """Throw once: the fault that this call meets, or None."""
        return pick(self.chances, self._dice.random())
