"""How a task can end, what is told of it, and whether it is refunded (contract, sections 3 and 5a)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from lipsync_async.sandbox.chances import pick

Status = Literal["submitted", "processing", "succeed", "failed", "expired"]

FAILURE = "Task failed: the audio could not be matched to the face"


@attrs.frozen
class End:
    """One way to end."""

    status: Status
    """What the gateway tells."""
    inner: Status
    """What the platform's own part says below it, in the dialect that quotes it."""
    reasons: tuple[str, ...] = ("",)
    """The words, one after the other from task to task."""
    refunded: bool = False
    """No source tells it of each end; the sandbox gives back what made no video through no fault of the content."""
    text: str = ""


ENDS: Mapping[str, End] = {
    "succeed": End("succeed", "succeed"),
    "failed": End("failed", "failed", (FAILURE,)),
    "content": End("failed", "failed", ("Failure to pass the risk control system",), text="refused for its content"),
    "capacity": End(
        "failed",
        "failed",
        ("parallel task over resource pack limit",),
        refunded=True,
        text="failed with the words of 1303, refunded",
    ),
    "gateway": End(
        "failed",
        "processing",
        ("任务超时", "upstream returned error", "upstream returned unrecognized message"),
        refunded=True,
        text="ended by the gateway, refunded; the platform's part still says processing",
    ),
    "expired": End("expired", "expired", ("task expired",), refunded=True, text="expired, refunded"),
}
KNOWN_ENDS: Mapping[str, str] = {name: end.text for name, end in ENDS.items() if end.text}
"""The ends that can be given a chance, and what they are."""


def end_of(ends: Mapping[str, float], failed_share: float, throw: float) -> str:
    """The name of the end that a throw from 0 to 1 falls on; `failed_share` is of what the other ends leave."""
    if name := pick(ends, throw):
        return name
    taken = sum(ends.values())
    return "failed" if throw - taken < failed_share * (1 - taken) else "succeed"
