"""Network disks are known by the table of mounts."""

from __future__ import annotations

from pathlib import Path

from lipsync_async.journal.disks import is_network


def test_mounts_tell_network_disks(tmp_path: Path) -> None:
    """The longest mount point decides; a path without one, or a system without a table, counts as local."""
    table = tmp_path / "mounts"
    table.write_text(
        "/dev/sda / ext4 rw 0 0\nsrv:/x /net nfs4 rw 0 0\n//srv/y /my\\040share cifs rw 0 0\n"
        "tmpfs /net/fast tmpfs rw 0 0\nme@srv: /ssh fuse.sshfs rw 0 0\nz /z fuse.mergerfs rw 0 0\nbroken\n"
    )
    network = {"/net/run.db", "/my share/run.db", "/ssh/a/run.db"}
    local = {"/run.db", "/network/run.db", "/net/fast/run.db", "/z/run.db", "relative"}
    assert {path for path in network | local if is_network(path, str(table))} == network
    assert not is_network("/net/run.db", str(tmp_path / "none"))
