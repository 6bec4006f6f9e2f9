"""What became of a task, in every dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lipsync_async.terms import TaskStatus
from lipsync_async.wire import read_task, read_task_list
from tests.wire.helpers import (
    QUERIES,
    SAMPLES,
    headers,
    sample,
    task,
)


@pytest.mark.parametrize("name", QUERIES)
def test_query_samples(name: str) -> None:
    """Each sample of a query tells the task's status, video and price."""
    expect = SAMPLES[name]["expect"]
    read = read_task(*sample(name))
    if expect.get("class") == "not_found":
        assert read.found is False
        return
    assert read.found is True
    assert read.reply.task_status == expect["status"].removesuffix("ed").replace("submitt", "submitted")
    assert read.video_url == expect.get("url", read.video_url)
    assert (read.video_url is None) is (expect["status"] != "succeeded")
    assert read.units == expect.get("units", read.units)
    assert read.reason is None


def test_native_query_in_full() -> None:
    """Every field of a finished task is read."""
    read = read_task(*sample("q02_succeed_native"))
    assert read.duration == 7.041
    assert read.units == "1"
    assert read.watermark_url is None
    assert read.reply.external_task_id == "batch7-000042"


def test_native_list() -> None:
    """A page of tasks is read task by task."""
    tasks = read_task_list(*sample("q04_list_native"))
    assert tasks is not None
    assert [it.reply.external_task_id for it in tasks] == ["batch7-000042", "batch7-000043"]
    assert [it.found for it in tasks] == [True, True]
    assert [it.reply.task_status for it in tasks] == [TaskStatus.SUCCEED, TaskStatus.PROCESSING]
    assert tasks[0].video_url is not None


def nested(status: str, **values: Any) -> Any:
    """new-api's own task object."""
    return {"code": "success", "message": "", "data": {"task_id": "A", "status": status, **values}}


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, {"code": 0, "data": {"task_id": "A"}}, True),
        (200, {"code": 0, "data": None}, None),
        (200, {"code": 0, "data": {}}, None),
        (200, {"code": 1203, "message": "no such task"}, False),
        (404, {"code": 1203}, False),
        (404, {"code": "task_not_exist"}, False),
        (404, {"message": "not found"}, None),
        (400, {"code": "task_not_exist"}, False),
        (400, {"code": "x", "message": "task_not_exist"}, False),
        (400, {"code": 1201, "message": "bad id"}, None),
        (404, {"code": 1202}, None),
        (404, {"error": {"message": "Invalid URL (GET /kling/v1/videos)"}}, None),
        (401, {"code": 1004}, None),
        (429, {"code": 1302}, None),
        (500, {"code": "task_not_exist"}, None),
        (503, {"code": 5001}, None),
        (502, {"code": 0, "data": {"task_id": "A"}}, None),
        (302, {"code": 0, "data": {"task_id": "A"}}, None),
        (200, {"code": 77, "data": {"task_id": "A"}}, None),
        (200, nested("FAILURE", data={"code": 1201, "message": "no face"}), True),
    ],
)
def test_what_an_answer_proves(status: int, body: object, found: bool | None) -> None:
    """Only a task with an id is found, only a clear word is a not-found, and all else proves nothing."""
    assert task(body, status).found is found


def test_a_broken_or_unreadable_answer_proves_nothing() -> None:
    """A 404 from who knows where does not say that there is no task."""
    assert read_task(404, headers(), b'{"code":1203}', broken=True).found is None
    assert read_task(404, headers(), b"<html>").found is None
    assert read_task(404, headers(), b"").found is None


