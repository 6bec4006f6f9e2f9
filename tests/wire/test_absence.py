"""Which words say that there is no such task: the platform's, a gateway's own, and none of a framework's."""

from __future__ import annotations

import json

import pytest
from multidict import CIMultiDict

from lipsync_async.wire import TaskReply, read_task
from lipsync_async.wire.verdicts import Finding, answers, judge_query
from tests.wire.helpers import headers, task


def finding(body: object, status: int = 404) -> Finding:
    """What a query's answer says."""
    return judge_query(task(body, status))


@pytest.mark.parametrize("status", [200, 400, 404, 410])
@pytest.mark.parametrize(
    "body",
    [
        {"code": 1203, "message": "The requested resource does not exist"},
        {"code": "1203"},
        {"code": "task_not_exist"},
        {"code": "task_not_found", "message": "x"},
        {"code": "TaskNotFound"},
        {"code": "x", "message": "task_not_exist"},
        {"error": {"code": "task_not_found", "message": "gone"}},
        {"code": "fail_to_fetch_task", "message": '{"code":1203,"message":"x"}'},
        {"code": 1, "message": "task not exist"},
        {"code": 1, "message": "Task does not exist."},
        {"code": 1, "message": "the task doesn’t exist"},
        {"code": 1, "message": "task not found"},
        {"code": 1, "message": "Task job-17 not found"},
        {"code": 1, "message": 'task "job-17" was not found'},
        {"code": 1, "message": "task id job-17 does not exist"},
        {"code": 1, "message": "external_task_id job-17 does not exist"},
        {"code": 1, "message": "no such task"},
        {"code": 1, "message": "no task found"},
        {"code": 1, "message": "Task 'abc' not found"},
        {"code": 1, "message": "Task with id job-17 not found"},
        {"code": 1, "message": "can't find task job-17"},
        {"code": 1, "message": "任务不存在或已过期"},
        {"code": 1, "message": "could not find the task"},
        {"code": 1, "message": "任务不存在"},
        {"code": 1, "message": "任务 job-17 不存在"},
        {"code": 1, "message": "未找到该任务"},
        {"code": 1, "message": "任务ID不存在"},
    ],
)
def test_the_platforms_own_words(status: int, body: object) -> None:
    """Its code, its word, and its phrase in likely spellings."""
    assert finding(body, status) is Finding.NO_SUCH_TASK


@pytest.mark.parametrize("status", [200, 400, 404])
@pytest.mark.parametrize(
    "message",
    [
        "record not found",
        "video not found",
        "Job job-17 does not exist",
        "id not found",
        "no such video",
        "No result found",
        "记录不存在",
        "未找到该记录",
        "视频不存在",
    ],
)
def test_words_of_a_gateways_own(status: int, message: str) -> None:
    """It keeps tasks as something else, and says that this is not there."""
    answer = task({"code": 40004, "message": message}, status)
    assert judge_query(answer) is Finding.GATEWAY_SAYS_NONE
    assert (answer.found, answer.gateway_says_none) == (None, True)


OBJECTS: list[object] = [
    {"detail": "Not Found"},
    {"message": "Not Found"},
    {"error": "Not Found"},
    {"statusCode": 404, "error": "Not Found", "message": "Cannot GET /kling/v1/videos/x"},
    {"timestamp": "2026-11-28", "status": 404, "error": "Not Found", "path": "/kling/v1/videos/x"},
    {"message": "no Route matched with those values"},
    {"statusCode": 404, "message": "Resource not found"},
    {"message": "The route kling/v1/videos/x could not be found."},
    {"error": {"message": "Invalid URL (GET /kling/v1/videos/task/x)", "code": ""}},
    {"code": 1202, "message": "task not found"},
    {"code": 404, "msg": "not found"},
    {"message": "Requested page not found"},
    {"message": "video route not found"},
    {"code": 0, "message": "SUCCEED", "data": None},
    {"code": 1, "message": "task type not found"},
    {"code": 1, "message": "no such task type"},
    {"code": 1, "message": "could not find task handler"},
    {"code": 1, "message": "invalid task id"},
    {"code": 1, "message": "任务类型不存在"},
    {"code": 1, "message": "task queue does not exist"},
    {"code": 1, "message": "model for this task not found"},
    {"code": 1, "message": "渠道不存在"},
    {"code": 1, "message": "the task is running"},
    {"code": 1201, "message": "id is invalid"},
    {},
    [],
]
FRAMEWORKS = [
    *(json.dumps(body).encode() for body in OBJECTS),
    b"<html><head><title>404 Not Found</title></head><body><center>nginx</center></body></html>",
    b"404 page not found",
    b"Cannot GET /kling/v1/videos/x",
    b"task not found",
    b"",
]


