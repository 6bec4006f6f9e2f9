"""The URLs of a sound and of a callback."""

from __future__ import annotations

from typing import Any

import pytest

from lipsync_async.request.checks import check, url_faults
from tests.makers import request
from tests.request.checks.told import HALF, told

URLS: list[tuple[str, list[str]]] = [
    ("http://example.com", []),
    ("https://example.com/a.mp3?sign=x%20y#t", []),
    ("HTTPS://EXAMPLE.COM/a.mp3", []),
    ("https://user:secret@example.com:65535/a", []),
    ("https://[::1]/a.mp3", []),
    ("https://例え.jp/音.mp3", []),
    ("https://example.com/a b.mp3", ["url_blank"]),
    ("https://example.com/a.mp3\n", ["url_blank"]),
    (" https://example.com/a.mp3", ["url_blank"]),
    ("https://example.com/\x00", ["url_blank"]),
    ("https://example.com/" + HALF, ["not_unicode"]),
    ("ftp://example.com/a.mp3", ["url_scheme"]),
    ("file:///home/me/a.mp3", ["url_scheme"]),
    ("https://", ["url_host"]),
    ("https:///a.mp3", ["url_host"]),
    ("https://:80/a.mp3", ["url_host"]),
    ("https://[::1/a.mp3", ["url_host"]),
    ("https://example.com:65536/", ["url_host"]),
    ("https://example.com:0/", ["url_host"]),
    ("https://example.com:http/", ["url_host"]),
]


@pytest.mark.parametrize(("url", "rules"), URLS)
def test_urls(url: str, rules: list[str]) -> None:
    """A sound's and a callback's URL are http or https, with a host and without blanks."""
    assert told(check(request(sound_file=url))) == [("sound_file", rule) for rule in rules]
    assert told(check(request(callback_url=url))) == [("callback_url", rule) for rule in rules]
    assert [v.rule for v in url_faults("x", url)] == rules


@pytest.mark.parametrize(
    ("url", "rule"), [("example.com/hook", "url_scheme"), (5, "not_a_string"), (HALF, "not_unicode")]
)
def test_callback_that_is_no_url(url: Any, rule: str) -> None:
    """A callback is a URL and nothing else."""
    assert told(check(request(callback_url=url))) == [("callback_url", rule)]
