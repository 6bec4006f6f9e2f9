"""What is said: refusals and dialects as tables, to be checked against the contract (sections 3 and 4) line by line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from lipsync_async.sandbox.tasks import Snapshot

Body = dict[str, Any]

JSON = "application/json"
HTML = "text/html"
_NOTHING: Mapping[str, str] = {}
_encode = json.JSONEncoder(ensure_ascii=False).encode


@attrs.frozen
class Answer:
    """A reply before it becomes bytes on a socket."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = _NOTHING


def answer(status: int, body: Body, headers: Mapping[str, str] = _NOTHING) -> Answer:
    """Encode a JSON reply."""
    return Answer(status, _encode(body).encode(), headers=headers)


# --- refusals (contract, section 4) -------------------------------------------------------------------------------

KLING: Mapping[int, tuple[int, str]] = {
    1000: (401, "Authentication failed"),
    1001: (401, "Authorization is empty"),
    1002: (401, "Authorization is invalid"),
    1003: (401, "Authorization is not yet valid"),
    1004: (401, "Authorization has expired"),
    1100: (429, "Account exception"),
    1101: (429, "Account in arrears"),
    1102: (429, "Account balance not enough"),
    1103: (403, "No permission for this API"),
    1200: (400, "Invalid request"),
    1201: (400, "Invalid parameters"),
    1202: (404, "The requested method is invalid"),
    1203: (404, "The requested resource does not exist"),
    1300: (400, "Content policy"),
    1301: (400, "Failure to pass the risk control system"),
    1302: (429, "api request too fast"),
    1303: (429, "parallel task over resource pack limit"),
    1304: (429, "IP address is not allowed"),
    5000: (500, "Internal server error"),
    5001: (503, "Server temporarily unavailable"),
    5002: (504, "Server timed out"),
}

SATURATED = "当前分组上游负载已饱和，请稍后再试"
UPSTREAM_TEXT = "{upstream}"  # stands for the whole body that Kling answered, as text

# Kling code -> (HTTP status, the gateway's code, its message); None: what Kling said. A code of None: the `error` form.
_MASKED = (429, "fail_to_fetch_task", SATURATED)
_TOKEN = (401, None, "无效的令牌")
_QUOTED = (400, "task_failed", UPSTREAM_TEXT)
_RETOLD = (400, "task_failed", None)
_FAILED = (500, "do_request_failed", "请求上游地址失败")
NEW_API: Mapping[int, tuple[int, str | None, str | None]] = {
    1000: _TOKEN,
    1001: _TOKEN,
    1002: _TOKEN,
    1003: _TOKEN,
    1004: _TOKEN,
    1100: _MASKED,
    1101: _MASKED,
    # Not masked: the sandbox's balance is what the customer has at the gateway, not what the gateway has at Kling.
    1102: (403, "quota_not_enough", "user quota is not enough"),
    1103: (403, None, None),
    1200: _RETOLD,
    1201: _QUOTED,
    1202: (404, None, None),
    1203: (400, "task_not_exist", "task_not_exist"),
    1300: _RETOLD,
    1301: _QUOTED,
    1302: _MASKED,
    1303: _MASKED,
    1304: _MASKED,
    5000: _FAILED,
    5001: _FAILED,
    5002: _FAILED,
}


def refuse_as_kling(code: int, said: str, request_id: str) -> Answer:
    """Kling's own envelope: a code and a message."""
    status, usual = KLING[code]
    return answer(status, {"code": code, "message": said or usual, "request_id": request_id})


def refuse_as_new_api(code: int, said: str, request_id: str) -> Answer:
    """The same refusal as a new-api gateway passes it on."""
    status, name, message = NEW_API[code]
    upstream = refuse_as_kling(code, said, request_id).body.decode()
    text = {None: said or KLING[code][1], UPSTREAM_TEXT: upstream}.get(message, message)
    if name is None:
        error = {"message": f"{text} (request id: {request_id})", "type": "new_api_error", "code": ""}
        body: Body = {"error": error}
    else:
        body = {"code": name, "message": text, "data": None}
    return answer(status, body, {"X-Oneapi-Request-Id": request_id})


REFUSALS: Mapping[str, Callable[[int, str, str], Answer]] = {"kling": refuse_as_kling, "new-api": refuse_as_new_api}


def route_missing(method: str, path: str) -> Answer:
    """A route that the gateway does not have, as new-api answers it."""
    text = f"Invalid URL ({method} {path})"
    return answer(404, {"error": {"message": text, "type": "invalid_request_error", "param": "", "code": ""}})


# --- replies that no gateway means to give ------------------------------------------------------------------------


def _page(title: str) -> bytes:
    return f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>".encode()


TOO_LARGE = Answer(413, _page("413 Request Entity Too Large"), HTML, {"Server": "nginx"})
BAD_GATEWAY = Answer(502, _page("502 Bad Gateway"), HTML, {"Server": "nginx"})
FRONT_PAGE = Answer(200, b'<!doctype html><html><body><div id="root"></div></body></html>', HTML)
GARBAGE = Answer(200, b'\x1f\x00\xff{"code":0,"mess')
INSERT_FAILED = answer(500, {"code": "insert_task_failed", "message": "插入任务失败", "data": None})
INSTEAD: Mapping[str, Answer] = {
    "502_before": BAD_GATEWAY,
    "502_after": BAD_GATEWAY,
    "500_insert_task_failed": INSERT_FAILED,
    "garbage": GARBAGE,
    "html_200": FRONT_PAGE,
}
"""The faults that are nothing but another reply."""


