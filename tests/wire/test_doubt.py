"""Replies that contradict themselves, and replies that only look as if they did."""

from __future__ import annotations

import json

import pytest

from lipsync_async.wire import read_reply
from tests.wire.helpers import headers

TASK = '{"code":0,"data":{"task_id":"A"}}'
REFUSAL = '{"code":1303,"message":"busy"}'


def conflicting(body: str, status: int = 200) -> bool:
    """Whether a reply contradicts itself."""
    return read_reply(status, headers(), body.encode()).conflicting


# --- objects in a row ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        TASK + REFUSAL,
        REFUSAL + TASK,
        TASK + '\n\n{"code":0,"data":{"task_id":"B"}}',
        TASK + '{"code":"insert_task_failed"}',
        TASK + '{"error":{"message":"oops"}}',
        TASK + '{"success":false}',
        TASK + "<html>" + REFUSAL,
        TASK + '{"code":0,"data":{"task_id":"A',
        TASK + '{"code":',
        '{"code":1302}{"code":5000}',
        '{"code":1302}{"code":1201,"data":{"task_id":"A"}}',
        "Warning: x in y.php\n" + REFUSAL + TASK,
        'Warning: {"code":0,"data" ' + TASK,
        TASK * 10,
    ],
)
def test_objects_that_disagree(body: str) -> None:
    """Another task, another word, or one that can't be read: it is open which of them is right."""
    read = read_reply(200, headers(), body.encode())
    assert read.conflicting
    assert read.suspicious
    assert read.parsed


@pytest.mark.parametrize(
    "body",
    [
        TASK,
        REFUSAL,
        TASK + TASK,
        TASK * 9,
        TASK + "\n",
        TASK + '{"took_ms":12}',
        TASK + '{"code":0,"message":"done"}',
        TASK + "<html><style>p {color: red}</style><script>f({}); var a = {b: 1}</script>",
        REFUSAL + REFUSAL,
        REFUSAL + "trailing words",
        REFUSAL + '{"took_ms":12}',
        "Warning: x in y.php\n" + TASK,
        '{"data":{"task_id":"A"}}' + TASK,
    ],
)
def test_objects_that_agree(body: str) -> None:
    """The same said twice, and what says nothing of the call, is no contradiction."""
    assert not conflicting(body)


def test_the_first_object_is_the_one_that_is_read() -> None:
    """Also where the next one says something else."""
    read = read_reply(429, headers(), (REFUSAL + TASK).encode())
    assert (read.code, read.task_id) == (1303, None)


# --- refusals that quote a task -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"code": 1303, "message": TASK},
        {"code": 1303, "message": f"upstream said: {TASK}"},
        {"code": 1303, "message": "{a} {b} {c} {d} " + TASK},
        {"code": 1303, "message": TASK.replace('"', '\\"')},
        {"code": 1303, "message": TASK[:-3]},
        {"code": 1303, "message": "kling: {Code:0 Data:{TaskID:860000000000000001}}"},
        {"code": 1303, "message": "task_id=860000000000000001 was created"},
        {"code": 1303, "error": {"upstream": {"code": 0, "data": {"id": "A"}}}},
        {"code": 1303, "error": {"upstream": {"code": 0, "data": "A"}}},
        {"code": 1303, "error": [{"upstream": {"object": "video", "id": "A"}}]},
        {"code": 1303, "upstream": {"taskId": "A"}},
        {"code": 1303, "upstream_task_id": "A"},
        {"code": 1303, "x": [{"y": number} for number in range(300)], "z": {"task_id": "A"}},
    ],
)
@pytest.mark.parametrize("status", [200, 400, 429])
def test_a_refusal_that_quotes_a_task(status: int, body: object) -> None:
    """Anywhere, as a field or in a text, whole or cut off."""
    assert conflicting(json.dumps(body), status)


@pytest.mark.parametrize("text", [TASK, TASK[:-3], json.dumps(TASK), f"[{TASK}]"])
def test_a_refusal_that_is_no_object_but_quotes_a_task(text: str) -> None:
    """A text, a list, or JSON inside a JSON text."""
    read = read_reply(400, headers(), f"upstream said: {text}".encode())
    assert read.conflicting or read.task_id == "A"
    assert read_reply(400, headers(), text.encode()).conflicting or text == TASK


@pytest.mark.parametrize(
    "body",
    [
        {"code": 1201, "message": "external_task_id: job-123456 is invalid"},
        {"code": 1201, "message": "bad", "request": {"external_task_id": "job-123456", "session_id": "s"}},
        {"code": 1201, "message": "bad", "request": {"externalTaskId": "job-123456"}},
        {"code": 1201, "message": "task_id: required"},
        {"code": 1201, "message": "no task_id"},
        {"code": 1201, "message": "bad", "data": {"task_id": ""}},
        {"code": 1201, "message": "bad", "data": {"task_id": None}},
        {"code": 1201, "message": "bad", "param": "task_id", "id": "req-123456"},
        {"code": 1201, "message": "bad", "error": {"id": "req-123456", "request_id": "123456"}},
        {"code": "task_failed", "message": REFUSAL, "data": None},
        {"code": 0, "message": "SUCCEED", "data": {}},
    ],
)
def test_other_refusals_quote_no_task(body: object) -> None:
    """Our own id, a missing one, and the id of the call are no task's."""
    assert not conflicting(json.dumps(body), 400)


def test_a_task_that_the_reply_itself_names_is_no_quotation() -> None:
    """That is for the verdict: a task beside a refusal."""
    read = read_reply(429, headers(), b'{"code":1303,"data":{"task_id":"A"}}')
    assert (read.task_id, read.conflicting) == ("A", False)