def test_failed_task_gives_its_reason() -> None:
    """A failed task's top-level SUCCEED is not the reason; its status message is."""
    data = {"task_id": "A", "task_status": "failed", "task_status_msg": "no face in the video"}
    read = task({"code": 0, "message": "SUCCEED", "data": data})
    assert (read.reply.task_status, read.reason) == (TaskStatus.FAILED, "no face in the video")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (nested("FAILURE", fail_reason="no face"), "no face"),
        ({"id": "A", "object": "video", "status": "failed", "error": {"message": "no face"}}, "no face"),
        (nested("FAILURE"), None),
    ],
)
def test_reasons_by_other_names(body: object, reason: str | None) -> None:
    """Other dialects give the reason elsewhere, or not at all."""
    assert task(body).reason == reason


URL = "https://cdn.example.test/v.mp4"


@pytest.mark.parametrize(
    ("body", "url"),
    [
        ({"task_id": "A", "status": "SUCCESS"}, None),
        (nested("SUCCESS", fail_reason=URL), URL),
        (nested("SUCCESS", fail_reason="all is well"), None),
        (nested("SUCCESS", result_url=URL), URL),
        (nested("SUCCESS", fail_reason="DATA:video/mp4;base64,AAAA"), "DATA:video/mp4;base64,AAAA"),
        (nested("SUCCESS", fail_reason="/v1/videos/A/content"), "/v1/videos/A/content"),
        (nested("SUCCESS", fail_reason="done/all"), None),
        (nested("FAILURE", fail_reason=URL), None),
        (nested("IN_PROGRESS", url=URL), None),
        ({"id": "A", "status": "completed", "metadata": {"url": URL}}, URL),
        ({"id": "A", "status": "completed", "metadata": URL}, None),
        ({"id": "A", "status": "completed", "video_url": URL}, URL),
        ({"id": "A", "status": "completed", "videoUrl": URL}, URL),
        ({"id": "A", "status": "completed", "output_url": URL}, URL),
        ({"id": "A", "status": "completed", "url": "HTTPS://cdn.example.test/v.mp4"}, "HTTPS://cdn.example.test/v.mp4"),
        ({"id": "A", "status": "completed", "url": "/v1/videos/A/content"}, "/v1/videos/A/content"),
        ({"id": "A", "status": "completed", "url": "v1/videos/A/content?x=1"}, "v1/videos/A/content?x=1"),
        ({"id": "A", "status": "completed", "url": "../A.mp4"}, "../A.mp4"),
        ({"id": "A", "status": "completed", "url": "data:video/mp4;base64,AAAA"}, "data:video/mp4;base64,AAAA"),
        ({"id": "A", "status": "completed", "url": "data:"}, None),
        ({"id": "A", "status": "completed", "url": "pending"}, None),
        ({"id": "A", "status": "completed", "url": "N/A"}, None),
        ({"id": "A", "status": "completed", "url": "not there / yet"}, None),
        ({"id": "A", "status": "completed", "url": "ftp://x.example/a.mp4"}, None),
        ({"id": "A", "status": "completed", "url": "https:///a.mp4"}, None),
        ({"id": "A", "status": "completed", "url": "https:\\\\x.example"}, None),
        ({"id": "A", "status": "completed", "url": 5}, None),
        ({"id": "A", "status": "completed", "task_result": {"videos": [{"url": ""}, {"url": "/a.mp4"}]}}, "/a.mp4"),
        ({"id": "A", "status": "completed", "url": "javascript:alert(1)"}, None),
        ({"id": "A", "status": "completed", "url": URL + "\n"}, None),
        ({"id": "A", "status": "completed", "task_result": {"videos": [{"url": URL}]}}, URL),
        ({"id": "A", "status": "completed", "task_result": {"videos": []}}, None),
        ({"id": "A", "status": "completed", "task_result": {"videos": "x"}}, None),
        ({"id": "A", "status": "completed", "task_result": {"videos": ["x"]}}, None),
        ({"id": "A", "status": "completed", "task_result": "x"}, None),
    ],
)
def test_where_the_video_is(body: object, url: str | None) -> None:
    """The finished video is found in every dialect, and a success without one stays one without."""
    assert task(body).video_url == url


