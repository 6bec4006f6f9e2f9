"""Is a path on a network file system? WAL needs memory that all its users share, which those cannot give."""

from __future__ import annotations

import os
import re
from pathlib import Path

_MOUNTS = "/proc/self/mounts"
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|ceph|lustre|glusterfs|ncpfs|ocfs2|gfs2|davfs|vboxsf|prl_fs|virtiofs"
    r"|fuse\.(?!(fuseblk|ext\w*|ntfs.*|exfat|overlay.*|fuse-overlayfs|gocryptfs|encfs|cryfs|mergerfs|bindfs)$).+"
)


def is_network(path: str, mounts: str = _MOUNTS) -> bool:
    """Whether `path` is on a network file system; what cannot be found out counts as local."""
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    where, kind = "", ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) > 2 and len(point := _unescaped(fields[1])) >= len(where) and _holds(point, path):
            where, kind = point, fields[2]
    return _NETWORK.fullmatch(kind) is not None


def _holds(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip(os.sep) + os.sep)


def _unescaped(text: str) -> str:
    # The kernel writes blanks, tabs, newlines and backslashes in octal.
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
