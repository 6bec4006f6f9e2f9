"""Reply bytes of any dialect to a `Reply` (contract, section 3); never raises, whatever the bytes."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from json import JSONDecoder
from typing import Any, TypeVar

from attrs import frozen
from msgspec import MsgspecError
from msgspec.json import Decoder

from lipsync_async.terms import Reply, TaskStatus

from . import texts
from .native import read_created

_Object = dict[str, Any]
_T = TypeVar("_T")

_strictly = Decoder().decode

# --- bytes to JSON -----------------------------------------------------------------------------------------------


def _integer(digits: str) -> int | str:
    """int() refuses more than 4,300 digits; such a number must not make the rest of a reply unreadable."""
    return int(digits) if len(digits) <= texts.MAX_WORD else digits


_LENIENT = JSONDecoder(parse_int=_integer, strict=False)


def _parse(body: bytes) -> tuple[object, bool]:
    """The first JSON value of a body (None: there is none), and whether something followed it."""
    try:
        return _strictly(body), False
    except (MsgspecError, ValueError, RecursionError):
        return _parse_leniently(body.decode("utf-8-sig", "replace").strip())


def _parse_leniently(text: str) -> tuple[object, bool]:
    try:
        value, end = _LENIENT.raw_decode(text)
    except (ValueError, RecursionError):
        return None, False
    return value, end < len(text)


def _embedded(text: str) -> object:
    """The JSON object inside a text, as in `upstream said: {"code": 1303}`; None: there is none."""
    for brace in islice(re.finditer(r"\{", text), 2):
        value, _ = _parse_leniently(text[brace.start() :])
        if isinstance(value, dict):
            return value
    return None


def _layers(top: _Object) -> list[_Object]:
    """A reply and what it holds under `data`, be it as text; innermost first, for that is what is believed."""
    layers = [top]
    inner = top.get("data")
    while inner is not None and len(layers) < 4:
        if type(inner) is str:
            inner = _embedded(inner)
        if type(inner) is not dict:
            break
        layers.append(inner)
        inner = inner.get("data")
    layers.reverse()
    return layers


# --- codes: looked for in every layer before the HTTP status is believed (contract, section 4) -------------------

_MAX_NODES = 100
_MAX_DEPTH = 8
_MAX_TEXT = 8_000
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


def _nodes(top: _Object) -> Iterator[tuple[_Object | str, bool]]:
    """Every object and text of a reply, outer before inner, and whether it was quoted: stands as JSON inside a text."""
    waiting: deque[tuple[object, int, bool]] = deque([(top, 0, False)])
    for _ in range(_MAX_NODES):
        if not waiting:
            return
        node, depth, quoted = waiting.popleft()
        if isinstance(node, dict | str):
            yield node, quoted
        if depth < _MAX_DEPTH:
            inside = quoted or isinstance(node, str)
            waiting.extend((child, depth + 1, inside) for child in islice(_children(node), _MAX_NODES))


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    if isinstance(node, list):
        return node
    return (_embedded(node[:_MAX_TEXT]),) if isinstance(node, str) and "{" in node else ()


def _is_success(code: object) -> bool:
    """Absent, 0, "0", 200, "success" or true; false equals 0 in Python, so types are looked at."""
    if code is None or code is True:
        return True
    return type(code) in {int, str} and code in {0, "0", 200, "success"}


def _kling_code(node: _Object | str) -> int | None:
    """A code from 1000 to 5999 that an object names."""
    value = texts.code(node.get("code")) if isinstance(node, dict) else None
    if isinstance(value, str) and len(value) == 4 and value.isdecimal():
        value = int(value)
    return value if isinstance(value, int) and 1000 <= value <= 5999 else None


def _spoken_code(node: _Object | str) -> int | None:
    """A code that a text names, in figures or in the platform's words."""
    if not isinstance(node, str):
        return None
    folded = node[:_MAX_TEXT].casefold()
    if match := _SPOKEN_CODE.search(folded):
        return int(match[1])
    return next((code for phrase, code in _PHRASES.items() if phrase in folded), None)


