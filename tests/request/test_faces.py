"""Which face speaks: the rule, the session that starts a builder, and what it lets the checks find."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.errors import InvalidRequestError, Violation
from lipsync_async.models import SpeechSource, VideoSource
from lipsync_async.request.checks import Facts, check, insert_window
from lipsync_async.request.faces import Face, choose_face, listed
from lipsync_async.request.session import FaceSession
from lipsync_async.request.speech import Speech
from lipsync_async.wire.identity import derive_id
from tests.makers import request
from tests.request.checks.told import told

ANNA = Face(face_id="0", interval=(0, 5200), picture="https://cdn.example/0.jpg")
BERT = Face(face_id="1", interval=(3100, 9800), picture="https://cdn.example/1.jpg")
SHY = Face(face_id="2")
VIDEO = VideoSource(url="https://films.example/a.mp4")


def session(*faces: Face, **changes: Any) -> FaceSession:
    """A session of a video with these faces."""
    usual = {"session_id": "s-1", "video": VIDEO, "opened_at": 1000.0}
    return FaceSession(faces=faces or (ANNA, BERT), **{**usual, **changes})


def rule_of(chosen: Face | Violation) -> str:
    """The id of a face, or the rule that forbids the choice."""
    return chosen.rule if isinstance(chosen, Violation) else chosen.face_id


# --- the rule -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faces", "rule", "expected"),
    [
        ((), "only", "no_face"),
        ((), "0", "no_face"),
        ((ANNA,), "only", "0"),
        ((ANNA, BERT), "only", "several_faces"),
        ((BERT, ANNA), "first", "0"),
        ((SHY, BERT), "first", "1"),
        ((SHY,), "first", "2"),
        ((ANNA, BERT), "longest", "1"),
        ((ANNA, SHY), "longest", "0"),
        ((ANNA, evolve(BERT, interval=(100, 5300))), "longest", "0"),
        ((ANNA, BERT), "1", "1"),
        ((ANNA, BERT), "7", "unknown_face"),
        ((ANNA,), "-1", "unknown_face"),
    ],
)
def test_a_rule_names_one_face(faces: tuple[Face, ...], rule: str, expected: str) -> None:
    """Or says why it names none; of two that are alike it is the first."""
    assert rule_of(choose_face(faces, rule)) == expected


@given(
    st.lists(
        st.builds(
            Face,
            face_id=st.text("0123", min_size=1, max_size=2),
            interval=st.none() | st.tuples(st.integers(0, 9000), st.integers(0, 9000)),
        )
    ),
    st.sampled_from(["only", "first", "longest", "0", "1"]),
)
def test_whatever_is_chosen_is_one_of_them(faces: list[Face], rule: str) -> None:
    """And a rule that any number of faces obeys fails for none of them alone."""
    chosen = choose_face(faces, rule)
    if isinstance(chosen, Face):
        assert chosen in faces
    elif rule in {"first", "longest"}:
        assert not faces
    elif rule == "only":
        assert len(faces) != 1


def test_a_violation_lists_id_interval_and_picture() -> None:
    """Of every face, up to a number that can be read."""
    chosen = choose_face((ANNA, BERT, SHY), "only")
    assert isinstance(chosen, Violation)
    assert "'0' (0 to 5200 ms, https://cdn.example/0.jpg)" in chosen.message
    assert "'1' (3100 to 9800 ms, https://cdn.example/1.jpg)" in chosen.message
    assert "'2' (no interval told)" in chosen.message
    assert listed([SHY] * 10).endswith("; and 2 more")
    assert "more" not in listed([SHY] * 8)


# --- the session ----------------------------------------------------------------------------------------------------


def test_a_session_starts_a_builder() -> None:
    """With its session, its face and its video."""
    made = session().builder("longest").audio_id("a").window(0, 5000, insert=4000).build()
    assert (made.session_id, made.face_choose[0].face_id) == ("s-1", "1")
    assert made.source == evolve(VIDEO, face="longest")


def test_another_session_of_the_video_builds_the_same_job() -> None:
    """The id is made of the video and the rule."""
    first = session(ANNA).builder().audio_id("a").window(0, 5000)
    second = session(evolve(ANNA, face_id="9"), session_id="s-2").builder().audio_id("a").window(0, 5000)
    assert first.build() != second.build()
    assert derive_id(first.build()) == derive_id(second.build())


def test_a_session_lives_for_a_day() -> None:
    """As far as is known."""
    assert session().expires_at == 1000.0 + 86_400.0


@pytest.mark.parametrize(("face", "rule"), [("only", "several_faces"), ("5", "unknown_face")])
def test_a_face_that_cannot_be_chosen_is_told_by_build(face: str, rule: str) -> None:
    """No step raises; the violation comes alone."""
    builder = session().builder(face).audio_id("a").window(0, 5000)
    with pytest.raises(InvalidRequestError) as raised:
        builder.build()
    assert told(list(raised.value.violations)) == [("face_id", rule)]
    assert builder.face("first").build().face_choose[0].face_id == "0"


def test_the_default_face_is_the_videos_own() -> None:
    """What the source says."""
    known = session(video=evolve(VIDEO, face="longest"))
    assert known.builder().audio_id("a").window(0, 5000, insert=4000).build().face_choose[0].face_id == "1"


def test_a_session_by_hand_forgets_the_video() -> None:
    """Another session's faces are not known."""
    made = session(ANNA).builder().session("s-9").face("4").audio_id("a").window(0, 9000, insert=9000).build()
    assert (made.session_id, made.face_choose[0].face_id, made.source) == ("s-9", "4", None)


