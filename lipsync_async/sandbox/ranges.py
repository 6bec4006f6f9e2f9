"""Which part of a file a request gets (RFC 9110, sections 13 and 14); one range only, as most file hosts do."""

from __future__ import annotations

import re

import attrs

_ONE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII | re.IGNORECASE)


@attrs.frozen
class Part:
    """The status to answer, and the bytes from `start` up to `end`."""

    status: int
    start: int
    end: int
    content_range: str = ""
    """The header; empty where there is none."""


def part_of(wanted: str, if_range: str, size: int, etag: str) -> Part:
    """Read Range and If-Range against a file; a range that is none, or is for another file, gives the whole one."""
    whole = Part(200, 0, size)
    found = _ONE_RANGE.fullmatch(wanted.strip())
    if found is None or not any(found.groups()) or (if_range and if_range.strip() != etag):
        return whole
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < int(first):
            return whole
    if start >= size:
        return Part(416, 0, 0, f"bytes */{size}")
    return Part(206, start, end, f"bytes {start}-{end - 1}/{size}")
