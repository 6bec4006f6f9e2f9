"""Odd texts, odd URLs, odd codecs, and what is really paid: each rule from both sides."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

from lipsync_async import RequestBuilder
from lipsync_async.jobs.links import SOON, link_warnings, sound_link_warnings
from lipsync_async.jobs.texts import id_fault, invisible, is_placeholder, mangled
from lipsync_async.models import LipSyncRequest
from lipsync_async.request.audio import AudioInfo, Container
from lipsync_async.request.checks import sent_units
from lipsync_async.request.checks.codecs import codec_warnings

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
CLIP = "https://clips.example.com/line-1.mp3"


# --- texts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["nan", "NaN", " None ", "NULL", "n/a", "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "<NA>"])
def test_placeholders(text: str) -> None:
    """What programs write for an empty cell."""
    assert is_placeholder(text)
    assert id_fault(text) is not None


@pytest.mark.parametrize("text", ["", "nancy", "none-of-us", "null-1", "na", "0", "-", "#1", "ref"])
def test_no_placeholders(text: str) -> None:
    """What merely holds one, or may be somebody's name."""
    assert not is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    ["8.25E+17", "8,25466E+17", "8E+17", "825465778199224380.0", '="8254"', "825465778199224000", "'8254", "8,254"],
)
def test_mangled_ids(text: str) -> None:
    """What spreadsheets and floats make of them."""
    assert mangled(text)


@pytest.mark.parametrize(
    "text", ["825465778199224380", "825465778199224300", "1e5", "8E17", "-1", "1.5", "v1.0-a", "a=b"]
)
def test_ids_that_are_whole(text: str) -> None:
    """Digits with one or two zeros at their end, and names that look a little like numbers."""
    assert not mangled(text)


def test_an_invisible_character_is_named() -> None:
    """By its code point, its name, and where it stands; letters of any script are seen."""
    assert invisible("ab\u200bc") == "an invisible character (U+200B zero width space) as its character 3"
    assert invisible("\ufeffx").startswith("an invisible character (U+FEFF")
    assert invisible("日本é") == invisible("abc") == ""


# --- URLs -----------------------------------------------------------------------------------------------------------


def rules(url: str) -> list[str]:
    """The rules that a sound's URL touches; none of them is an error."""
    found = list(sound_link_warnings("sound_file", url, NOW))
    assert all(it.severity == "warning" for it in found)
    return [it.rule for it in found]


def at(seconds: float) -> datetime:
    """So long from now."""
    return datetime.fromtimestamp(NOW + seconds, UTC)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://localhost/a.mp3", "url_private"),
        ("http://127.0.0.1:8000/a.mp3", "url_private"),
        ("http://192.168.1.7/a.mp3", "url_private"),
        ("http://[::1]/a.mp3", "url_private"),
        ("http://[fe80::1%25eth0]/a.mp3", "url_private"),
        ("https://nas.local/a.mp3", "url_private"),
        ("https://fileserver/a.mp3", "url_private"),
        ("https://drive.google.com/file/d/1/view?usp=sharing", "url_share_page"),
        ("https://www.dropbox.com/s/1/a.mp3?dl=0", "url_share_page"),
        ("https://www.dropbox.com/scl/fi/1/a.mp3?rlkey=1", "url_share_page"),
        ("https://we.tl/t-1", "url_share_page"),
        ("https://github.com/a/b/blob/main/a.mp3", "url_share_page"),
        ("https://company.sharepoint.com/:u:/s/a", "url_share_page"),
        ("https://clips.example.com\\a.mp3", "url_backslash"),
        ("https://clips.example.com/a.OGG?v=1", "url_format"),
        ("https://clips.example.com/a.flac", "url_format"),
        ("https://clips.example.com/a%2Eopus", "url_format"),
        (CLIP + "\u200b", "invisible_character"),
        (f"{CLIP}?Signature=1&Expires={NOW - 1:.0f}", "url_expired"),
        (f"{CLIP}?X-Amz-Date={at(-7200):%Y%m%dT%H%M%SZ}&X-Amz-Expires=3600&X-Amz-Signature=1", "url_expired"),
        (f"{CLIP}?X-Amz-Date={at(-60):%Y%m%dT%H%M%SZ}&X-Amz-Expires=3600&X-Amz-Signature=1", "url_expires_soon"),
        (f"{CLIP}?x-oss-date={at(-60):%Y%m%dT%H%M%SZ}&x-oss-expires=60&x-oss-signature=1", "url_expired"),
        (f"{CLIP}?sv=1&se={at(-1):%Y-%m-%dT%H%%3A%M%%3A%SZ}&sig=1", "url_expired"),
        (f"{CLIP}?q-sign-time={NOW - 100:.0f}%3B{NOW - 1:.0f}&q-signature=1", "url_expired"),
        (f"{CLIP}?ex={int(NOW) - 1:x}&is=1&hm=1", "url_expired"),
        (f"{CLIP}?Policy=1&Key-Pair-Id=1&Expires={NOW + 60:.0f}", "url_expires_soon"),
    ],
)
def test_urls_that_are_warned_of(url: str, rule: str) -> None:
    """The gateway will hardly get a sound from these."""
    assert rules(url) == [rule]


