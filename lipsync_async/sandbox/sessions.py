"""What identify-face and text-to-speech give: sessions that die, with their faces, and sounds (contract, section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from urllib.parse import urlsplit

import attrs

from lipsync_async.sandbox.chances import check_chances, pick

KNOWN_FACES: Mapping[str, str] = {
    "none": "no face: an empty list",
    "refused": "no face: a refusal",
    "invalid": "the video's length is refused",
    "two": "two faces that overlap in time",
    "three": "three faces, the last the longest",
}
"""What a video can have beside one face that is there all the time."""

_FIRST_SESSION, _FIRST_AUDIO = 860_000_000_000_900_000, 860_000_000_000_800_000
_LENGTHS = (20_000, 60_000)  # milliseconds of a video
_MIN_OVERLAP = 2_000
_INTERVALS: Mapping[str | None, tuple[tuple[float, float], ...]] = {
    None: ((0.0, 1.0),),
    "none": (),
    "two": ((0.0, 0.5), (0.3, 1.0)),
    "three": ((0.0, 0.4), (0.3, 0.7), (0.1, 1.0)),
}


@attrs.frozen
class Face:
    """A face and where it is seen, in milliseconds."""

    face_id: str
    start: int
    end: int


@attrs.frozen
class Session:
    """A video whose faces were identified."""

    session_id: str
    video: str
    length: int
    """Milliseconds of the video."""
    faces: tuple[Face, ...]
    dies: float
    """By the sandbox's clock."""


@attrs.frozen
class Speech:
    """A sound that was made of a text."""

    audio_id: str
    length: int
    """Milliseconds."""


def video_key(source: str) -> str:
    """A video's name without what signs its URL."""
    return urlsplit(source)._replace(query="", fragment="").geturl()


class Sessions:
    """Every session and every sound of the account; `life` is in seconds of the clock."""

    def __init__(self, chances: Mapping[str, float] | None, life: float, seed: int) -> None:
        self._chances = check_chances(chances, KNOWN_FACES, "kind of video")
        self._life = life
        self._seed = seed
        self._sessions: dict[str, Session] = {}
        self._speeches: dict[str, Speech] = {}

    def kind(self, source: str) -> str | None:
        """What a video has, a name of `KNOWN_FACES` or None; the same video has the same each time."""
        return pick(self._chances, self._dice(source).random())

    def identify(self, source: str, now: float) -> Session:
        """A new session, whatever sessions the video had before."""
        dice = self._dice(source)
        kind = pick(self._chances, dice.random())
        length = dice.randrange(*_LENGTHS)
        places = enumerate(_INTERVALS.get(kind, ()))
        session = Session(
            session_id=str(_FIRST_SESSION + len(self._sessions) + 1),
            video=video_key(source),
            length=length,
            faces=tuple(Face(str(n), int(first * length), int(last * length)) for n, (first, last) in places),
            dies=now + self._life,
        )
        self._sessions[session.session_id] = session
        return session

    def speak(self, text: str, speed: float) -> Speech:
        """A new sound: a fifth of a second a character, at least one second, at most sixty."""
        length = min(60_000, max(1_000, int(200 * len(text) / speed)))
        speech = Speech(str(_FIRST_AUDIO + len(self._speeches) + 1), length)
        self._speeches[speech.audio_id] = speech
        return speech

    def kill(self, now: float) -> None:
        """Let every session die now."""
        self._sessions = {name: attrs.evolve(it, dies=min(it.dies, now)) for name, it in self._sessions.items()}

    def fault_of(self, session_id: str, face_id: str, place: tuple[int, int], now: float) -> str | None:
        """Why a create cannot have this session and face at this place of the video, in milliseconds; None: it can."""
        session = self._sessions.get(session_id)
        if session is None or now >= session.dies:
            return "session not found"
        face = next((it for it in session.faces if it.face_id == face_id), None)
        if face is None:
            return "face_choose[0].face_id is not of this session"
        if place[1] > session.length:
            return "the sound ends after the video"
        if min(place[1], face.end) - max(place[0], face.start) < _MIN_OVERLAP:
            return "the sound and the face are together for less than 2 seconds"
        return None

    def fault_of_sound(self, audio_id: str, end: int) -> str | None:
        """Why a create cannot have this sound up to this millisecond; None: it can."""
        speech = self._speeches.get(audio_id)
        if speech is None:
            return "face_choose[0].audio_id is not found"
        return "face_choose[0].sound_end_time is after the end of the audio" if end > speech.length else None

    def _dice(self, source: str) -> Random:
        return Random(f"faces-{self._seed}-{video_key(source)}")
