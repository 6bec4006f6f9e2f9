"""The table of jobs: groups of rows within a number of rows and of bytes, whatever the texts hold. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from html import escape
from itertools import accumulate
from typing import NamedTuple

import msgspec

from .facts import KINDS, WORDS, Facts
from .picking import ROWS, Reason, Row, shares, spread
from .texts import believable, clock, html, number

ROOM = 230_000
"""Bytes of all rows."""
OTHERS = 400
"""Rows that failures leave to the jobs that did not fail."""
HEADINGS = ("Job", "Line", "Task", "Tries", "Waits", "Took, s", "Units", "Sent", "Video")
_LONGEST_ID = 120
LONGEST_LINK = 1_000
"""Characters of the path, or of the URL, of a video that is linked to."""

Link = Callable[[str], str | None]
"""The URL of a video's file for the page; None where there is no file to link to."""


class Group(NamedTuple):
    """Rows below one heading."""

    came_out: str
    heading: str
    """As HTML."""
    jobs: int
    """How many it stands for, shown or not."""
    rows: list[Row]


class Table(NamedTuple):
    """A table, and how many jobs are in it."""

    html: str
    shown: int
    came_out: tuple[str, ...]
    """Of its groups, each once."""


def groups(facts: Facts) -> list[Group]:
    """All that failed by reason, what is not seen to end, the slowest, and some of the rest; at most `ROWS` rows."""
    failed = facts.reasons()
    rest = facts.unfinished.seen + facts.good.seen
    kept = shares([len(rows) for _, _, rows in failed], ROWS - min(OTHERS, rest))
    found = [_failed(reason, count, rows[:most]) for (reason, count, rows), most in zip(failed, kept, strict=True)]
    room = ROWS - sum(kept)
    slowest = facts.slowest.rows if rest > room else []  # where all are shown they are found by sorting
    unfinished, good = shares([len(facts.unfinished.rows), len(facts.good.rows)], room - len(slowest))
    if facts.unfinished.seen:
        name = "running" if facts.waited else "accepted"
        found.append(_others(name, facts.unfinished.seen, spread(facts.unfinished.rows, unfinished)))
    if slowest:
        found.append(Group("succeeded", "<b>The slowest</b> of those that succeeded", len(slowest), slowest))
    among = {row.name for row in slowest}
    if facts.good.seen > len(slowest):
        rows = [row for row in spread(facts.good.rows, good) if row.name not in among]
        found.append(_others("succeeded", facts.good.seen - len(slowest), rows))
    return found


def render(found: list[Group], zone: tzinfo, link: Link) -> Table:
    """The groups as a table of at most `ROOM` bytes, but for its headings; large groups leave room for the small."""
    lines = [[_row(row, zone, link) for row in group.rows] for group in found]
    sizes = [sum(len(line.encode()) for line in some) for some in lines]
    lines = [_fitting(some, room) for some, room in zip(lines, shares(sizes, ROOM), strict=True)]
    bodies = "".join(_body(group, some) for group, some in zip(found, lines, strict=True))
    heads = "".join(f'<th scope="col">{name}' for name in HEADINGS)
    names = tuple(dict.fromkeys(group.came_out for group in found))
    table = f'<table id="jobs">\n<thead><tr>{heads}</thead>\n{bodies}</table>'
    return Table(table, sum(map(len, lines)), names)


def _body(group: Group, lines: list[str]) -> str:
    some = f"{number(len(lines))} of " if len(lines) < group.jobs else ""
    text = f"{group.heading} <span>{some}{number(group.jobs)}</span>"
    head = f'<tr><th colspan="{len(HEADINGS)}" scope="rowgroup" class="{WORDS[group.came_out].colour}">{text}'
    return f'<tbody data-came-out="{group.came_out}">\n{head}\n{"".join(lines)}</tbody>\n'


def _fitting(lines: list[str], room: int) -> list[str]:
    ends = accumulate(len(line.encode()) for line in lines)
    return [line for line, end in zip(lines, ends, strict=True) if end <= room]


def _failed(reason: Reason, count: int, rows: list[Row]) -> Group:
    """Their message stands in the heading alone, where it is the same for all that are shown."""
    messages = {row.message for row in rows}
    if len(messages) == 1:
        reason = reason._replace(message=messages.pop())
        rows = [msgspec.structs.replace(row, message="") for row in rows]
    return Group(reason.came_out, _heading(reason), count, rows)


def _others(name: str, count: int, rows: list[Row]) -> Group:
    word = WORDS[name]
    return Group(name, f"<b>{word.label.capitalize()}</b>: {word.meaning}", count, rows)


def _heading(reason: Reason) -> str:
    """Why these jobs came out so, as HTML."""
    word = WORDS[reason.came_out]
    meaning = f" ({KINDS[reason.kind]})" if reason.kind in KINDS else ""
    kind = f": {html(reason.kind.replace('_', ' '), 60)}{meaning}" if reason.kind else f": {word.meaning}"
    message = f" <q>{html(reason.message)}</q>" if reason.message else ""
    return f"<b>{word.label.capitalize()}</b>{kind}{message}"


def _row(row: Row, zone: tzinfo, link: Link) -> str:
    """A row; HTML lets the ends of its cells be left out, which is a third of its bytes."""
    at = believable(row.at)
    cells = (
        _job(row),
        "" if row.line is None else str(row.line),
        html(row.task_id or "", _LONGEST_ID),
        str(row.attempts or ""),
        str(row.refusals or ""),
        "" if row.seconds is None else f"{row.seconds:.0f}",
        html(row.units or "", 20),
        "" if at is None else clock(at, zone, "%m-%d %H:%M:%S"),
        _video(row.path, link),
    )
    return f"<tr><td>{'<td>'.join(cells)}\n"


def _job(row: Row) -> str:
    name = html(row.name, _LONGEST_ID)
    return f"{name}<small>{html(row.message)}</small>" if row.message else name


def _video(path: str, link: Link) -> str:
    if not path:
        return ""
    url = link(path) if len(path) <= LONGEST_LINK else None
    return "stored" if url is None else f'<a href="{escape(url)}">play</a>'
