"""The platform's code and words in every layer of a reply."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.wire.helpers import (
    reply,
)

INNER = {"code": 1303, "message": "parallel task over resource pack limit", "request_id": "r"}
TEXT = json.dumps(INNER)


@pytest.mark.parametrize(
    "body",
    [
        INNER,
        {"code": "1303", "message": "x"},
        {"code": 1303.0, "message": "x"},
        {"code": "fail_to_fetch_task", "message": TEXT, "data": None},
        {"code": "task_failed", "message": f"upstream said: {TEXT} (request id: x)"},
        {"code": "task_failed", "message": json.dumps({"error": {"message": TEXT}})},
        {"error": {"code": 1303, "message": "x"}},
        {"error": {"code": "upstream_error", "message": TEXT}},
        {"error": TEXT},
        {"error": "parallel task over resource pack limit"},
        {"errors": [{"detail": "x"}, INNER]},
        {"code": "success", "data": INNER},
        {"code": 0, "data": TEXT},
        {"code": 0, "message": "SUCCEED", "data": {"data": INNER}},
        {"code": 500, "msg": TEXT},
        {"code": "task_failed", "message": TEXT[:20]},
        {"code": "task_failed", "message": TEXT.replace('"', '\\"')},
        {"code": "task_failed", "message": "kling: {Code:1303 Message:busy}"},
        {"code": "task_failed", "message": "Parallel task over resource pack LIMIT"},
        {"code": 5000, "message": TEXT},
        {"detail": {"upstream": {"body": INNER}}},
        {"code": "task_failed", "message": f"{{id}} failed: {TEXT}"},
    ],
)
@pytest.mark.parametrize("status", [200, 400, 429, 499])
def test_kling_code_in_every_layer(status: int, body: object) -> None:
    """The platform's code is found where gateways bury it, whatever they put on top."""
    read = reply(body, status)
    assert read.code == 1303
    assert not read.success


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (INNER, 1303),
        ({"code": "success", "data": INNER}, 1303),
        ({"errors": [{"detail": "x"}, INNER]}, 1303),
        ({"detail": {"upstream": {"body": INNER}}}, 1303),
        ({"code": 0, "data": TEXT}, 0),
        ({"code": "task_failed", "message": TEXT}, "task_failed"),
        ({"code": "task_failed", "message": "{Code:1303 Message:busy}"}, "task_failed"),
        ({"message": '{"code":"quota_not_enough"}'}, None),
        ({"code": 5000, "message": TEXT}, 5000),
        ({"code": "task_failed", "message": '{"code":5001}'}, 5001),
        ({"code": "task_failed", "message": "Server internal timeout"}, 5002),
        ({"code": 1303, "message": '{"code":5001}'}, 5001),
        ({"code": 1302, "message": "insert_task_failed"}, "insert_task_failed"),
    ],
)
@pytest.mark.parametrize("status", [500, 502, 503, 504, 524])
def test_of_trouble_only_code_fields_are_believed(status: int, body: object, code: object) -> None:
    """On a 5xx a text names no refusal; trouble that it names is trouble."""
    assert reply(body, status).code == code


@pytest.mark.parametrize(
    ("phrase", "code"),
    [
        ("Account balance not enough", 1102),
        ("api request too fast", 1302),
        ("Failure to pass the risk control system", 1301),
        ("Server temporarily unavailable", 5001),
    ],
)
def test_phrases_are_codes(phrase: str, code: int) -> None:
    """The platform's own words stand for its codes."""
    assert reply({"code": "task_failed", "message": f"error: {phrase}."}, 400).code == code


def test_a_number_beats_a_phrase() -> None:
    """Where a code is named, words are not interpreted."""
    assert reply({"code": 1302, "message": "Account balance not enough"}, 429).code == 1302


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"code": "quota_not_enough"}, "quota_not_enough"),
        ({"error": {"code": "model_not_found"}}, "model_not_found"),
        ({"code": "", "error": {"code": "model_not_found"}}, "model_not_found"),
        ({"code": "outer", "error": {"code": "inner"}}, "outer"),
        ({"code": 40001}, 40001),
        ({"code": 999}, 999),
        ({"code": 6000}, 6000),
        ({"code": 2**60}, str(2**60)),
        ({"code": "12x4"}, "12x4"),
        ({"code": "x " * 150}, "x " * 50),
        ({"code": True}, None),
        ({"code": None}, None),
        ({"code": 0.5}, None),
        ({"code": {"code": "inner"}}, "inner"),
        ({"message": "the code: 13030 is not ours"}, None),
        ({}, None),
    ],
)
def test_the_gateways_own_code(body: object, code: object) -> None:
    """Without a code of the platform the gateway's outermost one counts."""
    assert reply(body, 400).code == code


def test_layers_have_an_end() -> None:
    """A code buried beyond all reason is not found, and searching for it is bounded."""
    body: Any = INNER
    for _ in range(10):
        body = {"error": body}
    assert reply(body, 400).code is None
    assert reply({"errors": [{"x": 1}] * 1000 + [INNER]}, 400).code is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"code": 1, "message": "a"}, "a"),
        ({"code": 1, "msg": "a"}, "a"),
        ({"code": 1, "error": "a"}, "a"),
        ({"code": 1, "error": {"message": "a"}}, "a"),
        ({"code": 1, "errors": [{"detail": "a"}]}, "a"),
        ({"code": 1, "errors": []}, ""),
        ({"code": 1, "message": 5, "detail": "a"}, "a"),
        ({"code": 1, "message": {"message": {"message": {"message": {"message": {"message": "a"}}}}}}, ""),
        ({"code": 1}, ""),
        ({"code": 1, "message": "a\x1b[31m\n\u202eb"}, "a [31m  b"),
        ({"code": 1, "message": "x " * 400}, ("x " * 250)),
    ],
)
def test_messages(body: object, message: str) -> None:
    """The words of a refusal, wherever they stand: printable, at most 500 characters."""
    assert reply(body, 400).message == message
