"""Reply bytes of any dialect to a `Reply` (contract, section 3); never raises, whatever the bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec.structs import replace

from lipsync_async.terms import Reply, TaskStatus

from . import texts
from .codes import MAX_TEXT, find_code, is_success, nodes_of, said, succeeded
from .doubt import disagree, quotes_task, shows_reply, task_id_of
from .hints import read_hint
from .layers import Document, Object, layers_of, parse
from .native import read_created, request_id_in

_STATUS_NAMES = ("task_status", "status", "state")
_FOLDED: Mapping[str, TaskStatus] = {
    word: status
    for status, words in {
        TaskStatus.SUBMITTED: ("", "submitted", "queued", "pending", "not_start"),
        TaskStatus.PROCESSING: ("processing", "in_progress", "running"),
        TaskStatus.SUCCEED: ("succeed", "succeeded", "success", "completed", "done"),
        TaskStatus.FAILED: (
            *("failed", "fail", "failure", "error", "cancelled", "canceled"),
            *("expired", "timeout", "timed_out", "rejected", "aborted"),
        ),
    }.items()
    for word in words
}
_PAUSES = re.compile(r"[\s-]+")
_ENDED = frozenset({TaskStatus.SUCCEED, TaskStatus.FAILED})


def _status(layers: list[Object]) -> tuple[TaskStatus | None, str | None]:
    """The status, and its spelling where the contract does not know it: such a task counts as still running.

    The innermost is preferred; but a gateway may have ended a task on its own, and then says so further out.
    """
    preferred: tuple[TaskStatus, str | None] | None = None
    blank = None
    for layer in layers:
        name, spelling = _spelling(layer)
        if not spelling:
            blank = TaskStatus.SUBMITTED if spelling == "" else blank
            continue
        status = _fold(spelling)
        if preferred is None:
            preferred = status
        elif status[0] in _ENDED and (name == "task_status" or _names_task(layer)):
            return status
        if preferred[0] in _ENDED:
            break
    return preferred or (blank, None)


def _spelling(layer: Object) -> tuple[str, str | None]:
    """A layer's first status that says something; blank where all are blank, None where there is none."""
    found: tuple[str, str | None] = ("", None)
    for name in _STATUS_NAMES:
        value = layer.get(name)
        if type(value) is str:
            if value:
                return name, value
            found = (name, value)
    return found


def _names_task(layer: Object) -> bool:
    """Its `status` is a task's, and not the word of an envelope for a call that went well."""
    return any(layer.get(name) is not None for name in ("task_id", "taskId", "id"))


def _fold(spelling: str) -> tuple[TaskStatus, str | None]:
    status = _FOLDED.get(spelling) or _FOLDED.get(_PAUSES.sub("_", spelling.strip().casefold()))
    return (status, None) if status else (TaskStatus.PROCESSING, texts.message(spelling)[:64])


def _time(layers: list[Object]) -> float | None:
    """Unix seconds; gateways mix seconds and milliseconds."""
    for layer in layers:
        for name in ("created_at", "createdAt", "submit_time", "create_time"):
            value = layer.get(name)
            if value is not None and (figure := texts.number(value)):
                return figure / 1000 if figure >= 1e12 else figure
    return None


def _external_id(layers: list[Object]) -> str | None:
    for layer in layers:
        info = layer.get("task_info")
        if type(info) is dict and (found := texts.word(info.get("external_task_id"))):
            return found
        if found := texts.word(layer.get("external_task_id")):
            return found
    return None


def _request_id(layers: list[Object], headers: Mapping[str, str]) -> str | None:
    for layer in layers:
        if found := texts.word(layer.get("request_id")):
            return found
    return request_id_in(headers)


def read_reply(
    status: int, headers: Mapping[str, str], body: bytes, *, broken: bool = False, now: float | None = None
) -> Reply:
    """What a gateway answered; `headers` looks names up whatever their case, `now` is in Unix seconds.

    A date in a header is measured against the reply's own `Date`, or against `now` where there is none.
    """
    if status == 200 and not broken and (created := read_created(body, headers)) is not None:
        return created
    document = parse(body)
    if document.top is None:
        return unreadable(status, headers, body, broken=broken, now=now)
    reply = read_document(status, headers, document, broken=broken, now=now)
    if reply.success or reply.task_id or reply.conflicting or not quotes_task(nodes_of(document.top), body):
        return reply
    return replace(reply, conflicting=True)


def read_document(
    status: int, headers: Mapping[str, str], document: Document, *, broken: bool = False, now: float | None = None
) -> Reply:
    """A body that holds a JSON object."""
    top = document.top
    assert top is not None
    layers = layers_of(top)
    success = succeeded(top, layers)
    task_id = task_id_of(top, layers, success=success)
    good = 200 <= status <= 299
    nodes = [] if success and task_id and good else nodes_of(top, quoted=document.embedded)
    if success and task_id:
        code, message = texts.code(top.get("code")), said(top.get("message") or top.get("msg"))
    else:
        code, message = find_code(top, nodes, status)
        success = success and is_success(code)
    objects = (node for node, _ in nodes if isinstance(node, dict))
    task_status, raw_task_status = _status(layers)
    return Reply(
        status=status,
        code=code,
        success=success,
        message=message,
        request_id=_request_id(layers, headers),
        task_id=task_id,
        task_status=task_status,
        raw_task_status=raw_task_status,
        external_task_id=_external_id(layers),
        created_at=_time(layers),
        retry_after=None if success and good else read_hint(status, headers, objects, now),
        parsed=True,
        suspicious=document.suspicious,
        conflicting=disagree(document),
        broken=broken,
    )


_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?>(?:<!--.*?-->\s*)*)<(?:!doctype\s+html|html|head|body|title|meta|center|h[1-6])\b",
    re.IGNORECASE | re.DOTALL,
)
"""How a page of HTML begins; a notice of PHP (`<br /><b>Warning</b>`) is none."""
_TITLE = re.compile(r"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


def unreadable(status: int, headers: Mapping[str, str], body: bytes, *, broken: bool, now: float | None) -> Reply:
    """A reply without a JSON object: a page, a text, nothing."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    text = body[:MAX_TEXT].decode("utf-8", "replace")
    title = _TITLE.search(text)
    return Reply(
        status=status,
        message=texts.message(title[1] if title else text),
        request_id=_request_id([], headers),
        retry_after=read_hint(status, headers, now=now),
        html=_PAGE.match(body[:MAX_TEXT]) is not None and not shows_reply(body),
        conflicting=quotes_task([], body),
        broken=broken,
    )
