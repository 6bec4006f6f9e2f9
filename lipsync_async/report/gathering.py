"""A journal read once, from its first job to its last, with memory for no more than a page shows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import islice

from lipsync_async.dispatch.pacebook import PACES
from lipsync_async.dispatch.paces import read_history
from lipsync_async.endings import Download, Downloaded, DownloadFailed, Ended, Succeeded, TaskFailed, TaskLost
from lipsync_async.journal import AnyReader, Record, State
from lipsync_async.task_results import charged_units
from lipsync_async.tasks.durations import Durations
from lipsync_async.tasks.freshness import Freshness
from lipsync_async.tasks.learning import Learning, Lesson
from lipsync_async.tasks.taskbook import LEARNED, VIDEO, read_download, read_ending, read_lessons
from lipsync_async.tasks.ties import TASK, ties_of

from .facts import ENDED, NEVER_RAN, REFUSED, SUBMITTED, Facts, Learned
from .levels import paces_of
from .picking import REASONS, Reason, Row
from .texts import LONGEST, told

PAGE = 500
"""Jobs that are read at once."""
AGAIN = ("capacity", "gateway")
"""Failures after which the same content may succeed."""
_KINDS = 24
"""Kinds of tries that are told apart."""
_WAITS = ("rate", "capacity")
_CAME_OUT = {
    State.OPEN: "open",
    State.UNKNOWN: "unknown",
    State.REJECTED: "rejected",
    State.CLEARED: "not_sent",
    State.NOT_SENT: "not_sent",
}
_FIGURES = re.compile(r"\d+")


def gather(reader: AnyReader) -> Facts:
    """All that a page tells. Raises `JournalError` where the journal cannot be read."""
    gathering = _Gathering(reader)
    records = reader.records()
    while page := list(islice(records, PAGE)):
        gathering.add(page)
    return gathering.facts


class _Gathering:
    def __init__(self, reader: AnyReader) -> None:
        lists = reader.list_lengths()
        self._reader = reader
        self._ties = ties_of(reader)
        self.facts = Facts(
            gateway=told(reader.gateway),
            account=reader.account,
            waited=next(reader.entries(TASK), None) is not None,
            listed=lists[0] if len(lists) == 1 else None,
            learned=_learned(reader),
            paces=paces_of(read_history(entry.value) for entry in reader.entries(PACES)),
        )
        self.facts.paces.cover(self.facts.timeline)

    def add(self, page: list[Record]) -> None:
        names = [record.external_task_id for record in page]
        endings = self._reader.entries_of(TASK, names)
        videos = self._reader.entries_of(VIDEO, names)
        for record in page:
            ending_entry, video_entry = endings.get(record.external_task_id), videos.get(record.external_task_id)
            ending = None if ending_entry is None else read_ending(ending_entry)
            video = None if video_entry is None else read_download(video_entry)
            self._add(record, ending, video)

    def _add(self, record: Record, ending: Ended | None, video: Download | None) -> None:
        facts = self.facts
        facts.timeline.add(SUBMITTED, record.last_intent_at)
        if not _is_seen_to_run(record, ending):
            facts.timeline.add(NEVER_RAN, record.last_intent_at)
        facts.recovered += record.recovered
        if record.history:
            self._add_tries(record)
        if ending is not None:
            self._add_money(ending)
        if record.state is not State.ACCEPTED:
            self._fail(record, Reason(_CAME_OUT[record.state], record.kind or "", record.message or ""))
        elif ending is None or ending.task_id != record.task_id:
            facts.counts["running" if facts.waited else "accepted"] += 1
            if facts.unfinished.wants():
                facts.unfinished.put(_row(record))
        elif isinstance(ending, Succeeded):
            self._succeed(record, ending, video if video is not None and video.task_id == ending.task_id else None)
        else:
            self._fail(record, self._why(ending), ending)

    def _succeed(self, record: Record, ending: Succeeded, video: Download | None) -> None:
        facts = self.facts
        facts.counts["succeeded"] += 1
        facts.timeline.add(ENDED, ending.ended_at)
        if isinstance(video, DownloadFailed):
            facts.not_fetched += 1
            reason = self._known(Reason("not_fetched", video.kind.value, video.message))
            if facts.failures.wants(reason):
                facts.failures.put(reason, _row(record, ending, video))
            return
        if video is not None:
            facts.fetched += 1
            facts.fetched_bytes += video.size
            facts.folder = video.path
        took = _took(record, ending)
        if took is not None and took > facts.slowest.least:
            facts.slowest.put(took, _row(record, ending, video))
        if facts.good.wants():
            facts.good.put(_row(record, ending, video))

    def _fail(self, record: Record, reason: Reason, ending: Ended | None = None) -> None:
        facts = self.facts
        facts.counts[reason.came_out] += 1
        message = reason.message
        reason = self._known(reason)
        if facts.failures.wants(reason):
            facts.failures.put(reason, _row(record, ending, message=message))

    def _why(self, ending: TaskFailed | TaskLost) -> Reason:
        if isinstance(ending, TaskLost):
            return Reason("lost")
        kind = ending.kind.value
        if kind in AGAIN:
            later = self._ties.after.get(ending.external_task_id or "")
            if later is not None and self._reader.recall(later) is not None:
                return Reason("again", kind, ending.reason)
            self.facts.again_kinds[kind] += 1
        return Reason("failed", kind, ending.reason)

    def _known(self, reason: Reason) -> Reason:
        """The same without the figures that tell one job from the next; a coarser one where there are too many."""
        counts = self.facts.failures.counts
        reason = reason._replace(message=_FIGURES.sub("#", reason.message[:LONGEST]))
        return reason if reason in counts or len(counts) < REASONS else Reason(reason.came_out)

    def _add_tries(self, record: Record) -> None:
        facts = self.facts
        for one in record.history:
            kind = one.kind
            if kind is None:
                continue
            facts.tries[kind if kind in facts.tries or len(facts.tries) < _KINDS else "other"] += 1
            if kind in _WAITS:
                facts.timeline.add(REFUSED, one.at)

    def _add_money(self, ending: Ended) -> None:
        self.facts.money.add(ending)
        if not isinstance(ending, TaskFailed):
            return
        refund, charged = self.facts.refund, charged_units(ending)
        refund.tasks += 1
        if charged is not None:
            refund.told += 1
            refund.charged += charged
            refund.given_back += max(0.0, (ending.estimated_units or 0.0) - charged)


def _is_seen_to_run(record: Record, ending: Ended | None) -> bool:
    """Whether it is known from when to when its task ran: of a failed one nobody tells when it ended."""
    if record.state is not State.ACCEPTED:
        return False
    return ending is None or (isinstance(ending, Succeeded) and ending.ended_at is not None)


def _row(record: Record, ending: Ended | None = None, video: Download | None = None, message: str = "") -> Row:
    return Row(
        name=record.external_task_id,
        line=record.line,
        task_id=record.task_id or record.found_task_id,
        attempts=record.attempts,
        refusals=record.refusals,
        seconds=_took(record, ending) if isinstance(ending, Succeeded) else None,
        units=ending.units if isinstance(ending, Succeeded | TaskFailed) else None,
        at=record.last_intent_at,
        message=(video.message if isinstance(video, DownloadFailed) else message)[: LONGEST + 1],
        path=video.path if isinstance(video, Downloaded) else "",
    )


def _took(record: Record, ending: Succeeded) -> float | None:
    """Seconds from the submit to the end; None where the clocks disagree, or one of both is not known."""
    if ending.ended_at is None or record.last_intent_at is None:
        return None
    took = ending.ended_at - record.last_intent_at
    return took if 0 <= took < math.inf else None


def _learned(reader: AnyReader) -> Learned:
    durations, freshness = Durations(), Freshness()
    learning = Learning(durations, freshness)
    for lesson in _lessons(reader):
        learning.learn(lesson)
    return Learned(
        lasted=tuple(lesson.lasted for lesson in learning.lessons),
        half=durations.quantile(0.5),
        nine_of_ten=durations.quantile(0.9),
        freshness=freshness.seconds,
    )


def _lessons(reader: AnyReader) -> Iterator[Lesson]:
    for lesson in read_lessons(reader.entry(LEARNED, LEARNED)):
        if 0 <= lesson.lasted < math.inf:
            yield lesson