def test_what_the_session_knows_is_checked() -> None:
    """The cut must overlap the face, and end before the video does; the message names the face."""
    known = session(ANNA, video_length=10_000)
    builder = known.builder().audio_id("a")
    assert builder.window(0, 5000, insert=3150).check() == []
    assert told(builder.window(0, 5000, insert=3201).check()) == [("sound_insert_time", "face_overlap_too_short")]
    assert told(builder.window(0, 9000, insert=1001).check()) == [("sound_insert_time", "past_video_end")]
    (fault,) = builder.window(0, 5000, insert=4000).check()
    assert "face '0' (0 to 5200 ms, https://cdn.example/0.jpg)" in fault.message
    assert "from 0 to 3200 ms would do" in fault.message


def test_the_margin_at_the_end_is_a_warning() -> None:
    """An interval may be a few ms too long at its end."""
    builder = session(ANNA, video_length=30_000).builder().audio_id("a")
    assert told(builder.window(0, 9000, insert=3150).check()) == []
    assert told(builder.window(0, 9000, insert=3151).check()) == [("sound_insert_time", "face_overlap_borderline?")]
    assert told(builder.window(0, 9000, insert=3200).check()) == [("sound_insert_time", "face_overlap_borderline?")]


def test_facts_that_are_given_count_more() -> None:
    """Who knows better may say so."""
    builder = session(ANNA).builder().audio_id("a").window(0, 5000, insert=4000)
    assert told(builder.check()) == [("sound_insert_time", "face_overlap_too_short")]
    assert builder.check(facts=Facts()) == []


def test_a_session_completes_a_request() -> None:
    """What names its video gets the session and the face, and keeps its id."""
    waiting = request(None, session_id="", face_id="", source=evolve(VIDEO, face="1"))
    done = session().complete(waiting)
    assert (done.session_id, done.face_choose[0].face_id) == ("s-1", "1")
    assert derive_id(done) == derive_id(waiting)
    assert check(done) == []
    assert session().facts("1") == Facts(face=BERT)
    assert session().facts() == Facts()
    with pytest.raises(InvalidRequestError, match="no such face"):
        session().complete(request("x", source=evolve(VIDEO, face="8")))


# --- what is not made yet -------------------------------------------------------------------------------------------


def test_a_request_without_its_session_says_what_it_waits_for() -> None:
    """One violation, and no other of what the session will bring."""
    waiting = request(None, session_id="", face_id="", source=VIDEO)
    assert told(check(waiting)) == [("session_id", "not_identified")]
    assert told(check(evolve(waiting, source=None))) == [("session_id", "empty"), ("face_id", "empty")]