def _find_code(top: _Object, status: int) -> tuple[int | str | None, str]:
    """A word of doubt; else the innermost Kling code and what was said with it; else the gateway's own code.

    From HTTP 500 on, a text proves no refusal: what it quotes or says counts only where it is trouble as well.
    """
    nodes = list(_nodes(top))
    if word := _word_of_doubt(nodes):
        return word, _said(top)
    trouble = status >= 500
    readers: tuple[Callable[[_Object | str], int | None], ...] = (_kling_code, _spoken_code)
    for read in readers:
        for node, quoted in reversed(nodes):
            code = read(node)
            if code and (code >= 5000 or not trouble or not (quoted or read is _spoken_code)):
                return code, _said(node) or _said(top)
    own = _own_code([node for node, quoted in nodes if not (quoted and trouble)])
    return own or texts.code(top.get("code")), _said(top)


def _word_of_doubt(nodes: list[tuple[_Object | str, bool]]) -> str | None:
    """The gravest of `IN_DOUBT` that stands anywhere, as a code or in a text."""
    said = [node[:_MAX_TEXT].casefold() for node, _ in nodes if isinstance(node, str)]
    return next((word for word in IN_DOUBT if any(word in text for text in said)), None)


def _own_code(nodes: list[_Object | str]) -> int | str | None:
    """The gateway's own code: the outermost that is no success."""
    codes = (node["code"] for node in nodes if isinstance(node, dict) and not _is_success(node.get("code")))
    return next((code for code in map(texts.code, codes) if code), None)


_SAID = ("message", "msg", "error", "errors", "detail", "error_description", "data")


def _said(node: object, depth: int = 0) -> str:
    """What an object says in words."""
    if isinstance(node, str) or depth > 4:
        return texts.message(node) if isinstance(node, str) else ""
    if isinstance(node, list):
        node = {"message": node[0] if node else ""}
    if not isinstance(node, dict):
        return ""
    return next(filter(None, (_said(node.get(name), depth + 1) for name in _SAID)), "")


# --- fields -------------------------------------------------------------------------------------------------------

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


def _task_id(top: _Object, layers: list[_Object], *, success: bool) -> str | None:
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


def _status(layers: list[_Object]) -> tuple[TaskStatus | None, str | None]:
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


def _time(layers: list[_Object]) -> float | None:
    """Unix seconds; gateways mix seconds and milliseconds."""
    for layer in layers:
        for name in ("created_at", "createdAt", "submit_time", "create_time"):
            value = layer.get(name)
            if value is not None and (figure := texts.number(value)):
                return figure / 1000 if figure >= 1e12 else figure
    return None


def _external_id(layers: list[_Object]) -> str | None:
    for layer in layers:
        info = layer.get("task_info")
        if type(info) is dict and (found := texts.word(info.get("external_task_id"))):
            return found
        if found := texts.word(layer.get("external_task_id")):
            return found
    return None


def _request_id(layers: list[_Object], headers: Mapping[str, str]) -> str | None:
    for layer in layers:
        if found := texts.word(layer.get("request_id")):
            return found
    return texts.word(headers.get("x-request-id")) or texts.word(headers.get("X-Oneapi-Request-Id"))


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
    if status == 200 and not broken and (created := read_created(body)) is not None:
        return created
    top, suspicious = _parse(body)
    if type(top) is not dict:
        return _unreadable(status, headers, body, broken=broken, now=now)
    return _read(status, headers, top, _layers(top), suspicious=suspicious, broken=broken, now=now)


def _read(
    status: int,
    headers: Mapping[str, str],
    top: _Object,
    layers: list[_Object],
    *,
    suspicious: bool = False,
    broken: bool = False,
    now: float | None = None,
) -> Reply:
    success = _succeeded(top, layers)
    task_id = _task_id(top, layers, success=success)
    if success and task_id:
        code, message = texts.code(top.get("code")), _said(top.get("message") or top.get("msg"))
    else:
        code, message = _find_code(top, status)
        success = success and _is_success(code)
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


