"""How a book lies in a store: a header that any version reads, and the state behind it."""

from __future__ import annotations

from typing import Any

import msgspec

from lipsync_async.errors import LipSyncError

from .exchange import Grant, Rules, StopWord, Turn
from .frozen import layout
from .pacer import Pacer

FORMAT = 1
"""Counts up when what is kept means something else; attributes that come and go are noticed by themselves."""
ABANDONED = 10.0
"""Seconds after which state that cannot be read, and that nobody has used since, is replaced."""


class OtherVersionError(LipSyncError):
    """The state was written by another version, which is still at work."""


class Member(msgspec.Struct, array_like=True):
    """One process, as the book knows it."""

    seen: float
    due: float = 0.0
    """When it was told to come again."""
    wants: int = 0
    service: float = 0.0
    number: int = 0
    """Of the last report."""
    heard: int = 0
    """The last stop that it knows of."""
    turns: dict[int, Turn] = {}
    given: Grant | None = None


class State(msgspec.Struct, array_like=True):
    """A book as plain values."""

    rules: Rules
    now: float
    offset: float
    epoch: int
    turns: int
    applied: float
    lull: float
    turned_at: float
    stop: StopWord | None
    members: dict[str, Member]
    pacer: dict[str, Any]


class _Header(msgspec.Struct, array_like=True):
    format: int
    layout: int
    raw: float
    """The store's clock, as it was when this was written."""
    state: bytes


_ENCODER = msgspec.msgpack.Encoder()
_HEADER = msgspec.msgpack.Decoder(_Header)
_STATE = msgspec.msgpack.Decoder(State)


def pack(state: State) -> bytes:
    """What a store keeps."""
    return _ENCODER.encode(_Header(FORMAT, layout(Pacer), state.now - state.offset, _ENCODER.encode(state)))


def unpack(kept: bytes | None, raw: float) -> State | None:
    """The state again; None where there is none, or one that nobody uses and that cannot be read.

    `raw` is the store's clock. Raises `OtherVersionError`.
    """
    if not kept:
        return None
    try:
        header = _HEADER.decode(kept)
        if (header.format, header.layout) == (FORMAT, layout(Pacer)):
            return _STATE.decode(header.state)
    except msgspec.MsgspecError:
        return None  # it is damaged: limits are learned again
    if 0.0 <= raw - header.raw < ABANDONED:
        raise OtherVersionError(f"format {header.format}, layout {header.layout}")
    return None
