"""Job lists: JSONL or CSV in, one `JobLine` a line out, read lazily and as often as it takes.

A list is looked through twice: `check` finds every fault, and iterating hands the jobs out.
Neither holds more than a line, and some 18 bytes an id to tell repetitions.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Self

import msgspec
from attrs import Factory, define, frozen

from .checks import billed_units, check
from .errors import JobListError, Violation
from .gateways import Gateway
from .identity import SeenIds, derive_id, fingerprint
from .models import LipSyncRequest
from .wire import read_request

STDIN = "-"
LONGEST_LINE = 32 * 1024 * 1024
"""Bytes; 5 MiB of sound are 7 MB of Base64."""
KEPT_FAULTS = 1_000
"""Faults that a report keeps; all are counted, and told as they are found."""
_NUMBERS = frozenset(
    {"sound_start_time", "sound_end_time", "sound_insert_time", "sound_volume", "original_audio_volume"}
)
_OBJECTS = frozenset({"watermark_info", "extra_body"})
_TEXTS = frozenset(
    {"session_id", "face_id", "audio_id", "sound_file", "sound_path", "external_task_id", "callback_url"}
)
_is_whole = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII).fullmatch
_is_number = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII).fullmatch
_BOM = b"\xef\xbb\xbf"
_PIECE = 1 << 20


@frozen
class JobLine:
    """One line of a list: the request it stands for, and all that is to be said about it."""

    line: int
    """From 1, as an editor counts."""
    request: LipSyncRequest | None
    """None where the line is broken."""
    violations: tuple[Violation, ...] = ()
    given_id: str = ""
    """The external_task_id that the line gives, also where it is broken."""

    @property
    def errors(self) -> tuple[Violation, ...]:
        """Those that forbid sending."""
        return tuple(fault for fault in self.violations if fault.severity == "error")


@frozen
class LineFault:
    """A violation and the line where it was found."""

    line: int
    violation: Violation

    def __str__(self) -> str:
        return f"line {self.line}: {self.violation}"


@define
class Warned:
    """A warning that any number of lines share."""

    first: LineFault
    lines: int = 1


@define
class ListReport:
    """What a look through a whole list found."""

    lines: int = 0
    """Lines that are not blank."""
    jobs: int = 0
    """Lines that can be sent, repetitions apart."""
    broken: int = 0
    """Lines with a fault."""
    units: float = 0.0
    """At list price, of all jobs (contract, section 7)."""
    fault_count: int = 0
    faults: list[LineFault] = Factory(list)
    """The first `KEPT_FAULTS` of them, in the order of finding."""
    warnings: dict[tuple[str, str], Warned] = Factory(dict)
    """By path and rule."""
    repeats: dict[int, int] = Factory(dict)
    """Line -> the earlier line that is the same job."""
    conflicts: dict[int, Violation] = Factory(dict)
    """Lines whose id stands for other content in an earlier line."""

    @property
    def ok(self) -> bool:
        """Nothing forbids sending it."""
        return not self.fault_count

    @property
    def warning_count(self) -> int:
        """Warnings in all."""
        return sum(warned.lines for warned in self.warnings.values())


Tell = Callable[[LineFault], object]


class JobList:
    """A list on disk; `open` it, and iterate over it as often as needed. A context manager.

    Relative `sound_path`s begin at `base`.
    Iterating raises `JobListError` where the file has changed since it was opened, or cannot be read.
    """

    def __init__(self, path: Path, *, name: str, base: Path, spooled: IO[bytes] | None = None) -> None:
        self.name = name
        self.base = base
        self._path = path
        self._spooled = spooled
        self._stamp = _stamp(path.stat())
        self.format = _sniff(path, name)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, stdin: BinaryIO | None = None) -> JobList:
        """The list at `path`; `-` is standard input. What can be read but once (a pipe) is spooled to a file first.

        Raises `JobListError`.
        """
        name = os.fspath(path)
        try:
            if name == STDIN:
                return cls._spool(stdin or sys.stdin.buffer, "standard input", Path())
            place = Path(name)
            if stat.S_ISREG(place.stat().st_mode):
                return cls(place, name=name, base=place.parent)
            with place.open("rb") as source:
                return cls._spool(source, name, Path())
        except OSError as error:
            raise JobListError(f"{name} cannot be read: {error.strerror or error}") from error

    @classmethod
    def _spool(cls, source: BinaryIO, name: str, base: Path) -> JobList:
        spooled = tempfile.NamedTemporaryFile(prefix="lipsync-jobs-")  # noqa: SIM115 - it lives as long as the list
        try:
            shutil.copyfileobj(source, spooled, _PIECE)
            spooled.flush()
            return cls(Path(spooled.name), name=name, base=base, spooled=spooled)
        except BaseException:
            spooled.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<JobList {self.name}, {self.format}>"

    def close(self) -> None:
        """Gives up what was spooled."""
        if self._spooled is not None:
            self._spooled.close()

    def __iter__(self) -> Generator[JobLine, None, None]:
        """Every line that is not blank, as it reads; `lines` also says whether it keeps the rules."""
        read = _csv_records if self.format == "csv" else _json_records
        with self._opened() as source, closing(read(source)) as records:
            for record in records:
                yield self._read(record)

    def where(self, wanted: Callable[[str], bool], limit: int | None = None) -> Iterator[JobLine]:
        """Of the first `limit` lines those whose given id is `wanted` ("" where none is); the others cost little."""
        if self.format == "csv":
            with closing(iter(self)) as lines:
                yield from (line for line in islice(lines, limit) if wanted(line.given_id))
            return
        with self._opened() as source:
            for number, raw in islice(_numbered(source), limit):
                if raw is None:
                    yield self._read(_too_long(number))
                elif wanted(_given_id(raw)):
                    yield self._read(_json_record(number, raw))

    def lines(self, gateway: Gateway | None = None) -> Iterator[JobLine]:
        """Every line with all its violations; `gateway` as for `checks.check`."""
        for line in self:
            if line.request is None:
                yield line
            else:
                found = check(line.request, gateway)
                yield JobLine(line.line, line.request, (*line.violations, *found), line.given_id) if found else line

    def check(
        self,
        gateway: Gateway | None = None,
        *,
        id_prefix: str = "",
        limit: int | None = None,
        tell: Tell | None = None,
    ) -> ListReport:
        """Looks through the whole list, or its first `limit` lines; `tell` hears of every fault as it is found.

        Raises `JobListError` for a list that cannot be read, or holds no line at all.
        """
        return _Inspection(self, gateway, id_prefix, limit, tell).run()

    def digest(self, *context: object) -> tuple[str, int]:
        """What tells this list from every other, and how many lines it has, found without a look at the rules.

        Files count by path, size and time; `context` is what else its check depends on.
        """
        hasher = blake2b(repr(context).encode("utf-8", "surrogatepass"), digest_size=16)
        with self._opened() as source:
            while piece := source.read(_PIECE):
                hasher.update(piece)
        count = 0
        with self._opened() as source:
            records = _csv_records(source) if self.format == "csv" else _json_records(source, skim=True)
            for record in records:
                count += 1
                for path in _paths(record.values):
                    hasher.update(_about_file(self.base, path))
        return hasher.hexdigest(), count

    def _opened(self) -> _Unchanged:
        return _Unchanged(self._path, self._stamp, self.name)

    def _read(self, record: _Record) -> JobLine:
        if record.values is None:
            return JobLine(record.line, None, record.violations)
        request, found = read_request(record.values, self.base)
        given = record.values.get("external_task_id")
        return JobLine(record.line, request, (*record.violations, *found), given if isinstance(given, str) else "")


# --- the look through a list --------------------------------------------------------------------------------------


class _Inspection:
    """One pass for the rules and the ids; a second one, over what came twice, only where something did."""

    def __init__(
        self, jobs: JobList, gateway: Gateway | None, id_prefix: str, limit: int | None, tell: Tell | None
    ) -> None:
        self._jobs = jobs
        self._gateway = gateway
        self._prefix = id_prefix
        self._limit = limit
        self._tell = tell
        self._report = ListReport()
        self._ids = SeenIds()

    def run(self) -> ListReport:
        report = self._report
        repeated: set[str] = set()
        for line in self._lines():
            report.lines += 1
            identified = self._identify(line)
            self._note(line.line, line.violations)
            if identified is None:
                report.broken += 1
                continue
            name, request = identified
            if not self._ids.add(name):
                repeated.add(name)
            report.jobs += 1
            report.units += billed_units(request)
        if not report.lines:
            raise JobListError(f"{self._jobs.name} holds no jobs")
        if repeated:
            self._sort_out(repeated)
        return report

    def _lines(self) -> Iterator[JobLine]:
        for count, line in enumerate(self._jobs.lines(self._gateway)):
            if count == self._limit:
                return
            yield line

    def _identify(self, line: JobLine) -> tuple[str, LipSyncRequest] | None:
        if line.request is None or line.errors:
            return None
        try:
            return self._id_of(line.request), line.request
        except OSError as error:
            fault = Violation("sound_path", "unreadable_file", f"cannot be read: {error.strerror or error}")
            self._note(line.line, (fault,))
            return None

    def _id_of(self, request: LipSyncRequest) -> str:
        if request.external_task_id:
            return request.external_task_id
        longest = self._gateway.max_id_length if self._gateway is not None else 64
        return derive_id(request, prefix=self._prefix, max_length=longest)

    def _sort_out(self, repeated: set[str]) -> None:
        """The same content is one job; other content under the same id is a fault of the list."""
        report = self._report
        first: dict[str, tuple[int, bytes]] = {}
        for line in self._lines():
            if line.request is None or line.errors or (name := self._id_of(line.request)) not in repeated:
                continue
            content = fingerprint(line.request)
            earlier, known = first.setdefault(name, (line.line, content))
            if earlier == line.line:
                continue
            report.jobs -= 1
            report.units -= billed_units(line.request)
            if known == content:
                report.repeats[line.line] = earlier
            else:
                text = f"{name} stands for other content in line {earlier}: one id is one job"
                fault = Violation("external_task_id", "id_repeated", text)
                report.conflicts[line.line] = fault
                report.broken += 1
                self._note(line.line, (fault,))

    def _note(self, line: int, violations: Iterable[Violation]) -> None:
        report = self._report
        for violation in violations:
            fault = LineFault(line, violation)
            if violation.severity == "warning":
                warned = report.warnings.setdefault((violation.path, violation.rule), Warned(fault, 0))
                warned.lines += 1
                continue
            report.fault_count += 1
            if len(report.faults) < KEPT_FAULTS:
                report.faults.append(fault)
            if self._tell is not None:
                self._tell(fault)


# --- lines ----------------------------------------------------------------------------------------------------------


@frozen
class _Record:
    """A line's values, before it is known whether they make a request."""

    line: int
    values: dict[str, Any] | None
    violations: tuple[Violation, ...] = ()


