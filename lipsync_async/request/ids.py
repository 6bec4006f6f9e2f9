"""An `external_task_id` out of any text: a file's name, a scene's title, a key of a database."""

from __future__ import annotations

import re
from hashlib import blake2b
from unicodedata import normalize

from lipsync_async.errors import ConfigurationError

DIGITS = 16
"""Hex digits behind a text that is no id: 64 bits, so that a million texts meet with a chance of one in 30 million."""
SHORTEST = 24
"""The least that `max_length` may be: the digits, a hyphen, and something to read before them."""
_is_id = re.compile(r"[A-Za-z0-9_-]+").fullmatch
_looks_made = re.compile(rf".*-[0-9a-f]{{{DIGITS}}}", re.DOTALL).fullmatch
_other = re.compile(r"[^A-Za-z0-9]+")


def external_id_of(text: str, *, prefix: str = "", max_length: int = 64) -> str:
    """Returns a valid `external_task_id` for any text: always the same for the same text, and another for another.

    A text that is an id already stays what it is, behind the `prefix`.
    Of any other one what can be read of it is kept, and a checksum of the whole text follows: `Szene 3, Ärger.wav`
    becomes `Szene-3-Arger-wav-` and 16 hex digits.
    A text that looks like such a result gets a checksum too, so that no two texts share an id.
    Texts that differ only in how Unicode composes them, as file names do on macOS, are one text.
    `max_length` is the gateway's (`Gateway.max_id_length`), at least 24 and the prefix.
    Raises `ConfigurationError` for an empty text, and for a prefix that is no id or leaves no room.
    """
    given: object = text
    if not isinstance(given, str) or not given:
        raise ConfigurationError(f"an id is made of a text that is not empty, not of {given!r:.60}")
    if prefix and not _is_id(prefix):
        raise ConfigurationError(f"an id's prefix is made of A-Z a-z 0-9 _ -, not {prefix!r:.60}")
    room = max_length - len(prefix)
    if room < SHORTEST:
        raise ConfigurationError(f"an id of at most {max_length} characters has no room for the prefix {prefix!r:.60}")
    text = normalize("NFC", text)
    if len(text) <= room and _is_id(text) and not _looks_made(text):
        return prefix + text
    mark = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGITS // 2).hexdigest()
    letters = normalize("NFKD", text).encode("ascii", "ignore").decode()
    head = _other.sub("-", letters).strip("-")[: room - DIGITS - 1].rstrip("-")
    return f"{prefix}{head or 'id'}-{mark}"