def test_a_request_without_its_audio_says_what_it_waits_for() -> None:
    """Its end is not known before."""
    text = SpeechSource(text="Hello", voice_id="v", to_end=True)
    waiting = request(None, audio_id=None, sound_end_time=0, sound_volume=3, speech=text)
    assert told(check(waiting)) == [("audio_id", "not_spoken"), ("sound_volume", "volume_out_of_range")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (VideoSource(), [("source", "one_video_only")]),
        (VideoSource(url="https://x.example/a.mp4", video_id="8"), [("source", "one_video_only")]),
        (VideoSource(url="ftp://x.example/a.mp4"), [("source.url", "url_scheme")]),
        (VideoSource(video_id=" "), [("source.video_id", "empty")]),
        (VideoSource(video_id="8", face=""), [("source.face", "empty")]),
        (VideoSource(video_id=8), [("source.video_id", "not_a_string")]),  # type: ignore[arg-type]
        ("https://x.example/a.mp4", [("source", "not_a_video")]),
        (VideoSource(url="https://x.example/a.mp4?sig=1", face="longest"), []),
    ],
)
def test_a_video_is_named_in_one_way(source: Any, expected: list[tuple[str, str]]) -> None:
    """By a URL or an id."""
    assert told(check(request(None, source=source))) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"text": "x" * 1000}, []),
        ({"text": "x" * 1001}, [("speech.text", "text_too_long")]),
        ({"text": " "}, [("speech.text", "empty")]),
        ({"text": 5}, [("speech.text", "not_a_string")]),
        ({"text": "\ud800"}, [("speech.text", "not_unicode")]),
        ({"voice_id": ""}, [("speech.voice_id", "empty")]),
        ({"speed": 0.8}, []),
        ({"speed": 2}, []),
        ({"speed": 0.79}, [("speech.speed", "speed_out_of_range")]),
        ({"speed": 2.01}, [("speech.speed", "speed_out_of_range")]),
        ({"speed": float("nan")}, [("speech.speed", "not_a_number")]),
        ({"speed": True}, [("speech.speed", "not_a_number")]),
    ],
)
def test_a_text_can_be_spoken(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Both sides of each limit."""
    source = SpeechSource(**{"text": "Hello", "voice_id": "v", **changes})
    assert told(check(request(None, speech=source))) == expected


def test_what_is_no_speech_is_told() -> None:
    """A text alone names no voice."""
    assert told(check(request(None, speech="Hello"))) == [("speech", "not_a_speech")]


# --- speech ---------------------------------------------------------------------------------------------------------

SPOKEN = Speech(audio_id="a-1", source=SpeechSource(text="Good morning.", voice_id="v"), made_at=5.0, seconds=4.2129)


def test_a_speech_is_a_sound_of_known_length() -> None:
    """Without an end the cut ends with it, and the end is no part of the job."""
    made = session(ANNA).builder().speech(SPOKEN).build()
    assert (made.face_choose[0].audio_id, made.face_choose[0].sound_end_time) == ("a-1", 4212)
    assert made.speech == evolve(SPOKEN.source, to_end=True)
    again = session(ANNA).builder().speech(evolve(SPOKEN, audio_id="a-2", seconds=4.3)).build()
    assert derive_id(again) == derive_id(made)
    cut = session(ANNA).builder().speech(SPOKEN).window(0, 4000).build()
    assert cut.speech == SPOKEN.source
    assert SPOKEN.expires_at == 5.0 + 30 * 86_400.0


def test_a_speech_of_unknown_length_needs_an_end() -> None:
    """As any audio that is named by its id."""
    builder = session(ANNA).builder().speech(evolve(SPOKEN, seconds=None))
    assert told(builder.check()) == [("sound_end_time", "window_end_unknown")]
    assert builder.window(0, 4000).check() == []


def test_another_sound_replaces_a_speech() -> None:
    """And is what the job is made of."""
    made = session(ANNA).builder().speech(SPOKEN).audio_id("b").window(0, 4000).build()
    assert (made.speech, made.face_choose[0].audio_id) == (None, "b")


# --- the insert window ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "seen", "video", "window"),
    [
        (5000, None, None, (0, 2**63 - 1)),
        (5000, (4000, 9000), None, (1000, 7000)),
        (5000, (4000, 9000), 10_000, (1000, 5000)),
        (5000, (1000, 3000), 10_000, (0, 1000)),
        (5000, (1000, 2999), 10_000, None),
        (5000, (9000, 12_000), 10_999, (6000, 5999)),
        (5000, (0, 9000), 4999, None),
        (1999, (0, 9000), None, None),
    ],
)
def test_the_window_of_an_insert(
    length: int, seen: tuple[int, int] | None, video: int | None, window: tuple[int, int] | None
) -> None:
    """Its edges, by hand; one whose end lies before its beginning is none."""
    expected = None if window is None or window[0] > window[1] else window
    assert insert_window(length, Facts(video_length=video, face_interval=seen)) == expected


@given(
    length=st.integers(0, 8000),
    seen=st.none() | st.tuples(st.integers(0, 8000), st.integers(0, 8000)),
    video=st.none() | st.integers(0, 12_000),
    insert=st.integers(0, 12_000),
)
def test_the_window_is_where_no_check_objects(
    length: int, seen: tuple[int, int] | None, video: int | None, insert: int
) -> None:
    """An insert inside of it has no error, and one outside has."""
    facts = Facts(video_length=video, face_interval=seen)
    window = insert_window(length, facts)
    asked = request(None, sound_start_time=0, sound_end_time=length, sound_insert_time=insert)
    errors = [one for one in check(asked, facts=facts) if one.severity == "error"]
    inside = window is not None and window[0] <= insert <= window[1]
    assert inside is (not errors)