def _succeeded(top: _Object, layers: list[_Object]) -> bool:
    """Every layer's code says so, and none of the usual signs of an error speaks against it."""
    for layer in layers:
        if (code := layer.get("code")) is not None and not _is_success(code):
            return False
    # An OpenAI video that failed carries an error, and is a task all the same.
    return top.get("success") is not False and (not top.get("error") or top.get("object") == "video")


_MARKUP = re.compile(rb"\s*<", re.ASCII)
_TITLE = re.compile(r"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


def _unreadable(status: int, headers: Mapping[str, str], body: bytes, *, broken: bool, now: float | None) -> Reply:
    """A reply without a JSON object: a page, a text, nothing."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    said_html = "html" in headers.get("Content-Type", "").lower()
    html = bool(_MARKUP.match(body)) or (said_html and bool(body.strip()))
    text = body[:_MAX_TEXT].decode("utf-8", "replace")
    title = _TITLE.search(text) if html else None
    return Reply(
        status=status,
        message=texts.message(title[1] if title else text),
        request_id=_request_id([], headers),
        retry_after=_retry_after(headers, now),
        html=html,
        broken=broken,
    )


# --- tasks --------------------------------------------------------------------------------------------------------


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
    top, suspicious = _parse(body)
    if type(top) is not dict:
        return TaskReply(reply=_unreadable(status, headers, body, broken=broken, now=now), found=None)
    layers = _layers(top)
    reply = _read(status, headers, top, layers, suspicious=suspicious, broken=broken, now=now)
    return _task(reply, layers, _found(reply, top))


def read_task_list(status: int, headers: Mapping[str, str], body: bytes) -> list[TaskReply] | None:
    """The tasks of a page of the task list; None where the answer is no such page."""
    top, _ = _parse(body)
    if type(top) is not dict or not 200 <= status <= 299 or not _succeeded(top, [top]):
        return None
    items = _items(top.get("data"))
    return None if items is None else [_listed(status, headers, item) for item in items if type(item) is dict]


def _items(data: object) -> list[object] | None:
    if isinstance(data, dict):
        data = next((data[name] for name in ("list", "items", "tasks", "records", "data") if name in data), None)
    return data if isinstance(data, list) else None


def _listed(status: int, headers: Mapping[str, str], item: _Object) -> TaskReply:
    layers = _layers(item)
    reply = _read(status, headers, item, layers)
    return _task(reply, layers, True if reply.task_id else None)


def _found(reply: Reply, top: _Object) -> bool | None:
    """Whether there is such a task; an answer that did not arrive whole, or a missing route, proves nothing."""
    if reply.broken or not (200 <= reply.status <= 299 or 400 <= reply.status <= 499):
        return None
    if reply.status <= 299 and reply.task_id and _is_success(top.get("code")):
        return True
    if reply.code in _NO_TASK or reply.message in _NO_TASK:
        return False
    return False if reply.status == 404 and reply.code != 1202 and not _NO_ROUTE.search(reply.message) else None


def _task(reply: Reply, layers: list[_Object], found: bool | None) -> TaskReply:
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


def _video(layers: list[_Object]) -> _Object:
    """The first finished video, as the platform tells it."""
    for layer in layers:
        result = layer.get("task_result")
        videos = result.get("videos") if isinstance(result, dict) else None
        if isinstance(videos, list) and videos and isinstance(videos[0], dict):
            return videos[0]
    return {}


_URL_NAMES = ("video_url", "videoUrl", "result_url", "resultUrl", "url")


def _loose_url(layers: list[_Object], status: TaskStatus | None) -> str | None:
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


def _reason(layers: list[_Object]) -> str | None:
    for layer in layers:
        for name in ("task_status_msg", "fail_reason", "failReason", "error", "error_message"):
            said = _said(layer.get(name))
            if said:
                return said
    return None


def _figure(value: object) -> str | None:
    """A figure as it was written; no arithmetic on money."""
    return texts.word(str(value) if isinstance(value, float) else value)


def _first(layers: list[_Object], name: str, read: Callable[[object], _T | None]) -> _T | None:
    return next(filter(None, (read(layer.get(name)) for layer in layers)), None)
