"""Replies that name a task, or should: accepted, in doubt, or no route at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lipsync_async.gateways import CHAINHUB
from lipsync_async.terms import Action
from lipsync_async.wire.verdicts import judge
from tests.wire.judged import read, verdict, words

TASK = {"code": 0, "data": {"task_id": "A"}}

# --- shapes of success ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_success_with_a_task_is_accepted(status: int) -> None:
    """2xx, a success code and a task id: nothing else is needed."""
    assert verdict(status, TASK) == ("accept", None)


@pytest.mark.parametrize("rest", [b"<html>oops", b"\n-- \n", b'{"debug":true}', json.dumps(TASK).encode()])
def test_a_suspicious_success_is_still_one(rest: bytes) -> None:
    """What a gateway adds after it answered does not undo the task, where it says nothing else of it."""
    assert verdict(200, json.dumps(TASK).encode() + rest) == ("accept", None)


@pytest.mark.parametrize(
    "rest", [b'{"code":"insert_task_failed"}', b'{"code":1303}', b'{"code":0,"data":{"task_id":"B"}}', b'{"code":']
)
def test_a_success_that_is_taken_back_is_in_doubt(rest: bytes) -> None:
    """An object that says something else, or that can't be read, leaves open which of them is right."""
    assert verdict(200, json.dumps(TASK).encode() + rest) == ("look_up", "protocol")


@pytest.mark.parametrize("status", [199, 302, 400, 401, 429, 500, 503])
def test_a_task_beside_another_status_is_in_doubt(status: int) -> None:
    """A task id contradicts a refusal: it is looked up, and never sent again."""
    assert verdict(status, TASK) == ("look_up", "protocol")


@pytest.mark.parametrize("code", [1302, 1303, 1004, 1201, 5000, "x"])
@pytest.mark.parametrize("status", [200, 429, 400])
def test_a_task_beside_a_code_is_in_doubt(status: int, code: object) -> None:
    """A task id contradicts a code as well."""
    assert verdict(status, {"code": code, "data": {"task_id": "A"}}) == ("look_up", "protocol")


def test_a_duplicate_that_names_its_task_is_a_duplicate() -> None:
    """A refusal that names the task that has the id is about the id."""
    body = {"code": 1201, "message": "external_task_id exists", "data": {"task_id": "A"}}
    assert verdict(400, body) == ("look_up", "duplicate_id")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"{",
        b"[]",
        b"null",
        b'{"code":0}',
        b'{"code":0,"data":null}',
        b'{"code":0,"data":{"task_id":""}}',
        b'{"code":0,"data":{"task_id":8.6e17}}',
        b'{"code":0,"request_id":"r"}',
        b'{"code":"other","message":"x"}',
        b'{"code":77}',
        b'{"code":1999}',
        b'{"error":{"message":"x"},"id":"r"}',
        b'{"success":false,"id":"r"}',
    ],
)
@pytest.mark.parametrize("seen_reply", [True, False])
def test_a_2xx_without_a_task_is_in_doubt(body: bytes, seen_reply: bool) -> None:
    """A 2xx that names no task, or can't be read, may have made one."""
    assert verdict(200, body, seen_reply=seen_reply) == ("look_up", "protocol")


@pytest.mark.parametrize(
    ("status", "seen_reply", "expected"),
    [
        (200, False, ("stop", "configuration")),
        (200, True, ("look_up", "protocol")),
        (201, False, ("look_up", "protocol")),
    ],
)
def test_a_page_is_a_missing_route_only_at_first(status: int, seen_reply: bool, expected: tuple[str, str]) -> None:
    """A start page stands for a route that is not there, until a reply was read."""
    assert verdict(status, b"<!doctype html>", seen_reply=seen_reply) == expected


# --- whose reply it is ----------------------------------------------------------------------------------------------


NAMED = {"task_id": "A", "task_info": {"external_task_id": "job-2"}}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"code": 0, "data": NAMED}),
        (200, {"code": 0, "data": {"task_id": "A", "external_task_id": "job-10"}}),
        (429, {"code": 1303, "data": {"task_info": {"external_task_id": "job-2"}}}),
        (400, {"code": 1201, "message": "external_task_id exists", "data": NAMED}),
        (401, {"code": 1000, "external_task_id": "job-2"}),
    ],
)
def test_a_reply_that_names_another_job_is_in_doubt(status: int, body: object) -> None:
    """Whatever it says was said to somebody else; without an id to compare with, it is taken for ours."""
    it = read(status, body)
    assert words(judge(it, CHAINHUB, external_task_id="job-1")) == ("look_up", "protocol")
    assert judge(it, CHAINHUB) == judge(it, CHAINHUB, external_task_id=it.external_task_id)


@pytest.mark.parametrize("data", [{}, {"task_info": {}}, {"task_info": {"external_task_id": "job-1"}}])
def test_a_reply_that_names_ours_or_none_is_ours(data: dict[str, Any]) -> None:
    """Some gateways leave `task_info` out."""
    it = read(200, {"code": 0, "data": {"task_id": "A", **data}})
    assert words(judge(it, CHAINHUB, external_task_id="job-1")) == ("accept", None)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"code": 1303, "message": json.dumps(TASK)}, "protocol"),
        (400, {"code": 1201, "message": json.dumps(TASK)}, "protocol"),
        (401, {"code": 1000, "upstream": TASK}, "protocol"),
        (400, {"code": 1201, "message": "external_task_id exists", "upstream": TASK}, "duplicate_id"),
        (400, {"code": "insert_task_failed", "upstream": TASK}, "server"),
        (400, json.dumps([TASK]).encode(), "protocol"),
    ],
)
def test_a_refusal_that_quotes_a_task_is_in_doubt(status: int, body: object, kind: str) -> None:
    """It was created after all; what is in doubt anyway keeps its reason."""
    assert verdict(status, body) == ("look_up", kind)


# --- how a stop is confirmed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "by"),
    [
        (200, b"<!doctype html>", "get"),
        (404, b"<html>", "get"),
        (404, {"detail": "Not Found"}, "get"),
        (404, b"404 page not found", "get"),
        (410, b"", "get"),
        (400, {"error": {"message": "Invalid URL (POST /kling/v1/videos/advanced-lip-sync)"}}, "get"),
        (404, {"code": 1202, "message": "wrong method"}, "create"),
        (405, b"", "create"),
        (401, b"", "create"),
        (503, {"error": {"code": "model_not_found"}}, "create"),
    ],
)
def test_a_missing_route_is_confirmed_by_a_get(status: int, body: object, by: str) -> None:
    """A page instead of a reply may hide a create that was acted upon; another refusal cannot."""
    it = judge(read(status, body), CHAINHUB, seen_reply=False)
    assert (it.action, it.confirm_by) == (Action.STOP, by)
