"""The tables of what is said, beside the contract's samples."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from lipsync_async.sandbox import replies
from lipsync_async.sandbox.ends import FAILURE, Status
from lipsync_async.sandbox.tasks import Snapshot

ID = "0b9c1d52-5f0e-4a53-9a0e-3f7b6f2c9a11"
TASK = Snapshot(
    task_id="860000000000000001",
    external_task_id="batch7-000042",
    status="submitted",
    inner="submitted",
    reason="",
    units="1",
    seconds="7.041",
    url="https://cdn.example.test/kling/860000000000000001.mp4",
    watermark=False,
    created_ms=1783000000123,
    started_ms=1783000009123,
    updated_ms=1783000000123,
)
INNER = {
    "task_id": TASK.task_id,
    "task_info": {"external_task_id": "batch7-000042"},
    "task_status": "submitted",
    "created_at": 1783000000123,
    "updated_at": 1783000000123,
}


def at(status: Status) -> Snapshot:
    """The task in this state, 95 s later."""
    reason = FAILURE if status == "failed" else ""
    return attrs.evolve(TASK, status=status, inner=status, reason=reason, updated_ms=1783000095123)


def native(status: Status) -> dict[str, Any]:
    """What a native query of that task says."""
    return replies.DIALECTS["native"][1](at(status), ID)


# The contract's section 4, line by line.
STATUSES = {
    401: [1000, 1001, 1002, 1003, 1004],
    429: [1100, 1101, 1102, 1302, 1303, 1304],
    403: [1103],
    400: [1200, 1201, 1300, 1301],
    404: [1202, 1203],
    500: [5000],
    503: [5001],
    504: [5002],
}


def test_every_code_has_its_http_status() -> None:
    """The table is the contract's."""
    assert replies.KLING.keys() == replies.NEW_API.keys() == {code for codes in STATUSES.values() for code in codes}
    for status, codes in STATUSES.items():
        assert {replies.KLING[code][0] for code in codes} == {status}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (1303, "parallel task over resource pack limit"),
        (1302, "api request too fast"),
        (1102, "Account balance not enough"),
        (1004, "Authorization has expired"),
        (1301, "Failure to pass the risk control system"),
        (5001, "Server temporarily unavailable"),
    ],
)
def test_refusals_of_kling_are_the_samples(code: int, message: str) -> None:
    """Kling's refusals are those of samples e01 to e11."""
    reply = replies.refuse_as_kling(code, "", ID)
    assert json.loads(reply.body) == {"code": code, "message": message, "request_id": ID}


@pytest.mark.parametrize("code", [1100, 1101, 1302, 1303, 1304])
def test_new_api_masks_every_upstream_429(code: int) -> None:
    """All of Kling's 429 become the same words (sample g01)."""
    reply = replies.refuse_as_new_api(code, "", ID)
    assert reply.status == 429
    assert json.loads(reply.body) == {"code": "fail_to_fetch_task", "message": replies.SATURATED, "data": None}
    assert reply.headers["X-Oneapi-Request-Id"] == ID


@pytest.mark.parametrize(
    ("code", "status", "body"),
    [
        (1102, 403, {"code": "quota_not_enough", "message": "user quota is not enough", "data": None}),
        (1203, 400, {"code": "task_not_exist", "message": "task_not_exist", "data": None}),
        (1200, 400, {"code": "task_failed", "message": "why", "data": None}),
        (5001, 500, {"code": "do_request_failed", "message": "请求上游地址失败", "data": None}),
        (1002, 401, {"error": {"message": f"无效的令牌 (request id: {ID})", "type": "new_api_error", "code": ""}}),
    ],
)
def test_refusals_of_new_api_are_the_samples(code: int, status: int, body: Any) -> None:
    """A new-api gateway's refusals are those of samples g04 to g10 and q11."""
    reply = replies.refuse_as_new_api(code, "why", ID)
    assert (reply.status, json.loads(reply.body)) == (status, body)


def test_new_api_quotes_upstream_as_text() -> None:
    """A bad parameter is a 400 `task_failed` with Kling's own body as text in its message."""
    body = json.loads(replies.refuse_as_new_api(1201, "sound_end_time is invalid", ID).body)
    assert body["code"] == "task_failed"
    assert json.loads(body["message"])["code"] == 1201


def test_a_missing_route_is_named() -> None:
    """The 404 of a route that is not there is sample g13."""
    reply = replies.route_missing("POST", "/kling/v1/x")
    assert reply.status == 404
    assert json.loads(reply.body)["error"]["message"] == "Invalid URL (POST /kling/v1/x)"


