"""Who may write a journal: one process at a time, told by operating-system locks that die with their holder.

There are two: on the side file `<path>.lock`, for all systems; and, on Linux, on the journal's own inode, so that two
names of one file (hard links, bind mounts) are one journal.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from contextlib import suppress
from weakref import WeakSet

from . import trace
from .files import File, close_when_unused, identity, size, stat
from .trace import Trace
from .trouble import displaced, explain_os, missing, taken

if sys.platform == "win32":  # pragma: no cover - the suite runs on POSIX
    import msvcrt

    def _lock(descriptor: int, *, shared: bool = False) -> None:  # noqa: ARG001 - there is no shared one
        # Locked far behind the text, for Windows locks are mandatory and the text must stay readable.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None: ...

else:
    import fcntl

    def _lock(descriptor: int, *, shared: bool = False) -> None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
# Elsewhere, and over NFS, flock and the POSIX locks that SQLite takes on the same file get in each other's way.
_INODE_LOCKS = sys.platform == "linux"


_DELETED, _REPLACED, _EMPTIED = "deleted or moved away", "replaced by another file", "emptied"
_UNLOCKED = "deprived of its lock, the side file .lock,"


class Claim:
    """The exclusive right to write the journal at `path`; raises `JournalError` where somebody else has it.

    Refuses a journal that is gone or empty although its side file says that it was made.
    The side file stays there and does not matter once the lock is gone. `path=None` claims nothing.
    """

    def __init__(self, path: str | None, *, network: bool = False) -> None:
        self.path = path
        self.held = True
        self.trace = Trace()
        """What the side file says of the journal; `remember` changes it."""
        self.changed = False
        """The journal is not as it was when it was last closed in good order."""
        self.lost = ""
        """What happened to the files while they were in use."""
        self._side: int | None = None
        self._inode: int | None = None
        self._main: File | None = None
        if path is None:
            return
        _refuse_our_own(path)
        self._holder = f"pid {os.getpid()} on {socket.gethostname()}"
        self._side_path = f"{path}.lock"
        self._side = self._acquire_side(path)
        try:
            self._look(path)
            if _INODE_LOCKS and not network:
                self._inode = _acquire_inode(path)
        except BaseException:
            self.release()
            raise
        self._side_identity = identity(os.fstat(self._side))
        _claims.add(self)

    def settle(self) -> None:
        """Take the file that is there now, made or opened by SQLite, for the journal. Raises `JournalError`."""
        if self.path is not None:
            now = stat(self.path) if self._inode is None else os.fstat(self._inode)
            self._main = now and identity(now)
            self.check()

    def remember(self, journal_id: str, rows: int) -> None:
        """Write down that the journal of this id was made here, and that this many rows are durable."""
        if self._side is not None:
            self.trace = Trace(made=True, journal_id=journal_id, rows=rows)
            self._write()

    def check(self) -> None:
        """Raise `JournalError` where the journal or its side file is no longer the one that was opened; for good."""
        if self.path is None:
            return
        self.lost = self.lost or self._what_happened(self.path)
        if self.lost:
            raise displaced(self.path, self.lost)

    @property
    def is_moved(self) -> bool:
        """Lost, but as a whole: nobody else writes to the file that is open, or to its -wal file."""
        return self.lost in {_DELETED, _REPLACED}

    def _what_happened(self, path: str) -> str:
        now, side = stat(path), stat(self._side_path)
        if side is None or identity(side) != self._side_identity:
            return _UNLOCKED
        if now is None:
            return _DELETED
        if identity(now) != self._main:
            return _REPLACED
        return "" if now.st_size else _EMPTIED

    def release(self, *, clean: bool = False) -> None:
        """Give the right back; again does nothing. `clean`: the journal is closed, and all of it is in its file."""
        self.held = False
        side, self._side = self._side, None
        inode, self._inode = self._inode, None
        if side is not None:
            now = stat(self.path or "")
            if clean and not self.lost and now is not None and identity(now) == self._main:
                with suppress(OSError):  # the next opening looks the file through, and that is all
                    trace.write(side, self._holder, self.trace._replace(closed=(now.st_size, now.st_mtime_ns)))
            os.close(side)
        if inode is not None:
            _unlock(inode)
            close_when_unused(inode)

    def abandon(self) -> None:
        """In a forked child: let go of what the parent still holds, without unlocking it."""
        self.held = False
        for descriptor in (self._side, self._inode):
            if descriptor is not None:
                os.close(descriptor)
        self._side = self._inode = None

    def _acquire_side(self, path: str) -> int:
        # Never removed: a third process could lock a new side file beside a second that has opened the old one.
        try:
            descriptor = os.open(self._side_path, _FLAGS, 0o644)
        except OSError as error:
            # All but a folder in its place is about the directory, so the name that the user gave is told.
            told = self._side_path if error.errno == errno.EISDIR else path
            raise explain_os(error, told) from error
        holder, self.trace = trace.parse(os.read(descriptor, 1024))
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise taken(path, holder or "another process") from error
        return descriptor

    def _look(self, path: str) -> None:
        now = stat(path)
        if now is None or not now.st_size:
            if self.trace.made or size(f"{path}-wal"):
                raise missing(path, "gone" if now is None else "empty")
        else:
            self.changed = self.trace.closed != (now.st_size, now.st_mtime_ns)
        self._write()

    def _write(self) -> None:
        assert self._side is not None
        try:
            trace.write(self._side, self._holder, self.trace._replace(closed=None))
        except OSError as error:
            raise explain_os(error, self._side_path) from error


def holder_of(path: str) -> str:
    """Who has the journal at `path` open for writing at this moment, in words; "" where nobody has.

    It takes the lock for some microseconds, shared: a run that begins in just those is told that it is taken.
    """
    if any(claim.held and claim.path == path for claim in _claims):
        return f"pid {os.getpid()}, this very process"
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return ""
    try:
        _lock(descriptor, shared=True)
    except OSError:
        return trace.parse(os.read(descriptor, 1024))[0] or "another process"
    else:
        _unlock(descriptor)
        return ""
    finally:
        os.close(descriptor)


# A lock is shared with forked children and would outlive its holder in them.
_claims: WeakSet[Claim] = WeakSet()


def _abandon_all() -> None:
    for claim in list(_claims):
        claim.abandon()


if hasattr(os, "register_at_fork"):  # pragma: no branch - POSIX
    os.register_at_fork(after_in_child=_abandon_all)


def _refuse_our_own(path: str) -> None:
    # Over NFS a lock is dropped when the process closes any descriptor of the file: ask ourselves before opening one.
    now = stat(path)
    here = now and identity(now)
    for other in list(_claims):
        if other.held and (other.path == path or (here is not None and other._main == here)):  # noqa: SLF001
            raise taken(path, "this very process")


def _acquire_inode(path: str) -> int:
    # Opened before SQLite opens the file and closed after it: closing a descriptor drops the POSIX locks of a process.
    try:
        descriptor = os.open(path, _FLAGS, 0o644)
    except OSError as error:
        raise explain_os(error, path) from error
    try:
        _lock(descriptor)
    except OSError as error:
        close_when_unused(descriptor)
        raise taken(path, "another process, under another name of the file") from error
    return descriptor
