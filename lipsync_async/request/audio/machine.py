"""Which failures to read a file are this machine's, and say nothing of the file."""

from __future__ import annotations

import errno

from .sources import AudioChanged

_MACHINE = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.ENOBUFS, errno.EAGAIN, errno.EINTR}
)


def is_machines_fault(error: BaseException) -> bool:
    """Whether this machine lacks descriptors or memory, or its disk fails: the same file may be read later.

    A file that changed after it was checked is no such failure, although it carries the number of a stale handle.
    """
    if isinstance(error, AudioChanged):
        return False
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _MACHINE)
