"""The faults of a list, for people: one line a cause, with the lines of the list that it is in. Pure."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from lipsync_async.jobs import LineFault

_NAMED = 3
"""Lines of a cause that are named, where it is in more than `_ALL`."""
_ALL = 5
"""Lines that are all named."""
_KEPT = 10_000
"""Causes that are kept in memory until they are told."""


@define
class _Cause:
    """A fault that any number of lines share."""

    first: LineFault
    count: int = 0
    lines: list[int] = field(factory=list)
    """The first `_ALL` of them."""

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.lines) < _ALL:
            self.lines.append(line)

    def __str__(self) -> str:
        if self.count == 1:
            return str(self.first)
        all_named = self.count <= _ALL
        named = ", ".join(map(str, self.lines if all_named else self.lines[:_NAMED]))
        return f"{self.count:,} lines ({named}{'' if all_named else ' ...'}): {self.first.told}"


class Causes:
    """Faults by what caused them: hears of every fault, and tells each of the first `most` causes once."""

    def __init__(self, most: int = _KEPT) -> None:
        self._causes: dict[tuple[str, str, str], _Cause] = {}
        self._most = most
        self.left = 0
        """Faults of causes for which there was no room."""

    def add(self, fault: LineFault) -> bool:
        """One more fault; False where it is of a new cause, and there is no room for it."""
        found = fault.violation
        key = (found.path, found.rule, found.message)
        if key not in self._causes and len(self._causes) >= self._most:
            self.left += 1
            return False
        self._causes.setdefault(key, _Cause(fault)).add(fault.line)
        return True

    def told(self) -> list[str]:
        """Each cause in the order of its first line: `300 lines (2, 3, 4 ...): session_id: is missing`."""
        return [str(cause) for cause in self._causes.values()]


class AllCauses:
    """The same for a list of any length: `tell` hears of all causes, in parts where they are very many."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._causes = Causes()

    def add(self, fault: LineFault) -> None:
        """One more fault."""
        if not self._causes.add(fault):
            self.end()
            self._causes.add(fault)

    def end(self) -> None:
        """Tells what was not told."""
        told, self._causes = self._causes.told(), Causes()
        for text in told:
            self._tell(text)
