"""The API key cut out of what a gateway says: some repeat what they refuse, and it would be shown and written down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html.entities import html5

from lipsync_async.errors import without_frames

_SHORTEST_SECRET = 8
"""Characters; what is shorter is a stand-in, and would be found where it is not."""
_INSTEAD = b"[...]"
PASSWORD = re.compile(r"//[^\s/@]+@")
"""Of a proxy, in its URL."""
_ESCAPE = re.compile(rb"""\\[uUxX/\\"']|%[0-9A-Fa-f]{2}|&(?:#|[A-Za-z]{2,31};)""")
"""What begins an escaped character, in JSON, in a URL, in HTML."""


def without_key(raw: bytes, headers: Mapping[str, str]) -> bytes:
    """What a gateway said, without the key of the call that these `headers` made, however it is escaped there."""
    key = _key_of(headers["Authorization"])
    if not key:
        return raw
    if key in raw:
        raw = raw.replace(key, _INSTEAD)
    if (b"\\" in raw or b"%" in raw or b"&" in raw) and _ESCAPE.search(raw):
        raw = _escaped(key).sub(_INSTEAD, raw)
    return raw


def text_without_key(text: str, headers: Mapping[str, str]) -> str:
    """The same for a text."""
    return without_key(text.encode(errors="surrogateescape"), headers).decode(errors="surrogateescape")


def clean_error(error: Exception, headers: Mapping[str, str]) -> Exception | None:
    """What was raised, without its frames, which hold the key; None where it holds a key or a password itself.

    Where aiohttp wraps an error of the system's, it is that: the wrapper knows a proxy's password.
    """
    error = _beneath(error)
    if hasattr(error, "request_info"):  # the headers of the request
        return None
    told = f"{error} {error.args!r} {vars(error)!r}"
    if text_without_key(told, headers) != told or PASSWORD.search(told):
        return None
    return without_frames(error)


def _beneath(error: Exception) -> Exception:
    wrapped = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error.__cause__
    return wrapped if isinstance(wrapped, OSError) else error


class CleanHeaders(Mapping[str, str]):
    """A reply's headers without the key of the call; each is looked at when it is asked for."""

    __slots__ = ("_made_with", "_said")

    def __init__(self, said: Mapping[str, str], made_with: Mapping[str, str]) -> None:
        self._said = said
        self._made_with = made_with

    def __getitem__(self, name: str) -> str:
        return text_without_key(self._said[name], self._made_with)

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)

    def __repr__(self) -> str:
        return f"<CleanHeaders {', '.join(self)}>"


@lru_cache(maxsize=4)
def _key_of(authorization: str) -> bytes:
    """The key that a call's header carries; empty for one that is too short to be a secret."""
    key = authorization.removeprefix("Bearer ").encode()
    return key if len(key) >= _SHORTEST_SECRET else b""


@lru_cache(maxsize=4)
def _escaped(key: bytes) -> re.Pattern[bytes]:
    """The key with each of its characters plain or escaped: for JSON, for a JSON text inside another, a URL or HTML."""
    first, *rest = map(chr, key)
    # A run of backslashes is looked at once: a hostile reply must not hold up the event loop.
    return re.compile(
        "".join([_any_form(first, r"(?<!\\)\\*+"), *(_any_form(char, r"\\{0,8}") for char in rest)]).encode()
    )


def _any_form(char: str, escapes: str) -> str:
    r"""One character, which is ASCII, in any form: < \u003c \x3c %3C &lt; &#60; &#x3c;."""
    figures = f"(?i:{ord(char):02x})"
    names = [re.escape(name.removesuffix(";")) for name, value in html5.items() if value == char]
    entity = "|".join([f"#0{{0,5}}{ord(char)}", f"#[xX]0{{0,5}}{figures}", *sorted(set(names))])
    forms = (
        rf"{escapes}(?:[uU](?:0000)?00{figures}|[uU]\{{0{{0,4}}{figures}\}}|x{figures})",
        r"\\{1,8}" if char == "\\" else rf"{escapes}{re.escape(char)}",
        rf"%(?:25){{0,3}}{figures}",
        rf"&(?:amp;){{0,3}}(?:{entity});?",
    )
    return f"(?:{'|'.join(forms)})"
