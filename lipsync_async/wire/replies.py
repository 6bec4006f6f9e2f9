"""Reply bytes of any dialect to a `Reply` (contract, section 3); never raises, whatever the bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lipsync_async.terms import Reply, TaskStatus

from . import texts
from .codes import MAX_TEXT, find_code, is_success, said, succeeded
from .layers import Object, layers_of, parse
from .native import read_created, request_id_in

_STATUS_NAMES = ("task_status", "status", "state")
_FOLDED: Mapping[str, TaskStatus] = {
    word: status
    for status, words in {
        TaskStatus.SUBMITTED: ("", "submitted", "queued", "pending", "not_start"),
        TaskStatus.PROCESSING: ("processing", "in_progress", "running"),
        TaskStatus.SUCCEED: ("succeed", "succeeded", "success", "completed", "done"),
        TaskStatus.FAILED: ("failed", "fail", "failure", "error", "cancelled"),
    }.items()
    for word in words
}


def _task_id(top: Object, layers: list[Object], *, success: bool) -> str | None:
    """In the contract's order; a refusal's plain `id` or text in `data` is no task's."""
    names = ("task_id", "id", "taskId") if success else ("task_id", "taskId")
    for layer in layers:
        if success and layer is top and type(top.get("data")) is str and (found := texts.word(top["data"])):
            return found
        for name in names:
            value = layer.get(name)
            if value is not None and (found := texts.word(value)):
                return found
    return None


def _status(layers: list[Object]) -> tuple[TaskStatus | None, str | None]:
    """The status, and its spelling where the contract does not know it: such a task counts as still running."""
    blank = None
    for layer in layers:
        for name in _STATUS_NAMES:
            value = layer.get(name)
            if type(value) is str:
                if value:
                    return _fold(value)
                blank = TaskStatus.SUBMITTED
    return blank, None


def _fold(spelling: str) -> tuple[TaskStatus, str | None]:
    status = _FOLDED.get(spelling) or _FOLDED.get(spelling.strip().casefold())
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


def _retry_after(headers: Mapping[str, str], now: float | None) -> float | None:
    """Seconds from now, in either form of the header; None where there is no sense in it."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if re.fullmatch(r"[0-9]{1,15}(\.[0-9]*)?", value):
        return float(value)
    date = _date(value)
    return None if date is None or now is None else max(0.0, date - now)


def _date(value: str) -> float | None:
    from email.utils import mktime_tz, parsedate_tz

    try:
        parts = parsedate_tz(value)
        return None if parts is None else float(mktime_tz(parts))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


# --- replies ------------------------------------------------------------------------------------------------------


def read_reply(
    status: int, headers: Mapping[str, str], body: bytes, *, broken: bool = False, now: float | None = None
) -> Reply:
    """What a gateway answered; `headers` looks names up whatever their case, `now` is in Unix seconds.

    Without `now` a Retry-After that is a date is not understood.
    """
    if status == 200 and not broken and (created := read_created(body, headers)) is not None:
        return created
    top, suspicious = parse(body)
    if type(top) is not dict:
        return unreadable(status, headers, body, broken=broken, now=now)
    return read_object(status, headers, top, layers_of(top), suspicious=suspicious, broken=broken, now=now)


def read_object(
    status: int,
    headers: Mapping[str, str],
    top: Object,
    layers: list[Object],
    *,
    suspicious: bool = False,
    broken: bool = False,
    now: float | None = None,
) -> Reply:
    """A JSON object as a reply; `layers` are its own, innermost first."""
    success = succeeded(top, layers)
    task_id = _task_id(top, layers, success=success)
    if success and task_id:
        code, message = texts.code(top.get("code")), said(top.get("message") or top.get("msg"))
    else:
        code, message = find_code(top, status)
        success = success and is_success(code)
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
        retry_after=None if success else _retry_after(headers, now),
        parsed=True,
        suspicious=suspicious,
        broken=broken,
    )


_MARKUP = re.compile(rb"\s*<", re.ASCII)
_TITLE = re.compile(r"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


def unreadable(status: int, headers: Mapping[str, str], body: bytes, *, broken: bool, now: float | None) -> Reply:
    """A reply without a JSON object: a page, a text, nothing."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    said_html = "html" in headers.get("Content-Type", "").lower()
    html = bool(_MARKUP.match(body)) or (said_html and bool(body.strip()))
    text = body[:MAX_TEXT].decode("utf-8", "replace")
    title = _TITLE.search(text) if html else None
    return Reply(
        status=status,
        message=texts.message(title[1] if title else text),
        request_id=_request_id([], headers),
        retry_after=_retry_after(headers, now),
        html=html,
        broken=broken,
    )