class _NotJsonError(ValueError):
    """What is wrong with a line as a whole."""


def _broken(line: int, rule: str, message: str) -> _Record:
    return _Record(line, None, (Violation("", rule, message),))


def _json_records(source: BinaryIO, *, skim: bool = False) -> Generator[_Record, None, None]:
    """`skim` leaves unread what names no file."""
    for number, raw in _numbered(source):
        if raw is None:
            yield _too_long(number)
        elif skim and b"sound_path" not in raw:
            yield _Record(number, None)
        else:
            yield _json_record(number, raw)


def _too_long(number: int) -> _Record:
    return _broken(number, "line_too_long", f"is longer than {LONGEST_LINE // 2**20} MiB")


class _Named(msgspec.Struct, gc=False):
    """As much of a line as names it."""

    external_task_id: str = ""


_decode_name = msgspec.json.Decoder(_Named).decode


def _given_id(raw: bytes) -> str:
    try:
        return _decode_name(raw).external_task_id
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""


def _numbered(source: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Lines that are not blank; None for one that is too long to be held."""
    number = 0
    while raw := source.readline(LONGEST_LINE + 1):
        number += 1
        if number == 1:
            raw = raw.removeprefix(_BOM)
        if len(raw) > LONGEST_LINE:
            while raw and not raw.endswith(b"\n"):
                raw = source.readline(_PIECE)
            yield number, None
        elif raw := raw.strip():
            yield number, raw


def _json_record(number: int, raw: bytes) -> _Record:
    repeated: list[str] = []

    def gather(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            repeated.extend(name for name in values if names.count(name) > 1)
        return values

    try:
        values = json.loads(raw.decode("utf-8"), object_pairs_hook=gather, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return _broken(number, "not_utf8", f"is not UTF-8 (byte {error.start + 1} of the line)")
    except json.JSONDecodeError as error:
        return _broken(number, "not_json", f"is not JSON: {error.msg} (column {error.colno})")
    except _NotJsonError as error:
        return _broken(number, "not_json", str(error))
    except (RecursionError, ValueError):  # a ValueError of int: thousands of digits
        return _broken(number, "not_json", "is nested too deep, or holds a number too long")
    if not isinstance(values, dict):
        return _broken(number, "not_an_object", "must be a JSON object, like {...}")
    text = "stands twice in this line: the last one counts"
    return _Record(number, values, tuple(Violation(name, "repeated_key", text, "warning") for name in repeated))


def _refuse_constant(name: str) -> object:
    raise _NotJsonError(f"is not JSON: JSON has no {name}")


def _csv_records(source: BinaryIO) -> Generator[_Record, None, None]:
    # The module's limit is global, and 128 KiB hold no sound; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
    text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        head = text.readline(_PIECE)
        reader = csv.reader(chain((head,), text), delimiter=_delimiter(head), strict=True)
        names = _header(next((cells for _, cells in _rows(reader) if cells), []))
        for number, cells in _rows(reader):
            if isinstance(cells, str):
                yield _broken(number, "not_csv", f"is not CSV: {cells}")
            elif any(cells):
                yield _csv_record(number, names, cells)
    finally:
        text.detach()


def _rows(reader: Any) -> Iterator[tuple[int, list[str] | str]]:
    """Each row with the line it begins at; a text says why there is none."""
    while True:
        number = reader.line_num + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, str(error)


def _delimiter(head: str) -> str:
    return max(",;\t", key=head.count)


def _header(cells: list[str] | str) -> list[str]:
    names = [cell.strip() for cell in cells]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise JobListError(f"the CSV names a column twice: {', '.join(doubled) or 'one without a name'}")
    return names


def _csv_record(number: int, names: list[str], cells: list[str]) -> _Record:
    if len(cells) > len(names) and any(cells[len(names) :]):
        return _broken(number, "not_csv", f"has {len(cells)} cells, and there are {len(names)} columns")
    if any("\udc80" <= char <= "\udcff" for cell in cells if not cell.isascii() for char in cell):
        return _broken(number, "not_utf8", "is not UTF-8")
    given = {name: _convert(name, cell) for name, cell in zip(names, cells, strict=False) if cell.strip()}
    return _Record(number, given)


def _convert(name: str, cell: str) -> Any:
    """A cell by its column's type; what cannot be converted stays a text, and is reported as one."""
    stripped = cell.strip()
    if name in _NUMBERS:
        if _is_whole(stripped):
            return int(stripped)
        return float(stripped) if _is_number(stripped) else cell
    if name in _OBJECTS:
        try:
            return json.loads(stripped, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return cell
    return cell


# --- the file -------------------------------------------------------------------------------------------------------


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


class _Unchanged:
    """The file for one pass; at its beginning and at its end it must be the one that was opened first."""

    def __init__(self, path: Path, stamp: tuple[int, int, int], name: str) -> None:
        self._path = path
        self._stamp = stamp
        self._name = name

    def __enter__(self) -> BinaryIO:
        try:
            self._source = self._path.open("rb")
        except OSError as error:
            raise JobListError(f"{self._name} cannot be read: {error.strerror or error}") from error
        self._compare()
        return self._source

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._compare()
        finally:
            self._source.close()
        if isinstance(error, OSError):
            raise JobListError(f"{self._name} cannot be read: {error.strerror or error}") from error

    def _compare(self) -> None:
        if _stamp(os.fstat(self._source.fileno())) != self._stamp:
            self._source.close()
            raise JobListError(f"{self._name} changed while it was read: run again")


def _sniff(path: Path, name: str) -> str:
    """`jsonl` or `csv`; the content decides where the name does not. Raises `JobListError` for what is neither."""
    with path.open("rb") as source:
        head = source.read(64 * 1024)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise JobListError(f"{name} is UTF-16: save it as UTF-8")
    first = head.removeprefix(_BOM).lstrip()
    if first.startswith(b"["):
        raise JobListError(f"{name} is a JSON array, and must be one object a line: jq -c '.[]' makes it so")
    suffix = Path(name).suffix.lower()
    if suffix in {".csv", ".tsv"}:
        return "csv"
    if suffix in {".jsonl", ".ndjson", ".json"} or first.startswith(b"{"):
        return "jsonl"
    header = re.split(rb"[,;\t]", first.splitlines()[0]) if first else []
    known = {cell.strip().strip(b'"').decode("ascii", "replace") for cell in header} & (_TEXTS | _NUMBERS)
    return "csv" if len(known) > 1 else "jsonl"


def _paths(values: Mapping[str, Any] | None) -> Iterator[str]:
    if values is None:
        return
    faces = values.get("face_choose")
    for place in (values, *(faces if isinstance(faces, list) else ())):
        path = place.get("sound_path") if isinstance(place, dict) else None
        if isinstance(path, str) and path:
            yield path


def _about_file(base: Path, path: str) -> bytes:
    try:
        found = os.stat(base / path)  # noqa: PTH116 - a million of them: a Path costs more than the call
    except (OSError, ValueError):
        return repr((path, None)).encode("utf-8", "surrogatepass")
    return repr((path, *_stamp(found))).encode("utf-8", "surrogatepass")
