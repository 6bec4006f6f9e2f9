"""The ids that the platform hands out, and the external_task_id."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from lipsync_async.gateways import KLING
from lipsync_async.request.checks import check
from tests.makers import request
from tests.request.checks.told import HALF, told

TEXTS: list[tuple[Any, list[str]]] = [
    ("x", []),
    ("-1", []),
    ("面孔", []),
    ("", ["empty"]),
    (" \n", ["empty"]),
    ("a b", ["stray_blank?"]),
    ("a\n", ["stray_blank?"]),
    (HALF, ["not_unicode"]),
    (None, ["not_a_string"]),
    (123, ["not_a_string"]),
    (b"x", ["not_a_string"]),
]


@pytest.mark.parametrize(("value", "rules"), TEXTS)
def test_session_id_and_face_id(value: Any, rules: list[str]) -> None:
    """The platform's ids are texts that are not empty."""
    assert told(check(request(session_id=value))) == [("session_id", rule) for rule in rules]
    assert told(check(request(face_id=value))) == [("face_id", rule) for rule in rules]


@pytest.mark.parametrize(("value", "rules"), [case for case in TEXTS if case[0] not in {None, ""}])
def test_audio_id(value: Any, rules: list[str]) -> None:
    """An audio id that is given keeps the rules of the other ids."""
    assert told(check(request(audio_id=value))) == [("audio_id", rule) for rule in rules]


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        (None, []),
        ("", []),
        ("job_0-A", []),
        ("a" * 64, []),
        ("a" * 65, ["id_too_long"]),
        ("a b", ["id_characters"]),
        ("ä", ["id_characters"]),
        ("job\n", ["id_characters"]),
        ("ä" * 65, ["id_characters", "id_too_long"]),
        (5, ["not_a_string"]),
    ],
)
def test_external_task_id(value: Any, rules: list[str]) -> None:
    """Letters, digits, - and _, as many as the gateway takes."""
    assert told(check(request(external_task_id=value))) == [("external_task_id", rule) for rule in rules]


def test_external_task_id_length_is_the_gateways() -> None:
    """A profile with shorter or longer ids is heeded."""
    assert told(check(request(external_task_id="a" * 33), evolve(KLING, max_id_length=32))) == [
        ("external_task_id", "id_too_long")
    ]
    assert check(request(external_task_id="a" * 128), evolve(KLING, max_id_length=128)) == []
