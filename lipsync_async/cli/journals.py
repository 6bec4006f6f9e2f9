"""`status` and `journal export`: a look at a journal, also while a run is writing it."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
from attrs import frozen

from lipsync_async.dispatch.jobbook import accepted_of
from lipsync_async.endings import DownloadFailed, Ended, TaskFailed
from lipsync_async.journal import AnyReader, Record, State, open_reader, without_password
from lipsync_async.journal.record import result_line
from lipsync_async.sources.resolving import SESSION, SPEECH
from lipsync_async.sources.sourcebook import read_kept
from lipsync_async.task_results import Money, line_of
from lipsync_async.tasks.taskbook import VIDEO, read_ending
from lipsync_async.tasks.ties import TASK, Ties, ties_of

from .budget import SourceMoney
from .display import print_table
from .printing import give_up, printable, say
from .results import Writer, close_out, escaped, table_line
from .tally import ACCEPTED, NOT_SENT, REJECTED, RUNNING, UNKNOWN, cost_of
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
    with open_reader(args.journal) as reader:
        return _export(reader, args) if args.export else _status(reader, without_password(args.journal))


def _status(reader: AnyReader, name: str) -> int:
    """Shows how the batch stands; gives its exit code, which is 5 while a run is at work on it."""
    counts, running, again = reader.counts(), reader.holder(), _again(reader)
    begun = f"{_counted(sum(counts.values()) - again, 'job')} begun"
    print(printable(f"{reader.path}: gateway {reader.gateway}, account {reader.account}, {begun}"))
    print(printable(f"running now: {running} has the journal" if running else "no run is at work on it now"))
    _tell_lists(reader)
    meaning = {**_MEANING, State.OPEN: _UNDER_WAY} if running else _MEANING
    rows = [(state.value.replace("_", " "), str(count), meaning[state]) for state, count in counts.items() if count]
    print_table(("state", "jobs", ""), rows, right=(1,), out=sys.stdout)
    _show_endings(reader, counts[State.ACCEPTED], again, name)
    for state in (State.UNKNOWN, State.OPEN):
        if counts[state] and not (running and state is State.OPEN):
            _show(reader, state, counts[state])
    left = _left(reader, counts, again)
    told = _told_left(left) or _not_waited_for(reader, counts[State.ACCEPTED])
    print(printable(f"\nleft: {told or 'nothing'}"))
    if told:
        print(printable(f"lipsync-async report {shlex.quote(name)} says what to do next, with the commands"))
    return RUNNING if running else _exit_code(left, counts, reader.entry_counts(TASK), again)


def _again(reader: AnyReader) -> int:
    """Submissions after a failed task: their jobs are counted already, and those failures are no job's end."""
    return sum(reader.recall(name) is not None for name in ties_of(reader).jobs)


_UNDER_WAY = "under way in the run that is at work now"


def _tell_lists(reader: AnyReader) -> None:
    """Two lists in one journal are told, for then nobody can say how many jobs were never begun."""
    lengths = reader.list_lengths()
    if len(lengths) > 1:
        sizes = ", ".join(f"{length:,}" for length in sorted(lengths))
        print(f"{len(lengths)} lists, or versions of one, were written to this journal ({sizes} jobs):")
        print("  what was never begun of them is not counted")


@frozen
class _Left:
    """What is left to do, in jobs."""

    never_begun: int
    to_send: int
    in_doubt: int
    running: int
    """Tasks that were not seen to end; 0 where nobody waits for tasks."""
    not_fetched: int
    """Videos that could not be fetched when they were last tried."""


def _left(reader: AnyReader, counts: dict[State, int], again: int) -> _Left:
    ended, lengths, begun = reader.entry_counts(TASK), reader.list_lengths(), sum(counts.values())
    return _Left(
        never_begun=max(0, lengths[0] - (begun - again)) if len(lengths) == 1 else 0,
        to_send=counts[State.CLEARED] + counts[State.NOT_SENT],
        in_doubt=counts[State.UNKNOWN] + counts[State.OPEN],
        running=max(0, counts[State.ACCEPTED] - sum(ended.values())) if ended else 0,
        not_fetched=reader.entry_counts(VIDEO).get(DownloadFailed.name, 0),
    )


def _told_left(left: _Left) -> str:
    told = [f"{_counted(left.never_begun, 'job')} of the list never begun"] if left.never_begun else []
    told += [f"{_counted(left.to_send, 'job')} to send again"] if left.to_send else []
    told += [f"{_counted(left.in_doubt, 'job')} to look up"] if left.in_doubt else []
    told += [f"{_counted(left.running, 'task')} not seen to end"] if left.running else []
    told += [f"{_counted(left.not_fetched, 'video')} not fetched"] if left.not_fetched else []
    return ", ".join(told)


