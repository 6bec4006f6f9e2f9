"""What is known of a video or a text, and what follows from it; pure, all times in Unix seconds.

A journal keeps one `Kept` a video, text or file, under a name that no new signature changes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, TypeAlias

import msgspec
from attrs import evolve, frozen

from lipsync_async.errors import Violation
from lipsync_async.models import LipSyncRequest, VideoSource
from lipsync_async.request.checks import Facts
from lipsync_async.request.faces import Face, choose_face
from lipsync_async.request.session import LIFE as SESSION_LIFE
from lipsync_async.request.session import FaceSession
from lipsync_async.request.speech import LIFE as AUDIO_LIFE
from lipsync_async.request.speech import Speech
from lipsync_async.request.window import natural_end
from lipsync_async.terms import Kind

SESSION, SPEECH, UPLOAD = "session", "speech", "upload"
"""The kinds of a journal's entries that hold them."""
LIVES = {SESSION: SESSION_LIFE, SPEECH: AUDIO_LIFE}
"""Seconds for which what was made can be used."""
TASK_LIFE = 24 * 3600.0
"""Seconds after which nobody waits any more for a task that makes it."""
LONGEST_PICTURE = 8192
"""Characters of a picture's URL that are kept: a longer one is the picture itself."""
State: TypeAlias = Literal["open", "task", "done", "refused", "cleared"]


class KeptFace(msgspec.Struct, frozen=True, omit_defaults=True):
    """A face of a session, as it is kept."""

    face_id: str
    interval: tuple[int, int] | None = None
    picture: str | None = None


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of the calls for one video or text."""

    state: State
    """`open`: a call is about to leave, or left and was not answered; `task`: the gateway makes it, as `task_id`.

    `done`: it is there; `refused`: it never will be; `cleared`: the last call was surely not acted upon.
    """
    calls: int = 0
    """Calls that were charged, or may have been."""
    cut_off: int = 0
    """Of those, calls whose answer nobody saw: a kill, or a reply that was lost."""
    charged: float = 0.0
    """Units, as far as the gateway told them."""
    told: int = 0
    """Calls of which it told them."""
    asked_at: float = 0.0
    """When the last call was made."""
    task_id: str | None = None
    made_id: str | None = None
    """The session's, or the audio's."""
    faces: tuple[KeptFace, ...] = ()
    seconds: float | None = None
    """How long an audio plays."""
    kind: str | None = None
    message: str | None = None
    """Why it was refused."""


@frozen
class Use:
    """It is there."""

    kept: Kept


@frozen
class Ask:
    """A call is to be made."""

    cut_off: bool = False
    """An earlier one was cut off, and may have been charged."""


@frozen
class Follow:
    """A call before was answered with a task: it is waited for, and nothing is paid."""

    task_id: str


@frozen
class Refused:
    """It cannot be made, as was found before."""

    kind: Kind
    message: str


Decision: TypeAlias = Use | Ask | Follow | Refused


def decide(
    life: float, kept: Kept | None, now: float, *, spoiled: Collection[str] = (), again: bool = False
) -> Decision:
    """What is to be done for a video, a text or a file; `life` is how long it lives once it is made.

    `spoiled`: sessions that a create was refused for; `again`: what was refused before is tried again.
    """
    if kept is None or kept.state == "cleared":
        return Ask()
    if kept.state == "refused":
        return Ask() if again else Refused(Kind(kept.kind or Kind.INVALID_REQUEST), kept.message or "")
    if kept.state == "task" and kept.task_id is not None and now < kept.asked_at + TASK_LIFE:
        return Follow(kept.task_id)
    if kept.state in {"open", "task"}:
        return Ask(cut_off=True)
    gone = kept.made_id in spoiled or now >= kept.asked_at + life
    return Ask() if gone else Use(kept)


# --- what was made --------------------------------------------------------------------------------------------------


def keep_session(kept: Kept, session: FaceSession) -> Kept:
    """After a call that found faces."""
    faces = tuple(
        KeptFace(face.face_id, face.interval, face.picture if len(face.picture or "") <= LONGEST_PICTURE else None)
        for face in session.faces
    )
    made = msgspec.structs.replace(kept, state="done", made_id=session.session_id, faces=faces, task_id=None)
    return _charged(made, session.units)


def keep_speech(kept: Kept, speech: Speech) -> Kept:
    """After a call that made an audio."""
    made = msgspec.structs.replace(kept, state="done", made_id=speech.audio_id, seconds=speech.seconds, task_id=None)
    return _charged(made, speech.units)


def _charged(kept: Kept, units: str | None) -> Kept:
    try:
        told = float(units) if units is not None else None
    except ValueError:
        told = None
    if told is None or not 0 <= told < 1e9:
        return kept
    return msgspec.structs.replace(kept, charged=kept.charged + told, told=kept.told + 1)


def session_of(kept: Kept, video: VideoSource) -> FaceSession:
    """The session that is kept, of the video as a job names it."""
    assert kept.made_id is not None
    faces = [Face(face_id=it.face_id, interval=it.interval, picture=it.picture) for it in kept.faces]
    return FaceSession(session_id=kept.made_id, faces=faces, video=video, opened_at=kept.asked_at)


def with_session(request: LipSyncRequest, session: FaceSession) -> tuple[LipSyncRequest, Facts] | Violation:
    """The request in a session, and what the session tells of its face; a violation where none can be chosen."""
    video = request.source or session.video
    chosen = choose_face(session.faces, video.face)
    if isinstance(chosen, Violation):
        return chosen
    facts = Facts(video_length=session.video_length, face=chosen)
    faces = [evolve(face, face_id=chosen.face_id) for face in request.face_choose]
    return evolve(request, session_id=session.session_id, face_choose=faces), facts


def with_url(request: LipSyncRequest, kept: Kept) -> LipSyncRequest:
    """The request with its sound where the gateway can fetch it."""
    faces = [evolve(face, sound_file=kept.made_id) for face in request.face_choose]
    return evolve(request, face_choose=faces)


def with_audio(request: LipSyncRequest, kept: Kept) -> LipSyncRequest | Violation:
    """The request with its audio; its cut ends with the audio where nothing else is said."""
    assert request.speech is not None
    faces = []
    for face in request.face_choose:
        end: int | None = face.sound_end_time
        if request.speech.to_end:
            end = natural_end(None, face.sound_start_time, kept.seconds)
        if end is None:
            text = "the gateway does not tell how long the text is spoken: give the end of the cut"
            return Violation("face_choose[0].sound_end_time", "window_end_unknown", text)
        faces.append(evolve(face, audio_id=kept.made_id, sound_end_time=end))
    return evolve(request, face_choose=faces)
