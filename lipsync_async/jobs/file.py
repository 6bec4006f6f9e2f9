"""A list's file: of what format it is, and that it stays the same for as long as it is read."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from lipsync_async.errors import JobListError

from .records import BOM, NUMBERS, TEXTS


def stamp(found: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file does: inode, bytes, time of modification in ns."""
    return found.st_ino, found.st_size, found.st_mtime_ns


class Unchanged:
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
        if stamp(os.fstat(self._source.fileno())) != self._stamp:
            self._source.close()
            raise JobListError(f"{self._name} changed while it was read: run again")


def sniff(path: Path, name: str) -> str:
    """`jsonl` or `csv`; the content decides where the name does not. Raises `JobListError` for what is neither."""
    with path.open("rb") as source:
        head = source.read(64 * 1024)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise JobListError(f"{name} is UTF-16: save it as UTF-8")
    first = head.removeprefix(BOM).lstrip()
    if first.startswith(b"["):
        raise JobListError(f"{name} is a JSON array, and must be one object a line: jq -c '.[]' makes it so")
    suffix = Path(name).suffix.lower()
    if suffix in {".csv", ".tsv"}:
        return "csv"
    if suffix in {".jsonl", ".ndjson", ".json"} or first.startswith(b"{"):
        return "jsonl"
    header = re.split(rb"[,;\t]", first.splitlines()[0]) if first else []
    known = {cell.strip().strip(b'"').decode("ascii", "replace") for cell in header} & (TEXTS | NUMBERS)
    return "csv" if len(known) > 1 else "jsonl"
