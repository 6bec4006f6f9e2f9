"""A spending cap, and what was spent before any job was sent: on the faces of videos, and on speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from lipsync_async.endings import Ending
from lipsync_async.models import LipSyncRequest, SpeechSource, VideoSource
from lipsync_async.outcomes import NotSent, Outcome, Rejected
from lipsync_async.request.checks import IDENTIFY_UNITS, SPEECH_UNITS, sent_units
from lipsync_async.task_results import charged_units
from lipsync_async.terms import Kind

if TYPE_CHECKING:
    from lipsync_async.dispatch.account import Event
    from lipsync_async.sources.resolving import Kept

_ROUNDING = 1e-9
"""Twenty times 0.05 is a little more than 1."""
_LIST_PRICE = {"video": IDENTIFY_UNITS, "text": SPEECH_UNITS}


class Budget:
    """A spending cap in units: what is accepted or unknown is spent, what is under way or runs is held.

    At list price; where a task that was waited for tells what was charged, that counts.
    """

    def __init__(self, most: float | None) -> None:
        self._most = most
        self.spent = 0.0
        self.refused = False
        """The cap was reached."""
        # The request is held, too: another one must not get its identity.
        self._held: dict[int, tuple[LipSyncRequest, float]] = {}

    def allow(self, request: LipSyncRequest) -> str | None:
        """Asked before a job's first send, perhaps again after a wait; a text is the reason to stop."""
        key = _key(request)
        if key not in self._held:
            units = sent_units(request)
            refusal = self._refuse(units, "job")
            if refusal is not None:
                return refusal
            self._held[key] = request, units
        return None

    def allow_source(self, source: VideoSource | SpeechSource) -> str | None:
        """The same before a video is identified, or a text spoken; what is allowed counts as spent."""
        what = "video" if isinstance(source, VideoSource) else "text"
        refusal = self._refuse(_LIST_PRICE[what], what)
        self.spent += _LIST_PRICE[what] if refusal is None else 0.0
        return refusal

    def hear(self, event: Event) -> None:
        """The client's hook: a call for a video or a text that was surely not acted upon cost nothing."""
        if self._most is not None and event.source is not None and is_free(event):
            self.spent -= _LIST_PRICE[event.source]

    def settle(self, request: LipSyncRequest, result: Outcome | Ending) -> None:
        """A job came out, or its task ended."""
        _, units = self._held.pop(_key(request), (request, 0.0))
        charged = charged_units(result) if isinstance(result, Ending) else None
        if not isinstance(result, Rejected | NotSent):
            self.spent += units if charged is None else charged

    def _refuse(self, units: float, what: str) -> str | None:
        held = sum(of_one for _, of_one in self._held.values())
        if self._most is None or self.spent + held + units <= self._most + _ROUNDING:
            return None
        self.refused = True
        return f"the cap of {self._most:g} units is reached: {self.spent:g} spent, the next {what} costs {units:g}"


def _key(request: LipSyncRequest) -> int:
    """The same for a request that lacks something, and for what it is when nothing is missing."""
    return id(request.made_from or request)


def is_free(event: Event) -> bool:
    """Whether a call for a video or a text cost nothing; a video without a face was looked through."""
    return event.action == "cleared" or (event.action == "refused" and event.kind != Kind.NO_FACE)


@define
class SourceMoney:
    """What videos and texts cost, before the jobs that they are for."""

    videos: int = 0
    texts: int = 0
    units: float = 0.0
    """As the gateway tells it, else at list price."""
    cut_off: int = 0
    """Calls that were charged perhaps, and whose answer nobody saw."""

    def hear(self, event: Event) -> None:
        """The client's hook."""
        if event.source is None or event.action == "sent" or is_free(event):
            return
        self._count(event.source, 1)
        self.units += _LIST_PRICE[event.source] if event.units is None else event.units
        self.cut_off += event.action == "unknown"

    def add(self, what: str, kept: Kept) -> None:
        """All calls for one video or text that a journal tells of."""
        self._count(what, kept.calls)
        self.units += kept.charged + (kept.calls - kept.told) * _LIST_PRICE[what]
        self.cut_off += kept.cut_off + (kept.state == "open")

    def _count(self, what: str, calls: int) -> None:
        if what == "video":
            self.videos += calls
        else:
            self.texts += calls

    def __str__(self) -> str:
        """`12 videos identified and 3 texts spoken for 0.75 units`; "" where there were none."""
        told = [f"{_counted(self.videos, 'video')} identified"] if self.videos else []
        told += [f"{_counted(self.texts, 'text')} spoken"] if self.texts else []
        if not told:
            return ""
        lost = f" ({_counted(self.cut_off, 'call')} cut off, and charged perhaps)" if self.cut_off else ""
        return f"{' and '.join(told)} for {self.units:g} units{lost}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