# --- dialects (contract, section 3) -------------------------------------------------------------------------------

_OPENAI_STATUS = {
    "submitted": "queued",
    "processing": "in_progress",
    "succeed": "completed",
    "failed": "failed",
    "expired": "expired",
}
_NESTED_STATUS = {
    "submitted": "NOT_START",
    "processing": "IN_PROGRESS",
    "succeed": "SUCCESS",
    "failed": "FAILURE",
    "expired": "EXPIRED",
}
_CAMEL_STATE = {**{name: name for name in _OPENAI_STATUS}, "succeed": "completed"}
ENDED = frozenset(("succeed", "failed", "expired"))


def _progress(task: Snapshot) -> int:
    return {"submitted": 0, "processing": 50}.get(task.status, 100)


def envelope(data: Any, request_id: str) -> Body:
    """Kling's own form of a reply that succeeded."""
    # A failed task says SUCCEED here too: it is the query that succeeded.
    return {"code": 0, "message": "SUCCEED", "request_id": request_id, "data": data}


def native_created(task: Snapshot) -> Body:
    """The task object of a create, and of the first queries."""
    return {
        "task_id": task.task_id,
        "task_info": {"external_task_id": task.external_task_id} if task.external_task_id else {},
        "task_status": task.status,
        "created_at": task.created_ms,
        "updated_at": task.updated_ms,
    }


def native_task(task: Snapshot) -> Body:
    """The task object of a query."""
    data = {**native_created(task), "task_status_msg": task.reason}
    if task.status == "succeed":
        video = {"id": f"{task.task_id}1", "url": task.url, "watermark_url": "", "duration": task.seconds}
        data["task_result"] = {"videos": [video]}
        data["watermark_info"] = {"enabled": task.watermark}
    if task.status in ENDED:
        data["final_unit_deduction"] = task.units
    return data


def _native_create(task: Snapshot, request_id: str) -> Body:
    return envelope(native_created(task), request_id)


def _native_query(task: Snapshot, request_id: str) -> Body:
    return envelope(native_task(task), request_id)


def _openai_create(task: Snapshot, _request_id: str) -> Body:
    return {
        "id": task.task_id,
        "task_id": task.task_id,
        "object": "video",
        "model": "kling-v1-6",
        "status": "",
        "progress": 0,
        "created_at": task.created_ms // 1000,
    }


def _openai_query(task: Snapshot, _request_id: str) -> Body:
    body: Body = {
        "id": task.task_id,
        "object": "video",
        "model": "kling-v1-6",
        "status": _OPENAI_STATUS[task.status],
        "progress": _progress(task),
        "created_at": task.created_ms,  # in ms here, in seconds at the create: gateways mix them
    }
    if task.status == "succeed":
        body |= {"completed_at": task.updated_ms, "seconds": task.seconds}
        body |= {"metadata": {"url": task.url}} if task.url else {}
    elif task.status in ENDED:
        body["error"] = {"message": task.reason, "code": "task_failed"}
    return body


def _nested_query(task: Snapshot, request_id: str) -> Body:
    # The result's URL stands in `fail_reason`, and before the task started there is no Kling body inside.
    # Where the gateway ended the task, what it quotes is the last that it heard: it still runs there.
    begun, ended = task.status != "submitted", task.status in ENDED
    quoted = task
    if task.inner != task.status:
        quoted = attrs.evolve(task, status=task.inner, reason="", updated_ms=task.started_ms)
    outer = {
        "task_id": task.task_id,
        "action": "advancedLipSync",
        "status": _NESTED_STATUS[task.status],
        "fail_reason": task.reason or (task.url if task.status == "succeed" else ""),
        "submit_time": task.created_ms // 1000,
        "start_time": task.created_ms // 1000 if begun else 0,
        "finish_time": task.updated_ms // 1000 if ended else 0,
        "progress": f"{_progress(task)}%",
        "data": _native_query(quoted, request_id) if begun else None,
    }
    return {"code": "success", "message": "", "data": outer}


def _hybrid_create(task: Snapshot, request_id: str) -> Body:
    return {**_native_create(task, request_id), "task_id": task.task_id}


def _flat_query(task: Snapshot, _request_id: str) -> Body:
    body = {"status": _NESTED_STATUS[task.status], "task_id": task.task_id, "progress": f"{_progress(task)}%"}
    return {**body, "fail_reason": task.reason} if task.reason else body


def _camel_create(task: Snapshot, _request_id: str) -> Body:
    data = {"taskId": task.task_id, "state": _CAMEL_STATE[task.status], "model": "kling-advanced-lip-sync"}
    return {"code": 200, "msg": "success", "data": data}


def _camel_query(task: Snapshot, request_id: str) -> Body:
    body = _camel_create(task, request_id)
    if task.status == "succeed" and task.url:
        body["data"]["videoUrl"] = task.url
    if task.reason:
        body["data"]["failMsg"] = task.reason
    return body


Dialect = Callable[[Snapshot, str], Body]
DIALECTS: Mapping[str, tuple[Dialect, Dialect]] = {
    "native": (_native_create, _native_query),
    "openai-video": (_openai_create, _openai_query),
    "nested": (_openai_create, _nested_query),
    "hybrid": (_hybrid_create, _native_query),
    "flat": (_native_create, _flat_query),  # the contract knows no create of its own for it
    "camel": (_camel_create, _camel_query),
}
"""Name -> how a create and a query are answered."""


def task_list(tasks: list[Snapshot], request_id: str) -> Body:
    """One page of tasks; only Kling documents the call, so there is one form of it."""
    return envelope([native_task(task) for task in tasks], request_id)
