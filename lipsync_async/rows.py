"""Results as rows: what both kinds of a batch's results can do as a whole, and a row as a line of CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TextIO, TypeVar

import msgspec

from .errors import ConfigurationError

_FORMULA = re.compile(r"[=+\-@\t\r]")
"""What a cell begins with that a spreadsheet takes for a formula."""
_HARMLESS = re.compile(r"[A-Za-z0-9_.\-]*")
"""Cells of such characters alone call nothing: ids, and numbers below 0."""


class Row(Protocol):
    """An outcome or an ending."""

    @property
    def name(self) -> str:
        """Which it is: `accepted`, `succeeded` ..."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """As a result line."""
        ...


T = TypeVar("T", bound=Row)


class Rows(Mapping[str, T], Generic[T]):
    """A mapping by `external_task_id` whose values are rows of a table."""

    names: ClassVar[frozenset[str]] = frozenset()
    """What `where` may be asked for."""
    columns: ClassVar[tuple[str, ...]] = ()

    def _only(self, kept: dict[str, T]) -> Self:
        raise NotImplementedError

    def where(
        self,
        name: str | Collection[str] | None = None,
        *,
        kind: str | Collection[str] | None = None,
        test: Callable[[T], bool] | None = None,
    ) -> Self:
        """Returns those that fit all that is given, in the same order; what it returns can do the same as the whole.

        `name`: how they ended, such as `"rejected"`, or several such names.
        `kind`: why, such as `"content_policy"`, or several; the kind of a video that was not fetched counts as well.
        `test`: called with each; those for which it is true are kept.
        Raises `ConfigurationError` for a name that no result of this sort has.
        """
        names, kinds = _several(name), _several(kind)
        if names is not None and not names <= self.names:
            wrong = ", ".join(sorted(map(repr, names - self.names)))
            raise ConfigurationError(f"no result is called {wrong}: there are {', '.join(sorted(self.names))}")
        return self._only(
            {
                key: row
                for key, row in self.items()
                if (names is None or row.name in names)
                and (kinds is None or row.to_dict()["kind"] in kinds)
                and (test is None or test(row))
            }
        )

    def to_dicts(self) -> list[dict[str, Any]]:
        """Returns one flat dict per job, with the names of the result lines: `pandas.DataFrame(result.to_dicts())`."""
        return [row.to_dict() for row in self.values()]

    def write_jsonl(self, target: str | PathLike[str] | TextIO) -> None:
        """Writes one result line per job, as JSON, to a path or an open text file.

        Raises `OSError` if it cannot be written.
        """
        _write(target, map(json_line, self.values()), "utf-8")

    def write_csv(self, target: str | PathLike[str] | TextIO) -> None:
        """Writes a table with a header and one row per job, with the names of the result lines as its columns.

        To a path (UTF-8 with a mark, as spreadsheets want it) or an open text file.
        No cell is a formula: before one that would be there stands an apostrophe.
        Give long ids to a spreadsheet as text, for as numbers it rounds them.
        Raises `OSError` if it cannot be written.
        """
        _write(target, csv_lines(self.columns, self.to_dicts()), "utf-8-sig")


def json_line(row: Row) -> str:
    """Returns a row as a result line in JSON, with its line feed."""
    return msgspec.json.encode(row.to_dict()).decode() + "\n"


def csv_lines(columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The header, then one line a row."""
    yield csv_line(columns)
    for row in rows:
        yield csv_line(row[name] for name in columns)


def csv_line(values: Iterable[Any]) -> str:
    """One line of a table, its line feed included: a cell holds no other line feed, and no formula."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(map(_cell, values))
    return line.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = " ".join(value.splitlines())
    return f"'{text}" if _FORMULA.match(text) and not _HARMLESS.fullmatch(text) else text


def _several(given: str | Collection[str] | None) -> frozenset[str] | None:
    if given is None:
        return None
    return frozenset([given]) if isinstance(given, str) else frozenset(given)


def _write(target: str | PathLike[str] | TextIO, lines: Iterable[str], encoding: str) -> None:
    if isinstance(target, (str, PathLike)):
        with Path(target).open("w", encoding=encoding, newline="\n") as file:
            file.writelines(lines)
    else:
        target.writelines(lines)
