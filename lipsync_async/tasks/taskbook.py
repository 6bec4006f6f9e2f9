"""The journal as waits use it: endings are durable before they are told, and told again in later runs.

What was learned of a gateway, how long its tasks take and how late it tells their ends, is kept there as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from lipsync_async.dispatch.account import LOG
from lipsync_async.dispatch.jobbook import outcome_of
from lipsync_async.endings import (
    Download,
    Downloaded,
    DownloadFailed,
    Ended,
    FailureKind,
    Succeeded,
    TaskFailed,
    TaskLost,
    Video,
)
from lipsync_async.errors import JournalError
from lipsync_async.journal import AnyJournal, Elsewhere, Entry, Record, State
from lipsync_async.outcomes import Outcome

from .learning import Lesson
from .ties import TASK, Ties, tied, ties_of, to_tie

VIDEO = "video"
"""The kind of those that hold what became of a video's file."""
_FETCHING = "\x01video "
"""Begins the name under which a video is claimed; no job's id can begin so."""
LEARNED = "learned"
"""The kind and the name of the one that holds what was learned."""
LEARN_EVERY = 32
"""Endings after which what was learned is kept anew."""
LONGEST_URL = 8192
"""Characters of a video's URL that are kept: a longer one is the video itself, and is asked for again."""
AT_ONCE = 64
"""Records that are read before others get their turn."""
_encode = msgspec.json.Encoder().encode


class Taskbook:
    """The endings of one journal's tasks."""

    def __init__(self, journal: AnyJournal) -> None:
        self.journal = journal

    def ending(self, external_task_id: str | None, task_id: str) -> Ended | None:
        """How the task of that job ended, if that is on record. Raises `JournalError`."""
        if external_task_id is None:
            return None
        entry = self.journal.reader.entry(TASK, external_task_id)
        ending = None if entry is None else read_ending(entry)
        return ending if ending is not None and ending.task_id == task_id else None

    def settle(self, ending: Ended, external_task_id: str, told: Callable[[], None]) -> None:
        """Writes an ending, and of it what a later run tells again.

        `told` is called when it is durable, or when that cannot be had.
        """
        self.journal.keep(to_entry(ending, external_task_id), partial(_kept, told))

    async def tie(self, job: str, number: int, later: str) -> None:
        """Writes that the job is submitted under `later`, its so-manieth submission after the first.

        Durable when it returns. Raises `JournalError`.
        """
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.journal.keep(to_tie(job, number, later), partial(_resolve, kept))
        await kept

    def tied(self, job: str, number: int) -> str | None:
        """The id of the job's so-manieth submission after the first, where it was begun. Raises `JournalError`."""
        return tied(self.journal.reader, job, number)

    def outcome(self, external_task_id: str) -> Outcome | None:
        """What became of that submission, as far as the journal has it. Raises `JournalError`."""
        record = self.journal.recall(external_task_id)
        return None if record is None else outcome_of(record, record.line)

    def download(self, external_task_id: str, task_id: str) -> Download | None:
        """What became of the video of that task, if it was fetched, or could not be. Raises `JournalError`."""
        entry = self.journal.reader.entry(VIDEO, external_task_id)
        found = None if entry is None else read_download(entry)
        return found if found is not None and found.task_id == task_id else None

    async def may_fetch(self, external_task_id: str) -> bool:
        """Whether the video is this process's to fetch; another one may be at it. Raises `JournalError`."""
        if not self.journal.needs_claims:
            return True
        return not isinstance(await self.journal.take(_FETCHING + external_task_id), Elsewhere)

    def has_fetched(self, external_task_id: str) -> None:
        """It is over, however it ended."""
        self.journal.let_go(_FETCHING + external_task_id)

    def fetched(self) -> Iterator[str]:
        """The ids of the jobs whose videos are on record, in the order of first arrival. Raises `JournalError`."""
        return (entry.name for entry in self.journal.reader.entries(VIDEO))

    def keep_download(self, found: Download, external_task_id: str, told: Callable[[], None]) -> None:
        """Writes what became of a video; `told` is called when it is durable, or when that cannot be had."""
        value = _encode(_storable(msgspec.to_builtins(found)))
        self.journal.keep(Entry(kind=VIDEO, name=external_task_id, state=found.name, value=value), partial(_kept, told))

    def ties(self) -> Ties:
        """The submissions that are no jobs of their own. Raises `JournalError`."""
        return ties_of(self.journal.reader)

    async def accepted(self) -> AsyncIterator[Record]:
        """The jobs and second submissions that have a task, in the order of first arrival. Raises `JournalError`."""
        for number, record in enumerate(self.journal.reader.records(State.ACCEPTED), 1):
            if not number % AT_ONCE:
                await asyncio.sleep(0)
            yield record

    def lessons(self) -> list[Lesson]:
        """What earlier runs learned, the oldest first; nothing where that cannot be read. Raises `JournalError`."""
        return read_lessons(self.journal.reader.entry(LEARNED, LEARNED))

    def remember(self, lessons: Collection[Lesson]) -> None:
        """Keeps what was learned; where that fails nothing is lost but time."""
        if lessons:
            self.journal.keep(
                Entry(kind=LEARNED, name=LEARNED, state="", value=_encode(list(lessons))), _not_waited_for
            )


