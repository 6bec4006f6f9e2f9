"""Where result lines may go: never over the list, the journal or a sound; over earlier lines only where none is lost.

All of it is found out before anything is opened for writing.
"""

from __future__ import annotations

import csv
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, TextIO

from lipsync_async.downloads.folder import free_space
from lipsync_async.errors import ConfigurationError, JournalError
from lipsync_async.jobs import JobList
from lipsync_async.outcomes import RESULT_FIELDS

from .printing import say, standard_output
from .results import close_out, is_table, table_line

JOURNAL_FILES = ("", "-wal", "-shm", "-journal", ".lock")
"""What a journal consists of, behind its name."""
_LONGEST_LINE = 1 << 20
USUAL_VIDEO = 10_000_000
"""Bytes that a video may take, as far as can be said before: 10 s in 1080p have about so many."""
_NAMES = set(RESULT_FIELDS[:13])
"""Those of schema 1: a file that an earlier version wrote is one of results, too."""
_MARK = "\ufeff"
"""Begins a table, for spreadsheets take a file without it for one in an old encoding."""
_PAID = frozenset({"accepted", "unknown", "succeeded", "failed", "lost", "running"})


def open_out(
    name: str,
    *,
    overwrite: bool,
    journal: str | None = None,
    jobs: JobList | None = None,
    with_sounds: bool = True,
    option: str = "--out",
) -> TextIO:
    """The file of that name, or stdout for `-`; what it holds stays until `begin`.

    Raises `ConfigurationError`, where it is the list, the journal or a sound, by whatever name, and where it would
    write over something. The result lines of `journal` may be written again: it holds them all.
    """
    out = standard_output() if name == "-" else None
    identity = _identity(1 if out is not None else name)
    told = "standard output" if out is not None else f"{option} {name}"
    for path, what in _forbidden(journal, jobs):
        if _same(identity, path, None if out is not None else name):
            raise ConfigurationError(f"{told} is {what}: it would be written over")
    if jobs is not None and identity is not None and identity[:2] == jobs.origin:
        raise ConfigurationError(f"{told} is the list itself: it would be written over")
    if with_sounds and jobs is not None and identity is not None:
        _refuse_sounds(told, identity, jobs)
    if out is not None:
        return out
    try:
        _refuse_loss(name, overwrite, journal)
        return Path(name).open("a", encoding="utf-8", newline="\n")
    except OSError as error:
        folder = Path(name).parent
        why = f"there is no folder {folder}" if not folder.is_dir() else error.strerror or error
        raise ConfigurationError(f"{name} cannot be written: {why}") from error
    except ValueError as error:
        raise ConfigurationError(f"{option} cannot be written: {error}") from error


@contextmanager
def results_to(name: str, *, overwrite: bool, journal: str | None, jobs: JobList | None = None) -> Iterator[TextIO]:
    """The same, closed at the end; a file that was made here and got nothing is removed again."""
    is_new = name != "-" and not os.path.lexists(name)
    out = open_out(name, overwrite=overwrite, journal=journal, jobs=jobs)
    made = _identity(out.fileno()) if is_new else None
    try:
        yield out
    finally:
        close_out(out)
        if made is not None and made == _identity(name):
            with suppress(OSError):
                _remove_empty(Path(name))


def _remove_empty(path: Path) -> None:
    if not path.stat().st_size:
        path.unlink()


def look_at_folder(place: str | None, option: str = "--download") -> None:
    """Raises `ConfigurationError` for a folder that nothing can be put into; it may be one that is still to be made."""
    if place is None or "://" in place:
        return
    folder = Path(place).absolute()
    try:
        while not os.path.lexists(folder) and folder != folder.parent:
            folder = folder.parent
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        what = "videos" if option == "--download" else "pictures"
        text = f"{option} {place}: no {what} can be put there: {error.strerror or error}"
        raise ConfigurationError(text) from error


def tell_of_space(place: str | None, videos: int) -> None:
    """Warns where the videos will hardly find room."""
    if place is None or "://" in place:
        return
    try:
        free = free_space(place)
    except OSError:
        return
    if free < videos * USUAL_VIDEO:
        need = f"{videos} videos may take {videos * USUAL_VIDEO / 1e6:.0f} MB"
        say(f"warning: {place} has {free / 1e6:.0f} MB free, and {need}")


