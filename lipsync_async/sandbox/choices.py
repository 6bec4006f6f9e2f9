"""The words and codes that the sandbox's options take, and the sentence for any other."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lipsync_async.sandbox.replies import DIALECTS, REFUSALS
from lipsync_async.sandbox.tasks import LOOKUPS
from lipsync_async.sandbox.webhooks import CALLBACKS

DUPLICATES = ("refuse", "accept", "overwrite")
URLS = ("signed", "content", "relative", "data", "none")

_CHOICES: Mapping[str, Collection[object]] = {
    "dialect": DIALECTS,
    "refusals": REFUSALS,
    "duplicates": DUPLICATES,
    "lookups": LOOKUPS,
    "urls": URLS,
    "callbacks": CALLBACKS,
    "code": (1000, 1001, 1002, 1003, 1004, 1100, 1101, 1103, 1304),
}


def check_choices(**chosen: object) -> None:
    """Raise ValueError, which names the choices, for an option whose value is not among them."""
    for name, value in chosen.items():
        if value not in _CHOICES[name]:
            raise ValueError(f"{name} must be one of {', '.join(map(str, _CHOICES[name]))}, not {value!r}")
