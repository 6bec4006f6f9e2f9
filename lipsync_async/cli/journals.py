"""`status` and `journal export`: a look at a journal, also while a run is writing it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec

from lipsync_async.dispatch.jobbook import accepted_of
from lipsync_async.endings import Ended, TaskFailed
from lipsync_async.journal import Reader, Record, State
from lipsync_async.journal.record import result_line
from lipsync_async.sources.resolving import SESSION, SPEECH
from lipsync_async.sources.sourcebook import read_kept
from lipsync_async.task_results import Money, line_of
from lipsync_async.tasks.taskbook import read_ending
from lipsync_async.tasks.ties import TASK, Ties, ties_of

from .budget import SourceMoney
from .display import print_table
from .printing import give_up, printable, say
from .results import Writer, close_out, escaped
from .tally import ACCEPTED, NOT_SENT, cost_of
from .target import begin, open_out

_SHOWN = 20
_AT_ONCE = 500
"""Lines that are written at once."""
_MEANING = {
    State.ACCEPTED: "paid for",
    State.REJECTED: "at fault themselves; --retry-rejected sends them again",
    State.UNKNOWN: "may have been paid for: lipsync-async reconcile looks them up",
    State.OPEN: "under way, or left so by a crash: the next run or reconcile looks them up",
    State.CLEARED: "surely not acted upon: the next run sends them",
    State.NOT_SENT: "surely not acted upon: the next run sends them",
}
_ENDING = {
    "succeeded": "there is a video",
    "failed": "there is none: journal export says why",
    "lost": "the gateway does not know them any more",
}


def run(args: argparse.Namespace) -> int:
    """Shows or exports; gives the exit code. Raises `JournalError` where there is no journal."""
    with Reader(args.journal) as reader:
        return _export(reader, args) if args.export else _status(reader)


def _status(reader: Reader) -> int:
    counts = reader.counts()
    told = f"{reader.path}: gateway {reader.gateway}, account {reader.account}, {sum(counts.values())} jobs begun"
    print(printable(told))
    rows = [(state.value.replace("_", " "), str(count), _MEANING[state]) for state, count in counts.items() if count]
    print_table(("state", "jobs", ""), rows, right=(1,), out=sys.stdout)
    _show_endings(reader, counts[State.ACCEPTED])
    for state in (State.UNKNOWN, State.OPEN):
        if counts[state]:
            _show(reader, state, counts[state])
    return ACCEPTED


def _show_endings(reader: Reader, accepted: int) -> None:
    """How the tasks ended, as far as anybody waited for them."""
    ended = reader.entry_counts(TASK)
    cost = cost_of(_money(reader), _source_money(reader))
    if cost:
        print(f"\n{cost}")
    if not ended:
        return
    left = accepted - sum(ended.values())
    rows = [(name, str(ended[name]), _ENDING[name]) for name in _ENDING if ended.get(name)]
    rows += [("not seen to end", str(left), f"lipsync-async wait {reader.path} goes on with them")] if left > 0 else []
    print_table(("ending", "tasks", ""), rows, right=(1,), out=sys.stdout)


def _money(reader: Reader) -> Money:
    """Of every ending that is on record."""
    money = Money()
    for entry in reader.entries(TASK):
        ending = read_ending(entry)
        if ending is not None:
            money.add(ending)
    return money


def _source_money(reader: Reader) -> SourceMoney:
    """Of every video and text that is on record."""
    money = SourceMoney()
    for kind, what in ((SESSION, "video"), (SPEECH, "text")):
        for entry in reader.entries(kind):
            kept = read_kept(entry)
            if kept is not None:
                money.add(what, kept)
    return money


def _show(reader: Reader, state: State, count: int) -> None:
    print(f"\n{state.value}:")
    shown = [_row(record) for record, _ in zip(reader.records(state), range(_SHOWN), strict=False)]
    print_table(("job", "sent", "attempt", "got", "why"), shown, right=(2,), out=sys.stdout)
    if count > _SHOWN:
        print(printable(f"... and {count - _SHOWN} more: lipsync-async journal export {reader.path}"))


def _row(record: Record) -> tuple[str, ...]:
    why = " ".join(str(part) for part in (record.kind, record.http_status, record.code, record.message) if part)
    return record.external_task_id, _when(record.last_intent_at), str(record.attempts), record.phase or "", why


def _when(moment: float | None) -> str:
    if moment is None:
        return ""
    local = datetime.fromtimestamp(moment, UTC).astimezone()
    return local.strftime("%H:%M:%S" if time.time() - moment < 24 * 3600 else "%Y-%m-%d %H:%M")


def _lines(reader: Reader) -> Iterator[dict[str, Any]]:
    """The result line of every job: how its task ended, where that was seen."""
    ties = ties_of(reader)
    return (_line(reader, ties, record) for record in reader.records() if record.external_task_id not in ties.jobs)


def _line(reader: Reader, ties: Ties, job: Record) -> dict[str, Any]:
    """Of a job that was submitted again, the last task's."""
    last, ending, earlier = job, _ending(reader, job), list[TaskFailed]()
    while isinstance(ending, TaskFailed) and last.external_task_id in ties.after:
        later = reader.recall(ties.after[last.external_task_id])
        if later is None or later.state is not State.ACCEPTED:
            break  # the failure stays the job's result
        earlier.append(ending)
        last, ending = later, _ending(reader, later)
    if ending is None:
        return result_line(last) | {"external_task_id": job.external_task_id, "line": job.line}
    return line_of(msgspec.structs.replace(ending, outcome=accepted_of(last, job.line), earlier=tuple(earlier)))


def _ending(reader: Reader, record: Record) -> Ended | None:
    entry = reader.entry(TASK, record.external_task_id) if record.state is State.ACCEPTED else None
    ending = None if entry is None else read_ending(entry)
    return ending if ending is not None and ending.task_id == record.task_id else None


def _export(reader: Reader, args: argparse.Namespace) -> int:
    encode = msgspec.json.Encoder().encode
    out = begin(open_out(args.out, overwrite=args.overwrite, journal=args.journal))
    error: OSError | None = None
    try:
        writer = Writer(out)
        lines = (escaped(encode(line).decode(), ascii_only=writer.ascii_only) + "\n" for line in _lines(reader))
        while some := list(islice(lines, _AT_ONCE)):
            writer.write(some)
    except OSError as failed:
        error = failed
    error = close_out(out) or error
    if error is not None:
        give_up(out)
        say(f"lipsync-async: the lines could not be written: {error.strerror or error}")
        return NOT_SENT
    return ACCEPTED
