"""A list on disk, read lazily and as often as it takes."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Self

from attrs import evolve

from lipsync_async.errors import JobListError
from lipsync_async.gateways import Gateway

from .file import Unchanged, head_of, narrow, sniff, stamp, wide_encoding
from .inspection import Inspection, Tell
from .jsonl import given_id, json_record, json_records, numbered
from .lines import read_line
from .plain import PlainLine, plain_line
from .record import PIECE, Record, too_long
from .report import JobLine, ListReport
from .rules import VERSION, found_in
from .table import csv_records
from .values import SoundFolder

STDIN = "-"
_LONGEST_ID = 64
"""Characters, as the strictest gateway has it."""


class JobList:
    """A list on disk; `open` it, and iterate over it as often as needed. A context manager.

    Relative `sound_path`s begin at `base`; with `sounds_under` they must lie under that folder, links resolved; the
    same holds for `video_path`s, which are taken where there are `uploads`.
    Iterating raises `JobListError` where the file has changed since it was opened, or cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        base: Path,
        spooled: IO[bytes] | None = None,
        origin: tuple[int, int] | None = None,
        sounds_under: Path | None = None,
        uploads: bool = False,
    ) -> None:
        self.name = name
        self.base = base
        self._folder = SoundFolder(base, sounds_under, uploads)
        self._spooled = spooled
        head, found = head_of(path), path.stat()
        self.origin: tuple[int, int] = origin or (found.st_dev, found.st_ino)
        """Device and inode of the file that the list comes from, whatever copy of it is read."""
        if encoding := wide_encoding(head):
            path = self._narrowed(path, encoding)
            head, found = head_of(path), path.stat()
        self._path = path
        self._stamp = stamp(found)
        try:
            self.format: str = sniff(head, name)
        except JobListError:
            self.close()
            raise

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        stdin: BinaryIO | None = None,
        sounds_under: Path | None = None,
        uploads: bool = False,
    ) -> JobList:
        """The list at `path`; `-` is standard input. What can be read but once (a pipe) is spooled to a file first.

        Raises `JobListError`.
        """
        name = os.fspath(path)
        try:
            if name == STDIN:
                return cls._spool(stdin or _standard_input(), "standard input", sounds_under, uploads)
            place = Path(name)
            mode = place.stat().st_mode
            if stat.S_ISDIR(mode):
                raise JobListError(f"{name} is a folder: give the list itself, a JSONL or CSV file")
            if stat.S_ISREG(mode):
                return cls(place, name=name, base=place.parent, sounds_under=sounds_under, uploads=uploads)
            with place.open("rb") as source:
                return cls._spool(source, name, sounds_under, uploads)
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or error
            raise JobListError(f"{name} cannot be read: {why}") from error

    @classmethod
    def _spool(cls, source: BinaryIO, name: str, sounds_under: Path | None, uploads: bool) -> JobList:
        spooled = tempfile.NamedTemporaryFile(prefix="lipsync-jobs-")  # noqa: SIM115 - it lives as long as the list
        try:
            shutil.copyfileobj(source, spooled, PIECE)
            spooled.flush()
            return cls(
                Path(spooled.name),
                name=name,
                base=Path(),
                spooled=spooled,
                origin=_origin(source),
                sounds_under=sounds_under,
                uploads=uploads,
            )
        except BaseException:
            spooled.close()
            raise

    def _narrowed(self, path: Path, encoding: str) -> Path:
        """A copy in UTF-8, in place of what was spooled."""
        before = self._spooled
        spooled = tempfile.NamedTemporaryFile(prefix="lipsync-jobs-")  # noqa: SIM115 - it lives as long as the list
        try:
            narrow(path, spooled, encoding, self.name)
            spooled.flush()
        except BaseException:
            spooled.close()
            raise
        if before is not None:
            before.close()
        self._spooled = spooled
        return Path(spooled.name)

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
        for line in self._glance(_LONGEST_ID):
            if isinstance(line, PlainLine):
                request = line.request
                yield JobLine(line.line, request, (), line.given_id, None, request)
            else:
                yield line

    def _glance(self, longest: int) -> Generator[JobLine | PlainLine, None, None]:
        """Every line that is not blank, as it reads. `longest`: of an id that is plainly right, in characters."""
        with self._opened() as source:
            if self.format == "csv":
                with closing(csv_records(source)) as records:
                    for record in records:
                        yield self._read(record)
                return
            for number, raw in numbered(source):
                if raw is None:
                    yield self._read(too_long(number))
                else:
                    yield plain_line(number, raw, longest) or self._read(json_record(number, raw))

    def where(self, wanted: Callable[[str], bool], limit: int | None = None) -> Iterator[JobLine]:
        """Of the first `limit` lines those whose given id is `wanted` ("" where none is); the others cost little."""
        if self.format == "csv":
            with closing(iter(self)) as lines:
                yield from (line for line in islice(lines, limit) if wanted(line.given_id))
            return
        with self._opened() as source:
            for number, raw in islice(numbered(source), limit):
                if raw is None:
                    yield self._read(too_long(number))
                elif wanted(given_id(raw)):
                    yield self._read(json_record(number, raw))

    def part(self, wanted: Callable[[JobLine], bool]) -> JobList:
        """The same list with only the lines that are wanted: all others are blank, so that numbers stay what they were.

        It is a list of its own, to be closed. Raises `JobListError`.
        """
        starts = {line.line: wanted(line) for line in self}
        spooled = tempfile.NamedTemporaryFile(prefix="lipsync-jobs-")  # noqa: SIM115 - it lives as long as the list
        try:
            keep = True  # what stands before the first line: the header of a table
            with self._opened() as source:
                for number, raw in enumerate(source, 1):
                    keep = starts.get(number, keep)
                    spooled.write(raw if keep else b"\n")
            spooled.flush()
            part = JobList(Path(spooled.name), name=self.name, base=self.base, spooled=spooled, origin=self.origin)
        except BaseException:
            spooled.close()
            raise
        part._folder, part.format = self._folder, self.format
        return part

    def lines(self, gateway: Gateway | None = None) -> Iterator[JobLine | PlainLine]:
        """Every line with all its violations; `gateway` as for `checks.check`."""
        for line in self._glance(_LONGEST_ID if gateway is None else gateway.max_id_length):
            if isinstance(line, PlainLine) or line.read is None:
                yield line
            else:
                found = found_in(line.read, line.violations, gateway, uploads=self._folder.uploads)
                yield line if found == line.violations else evolve(line, violations=found)

    def sound_files(self) -> Iterator[Path]:
        """The files that the list names as its sounds and videos, whether they are there or not."""
        with self._opened() as source:
            for record in csv_records(source) if self.format == "csv" else json_records(source, skim=True):
                for path in _paths(record.values):
                    yield self.base / path

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
        return Inspection(self.name, self.lines, gateway, id_prefix, limit, tell).run()

    def digest(self, *context: object) -> tuple[str, int]:
        """What tells this list from every other, and how many lines it has, found without a look at the rules.

        Files count by path, size and time; `context` is what else its check depends on.
        """
        hasher = blake2b(repr((VERSION, self._folder, *context)).encode("utf-8", "surrogatepass"), digest_size=16)
        with self._opened() as source:
            while piece := source.read(PIECE):
                hasher.update(piece)
        count = 0
        with self._opened() as source:
            records = csv_records(source) if self.format == "csv" else json_records(source, skim=True)
            for record in records:
                count += 1
                for path in _paths(record.values):
                    hasher.update(_about_file(self.base, path))
        return hasher.hexdigest(), count

    def _opened(self) -> Unchanged:
        return Unchanged(self._path, self._stamp, self.name)

    def _read(self, record: Record) -> JobLine:
        if record.values is None:
            return JobLine(record.line, None, record.violations)
        found = read_line(record.values, self._folder, record.ignored)
        given = record.values.get("external_task_id")
        return JobLine(
            record.line,
            found.request if found.sound else None,
            (*record.violations, *found.violations),
            given if isinstance(given, str) else "",
            found.legacy_extra,
            found.request,
        )


def _standard_input() -> BinaryIO:
    """Raises `JobListError` where it is closed."""
    if sys.stdin is None:
        raise JobListError("standard input is closed: give the list's file, or a pipe")
    return sys.stdin.buffer


def _origin(source: BinaryIO) -> tuple[int, int] | None:
    """Device and inode of what is read; None for what is no file."""
    try:
        found = os.fstat(source.fileno())
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _paths(values: Mapping[str, Any] | None) -> Iterator[str]:
    if values is None:
        return
    faces = values.get("face_choose")
    for place in (values, *(faces if isinstance(faces, list) else ())):
        for name in ("sound_path", "video_path"):
            path = place.get(name) if isinstance(place, dict) else None
            if isinstance(path, str) and path:
                yield path


def _about_file(base: Path, path: str) -> bytes:
    try:
        found = os.stat(base / path)  # noqa: PTH116 - a million of them: a Path costs more than the call
    except (OSError, ValueError):
        return repr((path, None)).encode("utf-8", "surrogatepass")
    return repr((path, *stamp(found))).encode("utf-8", "surrogatepass")
