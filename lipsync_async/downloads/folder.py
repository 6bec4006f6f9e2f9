"""Videos in a folder: a file has its name when it is whole and on the disk, and not a moment before.

What comes is written to a temporary file beside it, with a random name that tells whose it is.
It is written in a thread, a block at a time, so that no disk holds up the event loop.
A file that is there already is never overwritten: the same bytes are as good as ours, other bytes are somebody's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import filecmp
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

from .names import left_over_of, mark_of, temporary_name

T = TypeVar("T")

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_CREATE |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_open_now: set[Path] = set()
"""Temporary files that this process writes at: another folder of the same owner does not sweep them away."""


class Folder:
    """A folder that videos are put into; `owner` says whose they are, such as a journal by its id.

    It is made when the first video comes.
    """

    def __init__(self, path: str | os.PathLike[str], *, owner: str | None = None) -> None:
        """Without an owner nobody knows its left-overs after a crash, and nothing is swept."""
        self.path = Path(path).absolute()
        self._mark = mark_of(owner) if owner is not None else None

    def __repr__(self) -> str:
        return f"<Folder {self.path}>"

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str:
        """Keeps what comes as a file of this name, and returns its path; whatever is raised, nothing is left.

        Raises OSError where it cannot be kept (FileExistsError for another file of that name), and what `chunks` does.
        """
        if name in {"", ".", ".."} or {"/", "\\", os.sep} & set(name):
            raise ValueError("a name in a folder is no path")
        writer = _Writer(self.path, name, self._mark or token_hex(4))
        try:
            await in_thread(writer.open)
            async for chunk in chunks:
                await in_thread(lambda block=chunk: writer.write(block))  # type: ignore[misc]
            await in_thread(writer.finish)
        finally:
            await in_thread(writer.close)
        return str(self.path / name)

    async def sweep(self) -> int:
        """Removes what a crash of this owner left, and returns how many files that were."""
        mark = self._mark
        return await in_thread(lambda: _sweep(self.path, mark)) if mark is not None else 0

    async def free_space(self) -> int:
        """Bytes that are free where the folder is, or will be."""
        return await in_thread(lambda: free_space(self.path))


def free_space(folder: str | os.PathLike[str]) -> int:
    """Bytes that are free in a folder, or in the nearest one above it that is there.

    Raises OSError where that cannot be found out.
    """
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


async def in_thread(work: Callable[[], T]) -> T:
    """Does the work in a thread, and does not leave before it is done, cancelled or not."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError as error:
            if future.cancelled():
                raise
            cancelled = error
        except BaseException:  # noqa: BLE001, S110 - it is raised below
            pass
    if cancelled is not None:
        future.exception()  # so that nobody complains that it was never asked for
        raise cancelled
    return future.result()


def _sweep(folder: Path, mark: str) -> int:
    found = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            if left_over_of(mark, entry.name) and entry.is_file(follow_symlinks=False) and path not in _open_now:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                    found += 1
    return found


class _Writer:
    """One temporary file, on its way into place; all of it runs in threads."""

    def __init__(self, folder: Path, name: str, mark: str) -> None:
        self._final = folder / name
        self._temporary = folder / temporary_name(name, mark, token_hex(4))
        self._file = -1
        self._made = False

    def open(self) -> None:
        self._final.parent.mkdir(parents=True, exist_ok=True)
        _open_now.add(self._temporary)
        self._file = os.open(self._temporary, _CREATE, 0o666)
        self._made = True

    def write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[os.write(self._file, view) :]

    def finish(self) -> None:
        """On the disk, and then into place."""
        os.fsync(self._file)
        self._shut()  # on Windows an open file is not moved
        try:
            move_into_place(self._temporary, self._final)
        except FileExistsError:
            if not _is_same(self._temporary, self._final):
                text = "another file has that name already; move it away, then download again"
                raise FileExistsError(errno.EEXIST, text, str(self._final)) from None
        self._remove()
        _sync_folder(self._final.parent)

    def close(self) -> None:
        """Nothing of the temporary file is left."""
        self._shut()
        self._remove()
        _open_now.discard(self._temporary)

    def _shut(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    def _remove(self) -> None:
        if self._made:
            with contextlib.suppress(OSError):
                self._temporary.unlink()


def move_into_place(temporary: Path, final: Path) -> None:
    """Gives a file its name in one step; raises FileExistsError where the name is taken, whatever by."""
    try:
        os.link(temporary, final)  # unlike a rename, this never takes the place of another file
    except FileExistsError:
        raise
    except (OSError, AttributeError, NotImplementedError):  # FAT, some network file systems, Android
        if os.path.lexists(final):
            raise FileExistsError(errno.EEXIST, "the name is taken", str(final)) from None
        temporary.rename(final)


def _is_same(ours: Path, theirs: Path) -> bool:
    """An earlier run may have moved the very same video into place, and died before it could say so."""
    return stat.S_ISREG(theirs.lstat().st_mode) and filecmp.cmp(ours, theirs, shallow=False)


def _sync_folder(folder: Path) -> None:
    """The name itself is on the disk as well, where the system can do that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
