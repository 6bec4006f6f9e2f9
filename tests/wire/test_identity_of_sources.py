"""A job that names its video, or its text, is the same job in every session and with every audio that is made of it."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.models import LipSyncRequest, SpeechSource, VideoSource
from lipsync_async.wire import encode
from lipsync_async.wire.identity import bare, core_fingerprint, derive_id, fingerprint, fingerprints, names_source
from tests.makers import request

FILM = "https://films.example/ep1/scene-3.mp4"
VIDEO = VideoSource(url=FILM)
TEXT = SpeechSource(text="Good morning.", voice_id="girl-1")

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
ids = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=20)
rules = st.sampled_from(["only", "first", "longest", "0", "1"])
signatures = st.sampled_from(["", "?X-Amz-Signature=1", "?X-Amz-Signature=2&X-Amz-Expires=60", "?sig=1&sv=2&se=3"])


def made(**changes: Any) -> LipSyncRequest:
    """A job of the video, in some session."""
    return request(None, **{"source": VIDEO, **changes})


def identity(asked: LipSyncRequest) -> tuple[str, bytes, bytes]:
    """All that stands for a job's content."""
    return derive_id(asked), fingerprint(asked), core_fingerprint(asked)


@given(one=ids, two=ids, face_one=ids, face_two=ids, rule=rules, sign_one=signatures, sign_two=signatures)
def test_two_sessions_of_a_video_are_one_job(
    one: str, two: str, face_one: str, face_two: str, rule: str, sign_one: str, sign_two: str
) -> None:
    """Whatever session and face id were handed out, and however the video's URL is signed."""
    first = made(session_id=one, face_id=face_one, source=VideoSource(url=FILM + sign_one, face=rule))
    second = made(session_id=two, face_id=face_two, source=VideoSource(url=FILM + sign_two, face=rule))
    assert identity(first) == identity(second)
    assert fingerprints(first) == (fingerprint(second), core_fingerprint(second))


@given(
    one=st.builds(VideoSource, url=words, face=rules) | st.builds(VideoSource, video_id=words, face=rules),
    two=st.builds(VideoSource, url=words, face=rules) | st.builds(VideoSource, video_id=words, face=rules),
)
def test_another_video_or_rule_is_another_job(one: VideoSource, two: VideoSource) -> None:
    """Even where the session is the same."""
    same = identity(made(source=one)) == identity(made(source=two))
    assert same is (one == two)


def test_a_signature_is_all_that_is_left_out_of_the_url() -> None:
    """Another take is another video."""
    assert identity(made(source=VideoSource(url=f"{FILM}?take=2"))) != identity(made())
    assert identity(made(source=VideoSource(url=f"{FILM}?take=2&sig=1"))) == identity(
        made(source=VideoSource(url=f"{FILM}?take=2&sig=2"))
    )


@pytest.mark.parametrize(
    "change",
    [
        {"sound_start_time": 1},
        {"sound_end_time": 5001},
        {"sound_insert_time": 0},
        {"sound_volume": 2},
        {"audio_id": "other"},
        {"sound_file": "https://x.example/a.mp3"},
        {"watermark_info": {"enabled": True}},
        {"extra_body": {"model": "m"}},
        {"extra_body": {"source": {"url": FILM}}},
        {"source": None},
        {"speech": TEXT},
    ],
)
def test_all_else_that_is_asked_for_counts(change: dict[str, Any]) -> None:
    """What would come out differently is another job."""
    assert identity(made(**change)) != identity(made())


def test_extra_fields_cannot_stand_in_for_the_video() -> None:
    """Two videos with the same `extra_body` are two jobs, whatever its names are."""
    extra = {"source": 1, "video": 2, "request": 3}
    other = VideoSource(url="https://films.example/other.mp4")
    assert identity(made(extra_body=extra)) != identity(made(extra_body=extra, source=other))


def test_a_sounds_signature_and_the_callback_are_no_part_of_it() -> None:
    """Neither changes what is made: the list is the same after every URL was signed anew."""
    one = made(sound_file="https://x.example/a.mp3?token=1", callback_url="https://h.example/one")
    two = made(sound_file="https://x.example/a.mp3?token=2", callback_url="https://h.example/two")
    assert identity(one) == identity(two) == identity(evolve(two, external_task_id="x", callback_url=None))
    assert identity(made(sound_file="https://x.example/b.mp3?token=1")) != identity(one)


@given(one=ids, two=ids, ends=st.tuples(st.integers(2000, 9000), st.integers(2000, 9000)))
def test_a_text_spoken_anew_is_the_same_job(one: str, two: str, ends: tuple[int, int]) -> None:
    """The next audio has another id, and may be a little longer."""
    to_end = evolve(TEXT, to_end=True)
    first = made(audio_id=one, sound_end_time=ends[0], speech=to_end)
    second = made(audio_id=two, sound_end_time=ends[1], speech=to_end)
    assert identity(first) == identity(second)
    cut = [identity(made(audio_id=one, sound_end_time=end, speech=TEXT)) for end in ends]
    assert (cut[0] == cut[1]) is (ends[0] == ends[1])


@pytest.mark.parametrize(
    "other", [{"text": "Good evening."}, {"voice_id": "boy-1"}, {"language": "zh"}, {"speed": 1.2}, {"to_end": True}]
)
def test_another_text_or_voice_is_another_job(other: dict[str, Any]) -> None:
    """And a speed of 1 is one of 1.0."""
    assert identity(made(speech=evolve(TEXT, **other))) != identity(made(speech=TEXT))
    assert identity(made(speech=evolve(TEXT, speed=1))) == identity(made(speech=TEXT))


def test_a_text_alone_keeps_the_session() -> None:
    """Only what is named stands in for what was made of it."""
    assert identity(made(source=None, speech=TEXT, session_id="s")) != identity(made(source=None, speech=TEXT))
    assert identity(made(source=None, speech=TEXT, face_id="7")) != identity(made(source=None, speech=TEXT))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (made(), "7e6da17d6fbe5bd009c0b2e360660ae8e0dca483"),
        (made(source=VideoSource(video_id="86", face="longest")), "ce44c79d88b24b70430b7f64e6286f8813565904"),
        (made(speech=TEXT), "70c65be906f26e77efa493c96c44f7cfc0b4c4f7"),
    ],
)
def test_golden_ids(asked: LipSyncRequest, expected: str) -> None:
    """These ids never change: the same list run again by a later version means the same jobs."""
    assert derive_id(asked) == expected
    assert derive_id(asked, prefix="p-") != f"p-{expected}"


def test_sources_are_not_sent() -> None:
    """The bytes of a create are those of a request without them."""
    named, plain = made(speech=TEXT), request(None)
    assert encode(named, "job-1") == encode(plain, "job-1")


def test_what_names_no_source_is_as_it_was() -> None:
    """Its session is part of its fingerprint, and no part of its core."""
    plain = request(None)
    assert bare(plain) is plain
    assert not names_source(plain)
    other = evolve(plain, session_id="other")
    assert fingerprint(plain) != fingerprint(other)
    assert core_fingerprint(plain) == core_fingerprint(other)