def _not_waited_for(reader: AnyReader, accepted: int) -> str:
    """Of tasks of which nobody has seen one end: what they became is not known, though nothing is to be sent."""
    if not accepted or reader.entry_counts(TASK):
        return ""
    return f"nothing to send; {_counted(accepted, 'task')} that nobody has waited for"


def _exit_code(left: _Left, counts: dict[State, int], ended: dict[str, int], again: int) -> int:
    """That of the batch, as `submit` gives it."""
    if left.never_begun or left.to_send:
        return NOT_SENT
    if left.in_doubt:
        return UNKNOWN
    if left.running or left.not_fetched:
        return RUNNING
    failed = ended.get("failed", 0) > again
    return REJECTED if counts[State.REJECTED] or failed or ended.get("lost") else ACCEPTED


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _show_endings(reader: AnyReader, accepted: int, again: int, name: str) -> None:
    """How the tasks ended, as far as anybody waited for them."""
    ended = reader.entry_counts(TASK)
    cost = cost_of(_money(reader), _source_money(reader))
    if cost:
        print(f"\n{cost}")
    if not ended:
        return
    left = accepted - sum(ended.values())
    were = "was" if again == 1 else "were"
    meaning = {**_ENDING, "failed": f"{_ENDING['failed']}; {again:,} {were} submitted again"} if again else _ENDING
    rows = [(name, str(ended[name]), meaning[name]) for name in _ENDING if ended.get(name)]
    rows += (
        [("not seen to end", str(left), f"lipsync-async wait {shlex.quote(name)} goes on with them")]
        if left > 0
        else []
    )
    print_table(("ending", "tasks", ""), rows, right=(1,), out=sys.stdout)


def _money(reader: AnyReader) -> Money:
    """Of every ending that is on record."""
    money = Money()
    for entry in reader.entries(TASK):
        ending = read_ending(entry)
        if ending is not None:
            money.add(ending)
    return money


def _source_money(reader: AnyReader) -> SourceMoney:
    """Of every video and text that is on record."""
    money = SourceMoney()
    for kind, what in ((SESSION, "video"), (SPEECH, "text")):
        for entry in reader.entries(kind):
            kept = read_kept(entry)
            if kept is not None:
                money.add(what, kept)
    return money


def _show(reader: AnyReader, state: State, count: int) -> None:
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


def _lines(reader: AnyReader) -> Iterator[dict[str, Any]]:
    """The result line of every job: how its task ended, where that was seen."""
    ties = ties_of(reader)
    return (_line(reader, ties, record) for record in reader.records() if record.external_task_id not in ties.jobs)


def last_ending(reader: AnyReader, ties: Ties, job: Record) -> Ended | None:
    """How the last task of a job ended, as far as it was seen."""
    return _last(reader, ties, job)[1]


def _line(reader: AnyReader, ties: Ties, job: Record) -> dict[str, Any]:
    """Of a job that was submitted again, the last task's."""
    last, ending, earlier = _last(reader, ties, job)
    if ending is None:
        return result_line(last) | {"external_task_id": job.external_task_id, "line": job.line}
    return line_of(msgspec.structs.replace(ending, outcome=accepted_of(last, job.line), earlier=tuple(earlier)))


def _last(reader: AnyReader, ties: Ties, job: Record) -> tuple[Record, Ended | None, list[TaskFailed]]:
    """The last submission of a job, how its task ended, and those that failed before."""
    last, ending, earlier = job, _ending(reader, job), list[TaskFailed]()
    while isinstance(ending, TaskFailed) and last.external_task_id in ties.after:
        later = reader.recall(ties.after[last.external_task_id])
        if later is None or later.state is not State.ACCEPTED:
            break  # the failure stays the job's result
        earlier.append(ending)
        last, ending = later, _ending(reader, later)
    return last, ending, earlier


def _ending(reader: AnyReader, record: Record) -> Ended | None:
    entry = reader.entry(TASK, record.external_task_id) if record.state is State.ACCEPTED else None
    ending = None if entry is None else read_ending(entry)
    return ending if ending is not None and ending.task_id == record.task_id else None


def _export(reader: AnyReader, args: argparse.Namespace) -> int:
    encode = msgspec.json.Encoder().encode
    out = begin(open_out(args.out, overwrite=args.overwrite, journal=args.journal))
    error: OSError | None = None
    try:
        writer = Writer(out)
        if writer.is_table:
            lines = (table_line(line.values()) for line in _lines(reader))
        else:
            lines = (escaped(encode(line).decode(), ascii_only=writer.ascii_only) + "\n" for line in _lines(reader))
        while some := list(islice(lines, _AT_ONCE)):
            writer.write(some)
    except OSError as failed:
        error = failed
    error = close_out(out) or error
    if isinstance(error, BrokenPipeError):
        give_up(out)  # `| head` has seen enough, and the journal has them all
        return ACCEPTED
    if error is not None:
        give_up(out)
        say(f"lipsync-async: the lines could not be written: {error.strerror or error}")
        return NOT_SENT
    return ACCEPTED
