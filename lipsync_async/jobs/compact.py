"""What is remembered of a long list, in a few bytes a line."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping

from lipsync_async.wire.identity import hash64

_BUCKETS = 1024


class LinePairs(Mapping[int, int]):
    """Lines, each with another one, at 16 bytes; added in the order of the list, found by bisection."""

    def __init__(self) -> None:
        self._lines = array("q")
        self._others = array("q")

    def add(self, line: int, other: int) -> None:
        """One more, with a greater number than all before it."""
        self._lines.append(line)
        self._others.append(other)

    def __getitem__(self, line: int) -> int:
        place = bisect_left(self._lines, line)
        if place == len(self._lines) or self._lines[place] != line:
            raise KeyError(line)
        return self._others[place]

    def __iter__(self) -> Iterator[int]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __repr__(self) -> str:
        return f"<LinePairs {len(self)}>"


class Turned:
    """The lines that stand for one, by that one."""

    def __init__(self, pairs: Mapping[int, int]) -> None:
        by_other = sorted(pairs, key=pairs.__getitem__)
        self._others = array("q", (pairs[line] for line in by_other))
        self._lines = array("q", by_other)

    def of(self, other: int) -> Iterator[int]:
        """In the order of the list."""
        place = bisect_left(self._others, other)
        while place < len(self._others) and self._others[place] == other:
            yield self._lines[place]
            place += 1


class Firsts:
    """The first line of each id and its content's hash, at 24 bytes an id, packed as `SeenIds` is."""

    def __init__(self) -> None:
        self._buckets: dict[int, tuple[array[int], array[int], array[int]]] = {}

    def setdefault(self, name: str, line: int, content: int) -> tuple[int, int]:
        """The first line of that id and its content; these, where there was none."""
        number = hash64(name)
        keys, lines, contents = self._buckets.setdefault(number % _BUCKETS, (array("q"), array("q"), array("q")))
        place = bisect_left(keys, number)
        if place == len(keys) or keys[place] != number:
            keys.insert(place, number)
            lines.insert(place, line)
            contents.insert(place, content)
        return lines[place], contents[place]
