"""Codes are looked for in every layer of a reply before its HTTP status is believed (contract, section 4)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from . import texts
from .layers import Object, embedded

Node = tuple[Object | str, bool]
"""An object or a text of a reply, and whether it was quoted: stands as JSON inside a text."""

_MAX_NODES = 100
_MAX_DEPTH = 8
MAX_TEXT = 8_000
"""Characters of a text that are searched: a hostile reply must not hold up the event loop."""

_PHRASES: Mapping[str, int] = {
    "parallel task over resource pack limit": 1303,
    "account balance not enough": 1102,
    "api request too fast": 1302,
    "failure to pass the risk control system": 1301,
    "server temporarily unavailable": 5001,
    "server internal timeout": 5002,
    "server internal error": 5000,
}
"""The platform's own phrases, which a gateway may pass on without their codes."""
_SPOKEN_CODE = re.compile(r"""code[\\"'\s]{0,9}[:=][\\"'\s]{0,9}(1[0-3]\d\d|500[0-2])(?!\d)""")
"""A code in what is left of a JSON text that was cut or escaped, or printed by Go."""
IN_DOUBT = (
    "insert_task_failed",
    "do_request_failed",
    "read_response_body_failed",
    "unmarshal_response_body_failed",
    "copy_response_body_failed",
)
"""What new-api says after the call went upstream, gravest first: no other code in the reply takes it back."""


def nodes_of(top: Object, *, quoted: bool = False) -> list[Node]:
    """Every object and text of a reply, outer before inner; `quoted`: the reply itself stands inside a text."""
    nodes: list[Node] = []
    waiting: deque[tuple[object, int, bool]] = deque([(top, 0, quoted)])
    for _ in range(_MAX_NODES):
        if not waiting:
            break
        node, depth, inside = waiting.popleft()
        if isinstance(node, dict | str):
            nodes.append((node, inside))
        if depth < _MAX_DEPTH:
            inside = inside or isinstance(node, str)
            waiting.extend((child, depth + 1, inside) for child in islice(_children(node), _MAX_NODES))
    return nodes


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    if isinstance(node, list):
        return node
    return (embedded(node[:MAX_TEXT]),) if isinstance(node, str) and "{" in node else ()


def is_success(code: object) -> bool:
    """Absent, 0, "0", 200, "success" or true; false equals 0 in Python, so types are looked at."""
    if code is None or code is True:
        return True
    return type(code) in {int, str} and code in {0, "0", 200, "success"}


def _kling_code(node: Object | str) -> int | None:
    """A code from 1000 to 5999 that an object names."""
    value = texts.code(node.get("code")) if isinstance(node, dict) else None
    if isinstance(value, str) and len(value) == 4 and value.isdecimal():
        value = int(value)
    return value if isinstance(value, int) and 1000 <= value <= 5999 else None


def _spoken_code(node: Object | str) -> int | None:
    """A code that a text names, in figures or in the platform's words."""
    if not isinstance(node, str):
        return None
    folded = node[:MAX_TEXT].casefold()
    if match := _SPOKEN_CODE.search(folded):
        return int(match[1])
    return next((code for phrase, code in _PHRASES.items() if phrase in folded), None)


def find_code(top: Object, nodes: list[Node], status: int) -> tuple[int | str | None, str]:
    """A word of doubt; else the innermost Kling code and what was said with it; else the gateway's own code.

    From HTTP 500 on, a text proves no refusal: what it quotes or says counts only where it is trouble as well.
    """
    if word := _word_of_doubt(nodes):
        return word, said(top)
    trouble = status >= 500
    readers: tuple[Callable[[Object | str], int | None], ...] = (_kling_code, _spoken_code)
    for read in readers:
        for node, quoted in reversed(nodes):
            code = read(node)
            if code and (code >= 5000 or not trouble or not (quoted or read is _spoken_code)):
                return code, said(node) or said(top)
    believed = [node for node, quoted in nodes if not (quoted and trouble)]
    return _own_code(believed) or (texts.code(top.get("code")) if believed else None), said(top)


def _word_of_doubt(nodes: list[Node]) -> str | None:
    """The gravest of `IN_DOUBT` that stands anywhere, as a code or in a text."""
    said = [node[:MAX_TEXT].casefold() for node, _ in nodes if isinstance(node, str)]
    return next((word for word in IN_DOUBT if any(word in text for text in said)), None)


def _own_code(nodes: list[Object | str]) -> int | str | None:
    """The gateway's own code: the outermost that is no success."""
    codes = (node["code"] for node in nodes if isinstance(node, dict) and not is_success(node.get("code")))
    return next((code for code in map(texts.code, codes) if code), None)


_SAID = ("message", "msg", "error", "errors", "detail", "error_description", "data")


def said(node: object, depth: int = 0) -> str:
    """What an object says in words."""
    if isinstance(node, str) or depth > 4:
        return texts.message(node) if isinstance(node, str) else ""
    if isinstance(node, list):
        node = {"message": node[0] if node else ""}
    if not isinstance(node, dict):
        return ""
    return next(filter(None, (said(node.get(name), depth + 1) for name in _SAID)), "")


def succeeded(top: Object, layers: list[Object]) -> bool:
    """Every layer's code says so, and none of the usual signs of an error speaks against it."""
    for layer in layers:
        if (code := layer.get("code")) is not None and not is_success(code):
            return False
    # An OpenAI video that failed carries an error, and is a task all the same.
    return top.get("success") is not False and (not top.get("error") or top.get("object") == "video")
