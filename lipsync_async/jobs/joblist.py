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

from lipsync_async.errors import JobListError
from lipsync_async.gateways import Gateway
from lipsync_async.request.checks import check

from .file import Unchanged, sniff, stamp
from .inspection import Inspection, Tell
from .lines import read_request
from .records import PIECE, Record, csv_records, given_id, json_record, json_records, numbered, too_long
from .report import JobLine, ListReport

STDIN = "-"


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
        self._stamp = stamp(path.stat())
        self.format: str = sniff(path, name)

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
            shutil.copyfileobj(source, spooled, PIECE)
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
        read = csv_records if self.format == "csv" else json_records
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
            for number, raw in islice(numbered(source), limit):
                if raw is None:
                    yield self._read(too_long(number))
                elif wanted(given_id(raw)):
                    yield self._read(json_record(number, raw))

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
        return Inspection(self.name, self.lines, gateway, id_prefix, limit, tell).run()

    def digest(self, *context: object) -> tuple[str, int]:
        """What tells this list from every other, and how many lines it has, found without a look at the rules.

        Files count by path, size and time; `context` is what else its check depends on.
        """
        hasher = blake2b(repr(context).encode("utf-8", "surrogatepass"), digest_size=16)
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
        request, found = read_request(record.values, self.base)
        given = record.values.get("external_task_id")
        return JobLine(record.line, request, (*record.violations, *found), given if isinstance(given, str) else "")


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
    return repr((path, *stamp(found))).encode("utf-8", "surrogatepass")
