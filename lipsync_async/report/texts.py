"""What others wrote, made fit for a page: short, visible, without the queries of URLs, and escaped. Pure.

Ids, messages and paths come from lists, gateways and journals: any of them may hold HTML, or a URL that is signed.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from html import escape

LONGEST = 300
"""Characters of a text on the page."""
_URL = re.compile(r"(?i)([a-z][a-z0-9+.-]{1,15}:)?(?:\\?/){2}[^\s\"'<>]*")
_DATA = re.compile(r"(?i)\bdata:[^\s\"'<>]*")
_QUERY = re.compile(r"[?#&;][^\s?#&;=\"'<>]{1,64}=[^\s\"'<>]*")
"""Fields of a query, also behind what does not look like a URL: `cdn.example.com/a.mp4?sig=...`."""
_SECRET_FROM = re.compile(r"(?i)[?#&;]|%3f|%23|%26|\\u003f|\\u0023|\\x3f")
"""Where the part of a URL begins that may let its reader in."""
_EARLIEST, _LATEST = 86_400.0, 4_102_444_800.0
"""Unix seconds between which a moment is believed: the second day of 1970, and the year 2100."""


def told(text: str, most: int = LONGEST) -> str:
    """The text as it is shown: at most so many characters, each visible, and no URL with a query or a password."""
    cut = text[:most]
    shown = _QUERY.sub("?…", _URL.sub(_without_secrets, _DATA.sub("data:…", cut)))
    shown = visible(shown)
    return f"{shown[:most]}…" if len(text) > most or len(shown) > most else shown


def html(text: str, most: int = LONGEST) -> str:
    """The same as HTML, good between tags and between double quotes."""
    return escape(told(text, most))


def visible(text: str) -> str:
    """The text with escapes for what is not seen as what it is, or turns the direction of reading."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _visible(char) for char in text)


def _without_secrets(found: re.Match[str]) -> str:
    url, scheme = found[0], found[1] or ""
    secret = _SECRET_FROM.search(url)
    if secret is not None:
        url = f"{url[: secret.start()]}?…"
    place, slash, rest = url[len(scheme) :].lstrip("\\/").partition("/")
    name, at, host = place.rpartition("@")
    return f"{scheme}//{'…@' if at and name else at}{host}{slash}{rest}" if at else url


def _visible(char: str) -> str:
    return " " if char in "\n\t" else char.encode("unicode_escape").decode("ascii")


# --- figures ---------------------------------------------------------------------------------------------------------


def number(count: float) -> str:
    """A count, or units, with thousands apart: 12,345 or 0.5."""
    return f"{count:,.0f}" if count == int(count) else f"{count:,.2f}".rstrip("0").rstrip(".")


def size(count: int) -> str:
    """So many bytes, in the largest unit that fits: 12 kB, 1.5 MB, 225.8 GB."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{number(round(count / unit, 1))} {name}"
    return f"{number(round(count / 1e3))} kB"


def seconds(duration: float) -> str:
    """A duration in the largest units that fit: 8.5 s, 2 min 5 s, 3 h 20 min, 2 d 4 h."""
    if duration < 10:
        return f"{number(round(duration, 1))} s"
    whole = round(duration)
    for size, name, small_size, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small_size
            return f"{whole // size:,} {name}{f' {rest} {small}' if rest else ''}"
    return f"{whole} s"


def believable(moment: float | None) -> float | None:
    """Unix seconds that a calendar can show; None for all others."""
    return moment if moment is not None and _EARLIEST < moment < _LATEST else None


def clock(moment: float, zone: tzinfo, form: str = "%Y-%m-%d %H:%M") -> str:
    """A moment in that time zone."""
    return datetime.fromtimestamp(moment, zone).strftime(form)
