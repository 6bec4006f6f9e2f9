"""The boxes that an ISO base media file is made of."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from .info import unpack

_MAX_BOXES = 100_000


@frozen
class Box:
    """One box, without its header."""

    name: bytes
    start: int
    """Where its content starts; after the end of the file for a box that does not exist, so that it reads as zeros."""
    end: int
    whole: bool
    """Whether all of its content is there."""


def boxes_of(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes between two places; it ends at the first that cannot be one."""
    for _ in range(_MAX_BOXES):
        if start + 8 > min(end, len(data)):
            break
        length, name, header = unpack(data, start, 4), data[start + 4 : start + 8], 8
        if length == 1:
            length, header = unpack(data, start + 8, 8), 16
        stop = start + length if length else end  # 0: to the end of the file
        if stop < start + header:
            break
        yield Box(name, start + header, min(stop, end), stop <= end)
        start = stop


def children_of(data: bytes, box: Box, name: bytes) -> Iterator[Box]:
    """The boxes of a name inside of a box."""
    return (child for child in boxes_of(data, box.start, box.end) if child.name == name)


def find_box(data: bytes, box: Box, *path: bytes) -> Box:
    """The first box along a path of names; one that reads as zeros where there is none."""
    for name in path:
        box = next(children_of(data, box, name), Box(name, len(data), len(data), whole=False))
    return box
