"""What others wrote, made harmless: every text that a page shows goes through here."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.report.texts import LONGEST, believable, clock, html, number, seconds, size, told

SECRET = "SECRETTOKEN"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a plain text", "a plain text"),
        ("提示词包含违规内容 🎬", "提示词包含违规内容 🎬"),
        ("no https://cdn.example.com/a.mp3?sig=SECRETTOKEN today", "no https://cdn.example.com/a.mp3?… today"),
        ("https://user:SECRETTOKEN@cdn.example.com/a", "https://…@cdn.example.com/a"),
        ("//cdn.example.com/a?SECRETTOKEN", "//cdn.example.com/a?…"),
        ("HTTPS://cdn.example.com/a#SECRETTOKEN", "HTTPS://cdn.example.com/a?…"),
        (r"https:\/\/cdn.example.com\/a\u003fsig=SECRETTOKEN", r"https:\/\/cdn.example.com\/a?…"),
        ("https://cdn.example.com/a%3Fsig%3DSECRETTOKEN", "https://cdn.example.com/a?…"),
        ("cdn.example.com/a.mp4?Expires=1&Signature=SECRETTOKEN", "cdn.example.com/a.mp4?…"),
        ("video data:video/mp4;base64,SECRETTOKEN end", "video data:… end"),
        ("is it so? a=b", "is it so? a=b"),
        ("one\ntwo\tthree\x1b[31m\u202e\ud800\x00", r"one two three\x1b[31m\u202e\ud800\x00"),
    ],
)  # fmt: skip
def test_what_is_shown(text: str, shown: str) -> None:
    """No query, no password, nothing that is not seen."""
    assert told(text) == shown
    assert SECRET not in html(text)


@pytest.mark.parametrize(("length", "cut"), [(LONGEST, False), (LONGEST + 1, True)])
def test_a_long_text_is_cut(length: int, cut: bool) -> None:
    """With a mark that says so."""
    assert told("x" * length) == ("x" * LONGEST + "…" if cut else "x" * LONGEST)


@given(st.text(max_size=80), st.text(max_size=30))
def test_no_query_is_ever_shown(before: str, after: str) -> None:
    """Whatever stands around the URL."""
    assert SECRET not in told(f"{before}https://cdn.example.com/v.mp4?Expires=1&Signature={SECRET} {after}")


@given(st.text())
def test_html_is_the_text_and_nothing_else(text: str) -> None:
    """It ends neither a tag nor an attribute, can be encoded, and says what `told` says."""
    made = html(text)
    assert not set(made) & set("<>\"'")
    made.encode()
    assert unescape(made) == told(text)
    assert told(text).isprintable()
    assert len(told(text)) <= LONGEST + 1


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0"), (1, "1"), (12345, "12,345"), (0.5, "0.5"), (-6.0, "-6"), (1234.256, "1,234.26")]
)
def test_numbers(count: float, shown: str) -> None:
    """Thousands apart, and no more digits than are needed."""
    assert number(count) == shown


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (0, "0 s"),
        (8.49, "8.5 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3_600, "1 h"),
        (12_000, "3 h 20 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations(duration: float, shown: str) -> None:
    """In the units that people would choose."""
    assert seconds(duration) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 kB"), (12_400, "12 kB"), (1_540_000, "1.5 MB"), (225_811_200_000, "225.8 GB")]
)
def test_sizes(count: int, shown: str) -> None:
    """In the largest unit that fits."""
    assert size(count) == shown


@pytest.mark.parametrize("moment", [None, 0.0, -5.0, float("nan"), float("inf"), 1e18])
def test_what_no_calendar_has(moment: float | None) -> None:
    """Is left out."""
    assert believable(moment) is None


def test_the_clock_has_a_zone() -> None:
    """The same moment, told in two zones."""
    assert clock(1_790_000_000.0, UTC) == "2026-09-21 14:13"
    assert clock(1_790_000_000.0, timezone(timedelta(hours=8))) == "2026-09-21 22:13"
