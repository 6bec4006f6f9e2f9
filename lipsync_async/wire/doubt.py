"""What makes a reply contradict itself: objects that disagree, or a refusal that quotes a task (contract, section 3).

Whatever contradicts itself is in doubt, and is looked up.
"""

from __future__ import annotations

import re

from . import texts
from .codes import Node, find_code, is_success, nodes_of, succeeded
from .layers import Document, Object, layers_of

_KEY = rb"(?<!external_)(?<!external-)(?<!external)task[_-]?id"
_QUOTES_TASK = re.compile(
    # a field, perhaps escaped: "task_id":"86..."
    _KEY + rb"""(?:\\{0,15}["']|&quot;|&#34;)\s{0,9}:\s{0,9}(?:\\{0,15}["']|&quot;|&#34;)?(?!null\b|none\b)[\w-]"""
    # or in words: task_id=86...
    rb"|" + _KEY + rb"""\s{0,9}[:=]\s{0,9}["']?(?=[A-Za-z_-]{0,30}\d)[\w-]{6}""",
    re.IGNORECASE | re.ASCII,
)
"""A task's id in what is left of a JSON text, or printed by Go; an `external_task_id` is none."""
_QUOTES_SUCCESS = re.compile(
    rb"""(?:["']|&quot;|&#34;)code\\{0,15}(?:["']|&quot;|&#34;)\s{0,9}:\s{0,9}["']?(?:0|200|success)\b"""
)


def task_id_of(top: Object, layers: list[Object], *, success: bool) -> str | None:
    """In the contract's order; a refusal's plain `id` or text in `data` is no task's."""
    names = ("task_id", "id", "taskId") if success else ("task_id", "taskId")
    data = top.get("data")
    for layer in layers:
        if success and layer is top and type(data) is str and "{" not in data and (found := texts.word(data)):
            return found
        for name in names:
            value = layer.get(name)
            if value is not None and (found := texts.word(value)):
                return found
    return None


def disagree(document: Document) -> bool:
    """Whether the objects of a body say different things of the call, or one of them can't be read."""
    if document.top is None or not (document.others or document.damaged):
        return False
    said = {word for it in (document.top, *document.others) if (word := _word(it)) is not None}
    return document.damaged or len(said) > 1


def _word(top: Object) -> object:
    """What an object says of the call, to be compared; None: nothing."""
    layers = layers_of(top)
    success = succeeded(top, layers)
    task_id = task_id_of(top, layers, success=success)
    if success:
        return None if task_id is None else (True, task_id)
    return (False, task_id, find_code(top, nodes_of(top), 200)[0])


def quotes_task(nodes: list[Node], body: bytes) -> bool:
    """Whether a reply that names no task of its own shows one all the same, as a field or in a text."""
    return _QUOTES_TASK.search(body) is not None or any(_is_task(node) for node, _ in nodes[1:])


def shows_reply(body: bytes) -> bool:
    """Whether a page holds what is left of a create's success: then it stands for no missing route."""
    return _QUOTES_SUCCESS.search(body) is not None or _QUOTES_TASK.search(body) is not None


def _is_task(node: Object | str) -> bool:
    """An object that is by itself the success of a create."""
    if isinstance(node, str):
        return False
    code = node.get("code")
    says_success = code is not None and is_success(code)
    if not (says_success or node.get("object") == "video"):
        return False
    return task_id_of(node, layers_of(node), success=True) is not None