CREATES: dict[str, dict[str, Any]] = {
    "native": {"code": 0, "message": "SUCCEED", "request_id": ID, "data": INNER},  # sample s01
    "openai-video": {  # sample s02
        "id": TASK.task_id,
        "task_id": TASK.task_id,
        "object": "video",
        "model": "kling-v1-6",
        "status": "",
        "progress": 0,
        "created_at": 1783000000,
    },
    "hybrid": {"code": 0, "message": "SUCCEED", "request_id": ID, "data": INNER, "task_id": TASK.task_id},
    "camel": {
        "code": 200,
        "msg": "success",
        "data": {"taskId": TASK.task_id, "state": "submitted", "model": "kling-advanced-lip-sync"},
    },
}
CREATES |= {"nested": CREATES["openai-video"], "flat": CREATES["native"]}


@pytest.mark.parametrize("dialect", replies.DIALECTS)
def test_a_create_in_every_dialect(dialect: str) -> None:
    """A create is answered in the shape that the contract's table gives for the dialect."""
    assert replies.DIALECTS[dialect][0](TASK, ID) == CREATES[dialect]


def test_a_native_query_of_a_finished_task() -> None:
    """A finished task tells its video and what it cost (sample q02)."""
    data = native("succeed")["data"]
    assert data["task_status"] == "succeed"
    assert data["task_result"]["videos"][0]["url"] == TASK.url
    assert data["final_unit_deduction"] == "1"
    assert data["updated_at"] == 1783000095123


def test_a_failed_task_still_says_succeed() -> None:
    """The envelope of a failed task says SUCCEED; the reason is inside."""
    body = native("failed")
    assert (body["code"], body["message"]) == (0, "SUCCEED")
    assert (body["data"]["task_status"], body["data"]["task_status_msg"]) == ("failed", FAILURE)
    assert "task_result" not in body["data"]


@pytest.mark.parametrize("status", ["submitted", "processing"])
def test_a_running_task_has_no_result(status: Status) -> None:
    """While it runs a task has neither a video nor a price (sample q01)."""
    data = native(status)["data"]
    assert (data["task_status"], data["task_status_msg"]) == (status, "")
    assert not {"task_result", "final_unit_deduction"} & set(data)


OPENAI = {"id": TASK.task_id, "object": "video", "model": "kling-v1-6", "created_at": 1783000000123}
NESTED = {"task_id": TASK.task_id, "action": "advancedLipSync", "submit_time": 1783000000}
CAMEL = {"taskId": TASK.task_id, "model": "kling-advanced-lip-sync"}
QUERIES: list[tuple[str, Status, dict[str, Any]]] = [
    ("openai-video", "submitted", OPENAI | {"status": "queued", "progress": 0}),
    ("openai-video", "processing", OPENAI | {"status": "in_progress", "progress": 50}),
    (  # sample q09
        "openai-video",
        "succeed",
        OPENAI
        | {"status": "completed", "progress": 100, "completed_at": 1783000095123, "seconds": "7.041"}
        | {"metadata": {"url": TASK.url}},
    ),
    (
        "openai-video",
        "failed",
        OPENAI | {"status": "failed", "progress": 100, "error": {"message": FAILURE, "code": "task_failed"}},
    ),
    ("flat", "succeed", {"status": "SUCCESS", "task_id": TASK.task_id, "progress": "100%"}),
    ("flat", "processing", {"status": "IN_PROGRESS", "task_id": TASK.task_id, "progress": "50%"}),
    ("flat", "failed", {"status": "FAILURE", "task_id": TASK.task_id, "progress": "100%", "fail_reason": FAILURE}),
    ("camel", "succeed", {"code": 200, "msg": "success", "data": CAMEL | {"state": "completed", "videoUrl": TASK.url}}),
    ("camel", "failed", {"code": 200, "msg": "success", "data": CAMEL | {"state": "failed", "failMsg": FAILURE}}),
    ("hybrid", "succeed", native("succeed")),
    (  # sample q07
        "nested",
        "submitted",
        {
            "code": "success",
            "message": "",
            "data": NESTED
            | {"status": "NOT_START", "fail_reason": "", "progress": "0%", "data": None}
            | {"start_time": 0, "finish_time": 0},
        },
    ),
    (  # sample q05: the URL stands in fail_reason
        "nested",
        "succeed",
        {
            "code": "success",
            "message": "",
            "data": NESTED
            | {"status": "SUCCESS", "fail_reason": TASK.url, "progress": "100%", "data": native("succeed")}
            | {"start_time": 1783000000, "finish_time": 1783000095},
        },
    ),
]


@pytest.mark.parametrize(("dialect", "status", "body"), QUERIES)
def test_a_query_in_every_dialect(dialect: str, status: Status, body: dict[str, Any]) -> None:
    """A query is answered in the shape that the contract's table gives for the dialect."""
    assert replies.DIALECTS[dialect][1](at(status), ID) == body


def test_a_list_is_native() -> None:
    """A page is an array of native tasks (sample q04)."""
    assert replies.task_list([at("processing")], ID)["data"] == [native("processing")["data"]]
