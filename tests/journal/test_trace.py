"""The side file: what it says survives, and what it cannot say counts as a journal that was made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.journal.trace import Trace, parse, read_trace, write

ID = "0123456789abcdef" * 2


@given(st.text(max_size=300), st.integers(0, 1 << 62), st.none() | st.tuples(st.integers(0, 1 << 40), st.integers(0)))
def test_a_trace_is_read_as_it_was_written(holder: str, rows: int, closed: tuple[int, int] | None) -> None:
    """Whatever the holder's name; a shorter text leaves nothing of a longer one behind."""
    if closed is not None and closed[1] > 1 << 62:
        closed = None
    descriptor = os.memfd_create("side") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
    try:
        for trace in (Trace(True, ID, rows, closed), Trace(), Trace(True, ID, rows, closed)):
            write(descriptor, holder.replace("\n", ""), trace)
            size = os.fstat(descriptor).st_size
            os.lseek(descriptor, 0, os.SEEK_SET)
            assert parse(os.read(descriptor, 999))[1] == trace
            assert size == 256
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("content", "made"),
    [
        (b"", False),
        (b"\n", False),
        (b"pid 1 on host\nno journal yet   \n", False),
        (b"pid 1 on host\n", True),  # as version 0.1.0 wrote it
        (b"pid 1 on host\njournal 12", True),
        (b"\xff\x00", True),
    ],
)
def test_in_doubt_a_journal_was_made(content: bytes, made: bool) -> None:
    """Only an empty side file, and one that says so, stands for no journal."""
    assert parse(content)[1] == Trace(made=made)


def test_the_holder_is_the_first_line() -> None:
    """Without the blanks that fill it up."""
    assert parse(b"pid 7 on host     \njournal " + ID.encode() + b", rows 3")[0] == "pid 7 on host"


def test_no_side_file_is_no_trace(tmp_path: Path) -> None:
    """A journal whose side file is gone has left none."""
    assert read_trace(str(tmp_path / "run.db")) == Trace()
