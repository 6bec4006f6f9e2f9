"""What a gateway answers when it is asked for a task, or for a page of the task list (contract, sections 3 and 5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from attrs import frozen

from lipsync_async.terms import Reply, TaskStatus

from . import texts
from .codes import is_success, said, succeeded
from .layers import Object, layers_of, parse
from .replies import read_object, unreadable

_T = TypeVar("_T")


@frozen(kw_only=True)
class TaskReply:
    """What a gateway answered when it was asked for a task."""

    reply: Reply
    found: bool | None
    """False: there is no such task; None: the answer proves nothing."""
    video_url: str | None = None
    """None for a task that succeeded: a dialect that does not tell it (contract, section 3, "flat")."""
    watermark_url: str | None = None
    reason: str | None = None
    """Why the task failed; a failed task's top-level message may well be "SUCCEED"."""
    duration: float | None = None
    """Seconds of the finished video."""
    units: str | None = None
    """What was charged, `final_unit_deduction`."""


_NO_TASK = frozenset({1203, "task_not_exist", "task_not_found"})
_NO_ROUTE = re.compile(r"invalid url|page not found|route|cannot get", re.IGNORECASE)


def read_task(
    status: int, headers: Mapping[str, str], body: bytes, *, broken: bool = False, now: float | None = None
) -> TaskReply:
    """What became of one task; `headers` and `now` as in `read_reply`."""
    top, suspicious = parse(body)
    if type(top) is not dict:
        return TaskReply(reply=unreadable(status, headers, body, broken=broken, now=now), found=None)
    layers = layers_of(top)
    reply = read_object(status, headers, top, layers, suspicious=suspicious, broken=broken, now=now)
    return _task(reply, layers, _found(reply, top))


def read_task_list(status: int, headers: Mapping[str, str], body: bytes) -> list[TaskReply] | None:
    """The tasks of a page of the task list; None where the answer is no such page."""
    top, _ = parse(body)
    if type(top) is not dict or not 200 <= status <= 299 or not succeeded(top, [top]):
        return None
    items = _items(top.get("data"))
    return None if items is None else [_listed(status, headers, item) for item in items if type(item) is dict]


def _items(data: object) -> list[object] | None:
    if isinstance(data, dict):
        data = next((data[name] for name in ("list", "items", "tasks", "records", "data") if name in data), None)
    return data if isinstance(data, list) else None


def _listed(status: int, headers: Mapping[str, str], item: Object) -> TaskReply:
    layers = layers_of(item)
    reply = read_object(status, headers, item, layers)
    return _task(reply, layers, True if reply.task_id else None)


def _found(reply: Reply, top: Object) -> bool | None:
    """Whether there is such a task; an answer that did not arrive whole, or a missing route, proves nothing."""
    if reply.broken or not (200 <= reply.status <= 299 or 400 <= reply.status <= 499):
        return None
    if reply.status <= 299 and reply.task_id and is_success(top.get("code")):
        return True
    if reply.code in _NO_TASK or reply.message in _NO_TASK:
        return False
    return False if reply.status == 404 and reply.code != 1202 and not _NO_ROUTE.search(reply.message) else None


def _task(reply: Reply, layers: list[Object], found: bool | None) -> TaskReply:
    video = _video(layers)
    return TaskReply(
        reply=reply,
        found=found,
        video_url=_url(video.get("url")) or _loose_url(layers, reply.task_status),
        watermark_url=_url(video.get("watermark_url")),
        reason=_reason(layers) if reply.task_status is TaskStatus.FAILED else None,
        duration=texts.number(video.get("duration")) or _first(layers, "seconds", texts.number),
        units=_first(layers, "final_unit_deduction", _figure),
    )


def _video(layers: list[Object]) -> Object:
    """The first finished video, as the platform tells it."""
    for layer in layers:
        result = layer.get("task_result")
        videos = result.get("videos") if isinstance(result, dict) else None
        if isinstance(videos, list) and videos and isinstance(videos[0], dict):
            return videos[0]
    return {}


_URL_NAMES = ("video_url", "videoUrl", "result_url", "resultUrl", "url")


def _loose_url(layers: list[Object], status: TaskStatus | None) -> str | None:
    """A finished video's address in the places where gateways put it; one has it in `fail_reason`."""
    if status is not TaskStatus.SUCCEED:
        return None
    for layer in layers:
        metadata = layer.get("metadata")
        places = [metadata.get("url") if isinstance(metadata, dict) else None, *map(layer.get, _URL_NAMES)]
        if found := next(filter(None, map(_url, [*places, layer.get("fail_reason")])), None):
            return found
    return None


def _url(value: object) -> str | None:
    """An address that can be fetched."""
    usable = isinstance(value, str) and value.startswith(("http://", "https://")) and value.isprintable()
    return str(value) if usable else None


def _reason(layers: list[Object]) -> str | None:
    for layer in layers:
        for name in ("task_status_msg", "fail_reason", "failReason", "error", "error_message"):
            if reason := said(layer.get(name)):
                return reason
    return None


def _figure(value: object) -> str | None:
    """A figure as it was written; no arithmetic on money."""
    return texts.word(str(value) if isinstance(value, float) else value)


def _first(layers: list[Object], name: str, read: Callable[[object], _T | None]) -> _T | None:
    return next(filter(None, (read(layer.get(name)) for layer in layers)), None)
