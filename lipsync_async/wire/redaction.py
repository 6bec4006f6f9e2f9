"""The API key cut out of what a gateway says."""

from __future__ import annotations

from collections.abc import Mapping

_SHORTEST_SECRET = 8


def without_key(raw: bytes, headers: Mapping[str, str]) -> bytes:
    """What a gateway said, the key cut out: some repeat what they refuse, and it would be shown and written down."""
    key = headers["Authorization"].removeprefix("Bearer ").encode()
    if len(key) < _SHORTEST_SECRET:
        return raw  # a stand-in; it would be found where it is not
    return raw.replace(key, b"[...]").replace(key.replace(b"/", b"\\/"), b"[...]")
