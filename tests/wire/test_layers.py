"""Bodies that are odd JSON, or none."""

from __future__ import annotations

import time

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


TASK = '{"code":0,"data":{"task_id":"A"}}'


@pytest.mark.parametrize(
    "before",
    [
        "<br />\n<b>Warning</b>:  Undefined array key 3 in <b>/www/relay.php</b> on line <b>12</b><br />\n",
        "PHP Notice: Undefined index: x in /x.php on line 3\n",
        "<!-- cached 12:00 -->\n",
        "<!DOCTYPE html><html><head><style>p { color: red }</style></head><body>Wait</body></html>\n",
        '<script>var a = {"theme":"dark"}; f({})</script>',
        "\ufeff<b>x</b>",
        "data: ",
        "callback(",
        "array(0) {\n}\n",
        "1",
        "null",
        "[]",
        '"text"',
        "{debug} ",
    ],
)
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_a_page_or_a_notice_before_an_object(before: str, kind: str) -> None:
    """The object is read, marked, and never taken for a page."""
    read = read_reply(200, headers({"Content-Type": kind}), (before + TASK).encode())
    assert (read.task_id, read.success, read.parsed) == ("A", True, True)
    assert (read.suspicious, read.html, read.conflicting) == (True, False, False)


@pytest.mark.parametrize(
    "body",
    [
        '<script>var a = {"theme":"dark"}</script>',
        '<!doctype html><script id="x">{"props":{"code":1},"page":"/"}</script>',
        "<style>p {color: red}</style>",
        "array(1) { }",
        "[" + TASK + "]",
        'Warning: x {"code":0,"data":{"task_id":"A"}',
        'Warning: x {"code":0,"data":{"task_id":"A"},"x":',
    ],
)
def test_an_object_that_is_no_reply(body: str) -> None:
    """A page's own data is none, and what is inside of an object that was cut off does not stand for it."""
    read = read_reply(200, headers(), body.encode())
    assert (read.parsed, read.task_id) == (False, None)


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ("<!doctype html><script>{}</script>", True),
        ('<html><script>{"props":{}}</script>', True),
        ('<html><pre>{"code":0,"data":{"task_id":"A', False),
        ("<html><pre>{&quot;code&quot;:0,&quot;data&quot;:", False),
        ("<br /><b>Fatal error</b>", False),
        ("<b>Warning</b><!doctype html>", False),
    ],
)
def test_only_a_page_without_a_reply_in_it_is_a_page(body: str, html: bool) -> None:
    """It can mean a route that is not there; what is left of a success can't."""
    assert read_reply(200, headers(), body.encode()).html is html


@pytest.mark.parametrize(
    "text",
    [
        *('{"' * 300_000, '{ "a' * 200_000, '{"a":' * 150_000, '{"a":1} ' * 100_000, "{" + " " * 900_000),
        *("<!---->" * 100_000, "task_id" * 100_000, '"task_id' + "\\" * 900_000, "1" * 900_000),
        '{"code":1303,"message":"' + "a {" * 300_000 + '"}',
    ],
    ids=lambda text: text[:8],
)
def test_hostile_bodies_cost_little(text: str) -> None:
    """A megabyte of what looks nearly like something holds nobody up."""
    begun = time.process_time()
    for status in (200, 429):
        read_reply(status, headers(), text.encode())
    assert time.process_time() - begun < 2.0
