"""A page as its reader has it: made of a journal, and taken apart again."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from lipsync_async.journal import Reader, Store, schema
from lipsync_async.report.advice import advise
from lipsync_async.report.gathering import gather
from lipsync_async.report.page import render
from tests.report.batches import GATEWAY

MADE = datetime(2026, 11, 22, 14, 3, 5, tzinfo=UTC)


def make_schema_2(patch: pytest.MonkeyPatch) -> None:
    """New journals are of schema 2 from now on, which has no entries."""
    migrations = schema.MIGRATIONS[:2]

    def create(connection: sqlite3.Connection) -> None:
        for migration in migrations:
            migration(connection)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")

    patch.setattr(schema, "MIGRATIONS", migrations)
    patch.setattr(schema, "create", create)


def nowhere(_: str) -> None:
    """No video is there."""


def page_of(reader: Reader, journal: str = "ep2.db", link: Callable[[str], str | None] = nowhere) -> str:
    """The page of a journal."""
    facts = gather(reader)
    return render(facts, journal, advise(facts, journal), MADE, link)


def in_memory() -> Store:
    """A journal that is nowhere."""
    return Store(":memory:", gateway=GATEWAY)


class Parsed(HTMLParser):
    """The tags, the attributes and the cells of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        """Tag, name, value."""
        self.rows: list[list[str]] = []
        """Of the table of jobs: the texts of the cells; of a heading there is one."""
        self.texts: dict[str, str] = {}
        """All that stands in `script` and in `style`."""
        self.commands: list[str] = []
        self._in_jobs, self._in_command, self._tag = False, False, ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: D102 - told by the base
        self.tags[tag] += 1
        self._tag = tag
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "code":
            self._in_command = True
            self.commands.append("")
        elif tag == "table":
            self._in_jobs = ("id", "jobs") in attrs
        elif self._in_jobs and tag == "tr":
            self.rows.append([])
        elif self._in_jobs and tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: D102 - told by the base
        self._tag = "" if tag == self._tag else self._tag
        self._in_jobs = self._in_jobs and tag != "table"
        self._in_command = self._in_command and tag != "code"

    def handle_data(self, data: str) -> None:  # noqa: D102 - told by the base
        if self._tag in {"script", "style"}:
            self.texts[self._tag] = self.texts.get(self._tag, "") + data
        elif self._in_command:
            self.commands[-1] += data
        elif self._in_jobs and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.rstrip("\n")

    @property
    def policy(self) -> str:
        """The Content-Security-Policy."""
        (found,) = [value for _, name, value in self.attributes if name == "content" and "default-src" in value]
        return found

    @property
    def jobs(self) -> list[str]:
        """The ids that are shown, in order."""
        return [row[0] for row in self.rows[1:] if len(row) > 1]

    @property
    def headings(self) -> list[str]:
        """Of the groups, in order."""
        return [row[0] for row in self.rows if len(row) == 1]
