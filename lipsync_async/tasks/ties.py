"""Which submission stands for which job: a job whose task failed may have been submitted again under a new id.

A journal has an entry for each submission after the first: under its number and the job's own id stands the new id.
"""

from __future__ import annotations

import msgspec
from attrs import Factory, define

from lipsync_async.endings import TaskFailed
from lipsync_async.journal import AnyReader, Entry

AGAIN = "again"
"""The kind of these entries."""
TASK = "task"
"""The kind of a journal's entries that hold endings."""


@define
class Ties:
    """Those of a whole journal."""

    jobs: dict[str, str] = Factory(dict)
    """By the id of every submission after the first: the id of its job."""
    after: dict[str, str] = Factory(dict)
    """By the id of a submission: that of the next one."""


def to_tie(job: str, number: int, later: str) -> Entry:
    """The job is submitted under `later`, its so-manieth submission after the first."""
    return Entry(kind=AGAIN, name=f"{number} {job}", state="", value=msgspec.json.encode(later))


def tied(reader: AnyReader, job: str, number: int) -> str | None:
    """The id of the job's so-manieth submission after the first, where it was begun. Raises `JournalError`."""
    entry = reader.entry(AGAIN, f"{number} {job}")
    return None if entry is None else _read(entry)[2]


def ties_of(reader: AnyReader) -> Ties:
    """All ties between a task that is on record as failed and the next; others tell nothing. Raises `JournalError`.

    Where the failure cannot be read, nobody would tell of the next submission but itself.
    """
    ties = Ties()
    for job, number, later in map(_read, reader.entries(AGAIN)):
        before = job if number == 1 else tied(reader, job, number - 1)
        entry = None if before is None else reader.entry(TASK, before)
        if before and later and entry is not None and entry.state == TaskFailed.name:
            ties.jobs[later], ties.after[before] = job, later
    return ties


def _read(entry: Entry) -> tuple[str, int, str | None]:
    """The job's id, the number, and the new id; None where a later version wrote what this one does not know."""
    number, _, job = entry.name.partition(" ")
    try:
        return job, int(number), msgspec.json.decode(entry.value, type=str)
    except (ValueError, msgspec.MsgspecError):
        return job, 0, None