def test_the_places_of_an_address_have_an_order() -> None:
    """As the contract lists them."""
    places: dict[str, Any] = {
        "task_result": {"videos": [{"url": "/1"}]},
        "metadata": {"url": "/2"},
        "video_url": "/3",
        "videoUrl": "/4",
        "output_url": "/5",
        "url": "/6",
        "fail_reason": "/7",
    }
    for number in range(1, 8):
        assert task({"id": "A", "status": "completed", **places}).video_url == f"/{number}"
        del places[next(iter(places))]


def test_figures_of_a_task() -> None:
    """Duration and price are read as they are written; a watermarked copy has its own address."""
    video = {"url": URL, "watermark_url": URL + "?w", "duration": "7.041"}
    data = {"task_id": "A", "task_status": "succeed", "task_result": {"videos": [video]}, "final_unit_deduction": 0.5}
    read = task({"code": 0, "data": data})
    assert (read.duration, read.units, read.watermark_url) == (7.041, "0.5", URL + "?w")
    assert task({"id": "A", "status": "completed", "seconds": 7}).duration == 7.0
    assert task({"id": "A", "status": "completed"}).duration is None


@pytest.mark.parametrize("wrap", ["list", "items", "tasks", "records", "data"])
def test_wrapped_lists(wrap: str) -> None:
    """A page may stand one level deeper; an object in it that is no task is told as none."""
    body = {"code": 0, "data": {wrap: [{"task_id": "A"}, {}], "total": 1}}
    tasks = read_task_list(200, headers(), json.dumps(body).encode())
    assert tasks is not None
    assert [it.found for it in tasks] == [True, None]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"code":0,"data":{"total":0}}'),
        (200, b'{"code":0,"data":null}'),
        (200, b'{"code":1303,"data":[]}'),
        (200, b'{"code":0,"data":[5]}'),
        (200, b'{"code":0,"data":[{"task_id":"A"},null]}'),
        (200, b'<b>Warning</b>{"code":0,"data":[]}'),
        (200, b'{"code":0,"data":[]}{"code":5000}'),
        (200, b"[]"),
        (200, b"<html>"),
        (199, b'{"code":0,"data":[]}'),
        (300, b'{"code":0,"data":[]}'),
        (500, b'{"code":0,"data":[]}'),
    ],
)
def test_no_list(status: int, body: bytes) -> None:
    """What is no page of tasks is None, which an empty page is not."""
    assert read_task_list(status, headers(), body) is None
    assert read_task_list(200, headers(), b'{"code":0,"data":[]}') == []


@pytest.mark.parametrize(
    ("times", "moment"),
    [
        ({"updated_at": 1722769600123}, 1722769600.123),
        ({"updatedAt": 1722769600}, 1722769600.0),
        ({"finish_time": 1722769600, "updated_at": 1722769999}, 1722769600.0),
        ({"completed_at": "1722769600"}, 1722769600.0),
        ({"updated_at": 0}, None),
        ({"updated_at": "soon"}, None),
        ({}, None),
    ],
)
def test_when_the_state_changed_last(times: dict[str, Any], moment: float | None) -> None:
    """In seconds or milliseconds, by any of its names; the innermost is the platform's own."""
    assert task(nested("SUCCESS", **times)).updated_at == moment
    inner = {"task_id": "A", "task_status": "succeed", "updated_at": 1722769000000}
    assert task(nested("SUCCESS", **times, data=inner)).updated_at == 1722769000.0


def test_when_the_answer_was_sent() -> None:
    """By the gateway's own clock, where the reply has a date."""
    body = json.dumps(nested("SUCCESS")).encode()
    assert read_task(200, headers({"Date": "Sun, 04 Aug 2024 11:06:40 GMT"}), body).told_at == 1722769600.0
    assert read_task(200, headers(), body).told_at is None
    assert read_task(200, headers({"Date": "yesterday"}), body).told_at is None