@pytest.mark.parametrize(
    "url",
    [
        CLIP,
        "http://8.8.8.8/a.mp3",
        "http://[2606:4700::1111]/a.m4a",
        "https://localhost.example.com/a.wav",
        "https://bücher.example.com/ä.mp3",
        "https://drive.google.com/uc?export=download&id=1",
        "https://www.dropbox.com/s/1/a.mp3?dl=1",
        "https://dl.dropboxusercontent.com/s/1/a.mp3",
        "https://raw.githubusercontent.com/a/b/main/a.mp3",
        "https://clips.example.com/flac/a",
        "https://clips.example.com/a.mp3?name=b.ogg",
        f"{CLIP}?Signature=1&Expires={NOW + SOON + 60:.0f}",
        f"{CLIP}?X-Amz-Date={at(0):%Y%m%dT%H%M%SZ}&X-Amz-Expires=604800&X-Amz-Signature=1",
        f"{CLIP}?X-Amz-Date=tomorrow&X-Amz-Expires=soon",
        f"{CLIP}?X-Amz-Date=20261399T999999Z&X-Amz-Expires=60",
        f"{CLIP}?Expires=1&Signature=1",
        f"{CLIP}?expires=never&token=1",
        f"{CLIP}?expires=1800000000",
        "https://[",
        "https://",
        "https://h.example.com/?" + "a=1&" * 500,
    ],
)
def test_urls_that_are_not(url: str) -> None:
    """Whatever it is, it may well be a sound."""
    assert rules(url) == []


def test_a_callback_is_looked_at_by_its_host() -> None:
    """It is no sound: no share page, no format, no expiry."""
    assert [it.rule for it in link_warnings("callback_url", "http://localhost:8080/hook.ogg?Expires=1&token=1")] == [
        "url_private"
    ]


# --- sounds ---------------------------------------------------------------------------------------------------------


def test_a_codec_is_warned_of() -> None:
    """AAC is not told, whatever else is in an M4A is."""
    assert list(codec_warnings("p", AudioInfo(Container.M4A, 3.0, 9))) == []
    (found,) = codec_warnings("p", AudioInfo(Container.M4A, 3.0, 9, "", "Opus"))
    assert (found.rule, found.severity) == ("sound_codec", "warning")
    assert "Opus" in found.message


# --- units ----------------------------------------------------------------------------------------------------------


def paid(**extra: Any) -> float:
    """Units of a request of 5 s with this `extra_body`."""
    request: LipSyncRequest = RequestBuilder().session("s").face("0").audio_id("a").window(0, 5000).build()
    return sent_units(evolve(request, extra_body=extra or None))


@pytest.mark.parametrize(
    ("extra", "units"),
    [
        ({}, 0.5),
        ({"model": "m"}, 0.5),
        ({"face_choose": [{"sound_start_time": 0, "sound_end_time": 60_000}]}, 6.0),
        ({"face_choose": [{"sound_start_time": 55_000, "sound_end_time": 60_000}]}, 0.5),
        ({"face_choose": [{"sound_start_time": "0", "sound_end_time": "10001"}]}, 1.5),
        ({"face_choose": [{"sound_start_time": 0.0, "sound_end_time": 5000.5}]}, 1.0),
        ({"face_choose": [{"sound_start_time": 0, "sound_end_time": 5000}] * 3}, 1.5),
        ({"face_choose": [{"sound_end_time": 10_000}]}, 1.0),
        ({"face_choose": [{}]}, 6.0),
        ({"face_choose": []}, 6.0),
        ({"face_choose": "all"}, 6.0),
        ({"face_choose": [5]}, 6.0),
        ({"face_choose": [{"sound_start_time": 9, "sound_end_time": 1}]}, 0.5),
        ({"face_choose": [{"sound_end_time": True}]}, 6.0),
        ({"face_choose": [{"sound_end_time": float("inf")}]}, 6.0),
        ({"face_choose": None}, 0.5),
        ({"sound_end_time": 20_000}, 2.0),
        ({"sound_end_time": 1}, 0.5),
        ({"sound_start_time": 1}, 6.0),
    ],
)
def test_what_is_sent_is_what_is_paid(extra: dict[str, Any], units: float) -> None:
    """`extra_body` comes last; what cannot be told is as dear as it can be."""
    assert paid(**extra) == units