def begin(out: TextIO) -> TextIO:
    """Empties a file that may be written over, now that there is something to write."""
    if out is not sys.stdout and out.seekable() and out.tell():
        out.truncate(0)
    if is_table(getattr(out, "name", None)):
        out.write(_MARK + table_line(RESULT_FIELDS))
        out.flush()
    return out


def _identity(place: str | int) -> tuple[int, int] | None:
    """Device and inode of a file that is there, links followed; None for what is none, and for a pipe or a device."""
    try:
        found = os.stat(place)  # noqa: PTH116 - a descriptor, too
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _same(identity: tuple[int, int] | None, path: str, name: str | None) -> bool:
    """By inode where both are there, else by where the name leads: the other may be made only after us."""
    if identity is not None:
        return identity == _identity(path)
    return name is not None and os.path.realpath(name) == os.path.realpath(path)


def _forbidden(journal: str | None, jobs: JobList | None) -> Iterator[tuple[str, str]]:
    if journal is not None:
        for place in dict.fromkeys((journal, os.path.realpath(journal))):
            for ending in JOURNAL_FILES:
                yield f"{place}{ending}", "the journal" if not ending else f"the journal's {ending} file"
    if jobs is not None and jobs.name != "standard input":
        yield jobs.name, "the list itself"


def _refuse_sounds(told: str, identity: tuple[int, int], jobs: JobList) -> None:
    """Only a file that is there, and holds something, can be a sound of the list."""
    for sound in jobs.sound_files():
        if _identity(os.fspath(sound)) == identity:
            raise ConfigurationError(f"{told} is {sound.name}, a sound of the list: it would be written over")


# --- what may be written over ---------------------------------------------------------------------------------------


def _refuse_loss(name: str, overwrite: bool, journal: str | None) -> None:
    path = Path(name)
    if overwrite or not path.is_file() or not path.stat().st_size:
        return
    if journal is None or not Path(journal).exists():
        raise ConfigurationError(f"{name} is not empty: use another --out, or --overwrite")
    if not _is_of(path, journal):
        raise ConfigurationError(f"{name} holds more than results of this journal: use another --out, or --overwrite")


def _is_of(path: Path, journal: str) -> bool:
    """Whether a file holds nothing but result lines of this journal, so that a run writes all of them again."""
    from lipsync_async.journal import open_reader

    try:
        with open_reader(journal) as reader, path.open("rb") as source:
            return all(told is not None and _is_kept(told, reader) for told in _told_in(path, source))
    except (JournalError, UnicodeDecodeError, csv.Error):
        return False


def _told_in(path: Path, source: BinaryIO) -> Iterator[dict[str, object] | None]:
    """Every result of a file; None for what is none."""
    if not is_table(path.name):
        yield from map(_result, iter(lambda: source.readline(_LONGEST_LINE), b""))
        return
    with TextIOWrapper(source, encoding="utf-8-sig", newline="") as text:
        table = csv.DictReader(text)
        yield {} if set(table.fieldnames or ()) >= _NAMES else None
        # A row with too few cells is the last one, which a crash cut off; one with too many is another file's.
        for row in table:
            yield None if None in row else {} if None in row.values() else dict(row)


def _result(line: bytes) -> dict[str, object] | None:
    """A result line's values; of the last one, which a crash may have cut, what is left."""
    try:
        values = json.loads(line)
    except ValueError:
        cut = not line.endswith(b"\n") and len(line) < _LONGEST_LINE and line.startswith(b'{"external_task_id":')
        return {} if cut else None
    return values if isinstance(values, dict) and values.keys() >= _NAMES else None


def _is_kept(told: dict[str, object], reader: object) -> bool:
    """What was paid, or may have been, must stand in the journal; of the rest nothing is lost."""
    if told.get("outcome") not in _PAID:
        return True
    name = told.get("external_task_id")
    record = reader.recall(name) if isinstance(name, str) else None  # type: ignore[attr-defined]
    if record is None:
        return False
    # The task of a job that was submitted again is that of another id.
    return told["outcome"] not in {"accepted", "running", "lost"} or record.task_id == told.get("task_id")
