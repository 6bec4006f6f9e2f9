"""What the head of a reply means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from lipsync_async.downloads.heads import Again, GiveUp, Meaning, Redirect, Take, Version, judge
from lipsync_async.endings import DownloadKind

MOST = 1000
FILE = Version(200, '"v1"')
PART = {"Content-Range": "bytes 100-199/200", "ETag": '"v1"', "Content-Length": "100"}


def judged(status: int, headers: dict[str, str] | None = None, **asked: Any) -> Meaning:
    """What a head means."""
    return judge(status, CIMultiDict(headers or {}), most=MOST, **asked)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, Take(by_connection=True)),
        ({"Content-Length": "200"}, Take(length=200, total=200)),
        ({"content-length": "200", "etag": '"v1"'}, Take(length=200, total=200, version=FILE)),
        ({"Content-Length": "200", "ETag": 'W/"v1"'}, Take(length=200, total=200)),
        ({"Content-Length": "200", "ETag": "v1"}, Take(length=200, total=200)),
        ({"Content-Length": "200", "ETag": '"v1"', "Content-Encoding": "gzip"}, Take(length=200, packed=True)),
        ({"Content-Encoding": "Identity", "Content-Length": "1"}, Take(length=1, total=1)),
        ({"Transfer-Encoding": "chunked", "ETag": '"v1"'}, Take()),
        ({"Transfer-Encoding": "gzip, chunked", "Content-Length": "7"}, Take()),
        ({"Content-Length": str(MOST)}, Take(length=MOST, total=MOST)),
        ({"Content-Length": "0", "ETag": '"v1"'}, Take(length=0, total=0)),
    ],
)
def test_a_whole_file(headers: dict[str, str], expected: Take) -> None:
    """Whatever was asked for, 200 begins at the first byte."""
    assert judged(200, headers) == expected
    assert judged(200, headers, offset=100, version=FILE) == expected


def test_more_than_is_allowed() -> None:
    """One byte is enough."""
    found = judged(200, {"Content-Length": str(MOST + 1)})
    assert isinstance(found, GiveUp)
    assert found.kind is DownloadKind.REFUSED
    assert "1001 bytes" in found.reason


def test_a_packing_that_nobody_asked_for() -> None:
    """Is not taken."""
    assert isinstance(judged(200, {"Content-Encoding": "br"}), Again)


def test_the_part_that_was_asked_for() -> None:
    """Goes on; it may end before the file does."""
    taken = Take(offset=100, length=100, total=200, version=FILE)
    assert judged(206, PART, offset=100, version=FILE) == taken
    short = {**PART, "Content-Range": "bytes 100-149/200", "Content-Length": "50"}
    assert judged(206, short, offset=100, version=FILE) == Take(offset=100, length=50, total=200, version=FILE)
    without = {name: value for name, value in PART.items() if name != "Content-Length"}
    assert judged(206, without, offset=100, version=FILE) == taken


@pytest.mark.parametrize(
    "change",
    [
        {"Content-Range": "bytes 99-198/200"},
        {"Content-Range": "bytes 101-199/200", "Content-Length": "99"},
        {"Content-Range": "bytes 100-199/201"},
        {"Content-Range": "bytes 100-200/200", "Content-Length": "101"},
        {"Content-Range": "bytes 100-99/200", "Content-Length": "0"},
        {"Content-Range": "bytes 100-199/*"},
        {"Content-Range": "bytes */200"},
        {"Content-Range": "items 100-199/200"},
        {"Content-Range": ""},
        {"Content-Length": "99"},
        {"ETag": '"v2"'},
        {"ETag": 'W/"v1"'},
        {"ETag": ""},
        {"Content-Encoding": "gzip"},
    ],
)
def test_any_other_part_begins_anew(change: dict[str, str]) -> None:
    """Another place, total or version, or one that does not say."""
    found = judged(206, {**PART, **change}, offset=100, version=FILE)
    assert isinstance(found, Again)
    assert found.anew


def test_a_part_for_who_wanted_all() -> None:
    """Was not asked for."""
    for asked in ({}, {"offset": 100}, {"version": FILE}):
        found = judged(206, PART, **asked)
        assert isinstance(found, Again)
        assert found.anew


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects(status: int) -> None:
    """With a Location; without one they make no sense."""
    assert judged(status, {"Location": " /x "}) == Redirect("/x")
    assert isinstance(judged(status), Again)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_fresh_url_is_asked_for(status: int) -> None:
    """And if none helps, the video is `expired`."""
    found = judged(status)
    assert isinstance(found, Again)
    assert found.renew
    assert found.kind is DownloadKind.EXPIRED


@pytest.mark.parametrize("status", [100, 204, 205, 300, 304, 399, 408, 425, 429, 500, 502, 503, 504, 524, 599, 600])
def test_trouble_that_passes(status: int) -> None:
    """As late as Retry-After says."""
    found = judged(status, {"Retry-After": "7"})
    assert isinstance(found, Again)
    assert (found.renew, found.anew, found.hint, found.kind) == (False, False, 7.0, DownloadKind.DAMAGED)
    assert str(status) in found.reason


@pytest.mark.parametrize("status", [402, 405, 406, 407, 409, 411, 451, 499])
def test_a_refusal_for_good(status: int) -> None:
    """No try would be better."""
    found = judged(status)
    assert isinstance(found, GiveUp)
    assert found.kind is DownloadKind.REFUSED


def test_a_range_that_cannot_be_had() -> None:
    """Begins anew."""
    found = judged(416, {"Content-Range": "bytes */200"}, offset=100, version=FILE)
    assert isinstance(found, Again)
    assert found.anew


HEADERS = st.dictionaries(
    st.sampled_from(["Content-Length", "Content-Range", "ETag", "Content-Encoding", "Transfer-Encoding", "Location"]),
    st.one_of(st.text(max_size=30), st.sampled_from(["bytes 100-199/200", '"v1"', "100", "chunked", "gzip"])),
)


@given(st.integers(0, 999), HEADERS, st.sampled_from([0, 100]), st.sampled_from([None, FILE]))
def test_any_head_is_judged(status: int, headers: dict[str, str], offset: int, version: Version | None) -> None:
    """Without an exception; and only what is certainly the same file is appended."""
    found = judged(status, headers, offset=offset, version=version)
    if isinstance(found, Take) and found.offset:
        assert (found.offset, found.version, version, status) == (offset, FILE, FILE, 206)
        assert found.length is not None
        assert found.length <= 100