@pytest.mark.parametrize("body", FRAMEWORKS)
@pytest.mark.parametrize("status", [200, 404])
def test_a_framework_says_nothing_of_a_task(status: int, body: bytes) -> None:
    """A route that died, a proxy, a page, and what is no refusal in JSON."""
    assert judge_query(read_task(status, headers(), body)) is Finding.PROVES_NOTHING


def test_a_success_is_no_refusal_whatever_its_message() -> None:
    """HTTP or the code must say that something is not there."""
    assert finding({"code": 0, "message": "task not found"}, 200) is Finding.PROVES_NOTHING
    assert finding({"code": 0, "message": "task not found"}, 404) is Finding.NO_SUCH_TASK


@pytest.mark.parametrize("status", [401, 402, 403, 429, 500, 502, 503, 302])
@pytest.mark.parametrize("message", ["task not found", "record not found"])
def test_a_status_that_is_about_something_else(status: int, message: str) -> None:
    """A key, a limit or trouble: words that sound alike are not about this task."""
    assert finding({"code": 7, "message": message}, status) is Finding.PROVES_NOTHING


@pytest.mark.parametrize(
    "body",
    [
        b'<b>Warning</b>: x{"code":1203,"message":"task not exist"}',
        b'{"code":1203,"message":"task not exist"}<html>',
        b'{"code":1203}{"code":0,"data":{"task_id":"A"}}',
        b'{"code":40004,"message":"record not found"}<html>',
    ],
)
def test_absence_needs_an_answer_that_is_whole_and_alone(body: bytes) -> None:
    """What else the body holds may be why nothing was found."""
    assert judge_query(read_task(404, headers(), body)) is Finding.PROVES_NOTHING
    assert judge_query(read_task(404, headers(), b'{"code":1203}', broken=True)) is Finding.PROVES_NOTHING


# --- whose task it is ---------------------------------------------------------------------------------------------


def found(**data: object) -> TaskReply:
    """A task that was found."""
    return task({"code": 0, "message": "SUCCEED", "data": {"task_id": "77", "task_status": "processing", **data}})


@pytest.mark.parametrize("data", [{}, {"task_info": {}}, {"task_info": {"external_task_id": "job-1"}}])
def test_a_task_that_carries_our_id_or_none_is_found(data: dict[str, object]) -> None:
    """Whether it is ours by its age is for the caller to see."""
    assert answers(found(**data), "job-1") is Finding.FOUND
    assert judge_query(found(**data), external_task_id="job-1") is Finding.FOUND


@pytest.mark.parametrize(
    "data",
    [
        {"task_info": {"external_task_id": "job-2"}},
        {"external_task_id": "job-10"},
        {"task_id": "job-1"},
    ],
)
def test_another_jobs_task_proves_nothing(data: dict[str, object]) -> None:
    """Nor does an answer that only gives back the id that was asked for."""
    assert judge_query(found(**data), external_task_id="job-1") is Finding.PROVES_NOTHING
    assert judge_query(found(**data)) is Finding.FOUND, "who does not say what was asked for is told what is there"


def test_what_was_not_found_answers_nothing() -> None:
    """Whatever its words."""
    assert answers(task({"code": 1203}, 404), "job-1") is Finding.PROVES_NOTHING
    assert judge_query(task({"code": 1203}, 404), external_task_id="job-1") is Finding.NO_SUCH_TASK


def test_the_older_name_is_the_same_finding() -> None:
    """`NOT_FOUND` is `NO_SUCH_TASK`, and no fifth finding."""
    assert Finding["NOT_FOUND"] is Finding["NO_SUCH_TASK"]
    assert len(Finding) == 4


NOT_FOUND = b'{"code":1203,"message":"task not exist","request_id":"r"}'
FOUND = b'{"code":0,"message":"SUCCEED","data":{"task_id":"86","task_info":{"external_task_id":"a"}}}'


@pytest.mark.parametrize(
    "header",
    [("Age", "12"), ("age", "000003"), ("X-Cache", "HIT from edge"), ("CF-Cache-Status", "STALE"), ("X-Cache", "hit")],
)
def test_a_cache_proves_no_absence(header: tuple[str, str]) -> None:
    """An answer of its own may be older than the task; a task that it shows is there all the same."""
    headers = CIMultiDict([header])
    assert read_task(404, headers, NOT_FOUND).found is None
    assert read_task(200, headers, FOUND).found is True


@pytest.mark.parametrize("header", [("Age", "0"), ("Age", "x"), ("X-Cache", "MISS"), ("CF-Cache-Status", "DYNAMIC")])
def test_what_passed_a_cache_by_is_the_gateways_own(header: tuple[str, str]) -> None:
    """A cache that asked the gateway says so, and the answer counts."""
    assert read_task(404, CIMultiDict([header]), NOT_FOUND).found is False
