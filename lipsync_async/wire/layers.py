"""Bytes to JSON: the first value of a body, an object inside a text, and the layers of a reply."""

from __future__ import annotations

import re
from itertools import islice
from json import JSONDecoder
from typing import Any

from msgspec import MsgspecError
from msgspec.json import Decoder

from . import texts

Object = dict[str, Any]

_strictly = Decoder().decode


def _integer(digits: str) -> int | str:
    """int() refuses more than 4,300 digits; such a number must not make the rest of a reply unreadable."""
    return int(digits) if len(digits) <= texts.MAX_WORD else digits


_LENIENT = JSONDecoder(parse_int=_integer, strict=False)


def parse(body: bytes) -> tuple[object, bool]:
    """The first JSON value of a body (None: there is none), and whether something followed it."""
    try:
        return _strictly(body), False
    except (MsgspecError, ValueError, RecursionError):
        return parse_leniently(body.decode("utf-8-sig", "replace").strip())


def parse_leniently(text: str) -> tuple[object, bool]:
    """The first JSON value of a text that may hold control characters, NaN and long numbers."""
    try:
        value, end = _LENIENT.raw_decode(text)
    except (ValueError, RecursionError):
        return None, False
    return value, end < len(text)


def embedded(text: str) -> object:
    """The JSON object inside a text, as in `upstream said: {"code": 1303}`; None: there is none."""
    for brace in islice(re.finditer(r"\{", text), 2):
        value, _ = parse_leniently(text[brace.start() :])
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
