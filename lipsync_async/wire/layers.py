"""Bytes to JSON: the object that a body is read by, an object inside a text, and the layers of a reply."""

from __future__ import annotations

import re
from itertools import islice
from json import JSONDecodeError, JSONDecoder
from typing import Any, NamedTuple

from msgspec import MsgspecError
from msgspec.json import Decoder

from . import texts

Object = dict[str, Any]

MAX_OBJECTS = 8
"""Objects of a body that are read; what comes after them is taken for damaged."""
_MAX_TRIES = 32
"""Places of a body that are tried: each error counts the lines before it."""
_OBJECT = re.compile(r'\{\s*"')
"""Where an object may begin that holds anything."""
_OF_A_REPLY = frozenset(
    (
        *("code", "data", "message", "msg", "error", "errors", "detail", "success", "request_id"),
        *("task_id", "taskId", "task_status", "status", "state", "object"),
    )
)
"""Names of which an object that stands inside a page holds at least one, or it is the page's own."""

_strictly = Decoder().decode


def _integer(digits: str) -> int | str:
    """int() refuses more than 4,300 digits; such a number must not make the rest of a reply unreadable."""
    return int(digits) if len(digits) <= texts.MAX_WORD else digits


_LENIENT = JSONDecoder(parse_int=_integer, strict=False)


class Document(NamedTuple):
    """A body, as JSON."""

    top: Object | None
    """The object that it is read by; None: it holds none."""
    suspicious: bool = False
    """Something stands before that object, or after it."""
    embedded: bool = False
    """Something stands before it: a page, a notice, a text."""
    others: tuple[Object, ...] = ()
    """The objects that follow."""
    damaged: bool = False
    """Something else begins as an object does, and can't be read."""


def parse(body: bytes) -> Document:
    """The object that a body is read by, and what else there is.

    A body of several objects in a row is read by its first.
    A body that begins as a page or a notice is read by the first object in it that looks like a reply's
    (contract, section 3).
    """
    try:
        value = _strictly(body)
    except (MsgspecError, ValueError, RecursionError):
        return _parse_leniently(body.decode("utf-8-sig", "replace").strip())
    return Document(value if type(value) is dict else None)


def _parse_leniently(text: str) -> Document:
    value, end = _first_value(text)
    # A stray quote is no text that ended: what follows it is searched from the beginning.
    found, damaged = _objects(text, end if type(value) in {dict, list} else 0)
    if type(value) is dict:
        return Document(value, suspicious=end < len(text), others=tuple(found), damaged=damaged)
    found = [it for it in found if not _OF_A_REPLY.isdisjoint(it)]
    if not found:
        return Document(None)
    return Document(found[0], suspicious=True, embedded=True, others=tuple(found[1:]), damaged=damaged)


def _first_value(text: str) -> tuple[object, int]:
    """The JSON value that a text begins with, and where it ends; it may hold control characters, NaN, long numbers."""
    try:
        return _LENIENT.raw_decode(text)
    except (ValueError, RecursionError):
        return None, 0


def _objects(text: str, start: int) -> tuple[list[Object], bool]:
    """The objects in a text, and whether anything that begins as one can't be read.

    What is left of an object that was cut off is not searched: its inner objects do not stand for it.
    """
    found: list[Object] = []
    damaged = False
    for _ in range(_MAX_TRIES):
        brace = _OBJECT.search(text, start)
        if brace is None:
            return found, damaged
        if len(found) == MAX_OBJECTS:
            break
        try:
            value, start = _LENIENT.raw_decode(text, brace.start())
            found.append(value)
        except JSONDecodeError as error:
            damaged, start = True, max(error.pos, brace.end())
        except (ValueError, RecursionError):
            break
    return found, True


def embedded(text: str) -> object:
    """The JSON object inside a text, as in `upstream said: {"code": 1303}`; None: there is none."""
    for brace in islice(re.finditer(r"\{", text), 2):
        value, _ = _first_value(text[brace.start() :])
        if isinstance(value, dict):
            return value
    return None


def layers_of(top: Object) -> list[Object]:
    """A reply and what it holds under `data`, be it as text; innermost first, for that is what is believed."""
    layers = [top]
    inner = top.get("data")
    while inner is not None and len(layers) < 4:
        if type(inner) is str:
            inner = embedded(inner)
        if type(inner) is not dict:
            break
        layers.append(inner)
        inner = inner.get("data")
    layers.reverse()
    return layers
