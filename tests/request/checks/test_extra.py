"""The watermark, and the fields that a gateway wants beyond ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from lipsync_async.request.checks import check
from tests.makers import request
from tests.request.checks.told import HALF, told


class Hostile(Mapping[str, Any]):
    """A mapping that can't be read."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


@pytest.mark.parametrize("value", [{"enabled": True}, {"enabled": False}, MappingProxyType({"enabled": True}), None])
def test_watermark(value: Any) -> None:
    """The one shape that is known passes."""
    assert check(request(watermark_info=value)) == []


@pytest.mark.parametrize("value", [{}, {"enabled": 1}, {"enable": True}, {"enabled": True, "x": 1}, True, Hostile()])
def test_watermark_shape(value: Any) -> None:
    """Any other shape does not."""
    assert told(check(request(watermark_info=value))) == [("watermark_info", "watermark_shape")]


def nested(depth: int) -> dict[str, Any]:
    """A mapping `depth` levels deep."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"model": "kling-v1", "n": 2**63 - 1, "f": 0.5, "x": None, "b": True, "l": [1, ("a", {})]},
        MappingProxyType({"model": "音"}),
        nested(32),
        {"l": [0] * 9_999},
    ],
)
def test_extra_body(value: Any) -> None:
    """Whatever JSON has may be added."""
    assert check(request(extra_body=value)) == []


@pytest.mark.parametrize(
    ("value", "path", "rule"),
    [
        ([], "", "not_a_mapping"),
        ("x", "", "not_a_mapping"),
        (Hostile(), "", "not_a_mapping"),
        ({1: 2}, "", "key_not_a_string"),
        ({"a": {None: 2}}, ".a", "key_not_a_string"),
        ({HALF: 2}, "", "not_unicode"),
        ({HALF: {3}}, ".?", "not_json"),
        ({"a": [HALF]}, ".a[0]", "not_unicode"),
        ({"a": [0, float("nan")]}, ".a[1]", "not_json"),
        ({"a": float("inf")}, ".a", "not_json"),
        ({"a": {1, 2}}, ".a", "not_json"),
        ({"a": b"x"}, ".a", "not_json"),
        ({"a": {2**70: object()}}, ".a.?", "not_json"),
        pytest.param({"a": {-(10**5000): object()}}, ".a.?", "not_json", id="huge"),
        ({"a": 2**63}, ".a", "not_json"),
        ({"a": -(2**63)}, ".a", "not_json"),
        (nested(33), "", "extra_too_large"),
        ({"l": [0] * 10_000}, "", "extra_too_large"),
        ({"a" * 60: {1}}, "." + "a" * 40, "not_json"),
    ],
)
def test_extra_body_that_is_no_json(value: Any, path: str, rule: str) -> None:
    """What JSON has not is refused, with its place."""
    assert (f"extra_body{path}", rule) in told(check(request(extra_body=value)))


def test_extra_body_that_holds_itself() -> None:
    """A value that holds itself, many times over, is refused in bounded time."""
    deep: list[Any] = []
    deep.append(deep)
    wide: list[Any] = []
    wide += [wide] * 100
    for value in (deep, wide):
        assert told(check(request(extra_body={"a": value}))) == [("extra_body", "extra_too_large")]


@pytest.mark.parametrize("name", ["session_id", "face_choose", "callback_url", "watermark_info"])
def test_extra_body_overrides(name: str) -> None:
    """A field of ours in `extra_body` is a warning: it goes out unchecked."""
    assert told(check(request(extra_body={name: "x"}))) == [(f"extra_body.{name}", "extra_overrides?")]


@pytest.mark.parametrize(("own", "extra"), [(None, "a"), ("a", "b"), ("a", ""), ("a", None), ("1", 1)])
def test_extra_body_may_not_change_the_id(own: Any, extra: Any) -> None:
    """The id that we follow the job by must be the one that goes out."""
    found = check(request(external_task_id=own, extra_body={"external_task_id": extra}))
    assert told(found) == [("extra_body.external_task_id", "extra_changes_id")]


def test_extra_body_may_repeat_the_id() -> None:
    """The same id again changes nothing, and is worth a warning only."""
    found = check(request(external_task_id="a", extra_body={"external_task_id": "a"}))
    assert told(found) == [("extra_body.external_task_id", "extra_overrides?")]
