"""The look through a whole list: the rules, the ids, and what came twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lipsync_async.errors import JobListError, Violation
from lipsync_async.gateways import Gateway
from lipsync_async.models import LipSyncRequest
from lipsync_async.request.checks import IDENTIFY_UNITS, SPEECH_UNITS, cut_units, estimated_units
from lipsync_async.wire.identity import SeenIds, derive_id, fingerprint, name_of_speech, name_of_video

from .compact import Firsts
from .plain import PlainLine
from .report import KEPT_FAULTS, JobLine, LineFault, ListReport, conflict

Tell = Callable[[LineFault], object]
"""Hears of every fault as it is found."""
Lines = Callable[[Gateway | None], Iterator[JobLine | PlainLine]]
"""The list from its beginning, with all that is to be said of each line; called once or twice."""


class Inspection:
    """One pass for the rules and the ids; a second one, over what came twice, only where something did."""

    def __init__(
        self, name: str, lines: Lines, gateway: Gateway | None, id_prefix: str, limit: int | None, tell: Tell | None
    ) -> None:
        self._name = name
        self._all_lines = lines
        self._gateway = gateway
        self._prefix = id_prefix
        self._limit = limit
        self._tell = tell
        self._report = ListReport()
        self._ids = SeenIds()
        self._sources = SeenIds()

    def run(self) -> ListReport:
        """Looks through it; raises `JobListError` where it holds no line at all."""
        report = self._report
        repeated = SeenIds()
        for line in self._lines():
            report.lines += 1
            if isinstance(line, PlainLine):
                self._take_plain(line, repeated)
                continue
            identified = self._identify(line)
            self._note(line, line.violations)
            if identified is None:
                report.broken += 1
                continue
            name, request = identified
            if not self._ids.add(name):
                repeated.add(name)
            report.jobs += 1
            report.units += estimated_units(request)
            self._count_sources(request)
        if not report.lines:
            raise JobListError(f"{self._name} holds no jobs")
        if len(repeated):
            self._sort_out(repeated)
        return report

    def _take_plain(self, line: PlainLine, repeated: SeenIds) -> None:
        """One without a fault, and without a request where it gives its id: making one is half of what a line costs."""
        name = line.given_id or self._id_of(line.request)
        if not self._ids.add(name):
            repeated.add(name)
        self._report.jobs += 1
        self._report.units += cut_units(line.start, line.end)

    def _count_sources(self, request: LipSyncRequest) -> None:
        """What is paid for before the jobs are: once a video, and once a text."""
        report = self._report
        if request.source is not None and self._sources.add(name_of_video(request.source)):
            report.videos += 1
            report.units += IDENTIFY_UNITS
        if request.speech is not None and self._sources.add(name_of_speech(request.speech)):
            report.texts += 1
            report.units += SPEECH_UNITS

    def _lines(self) -> Iterator[JobLine | PlainLine]:
        for count, line in enumerate(self._all_lines(self._gateway)):
            if count == self._limit:
                return
            yield line

    def _identify(self, line: JobLine | PlainLine) -> tuple[str, LipSyncRequest] | None:
        if line.request is None or line.errors:
            return None
        try:
            return self._id_of(line.request), line.request
        except OSError as error:
            fault = Violation("sound_path", "unreadable_file", f"cannot be read: {error.strerror or error}")
            self._note(line, (fault,))
            return None

    def _id_of(self, request: LipSyncRequest) -> str:
        if request.external_task_id:
            return request.external_task_id
        longest = self._gateway.max_id_length if self._gateway is not None else 64
        return derive_id(request, prefix=self._prefix, max_length=longest)

    def _sort_out(self, repeated: SeenIds) -> None:
        """The same content is one job; other content under the same id is a fault of the list."""
        report, firsts = self._report, Firsts()
        for line in self._lines():
            if line.request is None or line.errors or (name := self._id_of(line.request)) not in repeated:
                continue
            content = int.from_bytes(fingerprint(line.request)[:8], "big", signed=True)
            earlier, known = firsts.setdefault(name, line.line, content)
            if earlier == line.line:
                continue
            report.jobs -= 1
            report.units -= estimated_units(line.request)
            if known == content:
                report.repeats.add(line.line, earlier)
            else:
                report.conflicts.add(line.line, earlier)
                report.broken += 1
                self._note(line, (conflict(name, earlier),))

    def _note(self, line: JobLine | PlainLine, violations: Iterable[Violation]) -> None:
        report = self._report
        for violation in violations:
            if violation.severity == "warning":
                report.warn(LineFault(line.line, violation))
                continue
            fault = LineFault(line.line, violation, line.given_id)
            report.fault_count += 1
            if len(report.faults) < KEPT_FAULTS:
                report.faults.append(fault)
            if self._tell is not None:
                self._tell(fault)
