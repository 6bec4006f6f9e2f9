"""Create replies of every dialect to `Reply`."""

from __future__ import annotations

import pytest

from lipsync_async.terms import TaskStatus
from lipsync_async.wire import read_reply, read_task
from tests.wire.helpers import (
    CREATES,
    SAMPLES,
    headers,
    reply,
    sample,
)


@pytest.mark.parametrize("name", CREATES)
def test_create_samples(name: str) -> None:
    """Each sample of a create tells its status, code, words and ids."""
    it = SAMPLES[name]
    read = read_reply(*sample(name))
    body = it.get("body", {})
    assert read.status == it["status"]
    assert read.task_id == it["expect"].get("task_id")
    assert read.success is (name[0] == "s")
    assert read.parsed is ("body" in it)
    assert read.html is ("html" in it["headers"].get("Content-Type", ""))
    assert read.code == (body.get("code") if "code" in body else body.get("error", {}).get("code") or None)
    expected = body.get("request_id") or it["headers"].get("X-Oneapi-Request-Id")
    assert read.request_id == expected
    if "status" in it["expect"]:
        assert read.task_status == it["expect"]["status"]


def test_native_create_in_full() -> None:
    """Every field of a native reply is read, times in seconds."""
    read = read_reply(*sample("s01_submit_ok_kling_native"))
    assert (read.code, read.message, read.external_task_id) == (0, "SUCCEED", "batch7-000042")
    assert read.task_status is TaskStatus.SUBMITTED
    assert read.created_at == 1783000000.123
    assert (read.raw_task_status, read.retry_after) == (None, None)
    assert (read.suspicious, read.broken, read.html) == (False, False, False)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"code": 0, "data": {"task_id": "A", "id": "B", "taskId": "C"}, "task_id": "D", "id": "E"}, "A"),
        ({"code": 0, "data": {"id": "B", "taskId": "C"}, "task_id": "D", "id": "E"}, "B"),
        ({"code": 0, "data": {"taskId": "C"}, "task_id": "D", "id": "E"}, "C"),
        ({"code": 0, "data": "F", "task_id": "D", "id": "E"}, "F"),
        ({"code": 0, "data": {}, "task_id": "D", "id": "E"}, "D"),
        ({"code": 0, "id": "E"}, "E"),
        ({"code": "0", "data": {"task_id": "A"}}, "A"),
        ({"code": True, "data": {"task_id": "A"}}, "A"),
        ({"data": {"task_id": "A"}}, "A"),
        ({"code": "success", "data": {"task_id": "A", "data": {"code": 0, "data": {"task_id": "B"}}}}, "B"),
        ({"code": 0, "data": '{"task_id": "A"}'}, "A"),
        ({"code": 0, "data": {"task_id": 860000000000000001}}, "860000000000000001"),
        ({"code": 0, "data": {"task_id": 2**63 + 1}}, "9223372036854775809"),
        ({"code": 0, "data": {"task_id": 10**30 + 1}}, "1" + "0" * 29 + "1"),
        ({"code": 0, "data": {"task_id": " A "}}, "A"),
        ({"code": 0, "data": {"task_id": 8.6e17}}, None),
        ({"code": 0, "data": {"task_id": ""}}, None),
        ({"code": 0, "data": {"task_id": "  "}}, None),
        ({"code": 0, "data": {"task_id": None}}, None),
        ({"code": 0, "data": {"task_id": True}}, None),
        ({"code": 0, "data": {"task_id": ["A"]}}, None),
        ({"code": 0, "data": {"task_id": "two words"}}, None),
        ({"code": 0, "data": {"task_id": "x" * 257}}, None),
        ({"code": 0, "data": {"task_id": 10**300}}, None),
        ({"code": 0, "data": "two words"}, None),
        ({"code": 0, "data": ["A"]}, None),
        ({"code": 0, "request_id": "R"}, None),
        ({"code": 0, "data": {"task_id": "A", "data": {"data": {"data": {"task_id": "too deep"}}}}}, "A"),
    ],
)
def test_task_id_in_the_contracts_order(body: object, expected: str | None) -> None:
    """The first of the known places counts; a number keeps all its digits, and a float has lost them."""
    read = reply(body)
    assert read.success
    assert read.task_id == expected


@pytest.mark.parametrize("code", [None, 0, "0", 200, "success", True])
def test_success_codes(code: object) -> None:
    """Six spellings of success, the absent one among them."""
    assert reply({"code": code, "data": {"task_id": "A"}}).success


