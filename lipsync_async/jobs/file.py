"""A list's file: of what format it is, and that it stays the same for as long as it is read."""

from __future__ import annotations

import codecs
import json
import os
import re
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO

from lipsync_async.errors import JobListError

from .names import known_among, misnamed
from .record import BOM, PIECE

HEAD = 64 * 1024
"""Bytes by which a list is known."""
_NO_LISTS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "is packed by gzip: gunzip it first"),
    (b"BZh", "is packed by bzip2: bunzip2 it first"),
    (b"\xfd7zXZ\x00", "is packed by xz: unxz it first"),
    (b"\x28\xb5\x2f\xfd", "is packed by zstd: unzstd it first"),
    (b"Rar!", "is a RAR archive: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive: unpack it first"),
    (b"\xd0\xcf\x11\xe0", "is a workbook: save it as CSV (UTF-8), and give that"),
    (b"SQLite format 3\x00", "is a database, perhaps the journal: give the list itself"),
    (b"%PDF", "is a PDF document: a list is JSONL or CSV"),
    (b"RIFF", "is a sound, not a list of jobs"),
    (b"ID3", "is a sound, not a list of jobs"),
    (b"PAR1", "is a Parquet file: write it as CSV or JSONL"),
)
_WORKBOOK = re.compile(rb"\[Content_Types\]|xl/|mimetypeapplication/vnd\.oasis|Index/")


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


# --- what it is -----------------------------------------------------------------------------------------------------


def head_of(path: Path) -> bytes:
    """Its beginning. Raises OSError."""
    with path.open("rb") as source:
        return source.read(HEAD)


def wide_encoding(head: bytes) -> str:
    """`utf-16` or `utf-32`, as spreadsheets and PowerShell write them, also without a mark; "" for anything else."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = head[:64]
    if len(sample) >= 8 and not any(sample[1::2]) and all(sample[::2]):
        return "utf-16-le"
    if len(sample) >= 8 and not any(sample[::2]) and all(sample[1::2]):
        return "utf-16-be"
    return ""


def narrow(path: Path, target: IO[bytes], encoding: str, name: str) -> None:
    """Writes a UTF-16 or UTF-32 file as UTF-8. Raises `JobListError` where it is damaged."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as source:
            while piece := source.read(PIECE):
                target.write(decoder.decode(piece).encode("utf-8"))
            target.write(decoder.decode(b"", final=True).encode("utf-8"))
    except UnicodeError as error:
        raise JobListError(f"{name} is damaged {encoding.upper()[:6]}: save it as UTF-8") from error


def sniff(head: bytes, name: str) -> str:
    """`jsonl` or `csv`; the content decides where the name does not. Raises `JobListError` for what is neither."""
    if told := _no_list(head):
        raise JobListError(f"{name} {told}")
    first = head.removeprefix(BOM).lstrip()
    if first.startswith((b"{", b"[")):
        _refuse_json_document(first, name)
        return "jsonl"
    suffix = Path(name).suffix.lower()
    return "csv" if suffix in {".csv", ".tsv"} or _is_header(first) else "jsonl"


def _no_list(head: bytes) -> str:
    """What a file is that is no list, with the cure."""
    if head.startswith(b"PK\x03\x04"):
        book = _WORKBOOK.search(head)
        return f"is a {'workbook: save it as CSV (UTF-8), and give that' if book else 'ZIP archive: unpack it first'}"
    if head[:512].lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "is a web page, not a list: download the file itself"
    if head[:512].lstrip().lower().startswith(b"<?xml"):
        return "is XML: a list is JSONL or CSV"
    return next((told for magic, told in _NO_LISTS if head.startswith(magic)), "")


def _refuse_json_document(first: bytes, name: str) -> None:
    """One JSON value over many lines is not one object per line."""
    if first.startswith(b"["):
        raise JobListError(f"{name} is a JSON array, and must be one object per line: jq -c '.[]' makes it so")
    line, feed, rest = first.partition(b"\n")
    if not line.startswith(b"{") or not feed or not rest.strip() or line.rstrip().endswith(b"}"):
        return
    try:
        json.loads(line)
    except ValueError:
        if rest.lstrip().startswith((b'"', b"}")):
            text = "holds JSON objects over several lines (pretty-printed), and must be one object per line"
            raise JobListError(f"{name} {text}: jq -c . makes it so") from None


def _is_header(first: bytes) -> bool:
    lines = first.splitlines()
    if lines and lines[0].lower().lstrip(b'"').startswith(b"sep="):
        return True
    cells = re.split(rb"[,;\t]", lines[0]) if lines else []
    names = {cell.strip().strip(b'"').decode("utf-8", "replace") for cell in cells[:500]}
    fields = known_among(names)
    known = [name for name in names if name in fields or misnamed(name, ())]
    return len(known) > 1
