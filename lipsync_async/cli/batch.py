"""One list on its way through a client: lines in, outcomes out, and an end that can be asked for."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from threading import Timer, current_thread, main_thread
from typing import TYPE_CHECKING, Any, Self

import msgspec
from attrs import define, evolve, frozen

from lipsync_async.endings import Ending
from lipsync_async.errors import Violation
from lipsync_async.jobs import JobLine, JobList, ListReport, legacy_request
from lipsync_async.jobs.compact import LinePairs, Turned
from lipsync_async.jobs.report import conflict
from lipsync_async.jobs.rules import in_words
from lipsync_async.jobs.values import UNREADABLE_NOW
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import NotSent, Outcome, Rejected
from lipsync_async.terms import Kind
from lipsync_async.wire.identity import SeenIds, derive_id, fingerprint

from .budget import Budget
from .results import Results
from .tally import INTERRUPTED

if TYPE_CHECKING:
    from lipsync_async.client import LipSyncClient
    from lipsync_async.config import RunOptions
    from lipsync_async.dispatch.job import Job
    from lipsync_async.dispatch.streaming import OutcomeStream
    from lipsync_async.journal import AnyJournal, Record
    from lipsync_async.tasks.results import ResultStream

# A line that is broken takes the way of all others, so that a million of them hold up nothing.
_NOTHING = LipSyncRequest(session_id="", face_choose=())
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
GRACE = 5.0
"""Seconds that requests in flight have to finish once an end is asked for."""
DEADLINE = 7.5
"""Seconds after which all is over, whatever hangs: `docker stop` kills after ten."""
ECHO = 0.2
"""Seconds: `timeout` and some shells send one signal twice, and no person is so fast."""


class Earlier:
    """What version 0.1.0 began: it sent what was no field of the call, and made ids and fingerprints of it.

    A job that its journal holds stays what it was, bytes and all; every other one is what the list says now.
    """

    def __init__(self, recall: Callable[[str], Record | None], *, id_prefix: str, max_id_length: int) -> None:
        self._recall = recall
        self._prefix = id_prefix
        self._longest = max_id_length

    def as_begun(self, request: LipSyncRequest, legacy_extra: Mapping[str, Any] | None) -> LipSyncRequest:
        """The request as it was begun under its old id; the same one where it was not."""
        begun = legacy_request(request, legacy_extra)
        if begun is None:
            return request
        try:
            name = begun.external_task_id or derive_id(begun, prefix=self._prefix, max_length=self._longest)
            record = self._recall(name)
            if record is None or record.state.value not in _STANDING or record.fingerprint != fingerprint(begun):
                return request
        except (OSError, TypeError, ValueError):
            return request  # too broken to have been begun, or its sound is gone
        return evolve(begun, external_task_id=name)


_STANDING = frozenset({"accepted", "rejected", "unknown", "open"})
"""States of a job in the journal that a later run holds on to."""


@define
class _Waiting:
    request: LipSyncRequest
    violations: tuple[Violation, ...]
    given_id: str


@frozen
class Booked:
    """The ids of what earlier runs began, as the journal holds them; some 9 bytes an id."""

    settled: SeenIds
    """What has only to be told again."""
    left_open: SeenIds
    """What may have been paid for."""


class Submission:
    """A list's lines as jobs, and the outcomes of jobs as outcomes of lines; it holds what is under way."""

    def __init__(
        self,
        jobs: JobList,
        report: ListReport | None,
        *,
        limit: int | None,
        budget: Budget,
        booked: Booked | None = None,
        earlier: Earlier | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._jobs = jobs
        self._booked = booked
        self._stopping = stopping
        self._earlier = earlier
        self._limit = limit
        self._budget = budget
        self._conflicts = report.conflicts if report is not None else LinePairs()
        self._repeats = report.repeats if report is not None else LinePairs()
        self._same = Turned(self._repeats)
        self._waiting: dict[int, _Waiting] = {}

    def requests(self) -> Iterator[Job]:
        """One a line, as the client pulls them; a line that repeats another is left out."""
        from lipsync_async.dispatch.job import Job

        for line in self._lines():
            if line.line in self._repeats:
                continue
            found = line.errors
            if line.line in self._conflicts:
                found = (*found, conflict(line.given_id, self._conflicts[line.line]))
            request = _NOTHING if found or line.request is None else line.request
            if request is _NOTHING:
                request = evolve(_NOTHING)  # told apart by its identity
            elif self._earlier is not None:
                request = self._earlier.as_begun(request, line.legacy_extra)
            self._waiting[line.line] = _Waiting(request, found, line.given_id)
            # The dispatcher takes a job where it takes a request; only so does the line reach the outcome.
            yield Job(request, "", line.line)

    def _lines(self) -> Iterator[JobLine]:
        """What an earlier run settled comes last: it is only told again, and must not hold up what is to be sent.

        Once an end is asked for, time is short: all that may have been paid for comes before what was never begun.
        """
        if self._booked is None:
            yield from islice(self._jobs, self._limit)
            return
        settled, left_open = self._booked.settled, self._booked.left_open
        fresh = self._jobs.where(lambda name: name not in settled, self._limit)
        last = 0
        while not self._stopping() and (line := next(fresh, None)) is not None:
            yield line
            last = line.line
        for line in self._jobs.where(lambda name: name in settled or name in left_open, self._limit):
            if line.given_id in settled or line.line > last:
                yield line
        yield from (line for line in fresh if line.given_id not in left_open)

    def told(self, result: Outcome | Ending) -> Iterator[Outcome | Ending]:
        """The result of every line that this job stands for."""
        number = _line_of(result)
        assert number is not None
        waiting = self._waiting.pop(number)
        self._budget.settle(waiting.request, result)
        if waiting.violations:
            result = _invalid(number, waiting)
        elif isinstance(result, Rejected) and result.violations:
            found = in_words(result.violations)
            result = msgspec.structs.replace(result, violations=found, message="; ".join(map(str, found)))
        yield result
        for line in self._same.of(number):
            yield _at_line(result, line)


def _line_of(result: Outcome | Ending) -> int | None:
    if not isinstance(result, Ending):
        return result.line
    return None if result.outcome is None else result.outcome.line


def _at_line(result: Outcome | Ending, line: int) -> Outcome | Ending:
    if not isinstance(result, Ending):
        return msgspec.structs.replace(result, line=line)
    assert result.outcome is not None
    return msgspec.structs.replace(result, outcome=msgspec.structs.replace(result.outcome, line=line))


def _invalid(line: int, waiting: _Waiting) -> Rejected | NotSent:
    if all(fault.rule == UNREADABLE_NOW for fault in waiting.violations):
        text = "; ".join(map(str, waiting.violations))
        return NotSent(external_task_id=waiting.given_id, line=line, kind=Kind.STORAGE, message=text)
    repeated = any(fault.rule == "id_repeated" for fault in waiting.violations)
    return Rejected(
        external_task_id=waiting.given_id,
        line=line,
        kind=Kind.DUPLICATE_ID if repeated else Kind.VALIDATION,
        message="; ".join(map(str, waiting.violations)),
        violations=waiting.violations,
    )


@contextmanager
def interruptible() -> Iterator[None]:
    """Lets Ctrl-C end what never awaits: asyncio's own handler would wait for that."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Interrupts:
    """SIGINT, SIGTERM and SIGHUP: the first asks for an end, a second SIGINT or SIGTERM is one, and so is `DEADLINE`.

    A SIGHUP that is ignored (`nohup`) stays so.
    """

    def __init__(
        self,
        on_first: Callable[[], None],
        on_end: Callable[[], None],
        *,
        grace: float = GRACE,
        deadline: float = DEADLINE,
    ) -> None:
        self.count = 0
        self._grace = grace
        self._deadline = deadline
        self._on_first = on_first
        self._on_end = on_end
        self._stream: OutcomeStream | ResultStream | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._last: Timer | None = None
        self._first_at = 0.0

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if number.name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN:
                continue
            with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows, or no main thread
                self._loop.add_signal_handler(number, self._told, number)
        return self

    def __exit__(self, *_: object) -> None:
        for number in SIGNALS:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                self._loop.remove_signal_handler(number)
        if self._timer is not None:
            self._timer.cancel()

    def over(self) -> None:
        """All is done: there is nothing left that could hang."""
        if self._last is not None:
            self._last.cancel()

    def guard(self, stream: OutcomeStream | ResultStream) -> None:
        """Tells what is to be ended."""
        self._stream = stream
        if self.count:
            self._end()

    def _told(self, number: int = signal.SIGTERM) -> None:
        now = self._loop.time()
        if not self.count:
            self.count = 1
            self._first_at = now
            # A thread: the loop itself may be what hangs.
            self._last = Timer(self._deadline, self._end_at_once)
            self._last.daemon = True
            self._last.start()
            self._on_first()
            self._end()
        elif now - self._first_at >= ECHO and number in {signal.SIGINT, signal.SIGTERM}:
            self.count += 1
            self._end_at_once()

    def _end_at_once(self) -> None:
        self._on_end()
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(INTERRUPTED)  # what is in flight stays as intents, what was told is written

    def _end(self) -> None:
        if self._stream is not None:
            self._stream.stop()
            self._timer = self._loop.call_later(self._grace, self._break_off)

    def _break_off(self) -> None:
        if self._stream is not None:
            self._stream.abort()


@frozen
class Patience:
    """What is wanted beyond the gateway's word: that tasks are waited for."""

    timeout: float | None = None
    """Seconds after the last job came out; None: as long as it takes."""
    resubmit: tuple[str, ...] = ()
    download: str | None = None
    """Where the videos go; None: they are not fetched."""


async def run_batch(
    client: LipSyncClient,
    submission: Submission,
    *,
    options: RunOptions,
    journal: AnyJournal | None,
    interrupts: Interrupts,
    take: Callable[[Outcome | Ending], None],
    results: Results | None = None,
    wait: Patience | None = None,
    begun: Callable[[OutcomeStream | ResultStream], None] | None = None,
) -> None:
    """Submits all, and waits for the tasks if so wished; `take` gets the result of every line, and may put it into
    `results`.

    When `results` cannot be written any more, intake ends.
    Raises what the list raises where it cannot be read on.
    """
    jobs = submission.requests()
    stream: OutcomeStream | ResultStream
    if wait is None:
        stream = client.stream(jobs, journal=journal, options=options)
    else:
        stream = client.stream(
            jobs,
            wait=True,
            timeout=wait.timeout,
            resubmit=wait.resubmit,
            download=wait.download,
            journal=journal,
            options=options,
        )
    async with stream:
        interrupts.guard(stream)
        if begun is not None:
            begun(stream)
        async for result in stream:
            for told in submission.told(result):
                take(told)
            if results is not None:
                await results.room()
                if results.failed is not None:
                    stream.stop()