@pytest.mark.parametrize("code", [False, 1, "1", "200", "", "ok", 201, -1, 5, 0.5, [], {}])
def test_other_codes_are_no_success(code: object) -> None:
    """What merely looks like success is none; its task id is kept for all that."""
    read = reply({"code": code, "data": {"task_id": "A", "id": "B"}})
    assert not read.success
    assert read.task_id == "A"


@pytest.mark.parametrize(
    "body",
    [
        {"success": False, "id": "A"},
        {"error": {"message": "no"}, "id": "A"},
        {"error": "no", "id": "A", "status": "error"},
        {"code": 0, "data": {"code": 77, "id": "A"}},
        {"code": 77, "data": "A"},
    ],
)
def test_signs_of_an_error_beat_an_absent_code(body: object) -> None:
    """A refusal's own `id` is taken for no task."""
    read = reply(body)
    assert not read.success
    assert read.task_id is None


def test_failed_video_object_is_a_task() -> None:
    """An OpenAI video that failed carries an error, and was created all the same."""
    read = reply({"id": "A", "object": "video", "status": "failed", "error": {"message": "no face", "code": "x"}})
    assert read.success
    assert (read.task_id, read.task_status) == ("A", TaskStatus.FAILED)


@pytest.mark.parametrize(
    ("spelling", "status"),
    [
        *((it, "submitted") for it in ("", "submitted", "Queued", "PENDING", "NOT_START")),
        *((it, "processing") for it in ("processing", "in_progress", "RUNNING")),
        *((it, "succeed") for it in ("succeed", "succeeded", "SUCCESS", "completed", "done")),
        *((it, "failed") for it in ("failed", "fail", "FAILURE", "error", "cancelled", "CANCELED", "expired")),
        *((it, "failed") for it in ("timeout", "timed_out", "Timed Out", "rejected", "ABORTED")),
        ("in progress", "processing"),
    ],
)
@pytest.mark.parametrize("name", ["task_status", "status", "state"])
def test_status_spellings(name: str, spelling: str, status: str) -> None:
    """The contract's spellings fold into four, in any case and under three names."""
    for body in ({"code": 0, "data": {"task_id": "A", name: spelling}}, {"task_id": "A", name: spelling}):
        read = reply(body)
        assert (read.task_status, read.raw_task_status) == (status, None)


def test_unknown_status_is_still_running() -> None:
    """A status that the contract does not know is reported, and the task counts as running."""
    read = reply({"code": 0, "data": {"task_id": "A", "task_status": "thinking " * 20}})
    assert read.task_status is TaskStatus.PROCESSING
    assert read.raw_task_status == ("thinking " * 20)[:64]


def test_status_that_is_no_text_is_none() -> None:
    """An HTTP status repeated in the body is no task's status."""
    assert reply({"code": 0, "status": 200, "data": {"task_id": "A"}}).task_status is None


def test_inner_status_is_preferred() -> None:
    """What `data.data` says beats what stands around it; a blank says less than a word."""
    body = {"code": 0, "data": {"task_id": "A", "status": "IN_PROGRESS", "data": {"task_status": "succeed"}}}
    assert reply(body).task_status is TaskStatus.SUCCEED
    assert reply({"status": "completed", "data": {"task_id": "A", "status": ""}}).task_status is TaskStatus.SUCCEED


def told(*statuses: str) -> TaskStatus | None:
    """The status of new-api's own task around the platform's reply, outermost first."""
    body: dict[str, object] = {"data": {"code": 0, "data": {"task_id": "B", "task_status": statuses[-1]}}}
    for status in reversed(statuses[:-1]):
        body = {"code": "success", "data": {"task_id": "A", "status": status, **body}}
    return reply(body).task_status


@pytest.mark.parametrize(
    ("outer", "inner", "status"),
    [
        ("FAILURE", "processing", "failed"),
        ("FAILURE", "submitted", "failed"),
        ("FAILURE", "", "failed"),
        ("FAILURE", "thinking", "failed"),
        ("expired", "processing", "failed"),
        ("SUCCESS", "processing", "succeed"),
        ("IN_PROGRESS", "succeed", "succeed"),
        ("IN_PROGRESS", "failed", "failed"),
        ("NOT_START", "processing", "processing"),
        ("SUCCESS", "failed", "failed"),
        ("FAILURE", "succeed", "succeed"),
    ],
)
def test_an_ended_outer_status_beats_a_running_inner_one(outer: str, inner: str, status: str) -> None:
    """new-api ends a task on its own; else the innermost word is believed, and of two ends too."""
    assert told(outer, inner) == status


