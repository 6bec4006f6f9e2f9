"""Who may write a journal: one process at a time, told by an operating-system lock that dies with its holder."""

from __future__ import annotations

import os
import socket
import sys
from weakref import WeakSet

from lipsync_async.errors import JournalError

from .trouble import explain_os

if sys.platform == "win32":  # pragma: no cover - the suite runs on POSIX
    import msvcrt

    def _lock(descriptor: int) -> None:
        # Locked far behind the text, for Windows locks are mandatory and the text must stay readable.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Claim:
    """The exclusive right to write the journal at `path`; raises `JournalError` where somebody else has it.

    The lock lies on a side file, `<path>.lock`, which stays there and does not matter once the lock is gone.
    `path=None` claims nothing.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.held: bool = True
        self._descriptor: int | None = None
        if path is not None:
            # Over NFS a lock is dropped when the process closes any descriptor of the file: ask ourselves first.
            if any(other.path == path for other in _claims if other.held):
                raise _taken(path, "this very process")
            self._descriptor = _acquire(path)
            _claims.add(self)

    def release(self) -> None:
        """Give the right back; again does nothing."""
        self.held = False
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


# A lock is shared with forked children and would outlive its holder in them.
_claims: WeakSet[Claim] = WeakSet()


def _release_all() -> None:
    for claim in list(_claims):
        claim.release()


if hasattr(os, "register_at_fork"):  # pragma: no branch - POSIX
    os.register_at_fork(after_in_child=_release_all)


def _acquire(path: str) -> int:
    # Not on the journal itself: SQLite has POSIX locks there, and closing any descriptor of that file drops them.
    # Never removed: a third process could lock a new side file beside a second that has opened the old one.
    side = f"{path}.lock"
    try:
        descriptor = os.open(side, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    except OSError as error:
        raise explain_os(error, side) from error
    try:
        _lock(descriptor)
    except OSError as error:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() if hasattr(os, "pread") else ""
        os.close(descriptor)
        raise _taken(path, holder or "another process") from error
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"pid {os.getpid()} on {socket.gethostname()}\n".encode())
    except OSError as error:
        os.close(descriptor)
        raise explain_os(error, side) from error
    return descriptor


def _taken(path: str, holder: str) -> JournalError:
    return JournalError(
        f"the journal {path} is in use by {holder}: wait until that run has ended, stop it, or use another journal file"
    )
