"""`report`: a batch on one page, or in a few lines, out of its journal; also while a run is writing it."""

from __future__ import annotations

import argparse
import codecs
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from lipsync_async.journal import open_reader, without_password
from lipsync_async.report.advice import advise
from lipsync_async.report.facts import WORDS, Facts
from lipsync_async.report.gathering import gather
from lipsync_async.report.levels import in_words
from lipsync_async.report.page import MARK, headline, render
from lipsync_async.report.table import Link
from lipsync_async.report.texts import number, seconds, size, told

from .printing import give_up, printable, say
from .results import close_out
from .tally import ACCEPTED, NOT_SENT, cost_of
from .target import begin, open_out

_SHOWN = 8


def run(args: argparse.Namespace) -> int:
    """Writes the page, or says in short what it would tell; gives the exit code.

    Raises `LipSyncError` where there is no journal, or where the page may not be written.
    """
    name = without_password(args.journal)
    if args.html is None:
        with open_reader(args.journal) as reader:
            facts = gather(reader)
        print(printable("\n".join(_summary(facts, name))))
        return ACCEPTED
    with open_reader(args.journal) as reader:
        over = args.overwrite or _is_report(args.html)
        out = open_out(args.html, overwrite=over, journal=args.journal, option="--html")
        facts = gather(reader)
    made = datetime.now(UTC).astimezone()
    page = render(facts, name, advise(facts, name), made, _links_from(args.html))
    error = _write(page, out)
    if error is not None:
        give_up(out)
        say(f"lipsync-async: the page could not be written: {error.strerror or error}")
        return NOT_SENT
    say(f"{args.html}: {headline(facts)} ({size(len(page.encode()))})")
    return ACCEPTED


def _write(page: str, out: TextIO) -> OSError | None:
    """Gives what went wrong."""
    failed: OSError | None = None
    if codecs.lookup(getattr(out, "encoding", None) or "utf-8").name != "utf-8":
        page = page.encode("ascii", "xmlcharrefreplace").decode()  # script and style are ASCII
    try:
        begin(out).write(page)
    except OSError as error:
        failed = error
    return close_out(out) or failed


def _is_report(name: str) -> bool:
    """Whether there is a report under that name, which the new one may take the place of."""
    try:
        with Path(name).open("rb") as file:
            return file.read(len(MARK)) == MARK.encode()
    except (OSError, ValueError):
        return False


def _links_from(page: str) -> Link:
    """How videos are linked to from a page of that name: by a relative link where they lie below it."""
    folder = Path.cwd() if page == "-" else Path(page).absolute().parent

    def link(path: str) -> str | None:
        try:
            place = Path(path)
            if "://" in path or not place.is_absolute() or not place.is_file():
                return None
            if place.is_relative_to(folder):
                return f"./{quote(place.relative_to(folder).as_posix())}"
            return place.as_uri()
        except (OSError, ValueError):
            return None

    return link


def _summary(facts: Facts, journal: str) -> Iterator[str]:
    yield f"{journal}: {headline(facts)}; gateway {facts.gateway}, account {facts.account}"
    for name, word in WORDS.items():
        if facts.counts[name]:
            yield f"  {number(facts.counts[name])} {word.label}: {word.meaning}"
    if cost := cost_of(facts.money):
        yield cost
    yield from _of_the_gateway(facts)
    reasons = facts.reasons()
    for reason, count, rows in reasons[:_SHOWN]:
        message = rows[0].message if rows else reason.message
        why = ": ".join(filter(None, (told(reason.kind, 60), told(message, 120))))
        yield f"why: {number(count)} {WORDS[reason.came_out].label}{f': {why}' if why else ''}"
    if len(reasons) > _SHOWN:
        yield f"why: {len(reasons) - _SHOWN} more reasons: --html shows them"
    for one in advise(facts, journal):
        yield f"next: {one.text}"
        if one.command:
            yield f"  {one.command}"


def _of_the_gateway(facts: Facts) -> Iterator[str]:
    """What was found out about it."""
    learned = facts.learned
    if learned.half is not None and learned.nine_of_ten is not None:
        yield f"tasks: half end within {seconds(learned.half)}, nine of ten within {seconds(learned.nine_of_ten)}"
    if words := in_words(facts.paces):
        yield f"limits: {words}"
    if facts.tries:
        kinds = ", ".join(f"{number(count)} {told(kind, 60)}" for kind, count in facts.tries.most_common(_SHOWN))
        yield f"requests that made no task: {kinds}"
