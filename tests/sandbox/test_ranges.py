"""Range and If-Range."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.sandbox.ranges import Part, part_of

ETAG = '"abc"'


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-", Part(206, 0, 100, "bytes 0-99/100")),
        ("bytes=99-", Part(206, 99, 100, "bytes 99-99/100")),
        ("bytes=100-", Part(416, 0, 0, "bytes */100")),
        ("bytes=10-19", Part(206, 10, 20, "bytes 10-19/100")),
        ("bytes=10-10", Part(206, 10, 11, "bytes 10-10/100")),
        ("bytes=90-200", Part(206, 90, 100, "bytes 90-99/100")),
        ("bytes=-1", Part(206, 99, 100, "bytes 99-99/100")),
        ("bytes=-100", Part(206, 0, 100, "bytes 0-99/100")),
        ("bytes=-200", Part(206, 0, 100, "bytes 0-99/100")),
        ("bytes=-0", Part(416, 0, 0, "bytes */100")),
        ("BYTES=5-", Part(206, 5, 100, "bytes 5-99/100")),
    ],
)
def test_one_range(wanted: str, part: Part) -> None:
    """What RFC 9110 gives for it."""
    assert part_of(wanted, "", 100, ETAG) == part


@pytest.mark.parametrize(
    "wanted", ["", "bytes=-", "bytes=", "bytes=9-5", "bytes=0-1,5-6", "bytes=a-", "items=0-1", "0-5"]
)
def test_what_is_no_range_gives_all(wanted: str) -> None:
    """A header that is none, or asks for several parts, is not heard."""
    assert part_of(wanted, "", 100, ETAG) == Part(200, 0, 100)


@pytest.mark.parametrize(
    ("if_range", "status"),
    [("", 206), (ETAG, 206), ('"abd"', 200), (f"W/{ETAG}", 200), ("abc", 200), ("Sat, 28 Nov 2026 10:00:00 GMT", 200)],
)
def test_a_range_of_another_file_gives_all(if_range: str, status: int) -> None:
    """Only the same strong ETag goes on; it is no matter where the whole is asked for."""
    assert part_of("bytes=5-", if_range, 100, ETAG).status == status
    assert part_of("", if_range, 100, ETAG) == Part(200, 0, 100)


@given(st.text(max_size=30) | st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}", fullmatch=True), st.integers(1, 500))
def test_whatever_is_asked_a_part_lies_in_the_file(wanted: str, size: int) -> None:
    """And its header says where."""
    part = part_of(wanted, "", size, ETAG)
    assert 0 <= part.start <= part.end <= size
    if part.status == 206:
        assert part.content_range == f"bytes {part.start}-{part.end - 1}/{size}"
        assert part.end > part.start
    else:
        assert (part.status, part.end) in {(200, size), (416, 0)}
