"""Bodies that are odd JSON, or none."""

from __future__ import annotations

import pytest

from lipsync_async.wire import read_reply
from tests.wire.helpers import (
    headers,
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"[{}]",
        b'"text"',
        b"5",
        b"NaN",
        b"true",
        b"{",
        b'{"code":0',
        b"[" * 99999,
    ],
)
def test_unreadable_bodies(body: bytes) -> None:
    """Whatever is no JSON object is read as nothing, without a fuss."""
    read = read_reply(200, headers(), body)
    assert (read.parsed, read.success, read.html) == (False, False, False)
    assert read.task_id is read.code is None


@pytest.mark.parametrize(
    ("body", "task_id", "suspicious"),
    [
        (b'\xef\xbb\xbf{"code":0,"data":{"task_id":"A"}}', "A", False),
        (b' \r\n{"code":0,"data":{"task_id":"A"}}\n ', "A", False),
        (b'{"code":0,"data":{"task_id":"A"}}{"code":500}', "A", True),
        (b'{"code":0,"data":{"task_id":"A"}}\n<html>', "A", True),
        (b'{"code":0,"data":{"task_id":"A","x":NaN}}', "A", False),
        (b'{"code":0,"data":{"task_id":"A","x":' + b"9" * 9999 + b"}}", "A", False),
        (b'{"code":0,"data":{"task_id":"A","x":1e999}}', "A", False),
        (b'{"code":0,"data":{"task_id":"A","x":"\xff\\ud800\n"}}', "A", False),
        (b'{"code":1,"code":0,"data":{"task_id":"B","task_id":"A"}}', "A", False),
        (b'{"code":0,"data":{"task_id":"A\xff"}}', None, False),
        (b'{"code":0,"data":{"task_id":"A\\ud800"}}', None, False),
        (b'{"code":0,"data":{"task_id":' + b"9" * 9999 + b"}}", None, False),
    ],
)
def test_odd_json(body: bytes, task_id: str | None, suspicious: bool) -> None:
    """Odd JSON is read by its first object; an id that was damaged is none."""
    read = read_reply(200, headers(), body)
    assert (read.task_id, read.suspicious) == (task_id, suspicious)
    assert read.parsed
    assert read.success
