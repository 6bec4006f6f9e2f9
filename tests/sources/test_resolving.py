"""What is kept of a video or a text, and what follows: as a table, and for whatever is kept."""

from __future__ import annotations

import msgspec
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lipsync_async import Face, FaceChoice, FaceSession, LipSyncRequest, Speech, SpeechSource, VideoSource
from lipsync_async.errors import Violation
from lipsync_async.sources.resolving import (
    LIVES,
    LONGEST_PICTURE,
    SESSION,
    SPEECH,
    Ask,
    Decision,
    Follow,
    Kept,
    Refused,
    Use,
    decide,
    keep_session,
    keep_speech,
    session_of,
    with_audio,
    with_session,
)
from lipsync_async.terms import Kind
from tests.makers import request

NOW = 1_800_000_000.0
DAY = 24 * 3600.0
MADE = Kept(state="done", calls=1, asked_at=NOW - DAY + 1, made_id="86")
VIDEO = VideoSource(url="https://films.example/a.mp4")
SPEAKS = SpeechSource(text="Hello.", voice_id="v", to_end=True)


@pytest.mark.parametrize(
    ("kept", "decision"),
    [
        (None, Ask()),
        (Kept(state="cleared", calls=1), Ask()),
        (Kept(state="open", calls=1), Ask(cut_off=True)),
        (Kept(state="task", task_id="7", asked_at=NOW - DAY + 1), Follow("7")),
        (Kept(state="task", task_id="7", asked_at=NOW - DAY), Ask(cut_off=True)),
        (Kept(state="refused", kind="no_face", message="none"), Refused(Kind.NO_FACE, "none")),
        (MADE, Use(MADE)),
        (replace(MADE, asked_at=NOW - DAY), Ask()),
        (replace(MADE, made_id="85"), Ask()),
    ],
)
def test_what_is_kept_decides(kept: Kept | None, decision: Decision) -> None:
    """A call for what is not there, one more for what was cut off, has run out, or whose session has died."""
    assert decide(LIVES[SESSION], kept, NOW, spoiled={"85"}) == decision


def test_a_refusal_is_asked_again_only_where_that_is_wished() -> None:
    """`--retry-rejected` pays for another look."""
    kept = Kept(state="refused", kind="no_face", message="none")
    assert decide(LIVES[SESSION], kept, NOW, again=True) == Ask()


def test_an_audio_lives_for_thirty_days() -> None:
    """A session for one."""
    kept = replace(MADE, asked_at=NOW - 30 * DAY + 1)
    assert decide(LIVES[SPEECH], kept, NOW) == Use(kept)
    assert decide(LIVES[SPEECH], replace(kept, asked_at=NOW - 30 * DAY), NOW) == Ask()
    assert decide(LIVES[SESSION], kept, NOW) == Ask()


@given(
    st.builds(
        Kept,
        state=st.sampled_from(["open", "task", "done", "refused", "cleared"]),
        asked_at=st.floats(0, 4e9),
        task_id=st.none() | st.just("7"),
        made_id=st.sampled_from(["85", "86"]),
    ),
    st.sampled_from([SESSION, SPEECH]),
    st.floats(0, 4e9),
    st.booleans(),
)
def test_only_what_lives_is_used(kept: Kept, kind: str, now: float, again: bool) -> None:
    """Whatever is kept: what is used was made, has not died, and has not run out."""
    found = decide(LIVES[kind], kept, now, spoiled={"85"}, again=again)
    if isinstance(found, Use):
        assert (kept.state, kept.made_id) == ("done", "86")
        assert now < kept.asked_at + LIVES[kind]
    if isinstance(found, Follow):
        assert kept.state == "task"
    assert not (again and isinstance(found, Refused))


def test_a_session_comes_back_from_the_journal_as_it_was() -> None:
    """Faces, intervals and pictures; a picture that is its own content is left out."""
    faces = (
        Face(face_id="0", interval=(0, 5200), picture="https://c.example/0.jpg"),
        Face(face_id="1", picture="data:image/png;base64," + "A" * LONGEST_PICTURE),
    )
    session = FaceSession(session_id="86", faces=faces, video=VIDEO, opened_at=NOW, units="0.05")
    kept = keep_session(Kept(state="open", calls=2, asked_at=NOW, charged=0.05, told=1), session)
    kept = msgspec.json.decode(msgspec.json.encode(kept), type=Kept)
    assert (kept.state, kept.calls, kept.told) == ("done", 2, 2)
    assert kept.charged == pytest.approx(0.1)
    back = session_of(kept, VIDEO)
    assert back == evolve(session, units=None, faces=(faces[0], Face(face_id="1")))


@pytest.mark.parametrize("units", [None, "free", "nan", "-1", "inf"])
def test_a_charge_that_is_no_number_counts_as_not_told(units: str | None) -> None:
    """A gateway may write anything there."""
    session = FaceSession(session_id="86", faces=(Face(face_id="0"),), video=VIDEO, opened_at=NOW, units=units)
    assert (keep_session(Kept(state="open"), session).told, keep_session(Kept(state="open"), session).charged) == (0, 0)


def test_a_session_puts_its_face_into_the_request() -> None:
    """By the request's own rule, with what the checks need to know."""
    faces = (Face(face_id="0", interval=(0, 3000)), Face(face_id="1", interval=(1000, 9000)))
    session = FaceSession(session_id="86", faces=faces, video=VIDEO, opened_at=NOW)
    found = with_session(request(source=evolve(VIDEO, face="longest"), session_id=""), session)
    assert not isinstance(found, Violation)
    assert (found[0].session_id, found[0].face_choose[0].face_id) == ("86", "1")
    assert found[1].face == faces[1]
    told = with_session(request(source=VIDEO), session)
    assert isinstance(told, Violation)
    assert told.rule == "several_faces"


def test_a_speech_ends_the_cut_where_the_line_does_not() -> None:
    """At its own end, rounded down; a given end stays; without a length there is none."""
    speech = Speech(audio_id="99", source=SPEAKS, made_at=NOW, seconds=4.5678)
    kept = keep_speech(Kept(state="open", asked_at=NOW), speech)
    waiting = request(speech=SPEAKS, audio_id=None, sound_start_time=500, sound_end_time=2500)
    (face,) = _face_of(with_audio(waiting, kept))
    assert (face.audio_id, face.sound_end_time) == ("99", 4567)
    (face,) = _face_of(with_audio(evolve(waiting, speech=evolve(SPEAKS, to_end=False)), kept))
    assert face.sound_end_time == 2500
    told = with_audio(waiting, replace(kept, seconds=None))
    assert isinstance(told, Violation)
    assert told.rule == "window_end_unknown"


def _face_of(found: LipSyncRequest | Violation) -> tuple[FaceChoice, ...]:
    assert not isinstance(found, Violation)
    return found.face_choose
