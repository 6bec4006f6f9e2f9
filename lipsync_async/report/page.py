"""The page: HTML that needs nothing but itself, and runs nothing but its own script. Pure but for its two parts' files.

What came of it stands first, then the money, what to do next, the time, and the jobs.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path

from . import charts, table
from .advice import Advice, export_command
from .facts import KINDS, WORDS, Facts
from .levels import Paces, in_words
from .table import Link
from .texts import html, number, seconds, size, visible

MARK = "<!doctype html>\n<!-- lipsync-async report -->\n"
"""How every report begins: one may be written over by the next."""
LARGEST = 500_000
"""Bytes; a page stays far below it, whatever the journal holds."""
VIDEOS = 12
"""Videos that are shown above the table."""


def render(facts: Facts, journal: str, advice: Sequence[Advice], made: datetime, link: Link) -> str:
    """The page, in at most `LARGEST` bytes of UTF-8.

    `journal` is its path as it is to be typed; `made` has the time zone that all times are told in.
    """
    parts = (
        *_head(facts, journal),
        *_first(facts, journal, made),
        *_money(facts),
        *_next(facts, advice),
        *_time(facts, made),
        *_videos(facts, link),
        *_jobs(facts, journal, made, link),
        _PLAYER,
        f"<script>{script()}</script>\n</html>\n",
    )
    return "".join(parts)


def policy() -> str:
    """The page's Content-Security-Policy: this style, this script and local videos, and nothing else."""
    return (
        f"default-src 'none'; style-src '{_hash(style())}'; script-src '{_hash(script())}'; img-src data:; "
        "media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )


@cache
def script() -> str:
    """The page's script, as it stands between its tags."""
    return Path(__file__).with_name("page.js").read_text(encoding="utf-8")


@cache
def style() -> str:
    """The page's style sheet, as it stands between its tags."""
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


_PLAYER = (
    '<dialog id="player"><form method="dialog"><b></b><button>Close</button></form>'
    '<video controls preload="none"></video></dialog>\n'
)


def _head(facts: Facts, journal: str) -> Iterator[str]:
    yield f'{MARK}<html lang="en">\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy()}">\n'
    yield '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
    yield f"<title>{headline(facts)}: {html(journal, 100)}</title>\n<style>{style()}</style>\n"


def headline(facts: Facts) -> str:
    """What came of it, in a few words."""
    if not facts.jobs:
        return "No job was begun"
    what = "have their video" if facts.waited else "were accepted"
    return f"{number(facts.made)} of {number(facts.jobs - facts.counts['again'])} jobs {what}"


def _first(facts: Facts, journal: str, made: datetime) -> Iterator[str]:
    yield f"<h1>{headline(facts)}</h1>\n"
    whose = f"gateway {html(facts.gateway)}, account {html(facts.account)}"
    zone = f"{made:%z}"
    when = f"As of {made:%Y-%m-%d %H:%M:%S}; times are UTC{zone[:3]}:{zone[3:5]}"
    yield f'<p class="quiet">Journal {escape(visible(journal))}, {whose}. {when}.</p>\n'
    if not facts.jobs:
        return
    yield charts.shares(facts)
    counts = ((word, facts.counts[name]) for name, word in WORDS.items())
    tiles = (_tile(number(count), word.label, word.meaning, word.colour) for word, count in counts if count)
    yield f'<ul class="tiles words">{"".join(tiles)}</ul>\n'
    if facts.fetched:
        told = f"{number(facts.fetched)} ({size(facts.fetched_bytes)})"
        yield f'<p class="quiet">Videos that were fetched: {told}.</p>\n'
    if facts.recovered:
        told = "Jobs whose reply was lost, and whose task was found by a look-up"
        yield f'<p class="quiet">{told}: {number(facts.recovered)}.</p>\n'


def _tile(figure: str, label: str, text: str, colour: str = "") -> str:
    return f'<li class="{colour}"><b>{figure}</b>{escape(label)} <small>{escape(text)}</small></li>'


def _money(facts: Facts) -> Iterator[str]:
    money, refund = facts.money, facts.refund
    if not money.tasks:
        return
    told = f"as the gateway tells it, for {number(money.told)} of {number(money.tasks)} tasks"
    tiles = [_tile(_units(money.charged), "charged", told)]
    if money.priced:
        difference = f"; what was charged differs by {_signed(money.difference)}" if money.told else ""
        text = f"at list price, for {number(money.priced)} tasks{difference}"
        tiles.append(_tile(_units(money.estimated), "estimated", text))
    if refund.tasks:
        text = f"of {number(refund.tasks)} failed tasks; told for {number(refund.told)}, gateways refund them as a rule"
        tiles.append(_tile(_units(refund.given_back), "refunded or not charged", text))
    doubtful = facts.counts["unknown"] + facts.counts["open"]
    if doubtful:
        tiles.append(
            _tile(
                f"{number(doubtful)} job{'' if doubtful == 1 else 's'}",
                "in doubt",
                "may have been charged, and are not counted here",
            )
        )
    yield f'<h2>Money</h2>\n<ul class="tiles">{"".join(tiles)}</ul>\n'


def _units(units: float) -> str:
    return f"{number(units)} unit{'' if units == 1 else 's'}"


def _signed(units: float) -> str:
    return f"{'+' if units > 0 else ''}{number(units)}"


def _next(facts: Facts, advice: Sequence[Advice]) -> Iterator[str]:
    yield "<h2>What to do next</h2>\n"
    if not advice:
        yield f"<p>{'Nothing: all is done.' if facts.jobs else 'Nothing: no list was run with this journal.'}</p>\n"
        return
    items = (f"<li>{escape(one.text)}{_code(one.command)}</li>\n" for one in advice)
    yield f'<ol class="next">\n{"".join(items)}</ol>\n'


def _code(command: str) -> str:
    """A command whose lines are broken between its words alone, and which is copied as it stands."""
    words = (f"<span>{escape(word)}</span>" for word in visible(command).split(" "))
    return f"<code>{' '.join(words)}</code>" if command else ""


def _time(facts: Facts, made: datetime) -> Iterator[str]:
    learned = facts.learned
    if not (facts.timeline or learned.lasted or facts.tries):
        return
    yield "<h2>Time</h2>\n"
    if made.tzinfo is not None:
        yield charts.over_time(facts.timeline, made.tzinfo)
        yield charts.learned(facts.timeline, facts.paces, made.tzinfo)
    if facts.paces:
        yield f"<p>{_paces(facts.paces)}</p>\n"
    if learned.lasted:
        yield charts.durations(learned.lasted)
        yield f"<p>{_durations(facts)}</p>\n"
    if facts.tries:
        yield "<h2>Requests that made no task</h2>\n"
        yield f'<table class="kinds">{"".join(_kinds(facts))}</table>\n'


def _paces(paces: Paces) -> str:
    told = in_words(paces)
    told = f"{told[0].upper()}{told[1:]}."
    shares = [f"{_HELD[held]} for {share:.0%} of the time" for held, share in paces.held() if share >= _WORTH_TELLING]
    if shares:
        told += f" What requests waited for: {', '.join(shares)}."
    clients = len(paces.lanes) + paces.left_out
    if clients > 1:
        told += (
            f" {number(clients)} clients sent: lines and figures are of the one where they are greatest, and clients"
        )
        told += " that share no limits find a part of the account's each."
    return told


_HELD = {
    "rate": "the pace",
    "running tasks": "a running task's end",
    "gate": "a pause's end",
    "canary": "the first reply after a pause",
    "requests in flight": "a request's end",
}
_WORTH_TELLING = 0.05
"""The share of the time below which nothing is said of what requests waited for."""


def _durations(facts: Facts) -> str:
    learned = facts.learned
    told = "Too few tasks were seen to end to say how long they take."
    if learned.half is not None and learned.nine_of_ten is not None:
        told = (
            f"Half of the tasks end within {seconds(learned.half)}, nine of ten within {seconds(learned.nine_of_ten)}."
        )
    if learned.freshness >= 1:
        told += f" The gateway tells nine ends of ten within {seconds(learned.freshness)}."
    return told


def _kinds(facts: Facts) -> Iterator[str]:
    most = max(facts.tries.values())
    for kind, count in facts.tries.most_common():
        meaning = f" <small>{escape(KINDS[kind])}</small>" if kind in KINDS else ""
        name = html(kind.replace("_", " "), 60)
        yield f"<tr><td>{name}{meaning}<td>{number(count)}<td>{charts.part(count, most, 'bad')}"


def _videos(facts: Facts, link: Link) -> Iterator[str]:
    """The first ones that can be played here."""
    found: list[str] = []
    for row in facts.good.rows[: 10 * VIDEOS]:
        url = link(row.path) if row.path else None
        if url is not None and len(found) < VIDEOS and len(url) < table.LONGEST_LINK:
            name = html(row.name, 60)
            film = f'<video controls preload="none" src="{escape(url)}" aria-label="{name}"></video>'
            found.append(f"<figure>{film}<figcaption>{name}</figcaption></figure>")
    if found:
        more = f" <small>{number(len(found))} of {number(facts.fetched)}</small>" if len(found) < facts.fetched else ""
        yield f'<h2 id="videos">Videos{more}</h2>\n<div class="videos">{"".join(found)}</div>\n'


def _jobs(facts: Facts, journal: str, made: datetime, link: Link) -> Iterator[str]:
    if not facts.jobs or made.tzinfo is None:
        return
    found = table.render(table.groups(facts), made.tzinfo, link)
    yield "<h2>Jobs</h2>\n"
    left = facts.jobs - found.shown
    if left:
        text = f"{number(left)} of {number(facts.jobs)} jobs are not shown. This writes them all:"
        yield f'<p class="more">{text}{_code(export_command(journal))}</p>\n'
    options = "".join(f'<option value="{name}">{WORDS[name].label}</option>' for name in found.came_out)
    yield (
        '<div id="filter" hidden><input id="word" type="search" placeholder="Filter: an id, a task, a word" '
        'aria-label="Filter the jobs"><select id="came-out" aria-label="How they came out">'
        f'<option value="">all</option>{options}</select><span id="found" class="quiet" role="status"></span></div>\n'
    )
    yield f"{found.html}\n"