def test_the_word_of_an_envelope_is_no_tasks_status() -> None:
    """A `status` beside no task says how the call went."""
    body = {"status": "success", "data": {"task_id": "A", "task_status": "processing"}}
    assert reply(body).task_status is TaskStatus.PROCESSING
    assert reply({"task_id": "A", **body}).task_status is TaskStatus.SUCCEED


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1783000000, 1783000000.0),
        (999_999_999_999, 999_999_999_999.0),
        (10**12, 1e9),
        (1783000000123, 1783000000.123),
        ("1783000000123", 1783000000.123),
        (0, None),
        (-5, None),
        (True, None),
        ("soon", None),
        ([1], None),
        (10**400, None),
    ],
)
def test_times(value: object, seconds: float | None) -> None:
    """Times of 1e12 and more are milliseconds; nonsense is none."""
    assert reply({"code": 0, "data": {"task_id": "A", "created_at": value}}).created_at == seconds


@pytest.mark.parametrize("name", ["createdAt", "submit_time", "create_time"])
def test_times_by_other_names(name: str) -> None:
    """Other dialects name the time of creation otherwise."""
    assert reply({"task_id": "A", name: 1783000000}).created_at == 1783000000


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"data": {"task_id": "A", "task_info": {"external_task_id": "x"}}}, "x"),
        ({"data": {"task_id": "A", "external_task_id": "x"}}, "x"),
        ({"task_id": "A", "external_task_id": "x"}, "x"),
        ({"task_id": "A", "task_info": "x", "external_task_id": ""}, None),
    ],
)
def test_external_task_id(body: object, expected: str | None) -> None:
    """The id that a reply carries is read wherever it stands."""
    assert reply(body).external_task_id == expected


@pytest.mark.parametrize(
    ("extra", "expected"),
    [({}, None), ({"x-request-id": "a"}, "a"), ({"x-oneapi-request-id": "b"}, "b"), ({"X-Request-Id": " "}, None)],
)
def test_request_id_from_headers(extra: dict[str, str], expected: str | None) -> None:
    """Where the body has none, a header names the request, whatever the header's case."""
    assert reply({"code": 1201}, 400, **extra).request_id == expected
    assert reply({"code": 1201, "request_id": "c"}, 400, **extra).request_id == "c"


@pytest.mark.parametrize(
    ("content_type", "body", "html", "message"),
    [
        ("text/html", "<html><title>502 Bad Gateway</title>", True, "502 Bad Gateway"),
        ("text/plain", " \n<!DOCTYPE html><p>x", True, "<!DOCTYPE html><p>x"),
        ("text/html", "\ufeff<html>", True, "<html>"),
        ("text/html; charset=utf-8", "busy", False, "busy"),
        ("text/html", "<br />\n<b>Fatal error</b>: oops", False, "<br /> <b>Fatal error</b>: oops"),
        ("text/html", "<!-- a --><!-- b --> <HTML>", True, "<!-- a --><!-- b --> <HTML>"),
        ("text/html", '<?xml version="1.0"?><!doctype HTML>', True, '<?xml version="1.0"?><!doctype HTML>'),
        ("TEXT/HTML", "", False, ""),
        ("text/plain", "upstream <b> timed out", False, "upstream <b> timed out"),
        ("text/plain", "404 page not found", False, "404 page not found"),
    ],
)
def test_pages_and_texts(content_type: str, body: str, html: bool, message: str) -> None:
    """A page is known by how it begins, whatever its type, and speaks by its title; a notice is no page."""
    read = read_reply(502, headers({"Content-Type": content_type}), body.encode())
    assert (read.html, read.parsed, read.message) == (html, False, message)


def test_json_with_a_pages_type_is_json() -> None:
    """A JSON object is read, whatever type its header claims."""
    read = read_reply(200, headers({"Content-Type": "text/html"}), b'{"code":0,"data":{"task_id":"A"}}')
    assert (read.task_id, read.html) == ("A", False)


def test_broken_is_passed_on() -> None:
    """The transport's word that a body did not arrive whole is kept."""
    assert read_reply(200, headers(), b'{"code":0}', broken=True).broken
    assert read_reply(200, headers(), b"", broken=True).broken
    assert read_task(200, headers(), b"", broken=True).reply.broken


def test_retry_after_of_a_success_is_ignored() -> None:
    """An accepted job has nothing to wait for."""
    assert read_reply(200, headers({"Retry-After": "9"}), b'{"task_id":"A"}').retry_after is None
