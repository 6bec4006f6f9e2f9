"""What a gateway answers when it is asked for a task, or for a page of the task list (contract, sections 3 and 5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from attrs import evolve, frozen

from lipsync_async.terms import Reply, TaskStatus

from . import texts
from .absence import came_from_cache, says_no_such_task, says_none
from .codes import is_success, said, succeeded
from .hints import told_at
from .layers import Document, Object, layers_of, parse
from .replies import read_document, unreadable

_T = TypeVar("_T")


@frozen(kw_only=True)
class TaskReply:
    """What a gateway answered when it was asked for a task."""

    reply: Reply
    found: bool | None
    """False: there is no such task, in the platform's own words; None: the answer proves nothing by itself."""
    gateway_says_none: bool = False
    """The gateway says in words of its own that there is none; `found` is None then (contract, section 5)."""
    video_url: str | None = None
    """As it was told: absolute, relative to the gateway's origin, or a `data:` URL.

    None for a task that succeeded: a dialect that does not tell it (contract, section 3, "flat").
    """
    watermark_url: str | None = None
    reason: str | None = None
    """Why the task failed; a failed task's top-level message may well be "SUCCEED"."""
    duration: float | None = None
    """Seconds of the finished video."""
    units: str | None = None
    """What was charged, `final_unit_deduction`."""
    updated_at: float | None = None
    """When the task's state changed last, in Unix seconds; as near to the platform as the reply tells it."""
    told_at: float | None = None
    """When the answer was sent, by the `Date` of the reply, in Unix seconds."""


def read_task(
    status: int, headers: Mapping[str, str], body: bytes, *, broken: bool = False, now: float | None = None
) -> TaskReply:
    """What became of one task; `headers` and `now` as in `read_reply`."""
    document = parse(body)
    if document.top is None:
        return TaskReply(reply=unreadable(status, headers, body, broken=broken, now=now), found=None)
    reply = read_document(status, headers, document, broken=broken, now=now)
    found = None if broken or reply.conflicting else _found(reply, document.top)
    none_told = not (broken or document.suspicious) and found is None and says_none(reply)
    if came_from_cache(headers):  # what was there is there, but what was not may be there now
        found, none_told = found or None, False
    task = _task(reply, layers_of(document.top), found, gateway_says_none=none_told)
    return evolve(task, told_at=told_at(headers))


def _found(reply: Reply, top: Object) -> bool | None:
    """Whether there is such a task; what no platform would say proves nothing."""
    if reply.status <= 299 and reply.task_id and is_success(top.get("code")):
        return True if reply.status >= 200 else None
    return False if not reply.suspicious and says_no_such_task(reply) else None


def read_task_list(status: int, headers: Mapping[str, str], body: bytes) -> list[TaskReply] | None:
    """The tasks of a page of the task list, none for a page that is empty; None where the answer is no such page.

    An answer that is not a JSON object alone, or holds what is no task, is no page: it would look like the last one.
    """
    document = parse(body)
    top = document.top
    if top is None or document.suspicious or not 200 <= status <= 299 or not succeeded(top, [top]):
        return None
    items = _items(top.get("data"))
    if items is None or not all(type(item) is dict for item in items):
        return None
    return [_listed(status, headers, item) for item in items if type(item) is dict]


def _items(data: object) -> list[object] | None:
    if isinstance(data, dict):
        data = next((data[name] for name in ("list", "items", "tasks", "records", "data") if name in data), None)
    return data if isinstance(data, list) else None


def _listed(status: int, headers: Mapping[str, str], item: Object) -> TaskReply:
    reply = read_document(status, headers, Document(item))
    return _task(reply, layers_of(item), True if reply.task_id else None)


def _task(reply: Reply, layers: list[Object], found: bool | None, *, gateway_says_none: bool = False) -> TaskReply:
    video = _video(layers)
    return TaskReply(
        reply=reply,
        found=found,
        gateway_says_none=gateway_says_none,
        video_url=_url(video.get("url")) or _loose_url(layers, reply.task_status),
        watermark_url=_url(video.get("watermark_url")),
        reason=reason_in(layers) if reply.task_status is TaskStatus.FAILED else None,
        duration=texts.number(video.get("duration")) or _first(layers, "seconds", texts.number),
        units=units_in(layers),
        updated_at=_updated(layers),
    )


def _video(layers: list[Object]) -> Object:
    """The first finished video that has an address, as the platform tells it."""
    for layer in layers:
        result = layer.get("task_result")
        videos = result.get("videos") if isinstance(result, dict) else None
        told = [it for it in videos if isinstance(it, dict)] if isinstance(videos, list) else []
        if told:
            return next((it for it in told if _url(it.get("url"))), told[0])
    return {}


_URL_NAMES = ("video_url", "videoUrl", "output_url", "url", "outputUrl", "result_url", "resultUrl")


def _loose_url(layers: list[Object], status: TaskStatus | None) -> str | None:
    """A finished video's address in the places where gateways put it; one has it in `fail_reason`."""
    if status is not TaskStatus.SUCCEED:
        return None
    for layer in layers:
        metadata = layer.get("metadata")
        places = [metadata.get("url") if isinstance(metadata, dict) else None, *map(layer.get, _URL_NAMES)]
        if found := next(filter(None, map(_url, places)), None) or _url_in_words(layer.get("fail_reason")):
            return found
    return None


_ABSOLUTE = re.compile(r"https?://[^\s/]|data:[^\s,]{0,200},.", re.IGNORECASE)
_RELATIVE = re.compile(r"\.{0,2}/|[\w.~%-]{2,}/")
_UNSAFE = re.compile(r"[\s\\]")


def _url(value: object) -> str | None:
    """An address, as it is told: absolute, `data:`, or relative to the gateway's origin."""
    if not isinstance(value, str) or not value.isprintable() or _UNSAFE.search(value):
        return None
    return value if _ABSOLUTE.match(value) or _RELATIVE.match(value) else None


def _url_in_words(value: object) -> str | None:
    """An address that stands where words are usual: a relative one begins with a slash there."""
    found = _url(value)
    return found if found and (_ABSOLUTE.match(found) or found.startswith("/")) else None


def reason_in(layers: list[Object]) -> str | None:
    """Why a task failed, in the words that were told for it."""
    for layer in layers:
        for name in ("task_status_msg", "fail_reason", "failReason", "failMsg", "error", "error_message"):
            if reason := said(layer.get(name)):
                return reason
    return None


def _updated(layers: list[Object]) -> float | None:
    """Gateways mix seconds and milliseconds; a finish that is told is more than a row that was touched."""
    for layer in layers:
        for name in ("completed_at", "completedAt", "finish_time", "updated_at", "updatedAt"):
            if figure := texts.number(layer.get(name)):
                return figure / 1000 if figure >= 1e12 else figure
    return None


def units_in(layers: list[Object]) -> str | None:
    """What was charged, as it was written."""
    return _first(layers, "final_unit_deduction", _figure)


def _figure(value: object) -> str | None:
    """A figure as it was written; no arithmetic on money."""
    return texts.word(str(value) if isinstance(value, float) else value)


def _first(layers: list[Object], name: str, read: Callable[[object], _T | None]) -> _T | None:
    return next(filter(None, (read(layer.get(name)) for layer in layers)), None)