class _Kept(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An ending as it is written; a later version may add fields."""

    task_id: str
    kind: str | None = None
    reason: str = ""
    videos: tuple[Video, ...] = ()
    seconds: float | None = None
    units: str | None = None
    ended_at: float | None = None
    estimated_units: float | None = None


_decode_kept = msgspec.json.Decoder(_Kept).decode
_decode_download: dict[str, Callable[[bytes], Download]] = {
    Downloaded.name: msgspec.json.Decoder(Downloaded).decode,
    DownloadFailed.name: msgspec.json.Decoder(DownloadFailed).decode,
}


def to_entry(ending: Ended, external_task_id: str) -> Entry:
    """An ending as the journal keeps it."""
    kept = _Kept(task_id=ending.task_id, estimated_units=ending.estimated_units)
    if isinstance(ending, TaskFailed):
        kept.kind, kept.reason, kept.units = ending.kind.value, ending.reason, ending.units
    elif isinstance(ending, Succeeded):
        whole = all(len(video.url) <= LONGEST_URL for video in ending.videos)
        kept.videos, kept.seconds = ending.videos if whole else (), ending.seconds
        kept.units, kept.ended_at = ending.units, ending.ended_at
    try:
        value = _encode(kept)
    except UnicodeEncodeError:  # half a surrogate pair in what the gateway said
        value = _encode(_storable(msgspec.to_builtins(kept)))
    return Entry(kind=TASK, name=external_task_id, state=ending.name, value=value)


def read_ending(entry: Entry) -> Ended | None:
    """The ending that an entry holds; None where a later version wrote what this one does not know."""
    try:
        kept = _decode_kept(entry.value)
        names: Any = {
            "task_id": kept.task_id,
            "external_task_id": entry.name,
            "estimated_units": kept.estimated_units,
        }
        match entry.state:
            case "succeeded":
                return Succeeded(
                    **names, videos=kept.videos, seconds=kept.seconds, units=kept.units, ended_at=kept.ended_at
                )
            case "failed":
                return TaskFailed(
                    **names, kind=FailureKind(kept.kind or "unknown"), reason=kept.reason, units=kept.units
                )
            case "lost":
                return TaskLost(**names)
    except (ValueError, msgspec.MsgspecError):
        return None
    return None


def _resolve(kept: asyncio.Future[None], error: JournalError | None) -> None:
    if kept.done():
        return
    if error is None:
        kept.set_result(None)
    else:
        kept.set_exception(error)


def read_download(entry: Entry) -> Download | None:
    """What an entry holds of a video; None where a later version wrote what this one does not know."""
    try:
        return _decode_download[entry.state](entry.value)
    except (KeyError, msgspec.MsgspecError):
        return None


def read_lessons(entry: Entry | None) -> list[Lesson]:
    """What an entry holds of lessons, the oldest first; nothing where there is none, or none that can be read."""
    with suppress(msgspec.MsgspecError):
        return [] if entry is None else msgspec.json.decode(entry.value, type=list[Lesson])
    return []


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {name: _storable(one) for name, one in value.items()}
    return [_storable(one) for one in value] if isinstance(value, list) else value


def _not_waited_for(_: JournalError | None) -> None:
    """It is learned again."""


def _kept(told: Callable[[], None], error: JournalError | None) -> None:
    if error is not None:
        LOG.warning("an ending could not be written down, and will be asked for again: %s", error)
    told()
