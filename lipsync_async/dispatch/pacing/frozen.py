"""A pacer as plain values and back: every attribute of every part, so that a new one is carried without a word here.

What is called (dice) is no state: it is left out, and kept as it is in the pacer that is filled.
The *layout* says which attributes there are; state of another layout is not read.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from functools import cache
from typing import Any
from zlib import crc32

from lipsync_async import terms

from . import allowance, background, ceiling, gate, rate, running, survival

_MODULES = (allowance, background, ceiling, gate, rate, running, survival)
_PLAIN = frozenset({float, int, bool, str, type(None)})


def _parts() -> dict[str, type]:
    found: dict[str, type] = {"terms.Kind": terms.Kind}
    for module in _MODULES:
        room = module.__name__.rpartition(".")[2]
        for name, kind in vars(module).items():
            if isinstance(kind, type) and kind.__module__ == module.__name__:
                found[f"{room}.{name}"] = kind
    return found


_PARTS = _parts()
_NAMES = {kind: name for name, kind in _PARTS.items()}


@cache
def layout(whole: type) -> int:
    """A number that stands for the attributes of all parts and of the whole."""
    slots = [(name, sorted(getattr(kind, "__slots__", ()))) for name, kind in sorted(_PARTS.items())]
    return crc32(repr([sorted(getattr(whole, "__slots__", ())), slots]).encode())


def freeze(value: Any) -> Any:
    """A value of a pacer as lists and dicts of plain values."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list:
        return value if _PLAIN.issuperset(map(type, value)) else [freeze(item) for item in value]
    if kind is tuple:
        return {"tuple": [freeze(item) for item in value]}
    if kind is deque:
        return {"deque": [freeze(item) for item in value], "most": value.maxlen}
    if isinstance(value, Enum):
        return {"word": _NAMES[kind], "value": value.value}
    return {"part": _NAMES[kind], "is": attributes(value)}


def attributes(whole: Any) -> dict[str, Any]:
    """What a part holds, by name, but for what is called."""
    held = ((name, getattr(whole, name)) for name in whole.__slots__)
    return {name: freeze(value) for name, value in held if not callable(value) or type(value) in _NAMES}


def thaw(frozen: Any, present: Any = None) -> Any:
    """The value again; `present`, a part of the same kind, is filled and returned."""
    if type(frozen) is list:
        return frozen if _PLAIN.issuperset(map(type, frozen)) else [thaw(item) for item in frozen]
    if type(frozen) is not dict:
        return frozen
    if "tuple" in frozen:
        return tuple(thaw(item) for item in frozen["tuple"])
    if "deque" in frozen:
        return deque((thaw(item) for item in frozen["deque"]), frozen["most"])
    if "word" in frozen:
        return _PARTS[frozen["word"]](frozen["value"])
    kind = _PARTS[frozen["part"]]
    part: Any = present if type(present) is kind else object.__new__(kind)
    fill(part, frozen["is"])
    return part


def fill(whole: Any, held: dict[str, Any], **present: Any) -> None:
    """Gives a part what it held; parts that are `present` are filled."""
    for name, value in held.items():
        setattr(whole, name, thaw(value, present.get(name)))
