"""Descriptors that SQLite does not know of are closed when no connection to their file is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lipsync_async.journal.files import close_when_unused, connected, disconnected, identity, size, stat


def is_open(descriptor: int) -> bool:
    """Whether the process still has it."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_a_descriptor_waits_for_the_last_connection(tmp_path: Path) -> None:
    """Closed before, it would drop the locks of both."""
    path = tmp_path / "run.db"
    path.write_text("x")
    descriptor = os.open(path, os.O_RDWR)
    connections = [connected(str(path)), connected(str(path))]
    close_when_unused(descriptor)
    for connection in connections:
        assert is_open(descriptor)
        assert connection == identity(path.stat())
        disconnected(connection)
    assert not is_open(descriptor)


def test_a_descriptor_nobody_needs_is_closed_at_once(tmp_path: Path) -> None:
    """No connection, no waiting; a second opening begins anew."""
    path = tmp_path / "run.db"
    path.write_text("x")
    for _ in range(2):
        descriptor = os.open(path, os.O_RDWR)
        close_when_unused(descriptor)
        assert not is_open(descriptor)


@pytest.mark.parametrize("name", ["none", "nu\0l"])
def test_what_is_not_there_has_no_size(tmp_path: Path, name: str) -> None:
    """Neither a missing file nor an impossible name raises."""
    path = f"{tmp_path}/{name}"
    assert (stat(path), size(path), connected(path)) == (None, 0, None)
